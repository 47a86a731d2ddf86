//! Chooses the kernel modules the agent loads before it can see its disks,
//! and writes them in load order.
//!
//! Owns: reading `modules.dep` and `modules.builtin`, the order, the archive
//! `modules.cpio` (`mods/000-virtio_ring.ko`, `mods/001-virtio.ko`, ...: sorted by
//! name is load order).
//! Refuses: a wanted module that is neither a file nor built in, and paths that
//! leave the module folder. Soft dependencies are not followed: none of the
//! wanted modules has one that is not built into Debian's kernels.

use super::cpio;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// What a guest needs before its root file system is mounted.
pub const WANTED: [&str; 8] = [
    "virtio_mmio",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "vmw_vsock_virtio_transport",
    "overlay",
    "virtio_net",
    "ext4",
];

/// Writes the archive of `wanted` from the module folder of one kernel release.
///
/// # Errors
/// A module that does not exist, or I/O.
pub fn write_archive(folder: &Path, wanted: &[&str], archive: &Path) -> Result<()> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(Error::io("read", &path))
    };
    let dependencies = Dependencies::parse(&read("modules.dep")?, &read("modules.builtin")?);
    let order = dependencies
        .load_order(wanted)
        .map_err(|problem| Error::runtime("build_failed", problem))?;

    let file = std::fs::File::create(archive).map_err(Error::io("create", archive))?;
    let mut writer = cpio::Writer::new(std::io::BufWriter::new(file));
    let write_error = |error| Error::io("write", archive)(error);
    writer.dir("mods", 0o755).map_err(write_error)?;
    for (index, module) in order.iter().enumerate() {
        let path = folder.join(uncompressed(module));
        let data = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let name = format!("mods/{index:03}-{}.ko", stem(module));
        writer.file(&name, 0o644, &data).map_err(write_error)?;
    }
    writer.finish().map(drop).map_err(write_error)
}

struct Dependencies {
    /// canonical name to (path, paths of all it needs)
    files: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Dependencies {
    fn parse(dep: &str, builtin: &str) -> Self {
        let files = dep.lines().filter_map(|line| {
            let (path, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((canonical(path), (path.trim().to_owned(), needs)))
        });
        Self {
            files: files.collect(),
            builtin: builtin.lines().map(canonical).collect(),
        }
    }

    fn load_order(&self, wanted: &[&str]) -> Result<Vec<&str>, String> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            self.visit(name, &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit<'a>(
        &'a self,
        name: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<&'a str>,
    ) -> Result<(), String> {
        let name = canonical(name);
        // marked before its needs: a circle in a damaged file must end
        if !seen.insert(name.clone()) {
            return Ok(());
        }
        let Some((path, needs)) = self.files.get(&name) else {
            return if self.builtin.contains(&name) {
                Ok(())
            } else {
                Err(format!("the kernel package has no module {name}"))
            };
        };
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(format!("modules.dep names a path outside: {path:?}"));
        }
        // depmod lists what must be loaded first last
        for need in needs.iter().rev() {
            self.visit(need, seen, order)?;
        }
        order.push(path);
        Ok(())
    }
}

/// `kernel/a/virtio-rng.ko.xz` is the module `virtio_rng`.
fn canonical(path: &str) -> String {
    stem(path.trim()).replace('-', "_")
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    uncompressed(name).trim_end_matches(".ko")
}

/// The build has unpacked compressed modules in place.
fn uncompressed(path: &str) -> &str {
    [".xz", ".zst"]
        .iter()
        .find_map(|suffix| path.strip_suffix(suffix))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEP: &str = "\
kernel/virtio/virtio.ko: kernel/virtio/virtio_ring.ko
kernel/virtio/virtio_ring.ko:
kernel/char/virtio-rng.ko.xz: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko
kernel/net/virtio_net.ko: kernel/net/net_failover.ko kernel/net/failover.ko kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko
kernel/net/net_failover.ko: kernel/net/failover.ko
kernel/net/failover.ko:
";
    const BUILTIN: &str = "kernel/fs/ext4/ext4.ko\n";

    #[test]
    fn every_module_follows_what_it_needs_once() {
        let dependencies = Dependencies::parse(DEP, BUILTIN);
        let order = dependencies.load_order(&["virtio_rng", "virtio-net", "ext4"]);
        assert_eq!(
            order.expect("all exist"),
            [
                "kernel/virtio/virtio_ring.ko",
                "kernel/virtio/virtio.ko",
                "kernel/char/virtio-rng.ko.xz",
                "kernel/net/failover.ko",
                "kernel/net/net_failover.ko",
                "kernel/net/virtio_net.ko",
            ]
        );
    }

    #[test]
    fn a_missing_module_and_a_path_outside_are_named() {
        let problem = |dep, wanted| {
            let dependencies = Dependencies::parse(dep, BUILTIN);
            dependencies.load_order(&[wanted]).expect_err("refused")
        };
        assert!(problem(DEP, "overlay").contains("overlay"));
        assert!(problem("../../x.ko:\n", "x").contains("../../x.ko"));
    }

    #[test]
    fn a_circle_ends() {
        let circle = Dependencies::parse("a.ko: b.ko\nb.ko: a.ko\n", "");
        assert_eq!(circle.load_order(&["a"]).expect("ends"), ["b.ko", "a.ko"]);
    }

    #[test]
    fn the_archive_holds_the_files_in_order() {
        let folder = tempfile::tempdir().expect("tempdir");
        let root = folder.path();
        std::fs::write(root.join("modules.dep"), "k/b-x.ko.zst: k/a.ko\nk/a.ko:\n").expect("write");
        std::fs::write(root.join("modules.builtin"), "").expect("write");
        std::fs::create_dir(root.join("k")).expect("mkdir");
        std::fs::write(root.join("k/a.ko"), "AAAA").expect("write");
        std::fs::write(root.join("k/b-x.ko"), "BBBB").expect("write");
        write_archive(root, &["b_x"], &root.join("out")).expect("writes");
        let bytes = std::fs::read(root.join("out")).expect("read");
        let text = String::from_utf8_lossy(&bytes);
        let a = text.find("mods/000-a.ko").expect("first");
        let b = text.find("mods/001-b-x.ko").expect("second");
        assert!(a < b && text.contains("BBBB"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(dep in "[a-c./: \n-]{0,200}", builtin in "[a-c./\n]{0,40}") {
            let _ = Dependencies::parse(&dep, &builtin).load_order(&["a", "b-c"]);
        }
    }
}
