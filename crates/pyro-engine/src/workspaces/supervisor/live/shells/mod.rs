//! The shells of a workspace that runs.
//!
//! Owns: the table of them, its bound, and what a client may ask of one.
//! They live here, whatever becomes of clients, until they are closed or the
//! machine goes. Refuses: starting a machine; keeping one across a reset.
//!
//! ```text
//!   client --ShellAsk--> shell() --> open: agent, Shell::watch in a thread
//!                           |------> read (read.rs) <-- history, plain
//!                           `------> write, signal, resize, close, attach
//! ```

mod attach;
mod history;
mod intake;
mod plain;
#[cfg(test)]
mod plain_tests;
mod read;
mod screen;
mod shell;

use super::{Live, leaving, lock};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::guest::shell::NewShell;
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::shells::asks::{Open, ShellAsk, check_size};
use crate::workspaces::shells::payloads::{Shell as Payload, ShellList};
use crate::workspaces::state::Phase;
use crate::workspaces::unix_now;
use intake::Intake;
use pyro_proto::Stream;
use pyro_proto::messages::channel;
use pyro_proto::messages::shells::Control;
use serde::Serialize;
use serde_json::Value;
use shell::{Facts, Shared, Shell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Most shells of one workspace, with those that ended and were not closed.
const MOST_SHELLS: usize = 32;

/// The shells there are.
#[derive(Default)]
pub(super) struct Shells(Mutex<Table>);

#[derive(Default)]
struct Table {
    shells: BTreeMap<String, Shared>,
    /// Shells that are being opened.
    opening: usize,
}

/// Room for one more, until it is dropped.
struct Room<'a>(&'a Shells);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        lock(&self.0.0).opening -= 1;
    }
}

impl Shells {
    pub(super) fn running_count(&self) -> u64 {
        self.all().iter().filter(|shell| shell.is_running()).count() as u64
    }

    /// Tells all that their terminals go away, and waits for nothing.
    pub(super) fn hang_up(&self) {
        for shell in self.all() {
            shell.hang_up();
        }
    }

    /// Forgets all; their machine is gone.
    pub(super) fn clear(&self) {
        lock(&self.0).shells.clear();
    }

    fn all(&self) -> Vec<Shared> {
        lock(&self.0).shells.values().cloned().collect()
    }

    fn room(&self, workspace_id: &str) -> Result<Room<'_>> {
        let mut table = lock(&self.0);
        let count = table.shells.len() + table.opening;
        if count < MOST_SHELLS {
            table.opening += 1;
            return Ok(Room(self));
        }
        Err(Error::runtime(
            "too_many_shells",
            format!("workspace {workspace_id} has {count} shells, which is the most"),
        )
        .hint(format!(
            "close one: pyro workspace shell list {workspace_id} shows them, those that ended too"
        )))
    }

    fn get(&self, workspace_id: &str, id: &str) -> Result<Shared> {
        lock(&self.0).shells.get(id).cloned().ok_or_else(|| {
            Error::invalid(
                "unknown_shell",
                format!("workspace {workspace_id} has no shell {id}"),
            )
            .hint(format!(
                "see pyro workspace shell list {workspace_id}; shells end when the workspace is stopped or reset"
            ))
        })
    }
}

impl Live {
    /// Carries out what a client asks about shells.
    pub(in crate::workspaces::supervisor) fn shell(
        self: &Arc<Self>,
        ask: ShellAsk,
        client: &Arc<Stream>,
        cancel: &Cancel,
    ) -> Result<Value> {
        let get = |id: &str| self.shells.get(&self.folder.id, id);
        match ask {
            ShellAsk::Open(wanted) => value(self.open_shell(wanted, cancel)?),
            ShellAsk::List => value(self.list_shells()),
            ShellAsk::Read(ask) => {
                ask.check()?;
                let shell = get(&ask.shell_id)?;
                let woken = shell.clone();
                let _woken = cancel.on_cancel(move || woken.wake());
                let (answer, text) = read::read(&shell, &ask, cancel);
                // A client that is gone needs no answer either.
                let _ = client.send(channel::STDOUT, text.as_bytes());
                value(answer)
            }
            ShellAsk::Write { shell_id, input } => {
                let shell = get(&shell_id)?;
                shell.type_in(input.as_bytes())?;
                self.changed(&shell)
            }
            ShellAsk::Signal { shell_id, signal } => {
                let shell = get(&shell_id)?;
                shell.control(Control::Signal(signal.number()))?;
                self.changed(&shell)
            }
            ShellAsk::Resize {
                shell_id,
                cols,
                rows,
            } => {
                let shell = get(&shell_id)?;
                let now = shell.payload();
                let (cols, rows) = (cols.unwrap_or(now.cols), rows.unwrap_or(now.rows));
                check_size(cols, rows)?;
                shell.resize(cols, rows)?;
                value(shell.payload())
            }
            ShellAsk::Close { shell_id } => {
                let shell = get(&shell_id)?;
                shell.close();
                lock(&self.shells.0).shells.remove(&shell_id);
                self.changed(&shell)
            }
            ShellAsk::Attach {
                shell_id,
                cols,
                rows,
            } => {
                let shell = get(&shell_id)?;
                value(attach::attach(&shell, client, (cols, rows), cancel)?)
            }
        }
    }

    /// For those who look at the record, and do not ask.
    fn write_shells_down(&self) {
        if self.is_over() {
            // They go with the machine, which everybody knows.
            return;
        }
        let saved = self.change(|record| record.running_shell_count = self.shells.running_count());
        if let Err(error) = saved {
            tracing::warn!("the record was not written: {error}");
        }
    }

    fn changed(&self, shell: &Shell) -> Result<Value> {
        self.touch();
        value(shell.payload())
    }

    fn list_shells(&self) -> ShellList {
        let mut shells: Vec<Payload> = self
            .shells
            .all()
            .iter()
            .map(|shell| shell.payload())
            .collect();
        shells.sort_by(|a, b| {
            (a.started_at.total_cmp(&b.started_at)).then(a.shell_id.cmp(&b.shell_id))
        });
        let running = |shell: &&Payload| shell.ended_at.is_none();
        ShellList {
            workspace_id: self.folder.id.clone(),
            count: shells.len(),
            running_count: shells.iter().filter(running).count(),
            shells,
        }
    }

    fn open_shell(self: &Arc<Self>, wanted: Open, cancel: &Cancel) -> Result<Payload> {
        wanted.check()?;
        let guest = self.guest_for_command()?;
        let room = self.shells.room(&self.folder.id)?;
        let env = self.secret_env(&wanted.secret_env)?;
        self.refresh_secrets(&guest, &wanted.secret_env, cancel)?;
        let (cols, rows) = (wanted.cols, wanted.rows);
        let new = NewShell {
            cols,
            rows,
            cwd: &wanted.cwd,
            env,
        };
        let stream = guest.open_shell(new, cancel)?;
        let shell = {
            // Held to the end: a reset forgets the shells only when it has said
            // here that it is under way.
            let record = lock(&self.record);
            if !self.is_current(&guest)
                || matches!(record.phase, Phase::Resetting | Phase::Deleting)
            {
                return Err(leaving());
            }
            let mut shell_id = uuid::Uuid::new_v4().simple().to_string();
            shell_id.truncate(12);
            let facts = Facts {
                workspace_id: self.folder.id.clone(),
                shell_id: shell_id.clone(),
                cwd: wanted.cwd,
                started_at: unix_now(),
                execution_mode: record
                    .machine
                    .as_ref()
                    .map_or(ExecutionMode::Pending, |machine| machine.execution_mode),
            };
            let shell = Arc::new(Shell::new(facts, stream, (cols, rows)));
            lock(&self.shells.0).shells.insert(shell_id, shell.clone());
            shell
        };
        drop(room);
        self.write_shells_down();
        let (live, watched) = (self.clone(), shell.clone());
        let intake = Intake::new(&self.redactor());
        std::thread::spawn(move || {
            watched.watch(&guest, intake);
            live.write_shells_down();
        });
        self.touch();
        Ok(shell.payload())
    }
}

fn value(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::runtime("encode", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_no_more() {
        let shells = Shells::default();
        let mut rooms: Vec<Room<'_>> = (0..MOST_SHELLS)
            .map(|_| shells.room("w").unwrap())
            .collect();
        let error = shells.room("w").err().unwrap();
        assert_eq!(error.code, "too_many_shells");
        assert!(error.message.contains(&MOST_SHELLS.to_string()), "{error}");
        rooms.pop();
        assert!(shells.room("w").is_ok());
    }
}
