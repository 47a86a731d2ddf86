//! Whether the host has memory for one more guest.
//!
//! Owns: the rule and reading `MemAvailable`. Refuses: counting workspaces;
//! a stopped one costs nothing, and a guest uses what it touches, not what it
//! was promised.

use crate::error::{Error, Result};

/// What stays free for everything else on the host.
const RESERVE_MIB: u64 = 256;

/// Refuses a guest of `mem_mib` that the host cannot hold.
///
/// # Errors
/// `no_memory`, with what there is and what is needed.
pub fn admit(mem_mib: u32) -> Result<()> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available_mib(&text) {
        Some(available_mib) => decide(mem_mib, available_mib),
        // A host that does not say is not refused for it.
        None => Ok(()),
    }
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// A guest uses some 100 MiB at once and more as it works: half of what it
/// was promised has to be there.
fn decide(mem_mib: u32, available_mib: u64) -> Result<()> {
    let needed_mib = u64::from(mem_mib) / 2 + RESERVE_MIB;
    if available_mib >= needed_mib {
        return Ok(());
    }
    Err(Error::runtime(
        "no_memory",
        format!(
            "{available_mib} MiB of memory are available, a guest of {mem_mib} MiB needs {needed_mib}"
        ),
    )
    .hint("stop a workspace (pyro workspace list), or give --mem-mib less"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_promise_and_the_reserve_have_to_be_there() {
        assert!(decide(1024, 768).is_ok());
        let error = decide(1024, 767).unwrap_err();
        assert_eq!(error.code, "no_memory");
        assert!(error.message.contains("767") && error.hint.is_some());
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal: 100 kB\nMemAvailable:    2097152 kB\n";
        assert_eq!(available_mib(text), Some(2048));
        assert_eq!(available_mib("MemAvailable: x kB"), None);
    }
}
