//! Workspaces without a machine: records, crashes, filters.

use super::snapshots::SnapshotName;
use super::*;

pub(super) fn record(id: &str, name: Option<&str>) -> Record {
    let wanted = NewWorkspace {
        environment: "debian:12".into(),
        vcpu_count: 1,
        mem_mib: 512,
        ttl_seconds: 600,
        disk_mib: 4096,
        backend: BackendChoice::Auto,
        name: name.map(str::to_owned),
        seed_path: None,
        project: None,
        secrets: Vec::new(),
        network: crate::network::NetworkSpec::default(),
        labels: BTreeMap::new(),
    };
    Record {
        workspace_id: id.to_owned(),
        phase: Phase::Stopped,
        ..Workspaces::first_record(&wanted).unwrap()
    }
}

fn run(command: &str) -> NewCommand<'_> {
    NewCommand {
        command,
        timeout_seconds: 30,
        secret_env: &[],
    }
}

pub(super) fn workspaces() -> (tempfile::TempDir, Workspaces) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout {
        cache: dir.path().join("cache"),
        state: dir.path().join("state"),
    };
    let workspaces = Workspaces::new(&layout);
    (dir, workspaces)
}

#[test]
fn a_dead_supervisor_leaves_a_stopped_workspace_and_a_half_made_one_goes() {
    let (_dir, workspaces) = workspaces();
    let mut died = record("00000000000a", Some("died"));
    died.phase = Phase::Started;
    workspaces.store.create(&died).unwrap();
    let mut half = record("00000000000b", None);
    half.phase = Phase::Creating;
    half.created_at -= 3600.0;
    workspaces.store.create(&half).unwrap();
    let list = workspaces.list(&Filter::default()).unwrap();
    assert_eq!(list.count, 1);
    let status = workspaces.status("died").unwrap();
    assert_eq!(status.state, WorkspaceState::Stopped);
    assert_eq!(status.stop_reason, Some(StopReason::SupervisorGone));
    assert!(status.last_error.is_some());
}

#[test]
fn while_its_lock_is_held_the_record_is_believed() {
    let (_dir, workspaces) = workspaces();
    let mut lives = record("00000000000a", None);
    lives.phase = Phase::Started;
    let folder = workspaces.store.create(&lives).unwrap();
    let _lock = folder.try_lock().unwrap().unwrap();
    let list = workspaces.list(&Filter::default()).unwrap();
    assert_eq!(list.workspaces[0].state, WorkspaceState::Started);
}

#[test]
fn filters_and_order() {
    let (_dir, workspaces) = workspaces();
    for (id, name, at) in [
        ("00000000000a", "a", 1.0),
        ("00000000000b", "b", 3.0),
        ("00000000000c", "c", 2.0),
    ] {
        let mut one = record(id, Some(name));
        one.last_activity_at = at;
        one.labels.insert("kind".into(), name.into());
        workspaces.store.create(&one).unwrap();
    }
    let names = |filter: &Filter| -> Vec<String> {
        let list = workspaces.list(filter).unwrap();
        list.workspaces
            .into_iter()
            .filter_map(|row| row.name)
            .collect()
    };
    assert_eq!(names(&Filter::default()), ["b", "c", "a"]);
    let by_label = Filter {
        labels: BTreeMap::from([("kind".into(), "c".into())]),
        ..Filter::default()
    };
    assert_eq!(names(&by_label), ["c"]);
    let running = Filter {
        state: Some(WorkspaceState::Started),
        ..Filter::default()
    };
    assert!(names(&running).is_empty());
}

#[test]
fn a_stopped_workspace_is_updated_stopped_and_deleted_without_a_supervisor() {
    let (_dir, workspaces) = workspaces();
    workspaces
        .store
        .create(&record("00000000000a", Some("x")))
        .unwrap();
    let update = Update {
        name: Some("y".into()),
        ..Update::default()
    };
    assert_eq!(
        workspaces.update("x", &update).unwrap().name.as_deref(),
        Some("y")
    );
    assert_eq!(
        workspaces.stop("y").unwrap().stop_reason,
        Some(StopReason::Requested)
    );
    let refused = workspaces
        .exec(
            "y",
            &run("true"),
            None,
            &crate::NoEvents,
            &Cancel::default(),
        )
        .unwrap_err();
    assert_eq!(refused.code, "wrong_state");
    assert!(workspaces.delete("y").unwrap().deleted);
    assert_eq!(
        workspaces.status("y").unwrap_err().code,
        "unknown_workspace"
    );
}

#[test]
fn snapshots_of_a_stopped_workspace_are_listed_and_deleted_and_parts_are_swept() {
    let (_dir, workspaces) = workspaces();
    let mut stopped = record("00000000000a", Some("x"));
    stopped.last_activity_at = 1.0;
    let folder = workspaces.store.create(&stopped).unwrap();
    let alone = workspaces.list_snapshots("x").unwrap();
    assert_eq!((alone.count, alone.snapshots[0].deletable), (1, false));
    let name = SnapshotName::parse("s").unwrap();
    let facts = snapshots::kept::Facts {
        created_at: 2.0,
        entry_count: 0,
        bytes_written: 0,
        disk_bytes: 4096,
    };
    let disk = folder.snapshots().begin(&name).unwrap();
    std::fs::write(disk, [1; 4096]).unwrap();
    folder.snapshots().complete(&name, &facts).unwrap();
    let half = folder
        .snapshots()
        .disk(&name)
        .with_file_name("h.ext4.partial");
    for left in [&half, &folder.fresh_scratch()] {
        std::fs::write(left, "part").unwrap();
    }
    assert_eq!(workspaces.list_snapshots("x").unwrap().count, 2);
    // Looking is no activity, and a copy takes space.
    let before = workspaces.status("x").unwrap();
    assert!((before.last_activity_at - 1.0).abs() < 0.1);
    assert!(before.disk_used_bytes >= 4096);
    let unknown = workspaces
        .delete_snapshot("x", "t", &crate::NoEvents)
        .unwrap_err();
    assert_eq!(unknown.code, "unknown_snapshot");
    assert!(!half.exists() && !folder.fresh_scratch().exists());
    let deleted = workspaces
        .delete_snapshot("x", " s ", &crate::NoEvents)
        .unwrap();
    assert_eq!(deleted.snapshot_name, "s");
    assert_eq!(workspaces.list_snapshots("x").unwrap().count, 1);
    assert!(workspaces.status("x").unwrap().last_activity_at > 1.5);
    // Refused before a supervisor is started for it.
    let refused = workspaces
        .reset("x", "s", &crate::NoEvents, &Cancel::default())
        .unwrap_err();
    assert_eq!(refused.code, "unknown_snapshot");
    assert_eq!(workspaces.status("x").unwrap().reset_count, 0);
}

#[test]
fn prune_takes_the_old_and_stopped_only() {
    let (_dir, workspaces) = workspaces();
    for (id, phase, hours) in [
        ("00000000000a", Phase::Stopped, 3.0),
        ("00000000000b", Phase::Stopped, 1.0),
        ("00000000000c", Phase::Started, 9.0),
    ] {
        let mut one = record(id, None);
        one.phase = phase;
        one.last_activity_at -= hours * 3600.0;
        workspaces.store.create(&one).unwrap();
    }
    let running = workspaces.store.folder("00000000000c");
    let _lock = running.try_lock().unwrap().unwrap();
    let rehearsal = workspaces.prune("2h", true).unwrap();
    assert_eq!(rehearsal.deleted_workspace_ids, ["00000000000a"]);
    assert_eq!(workspaces.list(&Filter::default()).unwrap().count, 3);
    assert_eq!(workspaces.prune("2h", false).unwrap().count, 1);
    assert_eq!(workspaces.list(&Filter::default()).unwrap().count, 2);
}

/// A fake, because no other version of pyro can be had here: a supervisor of
/// another protocol, which knows what never changes.
#[test]
fn an_older_supervisor_can_be_looked_at_and_nothing_else() {
    use pyro_proto::messages::Welcome;
    let (_dir, workspaces) = workspaces();
    let mut lives = record("00000000000a", Some("old"));
    lives.phase = Phase::Started;
    let folder = workspaces.store.create(&lives).unwrap();
    let _lock = folder.try_lock().unwrap().unwrap();
    let shown = serde_json::to_value(view::workspace(&lives, &folder, None)).unwrap();
    let socket = folder.file(client::SOCKET);
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = serde_json::json!({"answer": "done", "value": shown}).to_string();
            let link = pyro_proto::Link::new(connection.try_clone().unwrap());
            std::thread::spawn(move || {
                link.serve(
                    connection,
                    |hello| Welcome {
                        protocol: 0,
                        nonce: hello.nonce,
                        version: "4.9".into(),
                        configured: true,
                    },
                    |stream, _| stream.close(answer.as_bytes()).unwrap(),
                )
            });
        }
    });
    assert_eq!(
        workspaces.status("old").unwrap().name.as_deref(),
        Some("old")
    );
    let refused = workspaces
        .exec(
            "old",
            &run("true"),
            None,
            &crate::NoEvents,
            &Cancel::default(),
        )
        .unwrap_err();
    assert_eq!(refused.code, "supervisor_protocol");
    assert!(refused.message.contains("4.9") && refused.hint.is_some());
}

fn looked(
    workspaces: &Workspaces,
    wanted: &str,
    command_id: &str,
) -> Result<payloads::WorkspaceExec> {
    let look = Look {
        command_id: command_id.into(),
        wait_seconds: 0,
        cancel: false,
    };
    workspaces.look(wanted, &look, &crate::NoEvents, &Cancel::default())
}

fn begin(folder: &store::Folder, sequence: u64) -> journal::Recording {
    let mode = crate::vms::payloads::ExecutionMode::GuestSerial;
    journal::begin(folder, sequence, "make", mode, unix_now()).unwrap()
}

#[test]
fn a_command_of_a_dead_supervisor_is_lost_and_its_number_is_not_given_again() {
    let (_dir, workspaces) = workspaces();
    let mut died = record("00000000000a", Some("died"));
    died.phase = Phase::Started;
    died.reset_count = 2;
    died.command_count = 6;
    let folder = workspaces.store.create(&died).unwrap();
    begin(&folder, 7).stdout("half \u{20ac}".as_bytes());
    // While somebody holds the lock it is the supervisor's to tell.
    let lock = folder.try_lock().unwrap().unwrap();
    let running = journal::entry(&folder, 7).unwrap().unwrap();
    assert_eq!(running.state(), payloads::CommandState::Running);
    drop(lock);
    let lost = looked(&workspaces, "died", "c2-7").unwrap();
    assert_eq!(lost.state, payloads::CommandState::Lost);
    assert_eq!((lost.exit_code, lost.running), (None, false));
    assert_eq!(
        (lost.stdout.as_str(), lost.stdout_bytes),
        ("half \u{20ac}", 8)
    );
    assert!(lost.error.is_some());
    let status = workspaces.status("died").unwrap();
    assert_eq!(status.state, WorkspaceState::Stopped);
    assert_eq!((status.command_count, status.running_command_count), (7, 0));
    let logs = workspaces.logs("died", &Logs::default()).unwrap();
    assert_eq!(logs.entries[0].state, payloads::CommandState::Lost);
    assert_eq!(logs.entries[0].command_id, "c2-7");
}

#[test]
fn ids_of_before_a_reset_and_of_nothing_are_refused() {
    let (_dir, workspaces) = workspaces();
    let mut one = record("00000000000a", Some("x"));
    one.reset_count = 1;
    workspaces.store.create(&one).unwrap();
    for (id, code) in [
        ("c0-1", "unknown_command"),
        ("c1-1", "unknown_command"),
        ("1", "invalid_command_id"),
    ] {
        assert_eq!(looked(&workspaces, "x", id).unwrap_err().code, code, "{id}");
    }
    let logs = Logs {
        sequence: Some(1),
        ..Logs::default()
    };
    let error = workspaces.logs("x", &logs).unwrap_err();
    assert_eq!(error.code, "unknown_command");
}

#[test]
fn a_page_comes_without_the_rest_of_the_log() {
    let (_dir, workspaces) = workspaces();
    let folder = workspaces
        .store
        .create(&record("00000000000a", Some("x")))
        .unwrap();
    let mut recording = begin(&folder, 1);
    recording.stderr("aé€😀b".as_bytes());
    let started_at = recording.entry().started_at;
    let state = payloads::CommandState::Cancelled;
    recording
        .end(journal::Ended::unknown(
            state,
            started_at,
            started_at + 1.0,
            "why".into(),
        ))
        .unwrap();
    let logs = |offset, limit| {
        let logs = Logs {
            sequence: Some(1),
            stream: Some(payloads::LogStream::Stderr),
            offset: Some(offset),
            limit: Some(limit),
        };
        workspaces.logs("x", &logs)
    };
    // The page would end within the last character but one.
    let seen = logs(1, 8).unwrap();
    let page = seen.page.unwrap();
    assert_eq!((page.text.as_str(), page.next_offset), ("é€", Some(6)));
    assert!(page.complete && !page.lossy && page.total_bytes == 11);
    assert_eq!(seen.entries[0].stderr, "");
    assert_eq!(seen.entries[0].exit_code, None);
    let end = logs(6, 8).unwrap().page.unwrap();
    assert_eq!((end.text.as_str(), end.next_offset), ("😀b", None));
    let beyond = logs(1_000, 8).unwrap().page.unwrap();
    assert_eq!((beyond.text.as_str(), beyond.next_offset), ("", None));
    assert_eq!(logs(0, 0).unwrap_err().code, "out_of_range");
}
