//! Archives that want more than a seed may have, and callers who want no more.

use super::tests::{Desk, desk};
use super::*;
use crate::NoEvents;
use crate::ext4_image::archive::Archive;
use crate::ext4_image::tree::MAX_FILE_BYTES;
use crate::host_paths::HostPaths;
use crate::spool::Spool;
use pyro_proto::tar::{Map, NewMember, Piece, Writer};
use std::time::Instant;

/// The header of a file, as an archive has it.
fn header(size: u64, sparse: Option<(u64, &Map)>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let member = NewMember {
        name: b"f",
        letter: b'0',
        mode: 0o644,
        size,
        sparse,
        ..NewMember::default()
    };
    writer.start(&member).unwrap();
    std::mem::take(writer.get())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn left(desk: &Desk) -> Vec<(PathBuf, std::fs::Metadata)> {
    files(&desk.path("state/baselines"))
}

#[test]
fn an_archive_of_more_than_a_seed_is_refused_where_that_shows() {
    let desk = desk();
    // Its data never comes: it was refused before.
    let bomb = gzip(&header((256 << 30) + 1, None));
    std::fs::write(desk.path("bomb.tgz"), &bomb).unwrap();
    std::fs::write(desk.path("bomb.tar"), header(1 << 40, None)).unwrap();
    for name in ["bomb.tgz", "bomb.tar"] {
        let error = desk.ensure(name).unwrap_err();
        assert_eq!(error.code, "seed_too_large", "{error}");
        assert!(error.message.contains(name) && error.message.contains("262144 MiB"));
        assert!(error.hint.is_some());
    }
    // Many that fit one by one.
    let piece = [header(1 << 20, None), vec![0; 1 << 20]].concat();
    std::fs::write(desk.path("many.tgz"), gzip(&piece.repeat(6))).unwrap();
    let source = Source::find(
        &HostPaths::Anywhere,
        desk.path("many.tgz").to_str().unwrap(),
    );
    let room = |bytes| Room { bytes, ..room() };
    let baselines = desk.path("state/baselines");
    let source = source.unwrap();
    let cancel = Cancel::default();
    assert!(source.archive(&baselines, &room(6 << 20), &cancel).is_ok());
    let refused = source.archive(&baselines, &room(5 << 20), &cancel);
    assert_eq!(refused.err().unwrap().code, "seed_too_large");
    assert!(left(&desk).is_empty());
}

#[test]
fn holes_cost_nothing_as_far_as_a_disk_can_show_them() {
    let desk = desk();
    let sparse = |size: u64| {
        let mut map = Map::default();
        let (offset, length) = (size - 7, 7);
        map.push(Piece { offset, length }).unwrap();
        let mut tar = header(length, Some((size, &map)));
        tar.extend([b'x'; 512]);
        tar
    };
    std::fs::write(desk.path("a.tgz"), gzip(&sparse(1 << 40))).unwrap();
    let made = desk.ensure("a.tgz").unwrap();
    assert_eq!(made.bytes_written, 1 << 40);
    let stat = String::from_utf8(desk.debugfs(&made, "stat tree/f")).unwrap();
    assert!(stat.contains("1099511627776"), "{stat}");
    let image = desk.baselines.image(&made.key).metadata().unwrap();
    assert!(image.blocks() * 512 < 4 << 20, "{}", image.blocks());
    std::fs::write(desk.path("b.tar"), sparse(MAX_FILE_BYTES)).unwrap();
    assert_eq!(desk.ensure("b.tar").unwrap().bytes_written, MAX_FILE_BYTES);
    for size in [MAX_FILE_BYTES + 1, 1 << 62] {
        std::fs::write(desk.path("c.tar"), sparse(size)).unwrap();
        let error = desk.ensure("c.tar").unwrap_err();
        assert_eq!(error.code, "bad_archive", "{error}");
        assert!(error.message.contains("at most"), "{error}");
    }
}

/// A stream without an end, whose reader is cancelled on the way.
struct Endless<'a> {
    cancel: &'a Cancel,
    reads: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        assert!(self.reads < 40, "it is read on");
        if self.reads == 30 {
            self.cancel.cancel();
        }
        buffer.fill(0);
        Ok(buffer.len())
    }
}

#[test]
fn a_cancel_ends_what_is_unpacked_and_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (room, path) = (room(), Path::new("a.tgz"));
    let cancel = Cancel::default();
    let reads = 0;
    let mut stream = std::io::Cursor::new(header(200 << 30, None)).chain(Endless {
        cancel: &cancel,
        reads,
    });
    let spool = Spool::new(folder.path(), path, &room, &cancel).unwrap();
    let source = tempfile::tempfile().unwrap();
    let unpacked = Archive::unpack(&mut stream, spool, source, path, &room, &cancel);
    assert_eq!(unpacked.err().unwrap().code, "cancelled");

    // Within a file, too.
    struct One<'a>(image::tree::Tree, &'a Cancel);
    impl Contents for One<'_> {
        fn tree(&self) -> &image::tree::Tree {
            &self.0
        }
        fn each(&mut self, fill: &mut image::Fill<'_>) -> Result<()> {
            let (cancel, reads) = (self.1, 0);
            assert!(
                !cancel.is_cancelled(),
                "the names were laid out all the same"
            );
            fill(0, &mut Endless { cancel, reads })
        }
    }
    let meta = image::tree::Meta {
        mode: 0o644,
        owner: (0, 0),
        mtime: (0, 0),
    };
    let mut tree = image::tree::Tree::new(meta);
    let file = image::tree::File::new(meta, 1 << 30, &Map::whole(1 << 30));
    let number = tree.add_file(file).unwrap();
    tree.put(b"f", image::tree::Node::File(number)).unwrap();
    let cancel = Cancel::default();
    let at = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
    let mut contents = One(tree, &cancel);
    for doing in ["writing", "laying out"] {
        let (shape, to) = (&image::SEED, at.as_file());
        let written = image::write(&mut contents, shape, to, at.path(), &NoEvents, &cancel);
        let error = written.unwrap_err();
        assert_eq!(error.code, "cancelled");
        assert!(error.message.contains(doing), "{error}");
    }
    drop(at);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_cancel_ends_what_nothing_comes_out_of() {
    let desk = desk();
    // A tar of holes, and compressed files in which there is nothing.
    let tar = File::create_new(desk.path("a.tar")).unwrap();
    (&tar).write_all(&header(200 << 30, None)).unwrap();
    tar.set_len(201 << 30).unwrap();
    std::fs::write(desk.path("b.tgz"), gzip(b"").repeat(100_000)).unwrap();
    std::fs::write(
        desk.path("c.tar.zst"),
        b"\x50\x2a\x4d\x18\0\0\0\0".repeat(100_000),
    )
    .unwrap();
    std::fs::create_dir(desk.path("seed/d")).unwrap();
    for name in ["a.tar", "b.tgz", "c.tar.zst", "seed"] {
        let source = Source::find(&HostPaths::Anywhere, desk.path(name).to_str().unwrap()).unwrap();
        let (origin, cancel) = (Origin::Manual(source), Cancel::default());
        let began = Instant::now();
        std::thread::scope(|scope| {
            if name == "a.tar" {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(200));
                    cancel.cancel();
                });
            } else {
                cancel.cancel();
            }
            let ensured = desk.baselines.ensure(&origin, &NoEvents, &cancel);
            assert_eq!(ensured.unwrap_err().code, "cancelled", "{name}");
        });
        assert!(began.elapsed() < Duration::from_secs(5), "{name}");
    }
    assert!(left(&desk).is_empty());
}

#[test]
fn the_same_archive_makes_the_same_image_however_it_is_packed() {
    let desk = desk();
    // No member for the top folder: that is as old as the archive.
    desk.sh(
        "echo a > seed/a; touch -d @1000000000 seed/a; tar -C seed -cf a.tar a;
        gzip -k a.tar; touch -d @1200000000 a.tar a.tar.gz",
    );
    let made = desk.ensure("a.tar").unwrap();
    assert_eq!(desk.ensure("a.tar.gz").unwrap().key, made.key);
    // A byte behind the end of the tar is damaged: the checksum tells.
    desk.sh("head -c -8 a.tar.gz > b.tar.gz; printf 'damaged!' >> b.tar.gz");
    assert_eq!(desk.ensure("b.tar.gz").unwrap_err().code, "bad_archive");
}
