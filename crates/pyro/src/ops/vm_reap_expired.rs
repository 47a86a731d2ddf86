//! `vm_reap_expired`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::Reaped;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Delete every VM of this process that is past its time to live.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmReapExpiredRequest {}

/// `vm_reap_expired`.
pub struct VmReapExpired;

impl Operation for VmReapExpired {
    const NAME: &'static str = "vm_reap_expired";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("reap_expired");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmReapExpiredRequest;
    type Response = Reaped;

    fn run(pyro: &Pyro, _: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.vms.reap_expired()
    }
}
