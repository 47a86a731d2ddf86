//! What a tool's call costs over the operation itself.
//!
//! Prints pairs as the bench of starts does; each measurement is [`CALLS`]
//! calls, one after the other, of a workspace with a real guest. Run it by
//! `make bench`, or alone: `cargo bench --package pyro-mcp`. `PYRO_BIN` names
//! another program than the release build.
//!
//! | pair | baseline |
//! |---|---|
//! | a call through `pyro mcp serve`, over its pipes | the same through the facade |

#[path = "../../pyro-engine/benches/start/pairs.rs"]
mod pairs;

use pairs::Pair;
use pyro::{Context, Layout, Pyro, ops};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Calls of one measurement.
const CALLS: u32 = 100;

/// A server, and the facade on the same state.
struct Desk {
    pyro: Pyro,
    server: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    workspace: String,
    /// Removed last.
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        // Beside the build, not in a tmpfs.
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let folder = tempfile::tempdir_in(&target).expect("target is there");
        let mut layout = Layout::from_env().expect("places are known");
        layout.state = folder.path().join("state");
        let program = std::env::var_os("PYRO_BIN").map(PathBuf::from);
        let mut server = Command::new(program.unwrap_or_else(|| target.join("release/pyro")))
            .args(["mcp", "serve"])
            .env("PYRO_STATE_DIR", &layout.state)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("pyro runs");
        let mut desk = Self {
            pyro: Pyro::new(layout),
            stdin: server.stdin.take().expect("it is piped"),
            stdout: BufReader::new(server.stdout.take().expect("it is piped")),
            server,
            workspace: String::new(),
            _folder: folder,
        };
        let hello = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        desk.ask("initialize", &hello);
        let made = desk.call("workspace_create", &json!({ "mem_mib": 512 }));
        desk.workspace = made["structuredContent"]["workspace_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned();
        desk
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let frame = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(self.stdin, "{frame}").expect("it listens");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it answers");
        serde_json::from_str::<Value>(&line).expect("it is a frame")["result"].take()
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.ask(
            "tools/call",
            &json!({ "name": tool, "arguments": arguments }),
        );
        assert!(result["structuredContent"].is_object(), "{tool}: {result}");
        result
    }

    fn through_the_server(&mut self, tool: &str, arguments: &Value) -> Duration {
        let began = Instant::now();
        for _ in 0..CALLS {
            self.call(tool, arguments);
        }
        began.elapsed()
    }

    fn through_the_facade(&self, tool: &str, arguments: &Value) -> Duration {
        let row = ops::named(tool).expect("it is an operation");
        let began = Instant::now();
        for _ in 0..CALLS {
            (row.call)(&self.pyro, arguments.clone(), &Context::quiet()).expect("it succeeds");
        }
        began.elapsed()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let request = json!({ "workspace_id": self.workspace });
        if let Some(row) = ops::named("workspace_delete") {
            let _ = (row.call)(&self.pyro, request, &Context::quiet());
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(9);
    let show = |line: &str| writeln!(std::io::stdout(), "{line}").expect("stdout is open");
    show(pairs::HEADING);
    let desk = std::cell::RefCell::new(Desk::new());
    let workspace = json!({ "workspace_id": desk.borrow().workspace });
    for (tool, arguments) in [
        ("workspace_list", json!({})),
        ("workspace_status", workspace),
    ] {
        let pair = Pair::measure(
            rounds,
            || desk.borrow_mut().through_the_server(tool, &arguments),
            || desk.borrow().through_the_facade(tool, &arguments),
        );
        show(&pair.row(
            &format!("{CALLS} calls of {tool} over stdio"),
            "the facade",
            &format!("at most {CALLS} ms more"),
        ));
    }
}
