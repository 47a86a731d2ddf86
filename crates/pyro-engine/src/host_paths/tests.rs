//! What a server for models may name: the rules, and races with them.

use super::*;
use crate::Layout;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

const ID: &str = "0123456789ab";

/// A host with a home, a project, an allowed folder, and secrets beside them.
struct Host {
    _dir: tempfile::TempDir,
    root: PathBuf,
    layout: Layout,
}

fn host() -> Host {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for folder in [
        "home/project/src",
        "home/allowed",
        "home/.ssh",
        "state",
        "cache",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in [
        "home/project/src/main",
        "home/.ssh/key",
        "state/secret",
        "home/allowed/a",
    ] {
        std::fs::write(root.join(file), file).unwrap();
    }
    let layout = Layout {
        cache: root.join("cache"),
        state: root.join("state"),
    };
    Host {
        _dir: dir,
        root,
        layout,
    }
}

impl Host {
    fn at(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    fn roots(&self, project: Option<&str>, allowed: &[&str]) -> Result<Roots> {
        let project = project.map(|project| self.root.join(project));
        let allowed: Vec<_> = allowed.iter().map(|path| self.at(path)).collect();
        let home = Some(self.root.join("home"));
        Roots::for_home(&self.layout, project.as_deref(), &allowed, home)
    }

    fn paths(&self) -> HostPaths {
        let roots = self.roots(Some("home/project"), &["home/allowed"]);
        HostPaths::Within(Arc::new(roots.unwrap()))
    }

    fn output(&self, path: &str) -> Result<Output> {
        self.paths().output(path, || Ok(ID.into()))
    }
}

fn text(file: Result<File>) -> String {
    std::io::read_to_string(file.unwrap()).unwrap()
}

#[test]
fn reads_are_below_the_project_and_allowed_folders() {
    let host = host();
    let paths = host.paths();
    assert_eq!(text(paths.open("src/main")), "home/project/src/main");
    assert_eq!(
        text(paths.open("./src/../src//main")),
        "home/project/src/main"
    );
    assert_eq!(
        text(paths.open(&host.at("home/allowed/a"))),
        "home/allowed/a"
    );
    assert!(paths.find(".").is_ok() && paths.find("src/").is_ok());
    symlink("src", host.root.join("home/project/inner")).unwrap();
    assert_eq!(text(paths.open("inner/main")), "home/project/src/main");
    symlink("../.ssh", host.root.join("home/project/out")).unwrap();
    for outside in [
        "../.ssh/key",
        "out/key",
        "out",
        "/etc/passwd",
        "/",
        "..",
        "src/../../allowed/../.ssh",
        "/proc/self/root/etc/passwd",
        "/proc/self/environ",
        &host.at("state/secret"),
        &host.at("home"),
        &host.at("home/project2"),
    ] {
        let error = paths.find(outside).unwrap_err();
        assert_eq!(error.code, "path_not_allowed", "{outside}: {error}");
        assert!(error.message.contains(&host.at("home/project")), "{error}");
        assert!(error.hint.unwrap().contains("--allow-path"));
    }
    for missing in [
        "none",
        "none/../../../etc/passwd",
        "",
        " ",
        "a\0b",
        &"x".repeat(5000),
    ] {
        let error = paths.find(missing).unwrap_err();
        assert_eq!(error.code, "source_missing", "{missing:?}: {error}");
    }
    let error = paths.open("src").unwrap_err();
    assert_eq!(error.code, "source_kind");
}

#[test]
fn a_dangling_link_is_not_followed_when_its_target_comes() {
    let host = host();
    let target = host.root.join("home/later");
    symlink(&target, host.root.join("home/project/later")).unwrap();
    assert!(host.paths().find("later").is_err());
    std::fs::write(&target, "secret").unwrap();
    let error = host.paths().find("later").unwrap_err();
    assert_eq!(error.code, "path_not_allowed");
}

#[test]
fn without_roots_nothing_is_read_and_the_flag_is_named() {
    let host = host();
    for project in [None, Some("home")] {
        let roots = host.roots(project, &[]).unwrap();
        let error = roots.find("x").unwrap_err();
        assert_eq!(error.code, "path_not_allowed");
        assert!(error.hint.unwrap().contains("--allow-path"));
    }
}

#[test]
fn a_project_that_holds_the_state_is_read_in_parts() {
    let host = host();
    let roots = host.roots(Some(""), &[]);
    // The project is above the home folder, too; so let it be one that is not.
    assert_eq!(
        roots.unwrap().find("state").unwrap_err().code,
        "path_not_allowed"
    );
    let mut inner = host.layout.clone();
    inner.state = host.root.join("home/project/.state");
    std::fs::create_dir_all(inner.state.join("workspaces")).unwrap();
    let project = host.root.join("home/project");
    let roots = Roots::for_home(&inner, Some(&project), &[], None).unwrap();
    assert!(roots.find("src").is_ok());
    for own in [".", ".state", ".state/workspaces"] {
        assert_eq!(
            roots.find(own).unwrap_err().code,
            "path_not_allowed",
            "{own}"
        );
    }
}

#[test]
fn outputs_go_to_the_workspaces_folder_and_allowed_ones() {
    let host = host();
    let exports = host.root.join("state/exports").join(ID);
    let relative = host.output("dist/deep/report.txt").unwrap();
    assert_eq!(relative.path, exports.join("dist/deep/report.txt"));
    std::fs::write(relative.made(), "x").unwrap();
    assert_eq!(
        std::fs::read(exports.join("dist/deep/report.txt")).unwrap(),
        b"x"
    );
    for folder in [&exports, &exports.join("dist")] {
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    assert!(
        host.output(&exports.join("again").display().to_string())
            .is_ok()
    );
    let allowed = host.output(&host.at("home/allowed/new/x")).unwrap();
    assert_eq!(allowed.path, host.root.join("home/allowed/new/x"));
    assert_eq!(host.output("dist").unwrap_err().code, "output_exists");
    assert_eq!(
        host.output("CLAUDE.md").unwrap().path,
        exports.join("CLAUDE.md")
    );
}

#[test]
fn outputs_nowhere_else() {
    let host = host();
    symlink("..", host.root.join("home/allowed/up")).unwrap();
    std::fs::create_dir_all(host.root.join("home/allowed/r/.git")).unwrap();
    symlink("r/.git", host.root.join("home/allowed/into")).unwrap();
    let cases = [
        ("../other", "path_not_allowed"),
        ("a/../../b/x", "path_not_allowed"),
        ("none/../../../x", "path_not_allowed"),
        ("home/project/x", "path_not_allowed"),
        ("home/.bashrc", "path_not_allowed"),
        ("home/allowed", "path_not_allowed"),
        ("home/allowed/../x", "path_not_allowed"),
        ("home/allowed/up/x", "path_not_allowed"),
        ("home/allowed/opencode.json", "path_not_allowed"),
        ("home/allowed/.CLAUDE/settings.json", "path_not_allowed"),
        ("home/allowed/r/.git/hooks/pre-commit", "output_in_git"),
        ("home/allowed/into/hooks", "output_in_git"),
        ("home/allowed/x/.GIT/config", "output_in_git"),
        ("home/allowed/.g\u{200b}it/config", "output_in_git"),
        ("state/exports/f09876543210/x", "path_not_allowed"),
        ("state/exports/0123456789ab", "path_not_allowed"),
        ("state/secret2", "path_not_allowed"),
        ("cache/x", "path_not_allowed"),
        ("home/allowed/a", "output_exists"),
        (".git/x", "output_in_git"),
        ("/", "invalid_output"),
        ("..", "invalid_output"),
        ("", "invalid_output"),
        ("a\0b", "invalid_output"),
        ("a\nb", "invalid_output"),
        ("\x1b[2J", "invalid_output"),
        ("home/allowed/a/below-a-file", "invalid_output"),
        ("home/allowed/gone/x", "invalid_output"),
    ];
    symlink("nowhere", host.root.join("home/allowed/gone")).unwrap();
    for (path, code) in cases {
        let absolute = ["home", "state", "cache"]
            .iter()
            .any(|top| path.starts_with(top));
        let path = if absolute {
            host.at(path)
        } else {
            path.to_owned()
        };
        let error = host.output(&path).unwrap_err();
        assert_eq!(error.code, code, "{path}: {error}");
    }
    let (long, deep) = ("x".repeat(256), "y/".repeat(65));
    for path in [long.clone(), format!("{long}/x"), format!("{deep}x")] {
        assert_eq!(host.output(&path).unwrap_err().code, "invalid_output");
    }
    assert!(host.output(&long[1..]).is_ok());
    assert!(
        !host.root.join("home/allowed/x").exists(),
        "nothing was made on the way"
    );
    assert!(!host.root.join("state/exports/f09876543210").exists());
}

#[test]
fn an_absolute_path_outside_is_refused_without_asking_for_the_workspace() {
    let error = host().paths().output("/etc/cron.d/x", || unreachable!());
    assert_eq!(error.unwrap_err().code, "path_not_allowed");
}

#[test]
fn roots_that_hold_too_much_are_refused() {
    let host = host();
    for (root, why) in [
        ("home", "home folder"),
        ("", "home folder"),
        ("state", "own files"),
        ("state/workspaces", ""),
        ("cache", "own files"),
        ("home/none", "No such"),
        ("home/allowed/a", "no folder"),
    ] {
        let error = host.roots(None, &[root]).unwrap_err();
        assert_eq!(error.code, "invalid_root", "{root}");
        assert!(
            error.message.contains("--allow-path") && error.message.contains(why),
            "{error}"
        );
    }
    let slash = Roots::for_home(&host.layout, None, &["/".to_owned()], None);
    assert!(slash.unwrap_err().message.contains("home folder"));
}

/// Somebody swaps a folder for a link to the outside, over and over: what is
/// read is the project's or refused, and what is written stays inside.
#[test]
fn a_link_that_is_swapped_in_leads_nowhere() {
    let host = host();
    let paths = host.paths();
    let outside = host.root.join("home/.ssh");
    let project = host.root.join("home/project");
    let allowed = host.root.join("home/allowed");
    std::fs::write(project.join("src/key"), "mine").unwrap();
    std::fs::create_dir(allowed.join("src")).unwrap();
    let ended = AtomicBool::new(false);
    let (mut read, mut refused) = (0_u32, 0_u32);
    std::thread::scope(|scope| {
        for folder in [&project, &allowed] {
            let (name, aside) = (folder.join("src"), folder.join("aside"));
            symlink(&outside, &aside).unwrap();
            let ended = &ended;
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    renameat_with(CWD, &name, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
                }
            });
        }
        for round in 0..1000 {
            match paths.open("src/key") {
                Ok(file) => {
                    assert_eq!(text(Ok(file)), "mine");
                    read += 1;
                }
                Err(_) => refused += 1,
            }
            if let Ok(found) = paths.find("src")
                && let Ok(file) = linkless::file(&found.join("key"))
            {
                assert_eq!(text(Ok(file)), "mine");
            }
            if let Ok(output) = paths.output(
                &host.at(&format!("home/allowed/src/{round}")),
                || unreachable!(),
            ) {
                std::fs::write(output.made(), "made").unwrap();
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(read > 0 && refused > 0, "both were seen: {read} {refused}");
    assert_eq!(
        std::fs::read_dir(&outside).unwrap().count(),
        1,
        "only the key"
    );
}

/// Whatever is named: what is found is below a root, and what is written, too.
#[test]
fn nothing_outside_is_reached() {
    let host = host();
    symlink("../.ssh", host.root.join("home/project/out")).unwrap();
    symlink("src", host.root.join("home/project/inner")).unwrap();
    let parts = prop::sample::select(vec![
        "..",
        ".",
        "",
        "src",
        "main",
        "out",
        "inner",
        "home",
        "project",
        "allowed",
        ".ssh",
        "key",
        ".git",
        "ä",
        "/proc/self/cwd",
        "proc",
        "self",
        "root",
        "~",
        "state",
        "exports",
    ]);
    let paths = (prop::collection::vec(parts, 0..8), any::<bool>());
    let mut runner = TestRunner::new(Config::with_cases(1000));
    let done = runner.run(&paths, |(parts, absolute)| {
        let path = parts.join("/");
        let path = if absolute { host.at(&path) } else { path };
        let inside = |path: &Path| {
            ["home/project", "home/allowed"]
                .iter()
                .any(|root| path.starts_with(host.root.join(root)))
        };
        if let Ok(found) = host.paths().find(&path) {
            let real = found.canonicalize().unwrap();
            prop_assert!(inside(&real), "{path} is {}", real.display());
        }
        if let Ok(output) = host.output(&path) {
            std::fs::write(output.made(), "").unwrap();
            let real = output.path.canonicalize().unwrap();
            prop_assert!(
                real.starts_with(host.root.join("home/allowed"))
                    || real.starts_with(host.root.join("state/exports").join(ID)),
                "{path} is {}",
                real.display()
            );
            prop_assert!(!real.iter().any(|name| name.eq_ignore_ascii_case(".git")));
        }
        Ok(())
    });
    done.unwrap();
}
