//! The choice of a source.

use super::*;

fn wish<'a>(path: Option<&'a str>, url: Option<&'a str>) -> Wish<'a> {
    Wish {
        project_path: path,
        repo_url: url,
        ..Wish::default()
    }
}

fn tree() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for folder in [
        "repo/.git",
        "repo/a/b",
        "plain/x",
        "bare/objects",
        "bare/refs",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("bare/HEAD"), "ref: refs/heads/main").unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    std::os::unix::fs::symlink("repo/a", root.join("link")).unwrap();
    (dir, root)
}

#[test]
fn a_folder_in_a_work_tree_stands_for_its_top_level() {
    let (_dir, root) = tree();
    let repo = Some(ProjectSource::Path {
        root: root.join("repo"),
        tracked: true,
    });
    for path in ["repo", "repo/a/b", "link", "./link/b/.."] {
        assert_eq!(
            ProjectSource::choose(&wish(Some(path), None), &root).unwrap(),
            repo,
            "{path}"
        );
    }
    assert_eq!(
        ProjectSource::choose(&wish(None, None), &root.join("repo/a")).unwrap(),
        repo
    );
    assert_eq!(
        ProjectSource::given(&wish(None, None), &root.join("repo/a")).unwrap(),
        None
    );
    assert_eq!(
        ProjectSource::choose(&wish(None, None), &root.join("plain")).unwrap(),
        None
    );
    let none = Wish {
        none: true,
        ..Wish::default()
    };
    assert_eq!(
        ProjectSource::choose(&none, &root.join("repo")).unwrap(),
        None
    );
    let plain = ProjectSource::choose(&wish(Some("plain/x"), None), &root)
        .unwrap()
        .unwrap();
    assert_eq!(
        plain.to_string(),
        format!("whole folder {}/plain/x", root.display())
    );
    assert_eq!(
        sentence(repo.as_ref()),
        format!("Git-tracked files of {}/repo", root.display())
    );
    assert_eq!(sentence(None), "no project source");
}

#[test]
fn what_cannot_be_is_refused_with_the_ways_out() {
    let (_dir, root) = tree();
    let both = Wish {
        none: true,
        ..wish(Some("repo"), None)
    };
    let alone = Wish {
        repo_ref: Some("main"),
        ..Wish::default()
    };
    for (wish, code) in [
        (wish(Some("repo"), Some("https://x/y")), "conflict"),
        (both, "conflict"),
        (alone, "conflict"),
        (wish(Some("missing"), None), "source_missing"),
        (wish(Some("file"), None), "source_kind"),
        (wish(Some("bare"), None), "source_kind"),
        (wish(Some("  "), None), "invalid_request"),
        (wish(None, Some(" ")), "invalid_request"),
    ] {
        let error = ProjectSource::choose(&wish, &root).unwrap_err();
        assert_eq!(error.code, code, "{wish:?}");
        assert!(error.hint.unwrap().contains("--repo-url"), "{wish:?}");
    }
}

#[test]
fn readiness_tells_what_is_used_and_why_it_is_not() {
    let (_dir, root) = tree();
    let cancel = crate::Cancel::default();
    let look = |wish: &Wish| {
        let chosen = ProjectSource::choose(wish, &root);
        readiness::Readiness::look(&chosen, wish.project_path, &cancel)
    };
    let none = look(&Wish::default());
    assert!(none.ready && none.kind == "none" && none.reference.is_none());
    let whole = look(&wish(Some("plain"), None));
    assert!(whole.ready && whole.tracked_file_count.is_none());
    assert!(whole.summary.starts_with("whole folder"));
    // Its `.git` is an empty folder.
    let broken = look(&wish(Some("repo"), None));
    assert!(!broken.ready && broken.reason.unwrap().contains("repo"));
    assert!(broken.fallback.unwrap().contains("--no-project-source"));
    let missing = look(&wish(Some("nowhere"), None));
    assert_eq!(
        (missing.kind.as_str(), missing.ready),
        ("project_path", false)
    );
    let clone = look(&wish(None, Some("https://me:s3cret@host.example/x")));
    assert!(clone.ready);
    assert_eq!(clone.reference.as_deref(), Some("https://host.example/x"));
    assert_eq!(clone.summary, "clean clone of https://host.example/x");
}
