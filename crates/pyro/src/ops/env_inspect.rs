//! `pyro env inspect`.

use crate::environments::Environment;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show one environment: version, packages, where it is installed.
///
/// Reads the cache only; never downloads or builds.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvInspectRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
}

/// `pyro env inspect`.
pub struct EnvInspect;

impl Operation for EnvInspect {
    const NAME: &'static str = "env_inspect";
    const CLI: &'static [&'static str] = &["env", "inspect"];
    const PYTHON: Option<&'static str> = Some("inspect_environment");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro env inspect debian:12 --json"];
    type Request = EnvInspectRequest;
    type Response = Environment;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.environments.inspect(&request.environment)
    }
}
