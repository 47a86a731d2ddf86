//! Asking for one command, wherever it is known.
//!
//! ```text
//!   journal has its end? --yes--> journal
//!        | no
//!   supervisor answers? --yes--> its word
//!        | no
//!   lock free? --yes--> mended: it is lost
//!        `- no: the supervisor comes up, or is on its way out; look again
//! ```
//!
//! Owns: this order. Refuses: to show the same output twice when one answer
//! breaks off and another takes over.

use super::once::Once;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::guest::{Captured, KEPT_BYTES, Output};
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::{self, Entry, Tail};
use crate::workspaces::payloads::LogStream;
use crate::workspaces::reach::{GONE_TIMEOUT, LOOK, decode, mend, worth_a_wait};
use crate::workspaces::store::Folder;
use crate::workspaces::supervisor::client::Session;
use crate::workspaces::supervisor::wire::{Account, Request};
use crate::workspaces::unix_now;
use std::time::Instant;

/// From the supervisor while it runs, from the journal afterwards.
pub(super) fn account(
    folder: &Folder,
    id: CommandId,
    request: &Request,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<(Account, Output, Output)> {
    let deadline = Instant::now() + GONE_TIMEOUT;
    let events = Once::new(events);
    let on_record = |entry: Entry| -> Result<_> {
        let record = folder.load()?;
        let (stdout, stderr) = written(folder, &entry, &events);
        let account = Account {
            id,
            environment: record.spec.environment,
            environment_version: record.environment_version,
            entry,
        };
        Ok((account, stdout, stderr))
    };
    let known = || -> Result<Entry> {
        let unknown = |reset_count| id.unknown(&folder.id, reset_count);
        let reset_count = folder.load()?.reset_count;
        if reset_count != id.reset_count {
            return Err(unknown(reset_count));
        }
        journal::entry(folder, id.sequence)?.ok_or_else(|| unknown(reset_count))
    };
    loop {
        // Whoever answers begins at the beginning.
        events.begin_again();
        let entry = known()?;
        if entry.ended.is_some() {
            return on_record(entry);
        }
        if let Some(session) = Session::connect(folder)? {
            match session.call(request, None, &events, cancel) {
                Ok(called) => {
                    return Ok((decode(called.value)?, called.stdout, called.stderr));
                }
                // The journal tells how it ended.
                Err(error) if error.code == "supervisor_gone" => {}
                Err(error) if worth_a_wait(&error, deadline, cancel) => {}
                Err(error) => return Err(error),
            }
        } else if let Some(_lock) = folder.try_lock()? {
            mend(folder, folder.load()?)?;
            return on_record(known()?.at_rest(unix_now()));
        }
        if Instant::now() > deadline {
            return Err(Error::runtime(
                "busy",
                format!(
                    "workspace {} is held by a process that does not answer",
                    folder.id
                ),
            )
            .hint("try again"));
        }
        std::thread::sleep(LOOK);
    }
}

/// What a command wrote, as the journal kept it; events get all of it.
fn written(folder: &Folder, entry: &Entry, events: &dyn EventSink) -> (Output, Output) {
    let (mut stdout, mut stderr) = (Captured::new(KEPT_BYTES), Captured::new(KEPT_BYTES));
    let ends = [entry.stdout.kept_bytes, entry.stderr.kept_bytes];
    Tail::open(folder, entry.sequence).forward(ends, |stream, bytes| match stream {
        LogStream::Stdout => {
            stdout.push(&bytes);
            events.event(Event::Stdout(bytes));
        }
        LogStream::Stderr => {
            stderr.push(&bytes);
            events.event(Event::Stderr(bytes));
        }
    });
    (stdout.finish(), stderr.finish())
}
