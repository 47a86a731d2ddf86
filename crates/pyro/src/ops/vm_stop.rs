//! `vm_stop`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::VmInfo;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Power a VM off; it can be started again.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmStopRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
}

/// `vm_stop`.
pub struct VmStop;

impl Operation for VmStop {
    const NAME: &'static str = "vm_stop";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("stop_vm");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmStopRequest;
    type Response = VmInfo;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.vms.stop(&request.vm_id)
    }
}
