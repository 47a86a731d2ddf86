//! `pyro mcp serve --http` as a client on the wire sees it: who is let in, both
//! eras of the protocol, and the end by a signal. No guest is needed.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LEGACY: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

struct Server {
    folder: TempDir,
    child: Child,
    stderr: BufReader<ChildStderr>,
    port: u16,
    token: String,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    /// The message, whether it came alone or as an event of a stream.
    fn message(&self) -> Value {
        let events = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        let messages = std::iter::once(self.body.as_str()).chain(events);
        let mut messages = messages.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let found = messages.find(|message| message.get("id").is_some());
        found.unwrap_or_else(|| panic!("no message: {} {}", self.head, self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Server {
    fn command(folder: &TempDir) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("pyro"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("PYRO_STATE_DIR", folder.path().join("state"))
            .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
            .current_dir(folder.path())
            .args(["mcp", "serve", "--http", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Self::command(&folder).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let greeting = line();
        assert!(greeting.starts_with("pyro mcp serve: workspace-core;"));
        let address = line();
        let port = address.strip_prefix("serving http://127.0.0.1:").unwrap();
        let port = port.strip_suffix("/mcp").unwrap().parse().unwrap();
        let file = line();
        let file = file
            .strip_prefix("token (Authorization: Bearer): ")
            .unwrap();
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let token = std::fs::read_to_string(file).unwrap().trim().to_owned();
        Self {
            folder,
            child,
            stderr,
            port,
            token,
        }
    }

    /// One request on a connection of its own.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!(
            "Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let all = String::from_utf8(all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn post(&self, more: &[(&str, &str)], message: &Value) -> Reply {
        let host = format!("127.0.0.1:{}", self.port);
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
        headers.extend(more);
        self.send("POST", "/mcp", &headers, &message.to_string())
    }

    fn end(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (status.code().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
    }})
}

#[test]
fn nobody_without_the_token_gets_in_and_no_page_of_a_browser() {
    let server = Server::start();
    let ask = |more: &[(&str, &str)]| server.post(more, &initialize()).status;
    assert_eq!(ask(&[]), 200);
    for wrong in ["Bearer wrong", "Bearer ", "Basic eDp5", ""] {
        assert_eq!(ask(&[("Authorization", wrong)]), 401, "{wrong:?}");
    }
    let own = format!("http://127.0.0.1:{}", server.port);
    assert_eq!(ask(&[("Origin", &own)]), 200);
    for origin in [
        "http://evil.example",
        "http://127.0.0.1:1",
        "null",
        "https://localhost",
    ] {
        assert_eq!(ask(&[("Origin", origin)]), 403, "{origin}");
    }
    // A name that an attacker points to 127.0.0.1 comes in Host.
    for host in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1:1",
        "169.254.169.254",
    ] {
        assert_eq!(ask(&[("Host", host)]), 403, "{host}");
    }
    let bearer = format!("Bearer {}", server.token);
    let host = format!("127.0.0.1:{}", server.port);
    let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
    assert_eq!(server.send("POST", "/", &headers, "").status, 404);
    let refused = server.send("GET", "/mcp", &headers[..1], "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn a_large_message_is_taken_and_one_beyond_the_bound_is_not() {
    let server = Server::start();
    let begun = server.post(&[], &initialize());
    let session = begun.header("mcp-session-id").unwrap();
    let more = [
        ("Mcp-Session-Id", session),
        ("Mcp-Protocol-Version", LEGACY),
    ];
    let call = |bytes: usize| {
        let arguments = json!({"workspace_id": "a", "path": "x", "text": "x".repeat(bytes)});
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": "workspace_file_write", "arguments": arguments
        }})
    };
    // As over standard input: what is too much of it is the tool's to say.
    let answer = server.post(&more, &call(8 << 20)).message();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {}\r\n\r\n",
        server.port,
        server.token,
        64 << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It is told before all of it has come, and may not take the rest.
    let mut sent = 0;
    while sent < 64 << 20 && stream.write_all(&[b' '; 1 << 16]).is_ok() {
        sent += 1 << 16;
    }
    let mut status = [0; 12];
    match stream.read_exact(&mut status) {
        Ok(()) => assert_eq!(&status, b"HTTP/1.1 413"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(sent < 64 << 20);
    assert_eq!(server.post(&[], &initialize()).status, 200);
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let server = Server::start();
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap())
        .collect();
    let began = Instant::now();
    assert_eq!(server.post(&[], &initialize()).status, 200);
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(silent);
}

#[test]
fn a_session_lists_calls_and_ends() {
    let server = Server::start();
    let begun = server.post(&[], &initialize());
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let hello = begun.message();
    assert_eq!(hello["result"]["serverInfo"]["name"], "pyro_mcp");
    let more = [
        ("Mcp-Session-Id", session.as_str()),
        ("Mcp-Protocol-Version", LEGACY),
    ];
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.post(&more, &initialized).status, 202);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let list = server.post(&more, &list).message();
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 17);
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
        "name": "workspace_list", "arguments": {}
    }});
    let called = server.post(&more, &call).message();
    assert_eq!(
        called["result"]["structuredContent"]["count"], 0,
        "{called}"
    );
    let wrong = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
        "name": "workspace_exec", "arguments": {"workspace_id": "a", "timeout_seconds": "9"}
    }});
    let refused = server.post(&more, &wrong).message();
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    let other = [
        ("Mcp-Session-Id", "unknown"),
        ("Mcp-Protocol-Version", LEGACY),
    ];
    assert_eq!(server.post(&other, &call).status, 404);
}

#[test]
fn the_stateless_era_needs_no_session() {
    let server = Server::start();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let list =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let more = [
        ("Mcp-Protocol-Version", STATELESS),
        ("Mcp-Method", "tools/list"),
    ];
    let list = server.post(&more, &list);
    assert_eq!(list.status, 200, "{}", list.body);
    assert_eq!(
        list.message()["result"]["tools"].as_array().unwrap().len(),
        17
    );
    assert_eq!(list.header("mcp-session-id"), None);
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "workspace_list", "arguments": {}, "_meta": meta
    }});
    let more = [
        ("Mcp-Protocol-Version", STATELESS),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "workspace_list"),
    ];
    let called = server.post(&more, &call).message();
    assert_eq!(
        called["result"]["structuredContent"]["count"], 0,
        "{called}"
    );
}

#[test]
fn term_ends_it_also_with_a_stream_open() {
    let server = Server::start();
    let begun = server.post(&[], &initialize());
    let session = begun.header("mcp-session-id").unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let ask = format!(
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n\
         Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\
         Mcp-Protocol-Version: {LEGACY}\r\n\r\n",
        server.port, server.token
    );
    stream.write_all(ask.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let began = Instant::now();
    let (code, rest) = server.end();
    assert_eq!((code, rest.as_str()), (128 + 15, ""));
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    let mut end = Vec::new();
    // The stream ends, whether with its last piece or at once.
    let _ = stream.read_to_end(&mut end);
}

#[test]
fn the_token_stays_and_one_that_others_read_is_refused() {
    let server = Server::start();
    let file = server.folder.path().join("state/mcp-token");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), server.token);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let output = Server::command(&server.folder).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("others may read it"), "{text}");
    assert!(text.contains("hint: remove it"), "{text}");
    assert!(!text.contains(&server.token));
}
