//! `pyro host doctor`: whether each host knows the server.
//!
//! ```text
//! codex        codex mcp get pyro --json  --+
//! opencode     opencode debug config      --+-- no usable answer --> its files, and a word about it
//! claude-code  its files: its own `mcp get` starts the server and prints prose
//! ```
//!
//! Owns: the comparison of the entry that wins with the wanted one, in words;
//! what an administrator or another machine has to say to a right one.
//! Refuses: writing, starting the server.

use super::Wish;
use super::ask_host::{self, ask};
use super::connect::shown;
use super::far;
use super::host::{Host, SERVER, Scope};
use super::kept_words::{self, carried, command_words, is_there};
use super::managed::{self, Origin};
use super::payloads::{HostReport, HostsReport, Status};
use super::places::Surroundings;
use super::plugin;
use super::survey::{Among, State, Surveyed, choose, survey};
use crate::error::Result;
use pyro_vmm::program::on_path;
use serde_json::{Map, Value};
use std::path::Path;

const FILES: &str = "files";

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
        .filter_map(|(one, obstacle)| {
            let remedy = match (one.status, obstacle) {
                (Status::Unavailable, _) | (Status::Ok, None) => return None,
                // No repair takes it away.
                (_, Some(_)) => String::new(),
                (Status::Drifted | Status::Missing, None) => format!("; {}", one.repair_command),
            };
            Some(format!("{}: {}{remedy}", one.host.name(), one.details))
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
        let answer = program.and_then(|program| answer(host, program, around, chosen));
        (answer, version.join().unwrap_or_default())
    });
    let mut details = Vec::new();
    let mut source = FILES.to_owned();
    let from_file = match chosen.map(|chosen| &chosen.state) {
        Some(State::With(entry)) => Some(entry.clone()),
        _ => None,
    };
    let mut refusal = None;
    let entry = match answer {
        Some(Answer::Says(command, entry)) => {
            source = command.to_owned();
            refusal = entry.as_ref().and_then(switched_off);
            entry
        }
        Some(Answer::Useless(why)) => {
            details.push(format!("{why}; its files were read instead"));
            from_file.clone()
        }
        None => from_file.clone(),
    };
    let broken = chosen.and_then(Surveyed::trouble).or(trouble);
    let mut place = chosen;
    let plugin = plugin::name(host, around);
    let mut origin = Origin::Own;
    let entry = match (plugin.as_deref(), entry) {
        (Some(name), None) if broken.is_none() => {
            source = format!("plugin {name}");
            origin = Origin::Plugin(name);
            place = None;
            Some(plugin::entry())
        }
        (Some(name), Some(entry)) => {
            details.push(plugin::beside(name));
            Some(entry)
        }
        (_, entry) => entry,
    };
    // The only file that counts, where there is one; without pyro it refuses.
    let entry = match managed::exclusive(host, around) {
        Some((path, Some(entry))) => {
            source = shown(&path);
            origin = Origin::Managed;
            place = None;
            Some(entry)
        }
        _ => entry,
    };
    let scope = chosen.map_or(home, |chosen| chosen.place.scope);
    let wanted = host.entry(&kept_words::server_command(wish, scope, entry.as_ref())?);
    let mut obstacle = None;
    let status = match (&entry, &broken) {
        (Some(entry), _) => {
            let mut drift = wanted.drift(entry);
            if drift.iter().any(|one| one.contains("\"serve\"")) {
                drift.push("give doctor the flags it was connected with".to_owned());
            }
            details.extend(kept_words::said(wish, entry));
            let refusal = refusal.or_else(|| managed::refusal(host, around, entry, origin));
            if refusal.is_some() {
                // Nobody switched it off in a file that repair mends.
                drift.retain(|one| !one.starts_with("enabled is "));
            }
            let mut obstacles: Vec<_> = idle.into_iter().chain(about_command(entry)).collect();
            let own_words = from_file.as_ref().map(command_words);
            let words =
                Some(command_words(entry)).filter(|words| own_words.as_ref() == Some(words));
            match words
                .filter(|_| scope != Scope::Project)
                .and_then(|words| far::ask(&words))
            {
                Some(far::Found::Obstacle(said)) => obstacles.push(said),
                Some(far::Found::Odd(said)) => details.push(said),
                Some(far::Found::Ready) | None => {}
            }
            let right = drift.is_empty();
            details.splice(0..0, drift);
            if right {
                let status = match refusal {
                    Some(_) => Status::Drifted,
                    None => Status::Ok,
                };
                let all: Vec<_> = refusal.into_iter().chain(obstacles).collect();
                obstacle = (!all.is_empty()).then(|| all.join("; "));
                status
            } else {
                details.extend(refusal);
                details.extend(obstacles);
                details.extend(about_content(host, around));
                details.extend(managed::wins(host, around).map(|path| managed::beside(&path)));
                Status::Drifted
            }
        }
        (None, Some(broken)) => {
            details.insert(0, broken.clone());
            Status::Drifted
        }
        (None, None) => {
            let one = wanted.object();
            details.extend(managed::refusal(host, around, &one, origin));
            Status::Missing
        }
    };
    let status = match (program.is_some(), host, &entry) {
        (true, ..) | (false, Host::OpenCode, Some(_)) => status,
        (false, ..) => Status::Unavailable,
    };
    details.extend(others(&surveyed, chosen));
    let said = headline(host, status, program.is_some(), entry.is_some());
    // The host starts nothing then, however right its entry is.
    let said = match (&obstacle, status) {
        (Some(obstacle), Status::Ok | Status::Drifted) => {
            format!("the entry is right, but {obstacle}")
        }
        _ => said,
    };
    details.insert(0, said);
    let report = HostReport {
        host,
        installed: program.is_some(),
        configured: entry.is_some(),
        status,
        details: details.join("; "),
        repair_command: repair_command(host, wish, scope),
        host_version: version,
        config_path: place
            .filter(|_| entry.is_some() || broken.is_some())
            .map(|chosen| shown(&chosen.place.path)),
        scope: entry.is_some().then_some(scope),
        source,
    };
    Ok((report, obstacle))
}

/// `OpenCode` has a configuration that is in no file.
fn about_content(host: Host, around: &Surroundings) -> Option<String> {
    const CONTENT: &str = "OPENCODE_CONFIG_CONTENT";
    let set = (around.variable)(CONTENT).is_some_and(|value| !value.is_empty());
    (set && host == Host::OpenCode).then(|| {
        format!("{CONTENT} is set and wins over all files, which are all that repair mends")
    })
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

/// What a host's own command says.
enum Answer {
    /// The entry, or that there is none.
    Says(&'static str, Option<Value>),
    /// Why it is none.
    Useless(String),
}

fn answer(
    host: Host,
    program: &Path,
    around: &Surroundings,
    chosen: Option<&Surveyed>,
) -> Option<Answer> {
    let (command, arguments): (_, &[&str]) = match host {
        Host::ClaudeCode => return None,
        Host::Codex => (
            "codex mcp get pyro --json",
            &["mcp", "get", SERVER, "--json"],
        ),
        Host::OpenCode => ("opencode debug config", &["debug", "config"]),
    };
    let said = match ask(program, arguments, Some(&around.cwd)) {
        Ok(said) => said,
        // Codex says in prose that it has no such server.
        Err(why)
            if host == Host::Codex
                && why.contains("No MCP server")
                && chosen.is_none_or(|one| matches!(one.state, State::Absent | State::Without)) =>
        {
            return Some(Answer::Says(command, None));
        }
        Err(why) => return Some(Answer::Useless(format!("{command} failed: {why}"))),
    };
    let object = serde_json::from_str::<Value>(said.trim()).ok();
    let Some(object) = object.filter(Value::is_object) else {
        return Some(Answer::Useless(format!("{command} printed no JSON object")));
    };
    if host == Host::OpenCode {
        let entry = ["/mcp/pyro", "/mcp/servers/pyro"]
            .iter()
            .find_map(|path| object.pointer(path));
        return Some(Answer::Says(command, entry.cloned()));
    }
    let in_file = match chosen.map(|one| &one.state) {
        Some(State::With(Value::Object(entry))) => entry.clone(),
        _ => Map::new(),
    };
    Some(match codex_entry(&object, in_file) {
        Some(entry) => Answer::Says(command, Some(Value::Object(entry))),
        None => Answer::Useless(format!("{command} printed no entry")),
    })
}

/// Codex's JSON as an entry; what its version does not print is in the file.
fn codex_entry(object: &Value, mut entry: Map<String, Value>) -> Option<Map<String, Value>> {
    let transport = object.get("transport")?.as_object()?;
    let top = [
        "enabled",
        DISABLED,
        "startup_timeout_sec",
        "tool_timeout_sec",
    ];
    let below = ["command", "args", "env_vars", "url"];
    let printed = (top.iter().filter_map(|key| Some((*key, object.get(*key)?)))).chain(
        below
            .iter()
            .filter_map(|key| Some((*key, transport.get(*key)?))),
    );
    for (key, value) in printed {
        match value {
            Value::Null => entry.remove(key),
            value => entry.insert(key.to_owned(), value.clone()),
        };
    }
    Some(entry)
}

/// Codex's key that says who keeps a server off, other than its entry.
const DISABLED: &str = "disabled_reason";

fn switched_off(entry: &Value) -> Option<String> {
    let reason = entry.get(DISABLED)?.as_str()?;
    Some(format!("codex keeps it switched off: {reason}"))
}

/// What keeps an entry's command from working, as far as can be seen.
fn about_command(entry: &Value) -> Vec<String> {
    let words = command_words(entry);
    let mut said = Vec::new();
    if let Some(program) = words.first()
        && !is_there(program)
    {
        said.push(match Path::new(program).exists() {
            true => format!("its program {program} cannot be executed"),
            false => format!("its program {program} is not there"),
        });
    }
    // Paths of another machine are that machine's.
    let words = if carried(&words).is_some() {
        Vec::new()
    } else {
        words
    };
    for two in words.windows(2) {
        let (flag, path) = (two[0].as_str(), &two[1]);
        if !path.starts_with('/') || Path::new(path).is_dir() {
            continue;
        }
        match flag {
            "--project-path" => said.push(format!(
                "its project {path} is no folder: give another --project-path, --repo-url or \
                 --no-project-source"
            )),
            "--allow-path" => said.push(format!(
                "its --allow-path {path} is no folder, and the server does not start without it"
            )),
            _ => {}
        }
    }
    said
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codex_prints_what_the_file_lacks_and_the_other_way_round() {
        let object = json!({"name": "pyro", "enabled": true, "tool_timeout_sec": 3600.0,
            "startup_timeout_sec": null, "transport": {"type": "stdio", "command": "pyro",
            "args": ["mcp"], "env": null, "cwd": null}});
        let in_file = json!({"env_vars": ["A"], "startup_timeout_sec": 5, "command": "old"});
        let entry = codex_entry(&object, in_file.as_object().unwrap().clone()).unwrap();
        assert_eq!(
            Value::Object(entry),
            json!({"command": "pyro", "args": ["mcp"], "env_vars": ["A"], "enabled": true,
                "tool_timeout_sec": 3600.0})
        );
        assert_eq!(codex_entry(&json!({"transport": 3}), Map::new()), None);
    }
}
