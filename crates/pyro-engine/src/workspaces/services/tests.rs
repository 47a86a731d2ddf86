//! Services without a machine: what is refused, records, crashes.

use super::payloads::{RestartPolicy, ServiceStopReason};
use super::record as records;
use super::*;
use crate::workspaces::tests::{record, workspaces};
use records::Room;

fn new(name: &str) -> NewService {
    NewService {
        name: name.into(),
        command: "true".into(),
        cwd: "/workspace".into(),
        readiness: WantedReadiness::default(),
        ready_timeout_seconds: 30,
        ready_interval_ms: 500,
        restart: RestartPolicy::No,
        max_restarts: 5,
        health_interval_seconds: None,
        ports: Vec::new(),
        secret_env: Vec::new(),
    }
}

fn service(name: &str) -> Service {
    let text = serde_json::json!({
        "workspace_id": "00000000000a", "service_name": name, "state": "running",
        "command": "x", "cwd": "/workspace", "started_at": 1.0, "ended_at": null,
        "exit_code": null, "signal": null, "pid": 7, "execution_mode": "guest_serial",
        "readiness": {"type": "tcp", "address": "localhost:80"}, "ready_at": 2.0,
        "stop_reason": null, "error": null, "not_ready_because": null,
        "published_ports": [], "restart_policy": "no", "max_restarts": 5, "restart_count": 0,
        "health_interval_seconds": null, "healthy": null,
    });
    serde_json::from_value(text).unwrap()
}

#[test]
fn what_cannot_be_started_is_refused_on_every_door() {
    let refused = |service: NewService, code: &str| {
        assert_eq!(service.checked().unwrap_err().code, code, "{service:?}");
    };
    for name in ["", "-a", "a/b", ".a", "a\nb", &"a".repeat(65)] {
        refused(new(name), "invalid_name");
    }
    let zero = |change: fn(&mut NewService)| {
        let mut service = new("a");
        change(&mut service);
        service
    };
    refused(zero(|one| one.ready_timeout_seconds = 0), "out_of_range");
    refused(zero(|one| one.ready_interval_ms = 0), "out_of_range");
    refused(zero(|one| one.max_restarts = 1001), "out_of_range");
    refused(zero(|one| one.command = " ".into()), "empty_command");
    refused(zero(|one| one.command = "a\0".into()), "invalid_command");
    refused(
        zero(|one| one.command = "a".repeat(131_072)),
        "invalid_command",
    );
    refused(zero(|one| one.cwd = "/etc".into()), "invalid_path");
    refused(
        zero(|one| {
            one.readiness.file = Some("a".into());
            one.readiness.tcp = Some("localhost:1".into());
        }),
        "conflict",
    );
    let port = |host_port| crate::workspaces::ports::PortWish {
        guest_port: 80,
        host_port,
    };
    let ports = |ports: &[Option<u16>]| NewService {
        ports: ports.iter().copied().map(port).collect(),
        ..new("a")
    };
    refused(ports(&[Some(80)]), "invalid_port");
    refused(ports(&[Some(8080), None, Some(8080)]), "conflict");
    assert!(ports(&[Some(8080), None, None]).checked().is_ok());
    let twice = crate::workspaces::secrets::SecretEnv {
        secret: "TOKEN".into(),
        env_var: "TOKEN".into(),
    };
    let twice = NewService {
        secret_env: vec![twice.clone(), twice],
        ..new("a")
    };
    refused(twice, "invalid_secret_env");
    let good = new(" web.1 ").checked().unwrap();
    assert_eq!(
        (good.name.as_str(), good.cwd.as_str()),
        ("web.1", "/workspace")
    );
}

#[test]
fn a_crash_leaves_stopped_services_with_the_reason_and_their_logs() {
    let (_dir, workspaces) = workspaces();
    let mut died = record("00000000000a", Some("died"));
    died.phase = crate::workspaces::state::Phase::Started;
    let folder = workspaces.store.create(&died).unwrap();
    let room = || Room::open(&folder).unwrap();
    room().save(&service("web")).unwrap();
    let mut ended = service("once");
    ended.state = ServiceState::Exited;
    ended.exit_code = Some(3);
    room().save(&ended).unwrap();
    log::Log::create(room(), &folder, "web", LogStream::Stdout).push(b"one\ntwo\n");
    std::fs::write(folder.file("services/torn.json"), "{").unwrap();
    std::fs::write(
        folder.file("services/other.json"),
        serde_json::to_vec(&ended).unwrap(),
    )
    .unwrap();

    let list = workspaces.list_services("died").unwrap();
    assert_eq!((list.count, list.running_count), (2, 0));
    let names: Vec<_> = list
        .damaged
        .iter()
        .map(|one| one.service_name.as_str())
        .collect();
    assert_eq!(names, ["other", "torn"]);
    let web = &list.services[1];
    assert_eq!(
        (web.state, web.stop_reason, web.pid),
        (
            ServiceState::Stopped,
            Some(ServiceStopReason::WorkspaceStopped),
            None
        )
    );
    assert!(web.error.as_ref().unwrap().contains("supervisor"));
    assert_eq!(list.services[0].exit_code, Some(3));
    // Written down, not only shown.
    let on_record = records::load(&folder, "web").unwrap().unwrap();
    assert_eq!(
        (on_record.state, on_record.stdout_bytes),
        (ServiceState::Stopped, 8)
    );
    let logs = WantedServiceLogs {
        tail_lines: Some(1),
        ..WantedServiceLogs::default()
    };
    let logs = workspaces.logs_service("died", "web", &logs).unwrap();
    assert_eq!((logs.stdout.as_str(), logs.truncated), ("two\n", true));
    let status = workspaces.status("died").unwrap();
    assert_eq!((status.service_count, status.running_service_count), (2, 0));
    let all = workspaces
        .list(&crate::workspaces::Filter::default())
        .unwrap();
    assert_eq!(all.workspaces[0].service_count, 2);
    assert_eq!(
        workspaces.status_service("died", "torn").unwrap_err().code,
        "damaged_record"
    );
    assert_eq!(
        workspaces.status_service("died", "no").unwrap_err().code,
        "unknown_service"
    );
    // Stopping what is stopped changes nothing.
    let stopped = workspaces.stop_service("died", "once").unwrap();
    assert_eq!(stopped.state, ServiceState::Exited);
}

#[test]
fn pages_of_a_log_are_the_log() {
    let (_dir, workspaces) = workspaces();
    let folder = workspaces
        .store
        .create(&record("00000000000a", None))
        .unwrap();
    let room = || Room::open(&folder).unwrap();
    let mut ended = service("web");
    ended.state = ServiceState::Exited;
    room().save(&ended).unwrap();
    let text = "zwölf €\n".repeat(50);
    log::Log::create(room(), &folder, "web", LogStream::Stderr).push(text.as_bytes());
    let (mut got, mut offset) = (String::new(), Some(0));
    while let Some(from) = offset {
        let wanted = WantedServiceLogs {
            stream: Some(LogStream::Stderr),
            offset: Some(from),
            limit: Some(7),
            ..WantedServiceLogs::default()
        };
        let logs = workspaces
            .logs_service("00000000000a", "web", &wanted)
            .unwrap();
        let page = logs.page.unwrap();
        assert!(page.complete && !page.lossy && logs.stdout.is_empty());
        got.push_str(&page.text);
        offset = page.next_offset;
    }
    assert_eq!(got, text);
}
