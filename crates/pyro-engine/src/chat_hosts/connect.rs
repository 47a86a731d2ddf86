//! `pyro host connect` and `pyro host repair`: pyro's entry in a host's file.
//!
//! ```text
//! survey --> the place it is about --> Format::set --> same bytes? nothing to do
//!    ^                                     `--> backup, rename
//!    `----------- somebody else wrote it meanwhile
//! ```
//!
//! Owns: the order of these steps; that connect never replaces what it cannot
//! read, and repair keeps it as the backup. Refuses: the hosts' own `mcp add`,
//! which loses comments and keys.

use super::Wish;
use super::ask_host;
use super::config_file::{Readers, Written};
use super::host::{Host, Scope};
use super::kept_words;
use super::managed::{self, Origin};
use super::payloads::Connected;
use super::places::Surroundings;
use super::plugin;
use super::survey::{Among, State, Surveyed, choose, survey};
use crate::error::{Error, Result};
use pyro_vmm::program::on_path;
use std::path::{Path, PathBuf};

/// Hosts write their own files at any time.
const ATTEMPTS: usize = 5;

/// What stands in the way of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacles {
    /// Is an error.
    Refuse,
    /// Goes; the file as it was stays as the backup.
    Replace,
}

/// Writes the entry.
///
/// # Errors
/// `host_missing`, `invalid_scope`, `host_config_broken`, and those of reading
/// and writing the file.
pub fn connect(
    host: Host,
    wish: &Wish,
    around: &Surroundings,
    obstacles: Obstacles,
) -> Result<Connected> {
    let program = on_path(host.program());
    if program.is_none() && host != Host::OpenCode {
        return Err(missing(host));
    }
    let home = scope(host, wish)?;
    // Repair mends the entry that wins, wherever it is.
    let (scopes, among) = match (wish.scope, obstacles) {
        (None, Obstacles::Replace) => (host.scopes().to_vec(), Among::All),
        (Some(_), Obstacles::Replace) => (vec![home], Among::All),
        (_, Obstacles::Refuse) => (vec![home], Among::Usual),
    };
    for _ in 0..ATTEMPTS {
        let surveyed = survey(host, around, wish.config_path.as_deref())?;
        let Some(index) = choose(&surveyed, &scopes, home, among) else {
            return Err(no_such_scope(host, home));
        };
        let chosen = &surveyed[index];
        let found = match &chosen.state {
            // Whoever connects says what with; repair mends what was said then.
            State::With(entry) if obstacles == Obstacles::Replace => Some(entry),
            _ => None,
        };
        let server_command = kept_words::server_command(wish, chosen.place.scope, found)?;
        let Some((changed, backup)) = write(host, chosen, &server_command, obstacles, around)?
        else {
            continue;
        };
        let mut notes = notes(host, &surveyed, index, program.is_some());
        notes.extend(about_sharing(chosen, &server_command));
        notes.extend(plugin::name(host, around).map(|name| plugin::beside(&name)));
        let entry = host.entry(&server_command).object();
        notes.extend(managed::refusal(host, around, &entry, Origin::Own));
        notes.extend(managed::wins(host, around).map(|path| managed::beside(&path)));
        if changed
            && chosen
                .file
                .as_ref()
                .is_some_and(|file| file.has_other_names)
        {
            notes.push(format!(
                "{} is no longer a hard link: its other names lead to the file as it was",
                shown(&chosen.place.path)
            ));
        }
        return Ok(Connected {
            host,
            server_command,
            verification_command: host.verification_command(),
            config_path: shown(&chosen.place.path),
            scope: chosen.place.scope,
            changed,
            backup_path: backup.as_deref().map(shown),
            host_version: program.as_deref().and_then(ask_host::version),
            notes,
        });
    }
    Err(Error::runtime(
        "host_config_busy",
        format!("the configuration of {} changes all the time", host.name()),
    )
    .hint(format!("end {}, then run it again", host.program())))
}

/// A path in a result.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The scope a command is about.
fn scope(host: Host, wish: &Wish) -> Result<Scope> {
    let scopes = host.scopes();
    match wish.scope {
        None => Ok(scopes[0]),
        Some(scope) if scopes.contains(&scope) => Ok(scope),
        Some(scope) => Err(no_such_scope(host, scope)),
    }
}

fn no_such_scope(host: Host, scope: Scope) -> Error {
    let names: Vec<_> = host.scopes().iter().map(|scope| scope.name()).collect();
    Error::invalid(
        "invalid_scope",
        format!("{} has no scope {}", host.name(), scope.name()),
    )
    .hint(format!(
        "give --scope {}, or leave it out",
        names.join(" or ")
    ))
}

fn missing(host: Host) -> Error {
    Error::runtime(
        "host_missing",
        format!(
            "{}, the program of {}, is not on PATH",
            host.program(),
            host.name()
        ),
    )
    .hint(format!(
        "install it; or write the file for it: pyro host print-config {} --output FILE",
        host.name()
    ))
}

/// Whether something was written and the backup; nothing when somebody else
/// was faster.
fn write(
    host: Host,
    chosen: &Surveyed,
    server_command: &[String],
    obstacles: Obstacles,
    around: &Surroundings,
) -> Result<Option<(bool, Option<PathBuf>)>> {
    let Surveyed {
        place, file, state, ..
    } = chosen;
    let Some(file) = file else {
        return match state {
            State::Unreadable(error) => Err(again(error)),
            _ => Ok(None),
        };
    };
    let entry = host.entry(server_command);
    let old = file.bytes.as_deref().unwrap_or_default();
    let replace = obstacles == Obstacles::Replace;
    let mut set = place.format.set(old, &place.keys, &entry, replace);
    // A whole document in which something stands in the way is not given up.
    let is_whole = || matches!(place.format.find(old, &[]), Ok(Some(whole)) if whole.is_object());
    let is_broken = matches!(&set, Err(fault) if !fault.is_limit);
    if replace && matches!(state, State::Broken(_)) && is_broken && !is_whole() {
        set = place.format.set(b"", &place.keys, &entry, true);
    }
    let new = set.map_err(|fault| {
        let path = place.path.display();
        let hint = match obstacles {
            _ if fault.is_limit => format!(
                "put the entry into it by hand: pyro host print-config {}",
                host.name()
            ),
            Obstacles::Refuse => format!(
                "mend it there; or: pyro host repair {}, which keeps it as a backup and writes \
                 a new one",
                host.name()
            ),
            Obstacles::Replace => format!(
                "take {} out of it by hand, then run it again",
                place.keys.join(".")
            ),
        };
        Error::runtime("host_config_broken", format!("{path}, {fault}")).hint(hint)
    })?;
    if file.bytes.as_deref() == Some(&new) {
        return Ok(Some((false, None)));
    }
    // A project's file is for everybody who has the project.
    let readers = match place.scope {
        Scope::Project => Readers::Umask,
        Scope::Local | Scope::User => Readers::Owner,
    };
    Ok(match file.write(&new, readers, &around.backups)? {
        Written::Done(backup) => Some((true, backup)),
        Written::Changed => None,
    })
}

fn again(error: &Error) -> Error {
    let made = Error::runtime(error.code, error.message.clone());
    made.hint(error.hint.clone().unwrap_or_default())
}

fn notes(host: Host, surveyed: &[Surveyed], chosen: usize, installed: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !installed {
        notes.push(format!("{} is not on PATH", host.program()));
    }
    for (index, other) in surveyed.iter().enumerate() {
        let place = &other.place;
        if index < chosen && matches!(other.state, State::With(_)) {
            notes.push(format!(
                "the {} entry in {} wins over this one here",
                place.scope.name(),
                place.path.display()
            ));
        }
        if index != chosen
            && let Some(trouble) = other.trouble()
        {
            notes.push(format!(
                "{} may not read its files: {trouble}",
                host.program()
            ));
        }
    }
    notes.extend(surveyed[chosen].idle.clone());
    notes
}

/// A word about paths that nobody else has.
fn about_sharing(chosen: &Surveyed, server_command: &[String]) -> Option<String> {
    let path = server_command.iter().find(|word| word.starts_with('/'))?;
    (chosen.place.scope == Scope::Project).then(|| {
        format!(
            "{} is for everybody who has the project, and {path} is a path of this machine",
            shown(&chosen.place.path)
        )
    })
}
