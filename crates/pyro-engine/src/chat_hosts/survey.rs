//! What a host's files say, place by place.
//!
//! Owns: reading them all, also when some are broken, and which one a command
//! is about. Refuses: writing.

use super::config_file::ConfigFile;
use super::fault::Fault;
use super::format::Format;
use super::host::{Host, SERVER, Scope};
use super::places::{self, Place, Surroundings};
use super::trust::Idle;
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// What is at a place.
pub enum State {
    /// No file.
    Absent,
    /// A file without an entry.
    Without,
    /// An entry.
    With(Value),
    /// A file that cannot be understood.
    Broken(Fault),
    /// A file that cannot be read.
    Unreadable(Error),
}

/// One place, looked at.
pub struct Surveyed {
    /// Where; its keys lead to the entry that is there, or to a new one's place.
    pub place: Place,
    /// The file, unless it is unreadable.
    pub file: Option<ConfigFile>,
    /// What is there.
    pub state: State,
    /// Why the host does not use an entry here, as far as its files say.
    pub idle: Option<String>,
}

impl Surveyed {
    /// Looks at one place.
    pub fn at(host: Host, mut place: Place) -> Self {
        let file = match ConfigFile::read(&place.path) {
            Ok(file) => file,
            Err(error) => {
                return Self {
                    place,
                    file: None,
                    state: State::Unreadable(error),
                    idle: None,
                };
            }
        };
        let state = match &file.bytes {
            None => State::Absent,
            Some(bytes) => {
                let state = state(host, &mut place, bytes);
                state.unwrap_or_else(State::Broken)
            }
        };
        Self {
            place,
            file: Some(file),
            state,
            idle: None,
        }
    }

    /// Its contents, when there are any.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.file.as_ref()?.bytes.as_deref()
    }

    /// Why the host cannot use this file, if it cannot.
    pub fn trouble(&self) -> Option<String> {
        match &self.state {
            State::Broken(fault) => Some(format!("{}, {fault}", self.place.path.display())),
            State::Unreadable(error) => Some(error.message.clone()),
            _ => None,
        }
    }
}

fn state(host: Host, place: &mut Place, bytes: &[u8]) -> Result<State, Fault> {
    if host == Host::OpenCode {
        newer_shape(place, bytes);
    }
    Ok(match place.format.find(bytes, &place.keys)? {
        Some(entry) => State::With(entry),
        None => State::Without,
    })
}

/// `OpenCode` reads `mcp.NAME` and `mcp.servers.NAME`; a file keeps its shape.
fn newer_shape(place: &mut Place, bytes: &[u8]) {
    let keys = ["mcp", "servers"].map(str::to_owned).to_vec();
    let servers = Format::find(place.format, bytes, &keys);
    // A server may be called servers, too; that one has a type.
    let Ok(Some(Value::Object(servers))) = servers else {
        return;
    };
    let old = Format::find(place.format, bytes, &place.keys);
    if !servers.contains_key("type") && !matches!(old, Ok(Some(_))) {
        place.keys = keys;
        place.keys.push(SERVER.to_owned());
    }
}

/// Every place of a host, those that win first.
///
/// # Errors
/// `no_home`.
pub fn survey(
    host: Host,
    around: &Surroundings,
    config_path: Option<&Path>,
) -> Result<Vec<Surveyed>> {
    let places = places::of(host, around, config_path)?;
    let mut surveyed: Vec<_> = places
        .into_iter()
        .map(|place| Surveyed::at(host, place))
        .collect();
    let user = surveyed.iter().rfind(|one| one.place.scope == Scope::User);
    let user = user.and_then(Surveyed::bytes).unwrap_or_default();
    let idle = Idle::by(host, around, user);
    for one in &mut surveyed {
        one.idle = idle.of(one.place.scope);
    }
    Ok(surveyed)
}

/// Which entries a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Those of the places where a new one may go.
    Usual,
    /// Every one that the host may see.
    All,
}

/// The place a command is about: the entry that wins among `scopes`; without
/// any, the file of `home` that is there, or the one to make.
pub fn choose(surveyed: &[Surveyed], scopes: &[Scope], home: Scope, among: Among) -> Option<usize> {
    let has_entry = |one: &Surveyed| {
        scopes.contains(&one.place.scope)
            && matches!(one.state, State::With(_))
            && (among == Among::All || one.place.usual)
    };
    let used = |one: &Surveyed| has_entry(one) && one.idle.is_none();
    let with = surveyed.iter().position(used);
    let with = with.or_else(|| surveyed.iter().position(has_entry));
    let at_home = |one: &Surveyed| one.place.scope == home && one.place.usual;
    with.or_else(|| {
        surveyed
            .iter()
            .position(|one| at_home(one) && !matches!(one.state, State::Absent))
    })
    .or_else(|| surveyed.iter().rposition(at_home))
}
