//! From what was seen to what to do about it.
//!
//! Owns: which finding is a problem and its remedy. Refuses: looking; it is a
//! pure function of the report.

use super::report::{Problem, Report};

/// An install needs the packages, the tree and the image side by side.
const SPACE_FOR_AN_INSTALL: u64 = 2 << 30;
/// The default VM and a little for the host.
const MEMORY_FOR_A_VM_MIB: u64 = 1024 + 256;

pub fn of(report: &Report) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |what: String, remedy: &str| {
        problems.push(Problem {
            what,
            remedy: remedy.to_owned(),
        });
    };
    if let Some(reason) = &report.kvm.reason {
        add(format!("KVM is not usable: {reason}"), kvm_remedy(report));
    }
    if let Some(reason) = &report.qemu.reason {
        add(
            format!("QEMU is not usable: {reason}"),
            report
                .qemu
                .remedy
                .as_deref()
                .unwrap_or("install it with `apt-get install qemu-system-x86`"),
        );
    }
    // Without KVM nobody misses Firecracker; with it, it is the better VMM.
    if report.kvm.usable
        && let Some(reason) = &report.firecracker.reason
    {
        add(
            format!("Firecracker is not usable: {reason}"),
            report
                .firecracker
                .remedy
                .as_deref()
                .unwrap_or("run pyro setup firecracker"),
        );
    }
    let tools = &report.build_tools;
    let missing = [
        ("mmdebstrap", tools.mmdebstrap.is_some()),
        ("mke2fs", tools.mke2fs.is_some()),
        (
            "newuidmap",
            tools.newuidmap.is_some() || tools.subuid_count.is_none(),
        ),
    ];
    let missing: Vec<_> = missing
        .iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        add(
            format!(
                "environments cannot be built: {} is missing",
                missing.join(", ")
            ),
            "install them with `apt-get install mmdebstrap e2fsprogs uidmap`",
        );
    } else if !tools.usable {
        add(
            "environments cannot be built: this user has no 65536 subordinate user ids".to_owned(),
            "add them with `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`",
        );
    }
    if !report.user_namespaces.usable {
        add(
            format!(
                "user namespaces are not usable: {}",
                report
                    .user_namespaces
                    .reason
                    .as_deref()
                    .unwrap_or("unknown")
            ),
            "allow them with `sysctl kernel.unprivileged_userns_clone=1` (or \
             `kernel.apparmor_restrict_unprivileged_userns=0`)",
        );
    }
    if let (Some(reason), Some(remedy)) = (&report.networking.reason, &report.networking.remedy) {
        add(format!("guests can have no network: {reason}"), remedy);
    }
    if !report.cache.writable {
        add(
            format!(
                "the environment cache cannot be written: {}",
                report.cache.dir
            ),
            "choose another place with PYRO_ENVIRONMENT_CACHE_DIR",
        );
    } else if report
        .cache
        .free_bytes
        .is_some_and(|free| free < SPACE_FOR_AN_INSTALL)
    {
        add(
            format!("less than 2 GiB are free for {}", report.cache.dir),
            "free some space with `pyro env prune`, or move the cache with PYRO_ENVIRONMENT_CACHE_DIR",
        );
    }
    if let Some(available) = report.memory.available_mib
        && available < MEMORY_FOR_A_VM_MIB
    {
        add(
            format!("only {available} MiB of memory are available"),
            "end other programs, or give VMs less with --mem-mib",
        );
    }
    problems
}

fn kvm_remedy(report: &Report) -> &'static str {
    let kvm = &report.kvm;
    if kvm.cpu_flags.is_empty() {
        "guests run in software emulation, which is slower; enable virtualization in the firmware \
         or nested virtualization in the hypervisor"
    } else if !kvm.exists {
        "load the module with `modprobe kvm-intel` or `modprobe kvm-amd`"
    } else {
        "add this user to the group kvm with `usermod -aG kvm $USER` and log in again"
    }
}
