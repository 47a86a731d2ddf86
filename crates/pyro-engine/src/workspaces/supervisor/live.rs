//! One workspace with its machine.
//!
//! Owns: the guest, the record while the supervisor lives, the idle clock,
//! and start, stop, reset, exec on them. Refuses: sockets.
//!
//! A machine is started, stopped or replaced by one thread at a time (`life`);
//! commands run side by side on the machine there is.

mod exec;
mod network_life;
mod ports;
mod running;
mod secrets;
mod services;
mod shells;
mod snapshots;

use crate::environments::Environments;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::network;
use crate::start::{self, Scratch, Wanted};
use crate::workspaces::payloads::{StopReason, Workspace};
use crate::workspaces::record::{MachineFacts, Record};
use crate::workspaces::secrets::Secrets;
use crate::workspaces::snapshots::SnapshotName;
use crate::workspaces::snapshots::payloads::ResetWorkspace;
use crate::workspaces::state::{Happening, Phase};
use crate::workspaces::store::Folder;
use crate::workspaces::supervisor::wire::Update;
use crate::workspaces::{admission, events, journal, unix_now, update, view};
pub(super) use exec::Work;
use pyro_proto::messages::LEAVING;
use rustix::event::{EventfdFlags, eventfd};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The ends of services are on record this soon after their machine's.
const SERVICES_OVER: Duration = Duration::from_secs(2);

pub(super) struct Live {
    layout: Layout,
    folder: Folder,
    environments: Environments,
    record: Mutex<Record>,
    guest: RwLock<Option<Arc<Guest>>>,
    life: Mutex<()>,
    usage: Mutex<Usage>,
    unused: Condvar,
    wake: OwnedFd,
    over: AtomicBool,
    sequence: AtomicU64,
    running: running::Running,
    shells: shells::Shells,
    services: services::Services,
    ports: ports::Ports,
    secrets: Secrets,
}

struct Usage {
    active: usize,
    last: Instant,
}

/// While it lives the workspace is in use.
pub(super) struct InUse<'a>(&'a Live);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let mut usage = lock(&self.0.usage);
        usage.active -= 1;
        usage.last = Instant::now();
        self.0.unused.notify_all();
        drop(usage);
        self.0.wake_up();
    }
}

impl Live {
    pub(super) fn new(layout: &Layout, folder: Folder, record: Record) -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::runtime("io", format!("no eventfd: {error}")))?;
        Ok(Self {
            environments: Environments::new(layout),
            layout: layout.clone(),
            sequence: AtomicU64::new(record.command_count),
            secrets: Secrets::load(&folder, &record)?,
            record: Mutex::new(record),
            guest: RwLock::new(None),
            life: Mutex::new(()),
            usage: Mutex::new(Usage {
                active: 0,
                last: Instant::now(),
            }),
            unused: Condvar::new(),
            wake,
            over: AtomicBool::new(false),
            running: running::Running::default(),
            shells: shells::Shells::default(),
            services: services::Services::default(),
            ports: ports::Ports::default(),
            folder,
        })
    }

    pub(super) fn in_use(&self) -> InUse<'_> {
        lock(&self.usage).active += 1;
        InUse(self)
    }

    pub(super) fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    fn wake_up(&self) {
        // A full counter wakes as well.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    pub(super) fn drain_wake(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn finish(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.wake_up();
    }

    /// Time until nobody used it for too long; none while somebody does.
    pub(super) fn idle_left(&self, without_machine: Duration) -> Option<Duration> {
        let usage = lock(&self.usage);
        if usage.active > 0 {
            return None;
        }
        let most = if self.has_machine() {
            Duration::from_secs(lock(&self.record).spec.ttl_seconds)
        } else {
            without_machine
        };
        let last = usage.last.max(self.ports.last_traffic());
        Some(most.saturating_sub(last.elapsed()))
    }

    pub(super) fn wait_until_unused(&self, most: Duration) {
        let usage = lock(&self.usage);
        drop(
            self.unused
                .wait_timeout_while(usage, most, |usage| usage.active > 0),
        );
    }

    fn guest(&self) -> Option<Arc<Guest>> {
        self.guest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_guest(&self, guest: Option<Arc<Guest>>) -> Option<Arc<Guest>> {
        let mut slot = self.guest.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, guest);
        drop(slot);
        // They led into the machine before.
        self.ports.close_all();
        before
    }

    pub(super) fn has_machine(&self) -> bool {
        self.guest().is_some()
    }

    /// Readable once the machine is gone.
    pub(super) fn machine_end(&self) -> Option<OwnedFd> {
        self.guest()?.end_handle().ok()
    }

    /// The machine ended by itself, unless somebody is ending it right now.
    pub(super) fn machine_gone(&self) {
        let _life = lock(&self.life);
        // Stopped or replaced while this waited for its turn.
        let Some(guest) = self.guest().filter(|guest| guest.is_over()) else {
            return;
        };
        self.set_guest(None);
        let words = guest.last_words();
        self.services.wait_until_over(SERVICES_OVER);
        self.stopped(StopReason::GuestGone, Some(words));
        self.finish();
    }

    /// It never came up, or was deleted.
    pub(super) fn is_to_be_removed(&self) -> bool {
        matches!(lock(&self.record).phase, Phase::Deleting)
    }

    /// Ends the machine with whatever it does.
    pub(super) fn end(&self) {
        if let Some(guest) = self.set_guest(None) {
            guest.kill();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Record)) -> Result<()> {
        let mut record = lock(&self.record);
        change(&mut record);
        self.folder.save(&record)
    }

    fn happened(&self, happening: Happening) -> Result<()> {
        self.happened_with(happening, |_| {})
    }

    /// The same with what else the record has to say of it.
    fn happened_with(&self, happening: Happening, more: impl FnOnce(&mut Record)) -> Result<()> {
        let phase = lock(&self.record).phase;
        let Some(next) = phase.after(happening) else {
            return Err(Error::runtime(
                "wrong_state",
                format!("workspace {} is {phase:?}", self.folder.id).to_lowercase(),
            )
            .hint("look at it with pyro workspace status"));
        };
        self.change(|record| {
            record.phase = next;
            more(record);
        })
    }

    fn stopped(&self, reason: StopReason, error: Option<String>) {
        let saved = self.change(|record| {
            if let Some(phase) = record.phase.after(Happening::MachineGone) {
                record.phase = phase;
            }
            record.stop_reason = Some(reason);
            record.last_error = error.map(|error| self.redactor().text(&error));
        });
        if let Err(error) = saved {
            // The next look mends it: a record without a supervisor is stopped.
            tracing::warn!("the record was not written: {error}");
        }
    }

    /// As it is. Whoever asks uses it, so its idle time is whole.
    pub(super) fn show(&self) -> Workspace {
        let record = lock(&self.record);
        let left = self
            .has_machine()
            .then(|| Duration::from_secs(record.spec.ttl_seconds));
        let shown = view::workspace(&record, &self.folder, left);
        let halted = || Some(format!("the guest is halted: {}", self.guest()?.halted()?));
        Workspace {
            running_command_count: self.running.count(),
            running_shell_count: self.shells.running_count(),
            published_ports: self.ports.published(),
            last_error: shown
                .last_error
                .clone()
                .or_else(halted)
                .or_else(|| self.network_trouble()),
            ..shown
        }
    }

    /// Boots the machine unless it runs.
    pub(super) fn start(&self, events: &dyn EventSink, cancel: &Cancel) -> Result<Workspace> {
        let _life = lock(&self.life);
        self.still_here()?;
        if let Some(guest) = self.guest() {
            guest.go_on()?;
            return Ok(self.show());
        }
        if lock(&self.record).phase == Phase::Stopped {
            self.happened(Happening::StartAsked)?;
        }
        let scratch = self.scratch().inspect_err(|error| self.failed(error))?;
        self.boot(&scratch, || Ok(()), events, cancel)?;
        Ok(self.show())
    }

    /// A new disk and machine. The disk is made while the old machine still
    /// runs; the old disk goes when the new machine runs, and is what is there
    /// when it does not come up.
    pub(super) fn reset(
        &self,
        snapshot: Option<&SnapshotName>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ResetWorkspace> {
        let _life = lock(&self.life);
        self.still_here()?;
        let (scratch, workspace_reset) = self.new_disk(snapshot, events, cancel)?;
        let fresh = self.folder.fresh_scratch();
        let asked = self.happened(Happening::ResetAsked);
        if asked.is_ok()
            && let Some(guest) = self.set_guest(None)
        {
            guest.kill();
        }
        let swap = || {
            std::fs::rename(&fresh, self.folder.scratch())
                .map_err(Error::io("rename into place", &fresh))?;
            journal::clear(&self.folder)?;
            self.forget_services()?;
            events::clear(&self.folder)?;
            network::log::clear(self.folder.path())?;
            self.sequence.store(0, Ordering::SeqCst);
            self.shells.clear();
            self.change(|record| {
                record.command_count = 0;
                record.last_command = None;
                record.reset_count += 1;
                record.last_reset_at = Some(unix_now());
            })
        };
        let booted = asked.and_then(|()| self.boot(&scratch, swap, events, cancel));
        if booted.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        booted.map(|()| ResetWorkspace {
            workspace: self.show(),
            workspace_reset,
        })
    }

    fn disk_mib(&self) -> u64 {
        lock(&self.record).spec.disk_mib
    }

    /// The machine did not come up.
    fn failed(&self, error: &Error) {
        self.end();
        self.stopped(StopReason::StartFailed, Some(error.to_string()));
        self.finish();
    }

    /// The disk there is, or a new one for a workspace that is being made.
    fn scratch(&self) -> Result<Scratch> {
        let path = self.folder.scratch();
        if lock(&self.record).phase == Phase::Creating && !path.exists() {
            return Scratch::create_at(&self.layout, self.disk_mib(), &path);
        }
        Scratch::open(&path)
    }

    /// Boots from `scratch`; `then` is what has to be done before the machine
    /// counts as running.
    fn boot(
        &self,
        scratch: &Scratch,
        then: impl FnOnce() -> Result<()>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<()> {
        let booted =
            self.boot_machine(scratch, events, cancel)
                .and_then(|(guest, version, facts)| {
                    // Before anything can run in it.
                    self.install_secrets(&guest, cancel)?;
                    self.trust_gateway(&guest, cancel)?;
                    self.set_guest(Some(Arc::new(guest)));
                    // The main thread has to watch another machine now.
                    self.wake_up();
                    then()?;
                    self.happened(Happening::Booted)?;
                    self.change(|record| {
                        record.environment_version = Some(version);
                        record.machine = Some(facts);
                        record.published_ports.clear();
                        record.running_shell_count = 0;
                        record.stop_reason = None;
                        record.last_error = None;
                        record.last_activity_at = unix_now();
                        record.renewed_at = record.last_activity_at;
                    })
                });
        booted.inspect_err(|error| self.failed(error))
    }

    fn boot_machine(
        &self,
        scratch: &Scratch,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<(Guest, String, MachineFacts)> {
        let spec = lock(&self.record).spec.clone();
        admission::admit(spec.mem_mib)?;
        let installed = self
            .environments
            .ensure(&spec.environment, events, cancel)?;
        let hostname = format!("pyro-{}", self.folder.id);
        let baseline = self.folder.open_baseline(&lock(&self.record))?;
        let gateway = self.gateway(&spec.network)?;
        let started = start::start(
            &self.layout,
            &Wanted {
                installed: &installed,
                vcpu_count: spec.vcpu_count,
                mem_mib: spec.mem_mib,
                hostname: &hostname,
                backend: spec.backend,
                scratch,
                baseline: baseline.as_ref(),
                reader: false,
                gateway: gateway.as_ref(),
            },
            events,
            cancel,
        )?;
        if let Some(gateway) = gateway {
            started.guest.keep_gateway(gateway);
        }
        let facts = MachineFacts {
            execution_mode: started.execution_mode,
            backend: started.backend.to_owned(),
            accelerator: started.accelerator.map(|kind| kind.as_str().to_owned()),
            start_kind: started.start_kind.to_owned(),
            confinement: started.guest.confinement().as_str().to_owned(),
        };
        Ok((started.guest, installed.version.clone(), facts))
    }

    /// Powers the machine off in order.
    pub(super) fn stop(&self, reason: StopReason) -> Workspace {
        let _life = lock(&self.life);
        if let Some(guest) = self.set_guest(None) {
            // Shown as stopped from here on, and that may take a while.
            let why = |record: &mut Record| record.stop_reason = Some(reason);
            if let Err(error) = self.happened_with(Happening::StopAsked, why) {
                tracing::warn!("the record was not written: {error}");
            }
            // An interactive shell ignores TERM.
            self.shells.hang_up();
            guest.power_off();
            self.services.wait_until_over(SERVICES_OVER);
            if let Err(error) = File::open(self.folder.scratch()).and_then(|disk| disk.sync_all()) {
                tracing::warn!("the disk was not synced: {error}");
            }
        }
        self.stopped(reason, None);
        self.finish();
        self.show()
    }

    /// Ends the machine and whatever runs in it; the folder goes with the supervisor.
    pub(super) fn delete(&self) -> Result<()> {
        self.happened(Happening::DeleteAsked)?;
        self.end();
        self.finish();
        Ok(())
    }

    /// Something in it was changed.
    pub(super) fn touch(&self) {
        let saved = self.change(|record| {
            record.last_activity_at = unix_now();
            record.renewed_at = record.last_activity_at;
        });
        if let Err(error) = saved {
            tracing::warn!("the record was not written: {error}");
        }
    }

    pub(super) fn update(&self, wanted: &Update) -> Result<Workspace> {
        {
            let mut record = lock(&self.record);
            let mut changed = record.clone();
            update::apply(&mut changed, wanted)?;
            self.folder.save(&changed)?;
            *record = changed;
        }
        Ok(self.show())
    }

    /// Refuses what would need a machine once this one's end is decided.
    fn still_here(&self) -> Result<()> {
        if self.is_over() {
            Err(leaving())
        } else {
            Ok(())
        }
    }
}

fn leaving() -> Error {
    Error::runtime(LEAVING, "the workspace is just being stopped").hint("try again")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
