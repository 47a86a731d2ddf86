//! What is kept of a stream, against what was written.

use super::*;
use crate::layout::Layout;
use crate::workspaces::store::Store;
use crate::workspaces::tests::record;
use proptest::prelude::*;

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout {
        cache: dir.path().join("cache"),
        state: dir.path().join("state"),
    };
    let folder = Store::new(&layout)
        .create(&record("00000000000a", None))
        .unwrap();
    (dir, folder)
}

fn log(folder: &Folder, name: &str) -> Log {
    Log::create(Room::open(folder).unwrap(), folder, name, LogStream::Stdout)
}

fn kept(folder: &Folder, name: &str) -> Kept {
    Kept::find(folder, name, LogStream::Stdout)
}

#[test]
fn only_the_end_of_a_flood_is_kept_and_it_is_said_what_is_gone() {
    let (_dir, folder) = folder();
    let mut log = log(&folder, "flood");
    let line = b"0123456789abcde\n";
    let piece = line.repeat(64 << 10);
    for _ in 0..80 {
        log.push(&piece);
    }
    log.push(b"the end\n");
    let kept = kept(&folder, "flood");
    assert_eq!(kept.end(), 80 * (1 << 20) + 8);
    let dropped = kept.dropped_bytes();
    let there = kept.end() - dropped;
    assert!(
        there <= KEPT_STREAM_BYTES && there > KEPT_STREAM_BYTES - PART_BYTES,
        "{there}"
    );
    let (tail, truncated) = kept.tail(Some(2), 1 << 20);
    assert_eq!(
        (&*tail, truncated),
        (&b"0123456789abcde\nthe end\n"[..], true)
    );
    // A page of what is gone begins at what is there.
    let (first, bytes) = kept.read(5, 16).unwrap();
    assert_eq!((first, &*bytes), (dropped, &line[..]));
    let (tail, _) = kept.tail(None, usize::MAX);
    assert_eq!(tail.len() as u64, there);
}

#[test]
fn another_service_of_the_name_begins_anew_and_leaves_its_neighbours_alone() {
    let (_dir, folder) = folder();
    log(&folder, "a").push(b"old");
    log(&folder, "a.stdout").push(b"other");
    log(&folder, "a").push(b"new");
    assert_eq!(kept(&folder, "a").tail(None, 99), (b"new".to_vec(), false));
    assert_eq!(
        kept(&folder, "a.stdout").tail(None, 99),
        (b"other".to_vec(), false)
    );
    assert_eq!(kept(&folder, "b").tail(None, 99), (Vec::new(), false));
}

#[test]
fn a_write_that_failed_costs_what_it_wrote_and_leaves_a_mark() {
    let (_dir, folder) = folder();
    let mut log = log(&folder, "full");
    log.push(b"before\n");
    // As when the host has no room.
    assert_eq!(log.give_up(), None);
    log.push(b"lost");
    log.retry_at = None;
    log.push(b"after\n");
    let kept = kept(&folder, "full");
    assert_eq!((kept.end(), kept.dropped_bytes()), (17, 4));
    let (tail, truncated) = kept.tail(None, 999);
    let text = String::from_utf8(tail).unwrap();
    assert_eq!(text, "before\n\n[pyro: 4 bytes were not kept]\nafter\n");
    assert!(truncated);
    assert_eq!(kept.read(0, 99).unwrap(), (0, b"before\n".to_vec()));
    assert_eq!(kept.read(7, 99).unwrap(), (11, b"after\n".to_vec()));
}

#[test]
fn a_reset_takes_the_files_and_what_is_written_late_goes_nowhere() {
    let (_dir, folder) = folder();
    let mut log = log(&folder, "late");
    log.push(b"x");
    super::super::record::clear(&folder).unwrap();
    let mut fresh = self::log(&folder, "late");
    fresh.push(b"y");
    log.push(b"z");
    log.file = None;
    log.push(b"z");
    assert_eq!(kept(&folder, "late").tail(None, 99), (b"y".to_vec(), false));
}

proptest! {
    #[test]
    fn a_tail_is_the_last_lines(text in "[a\n]{0,60}", lines in 1_u64..8, most in 0_usize..80) {
        let bytes = text.as_bytes();
        let tail = &bytes[start_of_tail(bytes, Some(lines), most)..];
        prop_assert!(tail.len() <= most && bytes.ends_with(tail));
        let wanted: Vec<_> = text.split_inclusive('\n').collect();
        let from = wanted.len().saturating_sub(usize::try_from(lines).unwrap());
        let whole = wanted[from..].concat();
        if whole.len() <= most {
            prop_assert_eq!(tail, whole.as_bytes());
        } else {
            prop_assert_eq!(tail.len(), most);
        }
    }
}
