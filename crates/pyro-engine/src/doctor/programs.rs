//! The programs pyro starts: which there are, where, and what they can do.
//!
//! Owns: lookups and the questions put to QEMU, each with a deadline.
//! Refuses: installing.

use super::ask::{Answer, ask};
use super::report::{BuildTools, Firecracker, Qemu};
use crate::Layout;
use crate::layout::PLATFORM;
use pyro_vmm::qemu::QemuBinary;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Path of a program on PATH, or in the places of programs for root, which
/// an ordinary user's PATH leaves out on Debian.
pub fn found(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| executable(path))
        .map(|path| path.display().to_string())
}

fn named_by(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
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

/// `PYRO_FIRECRACKER_BIN`, then PATH, then the cache.
pub fn firecracker(layout: &Layout) -> Firecracker {
    if let Some(path) = named_by("PYRO_FIRECRACKER_BIN") {
        let found = executable(&path);
        return Firecracker {
            reason: (!found)
                .then(|| format!("PYRO_FIRECRACKER_BIN names no program: {}", path.display())),
            binary: found.then(|| path.display().to_string()),
        };
    }
    let cached = layout
        .cache
        .join(".firecracker")
        .join(PLATFORM)
        .join("firecracker");
    let binary =
        found("firecracker").or_else(|| executable(&cached).then(|| cached.display().to_string()));
    Firecracker {
        reason: binary.is_none().then(|| {
            "firecracker is neither in PYRO_FIRECRACKER_BIN, on PATH nor in the cache".to_owned()
        }),
        binary,
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
