//! The disk of a stopped workspace: list, read, export.
//!
//! Owns: showing it through a guest that only reads, while nobody can start
//! the workspace. Refuses: a workspace that runs, and parsing the guest's file
//! system on this host.
//!
//! ```text
//!   lock --> stopped? --> reader VM: same template, disks mounted read-only
//!              |                |-- list, read: requests about files, at `/`
//!              no: wrong_state  `-- export: a tar --> tree --> ext4 (ext4_image)
//! ```
//!
//! The VM is this process's own and ends with it. The record is not touched.

mod export;
mod list;
mod path;
pub mod payloads;
mod read;
#[cfg(test)]
mod tests;

pub use read::MAX_BYTES_RANGE;

use super::reach::{GONE_TIMEOUT, mend};
use super::record::Record;
use super::state::Phase;
use super::store::Folder;
use super::{Workspaces, admission};
use crate::Environments;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::Guest;
use crate::start::{self, Scratch, Wanted};
use std::fs::File;
use std::time::{Duration, Instant};

/// Pause between two looks at a lock.
const LOOK: Duration = Duration::from_millis(10);

/// A workspace that stays stopped while this lives.
struct Stopped {
    folder: Folder,
    record: Record,
    _lock: File,
}

impl Workspaces {
    fn stopped(&self, wanted: &str, cancel: &Cancel) -> Result<Stopped> {
        let folder = self.store.find(wanted)?;
        let deadline = Instant::now() + GONE_TIMEOUT;
        loop {
            if let Some(lock) = folder.try_lock()? {
                let record = mend(&folder, folder.load()?)?;
                if record.phase != Phase::Stopped {
                    return Err(wrong_state(&folder, record.phase));
                }
                return Ok(Stopped {
                    folder,
                    record,
                    _lock: lock,
                });
            }
            let phase = folder.load()?.phase;
            // One that is stopped or about to be is held by its supervisor on
            // the way out, or by somebody else who looks at its disk.
            if !matches!(phase, Phase::Stopped | Phase::Stopping) {
                return Err(wrong_state(&folder, phase));
            }
            if cancel.is_cancelled() {
                return Err(Error::runtime("cancelled", "cancelled while waiting"));
            }
            if Instant::now() > deadline {
                return Err(Error::runtime(
                    "busy",
                    format!("workspace {} is held by another process", folder.id),
                )
                .hint("wait for the other command about its disk, then try again"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts the reader.
    fn reader(&self, at: &Stopped, events: &dyn EventSink, cancel: &Cancel) -> Result<Guest> {
        let spec = &at.record.spec;
        admission::admit(spec.mem_mib)?;
        let environments = Environments::new(&self.layout);
        let installed = environments.ensure(&spec.environment, events, cancel)?;
        let scratch = Scratch::open(&at.folder.scratch())?;
        let baseline = at.folder.open_baseline(&at.record)?;
        // As its own machine, so that the template is there already.
        let wanted = Wanted {
            installed: &installed,
            vcpu_count: spec.vcpu_count,
            mem_mib: spec.mem_mib,
            hostname: "pyro-reader",
            backend: spec.backend,
            scratch: &scratch,
            baseline: baseline.as_ref(),
            reader: true,
            gateway: None,
        };
        Ok(start::start(&self.layout, &wanted, events, cancel)?.guest)
    }
}

fn wrong_state(folder: &Folder, phase: Phase) -> Error {
    let id = &folder.id;
    Error::runtime(
        "wrong_state",
        format!("workspace {id} is {phase:?}, its disk is shown when it is stopped").to_lowercase(),
    )
    .hint(format!("pyro workspace stop {id}"))
}

/// The next step after a refusal about a path, in the words of these commands.
fn about(error: Error) -> Error {
    let hint = match error.code {
        "file_not_found" | "file_kind" => "see what is there: pyro workspace disk list",
        "file_symlink" => "name what the link leads to; pyro workspace disk list shows targets",
        _ => return error,
    };
    error.hint(hint)
}
