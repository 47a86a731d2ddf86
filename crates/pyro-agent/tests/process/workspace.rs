//! A folder as workspace, and an agent that serves requests about it.

use crate::host::{Agent, Done, agent_with, finish};
use pyro_proto::messages::files::Entry;
use pyro_proto::messages::{Failed, Reply, Request, channel};
use pyro_proto::path::PathText;
use std::path::{Path, PathBuf};

/// Leftovers of a change that did not happen.
pub fn temporaries(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with(".pyro-"))
        .count()
}

pub struct Workspace {
    pub agent: Agent,
    folder: tempfile::TempDir,
}

pub fn workspace() -> Workspace {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(folder.path().join("outside"), "secret").unwrap();
    let agent = agent_with(&[], &format!("--files {}", root.display()));
    Workspace { agent, folder }
}

impl Workspace {
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    pub fn ask(&self, request: &Request) -> Done {
        self.send(request, b"")
    }

    /// Asks with these bytes on stdin.
    pub fn send(&self, request: &Request, contents: &[u8]) -> Done {
        let stream = self.agent.ask(request);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // A refusal may come before everything is sent.
                let _ = stream.send(channel::STDIN, contents);
                let _ = stream.end(channel::STDIN);
            });
            finish(&stream)
        })
    }

    /// The code of the refusal.
    pub fn refused(&self, request: &Request, contents: &[u8]) -> Failed {
        match self.send(request, contents).reply {
            Reply::Failed(failed) => failed,
            other => panic!("{other:?}"),
        }
    }
}

pub fn path(bytes: impl AsRef<[u8]>) -> PathText {
    PathText::from(bytes.as_ref())
}

pub fn entries(done: &Done) -> Vec<Entry> {
    let text = done.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
