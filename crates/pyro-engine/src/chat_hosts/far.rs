//! The machine on which ssh is to start the server.
//!
//! ```text
//! ssh's own words + BatchMode, ConnectTimeout --> `pyro --version` over there
//!    255: not reached | 127: no pyro | else: what its shell prints besides
//! ```
//!
//! Owns: what keeps a server over there from starting, or its host from
//! understanding it, in one line. Refuses: entries of a project's files, which
//! may be anybody's: asking would run their words.

use super::ask_host::{run, shortened};
use super::kept_words::{carried, is_program};
use pyro_vmm::program::on_path;
use std::path::PathBuf;

/// Nobody is there to be asked, and doctor waits 10 s for an answer.
const QUIET: [&str; 4] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=8"];
/// What ssh ends with when it is ssh that failed.
const OF_SSH: i32 = 255;
/// What a shell ends with when there is no such program.
const NO_PROGRAM: i32 = 127;

/// What was found out over there.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing to say.
    Ready,
    /// The server does not start, or its host cannot understand it.
    Obstacle(String),
    /// It starts, and something is odd.
    Odd(String),
}

/// Asks the machine of an entry's command; nothing for one of this machine.
pub fn ask(words: &[String]) -> Option<Found> {
    let carried = carried(words)?;
    let program = carried.program.first()?;
    // More than a program is somebody's own shell line.
    if carried.program.len() > 1 && !is_program(program, "uvx") {
        return None;
    }
    let ssh = match words[0].contains('/') {
        true => PathBuf::from(&words[0]),
        // What is missing here is said elsewhere.
        false => on_path(&words[0])?,
    };
    let own = &words[1..carried.ssh];
    let host = own.iter().rfind(|word| *word != "--")?;
    let remote = match program.strip_prefix("~/") {
        Some(rest) => format!("~/{} --version", shell_words::quote(rest)),
        None => format!("{} --version", shell_words::quote(program)),
    };
    let arguments: Vec<_> = (QUIET.into_iter())
        .chain(own.iter().map(String::as_str))
        .chain([&*remote])
        .collect();
    Some(match run(&ssh, &arguments, None) {
        Err(why) => Found::Obstacle(format!("ssh does not reach {host}: {why}")),
        Ok(ended) => {
            let code = ended.status.code();
            judge(host, program, code, &ended.stdout, &ended.stderr)
        }
    })
}

fn judge(host: &str, program: &str, code: Option<i32>, stdout: &str, stderr: &str) -> Found {
    let last = |text: &str| {
        let mut lines = text.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).map(shortened)
    };
    let said = || last(stderr).unwrap_or_else(|| "it says nothing".to_owned());
    match code {
        Some(0) => noise(host, program, stdout),
        Some(OF_SSH) => Found::Obstacle(format!("ssh does not reach {host}: {}", said())),
        Some(NO_PROGRAM) => Found::Obstacle(format!(
            "{host} has no {program} on the PATH of its commands: {}",
            said()
        )),
        _ => Found::Obstacle(format!("{program} does not start on {host}: {}", said())),
    }
}

/// What comes before the version, where the server's first frame will be.
fn noise(host: &str, program: &str, stdout: &str) -> Found {
    if !is_program(program, "pyro") {
        return Found::Ready;
    }
    let Some(at) = stdout.rfind("pyro ") else {
        return Found::Obstacle(format!(
            "{program} on {host} is another program: it says {:?}",
            shortened(stdout.trim())
        ));
    };
    let before = &stdout[..at];
    let Some(first) = before.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return Found::Ready;
    };
    let prints = format!(
        "the shell of {host} prints {:?} before pyro says anything",
        shortened(first)
    );
    match before.ends_with('\n') {
        // Hosts drop a line that is no frame.
        true => Found::Odd(prints),
        false => Found::Obstacle(format!(
            "{prints}, on the line of the server's first answer: let its profile print only \
             where a person sees it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_one_line() {
        let judge = |code, stdout, stderr| judge("box", "pyro", Some(code), stdout, stderr);
        assert_eq!(judge(0, "pyro 5.0.0\n", "a banner\n"), Found::Ready);
        for (code, stdout, stderr, expected) in [
            (
                255,
                "",
                "warned\nssh: no route\r\n\n",
                "ssh does not reach box: ssh: no route",
            ),
            (255, "", "", "ssh does not reach box: it says nothing"),
            (
                127,
                "",
                "sh: 1: pyro: not found\n",
                "box has no pyro on the PATH of its commands: sh: 1: pyro: not found",
            ),
            (126, "", "denied", "pyro does not start on box: denied"),
            (
                0,
                "fine\n",
                "",
                "pyro on box is another program: it says \"fine\"",
            ),
            (
                0,
                "> pyro 5\n",
                "",
                "the shell of box prints \">\" before pyro says anything, on the line of the server's first answer: let its profile print only where a person sees it",
            ),
        ] {
            assert_eq!(
                judge(code, stdout, stderr),
                Found::Obstacle(expected.to_owned())
            );
        }
        assert_eq!(
            judge(0, "\nhello\nyou\npyro 5\n", ""),
            Found::Odd("the shell of box prints \"hello\" before pyro says anything".to_owned())
        );
    }

    #[test]
    fn commands_of_this_machine_are_not_asked_about() {
        let words = ["pyro", "mcp", "serve"].map(str::to_owned);
        assert_eq!(ask(&words), None);
    }
}
