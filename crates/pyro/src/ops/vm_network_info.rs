//! `vm_network_info`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::vms::payloads::NetworkInfo;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show whether a VM has a network and what it should reach.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmNetworkInfoRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
}

/// `vm_network_info`.
pub struct VmNetworkInfo;

impl Operation for VmNetworkInfo {
    const NAME: &'static str = "vm_network_info";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("network_info_vm");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmNetworkInfoRequest;
    type Response = NetworkInfo;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.vms.network_info(&request.vm_id)
    }
}
