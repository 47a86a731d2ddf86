//! The format: what is written is read back, what others write is read, and
//! nothing makes the reader panic.

use super::*;
use proptest::prelude::*;
use std::io::{Read, Write};

fn all(bytes: &[u8]) -> io::Result<Vec<(Member, Vec<u8>)>> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some(member) = reader.next_member()? {
        let (mut data, mut buffer) = (Vec::new(), [0; 100]);
        while let Some((offset, count)) = reader.data(&mut buffer)? {
            if offset > 1 << 20 {
                return Err(refused("too far for this test"));
            }
            data.resize(offset as usize, 0);
            data.extend_from_slice(&buffer[..count]);
        }
        found.push((member, data));
    }
    Ok(found)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no end", |byte| !matches!(byte, 0 | b'/'));
    prop_oneof![
        proptest::collection::vec(byte, 1..20),
        (90usize..400).prop_map(|length| vec![b'n'; length]),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(members in proptest::collection::vec(
        (name(), 0u32..0o1000, -10_000_000_000i64..100_000_000_000, 0u32..1_000_000_000,
         proptest::collection::vec(any::<u8>(), 0..1200), 0u8..3), 0..6)) {
        let mut writer = Writer::new(Vec::new());
        let mut wanted = Vec::new();
        for (name, mode, seconds, nanoseconds, data, which) in &members {
            let mut name = name.clone();
            let (letter, kind, data, link) = match which {
                0 => (b'0', Kind::File, data.clone(), vec![]),
                1 => (b'2', Kind::Symlink(name.clone()), vec![], name.clone()),
                _ => { name.push(b'/'); (b'5', Kind::Folder, vec![], vec![]) }
            };
            let mtime = (*seconds, *nanoseconds);
            let size = data.len() as u64;
            let owner = (*nanoseconds, u32::MAX - *mode);
            let attributes = vec![(name.clone(), data.clone()), (b"user.b".to_vec(), name.clone())];
            let new = NewMember {
                name: &name, letter, link: &link, mode: *mode, owner, attributes: &attributes, mtime, size,
                ..NewMember::default()
            };
            // An attribute's name ends at the first `=`, as in the format.
            let names: Vec<_> = attributes.iter().map(|(name, _)| name.contains(&b'=')).collect();
            prop_assume!(!names.contains(&true));
            writer.start(&new).unwrap();
            writer.get().write_all(&data).unwrap();
            wanted.push((Member { name, kind, mode: *mode, owner, device: (0, 0), attributes, mtime, size }, data));
        }
        let bytes = writer.finish().unwrap();
        prop_assert_eq!(bytes.len() % 512, 0);
        prop_assert_eq!(all(&bytes).unwrap(), wanted);
    }

    #[test]
    fn devices_and_holes_are_read_back(major in 0u32..4096, minor in 0u32..1 << 20, gaps in proptest::collection::vec((1u64..9000, 1u64..3000), 0..6)) {
        let mut writer = Writer::new(Vec::new());
        writer.start(&NewMember { name: b"d", letter: b'3', device: (major, minor), ..NewMember::default() }).unwrap();
        let (mut map, mut end) = (Map::default(), 0);
        for (gap, length) in gaps {
            map.push(Piece { offset: end + gap, length }).unwrap();
            end += gap + length;
        }
        let stored = map.pieces.iter().map(|piece| piece.length).sum();
        writer.start(&NewMember { name: b"s", letter: b'0', size: stored, sparse: Some((end + 7, &map)), ..NewMember::default() }).unwrap();
        writer.get().write_all(&vec![1; stored as usize]).unwrap();
        let bytes = writer.finish().unwrap();
        let mut reader = Reader::new(&*bytes);
        let device = reader.next_member().unwrap().unwrap();
        prop_assert_eq!((device.kind, device.device), (Kind::Other(b'3'), (major, minor)));
        let file = reader.next_member().unwrap().unwrap();
        prop_assert_eq!((file.kind, file.size, reader.map()), (Kind::File, end + 7, &map));
        prop_assert!(reader.next_member().unwrap().is_none());
    }

    #[test]
    fn arbitrary_blocks_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048), letter: u8, sparse: bool) {
        let _ = all(&bytes);
        // The same with a checksum that fits, so that the fields are reached.
        if let Some(block) = bytes.first_chunk::<512>() {
            let mut block = *block;
            block[156] = if sparse { b'S' } else { letter };
            for field in [124..136, 100..108, 136..148, 483..495] {
                block[field].fill(b'0');
            }
            let sum = format!("{:06o}\0 ", header::checksum(&block));
            block[148..156].copy_from_slice(sum.as_bytes());
            let mut cut = block.to_vec();
            cut.extend_from_slice(&bytes[512..]);
            let _ = all(&cut);
        }
    }

    #[test]
    fn arbitrary_records_never_panic(bytes: Vec<u8>, value: Vec<u8>, key in "path|size|mtime|GNU.sparse.(map|offset|numbytes|major|size)") {
        let _ = pax::Records::default().parse(&bytes);
        let mut record = Vec::new();
        pax::append(&mut record, &key, &value);
        let _ = pax::Records::default().parse(&record);
    }

    #[test]
    fn number_fields_never_panic(bytes: [u8; 12]) {
        let _ = header::number(&bytes);
    }
}

/// Archives of GNU tar, in each of its formats and with each of its sparse maps.
#[test]
fn archives_of_gnu_tar_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "e".repeat(90), "l".repeat(90));
    let script = format!(
        "mkdir d && echo hi > d/a && ln d/a d/b && ln -s ../x d/s && mkdir {} && echo {long} > {long} && \
         truncate -s 200000 holes && printf mid | dd of=holes bs=1 seek=100000 conv=notrunc 2>/dev/null",
        "e".repeat(90)
    );
    let run = |line: &str| {
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", line]).current_dir(folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{line}");
        output.stdout
    };
    run(&script);
    for format in [
        "gnu",
        "pax",
        "pax --sparse-version=0.0",
        "pax --sparse-version=0.1",
        "ustar",
    ] {
        let sparse = if format == "ustar" { "" } else { "--sparse" };
        let bytes = run(&format!(
            "tar c --sort=name --format={format} {sparse} d holes {long}"
        ));
        let found = all(&bytes).unwrap_or_else(|error| panic!("{format}: {error}"));
        let names: Vec<_> = found
            .iter()
            .map(|(member, _)| String::from_utf8_lossy(&member.name).into_owned())
            .collect();
        assert_eq!(
            names,
            ["d/", "d/a", "d/b", "d/s", "holes", &long],
            "{format}"
        );
        assert_eq!(found[2].0.kind, Kind::HardLink(b"d/a".to_vec()));
        assert_eq!(found[3].0.kind, Kind::Symlink(b"../x".to_vec()));
        assert_eq!(found[4].0.size, 200_000, "{format}");
        assert_eq!(&found[4].1[100_000..100_003], b"mid", "{format}");
        assert_eq!(found[5].1, format!("{long}\n").as_bytes());
    }
}

/// The same blocks over and over, as far as the reader wants.
struct Repeated(Vec<u8>, usize);

impl io::Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.0[self.1 % self.0.len()..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.1 += count;
        Ok(count)
    }
}

#[test]
fn headers_without_an_end_are_refused() {
    let header = |letter, bytes: &[u8]| {
        let mut writer = Writer::new(Vec::new());
        let size = bytes.len() as u64;
        let member = NewMember {
            name: b"n",
            letter,
            size,
            ..NewMember::default()
        };
        writer.start(&member).unwrap();
        writer.get().write_all(bytes).unwrap();
        let mut whole = writer.finish().unwrap();
        whole.truncate(whole.len() - 2 * BLOCK_BYTES);
        whole
    };
    let mut records = Vec::new();
    pax::append(&mut records, "SCHILY.xattr.user.a", &[b'v'; 4000]);
    for (letter, bytes) in [
        (b'g', &b""[..]),
        (b'x', &records),
        (b'L', b"name"),
        (b'K', b"link"),
    ] {
        let input = Repeated(header(letter, bytes), 0);
        let error = Reader::new(input.take(64 << 20)).next_member().unwrap_err();
        assert!(error.to_string().contains("headers before"), "{error}");
    }
    // A map of GNU's old form whose blocks are empty, with more to come.
    let mut block = header(b'S', b"");
    (block[482], block[483]) = (1, b'0');
    block[504] = 1;
    let sum = header::checksum(block.first_chunk().unwrap());
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let input = Repeated(block, 0).take(64 << 20);
    let error = Reader::new(input).next_member().unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
}
