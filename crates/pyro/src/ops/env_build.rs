//! `pyro env build`.

use crate::environments::PulledEnvironment;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Build an environment from signed Debian packages, even when it is installed.
///
/// Works as root and as an ordinary user with user namespaces.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvBuildRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
}

/// `pyro env build`.
pub struct EnvBuild;

impl Operation for EnvBuild {
    const NAME: &'static str = "env_build";
    const CLI: &'static [&'static str] = &["env", "build"];
    const PYTHON: Option<&'static str> = Some("build_environment");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro env build debian:12-build"];
    type Request = EnvBuildRequest;
    type Response = PulledEnvironment;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.environments
            .build(&request.environment, context.events, context.cancel)
    }
}
