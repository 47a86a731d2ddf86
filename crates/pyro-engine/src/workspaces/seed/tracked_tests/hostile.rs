//! Projects that are broken, change, belong to others, or mean harm.

use super::{desk, said};
use crate::NoEvents;
use crate::events::Cancel;
use std::path::Path;

#[test]
fn what_took_a_files_place_is_not_tracked() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; mkdir d e f; for x in a b c d/1 e/2 f/3; do echo $x > $x; done; git add -A
        rm a b c; mkdir a; echo inside > a/x; mkfifo b; ln -s /etc/passwd c; rm -r d; ln -s /etc d
        mkdir ../away; echo foreign > ../away/2; rm -r e; ln -s ../away e; rm -r f; echo file > f",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(desk.names(&made), "c l 777 /etc/passwd\n");
    assert_eq!(seed.skipped_kinds["deleted"], 4);
    assert_eq!(seed.skipped_kinds["special"], 1);
}

#[test]
fn nothing_that_the_repository_configures_is_run() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; echo '* filter=evil diff=evil merge=evil' > .gitattributes; echo x > a; git add -A; git commit -qm x
        touch -d @1000000000 a; run=\"touch $PWD/../ran; cat\"
        for key in filter.evil.clean filter.evil.smudge filter.evil.process core.fsmonitor core.pager core.editor \
            core.sshCommand diff.evil.textconv diff.evil.command core.askPass core.gitProxy credential.helper \
            sequence.editor gpg.program core.alternateRefsCommand uploadpack.packObjectsHook pager.ls-files; do
            git config $key \"$run\"
        done
        git config alias.ls-files \"!$run\"; git config alias.rev-parse \"!$run\"; git config filter.evil.required true
        git config core.hooksPath \"$PWD/hooks\"; mkdir hooks
        for hook in post-index-change fsmonitor-watchman post-checkout reference-transaction; do
            printf '#!/bin/sh\\ntouch %s/../ran\\n' \"$PWD\" > hooks/$hook; chmod 755 hooks/$hook
        done; cp hooks/* .git/hooks/ 2>/dev/null || cp -r hooks .git/",
    );
    let (made, _) = desk.project("seed").unwrap();
    assert_eq!(desk.names(&made), ".gitattributes f 644 \na f 644 \n");
    assert!(!desk.path("ran").exists());
    // The trap works where git is not held back.
    desk.git("cd seed; git status || true");
    assert!(desk.path("ran").exists());
}

#[test]
fn broken_repositories_are_named_with_the_ways_out() {
    let desk = desk();
    desk.git(
        "mkdir -p empty/.git torn file index; (cd torn; git init -q .; rm .git/HEAD; echo x > a)
        echo 'gitdir: /nowhere/at/all' > file/.git; mkdir link; ln -s /nowhere/at/all link/.git
        cd index; git init -q .; echo 1 > a; git add a; printf 'not an index at all, not even nearly' > .git/index",
    );
    for name in ["empty", "torn", "file", "link", "index"] {
        let error = desk.refused(name);
        assert_eq!(error.code, "project_broken", "{name}: {error}");
        assert!(error.message.contains(name), "{error}");
        assert!(!error.message.contains('\n'), "{error}");
        let hint = error.hint.unwrap();
        for way in [
            "--project-path",
            "--repo-url",
            "--no-project-source",
            "seed_path",
        ] {
            assert!(hint.contains(way), "{hint}");
        }
    }
}

#[test]
fn settings_that_lead_git_elsewhere_are_not_followed() {
    let desk = desk();
    desk.git(
        "mkdir away; echo foreign > away/a; cd seed; git init -q .; echo own > a; git add a; git commit -qm x
        git config core.worktree \"$PWD/../away\"; mkdir ../gitdir; git init -q --separate-git-dir ../gitdir/x ../apart
        cd ../apart; echo apart > p; git add p",
    );
    let (made, _) = desk.project("seed").unwrap();
    assert_eq!(said(&desk.unpacked(&made), "cat a"), "own\n");
    let (made, _) = desk.project("apart").unwrap();
    assert_eq!(desk.names(&made), "p f 644 \n");
    desk.git("cd seed; git config --unset core.worktree; git config core.bare true");
    assert_eq!(desk.names(&desk.project("seed").unwrap().0), "a f 644 \n");
}

/// As a user who may not do everything; root becomes one on this thread alone.
fn as_ordinary_user<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> T {
    use rustix::fs::{Gid, Uid};
    let root = rustix::process::geteuid().is_root();
    if root {
        let status = std::process::Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(folder)
            .status();
        assert!(status.unwrap().success());
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if root {
                let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
                rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            }
            work()
        });
        thread.join().unwrap()
    })
}

#[test]
fn an_unreadable_tracked_file_is_named_and_an_unreadable_other_does_not_matter() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; mkdir d; echo 1 > a; echo 2 > d/b; echo i > .gitignore; git add -A; git commit -qm x
        mkdir i locked; echo x > i/x; echo y > locked/y; echo z > unreadable; chmod 000 i locked unreadable",
    );
    let folder = desk.dir.path().to_owned();
    as_ordinary_user(&folder, || {
        let (_, seed) = desk.project("seed").unwrap();
        assert_eq!(seed.entry_count, 4);
        desk.git("cd seed; chmod 000 d/b");
        let error = desk.refused("seed");
        assert_eq!(error.code, "source_io");
        assert!(error.message.contains("seed/d/b"), "{error}");
        for way in [
            "--project-path",
            "--repo-url",
            "--no-project-source",
            "seed_path",
        ] {
            assert!(error.hint.as_deref().unwrap().contains(way));
        }
        desk.git("cd seed; chmod 644 d/b; chmod 000 d");
        let error = desk.refused("seed");
        assert!(error.message.contains("seed/d/b"), "{error}");
        desk.git("cd seed; chmod -R u+rwx .");
    });
}

#[test]
fn a_repository_of_another_owner_is_read() {
    if !rustix::process::geteuid().is_root() {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: only root can give a repository to somebody else");
        }
        return;
    }
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; echo 1 > a; git add a; git commit -qm x; chown -R 65534:65534 .",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(desk.names(&made), "a f 644 \n");
    assert!(seed.repo_commit.is_some());
}

#[test]
fn files_that_change_while_they_are_read_are_read_again_or_refused() {
    let desk = desk();
    desk.git("cd seed; git init -q .; for i in $(seq 300); do echo $i > $i; done; git add -A; git commit -qm x");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (tree, file) = (desk.path("seed"), desk.path("seed/17"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                std::fs::write(&file, "x".repeat(round % 500)).unwrap();
                let _ = std::fs::remove_file(tree.join("18"));
                let _ = std::fs::write(tree.join("18"), "back");
            }
        });
        for _ in 0..10 {
            match desk.project("seed") {
                // Whatever state it caught, file and commit agree.
                Ok((made, _)) => {
                    let tree = desk.unpacked(&made);
                    assert_eq!(
                        said(
                            &tree,
                            "touch 17 18 2>/dev/null; git add -u; git status --porcelain -- 17"
                        ),
                        ""
                    );
                }
                Err(error) => assert_eq!(error.code, "source_changed", "{error}"),
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_a_killed_maker_left_is_swept() {
    let desk = desk();
    desk.git("cd seed; git init -q .; echo 1 > a; git add a");
    desk.project("seed").unwrap();
    let left = desk.path("state/baselines/.partial-left");
    std::fs::create_dir_all(left.join("x")).unwrap();
    let held = desk.path("state/baselines/.partial-held");
    std::fs::create_dir(&held).unwrap();
    let lock = std::fs::File::open(&held).unwrap();
    lock.lock().unwrap();
    desk.baselines.tidy();
    assert!(!left.exists() && held.exists());
}

#[test]
fn whoever_waits_for_the_same_source_can_be_cancelled() {
    let desk = desk();
    desk.git("cd seed; git init -q .; echo 1 > a; git add a; touch -d '1 hour ago' a");
    desk.project("seed").unwrap();
    let seen = desk.path("state/baselines/seen");
    let other = std::fs::read_dir(seen).unwrap().next().unwrap().unwrap();
    let other = std::fs::File::open(other.path()).unwrap();
    other.lock().unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let origin = desk.origin("seed").unwrap();
    let error = desk.baselines.ensure(&origin, &NoEvents, &cancel);
    assert_eq!(error.err().unwrap().code, "cancelled");
}
