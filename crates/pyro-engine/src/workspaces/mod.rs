//! Workspaces: machines with a disk that stay until they are deleted.
//!
//! ```text
//!   client (this file) --socket--> supervisor --stream--> agent
//!      |  `- none lives: the record alone, or a supervisor is started
//!      `- records of all (store.rs), mended after a crash (state.rs)
//! ```
//!
//! Owns: every operation on workspaces as a client makes it. Refuses: a
//! machine of its own; one supervisor process has each ([`supervisor`]).

mod admission;
mod command_id;
mod commands;
pub mod disk;
mod events;
mod exports;
pub mod files;
mod journal;
mod names;
pub mod network;
pub mod payloads;
pub mod ports;
mod prune;
mod reach;
mod record;
pub mod secrets;
mod seed;
pub mod services;
pub mod shells;
pub mod snapshots;
mod state;
mod store;
pub mod summary;
pub mod supervisor;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use commands::{LIMIT_BYTES_RANGE, Logs, Look, NewCommand, PAGE_BYTES, WAIT_SECONDS_RANGE};

use crate::Environments;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::host_paths::HostPaths;
use crate::layout::Layout;
use crate::network::NetworkSpec;
use crate::project::ProjectSource;
use crate::vms::payloads::BackendChoice;
use payloads::{
    DamagedWorkspace, DeletedWorkspace, StopReason, Workspace, WorkspaceList, WorkspaceState,
};
use reach::GONE_TIMEOUT;
use record::{LAYOUT_VERSION, Record, Spec, WorkspaceSeed};
use secrets::NewSecret;
use seed::{Baselines, Origin};
use state::Phase;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Store;
use supervisor::client;
use supervisor::wire::Request;
pub use supervisor::wire::Update;

/// Least and most idle time, seconds.
pub const TTL_SECONDS_RANGE: std::ops::RangeInclusive<u64> = 60..=604_800;
/// Least and most virtual size of the disk, MiB.
pub const DISK_MIB_RANGE: std::ops::RangeInclusive<u64> = 1024..=262_144;
/// What to make.
#[derive(Clone, Debug)]
pub struct NewWorkspace {
    /// Catalog name.
    pub environment: String,
    /// Virtual CPUs, 1 to 8.
    pub vcpu_count: u32,
    /// Memory in MiB, 256 to 32768.
    pub mem_mib: u32,
    /// Idle seconds until it is stopped, [`TTL_SECONDS_RANGE`].
    pub ttl_seconds: u64,
    /// Virtual size of its disk in MiB, [`DISK_MIB_RANGE`].
    pub disk_mib: u64,
    /// Which VMM.
    pub backend: BackendChoice,
    /// Name, 1 to 120 characters.
    pub name: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// A directory or archive of the host that `/workspace` begins with.
    pub seed_path: Option<String>,
    /// A project that it begins with instead.
    pub project: Option<ProjectSource>,
    /// What its commands may be given, and no text shows.
    pub secrets: Vec<NewSecret>,
    /// What it may do with the network.
    pub network: NetworkSpec,
}

/// Which workspaces of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With this name.
    pub name: Option<String>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
    /// In this state.
    pub state: Option<WorkspaceState>,
}

/// The workspaces of this user.
pub struct Workspaces {
    layout: Layout,
    host: HostPaths,
    store: Store,
}

impl Workspaces {
    /// Touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            host: HostPaths::Anywhere,
            store: Store::new(layout),
        }
    }

    /// The same for requests that reach only so far.
    #[must_use]
    pub fn within(mut self, host: HostPaths) -> Self {
        self.host = host;
        self
    }

    /// Makes and starts one.
    ///
    /// # Errors
    /// `out_of_range`, `invalid_name`, `invalid_label`, `unknown_environment`,
    /// `no_memory`, `invalid_network_rule`, `network_unavailable`, `invalid_secret`, those of a seed (`source_missing`, `source_kind`,
    /// `source_io`, `source_changed`, `bad_archive`, `seed_too_large`, `no_space`), those of a project (`conflict`,
    /// `git_missing`, `git_timeout`, `git_answer`, `project_broken`, `clone_failed`, `ref_missing`), and everything that can happen to a machine; nothing is
    /// left then.
    pub fn create(
        &self,
        environments: &Environments,
        wanted: &NewWorkspace,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Workspace> {
        let mut record = Self::first_record(wanted)?;
        let materials = secrets::read(&self.host, &wanted.secrets)?;
        secrets::check_network(&record.spec.network, &materials)?;
        environments.inspect(&wanted.environment)?;
        admission::admit(wanted.mem_mib)?;
        let origin = Origin::find(&self.host, wanted, &self.layout, events, cancel)?;
        for short in materials.iter().filter(|one| one.is_too_short()) {
            events.event(Event::Notice(format!(
                "secret {} is too short to be taken out of text: under {} bytes",
                short.secret.name,
                crate::redact::MIN_VALUE_BYTES
            )));
        }
        store::sweep(&self.store);
        let baselines = Baselines::new(&self.layout);
        baselines.tidy();
        let mut baseline = None;
        if let Some(origin) = &origin {
            let made = baselines.ensure(origin, events, cancel)?;
            record.seed = origin.seed(&made);
            baseline = Some(made);
        }
        record.secrets = materials.iter().map(|one| one.secret.clone()).collect();
        let folder = self.store.create(&record)?;
        events.event(Event::Phase {
            prefix: "workspace",
            name: "create",
            fields: vec![("workspace_id", folder.id.clone())],
        });
        let linked = origin.zip(baseline).map_or(Ok(()), |(origin, baseline)| {
            let link = || baselines.link(&baseline.key, &folder.baseline());
            // A prune beside this may have taken what nobody held yet.
            link().or_else(|_| {
                baselines.ensure(&origin, events, cancel)?;
                link()
            })
        });
        let made = linked
            .and_then(|()| secrets::store(&folder, &materials))
            .and_then(|()| self.start_in(&folder, events, cancel));
        if made.is_err() {
            // The supervisor removes it; where none came up, nobody else does.
            if let Ok(Some(lock)) = self.lock_within(&folder, GONE_TIMEOUT) {
                folder.remove(lock)?;
            }
        }
        made
    }

    fn first_record(wanted: &NewWorkspace) -> Result<Record> {
        crate::vms::checks::size(wanted.vcpu_count, wanted.mem_mib)?;
        crate::vms::checks::within("ttl_seconds", wanted.ttl_seconds, &TTL_SECONDS_RANGE)?;
        crate::vms::checks::within("disk_mib", wanted.disk_mib, &DISK_MIB_RANGE)?;
        let name = wanted.name.as_deref().map(names::name).transpose()?;
        let mut workspace_id = uuid::Uuid::new_v4().simple().to_string();
        workspace_id.truncate(12);
        let now = unix_now();
        Ok(Record {
            layout_version: LAYOUT_VERSION,
            workspace_id,
            name,
            labels: names::labels(&wanted.labels)?,
            spec: Spec {
                environment: wanted.environment.clone(),
                vcpu_count: wanted.vcpu_count,
                mem_mib: wanted.mem_mib,
                ttl_seconds: wanted.ttl_seconds,
                disk_mib: wanted.disk_mib,
                backend: wanted.backend,
                network: wanted.network.clone().checked()?,
            },
            seed: WorkspaceSeed::default(),
            secrets: Vec::new(),
            environment_version: None,
            created_at: now,
            last_activity_at: now,
            renewed_at: now,
            phase: Phase::Creating,
            stop_reason: None,
            last_error: None,
            command_count: 0,
            last_command: None,
            reset_count: 0,
            last_reset_at: None,
            machine: None,
            published_ports: Vec::new(),
            running_shell_count: 0,
        })
    }

    /// Those that pass the filter, the last used first. Reads records; of a
    /// supervisor it only wants a sign of life, and not for long.
    ///
    /// # Errors
    /// `io` when the folder of all cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<WorkspaceList> {
        let (mut workspaces, mut damaged) = (Vec::new(), Vec::new());
        for entry in self.store.entries()? {
            let folder = entry.folder;
            match entry.record {
                Ok(record) => {
                    let Some(record) = self.mended(&folder, record) else {
                        continue;
                    };
                    let row = view::row(&record, &folder);
                    let passes = filter
                        .name
                        .as_ref()
                        .is_none_or(|name| row.name.as_ref() == Some(name))
                        && filter.state.is_none_or(|state| row.state == state)
                        && filter
                            .labels
                            .iter()
                            .all(|(key, value)| row.labels.get(key) == Some(value));
                    if passes {
                        workspaces.push(row);
                    }
                }
                Err(error) if error.code == "unknown_workspace" => {}
                Err(error) => damaged.push(DamagedWorkspace {
                    workspace_id: folder.id.clone(),
                    reason: error.message,
                }),
            }
        }
        let order = |time: f64| Reverse(time.to_bits());
        workspaces.sort_by_key(|row| {
            (
                order(row.last_activity_at),
                order(row.created_at),
                row.workspace_id.clone(),
            )
        });
        self.mark_stale(&mut workspaces);
        Ok(WorkspaceList {
            count: workspaces.len(),
            workspaces,
            damaged,
        })
    }

    /// One, as it is; `stale` when its supervisor does not answer in time.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `damaged_record`.
    pub fn status(&self, wanted: &str) -> Result<Workspace> {
        self.status_in(&self.store.find(wanted)?)
    }

    /// What the network of one is, as it was made; reads its record alone.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn network_of(&self, wanted: &str) -> Result<NetworkSpec> {
        Ok(self.store.find(wanted)?.load()?.spec.network)
    }

    /// Changes name and labels.
    ///
    /// # Errors
    /// As [`Self::status`]; `nothing_changes`, `invalid_name`, `invalid_label`.
    pub fn update(&self, wanted: &str, update: &Update) -> Result<Workspace> {
        let folder = self.store.find(wanted)?;
        self.somehow(&folder, &Request::Update(update.clone()), || {
            let mut record = folder.load()?;
            update::apply(&mut record, update)?;
            folder.save(&record)?;
            Ok(view::workspace(&record, &folder, None))
        })
    }

    /// Boots it from its disk; nothing to do when it runs.
    ///
    /// # Errors
    /// As [`Self::create`]; the disk stays.
    pub fn start(
        &self,
        wanted: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Workspace> {
        let folder = self.store.find(wanted)?;
        self.at_rest(&folder)?;
        self.start_in(&folder, events, cancel)
    }

    /// Powers it off in order; its disk stays. Nothing to do when it is stopped.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn stop(&self, wanted: &str) -> Result<Workspace> {
        let folder = self.store.find(wanted)?;
        let stopped = self.somehow(&folder, &Request::Stop, || {
            let mut record = folder.load()?;
            record.stop_reason = Some(StopReason::Requested);
            folder.save(&record)?;
            Ok(view::workspace(&record, &folder, None))
        })?;
        // The next call must not meet the supervisor on its way out.
        drop(self.lock_within(&folder, GONE_TIMEOUT)?);
        Ok(stopped)
    }

    /// Ends it and removes everything of it, whatever it does and however
    /// damaged it is.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `supervisor` when its process
    /// cannot be ended.
    pub fn delete(&self, wanted: &str) -> Result<DeletedWorkspace> {
        let folder = self.store.find(wanted)?;
        let asked: Result<Option<()>> = self.ask(&folder, &Request::Delete);
        // One that does not answer will not end by itself either.
        let patience = match asked {
            Ok(_) => GONE_TIMEOUT,
            Err(_) => Duration::ZERO,
        };
        let mut lock = self.lock_within(&folder, patience)?;
        if lock.is_none() && folder.path().is_dir() {
            client::kill(&folder);
            lock = self.lock_within(&folder, GONE_TIMEOUT)?;
        }
        match lock {
            Some(lock) => folder.remove(lock)?,
            // Its supervisor has removed it, or is about to have.
            None if !folder.path().is_dir() => folder.bury()?,
            None => {
                return Err(Error::runtime(
                    "supervisor",
                    format!("the supervisor of workspace {} does not end", folder.id),
                )
                .hint("end the process `pyro supervise` that names it, then try again"));
            }
        }
        Ok(DeletedWorkspace {
            workspace_id: folder.id,
            deleted: true,
            reason: "explicit_delete".into(),
        })
    }
}

/// Unix time in seconds.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
