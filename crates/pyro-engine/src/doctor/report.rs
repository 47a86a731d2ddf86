//! What doctor returns (contract: `payloads.md` §16, with additions).
//!
//! Owns: the shapes, and adding a finding so that `issues` and `problems`
//! agree. Refuses: looking.

use crate::environments::Environment;
use crate::prepare::DailyLoop;
use crate::project::readiness::Readiness;
use crate::vms::payloads::ExecResult;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What this machine can do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The platform looked at.
    pub platform: String,
    /// Whether some VMM can start a guest here, with or without KVM.
    pub runtime_ok: bool,
    /// Each problem with its remedy, as one sentence.
    pub issues: Vec<String>,
    /// The same, in two parts.
    pub problems: Vec<Problem>,
    /// Hardware virtualization.
    pub kvm: Kvm,
    /// What guest networking would need.
    pub networking: Networking,
    /// What guests are made with and of.
    pub runtime: Runtime,
    /// Readiness of the environment asked about.
    pub daily_loop: DailyLoop,
    /// QEMU.
    pub qemu: Qemu,
    /// Firecracker.
    pub firecracker: Firecracker,
    /// Programs that build environments.
    pub build_tools: BuildTools,
    /// Where environments lie.
    pub cache: Cache,
    /// The host's memory.
    pub memory: Memory,
    /// Whether an ordinary user may make namespaces.
    pub user_namespaces: UserNamespaces,
    /// How VMMs are confined.
    pub confinement: Confinement,
    /// What workspaces of a server begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_source: Option<Readiness>,
    /// How one VM booted, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What is wrong, naming the path or program.
    pub what: String,
    /// What mends it.
    pub remedy: String,
}

/// Hardware virtualization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kvm {
    /// Whether /dev/kvm exists.
    pub exists: bool,
    /// Whether this user may read it.
    pub readable: bool,
    /// Whether this user may write it.
    pub writable: bool,
    /// `vmx` or `svm`, as the processor has them.
    pub cpu_flags: Vec<String>,
    /// Whether all of it looks right; only a boot proves it.
    pub usable: bool,
    /// Whether a guest booted with it; null when none was tried on this host boot.
    pub proven: Option<bool>,
    /// Why it is not usable.
    pub reason: Option<String>,
}

/// What guest networking would need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Networking {
    /// Whether guests can have one, as far as can be told without a start.
    pub usable: bool,
    /// What stands in the way.
    pub reason: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Whether guests have a network without asking.
    pub enabled_by_default: bool,
    /// Whether /dev/net/tun exists.
    pub tun_available: bool,
    /// Path of `ip`.
    pub ip_binary: Option<String>,
    /// Path of `nft`.
    pub nft_binary: Option<String>,
    /// Path of `iptables`.
    pub iptables_binary: Option<String>,
    /// Path of `pasta`, the uplink that needs no root.
    pub pasta_binary: Option<String>,
    /// Whether the host forwards IPv4.
    pub ip_forward_enabled: bool,
}

/// What guests are made with and of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// Path of Firecracker.
    pub firecracker_bin: Option<String>,
    /// Path of Firecracker's jailer.
    pub jailer_bin: Option<String>,
    /// Version of pyro; the agent is embedded and always matches.
    pub bundle_version: String,
    /// What guests can do here.
    pub capabilities: Capabilities,
    /// Version of the catalog.
    pub catalog_version: String,
    /// Folder of the cache.
    pub cache_dir: String,
    /// The catalog.
    pub environments: Vec<Environment>,
}

/// What guests can do here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capabilities {
    /// Whether a guest can boot.
    pub supports_vm_boot: bool,
    /// Whether commands can run in it.
    pub supports_guest_exec: bool,
    /// Whether it can have a network.
    pub supports_guest_network: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// QEMU on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Qemu {
    /// Its path.
    pub binary: Option<String>,
    /// Its version, for example `7.2.22`.
    pub version: Option<String>,
    /// Whether it has the machine type `microvm`.
    pub microvm: bool,
    /// Whether it can emulate without KVM.
    pub tcg: bool,
    /// Why it is not usable.
    pub reason: Option<String>,
    /// What mends it, when it was not found.
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pub remedy: Option<String>,
}

/// Firecracker on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Firecracker {
    /// Its path.
    pub binary: Option<String>,
    /// Its version, for example `1.12.1`.
    pub version: Option<String>,
    /// Whether pyro works with that version.
    pub supported: bool,
    /// Path of its jailer, which confines it further under root.
    pub jailer: Option<String>,
    /// Why there is none, or why it cannot be used.
    pub reason: Option<String>,
    /// What mends that.
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pub remedy: Option<String>,
}

/// How a VMM started by this user is confined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confinement {
    /// Firecracker.
    pub firecracker: ConfinementLevel,
    /// QEMU.
    pub qemu: ConfinementLevel,
    /// Bounds on memory and processes.
    pub cgroup_limits: CgroupLimits,
}

/// How much of the confinement is in force for a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfinementLevel {
    /// `jailer`, `root_namespaces`, `user_namespaces` or `lifeline_only`; null when the backend is not started here.
    pub level: Option<String>,
    /// Why this one.
    pub reason: String,
}

/// Bounds by control groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CgroupLimits {
    /// Whether a VMM gets them.
    pub active: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Programs that build environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildTools {
    /// Path of `mmdebstrap`.
    pub mmdebstrap: Option<String>,
    /// Path of `mke2fs`.
    pub mke2fs: Option<String>,
    /// Path of `newuidmap`; root does without.
    pub newuidmap: Option<String>,
    /// Subordinate user ids of this user; null for root, who needs none.
    pub subuid_count: Option<u64>,
    /// Whether environments can be built here.
    pub usable: bool,
}

/// Where environments lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cache {
    /// Folder.
    pub dir: String,
    /// Whether it exists already.
    pub exists: bool,
    /// Whether this user may write it, or make it.
    pub writable: bool,
    /// Free bytes there for this user.
    pub free_bytes: Option<u64>,
}

/// The host's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// MiB in total.
    pub total_mib: Option<u64>,
    /// MiB that can be had without swapping.
    pub available_mib: Option<u64>,
}

/// Whether an ordinary user may make namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserNamespaces {
    /// Whether `unshare --user --net` worked.
    pub usable: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// How one VM booted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Whether `true` ran in a guest.
    pub ok: bool,
    /// How it ran, when it ran.
    pub result: Option<ExecResult>,
    /// Why it did not.
    pub error: Option<String>,
}

impl Problem {
    /// Both parts in one sentence.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}; {}", self.what, self.remedy)
    }
}

impl Report {
    /// Takes in how one boot went.
    pub fn add_probe(&mut self, outcome: Result<ExecResult>) {
        let failure = match &outcome {
            Ok(result) if result.exit_code == 0 => None,
            Ok(result) => Some(Error::runtime(
                "probe_failed",
                format!("`true` ended with {}", result.exit_code),
            )),
            Err(error) => Some(Error {
                hint: error.hint.clone(),
                ..Error::runtime(error.code, error.message.clone())
            }),
        };
        let result = outcome.ok();
        if let Some(result) = &result {
            let with_kvm = result.accelerator.as_deref() == Some("kvm");
            self.kvm.proven = Some(with_kvm && failure.is_none());
        }
        self.probe = Some(Probe {
            ok: failure.is_none(),
            result,
            error: failure.as_ref().map(|error| error.message.clone()),
        });
        if let Some(error) = failure {
            self.runtime_ok = false;
            self.add(
                format!(
                    "a VM of {} did not run: {error}",
                    self.daily_loop.environment
                ),
                error
                    .hint
                    .unwrap_or_else(|| "run `PYRO_LOG=debug pyro doctor --probe`".to_owned()),
            );
        }
    }

    /// Takes in the project source.
    pub fn add_project(&mut self, seen: Readiness) {
        if let (Some(reason), Some(fallback)) = (&seen.reason, &seen.fallback) {
            self.add(reason.clone(), fallback.clone());
        }
        self.project_source = Some(seen);
    }

    pub(super) fn add(&mut self, what: String, remedy: String) {
        let problem = Problem { what, remedy };
        self.issues.push(problem.line());
        self.problems.push(problem);
    }
}
