//! Ports of services: open when one is ready, closed when it is over.

use super::super::{Desk, supervisor};
use super::{ask_count, connect, is_closed, nobody_listens, signal};
use crate::machine::eventually;
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;

#[test]
fn ports_of_a_service_follow_its_state() {
    let desk = Desk::new();
    let id = desk.with_server("web");
    let start = |name: &str, flags: &[&str], line: &str| {
        let words = [&["service", "start", "web", name], flags].concat();
        desk.ask(&[&words, &["--", "exec", "sh", "-c", line][..]].concat())
    };
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let serve = "test -e die && exit 3; exec perl server.pl count 1000";
    let named = format!("{port}:1000");
    let flags = ["--ready-tcp", "localhost:1000", "--restart", "always"];
    let publish = ["--publish", &named, "--publish", "1000"];
    let (started, code) = start("one", &[&flags[..], &publish].concat(), serve);
    assert_eq!(
        (&started["state"], code),
        (&"running".into(), 0),
        "{started}"
    );
    let ports = started["published_ports"].as_array().unwrap().clone();
    assert_eq!(
        (ports.len(), &ports[0]["host_port"], &ports[0]["guest_port"]),
        (2, &port.into(), &1000.into())
    );
    let chosen = u16::try_from(ports[1]["host_port"].as_u64().unwrap()).unwrap();
    let both_answer = || [port, chosen].map(ask_count) == ["5 bytes\n", "5 bytes\n"];
    assert!(both_answer());
    assert_eq!(desk.port("web", port)["service_name"], "one");
    let status = desk.done(&["status", "web"]);
    assert_eq!(
        status["services"][0]["published_ports"],
        started["published_ports"]
    );
    assert_eq!(status["published_ports"][0]["service_name"], "one");
    // Looking at its log is no change of its state.
    desk.done(&["service", "logs", "web", "one"]);
    assert!(both_answer());
    let (error, code) = desk.ask(&["port", "unpublish", "web", &port.to_string()]);
    assert_eq!(
        (&error["error_kind"], code),
        (&"port_of_service".into(), 125)
    );
    // They stay while it is started again.
    let process = &desk.done(&["service", "status", "web", "one"])["pid"];
    desk.sh("web", &format!("kill {process}"));
    assert!(!nobody_listens(port));
    eventually("it runs again", || {
        let service = desk.done(&["service", "status", "web", "one"]);
        service["restart_count"] == 1 && !service["ready_at"].is_null()
    });
    assert!(both_answer());

    // A port of this host that is not free ends the service, and no port stays.
    let other = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let publish = ["--publish", &format!("{other}:1001"), "--publish", &named];
    let (failed, code) = start("two", &publish, "exec perl server.pl count 1001");
    assert_eq!(
        (&failed["state"], &failed["stop_reason"], code),
        (&"failed".into(), &"published_port_failed".into(), 1),
        "{failed}"
    );
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains(&port.to_string()),
        "{failed}"
    );
    assert_eq!(failed["published_ports"], Value::Array(Vec::new()));
    assert!(nobody_listens(other) && both_answer());
    assert_eq!(desk.count("web", "perl"), "1\n");

    // Stopped: closed when the call returns, with who is in.
    let mut open = connect(port);
    open.write_all(b"x").unwrap();
    let stopped = desk.done(&["service", "stop", "web", "one"]);
    assert_eq!(stopped["published_ports"], Value::Array(Vec::new()));
    assert!(nobody_listens(port) && nobody_listens(chosen) && is_closed(&mut open));
    assert_eq!(desk.done(&["port", "list", "web"])["count"], 0);
    // It ends by itself.
    let (_, code) = start("three", &["--publish", &named], "sleep 2");
    assert_eq!(code, 0);
    assert!(!nobody_listens(port));
    eventually("its port is closed", || nobody_listens(port));
    // The supervisor dies with it.
    let (_, code) = start("four", &["--publish", &named], "sleep 100");
    assert_eq!(code, 0);
    signal(supervisor(&id).unwrap(), Signal::KILL);
    eventually("its port is closed", || nobody_listens(port));
    let service = desk.done(&["service", "status", "web", "four"]);
    assert_eq!(
        (&service["state"], &service["published_ports"]),
        (&"stopped".into(), &Value::Array(Vec::new()))
    );
}
