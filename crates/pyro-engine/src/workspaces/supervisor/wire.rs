//! What a client and a supervisor say to each other.
//!
//! ```text
//!   client --hello: PROTOCOL--> supervisor      one connection per call
//!   client --open: Request----> supervisor
//!          --stdin------------>
//!          <--stdout, stderr---  a command's output
//!          <--channel EVENTS---  one JSON event per line
//!          <--close: Answer----
//!   client gone                 what it asked for is cancelled
//! ```
//!
//! Owns: the messages and their version. `Status`, `Stop` and `Delete` and
//! their answers never change, so that a newer pyro can always look at, stop
//! and delete what an older one left running. Refuses: I/O.

use crate::error::{Error, Kind};
use crate::events::Event;
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::Entry;
use crate::workspaces::ports::PortWish;
use crate::workspaces::secrets::SecretEnv;
use crate::workspaces::services::Launch;
use crate::workspaces::shells::asks::ShellAsk;
use crate::workspaces::snapshots::SnapshotName;
use pyro_proto::messages::channel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Version of the messages.
pub const PROTOCOL: u32 = 3;
/// Supervisor to client: events, one JSON object per line.
pub const EVENTS: u8 = channel::SIGNAL;

/// What a client asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// The workspace as it is.
    Status,
    /// Boots it unless it runs.
    Start,
    /// Powers it off; the supervisor ends.
    Stop,
    /// Gives it a disk as new, or a copy of a snapshot, and a fresh machine.
    Reset {
        /// None: as new.
        snapshot: Option<SnapshotName>,
    },
    /// Copies its disk, held still.
    SnapshotCreate {
        /// Of the new snapshot.
        name: SnapshotName,
    },
    /// Removes a copy of its disk.
    SnapshotDelete {
        /// Of the snapshot.
        name: SnapshotName,
    },
    /// Ends its machine at once and removes everything.
    Delete,
    /// Changes name and labels.
    Update(Update),
    /// Runs one command.
    Exec {
        /// For `/bin/sh -lc`.
        command: String,
        /// Its deadline.
        timeout_seconds: u64,
        /// Whether standard input follows.
        stdin: bool,
        /// How long the answer waits for its end; it goes on then, whatever
        /// becomes of the client. None: the client waits, and ends it by going.
        wait_seconds: Option<u64>,
        /// Secrets it gets in variables.
        #[serde(default)]
        secret_env: Vec<SecretEnv>,
    },
    /// About shells.
    Shell(ShellAsk),
    /// Starts a service; the answer is the service once it is ready or has failed.
    ServiceStart(Launch),
    /// Ends a service; the answer is the service.
    ServiceStop {
        /// Which one.
        name: String,
    },
    /// Looks at a command.
    Look {
        /// Which one.
        id: CommandId,
        /// How long the answer waits for its end.
        wait_seconds: u64,
        /// Whether to end it.
        cancel: bool,
        /// Whether to send what it wrote, and writes meanwhile.
        output: bool,
    },
    /// Opens a port of this host that leads into the guest.
    PortPublish(PortWish),
    /// The ports that are open.
    PortList,
    /// Closes one that was opened by hand.
    PortUnpublish {
        /// On this host.
        host_port: u16,
    },
}

impl Request {
    /// Whether every version of a supervisor understands it.
    pub fn is_stable(&self) -> bool {
        matches!(self, Self::Status | Self::Stop | Self::Delete)
    }
}

/// How it is with a command; the answer to `Exec` and `Look`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    pub id: CommandId,
    pub environment: String,
    pub environment_version: Option<String>,
    pub entry: Entry,
}

/// Changes of name and labels.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Update {
    /// New name.
    pub name: Option<String>,
    /// Whether to take its name away.
    pub clear_name: bool,
    /// Labels to add or replace.
    pub labels: BTreeMap<String, String>,
    /// Keys of labels to remove.
    pub clear_labels: Vec<String>,
}

/// What a supervisor answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Done { value: Value },
    Failed(Failure),
}

/// An [`Error`] on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub invalid: bool,
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            invalid: error.kind == Kind::Invalid,
            code: error.code.to_owned(),
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let code = known(&failure.code);
        let made = if failure.invalid {
            Self::invalid(code, failure.message)
        } else {
            Self::runtime(code, failure.message)
        };
        match failure.hint {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}

/// An [`Event`] on its way; output has channels of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WireEvent {
    /// The command will run: its standard input may be read now. Before that
    /// the request may still be refused, and asked for again elsewhere.
    Accepted,
    Phase {
        prefix: String,
        name: String,
        fields: Vec<(String, String)>,
    },
    Progress {
        label: String,
        done: u64,
        total: Option<u64>,
    },
    Notice {
        text: String,
    },
}

impl WireEvent {
    /// None for output.
    pub fn of(event: Event) -> Option<Self> {
        Some(match event {
            Event::Phase {
                prefix,
                name,
                fields,
            } => Self::Phase {
                prefix: prefix.to_owned(),
                name: name.to_owned(),
                fields: fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            },
            Event::Progress { label, done, total } => Self::Progress { label, done, total },
            Event::Notice(text) => Self::Notice { text },
            Event::Stdout(_) | Event::Stderr(_) => return None,
        })
    }

    /// None for what is not for the door.
    pub fn into_event(self) -> Option<Event> {
        Some(match self {
            Self::Accepted => return None,
            Self::Phase {
                prefix,
                name,
                fields,
            } => Event::Phase {
                prefix: known(&prefix),
                name: known(&name),
                fields: fields
                    .into_iter()
                    .map(|(key, value)| (known(&key), value))
                    .collect(),
            },
            Self::Progress { label, done, total } => Event::Progress { label, done, total },
            Self::Notice { text } => Event::Notice(text),
        })
    }
}

/// The words of codes and phases are constants on both sides; this gives them
/// their lifetime back. Bounded, whatever comes.
fn known(word: &str) -> &'static str {
    static WORDS: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);
    const MOST: usize = 256;
    const LONGEST: usize = 64;
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = words.get(word) {
        return word;
    }
    if words.len() >= MOST || word.len() > LONGEST {
        return "other";
    }
    let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
    words.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way() {
        let sent = Error::invalid("out_of_range", "mem_mib is 1").hint("give more");
        let text = serde_json::to_string(&Failure::from(&sent)).unwrap();
        let got = Error::from(serde_json::from_str::<Failure>(&text).unwrap());
        assert_eq!(
            (got.kind, got.code, &got.message, &got.hint),
            (sent.kind, sent.code, &sent.message, &sent.hint)
        );
    }

    #[test]
    fn words_are_bounded() {
        assert_eq!(known("a_word"), "a_word");
        assert_eq!(known(&"x".repeat(65)), "other");
        for number in 0..300 {
            known(&format!("w{number}"));
        }
        assert_eq!(known("one_too_many"), "other");
        assert_eq!(known("a_word"), "a_word");
    }
}
