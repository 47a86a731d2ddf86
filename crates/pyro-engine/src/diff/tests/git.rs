//! The real git, and trees on disk.
//!
//! Owns: a temporary folder without any of the user's settings.
//! Refuses: the machine's own repositories.

use crate::patch::Node;
use crate::patch::tests::tree::Tree;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A work tree and, beside it, what git needs.
pub(super) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(folder.path().join("work")).expect("work");
        Self { folder }
    }

    pub(super) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs git in the work tree.
    pub(super) fn git(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CEILING_DIRECTORIES", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git runs");
        // what git prints before it has read all fits the pipe
        let mut stdin = child.stdin.take().expect("piped");
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().expect("git ends")
    }

    /// What git prints; it must succeed.
    pub(super) fn told(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.git(arguments, b"");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        output.stdout
    }

    /// Makes the work tree exactly this tree; `.git` stays.
    pub(super) fn fill(&self, tree: &Tree) {
        for entry in std::fs::read_dir(self.work()).expect("work") {
            let path = entry.expect("entry").path();
            if path.ends_with(".git") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(path).expect("remove");
            } else {
                std::fs::remove_file(path).expect("remove");
            }
        }
        for (name, node) in &tree.0 {
            let path = self.work().join(OsStr::from_bytes(name));
            std::fs::create_dir_all(path.parent().expect("parent")).expect("parents");
            match node {
                Node::File { bytes, executable } => {
                    std::fs::write(&path, bytes).expect("write");
                    let mode = if *executable { 0o755 } else { 0o644 };
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode");
                }
                Node::Symlink { target } => {
                    symlink(OsStr::from_bytes(target), &path).expect("link")
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The work tree as it is.
    pub(super) fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        walk(&self.work(), &self.work(), &mut tree);
        tree
    }
}

fn walk(root: &Path, folder: &Path, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        let meta = path.symlink_metadata().expect("metadata");
        let node = if meta.is_dir() {
            walk(root, &path, tree);
            continue;
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&path).expect("link");
            Node::Symlink {
                target: target.into_os_string().into_vec(),
            }
        } else {
            Node::File {
                bytes: std::fs::read(&path).expect("read"),
                executable: meta.permissions().mode() & 0o100 != 0,
            }
        };
        let name = path.strip_prefix(root).expect("below").as_os_str();
        tree.0.insert(name.as_bytes().to_vec(), node);
    }
}
