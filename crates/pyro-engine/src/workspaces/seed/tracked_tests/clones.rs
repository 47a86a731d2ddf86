//! Clones from repositories of this host.

use super::{Desk, desk, said};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::project::mirror::Mirrors;
use crate::project::{ProjectSource, Wish};
use crate::workspaces::record::WorkspaceSeed;
use crate::workspaces::seed::{Baseline, Origin};
use std::path::Path;
use std::sync::Mutex;

/// What was said while it ran.
#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    fn notices(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let notices = all.iter().filter_map(|event| match event {
            Event::Notice(text) => Some(text.clone()),
            _ => None,
        });
        notices.collect()
    }

    fn fetches(&self) -> usize {
        let all = self.0.lock().unwrap();
        let clones = all
            .iter()
            .filter(|event| matches!(event, Event::Phase { name: "clone", .. }));
        clones.count()
    }
}

impl Desk {
    fn clone_of(
        &self,
        url: &str,
        reference: Option<&str>,
        heard: &Heard,
    ) -> Result<(Baseline, WorkspaceSeed)> {
        let mirrors = Mirrors::new(&self.layout());
        self.clone_with(&mirrors, url, reference, heard, &Cancel::default())
    }

    pub(super) fn clone_with(
        &self,
        mirrors: &Mirrors,
        url: &str,
        reference: Option<&str>,
        heard: &Heard,
        cancel: &Cancel,
    ) -> Result<(Baseline, WorkspaceSeed)> {
        let wish = Wish {
            repo_url: Some(url),
            repo_ref: reference,
            ..Wish::default()
        };
        let project = ProjectSource::given(&wish, Path::new("/"))?.unwrap();
        let origin = Origin::of_project(&project, mirrors, heard, cancel)?;
        let made = self.baselines.ensure(&origin, heard, cancel)?;
        let seed = origin.seed(&made);
        Ok((made, seed))
    }

    pub(super) fn not_cloned(&self, url: &str, reference: Option<&str>) -> Error {
        self.clone_of(url, reference, &Heard::default())
            .err()
            .unwrap()
    }

    /// A repository with a history, as `up`.
    fn upstream(&self) -> String {
        self.git(
            "mkdir up; cd up; git init -q .; echo 1 > a; mkdir d; printf '#!/bin/sh\\n' > d/run; chmod 755 d/run; ln -s a l
            git add -A; git commit -qm 1; git tag -a v1 -m v1; echo 2 > a; git commit -qam 2; git checkout -q -b side
            echo side > s; git add s; git commit -qm s; git checkout -q main; echo dirty >> a; echo untracked > u",
        );
        self.path("up").display().to_string()
    }

    fn head(&self, name: &str) -> String {
        said(&self.path("up"), &format!("git rev-parse {name}"))
            .trim()
            .to_owned()
    }
}

#[test]
fn a_clone_has_the_files_of_its_commit_and_nothing_else() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    let (made, seed) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(
        desk.names(&made),
        "a f 644 \nd d 755 \nd/run f 755 \nl l 777 a\n"
    );
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "cat a; git status --porcelain; git log --oneline | wc -l; git remote; git fsck --strict"
        ),
        "2\n1\n"
    );
    assert_eq!(seed.origin_kind, "repo_url");
    assert_eq!(seed.origin_ref.as_deref(), Some(up.as_str()));
    assert_eq!(seed.repo_commit, Some(desk.head("main")));
    assert_eq!(
        (seed.repo_ref, seed.tracked_only, seed.modified),
        (None, true, 0)
    );

    // Branch, tag and commit; file:// as well.
    for (reference, commit, line) in [
        ("side", desk.head("side"), "side\n"),
        ("v1", desk.head("v1^{commit}"), "1\n"),
        ("refs/heads/side", desk.head("side"), "side\n"),
    ] {
        let (made, seed) = desk
            .clone_of(&format!("file://{up}"), Some(reference), &heard)
            .unwrap();
        assert_eq!(seed.repo_commit, Some(commit.clone()), "{reference}");
        assert_eq!(seed.repo_ref.as_deref(), Some(reference));
        assert_eq!(
            said(&desk.unpacked(&made), "cat s 2>/dev/null || cat a"),
            line
        );
        let (again, _) = desk.clone_of(&up, Some(&commit), &heard).unwrap();
        assert_eq!(again.key, made.key, "the same commit is the same image");
        let (short, seed) = desk.clone_of(&up, Some(&commit[..9]), &heard).unwrap();
        assert_eq!((short.key, seed.repo_commit), (made.key, Some(commit)));
    }
    let error = desk.not_cloned(&up, Some("no-such"));
    assert_eq!(error.code, "ref_missing");
    assert!(error.message.contains("no-such") && error.hint.unwrap().contains("--repo-ref"));
}

#[test]
fn only_what_is_new_is_fetched_and_what_is_here_needs_no_server() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    let (first, seed) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(heard.fetches(), 1);
    desk.clone_of(&up, None, &heard).unwrap();
    desk.clone_of(&up, seed.repo_commit.as_deref(), &heard)
        .unwrap();
    assert_eq!(heard.fetches(), 1, "it was here");
    desk.git("cd up; git checkout -q .; echo 3 > a; git commit -qam 3");
    let (later, _) = desk.clone_of(&up, None, &heard).unwrap();
    assert_ne!(later.key, first.key);
    assert_eq!(heard.fetches(), 2);

    desk.git("mv up gone");
    assert!(heard.notices().is_empty());
    let (kept, seed_kept) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(kept.key, later.key);
    let notices = heard.notices();
    assert!(
        notices[0].contains("fetched before") && notices[0].contains(&up),
        "{notices:?}"
    );
    assert!(notices[0].contains(&seed_kept.repo_commit.unwrap()[..12]));
    // A commit says what it is; nobody has to be asked.
    desk.clone_of(&up, seed.repo_commit.as_deref(), &heard)
        .unwrap();
    assert_eq!(heard.notices().len(), 1);
    let error = desk.not_cloned(&up, Some("side"));
    assert_eq!(error.code, "clone_failed");
    for way in [
        "--project-path",
        "--repo-url",
        "--no-project-source",
        "seed_path",
    ] {
        assert!(error.hint.as_deref().unwrap().contains(way));
    }
}

#[test]
fn a_killed_fetch_and_a_torn_mirror_do_not_last() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    desk.clone_of(&up, None, &heard).unwrap();
    let mirrors = desk.layout().mirrors();
    desk.sh("cd cache/.mirrors/*.git; mkdir -p refs/all/heads/d
        touch shallow.lock config.lock refs/pyro/x.lock refs/all/heads/d/x.lock objects/pack/tmp_pack_1");
    desk.git("cd up; git checkout -q .; echo 4 > a; git commit -qam 4");
    desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(heard.fetches(), 2);
    // Objects come in packs, which are whole: a commit that is here has its files.
    let left = "cd cache/.mirrors/*.git; find . -name '*.lock' -o -name 'tmp_*'; ls objects";
    assert_eq!(said(desk.dir.path(), left), "info\npack\n");
    desk.sh("cd cache/.mirrors/*.git; rm HEAD");
    desk.clone_of(&up, Some("side"), &heard).unwrap();
    // One that nobody used for long goes with the next use of any.
    desk.git("cp -a up other; touch -d '2 months ago' cache/.mirrors/*.lock");
    desk.clone_of(&desk.path("other").display().to_string(), None, &heard)
        .unwrap();
    let left = std::fs::read_dir(mirrors).unwrap().flatten();
    let left = left.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "git"));
    assert_eq!(left.count(), 1);
}

#[test]
fn no_helper_runs_and_no_option_gets_through() {
    let desk = desk();
    let mark = desk.path("ran").display().to_string();
    let up = desk.upstream();
    for url in [
        format!("ext::sh -c touch% {mark}"),
        format!("ext::sh -c \"touch {mark}\""),
        "fd::0".into(),
        format!("--upload-pack=touch {mark}"),
        format!("ssh://-oProxyCommand=touch%20{mark}/x"),
        format!("-oProxyCommand=touch {mark}:x"),
    ] {
        assert_eq!(desk.not_cloned(&url, None).code, "invalid_request", "{url}");
    }
    for reference in [
        format!("--upload-pack=touch {mark}"),
        "-x".into(),
        "a:b".into(),
    ] {
        assert_eq!(
            desk.not_cloned(&up, Some(&reference)).code,
            "invalid_request"
        );
    }
    // A submodule or a rewritten address would come to git without us.
    desk.git(&format!(
        "cd up; git config -f .gitmodules submodule.x.path x; git config -f .gitmodules submodule.x.url 'ext::sh -c touch% {mark}'
        git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),x; git add .gitmodules; git commit -qm sub"
    ));
    let (made, seed) = desk.clone_of(&up, None, &Heard::default()).unwrap();
    assert_eq!(seed.skipped_kinds["submodule"], 1);
    assert!(desk.names(&made).contains("x d 755"));
    assert!(!Path::new(&mark).exists());
}

#[test]
fn filters_of_a_clone_are_not_run_and_pointers_stay() {
    let desk = desk();
    let up = desk.upstream();
    desk.git(
        "cd up; git checkout -q .; echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
        printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\n' > x.bin; git add -A; git commit -qm lfs",
    );
    let (made, _) = desk.clone_of(&up, None, &Heard::default()).unwrap();
    assert!(
        said(&desk.unpacked(&made), "cat x.bin; git status --porcelain").ends_with("sha256:0\n")
    );
}

#[test]
fn a_repository_without_commits_is_named() {
    let desk = desk();
    desk.git("git init -q --bare empty.git");
    let error = desk.not_cloned(&desk.path("empty.git").display().to_string(), None);
    assert_eq!(error.code, "ref_missing");
    assert!(error.message.contains("no commit yet"), "{error}");
}

#[test]
fn a_repository_of_long_ids_is_cloned() {
    let desk = desk();
    desk.git(
        "git init -q --object-format=sha256 up; cd up; echo 1 > a; git add a; git commit -qm 1",
    );
    let (up, head) = (desk.path("up").display().to_string(), desk.head("main"));
    for reference in [None, Some(head.as_str()), Some(&head[..12])] {
        desk.sh("rm -rf cache");
        let (made, seed) = desk.clone_of(&up, reference, &Heard::default()).unwrap();
        assert_eq!(seed.repo_commit.as_deref(), Some(head.as_str()));
        let tree = desk.unpacked(&made);
        assert_eq!(said(&tree, "cat a; git status --porcelain"), "1\n");
    }
    // A wrong guess does not stay.
    desk.git("git init -q short; cd short; echo 1 > a; git add a; git commit -qm 1");
    let short = desk.path("short").display().to_string();
    assert_eq!(desk.not_cloned(&short, Some(&head)).code, "clone_failed");
    desk.clone_of(&short, None, &Heard::default()).unwrap();
}

#[test]
fn mirrors_have_a_size_and_the_longest_unused_goes() {
    let desk = desk();
    let up = desk.upstream();
    desk.git("cp -a up two; cp -a up three");
    let clone = |name: &str, most_bytes| {
        let mirrors = Mirrors::new(&desk.layout()).with_most_bytes(most_bytes);
        let url = up.replace("/up", &format!("/{name}"));
        desk.clone_with(&mirrors, &url, None, &Heard::default(), &Cancel::default())
            .unwrap();
        let left = std::fs::read_dir(desk.layout().mirrors())
            .unwrap()
            .flatten();
        let left = left.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "git"));
        left.count()
    };
    clone("up", u64::MAX);
    assert_eq!(clone("two", 1), 2, "the other may be in use");
    desk.sh("touch -d '3 hours ago' cache/.mirrors/*.lock");
    assert_eq!(clone("three", u64::MAX), 3);
    assert_eq!(clone("three", 1), 1, "its own stays");
}

#[test]
fn a_few_objects_that_are_very_many_files_are_not_checked_out() {
    let desk = desk();
    desk.git(
        "mkdir up; cd up; git init -q .; blob=$(head -c 67108864 /dev/zero | git hash-object -w --stdin)
        tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\\tf%s\\n' $blob $i; done | git mktree)
        for level in 1 2 3; do
            tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $i; done | git mktree)
        done
        git update-ref refs/heads/main $(git commit-tree -m bomb $tree)",
    );
    let up = desk.path("up").display().to_string();
    let error = desk.not_cloned(&up, None);
    assert_eq!(error.code, "seed_too_large", "{error}");
    assert!(
        error.message.contains("10000 files of 640000 MiB"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("--project-path"));
    let left = std::fs::read_dir(desk.path("state/baselines")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["seen"]);
}
