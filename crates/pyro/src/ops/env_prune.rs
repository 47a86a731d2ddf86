//! `pyro env prune`.

use crate::environments::Pruned;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Delete installs that are broken, outdated or unknown, and images nobody names.
///
/// Refuses, naming the holder, while a workspace or template uses one.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvPruneRequest {}

/// `pyro env prune`.
pub struct EnvPrune;

impl Operation for EnvPrune {
    const NAME: &'static str = "env_prune";
    const CLI: &'static [&'static str] = &["env", "prune"];
    const PYTHON: Option<&'static str> = Some("prune_environments");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &["pyro env prune"];
    type Request = EnvPruneRequest;
    type Response = Pruned;

    fn run(pyro: &Pyro, _: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro_engine::prune::prune(&pyro.layout, &pyro.environments)
    }
}
