//! Images of seeds, checked by e2fsprogs.

use super::*;
use crate::NoEvents;
use crate::ext4_image::archive::{Archive, Kept};
use crate::host_paths::HostPaths;
use crate::start::e2fs_tool;

pub(super) struct Desk {
    pub dir: tempfile::TempDir,
    pub baselines: Baselines,
}

pub(super) fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(&layout(dir.path()));
    std::fs::create_dir(dir.path().join("seed")).unwrap();
    Desk { dir, baselines }
}

fn layout(folder: &Path) -> Layout {
    Layout {
        cache: folder.join("cache"),
        state: folder.join("state"),
    }
}

impl Desk {
    pub fn layout(&self) -> Layout {
        layout(self.dir.path())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ensure(&self, name: &str) -> Result<Baseline> {
        let source = Source::find(&HostPaths::Anywhere, self.path(name).to_str().unwrap())?;
        self.baselines
            .ensure(&Origin::Manual(source), &NoEvents, &Cancel::default())
    }

    pub fn debugfs(&self, baseline: &Baseline, order: &str) -> Vec<u8> {
        let image = self.baselines.image(&baseline.key);
        let check = e2fs_tool("e2fsck").arg("-fn").arg(&image).output().unwrap();
        let words = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(check.status.success(), "{words}");
        let output = e2fs_tool("debugfs")
            .args(["-R", order])
            .arg(image)
            .output()
            .unwrap();
        output.stdout
    }

    pub fn sh(&self, line: &str) {
        let status = std::process::Command::new("sh")
            .args(["-ec", line])
            .current_dir(self.dir.path())
            .status();
        assert!(status.unwrap().success(), "{line}");
    }
}

#[test]
fn a_directory_becomes_a_clean_image_once() {
    let desk = desk();
    desk.sh(
        "cd seed; mkdir -p a/b empty; echo hello > a/b/f; chmod 755 a/b/f; ln a/b/f again;
        ln -s ../x a/l; mkfifo pipe; touch -d @1234567890 a/b/f; truncate -s 8M sparse;
        printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc 2>/dev/null;
        head -c 100000 /dev/zero > zeros; touch \"$(printf 'new\\nline')\"",
    );
    let made = desk.ensure("seed").unwrap();
    assert_eq!((made.entry_count, made.skipped), (9, 1));
    assert_eq!(made.bytes_written, 6 + (8 << 20) + 100_000);
    assert_eq!(desk.debugfs(&made, "cat tree/again"), b"hello\n");
    let stat = String::from_utf8(desk.debugfs(&made, "stat tree/a/b/f")).unwrap();
    for part in ["Mode:  0755", "User:     0", "Links: 2", "0x499602d2"] {
        assert!(stat.contains(part), "{part}: {stat}");
    }
    let image = desk.baselines.image(&made.key).metadata().unwrap();
    assert_eq!(image.len(), crate::start::BASELINE_DRIVE_BYTES);
    assert!(image.blocks() * 512 < 4 << 20, "{}", image.blocks());
    // The same content elsewhere is the same image.
    desk.sh("cp -a seed copy; touch -r seed copy");
    assert_eq!(desk.ensure("copy").unwrap().key, made.key);
    desk.sh("echo more >> copy/a/b/f");
    assert_ne!(desk.ensure("copy").unwrap().key, made.key);
}

#[test]
fn names_and_targets_of_any_bytes_come_through() {
    let desk = desk();
    desk.sh(
        "cd seed; d=$(printf 'caf\\351'); mkdir \"$d\" \"$d/q \\\"x\"; echo in > \"$d/f\";
        echo two > \"$d/q \\\"x/$d\"; ln -s $(printf '\\377') link",
    );
    let made = desk.ensure("seed").unwrap();
    assert_eq!(made.entry_count, 5);
    // debugfs shows the byte as an escape.
    let shown = String::from_utf8(desk.debugfs(&made, "ls -l tree")).unwrap();
    assert!(
        shown.contains("caf\\xe9") && !shown.contains("pyro-name"),
        "{shown}"
    );
}

#[test]
fn what_was_not_changed_is_not_read_again() {
    let desk = desk();
    desk.sh("echo a > seed/a; sleep 3.1");
    let made = desk.ensure("seed").unwrap();
    let first = desk.baselines.image(&made.key).metadata().unwrap().ino();
    assert_eq!(desk.ensure("seed").unwrap(), made);
    assert_eq!(
        desk.baselines.image(&made.key).metadata().unwrap().ino(),
        first
    );
    let seen = desk.path("state/baselines/seen");
    let known = std::fs::read_dir(seen).unwrap().flatten().next().unwrap();
    assert!(known.metadata().unwrap().len() > 0);
    // Unused and old enough, it goes; a workspace's own name keeps it.
    assert!(desk.baselines.sweep(Duration::ZERO, true) > 0);
    desk.baselines.link(&made.key, &desk.path("kept")).unwrap();
    assert_eq!(desk.baselines.sweep(Duration::ZERO, false), 0);
    std::fs::remove_file(desk.path("kept")).unwrap();
    desk.baselines.sweep(Duration::ZERO, false);
    assert!(!desk.baselines.image(&made.key).exists());
    assert_eq!(desk.ensure("seed").unwrap(), made);
}

#[test]
fn archives_of_every_kind_become_the_same_tree() {
    let desk = desk();
    desk.sh(
        "cd seed; mkdir d; echo hello > d/f; ln d/f g; ln -s d/f l; truncate -s 4M s;
        printf x | dd of=s bs=1 seek=3000001 conv=notrunc 2>/dev/null;
        touch -h -d @1000000000 d/f s l d .; cd ..;
        tar -C seed -cf a.tar .; tar -C seed -cSf b.tar .; tar -C seed -czf c.tgz .;
        tar -C seed --format=posix -cSf d.tar .; gzip -k a.tar;
        zstd -q a.tar 2>/dev/null || cp a.tar.gz none",
    );
    // Members of the same second: GNU's format knows no fractions.
    let plain = desk.ensure("a.tar").unwrap();
    assert_eq!(plain.entry_count, 5);
    assert_eq!(desk.debugfs(&plain, "cat tree/g"), b"hello\n");
    assert_eq!(desk.ensure("c.tgz").unwrap().key, plain.key);
    assert_eq!(desk.ensure("a.tar.gz").unwrap().key, plain.key);
    let sparse = desk.ensure("b.tar").unwrap();
    assert_eq!(desk.debugfs(&sparse, "cat tree/s").len(), 4 << 20);
    assert_eq!(desk.debugfs(&sparse, "cat tree/s")[3_000_001], b'x');
    assert_eq!(desk.ensure("d.tar").unwrap().key, sparse.key);
    if desk.path("a.tar.zst").exists() {
        assert_eq!(desk.ensure("a.tar.zst").unwrap().key, plain.key);
    }
}

#[test]
fn hostile_archives_are_refused_by_member() {
    let desk = desk();
    for (name, make) in [
        ("../up", "tar -cf x.tar -P --transform 's,a,../up,' a"),
        ("/abs", "tar -cf x.tar -P --transform 's,a,/abs,' a"),
        (
            "l/a",
            "ln -sf /etc l; tar -cf x.tar l; tar -rf x.tar --transform 's,a,l/a,' a",
        ),
        ("pipe", "rm -f pipe; mkfifo pipe; tar -cf x.tar pipe"),
    ] {
        desk.sh(&format!("echo content > a; {make}"));
        let error = desk.ensure("x.tar").unwrap_err();
        assert_eq!(error.code, "bad_archive");
        assert!(error.message.contains(name), "{error}");
    }
    desk.sh("head -c 100000 /dev/urandom > x.tar.zst; cp x.tar.zst x.tgz; cp x.tgz x.txt");
    assert_eq!(desk.ensure("x.tar.zst").unwrap_err().code, "bad_archive");
    assert_eq!(desk.ensure("x.tgz").unwrap_err().code, "bad_archive");
    assert_eq!(desk.ensure("x.txt").unwrap_err().code, "source_kind");
    assert_eq!(desk.ensure("none").unwrap_err().code, "source_missing");
    // Nothing half made is left.
    let left = files(&desk.path("state/baselines"));
    assert!(left.is_empty(), "{left:?}");
}

/// A small archive with every kind of member, to be spoilt.
fn archive_bytes() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        builder.append_data(&mut header, name, content).unwrap();
    };
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    add("d", Directory, "", b"");
    add("d/f", Regular, "", &[b'x'; 5000]);
    add("d/l", Symlink, "../d/f", b"");
    add("h", Link, "d/f", b"");
    add(&"long/".repeat(40), Directory, "", b"");
    builder.into_inner().unwrap()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    /// Whatever the archive says, it is refused, or makes a sound file system.
    #[test]
    fn a_spoilt_archive_is_refused_or_makes_a_sound_image(
        spoils in proptest::collection::vec((0usize..20_000, proptest::prelude::any::<u8>()), 0..6),
        cut in 0usize..30_000,
        disk in proptest::prelude::any::<bool>(),
    ) {
        let mut bytes = archive_bytes();
        for (at, byte) in spoils {
            let at = at % bytes.len();
            bytes[at] = byte;
            // A checksum that fits, so that more than that is looked at.
            let header = at / 512 * 512;
            let sum: u32 = bytes[header..header + 512]
                .iter()
                .enumerate()
                .map(|(index, byte)| if (148..156).contains(&index) { 32 } else { u32::from(*byte) })
                .sum();
            if &bytes[header + 257..header + 262] == b"ustar" {
                bytes[header + 148..header + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        bytes.truncate(cut.max(1));
        let dir = tempfile::tempdir().unwrap();
        let mut tar = File::options().read(true).write(true).create_new(true).open(dir.path().join("a.tar")).unwrap();
        tar.write_all(&bytes).unwrap();
        let (kept, shape) = if disk {
            (Kept::Disk, image::Shape::disk(64 << 20))
        } else {
            (Kept::Seed, image::SEED)
        };
        let made = Archive::look(tar, Path::new("a.tar"), kept, &room(), &Cancel::default()).and_then(|mut archive| {
            let path = dir.path().join("image");
            let image = File::create_new(&path).unwrap();
            image::write(&mut archive, &shape, &image, &path, &NoEvents, &Cancel::default())
        });
        match made {
            Ok(_) => {
                let check = e2fs_tool("e2fsck").arg("-fn").arg(dir.path().join("image")).output().unwrap();
                proptest::prop_assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
            }
            Err(error) => proptest::prop_assert!(
                ["bad_archive", "source_changed", "seed_too_large", "source_io"].contains(&error.code), "{error}"),
        }
    }
}
