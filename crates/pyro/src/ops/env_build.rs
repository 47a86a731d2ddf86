//! `pyro env build`.

use crate::environments::{GuestKernel, PulledEnvironment};
use crate::{Context, Effect, Operation, Pyro, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
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
    /// Kernel of the guest: Debian's cloud kernel with all its modules, or a small one compiled here from Debian's source, which takes minutes the first time
    #[arg(long, value_name = "KERNEL", default_value = "debian", value_parser = guest_kernel_parser())]
    #[serde(default)]
    pub guest_kernel: GuestKernel,
}

fn guest_kernel_parser() -> impl TypedValueParser<Value = GuestKernel> {
    // The possible values are all the names, so one always matches.
    PossibleValuesParser::new(GuestKernel::NAMED.map(|(name, _)| name))
        .map(|name| GuestKernel::named(&name).unwrap_or_default())
}

/// `pyro env build`.
pub struct EnvBuild;

impl Operation for EnvBuild {
    const NAME: &'static str = "env_build";
    const CLI: &'static [&'static str] = &["env", "build"];
    const PYTHON: Option<&'static str> = Some("build_environment");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro env build debian:12-build",
        "pyro env build debian:12 --guest-kernel minimal",
    ];
    type Request = EnvBuildRequest;
    type Response = PulledEnvironment;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.environments.build(
            &request.environment,
            request.guest_kernel,
            context.events,
            context.cancel,
        )
    }
}
