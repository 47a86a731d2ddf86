//! `pyro prepare`: make the first command of the day a warm one.
//!
//! ```text
//! cold | stale --install--> installed --run `true` twice--> manifest --> warm
//! ```
//! The first run boots cold and leaves the template, the second one proves a
//! clone; each VM is created, runs, and is deleted with its scratch.

use crate::doctor::daily_loop::{self, DailyLoop, Status};
use crate::vm_spec;
use crate::{Context, Effect, Error, Event, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Install an environment if needed and prove that VMs of it start and run.
///
/// Does nothing when the machine is warm already.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrepareRequest {
    /// Name in the catalog
    #[arg(value_name = "ENVIRONMENT", default_value = vm_spec::ENVIRONMENT)]
    #[serde(default = "vm_spec::environment")]
    pub environment: String,
    /// Also prove outbound network; a warm state without that proof is not enough
    #[arg(long)]
    #[serde(default)]
    pub network: bool,
    /// Prove it again although the machine is warm
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

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
    /// Whether `force` was asked for.
    pub forced: bool,
    /// Whether `network` was asked for.
    pub network_requested: bool,
    /// Milliseconds the last proof took.
    pub last_prepare_duration_ms: u64,
}

/// `pyro prepare`.
pub struct Prepare;

impl Operation for Prepare {
    const NAME: &'static str = "prepare";
    const CLI: &'static [&'static str] = &["prepare"];
    const PYTHON: Option<&'static str> = Some("prepare");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] =
        &["pyro prepare", "pyro prepare debian:12-build --force"];
    type Request = PrepareRequest;
    type Response = Prepared;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let status = || {
            let environment = pyro.environments.inspect(&request.environment)?;
            Ok::<_, Error>(daily_loop::status(&pyro.layout, &environment))
        };
        let outcome = |daily_loop: DailyLoop, reused: bool| Prepared {
            prepared: daily_loop.status == Status::Warm,
            reused,
            executed: !reused,
            forced: request.force,
            network_requested: request.network,
            last_prepare_duration_ms: daily_loop.last_prepare_duration_ms,
            daily_loop,
        };
        let before = status()?;
        let proven = before.status == Status::Warm && (!request.network || before.network_prepared);
        if proven && !request.force {
            return Ok(outcome(before, true));
        }
        let began = Instant::now();
        if !before.installed {
            pyro.environments
                .pull(&request.environment, context.events, context.cancel)?;
        }
        let backend = pyro.backend(None)?;
        let spec = vm_spec::default_spec(&request.environment, request.network, backend);
        for step in ["boot", "clone"] {
            context.events.event(Event::Phase {
                prefix: "prepare",
                name: step,
                fields: vec![("environment", request.environment.clone())],
            });
            let result = pyro.vms.run(
                &pyro.environments,
                &spec,
                "true",
                vm_spec::timeout_seconds(),
                None,
                context.events,
                context.cancel,
            )?;
            if result.exit_code != 0 {
                return Err(Error::runtime(
                    "prepare_failed",
                    format!(
                        "`true` in {} ended with {}",
                        request.environment, result.exit_code
                    ),
                )
                .hint("run `pyro env verify` on the environment, then `pyro doctor --probe`"));
            }
        }
        let environment = pyro.environments.inspect(&request.environment)?;
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        daily_loop::record(&pyro.layout, &environment, request.network, elapsed)?;
        Ok(outcome(status()?, false))
    }
}
