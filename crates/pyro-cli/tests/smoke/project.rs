//! A Git checkout on this host.
//!
//! Owns: making it with one commit, and asking this host about it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Gone at the end of its test.
pub struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// With these files, committed.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, text) in files {
            project.write(path, text);
        }
        project.host("git init -q && git add -A && git commit -qm 'as it is'");
        project
    }

    /// Absolute, without links.
    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What a line of this host's shell prints, which has to succeed.
    pub fn host(&self, line: &str) -> String {
        let (code, out) = self.try_host(line);
        assert_eq!(code, Some(0), "{line}: {out}");
        out
    }

    /// Its exit code and what it prints.
    pub fn try_host(&self, line: &str) -> (Option<i32>, String) {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(self.folder.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "A Developer")
                .env(format!("GIT_{role}_EMAIL"), "developer@example.org");
        }
        let output = command.output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&both).into_owned();
        (output.status.code(), text)
    }

    /// That nothing in it was touched.
    pub fn assert_untouched(&self) {
        assert_eq!(self.host("git status --porcelain"), "");
    }
}

impl Drop for Project {
    /// A folder that nobody may enter could not be deleted.
    fn drop(&mut self) {
        let _ = self.try_host("chmod -R u+rwX .");
    }
}

/// What is in a file that a workspace exported.
pub fn exported(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
