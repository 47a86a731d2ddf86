//! `pyro prepare`: make the first command of the day a warm one.

use crate::vm_spec;
use crate::{Context, Effect, Operation, Pyro, Result};
pub use pyro_engine::prepare::Prepared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Also prove that a guest reaches the mirror of its own packages
    #[arg(long)]
    #[serde(default)]
    pub network: bool,
    /// Prove it again although the machine is warm
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

/// `pyro prepare`.
pub struct Prepare;

impl Operation for Prepare {
    const NAME: &'static str = "prepare";
    const CLI: &'static [&'static str] = &["prepare"];
    const PYTHON: Option<&'static str> = Some("prepare");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro prepare",
        "pyro prepare --network",
        "pyro prepare debian:12-build --force",
    ];
    type Request = PrepareRequest;
    type Response = Prepared;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let backend = pyro.backend(None)?;
        let spec = vm_spec::default_spec(&request.environment, false, backend);
        pyro_engine::prepare::prepare(
            &pyro.layout,
            &pyro.environments,
            &pyro.vms,
            &spec,
            request.force,
            request.network,
            context.events,
            context.cancel,
        )
    }
}
