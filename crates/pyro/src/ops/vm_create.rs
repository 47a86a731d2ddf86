//! `vm_create`: no command line has it, because a one-shot VM lives in the
//! process that made it.

use crate::network_flags;
use crate::vm_spec;
use crate::vms::payloads::{BackendChoice, VmInfo, VmSpec};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make a one-shot VM in state `created`; start it before a command can run.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmCreateRequest {
    /// Name in the catalog, for example `debian:12`
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
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

/// `vm_create`.
pub struct VmCreate;

impl Operation for VmCreate {
    const NAME: &'static str = "vm_create";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("create_vm");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmCreateRequest;
    type Response = VmInfo;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
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
        pyro.vms.create(&pyro.environments, &spec)
    }
}
