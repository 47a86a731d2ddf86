//! Summaries of workspaces without a machine.

use crate::events::{Cancel, NoEvents};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::events::{self, Done};
use crate::workspaces::journal;
use crate::workspaces::payloads::{CommandState, WorkspaceState};
use crate::workspaces::state::Phase;
use crate::workspaces::store::Folder;
use crate::workspaces::tests::{record, workspaces};

fn wrote(folder: &Folder, path: &str) {
    let done = Done::FileWrite {
        path: path.into(),
        size_bytes: 1,
        sha256: String::new(),
        created: true,
    };
    events::record(folder, 0, done, &NoEvents);
}

#[test]
fn one_whose_supervisor_died_has_all_but_its_changes() {
    let (_dir, workspaces) = workspaces();
    let mut died = record("00000000000a", Some("died"));
    died.phase = Phase::Started;
    died.last_activity_at = 7.0;
    let folder = workspaces.store.create(&died).unwrap();
    drop(journal::begin(&folder, 1, "make", ExecutionMode::GuestSerial, 1.0).unwrap());
    wrote(&folder, "/workspace/a");
    let summary = workspaces
        .summary("died", None, &Cancel::default())
        .unwrap();
    assert_eq!(summary.state, WorkspaceState::Stopped);
    assert!((summary.last_activity_at - 7.0).abs() < 0.1);
    assert!(!summary.changes.available);
    assert_eq!(
        (summary.changes.changed, summary.changes.summary),
        (None, None)
    );
    let reason = summary.changes.reason.unwrap();
    assert!(reason.contains("is stopped"), "{reason}");
    assert_eq!(summary.edits.total, 1);
    // Nobody knows how it ended, so it is no success.
    assert_eq!((summary.commands.failed, summary.commands.running), (1, 0));
    assert_eq!(summary.commands.recent[0].state, CommandState::Lost);
    assert_eq!(summary.commands.recent[0].command_id, "c0-1");
    assert!(summary.outcome.last_error.is_some());
}

#[test]
fn what_is_damaged_hides_nothing() {
    let (_dir, workspaces) = workspaces();
    let folder = workspaces
        .store
        .create(&record("00000000000a", Some("x")))
        .unwrap();
    for sequence in [1, 2] {
        drop(journal::begin(&folder, sequence, "make", ExecutionMode::GuestSerial, 1.0).unwrap());
    }
    std::fs::write(folder.file("commands/000001.json"), "{").unwrap();
    std::fs::write(folder.file("events.jsonl"), "{\"kind\":\n").unwrap();
    wrote(&folder, "/workspace/a");
    let summary = workspaces.summary("x", None, &Cancel::default()).unwrap();
    assert_eq!(
        (summary.commands.total, summary.commands.unreadable),
        (1, 1)
    );
    assert_eq!(summary.commands.recent[0].sequence, 2);
    assert_eq!(
        (summary.edits.total, summary.unreadable_event_count),
        (1, 1)
    );
}

#[test]
fn long_sessions_are_cut_and_counted() {
    let (_dir, workspaces) = workspaces();
    let folder = workspaces
        .store
        .create(&record("00000000000a", Some("x")))
        .unwrap();
    for number in 0..30 {
        wrote(&folder, &number.to_string());
    }
    let long = "é".repeat(3000);
    drop(journal::begin(&folder, 1, &long, ExecutionMode::GuestSerial, 1.0).unwrap());
    let summary = workspaces.summary("x", None, &Cancel::default()).unwrap();
    assert_eq!((summary.edits.total, summary.edits.recent.len()), (30, 20));
    let newest = serde_json::to_value(&summary.edits.recent[0]).unwrap();
    assert_eq!(
        (&newest["kind"], &newest["path"]),
        (&"file_write".into(), &"29".into())
    );
    let shown = &summary.commands.recent[0].command;
    assert!(shown.chars().count() == 1001 && shown.ends_with('…'));
}

#[test]
fn a_page_is_written_once_and_no_folder_is_made_for_nothing() {
    let (dir, workspaces) = workspaces();
    workspaces
        .store
        .create(&record("00000000000a", Some("x")))
        .unwrap();
    let none = Cancel::default();
    let path = dir.path().join("new/page.html").display().to_string();
    let unknown = workspaces.summary("y", Some(&path), &none).unwrap_err();
    assert_eq!(unknown.code, "unknown_workspace");
    assert!(!dir.path().join("new").exists());
    let summary = workspaces.summary("x", Some(&path), &none).unwrap();
    assert_eq!(summary.html_path, Some(path.clone()));
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .ends_with("</html>\n")
    );
    let exists = workspaces.summary("x", Some(&path), &none).unwrap_err();
    assert_eq!(exists.code, "output_exists");
}
