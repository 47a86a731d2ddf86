//! The doctor's report as text (contract: `cli.md` §5, with more lines
//! between Networking and Daily loop).

use super::{text, yes};
use serde_json::Value;
use std::fmt::Write;

pub fn report(report: &Value) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(out, "{label}: {value}");
    };
    line("Platform", text(report, "platform"));
    let runtime_ok = report["runtime_ok"] == true;
    line(
        "Runtime",
        if runtime_ok { "PASS" } else { "FAIL" }.to_owned(),
    );
    line(
        "KVM",
        flags(
            &report["kvm"],
            &[
                ("exists", "exists"),
                ("readable", "readable"),
                ("writable", "writable"),
                ("usable", "usable"),
            ],
        ),
    );
    let runtime = &report["runtime"];
    line("Environment cache", text(runtime, "cache_dir"));
    line("Catalog version", text(runtime, "catalog_version"));
    line(
        "Capabilities",
        flags(
            &runtime["capabilities"],
            &[
                ("vm_boot", "supports_vm_boot"),
                ("guest_exec", "supports_guest_exec"),
                ("guest_network", "supports_guest_network"),
            ],
        ),
    );
    line(
        "Networking",
        flags(
            &report["networking"],
            &[
                ("tun", "tun_available"),
                ("ip_forward", "ip_forward_enabled"),
            ],
        ),
    );
    line("QEMU", qemu(&report["qemu"]));
    line("Firecracker", firecracker(&report["firecracker"]));
    line("Confinement", confinement(&report["confinement"]));
    line(
        "Environment builds",
        flags(&report["build_tools"], &[("usable", "usable")]),
    );
    line(
        "Free space",
        mib(report["cache"]["free_bytes"]
            .as_u64()
            .map(|bytes| bytes >> 20)),
    );
    line(
        "Available memory",
        mib(report["memory"]["available_mib"].as_u64()),
    );
    line(
        "User namespaces",
        flags(&report["user_namespaces"], &[("usable", "usable")]),
    );
    let daily_loop = &report["daily_loop"];
    let environment = text(daily_loop, "environment");
    let status = text(daily_loop, "status").to_uppercase();
    line("Daily loop", format!("{status} ({environment})"));
    if status != "WARM" {
        line("Reason", text(daily_loop, "reason"));
        line("Run", format!("pyro prepare {environment}"));
    }
    if let Some(source) = report.get("project_source") {
        line("Project source", project_source(source));
    }
    if let Some(probe) = report.get("probe") {
        line("Probe", self::probe(probe));
    }
    let issues = report["issues"].as_array().map_or(&[][..], Vec::as_slice);
    if !issues.is_empty() {
        out.push_str("Issues:\n");
    }
    for issue in issues {
        let _ = writeln!(out, "- {}", issue.as_str().unwrap_or_default());
    }
    out
}

fn flags(object: &Value, names: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = names
        .iter()
        .map(|(label, field)| format!("{label}={}", yes(&object[field])))
        .collect();
    pairs.join(" ")
}

fn project_source(source: &Value) -> String {
    let mut out = text(source, "kind");
    let reference = text(source, "ref");
    if !reference.is_empty() {
        let _ = write!(out, " ({reference})");
    }
    let _ = write!(out, " {}", flags(source, &[("ready", "ready")]));
    if let Some(count) = source["tracked_file_count"].as_u64() {
        let _ = write!(out, " tracked_files={count}");
    }
    out
}

fn qemu(qemu: &Value) -> String {
    match &qemu["version"] {
        Value::String(version) => {
            format!(
                "{version} {}",
                flags(qemu, &[("microvm", "microvm"), ("tcg", "tcg")])
            )
        }
        _ => "not found".to_owned(),
    }
}

fn firecracker(firecracker: &Value) -> String {
    match (&firecracker["version"], &firecracker["binary"]) {
        (Value::String(version), _) => {
            let jailer = yes(&firecracker["jailer"].is_string().into());
            let supported = flags(firecracker, &[("supported", "supported")]);
            format!("{version} {supported} jailer={jailer}")
        }
        (_, Value::String(path)) => format!("{path} supported=no"),
        _ => "not found".to_owned(),
    }
}

fn confinement(confinement: &Value) -> String {
    let level = |backend: &str| match &confinement[backend]["level"] {
        Value::String(level) => level.clone(),
        _ => "none".to_owned(),
    };
    format!(
        "firecracker={} qemu={} cgroup_limits={}",
        level("firecracker"),
        level("qemu"),
        yes(&confinement["cgroup_limits"]["active"])
    )
}

fn probe(probe: &Value) -> String {
    let result = &probe["result"];
    if probe["ok"] == true {
        let [backend, accelerator, start] =
            ["backend", "accelerator", "start_kind"].map(|field| text(result, field));
        format!(
            "PASS backend={backend} accelerator={accelerator} start={start} duration_ms={}",
            result["duration_ms"]
        )
    } else {
        format!("FAIL {}", text(probe, "error"))
    }
}

fn mib(mib: Option<u64>) -> String {
    mib.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib} MiB"))
}

#[cfg(test)]
mod tests {
    use super::report;
    use serde_json::json;

    #[test]
    fn the_lines_of_the_contract_come_in_its_order() {
        let text = report(&json!({
            "platform": "linux-x86_64", "runtime_ok": true,
            "kvm": {"exists": true, "readable": true, "writable": false, "usable": false},
            "runtime": {"cache_dir": "/c", "catalog_version": "5.0.0", "capabilities":
                {"supports_vm_boot": true, "supports_guest_exec": true, "supports_guest_network": false}},
            "networking": {"tun_available": true, "ip_forward_enabled": false},
            "qemu": {"version": "7.2.22", "microvm": true, "tcg": true},
            "firecracker": {"binary": "/f", "version": "1.12.1", "supported": true, "jailer": null},
            "confinement": {"firecracker": {"level": null}, "qemu": {"level": "lifeline_only"},
                "cgroup_limits": {"active": false}},
            "build_tools": {"usable": true},
            "cache": {"free_bytes": 3 << 20}, "memory": {"available_mib": 5},
            "user_namespaces": {"usable": true},
            "daily_loop": {"environment": "debian:12", "status": "stale", "reason": "the digest changed"},
            "issues": ["a; b"],
        }));
        insta::assert_snapshot!(text, @r"
        Platform: linux-x86_64
        Runtime: PASS
        KVM: exists=yes readable=yes writable=no usable=no
        Environment cache: /c
        Catalog version: 5.0.0
        Capabilities: vm_boot=yes guest_exec=yes guest_network=no
        Networking: tun=yes ip_forward=no
        QEMU: 7.2.22 microvm=yes tcg=yes
        Firecracker: 1.12.1 supported=yes jailer=no
        Confinement: firecracker=none qemu=lifeline_only cgroup_limits=no
        Environment builds: usable=yes
        Free space: 3 MiB
        Available memory: 5 MiB
        User namespaces: usable=yes
        Daily loop: STALE (debian:12)
        Reason: the digest changed
        Run: pyro prepare debian:12
        Issues:
        - a; b
        ");
    }
}
