//! Whether a run of a service is ready, and stays so.
//!
//! Owns: the settle window, the looks and their deadline. Refuses: taking a
//! look that failed for more than "not ready".
//!
//! ```text
//!   Began --nothing to look at--> lives for SETTLE --------------> ready
//!         --look, pause, look ... --yes--> ready --health--> look, pause ...
//!              `--deadline--> asked to end (not ready)
//! ready: its ports are opened first; one that fails ends it
//! ```

use super::{Live, Now, Running};
use crate::guest::Line;
use crate::workspaces::ports::payloads::PublishedPort;
use crate::workspaces::services::payloads::Readiness;
use crate::workspaces::services::policy::Asked;
use crate::workspaces::services::readiness::{Looked, look};
use crate::workspaces::unix_now;
use pyro_proto::messages::probe::PROBE_HTTP;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a service without a condition has to live.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a readiness command may take.
const COMMAND: Duration = Duration::from_secs(10);

impl Live {
    /// Watches one run until it ends, or nothing is left to see.
    pub(super) fn watch_service(self: &Arc<Self>, one: &Arc<Running>, run: u32) {
        let over = |now: &Now| now.is_over() || now.run != run || now.process.is_none();
        let Some(readiness) = &one.launch.readiness else {
            if !one.wait(Instant::now() + SETTLE, |now| {
                over(now) || now.asked.is_some()
            }) {
                self.ready(one, run);
            }
            return;
        };
        let deadline = Instant::now() + Duration::from_secs(one.launch.ready_timeout_seconds);
        let interval = Duration::from_millis(one.launch.ready_interval_ms);
        loop {
            let found = one.look(readiness);
            match found {
                Ok(()) => break,
                Err(why) => {
                    let mut now = one.lock();
                    if over(&now) || now.asked.is_some() {
                        return;
                    }
                    // On record with the next change; not one write per look.
                    now.service.not_ready_because = Some(self.redactor().text(&why));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return one.ask_to_end(Asked::NotReady);
            }
            if one.wait(Instant::now() + interval.min(left), |now| {
                over(now) || now.asked.is_some()
            }) {
                return;
            }
        }
        self.ready(one, run);
        let Some(seconds) = one.launch.health_interval_seconds else {
            return;
        };
        let interval = Duration::from_secs(seconds);
        while !one.wait(Instant::now() + interval, over) {
            let found = one.look(readiness);
            let mut now = one.lock();
            if over(&now) {
                return;
            }
            let healthy = Some(found.is_ok());
            if now.service.healthy != healthy {
                now.service.healthy = healthy;
                now.service.not_ready_because = found.err().map(|why| self.redactor().text(&why));
                one.save(&now);
            }
        }
    }

    fn ready(&self, one: &Running, run: u32) {
        let gone = |now: &Now| {
            now.is_over() || now.run != run || now.process.is_none() || now.asked.is_some()
        };
        if gone(&one.lock()) {
            return;
        }
        let Some(published) = self.publish_for(one) else {
            return one.ask_to_end(Asked::PortFailed);
        };
        let mut now = one.lock();
        if gone(&now) {
            drop(now);
            return self.take_back(one, &published);
        }
        now.service.published_ports.extend(published);
        now.service.ready_at = Some(unix_now());
        now.service.not_ready_because = None;
        if one.launch.health_interval_seconds.is_some() {
            now.service.healthy = Some(true);
        }
        let is_first = !now.started;
        now.started = true;
        one.save(&now);
        let service = now.service.clone();
        drop(now);
        if is_first {
            self.note_start(&service);
        }
    }

    /// Opens its ports, all or none; a run after a restart has them already.
    fn publish_for(&self, one: &Running) -> Option<Vec<PublishedPort>> {
        let mut published = Vec::new();
        if !one.lock().service.published_ports.is_empty() {
            return Some(published);
        }
        for wish in &one.launch.ports {
            match self.publish(&one.owner(), wish.guest_port, wish.host_port) {
                Ok(port) => published.push(port),
                Err(error) => {
                    self.take_back(one, &published);
                    one.lock().service.error = Some(self.redactor().text(&error.message));
                    return None;
                }
            }
        }
        Some(published)
    }

    /// One by one: another service may have the name by now.
    fn take_back(&self, one: &Running, published: &[PublishedPort]) {
        for port in published {
            // One that is closed already is what was wanted.
            let _ = self.unpublish(&one.owner(), port.host_port);
        }
    }
}

impl Running {
    /// One look; why it is not ready.
    fn look(&self, readiness: &Readiness) -> Result<(), String> {
        match look(readiness)? {
            Looked::At(target) => self.guest.probe(target, PROBE_HTTP),
            Looked::Command(shell) => self.guest.probe_command(
                &Line {
                    shell: &shell,
                    cwd: &self.launch.cwd,
                    env: &self.env,
                },
                COMMAND,
            ),
        }
    }
}
