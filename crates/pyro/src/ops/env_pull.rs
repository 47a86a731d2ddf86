//! `pyro env pull`.

use crate::environments::PulledEnvironment;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Install an environment unless it is installed, repairing a damaged install.
///
/// Takes it from a registry when one is configured, else builds it from signed
/// Debian packages. Interrupting it leaves nothing behind.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvPullRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
}

/// `pyro env pull`.
pub struct EnvPull;

impl Operation for EnvPull {
    const NAME: &'static str = "env_pull";
    const CLI: &'static [&'static str] = &["env", "pull"];
    const PYTHON: Option<&'static str> = Some("pull_environment");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro env pull debian:12"];
    type Request = EnvPullRequest;
    type Response = PulledEnvironment;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.environments
            .pull(&request.environment, context.events, context.cancel)
    }
}
