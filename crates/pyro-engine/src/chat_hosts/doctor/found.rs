//! The entry that a host uses, and who says so.
//!
//! ```text
//! its files --> its own command --> a plugin, where there is no entry
//!                               --> the only file, where an administrator has one
//! ```
//!
//! Owns: that order. Refuses: judging the entry.

use super::answer::{Answer, switched_off};
use crate::chat_hosts::connect::shown;
use crate::chat_hosts::host::Host;
use crate::chat_hosts::managed::{self, Origin};
use crate::chat_hosts::places::Surroundings;
use crate::chat_hosts::plugin;
use crate::chat_hosts::survey::{State, Surveyed};
use serde_json::Value;

const FILES: &str = "files";

/// What was found.
pub struct Found<'a> {
    /// The entry that counts.
    pub entry: Option<Value>,
    /// The one of its file, which is another when something wins over it.
    pub in_file: Option<&'a Value>,
    /// A command of the host, `files`, a plugin, or an administrator's file.
    pub source: String,
    /// Where the server comes from.
    pub origin: Origin<'a>,
    /// Whether its file is the one that repair would write.
    pub is_of_place: bool,
    /// Why the host says it does not start a right one.
    pub refusal: Option<String>,
    /// What else there is to say.
    pub said: Vec<String>,
}

impl<'a> Found<'a> {
    /// In the file alone.
    fn in_file(chosen: Option<&'a Surveyed>) -> Self {
        let in_file = match chosen.map(|chosen| &chosen.state) {
            Some(State::With(entry)) => Some(entry),
            _ => None,
        };
        Self {
            entry: in_file.cloned(),
            in_file,
            source: FILES.to_owned(),
            origin: Origin::Own,
            is_of_place: true,
            refusal: None,
            said: Vec::new(),
        }
    }

    /// With what the host answered, its plugin, and its administrator's file.
    pub fn of(
        host: Host,
        around: &Surroundings,
        chosen: Option<&'a Surveyed>,
        answer: Option<Answer>,
        plugin: Option<&'a str>,
        is_broken: bool,
    ) -> Self {
        let mut found = Self::in_file(chosen);
        match answer {
            Some(Answer::Says(command, entry)) => {
                command.clone_into(&mut found.source);
                found.refusal = entry.as_ref().and_then(switched_off);
                found.entry = entry;
            }
            Some(Answer::Useless(why)) => {
                found
                    .said
                    .push(format!("{why}; its files were read instead"));
            }
            None => {}
        }
        match plugin {
            Some(name) if found.entry.is_some() => found.said.push(plugin::beside(name)),
            Some(name) if !is_broken => {
                let source = format!("plugin {name}");
                found.elsewhere(plugin::entry(), source, Origin::Plugin(name));
            }
            _ => {}
        }
        // Without pyro in it, that file refuses every other entry.
        if let Some((path, Some(entry))) = managed::exclusive(host, around) {
            let path = shown(&path);
            let said = format!("its entry is that of {path}, which no repair writes");
            found.said.push(said);
            found.elsewhere(entry, path, Origin::Managed);
        }
        found
    }

    fn elsewhere(&mut self, entry: Value, source: String, origin: Origin<'a>) {
        self.entry = Some(entry);
        self.source = source;
        self.origin = origin;
        self.is_of_place = false;
    }
}
