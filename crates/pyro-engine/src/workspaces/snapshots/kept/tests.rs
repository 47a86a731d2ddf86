//! The folder of snapshots: order, leftovers of crashes, damage.

use super::*;

fn name(text: &str) -> SnapshotName {
    SnapshotName::parse(text).unwrap()
}

fn facts(created_at: f64) -> Facts {
    Facts {
        created_at,
        entry_count: 3,
        bytes_written: 4096,
        disk_bytes: 5,
    }
}

fn make(all: &Snapshots, text: &str, created_at: f64) {
    let name = name(text);
    std::fs::write(all.begin(&name).unwrap(), "12345").unwrap();
    all.complete(&name, &facts(created_at)).unwrap();
}

fn shown(all: &Snapshots) -> Vec<String> {
    let (good, _) = all.all().unwrap();
    good.into_iter().map(|one| one.snapshot_name).collect()
}

fn files(all: &Snapshots) -> Vec<String> {
    let mut names: Vec<_> = all
        .entries()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn snapshots() -> (tempfile::TempDir, Snapshots) {
    let dir = tempfile::tempdir().unwrap();
    let all = Snapshots::new("00000000000a", dir.path().join("snapshots"));
    (dir, all)
}

#[test]
fn the_newest_is_first_and_names_decide_where_times_do_not() {
    let (_dir, all) = snapshots();
    assert!(shown(&all).is_empty());
    for (text, at) in [("old", 1.0), ("b", 3.0), ("a", 3.0), ("new.json", 9.5)] {
        make(&all, text, at);
    }
    assert_eq!(shown(&all), ["new.json", "a", "b", "old"]);
    assert_eq!(all.load(&name("old")).unwrap(), facts(1.0));
    let unknown = all.load(&name("x")).unwrap_err();
    assert_eq!(unknown.code, "unknown_snapshot");
    assert!(
        unknown
            .message
            .ends_with("it has baseline, a, b, new.json, old")
    );
    assert_eq!(
        all.begin(&name("a")).unwrap_err().code,
        "duplicate_snapshot"
    );
    all.remove(&name("a")).unwrap();
    assert_eq!(all.remove(&name("a")).unwrap_err().code, "unknown_snapshot");
    assert_eq!(shown(&all), ["new.json", "b", "old"]);
    assert_eq!(files(&all).len(), 6);
}

#[test]
fn what_a_crash_leaves_is_no_snapshot_and_is_swept() {
    let (_dir, all) = snapshots();
    make(&all, "whole", 1.0);
    let written = files(&all);
    // Each step of writing and of removing, as if nothing came after it.
    for left in [
        vec!["half.ext4.partial"],
        vec!["half.ext4.partial", "half.json.partial"],
        vec!["half.ext4", "half.json.partial"],
        vec!["half.ext4"],
    ] {
        for file in &left {
            std::fs::write(all.root.join(file), "12345").unwrap();
        }
        assert_eq!(shown(&all), ["whole"], "{left:?}");
        assert_eq!(
            all.load(&name("half")).unwrap_err().code,
            "unknown_snapshot"
        );
        all.begin(&name("half")).unwrap();
        assert_eq!(files(&all), written, "{left:?}");
    }
    make(&all, "half", 2.0);
    assert_eq!(shown(&all), ["half", "whole"]);
}

#[test]
fn a_damaged_one_is_reported_and_can_be_removed() {
    let (_dir, all) = snapshots();
    for text in ["text", "disk", "short", "good"] {
        make(&all, text, 1.0);
    }
    std::fs::write(all.file(&name("text"), FACTS), "{\"created_at\": 1}").unwrap();
    std::fs::remove_file(all.disk(&name("disk"))).unwrap();
    std::fs::write(all.disk(&name("short")), "1234").unwrap();
    let (good, damaged) = all.all().unwrap();
    assert_eq!(good.len(), 1);
    let names: Vec<_> = damaged
        .iter()
        .map(|one| one.snapshot_name.as_str())
        .collect();
    assert_eq!(names, ["disk", "short", "text"]);
    assert!(damaged[1].reason.contains("a disk of 4 bytes instead of 5"));
    for text in ["text", "disk", "short"] {
        let error = all.load(&name(text)).unwrap_err();
        assert_eq!(error.code, "damaged_snapshot");
        all.remove(&name(text)).unwrap();
    }
    assert_eq!(files(&all), ["good.ext4", "good.json"]);
    assert!(all.used_bytes() > 0);
}
