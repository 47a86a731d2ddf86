//! The programs pyro starts: which there are, where, and what they can do.
//!
//! Owns: lookups and the questions put to QEMU and Firecracker, each with a
//! deadline.
//! Refuses: installing.

use super::ask::{Answer, ask};
use super::report::{BuildTools, Firecracker, Qemu};
use crate::Layout;
use pyro_vmm::VmmError;
use pyro_vmm::firecracker::FirecrackerBinary;
use pyro_vmm::program::first_executable;
use pyro_vmm::qemu::QemuBinary;
use std::path::PathBuf;

/// Path of a program on PATH, or in the places of programs for root, which
/// an ordinary user's PATH leaves out on Debian.
pub fn found(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    first_executable(name, folders).map(|path| path.display().to_string())
}

pub fn qemu() -> Qemu {
    let binary = match QemuBinary::find() {
        Ok(found) => found.path.display().to_string(),
        Err(error) => {
            return Qemu {
                reason: Some(error.to_string()),
                remedy: error.hint().map(str::to_owned),
                ..Qemu::default()
            };
        }
    };
    let (version, machines, accelerators) = std::thread::scope(|scope| {
        let version = scope.spawn(|| ask(&binary, &["--version"]));
        let machines = scope.spawn(|| ask(&binary, &["-machine", "help"]));
        let accelerators = ask(&binary, &["-accel", "help"]);
        let join = |handle: std::thread::ScopedJoinHandle<'_, Answer>| {
            handle
                .join()
                .unwrap_or_else(|_| Answer::failed("no answer"))
        };
        (join(version), join(machines), accelerators)
    });
    let first_words = |text: &str, word: &str| {
        text.lines()
            .any(|line| line.split_whitespace().next() == Some(word))
    };
    let microvm = first_words(&machines.stdout, "microvm");
    let reason = version
        .failure
        .map(|failure| format!("{binary} does not run: {failure}"))
        .or_else(|| (!microvm).then(|| format!("{binary} has no machine type microvm")));
    Qemu {
        version: version
            .stdout
            .split_whitespace()
            .skip_while(|word| *word != "version")
            .nth(1)
            .map(str::to_owned),
        microvm,
        tcg: first_words(&accelerators.stdout, "tcg"),
        reason,
        binary: Some(binary),
        remedy: None,
    }
}

/// The one that would be used, and whether it will do.
pub fn firecracker(layout: &Layout) -> Firecracker {
    let binary = match FirecrackerBinary::find(&layout.cache) {
        Ok(binary) => binary,
        Err(error) => {
            return Firecracker {
                reason: Some(error.to_string()),
                remedy: error.hint().map(str::to_owned),
                ..Firecracker::default()
            };
        }
    };
    let (version, refusal) = match binary.version() {
        Ok(version) => (Some(version), binary.check_version(version).err()),
        Err(error) => (None, Some(error)),
    };
    Firecracker {
        supported: refusal.is_none(),
        version: version.map(|version| version.to_string()),
        jailer: binary.jailer.map(|path| path.display().to_string()),
        reason: refusal.as_ref().map(ToString::to_string),
        remedy: refusal.map(|refusal| match refusal {
            VmmError::UnsupportedVersion { .. } => refusal.hint().unwrap_or_default().to_owned(),
            _ => {
                "replace it, or run `pyro setup firecracker --force` if it is the one in the cache"
                    .to_owned()
            }
        }),
        binary: Some(binary.path.display().to_string()),
    }
}

pub fn unknown_firecracker() -> Firecracker {
    Firecracker {
        reason: Some("the look at it ended early".to_owned()),
        ..Firecracker::default()
    }
}

pub fn build_tools() -> BuildTools {
    let root = rustix::process::geteuid().is_root();
    let mut tools = BuildTools {
        mmdebstrap: found("mmdebstrap"),
        mke2fs: found("mke2fs"),
        newuidmap: found("newuidmap"),
        subuid_count: (!root).then(|| {
            let text = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
            let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            subuids(&text, &passwd, rustix::process::getuid().as_raw())
        }),
        usable: false,
    };
    tools.usable = tools.mmdebstrap.is_some()
        && tools.mke2fs.is_some()
        && (root || (tools.newuidmap.is_some() && tools.subuid_count >= Some(65536)));
    tools
}

/// Subordinate ids of a user, who is named by name or number.
fn subuids(subuid: &str, passwd: &str, uid: u32) -> u64 {
    let uid = uid.to_string();
    let name = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .and_then(|fields| fields.first().copied());
    subuid
        .lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let count = fields.nth(1)?.parse::<u64>().ok()?;
            (owner == uid || Some(owner) == name).then_some(count)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::subuids;

    #[test]
    fn subordinate_ids_count_by_name_and_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let subuid = "ann:100000:65536\n1000:165536:10\nbob:300000:65536\nbroken\n";
        assert_eq!(subuids(subuid, passwd, 1000), 65546);
        assert_eq!(subuids(subuid, passwd, 1001), 0);
    }
}
