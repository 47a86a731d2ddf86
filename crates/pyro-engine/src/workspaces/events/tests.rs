//! Events as they are appended, damaged, dropped and cleared.

use super::lines::{line, newer_half};
use super::*;
use crate::layout::Layout;
use crate::workspaces::store::Store;
use proptest::prelude::*;
use std::sync::Mutex;

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout {
        cache: dir.path().join("cache"),
        state: dir.path().join("state"),
    };
    let record = crate::workspaces::tests::record("00000000000a", None);
    let folder = Store::new(&layout).create(&record).unwrap();
    (dir, folder)
}

fn event(name: &str) -> ReviewEvent {
    ReviewEvent {
        recorded_at: 1.5,
        done: Done::SnapshotDelete {
            snapshot_name: name.to_owned(),
        },
    }
}

/// First letters.
fn names(history: &History) -> Vec<&str> {
    let events = history.events.iter();
    events
        .map(|event| match &event.done {
            Done::SnapshotDelete { snapshot_name } => &snapshot_name[..1],
            other => panic!("{other:?}"),
        })
        .collect()
}

#[derive(Default)]
struct Said(Mutex<Vec<Event>>);

impl EventSink for Said {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn events_are_there_in_order_until_the_reset() {
    let (_dir, folder) = folder();
    assert_eq!(history(&folder, 0).unwrap(), History::default());
    append(&folder, 0, &event("a")).unwrap();
    append(&folder, 0, &event("b")).unwrap();
    append(&folder, 1, &event("c")).unwrap();
    assert_eq!(names(&history(&folder, 0).unwrap()), ["a", "b"]);
    // A reset that died before it could clear the file.
    assert_eq!(names(&history(&folder, 1).unwrap()), ["c"]);
    clear(&folder).unwrap();
    clear(&folder).unwrap();
    assert!(history(&folder, 1).unwrap().events.is_empty());
}

#[test]
fn every_kind_comes_back_as_it_was() {
    let (_dir, folder) = folder();
    let text = || "ä\n\"<".to_owned();
    let kinds = [
        Done::SyncPush {
            mode: text(),
            source_path: text(),
            destination: text(),
            entry_count: u64::MAX,
            bytes_written: 2,
            deleted_count: 3,
        },
        Done::FileWrite {
            path: text(),
            size_bytes: 1,
            sha256: text(),
            created: true,
        },
        Done::PatchApply {
            total: 1,
            added: 2,
            modified: 3,
            deleted: 4,
            paths: vec![text()],
        },
        Done::Export {
            workspace_path: text(),
            output_path: text(),
            artifact_type: ArtifactType::Symlink,
            patch: true,
            bytes_written: 7,
        },
        Done::SnapshotCreate {
            snapshot_name: text(),
            bytes_written: 9,
        },
        event("x").done,
    ];
    let said = Said::default();
    for done in kinds.clone() {
        record(&folder, 3, done, &said);
    }
    let found = history(&folder, 3).unwrap();
    assert_eq!(found.unreadable_count, 0);
    let found: Vec<_> = found.events.into_iter().map(|event| event.done).collect();
    assert_eq!(found, kinds);
    assert!(said.0.lock().unwrap().is_empty());
}

#[test]
fn a_torn_line_is_counted_and_takes_no_other_along() {
    let (_dir, folder) = folder();
    append(&folder, 0, &event("a")).unwrap();
    let path = folder.file(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(&line(0, &event("t"))[..20]);
    std::fs::write(&path, bytes).unwrap();
    append(&folder, 0, &event("b")).unwrap();
    let found = history(&folder, 0).unwrap();
    assert_eq!((names(&found), found.unreadable_count), (vec!["a", "b"], 1));
}

#[test]
fn the_file_has_a_bound_and_what_went_is_counted() {
    let (_dir, folder) = folder();
    let long = "x".repeat(200_000);
    for number in 0..50 {
        append(&folder, 0, &event(&format!("{}{long}", number % 10))).unwrap();
        let size = std::fs::metadata(folder.file(FILE)).unwrap().len();
        assert!(size <= MAX_FILE_BYTES, "{size}");
    }
    let found = history(&folder, 0).unwrap();
    assert_eq!(found.events.len() as u64 + found.dropped_count, 50);
    assert!(found.dropped_count >= 25 && found.events.len() >= 9);
    assert_eq!(names(&found).last(), Some(&"9"));
    assert_eq!(found.unreadable_count, 0);
}

#[test]
fn several_at_once_lose_none() {
    let (_dir, folder) = folder();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    append(&folder, 0, &event(&"y".repeat(30_000))).unwrap();
                }
            });
        }
    });
    let found = history(&folder, 0).unwrap();
    assert_eq!(found.events.len() as u64 + found.dropped_count, 200);
    assert_eq!(found.unreadable_count, 0);
}

#[test]
fn what_cannot_be_written_is_said() {
    let (_dir, folder) = folder();
    std::fs::create_dir(folder.file(FILE)).unwrap();
    let said = Said::default();
    record(&folder, 0, event("a").done, &said);
    let said = said.0.lock().unwrap();
    assert!(
        matches!(&said[..], [Event::Notice(text)] if text.contains("this is done")),
        "{said:?}"
    );
}

#[test]
fn a_patch_names_its_first_paths_within_bounds() {
    let entry = |path: String| PatchEntry {
        path,
        status: "added".into(),
    };
    let named = |entries: &[PatchEntry]| match Done::patch(&PatchSummary::default(), entries) {
        Done::PatchApply { paths, .. } => paths.len(),
        other => panic!("{other:?}"),
    };
    let short: Vec<_> = (0..50).map(|number| entry(number.to_string())).collect();
    assert_eq!(named(&short), NAMED_PATHS);
    let long: Vec<_> = (0..50).map(|_| entry("p".repeat(3000))).collect();
    assert_eq!(named(&long), 1);
}

proptest! {
    #[test]
    fn no_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let found = lines::history(&bytes, 0);
        let written = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        prop_assert_eq!(found.events.len() as u64 + found.unreadable_count, written.count() as u64);
    }

    #[test]
    fn whatever_is_damaged_the_others_are_read(
        kept in prop::collection::vec("[a-z]{1,9}", 1..8), at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 1..40)
    ) {
        let mut bytes: Vec<Vec<u8>> = kept.iter().map(|name| line(0, &event(name))).collect();
        let junk = [b"#".as_slice(), &junk, b"\n"].concat();
        bytes.insert(at.index(kept.len() + 1), junk);
        let found = lines::history(&bytes.concat(), 0);
        prop_assert_eq!(found.unreadable_count, 1);
        let expected: Vec<_> = kept.iter().map(|name| event(name)).collect();
        prop_assert_eq!(found.events, expected);
    }

    #[test]
    fn the_newer_half_is_the_end_and_counts_the_rest(
        names in prop::collection::vec("[a-z]{1,40}", 0..30), most in 0_u64..3000, again in 0_u64..3000
    ) {
        let bytes: Vec<u8> = names.iter().flat_map(|name| line(0, &event(name))).collect();
        let half = newer_half(&newer_half(&bytes, most), again);
        let found = lines::history(&half, 0);
        prop_assert_eq!(found.events.len() as u64 + found.dropped_count, names.len() as u64);
        let expected: Vec<_> = names[names.len() - found.events.len()..].iter().map(|name| event(name)).collect();
        prop_assert_eq!(found.events, expected);
        prop_assert!(half.len() as u64 <= again + 40);
    }
}
