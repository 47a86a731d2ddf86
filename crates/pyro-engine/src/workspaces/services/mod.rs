//! Services: commands of a workspace that run until they are stopped.
//!
//! ```text
//!   start, stop --> supervisor (supervisor/live/services/) --stream--> agent
//!                      `- records, logs (record.rs, log.rs)
//!   list, status, logs <------'   from the host's disk: nobody waits for a guest
//! ```
//!
//! Owns: what a client does for these, and what may be asked. Refuses: running
//! one; it belongs to the supervisor, whatever becomes of the client.

mod launch;
pub(super) mod log;
pub mod payloads;
pub(super) mod policy;
pub(super) mod readiness;
pub(super) mod record;
#[cfg(test)]
mod tests;

pub(super) use launch::Launch;
pub use launch::{
    HEALTH_INTERVAL_SECONDS_RANGE, MAX_RESTARTS_RANGE, NewService, READY_INTERVAL_MS_RANGE,
    READY_TIMEOUT_SECONDS_RANGE,
};
pub use readiness::Wanted as WantedReadiness;

use super::payloads::{LogPage, LogStream, WorkspaceState};
use super::reach::decode;
use super::store::Folder;
use super::supervisor::wire::Request;
use super::{LIMIT_BYTES_RANGE, PAGE_BYTES, Workspaces, journal, secrets, unix_now};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::vms::checks;
use launch::service_name;
use log::Kept;
use payloads::{Service, ServiceList, ServiceLogs, ServiceRow, ServiceState};
use std::ops::RangeInclusive;

/// Most lines of a tail.
pub const TAIL_LINES_RANGE: RangeInclusive<u64> = 1..=1_000_000;
/// Most bytes of a tail of each stream; all of it is in pages, and with `all`.
const TAIL_BYTES: usize = 1 << 20;

/// What to see of a service's log. A page is asked for by any of the last three.
#[derive(Clone, Debug, Default)]
pub struct WantedServiceLogs {
    /// Most lines of each stream; none for all.
    pub tail_lines: Option<u64>,
    /// Of which stream; standard output unless said.
    pub stream: Option<LogStream>,
    /// First byte; 0 unless said.
    pub offset: Option<u64>,
    /// Most bytes, [`LIMIT_BYTES_RANGE`]; [`PAGE_BYTES`] unless said.
    pub limit: Option<u64>,
}

pub(super) fn unknown(folder: &Folder, name: &str) -> Error {
    Error::invalid(
        "unknown_service",
        format!("workspace {} has no service {name}", folder.id),
    )
    .hint(format!("see pyro workspace service list {}", folder.id))
}

/// How it is with each, from the records alone, for the status of a workspace.
pub(super) fn rows(folder: &Folder, is_started: bool) -> Vec<ServiceRow> {
    let (services, _) = record::all(folder).unwrap_or_default();
    let now = unix_now();
    let seen = services
        .into_iter()
        .map(|service| seen(service, is_started, now));
    seen.map(|service| ServiceRow::from(&service)).collect()
}

/// How many of them run.
pub(super) fn running(rows: &[ServiceRow]) -> u64 {
    let running = |row: &&ServiceRow| row.state == ServiceState::Running;
    rows.iter().filter(running).count() as u64
}

/// All of a workspace, for its summary.
pub(super) fn current(folder: &Folder, is_started: bool) -> Vec<Service> {
    let (services, _) = record::all(folder).unwrap_or_default();
    let now = unix_now();
    services
        .into_iter()
        .map(|service| seen(service, is_started, now))
        .collect()
}

/// Without a machine nothing runs, whatever a record says.
fn seen(service: Service, is_started: bool, now: f64) -> Service {
    if is_started {
        service
    } else {
        record::at_rest(service, now)
    }
}

impl Workspaces {
    /// Starts a service and waits until it is ready, or has failed, which is
    /// its state and no error. It goes on whatever becomes of this call.
    ///
    /// # Errors
    /// `invalid_name`, `conflict`, `invalid_readiness`, `out_of_range`,
    /// `invalid_secret_env`, `unknown_secret`, `secret_no_text`, `invalid_port`,
    /// `service_running`, `too_many_services`; those of [`Self::exec`].
    pub fn start_service(
        &self,
        wanted: &str,
        service: &NewService,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Service> {
        let launch = service.checked()?;
        let folder = self.store.find(wanted)?;
        if !launch.secret_env.is_empty() {
            // Before a machine is started for nothing.
            secrets::known(&folder.load()?, &launch.secret_env)?;
        }
        let request = Request::ServiceStart(launch);
        let called = self
            .on_machine(&folder, events, cancel, |session| {
                session.call(&request, None, events, cancel)
            })
            .map_err(|error| match error.code {
                "cancelled" => error.hint(format!(
                    "the service goes on: see pyro workspace service list {wanted}"
                )),
                _ => error,
            })?;
        decode(called.value)
    }

    /// Its services and how it is with them. Asks neither supervisor nor guest.
    ///
    /// # Errors
    /// As [`Self::status`]; `io`.
    pub fn list_services(&self, wanted: &str) -> Result<ServiceList> {
        let folder = self.store.find(wanted)?;
        let is_started = self.is_started(&folder)?;
        let (services, damaged) = record::all(&folder)?;
        let now = unix_now();
        let services: Vec<_> = services
            .into_iter()
            .map(|service| seen(service, is_started, now))
            .collect();
        let running = |service: &&Service| service.state == ServiceState::Running;
        Ok(ServiceList {
            workspace_id: folder.id,
            count: services.len() as u64,
            running_count: services.iter().filter(running).count() as u64,
            services,
            damaged,
        })
    }

    fn is_started(&self, folder: &Folder) -> Result<bool> {
        Ok(self.at_rest(folder)?.state == WorkspaceState::Started)
    }

    /// How it is with one.
    ///
    /// # Errors
    /// As [`Self::status`]; `unknown_service`, `damaged_record`.
    pub fn status_service(&self, wanted: &str, name: &str) -> Result<Service> {
        let (folder, name) = (self.store.find(wanted)?, service_name(name)?);
        let is_started = self.is_started(&folder)?;
        let service = record::load(&folder, &name)?.ok_or_else(|| unknown(&folder, &name))?;
        Ok(seen(service, is_started, unix_now()))
    }

    /// What one wrote: the last lines, all that is kept, or a page.
    ///
    /// # Errors
    /// As [`Self::status_service`]; `out_of_range`, `io`.
    pub fn logs_service(
        &self,
        wanted: &str,
        name: &str,
        logs: &WantedServiceLogs,
    ) -> Result<ServiceLogs> {
        if let Some(lines) = logs.tail_lines {
            checks::within("tail_lines", lines, &TAIL_LINES_RANGE)?;
        }
        let limit = logs.limit.unwrap_or(PAGE_BYTES);
        checks::within("limit", limit, &LIMIT_BYTES_RANGE)?;
        let service = self.status_service(wanted, name)?;
        let folder = self.store.find(&service.workspace_id)?;
        let kept = |stream| Kept::find(&folder, &service.service_name, stream);
        let (stdout, stderr) = (kept(LogStream::Stdout), kept(LogStream::Stderr));
        let page_is_wanted = logs.stream.is_some() || logs.offset.is_some() || logs.limit.is_some();
        let page = page_is_wanted.then(|| {
            let stream = logs.stream.unwrap_or(LogStream::Stdout);
            let kept = match stream {
                LogStream::Stdout => &stdout,
                LogStream::Stderr => &stderr,
            };
            let is_running = service.state == ServiceState::Running;
            page(
                kept,
                stream,
                logs.offset.unwrap_or_default(),
                limit,
                is_running,
            )
        });
        let most_bytes = logs.tail_lines.map_or(usize::MAX, |_| TAIL_BYTES);
        let tail = |kept: &Kept| match page_is_wanted {
            true => (Vec::new(), kept.dropped_bytes() > 0),
            false => kept.tail(logs.tail_lines, most_bytes),
        };
        let (out, out_cut) = tail(&stdout);
        let (err, err_cut) = tail(&stderr);
        Ok(ServiceLogs {
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(&err).into_owned(),
            tail_lines: logs.tail_lines.filter(|_| !page_is_wanted),
            truncated: out_cut || err_cut,
            stdout_dropped_bytes: stdout.dropped_bytes(),
            stderr_dropped_bytes: stderr.dropped_bytes(),
            page: page.transpose()?,
            service,
        })
    }

    /// Ends one: TERM, and KILL after five seconds. Nothing to do when it has
    /// ended.
    ///
    /// # Errors
    /// As [`Self::status_service`].
    pub fn stop_service(&self, wanted: &str, name: &str) -> Result<Service> {
        let (folder, name) = (self.store.find(wanted)?, service_name(name)?);
        let request = Request::ServiceStop { name: name.clone() };
        self.somehow(&folder, &request, || {
            record::load(&folder, &name)?.ok_or_else(|| unknown(&folder, &name))
        })
    }
}

fn page(
    kept: &Kept,
    stream: LogStream,
    offset: u64,
    limit: u64,
    is_running: bool,
) -> Result<LogPage> {
    let (offset, bytes) = kept.read(offset, limit).map_err(|error| {
        Error::runtime(
            "io",
            format!("cannot read the service's {}: {error}", stream.as_str()),
        )
        .hint("try again: the oldest part goes when much is written")
    })?;
    let told = journal::told(bytes, offset, kept.end(), is_running);
    Ok(LogPage {
        stream,
        text: told.text,
        lossy: told.lossy,
        offset,
        next_offset: told.next_offset,
        total_bytes: kept.end(),
        complete: kept.dropped_bytes() == 0,
    })
}
