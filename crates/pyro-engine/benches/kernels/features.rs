//! What a kernel can do, tried inside a guest of the real program.
//!
//! Owns: running `probe.py` and putting two of its reports side by side.

use pyro_engine::Layout;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PROBE: &str = include_str!("probe.py");

/// `feature, yes or no, detail`, in the probe's order; first the memory.
pub type Tried = Vec<(String, String, String)>;

pub fn tried(layout: &Layout, environment: &str) -> Tried {
    let program = std::env::var_os("PYRO_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/release/pyro"),
        PathBuf::from,
    );
    let mut child = Command::new(program)
        .args([
            "run",
            environment,
            "--timeout-seconds",
            "300",
            "--",
            "python3",
            "-",
        ])
        .env("PYRO_ENVIRONMENT_CACHE_DIR", &layout.cache)
        .env("PYRO_STATE_DIR", &layout.state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(PROBE.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            (part(), part(), part())
        })
        .collect()
}

/// Both reports as tables.
pub fn beside(minimal: &Tried, debian: &Tried) -> Vec<String> {
    let mut lines =
        vec!["\n| guest memory of 1024 MiB, KiB | minimal | debian |\n|---|---|---|".to_owned()];
    let memory = |report: &Tried, index: usize| {
        let numbers = report.first().map_or("", |(_, numbers, _)| numbers);
        numbers.split(' ').nth(index).unwrap_or("?").to_owned()
    };
    for (index, what) in ["MemTotal", "in use (MemTotal - MemAvailable)"]
        .iter()
        .enumerate()
    {
        lines.push(format!(
            "| {what} | {} | {} |",
            memory(minimal, index),
            memory(debian, index)
        ));
    }
    lines.push("\n| feature | minimal | debian |\n|---|---|---|".to_owned());
    let cell = |(_, answer, detail): &(String, String, String)| {
        if detail.is_empty() {
            answer.clone()
        } else {
            format!("{answer} ({detail})")
        }
    };
    for (ours, theirs) in minimal.iter().zip(debian).skip(1) {
        assert_eq!(ours.0, theirs.0, "one probe, one order");
        lines.push(format!(
            "| {} | {} | {} |",
            ours.0,
            cell(ours),
            cell(theirs)
        ));
    }
    lines
}
