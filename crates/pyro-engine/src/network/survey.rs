//! What a host has for guest networks.
//!
//! Owns: finding the programs, and the first thing that stands in the way,
//! with its remedy. Refuses: trying; nothing is made here.

use crate::error::Error;
use pyro_gateway::namespace::order::Programs;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the programs are, as far as they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPrograms {
    /// The uplink.
    pub pasta: Option<PathBuf>,
    /// The rules.
    pub nft: Option<PathBuf>,
    /// Addresses.
    pub ip: Option<PathBuf>,
}

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Obstacle {
    fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        Self::runtime(
            "network_unavailable",
            format!("guests can have no network here: {}", obstacle.reason),
        )
        .hint(format!(
            "{}; without a network (--network-policy off) everything else works",
            obstacle.remedy
        ))
    }
}

impl NetworkPrograms {
    /// Looks on PATH and where they are for root.
    #[must_use]
    pub fn find() -> Self {
        let look = |name: &str| {
            pyro_vmm::program::on_path(name).or_else(|| {
                let folders = ["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from);
                pyro_vmm::program::first_executable(name, folders.into_iter())
            })
        };
        Self {
            pasta: look("pasta"),
            nft: look("nft"),
            ip: look("ip"),
        }
    }

    /// All of them, or the first that is missing.
    ///
    /// # Errors
    /// Which package has it.
    pub fn all(self) -> Result<Programs, Obstacle> {
        let need = |found: Option<PathBuf>, name: &str, package: &str| {
            found.ok_or_else(|| {
                Obstacle::new(
                    format!("the program {name} is missing"),
                    format!("install the package {package}"),
                )
            })
        };
        Ok(Programs {
            pasta: need(self.pasta, "pasta", "passt")?,
            nft: need(self.nft, "nft", "nftables")?,
            ip: need(self.ip, "ip", "iproute2")?,
        })
    }
}

/// What is in the way, the first first; nothing when all looks right. Only a
/// start proves it.
#[must_use]
pub fn survey() -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    obstacles.extend(NetworkPrograms::find().all().err());
    obstacles.extend(tun(Path::new("/dev/net/tun")).err());
    obstacles.extend(namespaces(Path::new("/proc/sys")).err());
    obstacles
}

/// Opening it makes nothing.
fn tun(device: &Path) -> Result<(), Obstacle> {
    let error = match File::options().read(true).write(true).open(device) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let device = device.display();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => Obstacle::new(
            format!("{device} does not exist"),
            "load the module tun (modprobe tun); in a container, pass the device in",
        ),
        std::io::ErrorKind::PermissionDenied => Obstacle::new(
            format!("{device} may not be opened by this user"),
            format!("let users open it, as distributions do: chmod 666 {device} as root"),
        ),
        _ => Obstacle::new(
            format!("{device} cannot be opened: {error}"),
            "load the module tun (modprobe tun); in a container, pass the device in",
        ),
    })
}

fn namespaces(settings: &Path) -> Result<(), Obstacle> {
    let is = |name: &str, value: &str| {
        std::fs::read_to_string(settings.join(name)).is_ok_and(|text| text.trim() == value)
    };
    for (name, bad, good) in [
        ("user/max_user_namespaces", "0", "15000"),
        ("user/max_net_namespaces", "0", "15000"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ] {
        if is(name, bad) {
            let name = name.replace('/', ".");
            return Err(Obstacle::new(
                format!("user namespaces are forbidden ({name} is {bad})"),
                format!("allow them: sysctl {name}={good} as root"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_remedy() {
        let missing = NetworkPrograms {
            pasta: None,
            nft: Some("/n".into()),
            ip: Some("/i".into()),
        };
        let obstacle = missing.all().unwrap_err();
        assert!(obstacle.reason.contains("pasta") && obstacle.remedy.contains("passt"));
        let folder = tempfile::tempdir().unwrap();
        assert!(
            tun(&folder.path().join("tun"))
                .unwrap_err()
                .reason
                .contains("does not exist")
        );
        std::fs::create_dir(folder.path().join("kernel")).unwrap();
        assert!(namespaces(folder.path()).is_ok());
        let setting = folder.path().join("kernel/unprivileged_userns_clone");
        std::fs::write(setting, "0\n").unwrap();
        let error = Error::from(namespaces(folder.path()).unwrap_err());
        assert_eq!(error.code, "network_unavailable");
        let hint = error.hint.unwrap();
        assert!(
            hint.contains("sysctl kernel.unprivileged_userns_clone=1"),
            "{hint}"
        );
        assert!(hint.contains("off"), "{hint}");
    }
}
