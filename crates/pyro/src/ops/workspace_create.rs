//! `pyro workspace create`.

use crate::labels::Labels;
use crate::network::{NetworkPolicy, NetworkSpec, rules};
use crate::network_flags;
use crate::project::{ProjectSource, Wish, current_folder};
use crate::secrets::Secrets;
use crate::vm_spec;
use crate::vms::payloads::BackendChoice;
use crate::workspaces::NewWorkspace;
use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Make a workspace: a machine with a disk that stays until it is deleted.
///
/// It runs when this returns. A process of its own keeps it running after that;
/// when nobody uses it for its time to live it is powered off, and the next
/// command in it starts it again.
///
/// A secret is kept on this host and in the guest's memory, as
/// `/run/pyro-secrets/NAME`, never on a disk. A command gets it in a variable by
/// `secret_env`. In whatever leaves the workspace as text its value reads
/// `[REDACTED]`.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceCreateRequest {
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
    /// Idle seconds until it is powered off, 60 to 604800
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::workspace_ttl_seconds())]
    #[serde(default = "vm_spec::workspace_ttl_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub ttl_seconds: u64,
    /// Size of its disk in MiB, 1024 to 262144; blocks cost space when they are written
    #[arg(long, value_name = "MIB", default_value_t = vm_spec::disk_mib())]
    #[serde(default = "vm_spec::disk_mib")]
    #[schemars(range(min = 1024, max = 262_144))]
    pub disk_mib: u64,
    /// A name, 1 to 120 characters; a unique one can stand for the id
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub name: Option<String>,
    /// Labels by key
    #[command(flatten)]
    #[serde(default)]
    pub labels: Labels,
    /// A directory, .tar, .tar.gz, .tgz or .tar.zst of this host that /workspace begins with
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub seed_path: Option<String>,
    /// Begin with the Git-tracked files of the work tree that this folder is in, or with the folder if it is in none
    #[arg(long, value_name = "DIR")]
    #[serde(default)]
    pub project_path: Option<String>,
    /// Begin with a clean clone of this repository
    #[arg(long, value_name = "URL")]
    #[serde(default)]
    pub repo_url: Option<String>,
    /// Branch, tag or commit of the clone
    #[arg(long, value_name = "REF")]
    #[serde(default)]
    pub repo_ref: Option<String>,
    /// Secrets for its commands; no text that leaves the workspace shows their values
    #[command(flatten)]
    #[serde(default)]
    pub secrets: Secrets,
    /// Network of the guest: off, egress to public addresses, or egress and services published on this host
    #[arg(long, value_name = "POLICY", default_value = NetworkPolicy::Off.as_str(), value_parser = network_flags::policy_parser())]
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// Let the guest reach only this name on ports 80 and 443 (*.NAME for all below it, NAME:PORT for another port); may be repeated
    #[arg(long = "allow-domain", value_name = "NAME")]
    #[serde(default)]
    pub allow_domains: Vec<String>,
    /// Let the guest reach only this range of addresses, also a private one; may be repeated
    #[arg(long = "allow-cidr", value_name = "RANGE")]
    #[serde(default)]
    pub allow_cidrs: Vec<String>,
    /// VMM to use; without it PYRO_BACKEND decides, else auto: Firecracker where KVM works, otherwise QEMU
    #[arg(long, value_name = "BACKEND", value_parser = vm_spec::backend_parser())]
    #[serde(default)]
    pub backend: Option<BackendChoice>,
}

/// `pyro workspace create`.
pub struct WorkspaceCreate;

impl Operation for WorkspaceCreate {
    const NAME: &'static str = "workspace_create";
    const CLI: &'static [&'static str] = &["workspace", "create"];
    const PYTHON: Option<&'static str> = Some("create_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace create debian:12 --name demo",
        "pyro workspace create debian:12 --seed-path .",
        "pyro workspace create debian:12 --project-path .",
        "pyro workspace create debian:12 --repo-url https://git.example.org/x.git --repo-ref v1.2",
        "pyro workspace create debian:12 --label task=42 --id-only",
        "pyro workspace create debian:12 --secret TOKEN --secret-file KEY=~/.ssh/deploy_key",
        "pyro workspace create debian:12 --network-policy egress --allow-domain example.org",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("id-only", "workspace_id"));
    type Request = WorkspaceCreateRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let wish = Wish {
            project_path: request.project_path.as_deref(),
            repo_url: request.repo_url.as_deref(),
            repo_ref: request.repo_ref.as_deref(),
            none: false,
        };
        let cwd = match wish.project_path {
            Some(_) => current_folder()?,
            None => PathBuf::new(),
        };
        let project = ProjectSource::given(&wish, &cwd)?;
        let wanted = NewWorkspace {
            environment: request.environment,
            vcpu_count: request.vcpu_count,
            mem_mib: request.mem_mib,
            ttl_seconds: request.ttl_seconds,
            disk_mib: request.disk_mib,
            backend: pyro.backend(request.backend)?,
            name: request.name,
            labels: request.labels.0,
            seed_path: request.seed_path,
            project,
            secrets: request.secrets.sources(context)?,
            network: NetworkSpec {
                policy: request.network_policy,
                rules: rules(request.allow_domains, request.allow_cidrs),
            },
        };
        pyro.workspaces
            .create(&pyro.environments, &wanted, context.events, context.cancel)
    }
}
