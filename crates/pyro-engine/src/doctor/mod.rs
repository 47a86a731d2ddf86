//! What this machine can do, and what to mend: `pyro doctor`.
//!
//! ```text
//! kvm ---------+
//! programs ----+--> Report --> problems (what, remedy) --> issues (sentences)
//! host --------+
//! confinement -+
//! prepare -----+
//! ```
//!
//! Owns: looking. Nothing is created, installed, booted or fixed here, and no
//! finding stops the others: a damaged cache is a problem in the report, not
//! an error instead of it. Refuses: deciding which VMM runs (the VMs' choice).

mod ask;
mod confinement;
mod host;
mod kvm;
mod problems;
mod programs;
pub mod report;

pub use report::Report;

use crate::layout::PLATFORM;
use crate::{Environments, Layout, Result, prepare};
use report::{Capabilities, Firecracker, Kvm, Qemu, Runtime};

/// Looks at everything.
///
/// # Errors
/// Only for an unknown environment: that is a wrong request.
pub fn report(layout: &Layout, environments: &Environments, environment: &str) -> Result<Report> {
    let environment = environments.inspect(environment)?;
    // Each of these waits for other programs, so they look at the same time.
    let (qemu, firecracker, user_namespaces) = std::thread::scope(|scope| {
        let namespaces = scope.spawn(host::user_namespaces);
        let firecracker = scope.spawn(|| programs::firecracker(layout));
        (programs::qemu(), firecracker.join(), namespaces.join())
    });
    let firecracker = firecracker.unwrap_or_else(|_| programs::unknown_firecracker());
    let user_namespaces = user_namespaces.unwrap_or_else(|_| host::unknown_namespaces());
    let kvm = kvm::look(layout);
    let listed = environments.list();
    let networking = host::networking();
    let boots = can_boot(&qemu, &firecracker, &kvm);
    let capabilities = Capabilities {
        supports_vm_boot: boots,
        supports_guest_exec: boots,
        supports_guest_network: boots && networking.usable,
        reason: (!boots).then(|| "no VMM can start a guest here".to_owned()),
    };
    let mut report = Report {
        platform: PLATFORM.to_owned(),
        runtime_ok: boots,
        issues: Vec::new(),
        problems: Vec::new(),
        runtime: Runtime {
            firecracker_bin: firecracker.binary.clone(),
            jailer_bin: firecracker.jailer.clone(),
            bundle_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities,
            catalog_version: environment.catalog_version.clone(),
            cache_dir: layout.cache.display().to_string(),
            environments: match &listed {
                Ok(list) => list.environments.clone(),
                Err(_) => Vec::new(),
            },
        },
        networking,
        daily_loop: prepare::status(layout, environments, &environment.name)?,
        build_tools: programs::build_tools(),
        cache: host::cache(layout),
        memory: host::memory(),
        confinement: confinement::look(&user_namespaces, firecracker.jailer.is_some()),
        kvm,
        qemu,
        firecracker,
        user_namespaces,
        project_source: None,
        probe: None,
    };
    report.problems = problems::of(&report);
    if let Err(error) = listed {
        report.add(
            format!("the environment cache cannot be listed: {error}"),
            error
                .hint
                .unwrap_or_else(|| format!("look at {}", layout.cache.display())),
        );
    }
    report.issues = report.problems.iter().map(report::Problem::line).collect();
    Ok(report)
}

/// Either VMM will do, as far as can be told without a boot.
fn can_boot(qemu: &Qemu, firecracker: &Firecracker, kvm: &Kvm) -> bool {
    let with_qemu = qemu.microvm && (qemu.tcg || kvm.usable);
    let with_firecracker = firecracker.supported && kvm.usable;
    with_qemu || with_firecracker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firecracker_boots_with_kvm_and_qemu_also_without() {
        let kvm = |usable| Kvm {
            exists: usable,
            readable: usable,
            writable: usable,
            cpu_flags: Vec::new(),
            usable,
            proven: None,
            reason: None,
        };
        let qemu = |there| Qemu {
            microvm: there,
            tcg: there,
            ..Qemu::default()
        };
        let firecracker = |supported| Firecracker {
            supported,
            ..Firecracker::default()
        };
        for (with_qemu, with_firecracker, with_kvm, boots) in [
            (true, false, false, true),
            (false, true, true, true),
            (false, true, false, false),
            (false, false, true, false),
        ] {
            let can = can_boot(
                &qemu(with_qemu),
                &firecracker(with_firecracker),
                &kvm(with_kvm),
            );
            assert_eq!(can, boots, "{with_qemu} {with_firecracker} {with_kvm}");
        }
    }

    #[test]
    fn firecracker_is_missed_where_kvm_is_usable() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: folder.path().join("cache"),
            state: folder.path().join("state"),
        };
        let environments = Environments::new(&layout);
        let mut report = report(&layout, &environments, "debian:12").unwrap();
        report.firecracker = Firecracker {
            reason: Some("firecracker was not found".to_owned()),
            remedy: Some("run pyro setup firecracker".to_owned()),
            ..Firecracker::default()
        };
        let mut missed = |usable| {
            report.kvm.usable = usable;
            problems::of(&report)
                .into_iter()
                .find(|problem| problem.what.starts_with("Firecracker"))
        };
        assert_eq!(missed(false), None);
        let problem = missed(true).unwrap();
        assert_eq!(problem.remedy, "run pyro setup firecracker");
    }
}
