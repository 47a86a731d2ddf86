//! QMP, the control socket.
//!
//! Owns: sending commands, matching answers by id, keeping the events that
//! matter. Commands can be sent ahead of their answers, so that a restore
//! costs one write.

use crate::error::VmmError;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest line QEMU may answer with; its longest real one is some 10 KiB.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// How long any command may take. A loaded host takes a second for the first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one QEMU.
pub(super) struct Control {
    socket: UnixStream,
    shared: Arc<Shared>,
    next_id: u64,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    answers: HashMap<u64, Result<Value, String>>,
    /// Last status of the migration event.
    migration: Option<String>,
    /// Why the guest was halted, for example `no space left`.
    halted: Option<String>,
    /// Whether it was halted at a disk request, which is tried again when it
    /// goes on.
    may_go_on: bool,
    over: bool,
}

impl Control {
    pub(super) fn new(socket: UnixStream) -> Result<Self, VmmError> {
        let shared = Arc::new(Shared::default());
        let reader = socket
            .try_clone()
            .map_err(VmmError::io("share the control socket"))?;
        let theirs = shared.clone();
        std::thread::spawn(move || follow(reader, &theirs));
        Ok(Self {
            socket,
            shared,
            next_id: 0,
        })
    }

    /// Sends commands in one write; their answers are awaited by [`Self::answer`].
    pub(super) fn send(
        &mut self,
        commands: &[(&str, Value)],
    ) -> Result<Vec<(u64, String)>, VmmError> {
        let mut text = String::new();
        let mut sent = Vec::new();
        for (name, arguments) in commands {
            self.next_id += 1;
            let mut command = json!({"execute": name, "id": self.next_id});
            if !arguments.is_null() {
                command["arguments"] = arguments.clone();
            }
            text.push_str(&command.to_string());
            text.push('\n');
            sent.push((self.next_id, (*name).to_owned()));
        }
        self.socket
            .write_all(text.as_bytes())
            .map_err(VmmError::io("write to the control socket"))?;
        Ok(sent)
    }

    /// Hands QEMU a descriptor under a name: the one way to say where a
    /// migration goes without a path or another program.
    pub(super) fn give(&mut self, name: &str, file: BorrowedFd<'_>) -> Result<(), VmmError> {
        self.next_id += 1;
        let command =
            json!({"execute": "getfd", "id": self.next_id, "arguments": {"fdname": name}});
        let text = format!("{command}\n");
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let files = [file];
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
        let sent = rustix::net::sendmsg(
            &self.socket,
            &[IoSlice::new(text.as_bytes())],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
        .map_err(|error| VmmError::io("hand over a descriptor")(error.into()))?;
        self.socket
            .write_all(&text.as_bytes()[sent..])
            .map_err(VmmError::io("write to the control socket"))?;
        self.answer(self.next_id, "getfd").map(drop)
    }

    pub(super) fn answer(&self, id: u64, command: &str) -> Result<Value, VmmError> {
        let answer = self.until(command, |seen| seen.answers.remove(&id))?;
        answer.map_err(|detail| VmmError::Control {
            command: command.to_owned(),
            detail,
        })
    }

    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, VmmError> {
        let sent = self.send(&[(command, arguments)])?;
        self.answer(sent[0].0, command)
    }

    /// Waits for the migration event to say `completed`.
    pub(super) fn migrated(&self) -> Result<(), VmmError> {
        let status = self.until("the migration's end", |seen| {
            seen.migration
                .clone()
                .filter(|status| ["completed", "failed", "cancelled"].contains(&status.as_str()))
        })?;
        if status == "completed" {
            return Ok(());
        }
        Err(VmmError::Control {
            command: "migrate".into(),
            detail: status,
        })
    }

    pub(super) fn halted(&self) -> Option<String> {
        lock(&self.shared.seen).halted.clone()
    }

    /// Lets the guest go on; one that was halted at a disk request tries it again.
    pub(super) fn go_on(&mut self) -> Result<(), VmmError> {
        {
            let mut seen = lock(&self.shared.seen);
            if let Some(detail) = seen.halted.clone().filter(|_| !seen.may_go_on) {
                return Err(VmmError::Control {
                    command: "cont".into(),
                    detail,
                });
            }
            seen.halted = None;
        }
        self.execute("cont", Value::Null).map(drop)
    }

    fn until<T>(
        &self,
        what: &str,
        mut found: impl FnMut(&mut Seen) -> Option<T>,
    ) -> Result<T, VmmError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut seen = lock(&self.shared.seen);
        loop {
            if let Some(value) = found(&mut seen) {
                return Ok(value);
            }
            if seen.over {
                return Err(VmmError::Control {
                    command: what.to_owned(),
                    detail: "the VMM closed its control socket".into(),
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(VmmError::TimedOut {
                    what: what.to_owned(),
                    seconds: ANSWER_TIMEOUT.as_secs(),
                });
            }
            seen = self
                .shared
                .changed
                .wait_timeout(seen, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn lock(mutex: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn follow(socket: UnixStream, shared: &Shared) {
    let mut reader = BufReader::new(socket);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
        {
            Ok(1..) if line.ends_with(b"\n") => {}
            _ => break,
        }
        if let Ok(message) = serde_json::from_slice(&line) {
            note(&mut lock(&shared.seen), &message);
            shared.changed.notify_all();
        }
    }
    lock(&shared.seen).over = true;
    shared.changed.notify_all();
}

fn note(seen: &mut Seen, message: &Value) {
    if let Some(id) = message["id"].as_u64() {
        let answer = match message.get("error") {
            Some(error) => Err(error["desc"]
                .as_str()
                .unwrap_or("no description")
                .to_owned()),
            None => Ok(message["return"].clone()),
        };
        seen.answers.insert(id, answer);
        return;
    }
    let data = &message["data"];
    match message["event"].as_str() {
        Some("MIGRATION") => seen.migration = data["status"].as_str().map(str::to_owned),
        Some("BLOCK_IO_ERROR") if data["action"] == "stop" => {
            seen.may_go_on = true;
            seen.halted = Some(if data["nospace"] == true {
                "the host's disk is full".to_owned()
            } else {
                format!(
                    "the host cannot write the disk: {}",
                    data["reason"].as_str().unwrap_or("unknown error")
                )
            });
        }
        Some("GUEST_PANICKED") => {
            seen.may_go_on = false;
            seen.halted = Some("the guest kernel panicked".to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_events_are_told_apart() {
        let mut seen = Seen::default();
        for message in [
            json!({"QMP": {}}),
            json!({"id": 4, "return": {"a": 1}}),
            json!({"id": 5, "error": {"class": "GenericError", "desc": "no"}}),
            json!({"event": "MIGRATION", "data": {"status": "completed"}}),
            json!({"event": "BLOCK_IO_ERROR", "data": {"action": "stop", "nospace": true}}),
            json!([1, 2]),
        ] {
            note(&mut seen, &message);
        }
        assert_eq!(seen.answers[&4], Ok(json!({"a": 1})));
        assert_eq!(seen.answers[&5], Err("no".into()));
        assert_eq!(seen.migration.as_deref(), Some("completed"));
        assert_eq!(seen.halted.as_deref(), Some("the host's disk is full"));
    }
}
