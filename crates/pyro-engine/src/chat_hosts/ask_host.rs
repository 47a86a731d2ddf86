//! Questions to hosts' programs, and to ssh.
//!
//! ```text
//! own process group, no stdin, output into unnamed files --> exit | deadline: the group is killed
//! ```
//!
//! Owns: the bound, so that a program that hangs, forks or never stops
//! writing holds nobody up. Refuses: believing the answer; callers parse it.

use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Hosts are large programs: one needs seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any of them prints.
const MOST_BYTES: u64 = 4 << 20;

/// How a program that was asked something ended.
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it answered.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// What a host printed before it ended well.
///
/// # Errors
/// Why there is no answer, in a few words.
pub fn ask(program: &Path, arguments: &[&str], cwd: Option<&Path>) -> Result<String, String> {
    let ended = run(program, arguments, cwd)?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let why = reason(&ended.stderr).map(shortened);
    Err(why.unwrap_or_else(|| ended.status.to_string()))
}

/// A line as long as a person reads it.
pub fn shortened(line: &str) -> String {
    line.chars().take(200).collect()
}

/// Runs it to its end.
///
/// # Errors
/// Why it did not come to one, in a few words.
pub fn run(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    cwd: Option<&Path>,
) -> Result<Ended, String> {
    let (mut stdout, mut stderr) = (file()?, file()?);
    let into = |file: &File| file.try_clone().map_err(|error| error.to_string());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(into(&stdout)?)
        .stderr(into(&stderr)?)
        // What was asked about is on this machine.
        .envs([
            ("DISABLE_TELEMETRY", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ])
        .process_group(0);
    if let Some(cwd) = cwd {
        command.current_dir(cwd);
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("{} does not start: {error}", program.display()))?;
    let ended = wait(&mut child, &stdout);
    // What it left running in its group is not wanted either.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    ended?;
    Ok(Ended {
        status,
        stdout: text(&mut stdout)?,
        stderr: text(&mut stderr)?,
    })
}

/// The line of a program's complaints that says why: warnings come before it.
fn reason(said: &str) -> Option<&str> {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| {
        let start: String = line.chars().take(5).collect();
        start.eq_ignore_ascii_case("error")
    };
    lines().find(is_error).or_else(|| lines().next())
}

fn file() -> Result<File, String> {
    tempfile::tempfile().map_err(|error| format!("no temporary file: {error}"))
}

fn wait(child: &mut Child, stdout: &File) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
            Ok(None) => {}
        }
        if Instant::now() > deadline {
            return Err(format!("no answer within {} s", PATIENCE.as_secs()));
        }
        if stdout
            .metadata()
            .is_ok_and(|metadata| metadata.len() > MOST_BYTES)
        {
            return Err(format!("an answer of more than {} MiB", MOST_BYTES >> 20));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(file: &mut File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first line of `--version`, if that is a short one.
pub fn version(program: &Path) -> Option<String> {
    let said = ask(program, &["--version"], None).ok()?;
    let line = said.lines().map(str::trim).find(|line| !line.is_empty())?;
    (line.len() < 100 && line.contains(|letter: char| letter.is_ascii_digit()))
        .then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn a_warning_is_no_reason() {
        let said = "WARNING: a pyro warning\n\nError: No MCP server named 'pyro' found.\n";
        assert_eq!(
            reason(said),
            Some("Error: No MCP server named 'pyro' found.")
        );
        assert_eq!(reason("\n oops \nmore"), Some("oops"));
        assert_eq!(reason("\n"), None);
    }
}
