//! Commands that run just now, and who looks at them.
//!
//! Owns: the bound on those that run in the background, and waiting for one
//! on behalf of a client. Refuses: letting a client hold a command up: a
//! looker reads the journal's files at its own pace.
//!
//! ```text
//!   guest --output--> Recorder --> files --> follow --> client, at its pace
//!                         `- rings ----------^  ends: the command, the wait, the client
//! ```

use super::{Live, Work, lock};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, NoEvents};
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::{Ended, Entry, Recording, Tail};
use crate::workspaces::payloads::LogStream;
use crate::workspaces::supervisor::wire::Account;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most commands that run in the background of one workspace. The agent takes
/// more; this keeps room for those that somebody waits for.
const MOST_IN_BACKGROUND: usize = 64;
/// A command that was cancelled is off the record this soon.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// The commands that run.
#[derive(Default)]
pub(super) struct Running(Mutex<BTreeMap<CommandId, Arc<Underway>>>);

impl Running {
    pub(super) fn count(&self) -> u64 {
        lock(&self.0).len() as u64
    }

    /// Refuses one more than there may be.
    pub(super) fn admit(&self, background: bool, workspace_id: &str) -> Result<()> {
        let running = lock(&self.0);
        let count = running.values().filter(|one| one.background).count();
        if !background || count < MOST_IN_BACKGROUND {
            return Ok(());
        }
        Err(Error::runtime(
            "too_many_commands",
            format!("{count} commands run in the background of workspace {workspace_id}, which is the most"),
        )
        .hint(format!(
            "wait for one, or cancel one: pyro workspace logs {workspace_id} shows their ids"
        )))
    }

    pub(super) fn add(&self, underway: Arc<Underway>) {
        lock(&self.0).insert(underway.id, underway);
    }

    pub(super) fn remove(&self, id: CommandId) {
        lock(&self.0).remove(&id);
    }

    fn get(&self, id: CommandId) -> Option<Arc<Underway>> {
        lock(&self.0).get(&id).cloned()
    }
}

/// One command that runs.
pub(in crate::workspaces::supervisor) struct Underway {
    pub(super) id: CommandId,
    pub(super) cancel: Cancel,
    background: bool,
    recording: Mutex<Recording>,
    changed: Condvar,
}

impl Underway {
    pub(super) fn new(id: CommandId, background: bool, recording: Recording) -> Self {
        Self {
            id,
            cancel: Cancel::default(),
            background,
            recording: Mutex::new(recording),
            changed: Condvar::new(),
        }
    }

    /// Ends it; how it ended is told by its record.
    pub(in crate::workspaces::supervisor) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(super) fn record(&self, write: impl FnOnce(&mut Recording)) {
        write(&mut lock(&self.recording));
        self.changed.notify_all();
    }

    pub(super) fn end(&self, ended: Ended) -> std::io::Result<()> {
        let saved = lock(&self.recording).end(ended);
        self.changed.notify_all();
        saved
    }

    /// As it is now.
    pub(super) fn entry(&self) -> Entry {
        lock(&self.recording).entry().clone()
    }

    /// Waits until there is more than `seen`, or `over` holds, or it ended.
    /// Whether it is over, and how far the files are.
    fn more(&self, seen: [u64; 2], deadline: Instant, gone: &Cancel) -> (bool, [u64; 2]) {
        let mut recording = lock(&self.recording);
        loop {
            let entry = recording.entry();
            let kept = [entry.stdout.kept_bytes, entry.stderr.kept_bytes];
            let left = deadline.saturating_duration_since(Instant::now());
            let over = entry.ended.is_some() || gone.is_cancelled() || left.is_zero();
            if over || kept != seen {
                return (over, kept);
            }
            recording = self
                .changed
                .wait_timeout(recording, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Live {
    /// Runs it in the background, where its client may go.
    pub(in crate::workspaces::supervisor) fn carry_on(
        self: &Arc<Self>,
        work: Work,
    ) -> Arc<Underway> {
        let (live, underway) = (self.clone(), work.underway.clone());
        std::thread::spawn(move || {
            let _in_use = live.in_use();
            // How it ended is on record.
            let _ = live.carry_out(&work, None, &NoEvents);
        });
        underway
    }

    /// Sends what a command writes, from its beginning, until it ends, or
    /// until `wait` is over or the client `gone`.
    pub(in crate::workspaces::supervisor) fn follow(
        &self,
        underway: &Arc<Underway>,
        wait: Duration,
        to: &dyn EventSink,
        gone: &Cancel,
    ) -> Account {
        let deadline = Instant::now() + wait;
        let woken = underway.clone();
        let _woken = gone.on_cancel(move || woken.record(|_| {}));
        let mut tail = Tail::open(&self.folder, underway.id.sequence);
        loop {
            let (over, kept) = underway.more(tail.at(), deadline, gone);
            if over {
                // One look at both, so that the bytes told are the bytes sent.
                let entry = underway.entry();
                send(&mut tail, &entry, to);
                return self.account(underway.id, entry);
            }
            tail.forward(kept, |stream, bytes| to.event(event(stream, bytes)));
        }
    }

    /// How it is with a command, after `wait` or its end.
    pub(in crate::workspaces::supervisor) fn look(
        &self,
        id: CommandId,
        wait: Duration,
        end_it: bool,
        to: &dyn EventSink,
        gone: &Cancel,
    ) -> Result<Account> {
        let Some(underway) = self.running.get(id) else {
            let account = self.ended_command(id)?;
            send(
                &mut Tail::open(&self.folder, id.sequence),
                &account.entry,
                to,
            );
            return Ok(account);
        };
        let wait = if end_it {
            underway.cancel();
            wait.max(CANCEL_TIMEOUT)
        } else {
            wait
        };
        Ok(self.follow(&underway, wait, to, gone))
    }
}

fn send(tail: &mut Tail, entry: &Entry, to: &dyn EventSink) {
    let kept = [entry.stdout.kept_bytes, entry.stderr.kept_bytes];
    tail.forward(kept, |stream, bytes| to.event(event(stream, bytes)));
}

fn event(stream: LogStream, bytes: Vec<u8>) -> Event {
    match stream {
        LogStream::Stdout => Event::Stdout(bytes),
        LogStream::Stderr => Event::Stderr(bytes),
    }
}
