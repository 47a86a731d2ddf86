//! What a host waits for before its model has tools.
//!
//! Prints pairs as the bench of starts does. Run it by `make bench`, or alone:
//! `cargo bench --package pyro-mcp --bench start`. `PYRO_BIN` names another
//! program than the release build.
//!
//! | pair | baseline |
//! |---|---|
//! | start, `initialize`, `tools/list` answered | `pyro --version` |

#[path = "../../pyro-engine/benches/start/pairs.rs"]
mod pairs;

use pairs::Pair;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Desk {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Desk {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .env("PYRO_STATE_DIR", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    fn version(&self) -> Duration {
        let began = Instant::now();
        let output = self.command(&["--version"]).output().expect("pyro runs");
        assert!(output.status.success());
        began.elapsed()
    }

    /// Until the last byte of the list is there.
    fn listed(&self, profile: &str, tools: usize) -> Duration {
        let began = Instant::now();
        let mut server = self
            .command(&["mcp", "serve", "--profile", profile])
            .spawn()
            .expect("pyro runs");
        let mut stdin = server.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(server.stdout.take().expect("it is piped"));
        let mut answer = |message: &Value| {
            writeln!(stdin, "{message}").expect("it listens");
            let mut line = String::new();
            stdout.read_line(&mut line).expect("it answers");
            line
        };
        answer(
            &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"}
            }}),
        );
        let list = answer(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
        let took = began.elapsed();
        let list: Value = serde_json::from_str(&list).expect("it is a frame");
        let listed = list["result"]["tools"].as_array().map(Vec::len);
        assert_eq!(listed, Some(tools), "{list}");
        drop(stdin);
        server.wait().expect("it ends");
        took
    }
}

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let program = std::env::var_os("PYRO_BIN").map(PathBuf::from);
    let desk = Desk {
        program: program.unwrap_or_else(|| target.join("release/pyro")),
        folder: tempfile::tempdir().expect("a folder can be made"),
    };
    let show = |line: &str| writeln!(std::io::stdout(), "{line}").expect("stdout is open");
    show(pairs::HEADING);
    for (profile, tools) in [("workspace-core", 17), ("workspace-full", 44)] {
        let pair = Pair::measure(rounds, || desk.listed(profile, tools), || desk.version());
        let what = format!("server started, tools of {profile} listed");
        show(&pair.row(&what, "`pyro --version`", "at most 15 ms"));
    }
}
