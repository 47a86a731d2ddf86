//! Projects as images, read back by debugfs and by git.

mod clones;
mod hostile;
mod servers;

use crate::NoEvents;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::project::mirror::Mirrors;
use crate::project::{ProjectSource, Wish};
use crate::workspaces::record::WorkspaceSeed;
use crate::workspaces::seed::tests::{Desk, desk};
use crate::workspaces::seed::{Baseline, Origin};
use std::path::{Path, PathBuf};

const GIT: &str = "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
    git() { command git -c user.name=a -c user.email=a@b -c protocol.file.allow=always -c init.defaultBranch=main \"$@\"; }
    ";

impl Desk {
    /// Lines of a shell in a folder of the desk, with git.
    fn git(&self, lines: &str) {
        self.sh(&format!("{GIT}{lines}"));
    }

    fn origin(&self, name: &str) -> Result<Origin> {
        let path = self.path(name);
        let wish = Wish {
            project_path: path.to_str(),
            ..Wish::default()
        };
        let project = ProjectSource::given(&wish, Path::new("/"))?;
        let mirrors = Mirrors::new(&self.layout());
        Origin::of_project(&project.unwrap(), &mirrors, &NoEvents, &Cancel::default())
    }

    fn project(&self, name: &str) -> Result<(Baseline, WorkspaceSeed)> {
        let origin = self.origin(name)?;
        let made = self
            .baselines
            .ensure(&origin, &NoEvents, &Cancel::default())?;
        let seed = origin.seed(&made);
        Ok((made, seed))
    }

    fn refused(&self, name: &str) -> Error {
        self.project(name).err().unwrap()
    }

    /// What the guest will see, as a folder.
    fn unpacked(&self, made: &Baseline) -> PathBuf {
        let to = self.path(&format!("out-{}", made.key));
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).unwrap();
        self.debugfs(made, &format!("rdump tree {}", to.display()));
        to.join("tree")
    }

    /// Names without those of `.git`, a line each, with modes and targets.
    fn names(&self, made: &Baseline) -> String {
        let tree = self.unpacked(made);
        said(
            &tree,
            "find . -mindepth 1 -name .git -prune -o -mindepth 1 -printf '%P %y %m %l\\n' | LC_ALL=C sort",
        )
    }
}

fn said(folder: &Path, line: &str) -> String {
    let output = std::process::Command::new("bash")
        .args(["-ec", &format!("{GIT}{line}")])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn only_tracked_files_enter_with_the_bytes_of_the_work_tree() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; mkdir -p src/deep build; echo one > src/a; echo two > src/deep/b
        printf '#!/bin/sh\\n' > run; chmod 755 run; ln -s src/a link; ln -s nowhere dangling
        echo '*.log' > .gitignore; echo build >> .gitignore; echo gone > gone; git add -A; git commit -qm x
        rm gone; echo changed > src/a; echo secret > untracked; echo noise > a.log; touch build/big
        mkdir locked; touch locked/x; mkfifo pipe",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(
        desk.names(&made),
        ".gitignore f 644 \ndangling l 777 nowhere\nlink l 777 src/a\nrun f 755 \nsrc d 755 \n\
         src/a f 644 \nsrc/deep d 755 \nsrc/deep/b f 644 \n"
    );
    let tree = desk.unpacked(&made);
    assert_eq!(said(&tree, "cat src/a"), "changed\n");
    assert_eq!(
        said(
            &tree,
            "git status --porcelain; git log --format='%an %s %at'; git fsck --full --strict; git remote; git branch"
        ),
        "pyro Baseline: what this workspace began with 1577836800\n* main\n"
    );
    // Git trusts the times in the index: it reads no file again.
    assert_eq!(
        said(&tree, "git diff-files; git diff-index --cached HEAD"),
        ""
    );
    assert_eq!(
        said(
            &tree,
            "echo more >> src/deep/b; git diff --stat | cat; git diff | tail -n 1"
        ),
        " src/deep/b | 1 +\n 1 file changed, 1 insertion(+)\n+more\n"
    );
    assert_eq!(seed.origin_kind, "project_path");
    assert_eq!(
        seed.origin_ref,
        desk.path("seed").to_str().map(str::to_owned)
    );
    assert!(seed.tracked_only);
    assert_eq!((seed.entry_count, seed.modified, seed.skipped), (8, 1, 1));
    assert_eq!(seed.skipped_kinds["deleted"], 1);
    assert_eq!(seed.repo_commit.map(|commit| commit.len()), Some(40));
}

#[test]
fn names_of_any_bytes_and_every_kind_of_path() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; d=$(printf 'caf\\351'); mkdir -p \"$d\" 'sp ace' A a x.d x x-; echo 1 > \"$d/f\"
        echo 2 > 'sp ace/q\"uote'; echo 3 > \"$(printf 'new\\nline')\"; echo 4 > A/f; echo 5 > a/F; echo 6 > -dash
        echo 7 > x/y; echo 8 > x.d/y; echo 9 > x-/y; : > empty; cp A/f same; git add -A",
    );
    let (made, seed) = desk.project("seed").unwrap();
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "git status --porcelain; git fsck --full --strict; git ls-files | wc -l"
        ),
        "11\n"
    );
    assert_eq!(seed.repo_commit, None, "there is no commit yet");
    assert_eq!(seed.modified, 0);
    assert_eq!(
        said(&tree, "cat \"$(printf 'caf\\351/f')\"; cat -- -dash"),
        "1\n6\n"
    );
}

#[test]
fn an_empty_repository_is_an_empty_commit() {
    let desk = desk();
    desk.git("cd seed; git init -q .; echo x > untracked");
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(seed.entry_count, 0);
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "git status --porcelain; git fsck --strict; git log --oneline | wc -l"
        ),
        "1\n"
    );
}

#[test]
fn submodules_are_their_tracked_files_and_empty_where_they_are_not_checked_out() {
    let desk = desk();
    desk.git(
        "mkdir leaf inner; (cd leaf; git init -q .; echo leaf > l; git add -A; git commit -qm l)
        (cd inner; git init -q .; echo in > i; git submodule --quiet add \"$PWD/../leaf\" deep; git add -A; git commit -qm i)
        cd seed; git init -q .; echo top > t; git submodule --quiet add \"$PWD/../inner\" sub
        git submodule --quiet add \"$PWD/../leaf\" none; git add -A; git commit -qm t; git submodule --quiet deinit -f none
        git submodule --quiet update --init --recursive sub; echo not tracked > sub/u; echo new > sub/deep/l",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(
        desk.names(&made),
        ".gitmodules f 644 \nnone d 755 \nsub d 755 \nsub/.gitmodules f 644 \nsub/deep d 755 \n\
         sub/deep/l f 644 \nsub/i f 644 \nt f 644 \n"
    );
    assert_eq!(seed.skipped_kinds["submodule"], 1);
    assert_eq!(seed.modified, 1);
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "git status --porcelain; git fsck --strict; cat sub/deep/l"
        ),
        "new\n"
    );
    // A submodule's checkout is a project of its own.
    let (made, _) = desk.project("seed/sub").unwrap();
    assert_eq!(
        desk.names(&made),
        ".gitmodules f 644 \ndeep d 755 \ndeep/l f 644 \ni f 644 \n"
    );
}

#[test]
fn the_nearest_work_tree_counts_also_a_linked_one() {
    let desk = desk();
    desk.git(
        "mkdir repo; cd repo; git init -q .; echo 1 > a; git add -A; git commit -qm 1
        git worktree add -q ../linked -b other; cd ../linked; echo 2 > b; git add b",
    );
    let (made, seed) = desk.project("linked").unwrap();
    assert_eq!(desk.names(&made), "a f 644 \nb f 644 \n");
    assert_eq!(seed.repo_commit.map(|commit| commit.len()), Some(40));
    let (made, _) = desk.project("repo").unwrap();
    assert_eq!(desk.names(&made), "a f 644 \n");
}

#[test]
fn sparse_intended_conflicted_and_split_indexes() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; mkdir in out; echo 1 > in/a; echo 2 > out/b; echo base > c; git add -A; git commit -qm 1
        git checkout -q -b side; echo side > c; git commit -qam s; git checkout -q main; echo main > c; git commit -qam m
        git merge -q side > merge.log || true; git update-index --skip-worktree out/b; rm -r out
        echo meant > later; git add -N later",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(
        desk.names(&made),
        "c f 644 \nin d 755 \nin/a f 644 \nlater f 644 \n"
    );
    assert_eq!(seed.skipped_kinds["sparse"], 1);
    let tree = desk.unpacked(&made);
    assert!(said(&tree, "cat c").contains("<<<<<<<"));
    assert_eq!(said(&tree, "git status --porcelain"), "");

    desk.git(
        "mkdir split sparse; cd split; git init -q .; echo 1 > a; git add a; git update-index --split-index; echo 2 > b; git add b
        ls .git/sharedindex.* > ../shared; cd ../sparse; git init -q .; mkdir in out; echo 1 > in/a; echo 2 > out/b; git add -A
        git commit -qm 1; git sparse-checkout set --cone --sparse-index in; test ! -e out",
    );
    let (made, _) = desk.project("split").unwrap();
    assert_eq!(desk.names(&made), "a f 644 \nb f 644 \n");
    let (made, seed) = desk.project("sparse").unwrap();
    assert_eq!(desk.names(&made), "in d 755 \nin/a f 644 \n");
    assert_eq!(seed.skipped_kinds["sparse"], 1);
}

/// Monitor, hooks, filters, aliases, pagers: all of them leave a file.

#[test]
fn bytes_are_never_converted() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; printf '* text=auto\\n*.crlf text eol=crlf\\n*.id ident\\n*.u16 working-tree-encoding=UTF-16LE\\n*.bin filter=lfs -text\\n' > .gitattributes
        printf 'a\\r\\nb\\r\\n' > x.crlf; printf 'a\\r\\n' > mixed; echo '$Id$' > x.id
        printf 'version https://git-lfs.github.com/spec/v1\\n' > pointer.bin; printf 'odd' > x.u16; git add .gitattributes x.id x.crlf mixed pointer.bin
        git update-index --add --cacheinfo 100644,$(echo x | git hash-object -w --stdin),x.u16; git config core.autocrlf true; printf '$Id: abc $\\n' > x.id",
    );
    let (made, _) = desk.project("seed").unwrap();
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "touch *; git status --porcelain; od -An -c x.crlf | tr -d ' \\n'; cat x.id pointer.bin x.u16"
        ),
        "a\\r\\nb\\r\\n$Id: abc $\nversion https://git-lfs.github.com/spec/v1\nodd"
    );
    assert_eq!(
        said(
            &tree,
            "printf 'a\\r\\nc\\r\\n' > x.crlf; git diff --stat | cat; git checkout -q x.crlf; od -An -c x.crlf | tr -d ' \\n'"
        ),
        " x.crlf | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\na\\r\\nb\\r\\n"
    );
}

#[test]
fn equal_projects_share_an_image_and_a_known_one_is_only_looked_at() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; mkdir d; echo 1 > a; echo 2 > d/b; git add -A; git commit -qm 1; touch -d @1500000000.25 a d/b
        cp -a ../seed ../other; cd ../other; git remote add origin https://user:token@host.invalid/x; git commit -q --amend -m 2; mkdir junk; touch junk/x; sleep 3.1",
    );
    let (made, _) = desk.project("seed").unwrap();
    let (other, _) = desk.project("other").unwrap();
    assert_eq!(made.key, other.key);
    let tree = desk.unpacked(&other);
    assert_eq!(
        said(
            &tree,
            "git config --list --local | grep -c remote || true; grep -r token . || true"
        ),
        "0\n"
    );
    let image = desk.path(&format!("state/baselines/{}.ext4", made.key));
    // A look does not need what it would have to read: the same again, though it cannot be read any more.
    std::fs::write(desk.path("marker"), "").unwrap();
    let before = std::fs::metadata(&image).unwrap();
    let seen = desk.path("state/baselines/seen");
    let known = std::fs::read_dir(&seen).unwrap().flatten();
    assert_eq!(
        known
            .filter(|entry| entry.metadata().unwrap().len() > 0)
            .count(),
        2
    );
    desk.git("cd seed; echo untracked > u; mkdir v");
    assert_eq!(desk.project("seed").unwrap().0, made);
    assert_eq!(
        std::fs::read_dir(&seen).unwrap().count(),
        2,
        "untracked files make no other print"
    );
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&image).unwrap().ino(), before.ino());
    desk.git("cd seed; echo more >> a");
    assert_ne!(desk.project("seed").unwrap().0.key, made.key);
    assert!(
        std::fs::read_dir(desk.path("state/baselines"))
            .unwrap()
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with(".partial") })
    );
}

#[test]
fn what_is_modified_is_counted_in_a_repository_of_long_ids_too() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q --object-format=sha256 .; echo 1 > a; echo 2 > b; ln -s a l; git add -A; git commit -qm 1; echo 3 > b",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!((seed.entry_count, seed.modified), (3, 1));
    assert_eq!(seed.repo_commit.map(|commit| commit.len()), Some(64));
    assert_eq!(
        said(
            &desk.unpacked(&made),
            "git status --porcelain; git fsck --strict"
        ),
        ""
    );
}

#[test]
fn a_name_too_long_for_this_host_is_not_there() {
    let desk = desk();
    desk.git(
        "cd seed; git init -q .; echo 1 > a; git add a
        printf '100644 %s\\t%s\\n' \"$(git hash-object -w a)\" \"$(printf 'y%.0s' {1..300})\" | git update-index --index-info",
    );
    let (made, seed) = desk.project("seed").unwrap();
    assert_eq!(desk.names(&made), "a f 644 \n");
    assert_eq!(seed.skipped_kinds["deleted"], 1);
}
