//! The runs of one service, from its start to its end.
//!
//! Owns: writing down what it writes, how each run ended, the pause before the
//! next. Refuses: waiting for readiness (watch.rs).
//!
//! ```text
//!   run: serve --Began--> watch (a thread of its own)
//!            `--bytes--> redactor --> logs
//!            `--Ended--> policy --Again--> pause, run
//!                           `--Over--> record, event
//! ```

use super::{KILL, Live, Now, Running, TERM};
use crate::guest::{Heard, Line};
use crate::redact::{Redaction, Redactor};
use crate::workspaces::events::Done;
use crate::workspaces::services::log::Log;
use crate::workspaces::services::payloads::Service;
use crate::workspaces::services::policy::{self, Ended, Next, STEADY};
use crate::workspaces::unix_now;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long a held beginning of a secret is shown, if it is short.
const PAUSE: Duration = Duration::from_millis(100);

/// What one run writes, on its way to the host's disk.
struct Written<'a> {
    streams: [Redaction; 2],
    logs: Option<&'a mut [Log; 2]>,
    /// When what is held back is shown because nothing came.
    paused: Option<Instant>,
}

impl<'a> Written<'a> {
    fn new(redactor: &Redactor, logs: Option<&'a mut [Log; 2]>) -> Self {
        Self {
            streams: [redactor.stream(), redactor.stream()],
            logs,
            paused: None,
        }
    }

    fn push(&mut self, which: usize, bytes: Vec<u8>) {
        let shown = self.streams[which].pass(bytes);
        self.keep(which, &shown);
        let held = self.streams.iter().any(|stream| stream.held() > 0);
        self.paused = held.then(|| Instant::now() + PAUSE);
    }

    fn release(&mut self) {
        self.paused = None;
        for which in [0, 1] {
            let shown = self.streams[which].release();
            self.keep(which, &shown);
        }
    }

    fn keep(&mut self, which: usize, shown: &[u8]) {
        if let Some(logs) = &mut self.logs {
            logs[which].push(shown);
        }
    }
}

/// What is held at the end became no secret.
impl Drop for Written<'_> {
    fn drop(&mut self) {
        for which in [0, 1] {
            let shown = self.streams[which].finish();
            self.keep(which, &shown);
        }
    }
}

/// How one run ended, as far as anybody knows.
#[derive(Default)]
struct End {
    exit_code: Option<i32>,
    signal: Option<i32>,
    /// Why there is no exit code.
    error: Option<String>,
    /// Its guest is gone, which its machine may show a moment later.
    lost: bool,
}

impl Live {
    /// Runs it until it is over.
    pub(super) fn run_service(self: &Arc<Self>, one: &Arc<Running>) {
        let mut logs = match self.logs_of(&one.launch.name) {
            Ok(logs) => Some(logs),
            Err(error) => {
                tracing::warn!("service {} has no log: {error}", one.launch.name);
                None
            }
        };
        loop {
            let began = Instant::now();
            let end = self.one_run(one, logs.as_mut());
            let Some(pause) = self.conclude(one, end, began.elapsed()) else {
                return;
            };
            // A call that stops it ends the pause, and so does its machine.
            let none_follows = |now: &Now| now.asked.is_some() || now.machine_gone;
            one.wait(Instant::now() + pause, none_follows);
            let mut now = one.lock();
            if !none_follows(&now) {
                now.service.restart_count += 1;
                one.save(&now);
                continue;
            }
            let machine_gone = now.machine_gone;
            drop(now);
            let machine_gone = machine_gone || !self.is_current(&one.guest);
            self.unpublish_owner(&one.owner());
            over(one, &mut one.lock(), &End::default(), machine_gone);
            return;
        }
    }

    fn one_run(self: &Arc<Self>, one: &Arc<Running>, logs: Option<&mut [Log; 2]>) -> End {
        let served = one.guest.serve(&Line {
            shell: &one.launch.command,
            cwd: &one.launch.cwd,
            env: &one.env,
        });
        let process = match served {
            Ok(process) => process,
            Err(error) => {
                return End {
                    error: Some(self.redactor().text(&error.message)),
                    lost: true,
                    ..End::default()
                };
            }
        };
        let run = {
            let mut now = one.lock();
            now.run += 1;
            now.process = Some(process.clone());
            if now.asked.is_some() {
                process.signal(if now.killed { KILL } else { TERM });
            }
            now.run
        };
        let mut is_watched = false;
        let mut written = Written::new(&self.redactor(), logs);
        loop {
            match process.hear(written.paused) {
                Heard::Began(pid) if !is_watched => {
                    is_watched = true;
                    let mut now = one.lock();
                    now.service.pid = Some(pid);
                    one.save(&now);
                    drop(now);
                    let (live, one) = (self.clone(), one.clone());
                    std::thread::spawn(move || live.watch_service(&one, run));
                }
                Heard::Began(_) => {}
                Heard::Stdout(bytes) => written.push(0, bytes),
                Heard::Stderr(bytes) => written.push(1, bytes),
                Heard::Silence => written.release(),
                Heard::Ended(Ok(exited)) => {
                    return End {
                        exit_code: Some(exited.exit_code),
                        signal: exited.signal,
                        ..End::default()
                    };
                }
                Heard::Lost => {
                    return End {
                        lost: true,
                        ..End::default()
                    };
                }
                Heard::Ended(Err(error)) => {
                    return End {
                        error: Some(self.redactor().text(&error)),
                        ..End::default()
                    };
                }
            }
        }
    }

    /// What comes of a run's end: a pause before the next, or none.
    fn conclude(&self, one: &Running, end: End, lasted: Duration) -> Option<Duration> {
        // Not under its lock: this asks the machine.
        let machine_gone = end.lost || !self.is_current(&one.guest) || one.guest.is_over();
        let mut now = one.lock();
        now.process = None;
        now.service.pid = None;
        now.service.healthy = None;
        if lasted >= STEADY {
            now.streak = 0;
        }
        let ended = ended(&now, &end, machine_gone);
        match policy::next(&ended, one.launch.restart, one.launch.max_restarts) {
            Next::Again(pause) => {
                now.streak += 1;
                now.asked = None;
                now.killed = false;
                now.service.ready_at = None;
                one.save(&now);
                Some(pause)
            }
            Next::Over(..) => {
                drop(now);
                // Before its name is free for another one.
                self.unpublish_owner(&one.owner());
                let mut now = one.lock();
                over(one, &mut now, &end, machine_gone);
                let (service, is_first) = (now.service.clone(), !now.started);
                drop(now);
                if is_first {
                    self.note_start(&service);
                }
                None
            }
        }
    }

    /// The outcome of a start, for who reviews it. Not under its lock.
    pub(super) fn note_start(&self, service: &Service) {
        self.note(Done::ServiceStart {
            service_name: service.service_name.clone(),
            state: service.state,
            stop_reason: service.stop_reason,
        });
    }
}

fn over(one: &Running, now: &mut Now, end: &End, machine_gone: bool) {
    let ended = ended(now, end, machine_gone);
    // No restart: this is the end, whatever the policy is.
    let Next::Over(state, reason) = policy::next(&ended, one.launch.restart, 0) else {
        return;
    };
    let service = &mut now.service;
    service.state = state;
    service.stop_reason = reason;
    service.ended_at = Some(unix_now());
    service.exit_code = end.exit_code;
    service.signal = end.signal;
    service.error = match machine_gone {
        true => end
            .error
            .clone()
            .or(Some("its machine ended while it ran".into())),
        // Why a port of it could not be published is there already.
        false => end.error.clone().or_else(|| service.error.take()),
    };
    service.published_ports.clear();
    one.save(now);
}

fn ended(now: &Now, end: &End, machine_gone: bool) -> Ended {
    Ended {
        machine_gone,
        asked: now.asked,
        killed: now.killed,
        was_ready: now.service.ready_at.is_some(),
        started: now.started,
        exit_code: end.exit_code,
        streak: now.streak,
    }
}
