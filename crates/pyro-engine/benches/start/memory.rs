//! What a second VM of the same template costs.
//!
//! Owns: reading the proportional set size of two VMMs that run at once.

use std::path::Path;
use std::process::{Child, Command, Stdio};

pub fn two_at_once(pyro: &Path) -> Vec<String> {
    let start = || {
        Command::new(pyro)
            .args(["run", "debian:12", "--", "sleep", "60"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pyro runs")
    };
    let mut lines = vec![
        String::new(),
        "| VMs at once | VM | Rss MiB | Pss MiB | shared clean MiB | private MiB |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let mut clients: Vec<Child> = Vec::new();
    for count in 1..=2 {
        clients.push(start());
        crate::direct::until("the VMM runs", || {
            clients
                .iter()
                .all(|client| vmm_below(client.id()).is_some())
        });
        // Into the command: the restore and its page faults are over.
        std::thread::sleep(std::time::Duration::from_secs(2));
        for (index, client) in clients.iter().enumerate() {
            let vmm = vmm_below(client.id()).expect("it still runs");
            let text =
                std::fs::read_to_string(format!("/proc/{vmm}/smaps_rollup")).unwrap_or_default();
            let mib = |names: &[&str]| {
                let kib: u64 = text
                    .lines()
                    .filter(|line| names.iter().any(|name| line.starts_with(name)))
                    .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                    .sum();
                kib as f64 / 1024.0
            };
            lines.push(format!(
                "| {count} | {} | {:.0} | {:.0} | {:.0} | {:.0} |",
                index + 1,
                mib(&["Rss:"]),
                mib(&["Pss:"]),
                mib(&["Shared_Clean:"]),
                mib(&["Private_Clean:", "Private_Dirty:"]),
            ));
        }
    }
    for mut client in clients {
        client.kill().expect("it is ours");
        client.wait().expect("it is ours");
    }
    lines
}

fn vmm_below(pid: u32) -> Option<u32> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    if name.starts_with("qemu-system") {
        return Some(pid);
    }
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .find_map(vmm_below)
}
