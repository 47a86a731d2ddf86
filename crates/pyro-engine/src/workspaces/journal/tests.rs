//! The journal's states, and what is left of it on a disk.

use super::recording::KEPT_STREAM_BYTES;
use super::*;
use crate::layout::Layout;
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::CommandState;
use crate::workspaces::store::Store;
use crate::workspaces::tests::record;

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

fn begun(folder: &Folder, sequence: u64) -> Recording {
    begin(folder, sequence, "make", ExecutionMode::GuestSerial, 100.0).unwrap()
}

fn exited(code: i32) -> Ended {
    Ended {
        at: 103.0,
        state: CommandState::Exited,
        exit_code: Some(code),
        signal: None,
        timed_out: false,
        duration_ms: 3000,
        error: None,
    }
}

#[test]
fn a_command_is_on_record_from_its_beginning() {
    let (_dir, folder) = folder();
    assert!(entries(&folder).unwrap().is_empty());
    let mut recording = begun(&folder, 1);
    recording.stdout(b"abc");
    let running = entry(&folder, 1).unwrap().unwrap();
    assert_eq!(running.state(), CommandState::Running);
    assert_eq!(&running, recording.entry());
    assert_eq!(running.duration_ms(101.5), 1500);
    recording.stderr(b"d");
    recording.end(exited(7)).unwrap();
    let ended = entry(&folder, 1).unwrap().unwrap();
    assert_eq!(ended.ended, Some(exited(7)));
    assert_eq!((ended.stdout.total_bytes, ended.stderr.kept_bytes), (3, 1));
    assert_eq!(shown(&folder, &ended, LogStream::Stdout).text, "abc");
    assert_eq!(entry(&folder, 2).unwrap(), None);
}

#[test]
fn what_nobody_ended_is_lost_and_stays_so() {
    let (_dir, folder) = folder();
    begun(&folder, 1).end(exited(0)).unwrap();
    let mut died = begun(&folder, 2);
    died.stdout(b"half");
    drop(died);
    assert_eq!(end_lost(&folder, 105.0), 2);
    assert_eq!(end_lost(&folder, 999.0), 2);
    let states: Vec<_> = entries(&folder).unwrap().iter().map(Entry::state).collect();
    assert_eq!(states, [CommandState::Exited, CommandState::Lost]);
    let lost = entry(&folder, 2).unwrap().unwrap();
    let ended = lost.ended.clone().unwrap();
    assert_eq!((ended.exit_code, ended.at), (None, 105.0));
    assert!(ended.error.is_some());
    assert_eq!(shown(&folder, &lost, LogStream::Stdout).text, "half");
}

#[test]
fn a_command_that_ends_after_a_reset_is_not_in_the_new_journal() {
    let (_dir, folder) = folder();
    let mut old = begun(&folder, 1);
    clear(&folder).unwrap();
    let _new = begun(&folder, 1);
    old.stdout(b"old");
    let _ = old.end(exited(0));
    let entry = entry(&folder, 1).unwrap().unwrap();
    assert_eq!(entry.state(), CommandState::Running);
    assert_eq!(entry.stdout.total_bytes, 0);
    clear(&folder).unwrap();
    assert!(entries(&folder).unwrap().is_empty());
}

#[test]
fn a_record_that_cannot_be_written_is_no_running_command() {
    let (_dir, folder) = folder();
    let mut recording = begun(&folder, 1);
    // In the way of the temporary file.
    std::fs::create_dir(folder.file("commands").join("000001.partial")).unwrap();
    assert!(recording.end(exited(0)).is_err());
    assert!(entries(&folder).unwrap().is_empty());
}

#[test]
fn more_than_the_bound_is_counted_and_not_kept() {
    let (_dir, folder) = folder();
    let mut recording = begun(&folder, 1);
    let piece = vec![b'x'; 5 << 20];
    for _ in 0..13 {
        recording.stdout(&piece);
    }
    recording.end(exited(0)).unwrap();
    let entry = entry(&folder, 1).unwrap().unwrap();
    assert_eq!(entry.stdout.total_bytes, 65 << 20);
    assert_eq!(entry.stdout.kept_bytes, KEPT_STREAM_BYTES);
    let last = page(&folder, &entry, LogStream::Stdout, KEPT_STREAM_BYTES - 2, 9).unwrap();
    assert_eq!((last.text.as_str(), last.next_offset), ("xx", None));
    assert!(!last.complete && last.total_bytes == 65 << 20);
}

#[test]
fn a_tail_hands_on_each_byte_once() {
    let (_dir, folder) = folder();
    let mut recording = begun(&folder, 1);
    let mut tail = Tail::open(&folder, 1);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for round in 0..3_u8 {
        recording.stdout(&vec![round; 40_000]);
        recording.stderr(&[round]);
        let ends = [recording.entry().stdout, recording.entry().stderr].map(|s| s.kept_bytes);
        tail.forward(ends, |stream, bytes| match stream {
            LogStream::Stdout => out.extend(bytes),
            LogStream::Stderr => err.extend(bytes),
        });
        assert_eq!(tail.at(), ends);
    }
    assert_eq!(
        out,
        [vec![0; 40_000], vec![1; 40_000], vec![2; 40_000]].concat()
    );
    assert_eq!(err, [0, 1, 2]);
}
