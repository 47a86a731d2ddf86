//! What this machine can do, and what to mend: `pyro doctor`.
//!
//! ```text
//! kvm ---------+
//! programs ----+--> Report --> problems (what, remedy) --> issues (sentences)
//! host --------+
//! prepare -----+
//! ```
//!
//! Owns: looking. Nothing is created, installed, booted or fixed here, and no
//! finding stops the others: a damaged cache is a problem in the report, not
//! an error instead of it. Refuses: deciding which VMM runs (the VMs' choice).

mod ask;
mod host;
mod kvm;
mod problems;
mod programs;
pub mod report;

pub use report::Report;

use crate::layout::PLATFORM;
use crate::{Environments, Layout, Result, prepare};
use report::{Capabilities, Runtime};

/// Looks at everything.
///
/// # Errors
/// Only for an unknown environment: that is a wrong request.
pub fn report(layout: &Layout, environments: &Environments, environment: &str) -> Result<Report> {
    let environment = environments.inspect(environment)?;
    // Each of these waits for other programs, so they look at the same time.
    let (qemu, user_namespaces) = std::thread::scope(|scope| {
        let namespaces = scope.spawn(host::user_namespaces);
        (programs::qemu(), namespaces.join())
    });
    let user_namespaces = user_namespaces.unwrap_or_else(|_| host::unknown_namespaces());
    let firecracker = programs::firecracker(layout);
    let kvm = kvm::look(layout);
    let listed = environments.list();
    let boots = qemu.microvm && (qemu.tcg || kvm.usable);
    let capabilities = Capabilities {
        supports_vm_boot: boots,
        supports_guest_exec: boots,
        supports_guest_network: false,
        reason: (!boots).then(|| "no VMM can start a guest here".to_owned()),
    };
    let mut report = Report {
        platform: PLATFORM.to_owned(),
        runtime_ok: boots,
        issues: Vec::new(),
        problems: Vec::new(),
        runtime: Runtime {
            firecracker_bin: firecracker.binary.clone(),
            jailer_bin: programs::found("jailer"),
            bundle_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities,
            catalog_version: environment.catalog_version.clone(),
            cache_dir: layout.cache.display().to_string(),
            environments: match &listed {
                Ok(list) => list.environments.clone(),
                Err(_) => Vec::new(),
            },
        },
        networking: host::networking(),
        daily_loop: prepare::status(layout, environments, &environment.name)?,
        build_tools: programs::build_tools(),
        cache: host::cache(layout),
        memory: host::memory(),
        kvm,
        qemu,
        firecracker,
        user_namespaces,
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
