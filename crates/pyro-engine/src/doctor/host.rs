//! The host around the guests: space, memory, namespaces, network devices.
//!
//! Owns: asking another program with a deadline. Refuses: changing anything;
//! the namespace test lives and ends in a child process.

use super::ask::ask;
use super::programs::found;
use super::report::{Cache, Memory, Networking, UserNamespaces};
use crate::Layout;
use crate::network;
use rustix::fs::{Access, access, statvfs};
use std::path::Path;

pub fn user_namespaces() -> UserNamespaces {
    let reason = match found("unshare") {
        None => Some("unshare (package util-linux) is not on PATH".to_owned()),
        Some(unshare) => ask(&unshare, &["--user", "--net", "true"]).failure,
    };
    UserNamespaces {
        usable: reason.is_none(),
        reason,
    }
}

pub fn unknown_namespaces() -> UserNamespaces {
    UserNamespaces {
        usable: false,
        reason: Some("the test ended early".to_owned()),
    }
}

pub fn networking() -> Networking {
    let obstacle = network::survey().into_iter().next();
    let programs = network::NetworkPrograms::find();
    let shown = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string());
    Networking {
        usable: obstacle.is_none(),
        reason: obstacle.as_ref().map(|found| found.reason.clone()),
        remedy: obstacle.map(|found| found.remedy),
        enabled_by_default: false,
        tun_available: Path::new("/dev/net/tun").exists(),
        ip_binary: shown(programs.ip),
        nft_binary: shown(programs.nft),
        iptables_binary: found("iptables"),
        pasta_binary: shown(programs.pasta),
        ip_forward_enabled: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
    }
}

pub fn cache(layout: &Layout) -> Cache {
    // The folder may not exist yet; then its nearest parent decides.
    let standing = layout.cache.ancestors().find(|folder| folder.exists());
    Cache {
        dir: layout.cache.display().to_string(),
        exists: layout.cache.is_dir(),
        writable: standing.is_some_and(|folder| {
            folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        }),
        free_bytes: standing
            .and_then(|folder| statvfs(folder).ok())
            .map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
    }
}

pub fn memory() -> Memory {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mib = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib / 1024)
    };
    Memory {
        total_mib: mib("MemTotal:"),
        available_mib: mib("MemAvailable:"),
    }
}

#[cfg(test)]
mod tests {
    use super::ask;
    use crate::Layout;

    #[test]
    fn a_failing_program_says_why() {
        let answer = ask("sh", &["-c", "echo out; echo why >&2; exit 3"]);
        assert_eq!(answer.failure.as_deref(), Some("why"));
        assert_eq!(answer.stdout, "out\n");
        assert!(ask("/nonexistent", &[]).failure.is_some());
    }

    #[test]
    fn a_cache_below_a_file_is_not_writable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let at = |cache: &str| {
            super::cache(&Layout {
                cache: folder.path().join(cache),
                state: folder.path().to_owned(),
            })
        };
        assert!(!at("file/cache").writable);
        let fresh = at("new/cache");
        assert!(fresh.writable && !fresh.exists && fresh.free_bytes.is_some());
    }
}
