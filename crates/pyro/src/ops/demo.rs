//! `pyro demo`: the shortest proof that this machine runs guests.

use crate::vm_spec;
use crate::vms::payloads::ExecResult;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run `git --version` in a fresh debian:12 VM and print the result as JSON.
///
/// The exit code is the guest command's.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemoRequest {
    /// Make an HTTPS request to example.com instead
    #[arg(long)]
    #[serde(default)]
    pub network: bool,
}

/// `pyro demo`.
pub struct Demo;

// git is the one HTTPS client every default environment has: example.com is
// no repository, so an HTTP status line is the proof. The certificate is not
// checked because the image needs no certificate store for anything else.
const HTTPS_PROBE: &str = "GIT_CURL_VERBOSE=1 git -c http.sslVerify=false \
    ls-remote https://example.com/ 2>&1 | grep -m1 '< HTTP/'";

impl Operation for Demo {
    const NAME: &'static str = "demo";
    const CLI: &'static [&'static str] = &["demo"];
    const PYTHON: Option<&'static str> = None;
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro demo", "pyro demo --network"];
    type Request = DemoRequest;
    type Response = ExecResult;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let command = if request.network {
            HTTPS_PROBE
        } else {
            "git --version"
        };
        pyro.vms.run(
            &pyro.environments,
            &vm_spec::default_spec(vm_spec::ENVIRONMENT, request.network, pyro.backend(None)?),
            command,
            vm_spec::timeout_seconds(),
            None,
            context.events,
            context.cancel,
        )
    }
}
