//! Makes the first command of the day a warm one, and knows whether it will be.
//!
//! ```text
//!   cold | stale --> install --> create, run, delete --> reset proven --> manifest --> warm
//! ```
//!
//! Owns: the proof and its manifest ([`manifest`]). Nothing runs when the
//! machine is warm already.

mod manifest;
mod network_proof;

pub use manifest::{DailyLoop, Status, status};

use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::network::{NetworkPolicy, NetworkSpec};
use crate::start::Templates;
use crate::vms::Vms;
use crate::vms::payloads::{ExecResult, VmSpec};
use crate::{Environments, Layout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

const TIMEOUT_SECONDS: u64 = 60;

/// How ready the machine is now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    /// The daily loop, as `doctor` shows it.
    #[serde(flatten)]
    pub daily_loop: DailyLoop,
    /// Whether the machine is warm now.
    pub prepared: bool,
    /// Whether it was warm before and nothing ran.
    pub reused: bool,
    /// Whether VMs were run.
    pub executed: bool,
    /// Whether doing it again was asked for.
    pub forced: bool,
    /// Whether a proof of guest networking was asked for.
    pub network_requested: bool,
    /// Milliseconds the last proof took.
    pub last_prepare_duration_ms: u64,
}

/// Proves create, exec, reset and delete on `spec`, and writes it down.
///
/// # Errors
/// Everything that can go wrong with an environment or a VM;
/// `prepare_failed` when a guest did other than it should.
#[allow(clippy::too_many_arguments)]
pub fn prepare(
    layout: &Layout,
    environments: &Environments,
    vms: &Vms,
    spec: &VmSpec,
    force: bool,
    network_requested: bool,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Prepared> {
    let outcome = |daily_loop: DailyLoop, reused| Prepared {
        prepared: daily_loop.status == Status::Warm,
        reused,
        executed: !reused,
        forced: force,
        network_requested,
        last_prepare_duration_ms: daily_loop.last_prepare_duration_ms,
        daily_loop,
    };
    let before = status(layout, environments, &spec.environment)?;
    let network_is_due = network_requested && !before.network_prepared;
    if before.status == Status::Warm && !force && !network_is_due {
        return Ok(outcome(before, true));
    }
    let phase = |name| {
        events.event(Event::Phase {
            prefix: "prepare",
            name,
            fields: vec![("environment", spec.environment.clone())],
        });
    };
    let began = Instant::now();
    phase("install");
    let installed = environments.ensure(&spec.environment, events, cancel)?;
    if force {
        Templates::new(layout).forget_where(|info| info.environment == spec.environment);
    }
    let proof = Proof(events);
    let run_on = |spec: &VmSpec, command: &str| {
        vms.run(
            environments,
            spec,
            command,
            TIMEOUT_SECONDS,
            None,
            &proof,
            cancel,
        )
    };
    let run = |command| run_on(spec, command);
    phase("create");
    expect(&run("echo mark > /root/mark && cat /root/mark")?, "mark\n")?;
    phase("reset");
    let clone = run("if test -e /root/mark; then echo mark; else echo fresh; fi")?;
    expect(&clone, "fresh\n")?;
    if clone.start_kind != "template" {
        events.event(Event::Notice(
            "VMs boot without a template here; each start takes seconds longer".into(),
        ));
    }
    // Proven before, and nothing it rests on has changed.
    let mut network = before.network_prepared && before.status == Status::Warm && !force;
    let environment = environments.inspect(&spec.environment)?;
    if network_requested {
        // What is proven by now counts, whatever becomes of the rest.
        manifest::record(layout, &environment, &installed, elapsed_ms(began), false)?;
        phase("network");
        let mirror = network_proof::mirror(&run(network_proof::SOURCES)?.stdout)?;
        let online = VmSpec {
            network: NetworkSpec {
                policy: NetworkPolicy::Egress,
                rules: mirror.rules()?,
            },
            ..spec.clone()
        };
        expect_network(&run_on(&online, &mirror.command())?, &mirror.host)?;
        network = true;
    }
    let elapsed_ms = elapsed_ms(began);
    manifest::record(layout, &environment, &installed, elapsed_ms, network)?;
    Ok(outcome(
        status(layout, environments, &spec.environment)?,
        false,
    ))
}

/// Hides what the proof's own commands print, and their steps.
struct Proof<'a>(&'a dyn EventSink);

impl EventSink for Proof<'_> {
    fn event(&self, event: Event) {
        match event {
            Event::Stdout(_) | Event::Stderr(_) | Event::Phase { prefix: "run", .. } => {}
            told => self.0.event(told),
        }
    }
}

fn elapsed_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn expect_network(result: &ExecResult, host: &str) -> Result<()> {
    if result.exit_code == 0 && result.stdout == "reached\n" {
        return Ok(());
    }
    Err(Error::runtime(
        "prepare_failed",
        format!(
            "a guest did not reach {host}, where its packages come from: {}",
            result.stderr.lines().last().unwrap_or("no answer")
        ),
    )
    .hint("see whether this host reaches it; pyro doctor shows what guest networks need"))
}

fn expect(result: &ExecResult, stdout: &str) -> Result<()> {
    if result.exit_code == 0 && result.stdout == stdout {
        return Ok(());
    }
    Err(Error::runtime(
        "prepare_failed",
        format!(
            "`{}` in {} ended with {} and printed {:?} instead of {stdout:?}",
            result.command, result.environment, result.exit_code, result.stdout
        ),
    )
    .hint("run pyro env verify on the environment, then pyro doctor --probe"))
}
