//! Published ports: what passes through them, what stalls, and when they go.

mod services;

use super::{Desk, supervisor};
use crate::machine::{eventually, product_error, text, vmm_below};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SERVER: &str = include_str!("ports/server.pl");
/// A busy machine answers late; a hang is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sizes of `make soak`, else small ones.
fn size(variable: &str, small: usize) -> usize {
    std::env::var(variable).map_or(small, |text| text.parse().unwrap())
}

impl Desk {
    /// A workspace with the server in it.
    fn with_server(&self, name: &str) -> String {
        let id = self.create(name);
        self.done(&["file", "write", name, "server.pl", "--text", SERVER]);
        // It is needed again after the machine was killed.
        self.sh(name, "sync");
        id
    }

    /// Starts the server in a mode, and returns when it listens; its command's id.
    fn answer_on(&self, workspace: &str, mode: &str, port: u16, address: &str) -> String {
        let id = self.begin(
            workspace,
            &format!("exec perl server.pl {mode} {port} {address}"),
        );
        let listens = format!("grep -il ':{port:04X} .* 0A ' /proc/net/tcp /proc/net/tcp6");
        let line = format!("until {listens} > /dev/null; do sleep 0.1; done");
        self.sh(workspace, &line);
        id
    }

    fn publish(&self, workspace: &str, port: &str) -> u16 {
        let published = self.done(&["port", "publish", workspace, port]);
        assert_eq!(
            (&published["host"], &published["protocol"]),
            (&"127.0.0.1".into(), &"tcp".into())
        );
        u16::try_from(published["host_port"].as_u64().unwrap()).unwrap()
    }

    fn port(&self, workspace: &str, host_port: u16) -> Value {
        let list = self.done(&["port", "list", workspace]);
        let ports = list["ports"].as_array().unwrap();
        let found = ports.iter().find(|port| port["host_port"] == host_port);
        found.unwrap_or_else(|| panic!("{list}")).clone()
    }
}

fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn nobody_listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port))
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// A connection that ends without a byte, at once.
fn is_closed(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Says something, ends, and reads the answer to its end.
fn ask_count(port: u16) -> String {
    let mut socket = connect(port);
    socket.write_all(b"12345").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Bytes that differ from place to place.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16).wrapping_mul(31)) as u8)
        .collect()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn connections_pass_as_over_a_network() {
    let desk = Desk::new();
    desk.with_server("carry");
    desk.answer_on("carry", "count", 1000, "");
    let chosen = desk.publish("carry", "1000");
    // A free port, named by hand.
    let named = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    assert_eq!(desk.publish("carry", &format!("{named}:1000")), named);
    for port in [chosen, named] {
        assert_eq!(ask_count(port), "5 bytes\n");
    }
    // Nothing listens: closed, not hung, and counted.
    let nothing = desk.publish("carry", "9");
    let began = Instant::now();
    assert!(is_closed(&mut connect(nothing)));
    assert!(began.elapsed() < Duration::from_secs(5), "{began:?}");
    assert_eq!(desk.port("carry", nothing)["refused_count"], 1);

    // Both directions at once, through a service that listens on IPv6 only.
    desk.answer_on("carry", "echo", 1001, "::1");
    let echo = desk.publish("carry", "1001");
    let bytes = size("PYRO_PORT_MIB", 20) << 20;
    let began = Instant::now();
    let socket = connect(echo);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..bytes).step_by(1 << 18) {
                (&socket).write_all(&pattern(from, 1 << 18)).unwrap();
            }
            socket.shutdown(Shutdown::Write).unwrap();
        });
        let mut piece = vec![0; 1 << 18];
        for from in (0..bytes).step_by(1 << 18) {
            (&socket).read_exact(&mut piece).unwrap();
            assert!(piece == pattern(from, 1 << 18), "at {from}");
        }
        assert_eq!((&socket).read(&mut piece).unwrap(), 0);
    });
    eprintln!("{bytes} bytes there and back in {:?}", began.elapsed());

    // One that listens on an address of the guest's own and no other.
    let line = "ip link add d0 type dummy && ip addr add 10.9.8.7/24 dev d0 && \
                ip link set d0 up && ip route add default dev d0";
    desk.sh("carry", line);
    desk.answer_on("carry", "count", 1002, "10.9.8.7");
    assert_eq!(ask_count(desk.publish("carry", "1002")), "5 bytes\n");

    let list = desk.done(&["port", "list", "carry"]);
    assert_eq!(list["count"], 5, "{list}");
    let row = desk.port("carry", named);
    let facts = (
        &row["host"],
        &row["guest_port"],
        &row["protocol"],
        &row["service_name"],
    );
    assert_eq!(
        facts,
        (
            &"127.0.0.1".into(),
            &1000.into(),
            &"tcp".into(),
            &Value::Null
        ),
        "{row}"
    );
    assert_eq!(
        (&row["connection_count"], &row["accepted_count"]),
        (&0.into(), &1.into())
    );
    let status = desk.done(&["status", "carry"]);
    assert_eq!(status["published_ports"].as_array().unwrap().len(), 5);
    assert_eq!(status["stale"], false);
    let rows = desk.done(&["list"]);
    assert_eq!(rows["workspaces"][0]["published_port_count"], 5, "{rows}");
}

#[test]
fn what_is_refused_names_the_next_step() {
    let desk = Desk::new();
    let id = desk.with_server("refuse");
    let refused = |words: &[&str]| {
        let (error, code) = desk.ask(words);
        assert_eq!(code, 125, "{words:?}: {error}");
        error
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.port()));
    let (_held, taken) = taken.unwrap();
    let error = refused(&["port", "publish", "refuse", &format!("{taken}:80")]);
    assert_eq!(error["error_kind"], "port_in_use", "{error}");
    let (what, hint) = (error["error"].to_string(), error["hint"].to_string());
    assert!(what.contains(&taken.to_string()), "{error}");
    assert!(
        hint.contains(&format!("pyro workspace port publish {id} 80")),
        "{error}"
    );
    let port = desk.publish("refuse", "80");
    let again = refused(&["port", "publish", "refuse", &format!("{port}:80")]);
    assert_eq!(again["error_kind"], "port_published", "{again}");
    for wrong in ["80:80", "0", "70000", "web"] {
        let error = refused(&["port", "publish", "refuse", wrong]);
        assert_eq!(error["error_kind"], "invalid_port", "{error}");
    }
    let unknown = refused(&["port", "unpublish", "refuse", "2000"]);
    assert_eq!(unknown["error_kind"], "unknown_port", "{unknown}");

    // Unpublished: who is in goes as well, and the port is free at once.
    desk.answer_on("refuse", "echo", 80, "");
    let mut open = connect(port);
    open.write_all(b"x").unwrap();
    open.read_exact(&mut [0]).unwrap();
    let gone = desk.done(&["port", "unpublish", "refuse", &port.to_string()]);
    assert_eq!(
        (&gone["unpublished"], &gone["guest_port"]),
        (&true.into(), &80.into())
    );
    assert!(is_closed(&mut open) && nobody_listens(port));
    assert_eq!(desk.publish("refuse", &format!("{port}:80")), port);
    assert_eq!(desk.done(&["port", "list", "refuse"])["count"], 1);

    // Gone with the machine, and not opened again by itself.
    desk.done(&["stop", "refuse"]);
    assert!(nobody_listens(port));
    let stopped = refused(&["port", "publish", "refuse", "80"]);
    assert_eq!(stopped["error_kind"], "wrong_state", "{stopped}");
    assert_eq!(desk.done(&["port", "list", "refuse"])["count"], 0);
    desk.done(&["start", "refuse"]);
    assert!(nobody_listens(port));
    let status = desk.done(&["status", "refuse"]);
    assert_eq!(status["published_ports"], Value::Array(Vec::new()));
    let port = desk.publish("refuse", "80");
    desk.done(&["reset", "refuse"]);
    assert!(nobody_listens(port));
    let port = desk.publish("refuse", "80");
    desk.done(&["delete", "refuse"]);
    assert!(nobody_listens(port));
}

#[test]
fn connections_that_stall_hold_up_nobody_else() {
    let desk = Desk::new();
    desk.with_server("stall");
    let service = desk.answer_on("stall", "stall", 1000, "");
    desk.answer_on("stall", "count", 1001, "");
    let stall = desk.publish("stall", "1000");
    let count = desk.publish("stall", "1001");
    let many = size("PYRO_PORT_CONNECTIONS", 100);
    let block = vec![0; 1 << 16];
    let began = Instant::now();
    let kept: Vec<TcpStream> = (0..many)
        .map(|number| {
            let mut socket = connect(stall);
            // Neither side reads: one direction is full, of every second both.
            socket.set_nonblocking(true).unwrap();
            let mut sent = 0;
            while number % 2 == 0 && sent < 1 << 20 {
                match socket.write(&block) {
                    Ok(count) => sent += count,
                    Err(_) => break,
                }
            }
            socket
        })
        .collect();
    eprintln!("{many} stalled after {:?}", began.elapsed());
    let open = || {
        desk.port("stall", stall)["connection_count"]
            .as_u64()
            .unwrap()
    };
    eventually("all are open", || open() == many as u64);
    let began = Instant::now();
    desk.sh("stall", "true");
    eprintln!("exec true beside them: {:?}", began.elapsed());
    assert_eq!(ask_count(count), "5 bytes\n");
    // All at once, each with a little to say: as many as there may be.
    let room = (768 - many).min(many);
    let began = Instant::now();
    let mut asking: Vec<TcpStream> = (0..room).map(|_| connect(count)).collect();
    for socket in &mut asking {
        socket.write_all(b"1234567").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
    }
    for mut socket in asking {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "7 bytes\n");
    }
    eprintln!("{room} connections at once: {:?}", began.elapsed());
    let row = desk.port("stall", count);
    assert_eq!(row["refused_count"], 0, "{row}");
    eprintln!(
        "{}",
        desk.sh(
            "stall",
            "grep -E 'MemTotal|MemAvailable' /proc/meminfo; cat /proc/net/sockstat"
        )
    );

    // The clients are gone, and then the service.
    drop(kept);
    desk.done(&["exec", "stall", "--command-id", &service, "--cancel"]);
    eventually("none is open", || open() == 0);
    assert_eq!(ask_count(count), "5 bytes\n");
    assert!(is_closed(&mut connect(stall)));
}

#[test]
fn one_too_many_is_refused_and_counted_and_leaves_room_for_others() {
    let desk = Desk::new();
    // A supervisor that may open few files.
    let words = ["create", "debian:12", "--name", "few", "--mem-mib", "512"];
    let pyro = desk.place.pyro(&[&["workspace"], &words[..]].concat());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 300; exec \"$@\"", "sh"])
        .arg(pyro.get_program())
        .args(pyro.get_args())
        .env_clear()
        .envs(
            pyro.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let output = limited.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    desk.done(&["file", "write", "few", "server.pl", "--text", SERVER]);
    desk.answer_on("few", "stall", 1000, "");
    let port = desk.publish("few", "1000");
    let open: Vec<TcpStream> = (0..60).map(|_| connect(port)).collect();
    eventually("all are taken in", || {
        desk.port("few", port)["accepted_count"] == 60
    });
    let row = desk.port("few", port);
    assert_eq!(
        (&row["connection_count"], &row["refused_count"]),
        (&44.into(), &16.into()),
        "{row}"
    );
    desk.sh("few", "true");
    drop(open);
    let none_open = || desk.port("few", port)["connection_count"] == 0;
    eventually("they are gone", none_open);
    let mut again = connect(port);
    again.read_exact(&mut [0]).unwrap();
}

#[test]
fn listeners_belong_to_the_machine() {
    let desk = Desk::new();
    let id = desk.with_server("life");
    // Whoever published it is killed; by then it is the workspace's.
    let mut client = desk
        .place
        .pyro(&["workspace", "port", "publish", "life", "1000"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is published", || {
        desk.done(&["port", "list", "life"])["count"] == 1
    });
    let _ = client.kill();
    client.wait().unwrap();
    let list = desk.done(&["port", "list", "life"]);
    let port = u16::try_from(list["ports"][0]["host_port"].as_u64().unwrap()).unwrap();
    desk.answer_on("life", "echo", 1000, "");
    let talk = || {
        let mut open = connect(port);
        open.write_all(b"x").unwrap();
        open.read_exact(&mut [0]).unwrap();
        open
    };
    let mut open = talk();

    // A supervisor that is held up says nothing; what it wrote down is told.
    let held = supervisor(&id).unwrap();
    signal(held, Signal::STOP);
    let began = Instant::now();
    let status = desk.done(&["status", "life"]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(
        (&status["stale"], &status["state"]),
        (&true.into(), &"started".into()),
        "{status}"
    );
    assert_eq!(status["published_ports"][0]["host_port"], port);
    let shown = desk.place.pyro(&["workspace", "status", "life"]).output();
    let shown = text(&shown.unwrap().stdout);
    assert!(shown.contains("stale"), "{shown}");
    let began = Instant::now();
    let list = desk.done(&["list"]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    let row = &list["workspaces"][0];
    assert_eq!(
        (&row["stale"], &row["published_port_count"]),
        (&true.into(), &1.into()),
        "{row}"
    );
    signal(held, Signal::CONT);
    assert_eq!(desk.done(&["status", "life"])["stale"], false);
    assert_eq!(desk.done(&["list"])["workspaces"][0]["stale"], false);

    // The supervisor dies: the listener and the connections with it.
    signal(held, Signal::KILL);
    eventually("its listener is gone", || nobody_listens(port));
    assert!(is_closed(&mut open));
    assert_eq!(desk.done(&["port", "list", "life"])["count"], 0);
    // A call starts it again, and says what is gone.
    let output = desk
        .place
        .pyro(&["workspace", "port", "publish", "life", "1000"])
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).contains("published ports are gone"),
        "{}",
        text(&output.stderr)
    );
    // The machine dies.
    let list = desk.done(&["port", "list", "life"]);
    let port = u16::try_from(list["ports"][0]["host_port"].as_u64().unwrap()).unwrap();
    desk.answer_on("life", "echo", 1000, "");
    let mut open = connect(port);
    open.write_all(b"x").unwrap();
    open.read_exact(&mut [0]).unwrap();
    signal(vmm_below(supervisor(&id).unwrap()).unwrap(), Signal::KILL);
    assert!(is_closed(&mut open));
    eventually("its listener is gone", || nobody_listens(port));
    desk.done(&["stop", "life"]);
    let output = desk
        .place
        .pyro(&["workspace", "port", "publish", "life", "1000", "--json"])
        .output()
        .unwrap();
    assert_eq!(product_error(&output)["error_kind"], "wrong_state");
}

/// Two minutes and more, so for `make soak`.
#[test]
fn bytes_are_use_and_an_open_connection_is_none() {
    if std::env::var_os("PYRO_PORT_IDLE").is_none() {
        return eprintln!("skipped: PYRO_PORT_IDLE is not set");
    }
    let desk = Desk::new();
    let words = ["create", "debian:12", "--name", "idle", "--mem-mib", "512"];
    desk.done(&[&words[..], &["--ttl-seconds", "60"]].concat());
    desk.done(&["file", "write", "idle", "server.pl", "--text", SERVER]);
    // Not as a command, which would be use itself.
    let flags = ["--ready-tcp", "localhost:1000", "--publish", "1000"];
    let words = [&["service", "start", "idle", "echo"], &flags[..]].concat();
    let started = desk.done(
        &[
            &words,
            &["--", "exec", "perl", "server.pl", "echo", "1000"][..],
        ]
        .concat(),
    );
    let port = started["published_ports"][0]["host_port"].as_u64().unwrap();
    let mut open = connect(u16::try_from(port).unwrap());
    let state = || desk.done(&["list"])["workspaces"][0]["state"].clone();
    for _ in 0..18 {
        std::thread::sleep(Duration::from_secs(5));
        open.write_all(b"x").unwrap();
        open.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(state(), "started");
    let began = Instant::now();
    assert!(
        is_closed(&mut open) || began.elapsed() >= PATIENCE,
        "it says something"
    );
    eventually("it is powered off", || state() == "stopped");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(50), "{took:?}");
    assert_eq!(desk.done(&["status", "idle"])["stop_reason"], "idle");
}
