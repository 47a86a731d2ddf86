//! What a VMM costs beside its guest's memory.
//!
//! Owns: reading it from the kernel's account of the process: everything
//! resident but the guest's memory, which is its one mapping of hundreds of MiB.

const GUEST_AT_LEAST_KIB: u64 = 128 * 1024;

pub fn line(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let (mut own, mut guest) = (0, 0);
    let mut size = 0;
    for line in text.lines() {
        let kib = || -> u64 {
            line.split_whitespace()
                .nth(1)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        if line.starts_with("Size:") {
            size = kib();
        } else if line.starts_with("Rss:") {
            if size >= GUEST_AT_LEAST_KIB {
                guest += kib();
            } else {
                own += kib();
            }
        }
    }
    format!(
        "\nfirecracker beside the guest's memory: {:.1} MiB resident (aim: at most 5); of the guest's memory {:.1} MiB",
        own as f64 / 1024.0,
        guest as f64 / 1024.0
    )
}
