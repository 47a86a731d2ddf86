//! `pyro host doctor`: whether each host knows the server.
//!
//! ```text
//! codex        codex mcp get pyro --json  --+
//! opencode     opencode debug config      --+-- no usable answer --> its files, and a word about it
//! claude-code  its files: its own `mcp get` starts the server and prints prose
//! ```
//!
//! Owns: a report per host of what was found and how it was judged. Refuses:
//! writing, starting the server.

mod answer;
mod found;
mod verdict;

use self::answer::ask_it;
use self::found::Found;
use self::verdict::{Case, Verdict};
use super::Wish;
use super::ask_host;
use super::connect::shown;
use super::host::{Host, SERVER, Scope};
use super::kept_words;
use super::payloads::{HostReport, HostsReport, Status};
use super::places::Surroundings;
use super::plugin;
use super::survey::{Among, State, Surveyed, choose, survey};
use crate::error::Result;
use pyro_vmm::program::on_path;

/// Looks at all hosts at once; each has seconds to answer.
///
/// # Errors
/// When there is no command for the server. A host's trouble is in its report.
pub fn report(
    wish: &Wish,
    around: &Surroundings,
    project_problem: Option<String>,
) -> Result<HostsReport> {
    let server_command = wish.server_command(Scope::User)?;
    let looked: Vec<_> = std::thread::scope(|scope| {
        let asked = Host::ALL.map(|host| scope.spawn(move || look(host, wish, around)));
        let answers = asked.into_iter().map(|one| {
            // A thread that panicked has said so on stderr.
            one.join()
                .unwrap_or_else(|_| unreachable!("a host's report"))
        });
        answers.collect::<Result<_>>()
    })?;
    let issues = looked
        .iter()
        .filter(|(one, obstacle)| match one.status {
            Status::Unavailable => false,
            Status::Ok => obstacle.is_some(),
            Status::Drifted | Status::Missing => true,
        })
        .map(|(one, _)| {
            let remedy = match one.repairable {
                true => format!("; {}", one.repair_command),
                false => String::new(),
            };
            format!("{}: {}{remedy}", one.host.name(), one.details)
        })
        .chain(project_problem.clone())
        .collect();
    let hosts = looked.into_iter().map(|(one, _)| one).collect();
    Ok(HostsReport {
        server_command,
        hosts,
        project_problem,
        issues,
    })
}

/// A host's report, and what keeps a right entry from working.
fn look(host: Host, wish: &Wish, around: &Surroundings) -> Result<(HostReport, Option<String>)> {
    let program = on_path(host.program());
    let config_path = wish.config_path.as_deref();
    let (surveyed, trouble) = match survey(host, around, config_path) {
        Ok(surveyed) => (surveyed, None),
        Err(error) => (Vec::new(), Some(error.message)),
    };
    let (home, scopes) = (host.scopes()[0], host.scopes());
    let chosen = choose(&surveyed, scopes, home, Among::All).map(|index| &surveyed[index]);
    let idle = chosen.and_then(|chosen| chosen.idle.clone());
    let (answer, version) = std::thread::scope(|scope| {
        let version = scope.spawn(|| program.as_deref().and_then(ask_host::version));
        // It says nothing of another file, nor of an entry that it does not use.
        let asked = (config_path.is_none() || host != Host::OpenCode) && idle.is_none();
        let program = program.as_deref().filter(|_| asked);
        let answer = program.and_then(|program| ask_it(host, program, around, chosen));
        (answer, version.join().unwrap_or_default())
    });
    let broken = chosen.and_then(Surveyed::trouble).or(trouble);
    let plugin = plugin::name(host, around);
    let is_broken = broken.is_some();
    let found = Found::of(host, around, chosen, answer, plugin.as_deref(), is_broken);
    let scope = chosen.map_or(home, |chosen| chosen.place.scope);
    let kept = kept_words::server_command(wish, scope, found.entry.as_ref())?;
    let case = Case {
        host,
        wish,
        around,
        scope,
        wanted: &host.entry(&kept),
        idle,
    };
    let Verdict {
        status,
        obstacle,
        repairable,
        mut details,
    } = case.judge(&found, broken.as_deref());
    let (installed, configured) = (program.is_some(), found.entry.is_some());
    let status = match (installed, host, configured) {
        (true, ..) | (false, Host::OpenCode, true) => status,
        (false, ..) => Status::Unavailable,
    };
    details.extend(others(&surveyed, chosen));
    // The host starts nothing then, however right its entry is.
    let said = match (&obstacle, status) {
        (Some(obstacle), Status::Ok | Status::Drifted) => {
            format!("the entry is right, but {obstacle}")
        }
        _ => headline(host, status, installed, configured),
    };
    details.insert(0, said);
    let place = chosen.filter(|_| found.is_of_place && (configured || is_broken));
    let report = HostReport {
        host,
        installed,
        configured,
        status,
        details: details.join("; "),
        repair_command: repair_command(host, wish, scope),
        repairable,
        host_version: version,
        config_path: place.map(|chosen| shown(&chosen.place.path)),
        scope: configured.then_some(scope),
        source: found.source,
    };
    Ok((report, obstacle))
}

fn headline(host: Host, status: Status, installed: bool, configured: bool) -> String {
    let program = host.program();
    match status {
        Status::Ok if installed => format!("{program} starts this server"),
        Status::Ok => format!("the entry is right, but {program} is not on PATH"),
        Status::Drifted if configured => format!("{program} has another entry"),
        Status::Drifted => format!("{program} cannot read its configuration"),
        Status::Missing => format!("{program} has no entry {SERVER}"),
        Status::Unavailable => format!("{program} is not on PATH"),
    }
}

/// Entries that do not count, and files that nobody can read.
fn others(surveyed: &[Surveyed], chosen: Option<&Surveyed>) -> Vec<String> {
    let Some(chosen) = chosen else {
        return Vec::new();
    };
    let named = |one: &Surveyed| {
        let (scope, path) = (one.place.scope.name(), one.place.path.display());
        format!("its {scope} entry in {path}")
    };
    surveyed
        .iter()
        .filter(|one| !std::ptr::eq(*one, chosen))
        .filter_map(|one| match (&one.state, &one.idle) {
            (State::With(_), Some(idle)) if chosen.idle.is_none() => {
                Some(format!("{} is not used: {idle}", named(one)))
            }
            (State::With(_), _) => Some(format!(
                "{} is hidden by the {} one in {}",
                named(one),
                chosen.place.scope.name(),
                chosen.place.path.display()
            )),
            _ => one
                .trouble()
                .filter(|_| one.place.path != chosen.place.path),
        })
        .collect()
}

fn repair_command(host: Host, wish: &Wish, scope: Scope) -> String {
    let mut words = ["pyro", "host", "repair", host.name()]
        .map(str::to_owned)
        .to_vec();
    if scope != host.scopes()[0] {
        words.extend(["--scope".to_owned(), scope.name().to_owned()]);
    }
    if let Some(path) = wish
        .config_path
        .as_deref()
        .filter(|_| host == Host::OpenCode)
    {
        words.extend(["--config-path".to_owned(), shown(path)]);
    }
    words.extend(wish.flags.iter().cloned());
    shell_words::join(words)
}
