//! Paths, and images of disks, checked by e2fsprogs.

use super::path::{below_root, shown};
use crate::ext4_image::archive::{Archive, Kept};
use crate::ext4_image::{Shape, write};
use crate::start::e2fs_tool;
use crate::{Cancel, NoEvents, Result};
use proptest::prelude::*;
use pyro_proto::tar::{Map, NewMember, Piece, Writer};
use std::io::{Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn paths_are_the_guests_and_relative_ones_the_workspaces() {
    for (text, path) in [
        ("/", "/"),
        ("/etc/../etc//./passwd", "/etc/passwd"),
        ("/../../etc", "/etc"),
        ("/workspace", "/workspace"),
        ("a b", "/workspace/a b"),
        ("a/../c", "/workspace/c"),
        (".", "/workspace"),
        ("new\nline", "/workspace/new%0Aline"),
    ] {
        assert_eq!(shown(&below_root(text).unwrap()), path, "{text:?}");
    }
    for text in ["", "  ", "..", "a/../..", "a\0b", &"x".repeat(5000)] {
        assert_eq!(below_root(text).unwrap_err().code, "invalid_path");
    }
}

proptest! {
    #[test]
    fn no_path_leaves_its_root(text in "[a./ ]{0,24}") {
        if let Ok(path) = below_root(&text) {
            let path = String::from_utf8(path).unwrap();
            prop_assert!(path.split('/').all(|part| !matches!(part, "." | "..")), "{path}");
            prop_assert!(path.is_empty() || path.split('/').all(|part| !part.is_empty()));
            prop_assert!(text.starts_with('/') || path.starts_with("workspace"));
        }
    }
}

fn image(folder: &Path, tar: Vec<u8>) -> Result<std::path::PathBuf> {
    let mut file = tempfile::tempfile_in(folder).unwrap();
    file.write_all(&tar).unwrap();
    file.rewind().unwrap();
    let mut archive = Archive::look(
        file,
        Path::new("disk"),
        Kept::Disk,
        &super::export::room(),
        &Cancel::default(),
    )?;
    let path = folder.join("image");
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let shape = Shape::disk(2 << 30);
    write(
        &mut archive,
        &shape,
        &file,
        &path,
        &NoEvents,
        &Cancel::default(),
    )?;
    Ok(path)
}

fn debugfs(image: &Path, order: &str) -> String {
    let output = e2fs_tool("debugfs")
        .args(["-R", order])
        .arg(image)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_disk_keeps_what_its_inodes_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(Vec::new());
    let capability = [(
        b"security.capability".to_vec(),
        vec![1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    )];
    let mut map = Map::default();
    map.push(Piece {
        offset: 1 << 30,
        length: 3,
    })
    .unwrap();
    let base = NewMember {
        mtime: (1_234_567_890, 5),
        ..NewMember::default()
    };
    for (member, content) in [
        (
            NewMember {
                name: b"bin/",
                letter: b'5',
                mode: 0o755,
                ..base
            },
            b"".as_slice(),
        ),
        (
            NewMember {
                name: b"bin/su",
                letter: b'0',
                mode: 0o4755,
                owner: (0, 42),
                attributes: &capability,
                size: 3,
                ..base
            },
            b"su\n",
        ),
        (
            NewMember {
                name: b"bin/again",
                letter: b'1',
                link: b"bin/su",
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"home/",
                letter: b'5',
                mode: 0o2770,
                owner: (3_000_000_000, 1000),
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"null",
                letter: b'3',
                mode: 0o666,
                device: (1, 3),
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"disk",
                letter: b'4',
                mode: 0o660,
                device: (259, 70_000),
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"pipe",
                letter: b'6',
                mode: 0o600,
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"link",
                letter: b'2',
                link: b"bin/su",
                owner: (7, 7),
                ..base
            },
            b"",
        ),
        (
            NewMember {
                name: b"sparse",
                letter: b'0',
                mode: 0o644,
                size: 3,
                sparse: Some(((1 << 30) + 3, &map)),
                ..base
            },
            b"end",
        ),
        (
            NewMember {
                name: b"caf\xe9",
                letter: b'0',
                mode: 0o640,
                size: 2,
                ..base
            },
            b"in",
        ),
    ] {
        writer.start(&member).unwrap();
        writer.get().write_all(content).unwrap();
    }
    let image = image(folder.path(), writer.finish().unwrap()).unwrap();
    let check = e2fs_tool("e2fsck").arg("-fn").arg(&image).output().unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
    let found = image.metadata().unwrap();
    assert_eq!(found.len(), 2 << 30);
    assert!(found.blocks() * 512 < 32 << 20, "{}", found.blocks());
    for (name, parts) in [
        (
            "bin/su",
            &[
                "Mode:  04755",
                "Group:    42",
                "Links: 2",
                "security.capability",
            ][..],
        ),
        (
            "home",
            // debugfs shows 3,000,000,000 as a signed number.
            &["Mode:  02770", "User: -1294967296", "Group:  1000"],
        ),
        ("null", &["Type: character special", "01:03"]),
        ("disk", &["Type: block special", "259:70000"]),
        ("pipe", &["Type: FIFO"]),
        ("link", &["User:     7", "\"bin/su\""]),
        ("sparse", &["Size: 1073741827"]),
    ] {
        let stat = debugfs(&image, &format!("stat {name}"));
        for part in parts {
            assert!(stat.contains(part), "{name}: {part}: {stat}");
        }
    }
    assert_eq!(debugfs(&image, "cat bin/again"), "su\n");
    assert!(debugfs(&image, "ls -l /").contains("caf\\xe9"));
}

#[test]
fn what_cannot_be_on_a_disk_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let long = [(b"user.x".to_vec(), vec![1; 40_000])];
    for member in [
        NewMember {
            name: b"../up",
            letter: b'6',
            ..NewMember::default()
        },
        NewMember {
            name: b"socket",
            letter: b'8',
            ..NewMember::default()
        },
        NewMember {
            name: b"far",
            letter: b'3',
            device: (5000, 1),
            ..NewMember::default()
        },
        NewMember {
            name: b"lost+found",
            letter: b'6',
            ..NewMember::default()
        },
        NewMember {
            name: b"odd",
            letter: b'6',
            attributes: &long,
            ..NewMember::default()
        },
    ] {
        let mut writer = Writer::new(Vec::new());
        writer.start(&member).unwrap();
        let name = String::from_utf8_lossy(member.name).into_owned();
        let made = image(folder.path(), writer.finish().unwrap());
        let error = made.expect_err(&name);
        assert!(
            ["bad_archive", "seed_image"].contains(&error.code),
            "{error}"
        );
    }
}
