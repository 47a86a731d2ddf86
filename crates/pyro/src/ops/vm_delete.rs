//! `vm_delete`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::DeletedVm;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// End a VM, in whatever state it is, and forget it.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmDeleteRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
}

/// `vm_delete`.
pub struct VmDelete;

impl Operation for VmDelete {
    const NAME: &'static str = "vm_delete";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("delete_vm");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmDeleteRequest;
    type Response = DeletedVm;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.vms.delete(&request.vm_id)
    }
}
