//! `vm_exec`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::command_line::CommandLine;
use crate::vm_spec;
use crate::vms::payloads::ExecResult;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run one command in a started VM, then delete the VM.
///
/// A command that fails is a result, not an error; a VM that is not started is
/// an error and stays.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmExecRequest {
    /// Id of a VM of this process, 12 lowercase hex characters
    #[arg(value_name = "VM_ID")]
    pub vm_id: String,
    /// Command for `/bin/sh -lc` in the guest
    #[command(flatten)]
    pub command: CommandLine,
    /// Seconds until the command is killed; its exit code is 124 then
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::timeout_seconds())]
    #[serde(default = "vm_spec::timeout_seconds")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
}

/// `vm_exec`.
pub struct VmExec;

impl Operation for VmExec {
    const NAME: &'static str = "vm_exec";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("exec_vm");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmExecRequest;
    type Response = ExecResult;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let command = request.command.checked()?;
        pyro.vms.exec(
            &request.vm_id,
            command,
            request.timeout_seconds,
            context.clone_stdin()?,
            context.events,
            context.cancel,
        )
    }
}
