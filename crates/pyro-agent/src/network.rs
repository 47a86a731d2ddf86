//! The guest's network card.
//!
//! Owns: its address, its route, and the resolver's name. Refuses: IPv6, which
//! the other side drops; a card without an address of it asks nobody.
//!
//! ```text
//!   /sys/class/net/*/address == mac?  -->  address, up, default route
//!   /run/pyro-resolv.conf --bind--> /etc/resolv.conf     (never on the disk)
//! ```

use crate::reply::failed;
use crate::sys::{self, Card};
use pyro_proto::messages::Failed;
use pyro_proto::messages::network::Network;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// On a tmpfs, so that neither the disk nor a snapshot of it keeps it.
const RESOLVERS: &str = "/run/pyro-resolv.conf";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// A link that does not come up may come up later; the machine is worth more.
const LINK_PATIENCE: Duration = Duration::from_millis(1500);
const LINK_LOOK: Duration = Duration::from_millis(2);

/// Sets the card up.
pub fn set_up(wanted: &Network) -> Result<(), Failed> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| failed("network", format!("{what}: {error}"))
    };
    let name = find(Path::new("/sys/class/net"), &wanted.mac).ok_or_else(|| {
        let mac = &wanted.mac;
        failed("network", format!("there is no network card {mac}"))
    })?;
    // A kernel without IPv6 has nothing to switch off.
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
    let card = Card::open(&name).map_err(named("no socket to set a card up"))?;
    card.address(wanted.address, wanted.prefix_length)
        .and_then(|()| card.up())
        .map_err(named(&format!("the card {name} was not set up")))?;
    sys::default_route(wanted.router).map_err(named("the default route was not set"))?;
    wait_for_link(Path::new("/sys/class/net"), &name);
    name_resolver(wanted).map_err(named(&format!("{RESOLV_CONF} was not set")))
}

/// Until the kernel has taken note of the link it drops what is sent, and a
/// resolver asks again only after seconds. Usually it takes some milliseconds.
fn wait_for_link(class: &Path, name: &str) {
    let state = class.join(name).join("operstate");
    let deadline = Instant::now() + LINK_PATIENCE;
    while Instant::now() < deadline {
        match fs::read_to_string(&state) {
            Ok(state) if state.trim() == "down" => std::thread::sleep(LINK_LOOK),
            _ => return,
        }
    }
}

/// Name of the interface with this hardware address.
fn find(class: &Path, mac: &str) -> Option<String> {
    fs::read_dir(class).ok()?.flatten().find_map(|entry| {
        let address = fs::read_to_string(entry.path().join("address")).ok()?;
        (address.trim() == mac).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

/// Over the image's own file. Where that is a link (to a resolver of the
/// image's own), over what it leads to, which is made when it is missing.
fn name_resolver(wanted: &Network) -> io::Result<()> {
    fs::write(RESOLVERS, format!("nameserver {}\n", wanted.resolver))?;
    let place = place(Path::new(RESOLV_CONF))?;
    mount_bind(RESOLVERS, &place)?;
    // A command that is root may take it away; one that writes to it by
    // mistake is told.
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount_remount(&place, flags, "")?)
}

fn place(file: &Path) -> io::Result<PathBuf> {
    if let Ok(found) = file.canonicalize() {
        return Ok(found);
    }
    let target = match fs::read_link(file) {
        Ok(link) => file.parent().unwrap_or(Path::new("/")).join(link),
        Err(_) => file.to_owned(),
    };
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&target, "")?;
    target.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_address() {
        let class = tempfile::tempdir().unwrap();
        for (name, address) in [("lo", "00:00:00:00:00:00"), ("eth7", "06:00:ac:1e:00:02")] {
            fs::create_dir(class.path().join(name)).unwrap();
            fs::write(
                class.path().join(name).join("address"),
                format!("{address}\n"),
            )
            .unwrap();
        }
        fs::create_dir(class.path().join("bonding_masters")).unwrap();
        let found = find(class.path(), "06:00:ac:1e:00:02");
        assert_eq!(found.as_deref(), Some("eth7"));
        assert_eq!(find(class.path(), "06:00:ac:1e:00:03"), None);
    }

    #[test]
    fn a_link_that_is_up_or_unknown_is_not_waited_for() {
        let class = tempfile::tempdir().unwrap();
        fs::create_dir(class.path().join("eth0")).unwrap();
        let state = class.path().join("eth0/operstate");
        let took = |state_is: &str| {
            fs::write(&state, format!("{state_is}\n")).unwrap();
            let began = Instant::now();
            wait_for_link(class.path(), "eth0");
            began.elapsed()
        };
        assert!(took("up") < LINK_PATIENCE && took("unknown") < LINK_PATIENCE);
        assert!(took("down") >= LINK_PATIENCE);
    }

    #[test]
    fn the_place_is_the_file_what_a_link_leads_to_or_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let file = root.join("resolv.conf");
        assert_eq!(place(&file).unwrap(), file);
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("run/resolve/stub.conf", &file).unwrap();
        assert_eq!(place(&file).unwrap(), root.join("run/resolve/stub.conf"));
        assert!(file.is_symlink());
    }
}
