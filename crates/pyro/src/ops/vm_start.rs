//! `vm_start`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::VmInfo;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Boot a created or stopped VM, or clone it from its template.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmStartRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
}

/// `vm_start`.
pub struct VmStart;

impl Operation for VmStart {
    const NAME: &'static str = "vm_start";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("start_vm");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmStartRequest;
    type Response = VmInfo;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.vms.start(
            &pyro.environments,
            &request.vm_id,
            context.events,
            context.cancel,
        )
    }
}
