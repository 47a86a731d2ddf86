//! `vm_status`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::VmInfo;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what a VM is and how it is.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmStatusRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
}

/// `vm_status`.
pub struct VmStatus;

impl Operation for VmStatus {
    const NAME: &'static str = "vm_status";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("status_vm");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmStatusRequest;
    type Response = VmInfo;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.vms.status(&request.vm_id)
    }
}
