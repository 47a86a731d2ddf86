//! `pyro env verify`.

use crate::environments::Verified;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Read every byte of an installed environment and compare it with its manifest.
///
/// The one command that hashes images; the others trust sizes and times.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvVerifyRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
}

/// `pyro env verify`.
pub struct EnvVerify;

impl Operation for EnvVerify {
    const NAME: &'static str = "env_verify";
    const CLI: &'static [&'static str] = &["env", "verify"];
    const PYTHON: Option<&'static str> = Some("verify_environment");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro env verify debian:12"];
    type Request = EnvVerifyRequest;
    type Response = Verified;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.environments.verify(&request.environment)
    }
}
