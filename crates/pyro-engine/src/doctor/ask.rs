//! Questions to other programs.
//!
//! Owns: running one to its end within a bound.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No program asked here needs more than a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a program said.
pub struct Answer {
    pub stdout: String,
    pub failure: Option<String>,
}

impl Answer {
    pub fn failed(why: impl Into<String>) -> Self {
        Self {
            stdout: String::new(),
            failure: Some(why.into()),
        }
    }
}

/// Runs a program to its end and takes its output; a few KiB are expected,
/// which a pipe and this loop hold.
pub fn ask(program: &str, arguments: &[&str]) -> Answer {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Answer::failed(error.to_string()),
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Answer::failed(format!("no answer within {} s", PATIENCE.as_secs()));
            }
        }
    }
    match child.wait_with_output() {
        Err(error) => Answer::failed(error.to_string()),
        Ok(output) => Answer {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            failure: (!output.status.success()).then(|| {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                match text.lines().next().map(str::trim) {
                    Some(line) if !line.is_empty() => line.to_owned(),
                    _ => output.status.to_string(),
                }
            }),
        },
    }
}
