//! The services of the machine there is.
//!
//! ```text
//!   start --register, save--> run.rs: serve, log, conclude --> again | over
//!     |                        `- watch.rs: settle or probe --> ready | not in time
//!     `- waits for the outcome; a client that goes changes nothing
//!   stop  --> ask to end: TERM, 5 s, KILL
//! ```
//!
//! Owns: which services run, their number, and asking them to end. Refuses:
//! deciding what an end means (`workspaces/services/policy.rs`); keeping a
//! workspace awake for them.

mod run;
mod watch;

use super::{Live, leaving, lock};
use crate::error::{Error, Result};
use crate::events::{Cancel, NoEvents};
use crate::guest::{Guest, Serving};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::events::{self, Done};
use crate::workspaces::payloads::LogStream;
use crate::workspaces::ports::Owner;
use crate::workspaces::services::log::Log;
use crate::workspaces::services::payloads::{Service, ServiceState};
use crate::workspaces::services::policy::Asked;
use crate::workspaces::services::readiness;
use crate::workspaces::services::record::{self, Room};
use crate::workspaces::services::{self, Launch};
use crate::workspaces::state::Phase;
use crate::workspaces::unix_now;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most services that run in one workspace.
const MOST_RUNNING: usize = 64;
/// Most on record; those that ended are kept until a reset.
const MOST_ON_RECORD: usize = 256;
/// After TERM, and again after KILL.
const GRACE: Duration = Duration::from_secs(5);
const TERM: u8 = 15;
const KILL: u8 = 9;

/// The services this supervisor started.
#[derive(Default)]
pub(super) struct Services(Mutex<BTreeMap<String, Arc<Running>>>);

/// One of them, until it is replaced.
pub(super) struct Running {
    launch: Launch,
    /// Never on record.
    env: BTreeMap<String, String>,
    guest: Arc<Guest>,
    room: Room,
    now: Mutex<Now>,
    changed: Condvar,
}

/// How it is with it.
struct Now {
    service: Service,
    /// Number of the run, from 1.
    run: u32,
    /// The run there is.
    process: Option<Serving>,
    asked: Option<Asked>,
    killed: bool,
    /// Whether it was ready in any run.
    started: bool,
    /// Restarts in a row.
    streak: u32,
    /// Its machine ended: there is no next run.
    machine_gone: bool,
}

impl Now {
    fn is_over(&self) -> bool {
        self.service.state != ServiceState::Running
    }
}

impl Services {
    fn get(&self, name: &str) -> Option<Arc<Running>> {
        lock(&self.0).get(name).cloned()
    }

    /// Refuses one that runs already, and one more than there may be.
    fn admit(&self, name: &str, on_record: usize, workspace_id: &str) -> Result<()> {
        let all = lock(&self.0);
        let running = |one: &&Arc<Running>| !lock(&one.now).is_over();
        if all.get(name).as_ref().is_some_and(running) {
            return Err(Error::runtime(
                "service_running",
                format!("service {name} of workspace {workspace_id} runs already"),
            )
            .hint(format!(
                "stop it first: pyro workspace service stop {workspace_id} {name}"
            )));
        }
        let count = all.values().filter(running).count();
        let refused = |message: String, hint: &str| {
            Err(Error::runtime("too_many_services", message).hint(hint))
        };
        if count >= MOST_RUNNING {
            let message =
                format!("{count} services run in workspace {workspace_id}, which is the most");
            return refused(message, "stop one");
        }
        if on_record >= MOST_ON_RECORD {
            let message = format!(
                "workspace {workspace_id} has {on_record} services on record, which is the most"
            );
            return refused(
                message,
                "use a name that is there, which replaces one that ended; a reset forgets all",
            );
        }
        Ok(())
    }

    /// Waits until the end of each is on record, after their machine ended.
    pub(super) fn wait_until_over(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let all: Vec<_> = lock(&self.0).values().cloned().collect();
        for one in &all {
            one.lock().machine_gone = true;
            one.changed.notify_all();
        }
        for one in all {
            one.wait(deadline, |now| now.is_over());
        }
    }
}

impl Running {
    fn owner(&self) -> Owner {
        Owner::Service(self.launch.name.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }

    /// Waits until `holds`; whether it did in time.
    fn wait(&self, deadline: Instant, holds: impl Fn(&Now) -> bool) -> bool {
        let mut now = self.lock();
        while !holds(&now) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            now = self
                .changed
                .wait_timeout(now, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// A full disk costs the record, not the service.
    fn save(&self, now: &Now) {
        if let Err(error) = self.room.save(&now.service) {
            tracing::warn!("service {} is not on record: {error}", self.launch.name);
        }
        self.changed.notify_all();
    }

    /// Ends the run there is, or the pause before the next one. Returns when it
    /// is over, or when nothing helps.
    fn ask_to_end(&self, why: Asked) {
        let run = {
            let mut now = self.lock();
            if now.is_over() {
                return;
            }
            // A call is a wish; the others are only true of one run.
            if now.asked.is_none() || why == Asked::ByCall {
                now.asked = Some(why);
            }
            if let Some(process) = &now.process {
                process.signal(TERM);
            }
            self.changed.notify_all();
            now.run
        };
        // One that is just being started gets its signal from who starts it.
        let ended = |now: &Now| {
            now.is_over() || (why != Asked::ByCall && (now.run != run || now.process.is_none()))
        };
        if self.wait(Instant::now() + GRACE, ended) {
            return;
        }
        {
            let mut now = self.lock();
            now.killed = !ended(&now);
            if let Some(process) = now.process.as_ref().filter(|_| now.killed) {
                process.signal(KILL);
            }
        }
        if !self.wait(Instant::now() + GRACE, ended)
            && let Some(process) = self.lock().process.clone()
        {
            process.give_up();
        }
    }
}

impl Live {
    /// Starts one and waits for the outcome, or until the client is gone.
    pub(in crate::workspaces::supervisor) fn start_service(
        self: &Arc<Self>,
        launch: Launch,
        gone: &Cancel,
    ) -> Result<Service> {
        let guest = self.guest_for_command()?;
        let env = self.secret_env(&launch.secret_env)?;
        self.refresh_secrets(&guest, &launch.secret_env, gone)?;
        let running = self.register(launch, env, guest)?;
        let (live, one) = (self.clone(), running.clone());
        std::thread::spawn(move || live.run_service(&one));
        self.touch();
        let woken = running.clone();
        let _woken = gone.on_cancel(move || {
            // Held, so that nobody is between its look and its wait.
            let _now = woken.lock();
            woken.changed.notify_all();
        });
        let decided = |now: &Now| now.started || now.is_over() || gone.is_cancelled();
        // It is over at its deadline at the latest.
        while !running.wait(Instant::now() + Duration::from_secs(60), decided) {}
        Ok(self.shown(&running))
    }

    /// As it is now.
    fn shown(&self, running: &Running) -> Service {
        let service = running.lock().service.clone();
        record::measured(&self.folder, service)
    }

    /// Gives it its name and its files. When the machine changed meanwhile
    /// nothing is done.
    fn register(
        &self,
        launch: Launch,
        env: BTreeMap<String, String>,
        guest: Arc<Guest>,
    ) -> Result<Arc<Running>> {
        // Held to the end: a reset forgets services only when it has said here
        // that it is under way.
        let record = lock(&self.record);
        if !self.is_current(&guest) || matches!(record.phase, Phase::Resetting | Phase::Deleting) {
            return Err(leaving());
        }
        let mut names = record::all_names(&self.folder)?;
        names.retain(|name| *name != launch.name);
        self.services
            .admit(&launch.name, names.len(), &self.folder.id)?;
        let mode = record.machine.as_ref();
        let redactor = self.redactor();
        let service = Service {
            workspace_id: self.folder.id.clone(),
            service_name: launch.name.clone(),
            state: ServiceState::Running,
            command: redactor.text(&launch.command),
            cwd: redactor.text(&launch.cwd),
            started_at: unix_now(),
            ended_at: None,
            exit_code: None,
            signal: None,
            pid: None,
            execution_mode: mode.map_or(ExecutionMode::Pending, |machine| machine.execution_mode),
            readiness: launch
                .readiness
                .as_ref()
                .map(|one| readiness::shown(one, &redactor)),
            ready_at: None,
            stop_reason: None,
            error: None,
            not_ready_because: None,
            published_ports: Vec::new(),
            restart_policy: launch.restart,
            max_restarts: launch.max_restarts,
            restart_count: 0,
            health_interval_seconds: launch.health_interval_seconds,
            healthy: None,
            stdout_bytes: 0,
            stderr_bytes: 0,
        };
        let room = Room::open(&self.folder)?;
        let path = self.folder.file("services");
        room.save(&service).map_err(Error::io("write in", &path))?;
        let running = Arc::new(Running {
            env,
            launch,
            guest,
            room,
            now: Mutex::new(Now {
                service,
                run: 0,
                process: None,
                asked: None,
                killed: false,
                started: false,
                streak: 0,
                machine_gone: false,
            }),
            changed: Condvar::new(),
        });
        let name = running.launch.name.clone();
        lock(&self.services.0).insert(name, running.clone());
        Ok(running)
    }

    fn logs_of(&self, name: &str) -> Result<[Log; 2]> {
        let log = |stream| {
            Room::open(&self.folder).map(|room| Log::create(room, &self.folder, name, stream))
        };
        Ok([log(LogStream::Stdout)?, log(LogStream::Stderr)?])
    }

    /// Ends one; how it is with it then.
    pub(in crate::workspaces::supervisor) fn stop_service(&self, name: &str) -> Result<Service> {
        let Some(running) = self.services.get(name) else {
            // Nobody runs it: what is on record has ended.
            let found = record::load(&self.folder, name)?;
            let service = found.ok_or_else(|| services::unknown(&self.folder, name))?;
            return Ok(record::at_rest(service, unix_now()));
        };
        if running.lock().is_over() {
            return Ok(self.shown(&running));
        }
        if let Some(guest) = self.guest() {
            // The host may have room again.
            guest.go_on()?;
        }
        running.ask_to_end(Asked::ByCall);
        running.wait(Instant::now() + GRACE, Now::is_over);
        self.touch();
        let service = self.shown(&running);
        self.note(Done::ServiceStop {
            service_name: service.service_name.clone(),
            state: service.state,
            stop_reason: service.stop_reason,
            exit_code: service.exit_code,
        });
        Ok(service)
    }

    /// For who reviews it.
    fn note(&self, done: Done) {
        let reset_count = lock(&self.record).reset_count;
        events::record(&self.folder, reset_count, done, &NoEvents);
    }

    /// Nothing of them is left after a reset.
    pub(super) fn forget_services(&self) -> Result<()> {
        lock(&self.services.0).clear();
        record::clear(&self.folder)
    }
}
