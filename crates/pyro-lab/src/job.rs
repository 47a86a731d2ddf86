//! One command in the lab, and how it becomes a line for the guest's shell.
//!
//! Owns: users, working folder, variables, the mark by which a job can be
//! ended from outside.

use pyro_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who runs a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum User {
    /// Root of the lab.
    #[default]
    Root,
    /// An ordinary user in the group kvm.
    Lab,
}

impl User {
    /// Its name in the lab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Lab => "lab",
        }
    }
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Names its mark; lower-case hex.
    pub id: String,
    /// Program and arguments.
    pub words: Vec<String>,
    /// Who runs it.
    pub user: User,
    /// Variables, `NAME=value`.
    pub variables: Vec<String>,
    /// Working folder; the user's home unless told.
    pub folder: Option<String>,
    /// When it is ended.
    pub timeout: Duration,
    /// Whether it reads what the caller reads.
    pub stdin: bool,
    /// Whether that is a person's terminal, to be raw meanwhile.
    pub terminal: bool,
}

impl Job {
    /// As root, with nothing to read.
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>, timeout: Duration) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            words: words.into_iter().map(Into::into).collect(),
            user: User::Root,
            variables: Vec::new(),
            folder: None,
            timeout,
            stdin: false,
            terminal: false,
        }
    }

    /// Puts what it reads into a file of the lab. By a rename, because the old
    /// content may be a program that runs.
    pub fn put(path: &str, mode: u32, timeout: Duration) -> Self {
        let script = format!(
            r#"mkdir -p "$(dirname "$1")" && cat >"$1.new" && chmod {mode:o} "$1.new" && mv -f "$1.new" "$1""#
        );
        Self {
            stdin: true,
            ..Self::new(["sh", "-c", script.as_str(), "put", path], timeout)
        }
    }

    /// Ends the job with this id and all it started.
    pub fn ending(id: &str) -> Self {
        let script = r#"
            pid=$(cat "/run/lab/$1") || exit 0
            group=$(cut -d: -f3 "/proc/$pid/cgroup") || exit 0
            echo 1 >"/sys/fs/cgroup$group/cgroup.kill""#;
        Self::new(["sh", "-c", script, "end", id], Duration::from_secs(20))
    }

    /// The line for `/bin/sh -lc`.
    pub fn line(&self) -> Result<String> {
        let named = self.variables.iter().all(|variable| {
            variable
                .split_once('=')
                .is_some_and(|(name, _)| !name.is_empty())
        });
        if self.words.is_empty() || !named {
            return Err(Error::invalid(
                "lab_command",
                "a command and NAME=value variables are needed",
            )
            .hint("pyro-lab run -- COMMAND [ARGUMENT]…"));
        }
        let mut words = vec!["env".to_owned()];
        words.extend(self.variables.iter().cloned());
        words.extend(self.words.iter().cloned());
        let folder = self.folder.as_deref().unwrap_or(match self.user {
            User::Root => "/root",
            User::Lab => "/home/lab",
        });
        let enter = format!(
            "cd {} && exec {}",
            shell_words::quote(folder),
            shell_words::join(&words)
        );
        let mark = format!("echo $$ >/run/lab/{}; ", self.id);
        Ok(mark
            + &match self.user {
                User::Root => enter,
                User::Lab => format!(
                    "exec setpriv --reuid=lab --regid=lab --init-groups --reset-env sh -lc {}",
                    shell_words::quote(&enter)
                ),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_command_as_they_are() {
        let mut job = Job::new(["printf", "%s|", "a b", "$x", "it's"], Duration::MAX);
        job.id = "1".into();
        job.folder = Some("/tmp".into());
        job.variables = vec!["V=w x".into()];
        let line = job.line().unwrap();
        let (mark, rest) = line.split_once("; ").unwrap();
        assert_eq!(mark, "echo $$ >/run/lab/1");
        let output = std::process::Command::new("sh")
            .args(["-c", rest])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|$x|it's|");
    }

    #[test]
    fn nothing_to_run_and_nameless_variables_are_refused() {
        assert!(Job::new([""; 0], Duration::MAX).line().is_err());
        let mut job = Job::new(["true"], Duration::MAX);
        job.variables = vec!["=x".into()];
        assert!(job.line().is_err());
    }
}
