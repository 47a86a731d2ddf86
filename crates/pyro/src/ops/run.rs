//! `pyro run`, the MCP tool `vm_run`: one command in a VM of its own.

use crate::command_line::CommandLine;
use crate::network_flags;
use crate::vm_spec;
use crate::vms::payloads::{BackendChoice, ExecResult, VmSpec};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run one command in a fresh microVM and delete the VM.
///
/// The exit code is the command's own (128 + n after signal n, 124 at the
/// deadline). Output streams live; standard input is passed through. Nothing
/// the command does reaches the host.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// Command for `/bin/sh -lc` in the guest
    #[command(flatten)]
    pub command: CommandLine,
    /// Virtual CPUs, 1 to 8
    #[arg(long, value_name = "COUNT", default_value_t = vm_spec::vcpu_count())]
    #[serde(default = "vm_spec::vcpu_count")]
    #[schemars(range(min = 1, max = 8))]
    pub vcpu_count: u32,
    /// Memory in MiB, 256 to 32768
    #[arg(long, value_name = "MIB", default_value_t = vm_spec::mem_mib())]
    #[serde(default = "vm_spec::mem_mib")]
    #[schemars(range(min = 256, max = 32768))]
    pub mem_mib: u32,
    /// Seconds until the command is killed; its exit code is 124 then
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::timeout_seconds())]
    #[serde(default = "vm_spec::timeout_seconds")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// Seconds after which the VM may be reaped, 60 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::ttl_seconds())]
    #[serde(default = "vm_spec::ttl_seconds")]
    #[schemars(range(min = 60, max = 3600))]
    pub ttl_seconds: u64,
    /// Give the guest outbound network: public addresses only, unless --allow-cidr names others
    #[arg(long)]
    #[serde(default)]
    pub network: bool,
    /// Let the guest reach only this name on ports 80 and 443 (*.NAME for all below it, NAME:PORT for another port); may be repeated
    #[arg(long = "allow-domain", value_name = "NAME")]
    #[serde(default)]
    pub allow_domains: Vec<String>,
    /// Let the guest reach only this range of addresses, also a private one; may be repeated
    #[arg(long = "allow-cidr", value_name = "RANGE")]
    #[serde(default)]
    pub allow_cidrs: Vec<String>,
    /// Let the host run the command when no guest can; without it, that is an error
    #[arg(long)]
    #[serde(default)]
    pub allow_host_compat: bool,
    /// VMM to use; without it PYRO_BACKEND decides, else auto: Firecracker where KVM works, otherwise QEMU
    #[arg(long, value_name = "BACKEND", value_parser = vm_spec::backend_parser())]
    #[serde(default)]
    pub backend: Option<BackendChoice>,
}

/// `pyro run`.
pub struct Run;

impl Operation for Run {
    const NAME: &'static str = "vm_run";
    const CLI: &'static [&'static str] = &["run"];
    const PYTHON: Option<&'static str> = Some("run_in_vm");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro run debian:12 -- git --version",
        "pyro run debian:12 --mem-mib 2048 -- sh -lc 'uname -a; id'",
        "echo hello | pyro run debian:12 -- cat",
        "pyro run debian:12 --json -- true < /dev/null",
        "pyro run debian:12 --network -- apt-get update",
    ];
    type Request = RunRequest;
    type Response = ExecResult;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let command = request.command.checked()?.to_owned();
        let spec = VmSpec {
            environment: request.environment,
            vcpu_count: request.vcpu_count,
            mem_mib: request.mem_mib,
            ttl_seconds: request.ttl_seconds,
            network: network_flags::one_shot(
                request.network,
                request.allow_domains,
                request.allow_cidrs,
            ),
            allow_host_compat: request.allow_host_compat,
            backend: pyro.backend(request.backend)?,
        };
        pyro.vms.run(
            &pyro.environments,
            &spec,
            &command,
            request.timeout_seconds,
            context.clone_stdin()?,
            context.events,
            context.cancel,
        )
    }
}
