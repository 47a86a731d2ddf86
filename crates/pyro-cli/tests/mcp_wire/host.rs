//! A chat host of raw lines.
//!
//! Owns: a server with private state, its three streams, a call that is slow
//! without any guest, and looking for what it left. Refuses: understanding MCP
//! for a test; frames are written as they are.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server and what it says.
pub struct Host {
    pub folder: TempDir,
    pub server: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<String>,
    stderr: Receiver<String>,
    next: i64,
}

impl Host {
    /// Of `pyro mcp serve` with these words, in a folder without a project.
    pub fn start(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .args(["mcp", "serve"])
            .args(words)
            .env_clear()
            .env("PATH", format!("{}/bin:{path}", folder.path().display()))
            .env("HOME", folder.path())
            .env("PYRO_STATE_DIR", folder.path().join("state"))
            .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
            .current_dir(folder.path());
        Self::of(command, folder)
    }

    /// Of a command that starts a server.
    pub fn of(mut command: Command, folder: TempDir) -> Self {
        let mut server = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: server.stdin.take(),
            frames: lines(server.stdout.take().unwrap()),
            stderr: lines(server.stderr.take().unwrap()),
            folder,
            server,
            next: 0,
        }
    }

    /// One that has shaken hands as hosts of 2025-06-18 do.
    pub fn initialized(words: &[&str]) -> Self {
        Self::start(words).after_handshake()
    }

    pub fn after_handshake(mut self) -> Self {
        let answer = self.ask("initialize", initialize());
        assert_eq!(
            answer["result"]["protocolVersion"], "2025-06-18",
            "{answer}"
        );
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        self
    }

    /// Makes installing an environment take half a minute, so that a call that
    /// needs one is slow. The marker exists once it began.
    pub fn slow(&self) {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let program = bin.join("mmdebstrap");
        // What the builder sees of this host is another root.
        std::fs::write(&program, "#!/bin/sh\nexec sleep 30\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Begins the slow call; its id, once its work is under way.
    pub fn begin_slow(&mut self, meta: Value) -> i64 {
        let id = self.begin(
            "tools/call",
            json!({ "name": "workspace_create", "arguments": {}, "_meta": meta }),
        );
        let server = self.server.id();
        eventually("the slow work begins", || sleeper_below(server).is_some());
        id
    }

    pub fn raw(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    pub fn send(&mut self, frame: &Value) {
        self.raw(frame.to_string().as_bytes());
    }

    pub fn begin(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        self.send(
            &json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }),
        );
        self.next
    }

    /// A request and its answer; everything else that comes before is dropped.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)
    }

    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// The structure of a call that has to succeed.
    pub fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments);
        assert!(answer["result"]["isError"] != true, "{tool}: {answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// The text of a call that has to fail.
    pub fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments);
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{tool}: {answer}");
        // Strict clients refuse an error with structure.
        assert!(result["structuredContent"].is_null(), "{answer}");
        text(&answer).to_owned()
    }

    /// The same, with all of `words` in it.
    pub fn refused(&mut self, tool: &str, arguments: Value, words: &[&str]) -> String {
        let text = self.refusal(tool, arguments);
        for word in words {
            assert!(text.contains(word), "{tool}: no {word:?} in {text}");
        }
        text
    }

    pub fn answer(&mut self, id: i64) -> Value {
        loop {
            let frame = self.frame();
            if frame["id"] == id {
                return frame;
            }
        }
    }

    /// The next line of stdout.
    pub fn line(&mut self) -> String {
        match self.frames.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("no frame: {error}; stderr: {}", self.said()),
        }
    }

    /// The next frame; all of stdout has to be frames.
    pub fn frame(&mut self) -> Value {
        let line = self.line();
        let frame: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(frame["jsonrpc"], "2.0", "{frame}");
        frame
    }

    /// Whether nothing comes for so long.
    pub fn is_silent(&mut self, milliseconds: u64) -> bool {
        let patience = Duration::from_millis(milliseconds);
        matches!(
            self.frames.recv_timeout(patience),
            Err(RecvTimeoutError::Timeout)
        )
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.server.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// The next line of stderr.
    pub fn word(&self) -> String {
        self.stderr.recv_timeout(PATIENCE).unwrap()
    }

    /// How it ended, and what stderr had.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.server.try_wait().unwrap() {
                return (status, self.said());
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn said(&mut self) -> String {
        let ended = self.server.try_wait().unwrap().is_some();
        let mut said = String::new();
        loop {
            let next = if ended {
                self.stderr.recv_timeout(PATIENCE).ok()
            } else {
                self.stderr.try_recv().ok()
            };
            match next {
                Some(line) => said += &format!("{line}\n"),
                None => return said,
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Lines as they come, until the end.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "wire", "version": "1" },
    })
}

/// What each request of the stateless protocol carries.
pub fn modern() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// The text of a tool's result.
pub fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}

/// Processes of a slow work anywhere below `pid`: its workspace's supervisor
/// is one of its children until it says that it listens.
pub fn sleeper_below(pid: u32) -> Option<u32> {
    family(pid).into_iter().find(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x0030\0")
    })
}

fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        all.extend(children.flat_map(family));
    }
    all
}

pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
