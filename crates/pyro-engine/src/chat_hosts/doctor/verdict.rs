//! Whether the entry that counts is the wanted one, and does its work.
//!
//! ```text
//! drift?     the entry against the wanted one       --> DRIFTED; repair mends it
//! refusal?   the host or an administrator keeps it off  --> DRIFTED, said at once
//! obstacle?  program, folders, the machine over there   --> OK, but
//! ```
//!
//! Owns: those three, in words. Refuses: finding the entry, and repairing.

use super::found::Found;
use crate::chat_hosts::Wish;
use crate::chat_hosts::entry::Entry;
use crate::chat_hosts::far;
use crate::chat_hosts::host::{Host, SWITCH, Scope};
use crate::chat_hosts::kept_words::{self, carried, command_words, is_there};
use crate::chat_hosts::managed::{self, Origin};
use crate::chat_hosts::payloads::Status;
use crate::chat_hosts::places::Surroundings;
use serde_json::Value;
use std::path::Path;

/// What is to be said of a host.
pub struct Verdict {
    /// As if its program were there.
    pub status: Status,
    /// What keeps a right entry from working; no repair takes it away.
    pub obstacle: Option<String>,
    /// Whether repair makes it right.
    pub repairable: bool,
    /// All the rest.
    pub details: Vec<String>,
}

/// What an entry is held against.
pub struct Case<'a> {
    pub host: Host,
    pub wish: &'a Wish,
    pub around: &'a Surroundings,
    /// Where repair would write.
    pub scope: Scope,
    pub wanted: &'a Entry,
    /// Why the host does not look at that place.
    pub idle: Option<String>,
}

impl Case<'_> {
    /// The verdict on what was found; `broken` is why files cannot be read.
    pub fn judge(self, found: &Found, broken: Option<&str>) -> Verdict {
        let said = found.said.iter().cloned();
        match (&found.entry, broken) {
            (Some(entry), _) => self.compare(entry, found),
            (None, Some(broken)) => Verdict {
                status: Status::Drifted,
                obstacle: None,
                repairable: true,
                details: [broken.to_owned()].into_iter().chain(said).collect(),
            },
            (None, None) => {
                let one = self.wanted.object();
                let refusal = managed::refusal(self.host, self.around, &one, found.origin);
                Verdict {
                    status: Status::Missing,
                    obstacle: None,
                    repairable: refusal.is_none(),
                    details: said.chain(refusal).collect(),
                }
            }
        }
    }

    fn compare(self, entry: &Value, found: &Found) -> Verdict {
        let refusal = found
            .refusal
            .clone()
            .or_else(|| managed::refusal(self.host, self.around, entry, found.origin));
        let mut drift = self.wanted.drift(entry);
        if refusal.is_some() {
            // Nobody switched it off in a file that repair mends.
            drift.retain(|one| one.field != SWITCH);
        }
        let (is_right, options) = (
            drift.is_empty(),
            drift.iter().any(|one| self.wanted.has_options(one.field)),
        );
        let flags = options.then(|| "give doctor the flags it was connected with".to_owned());
        let drift = drift.into_iter().map(|one| one.said);
        let mut details: Vec<_> = drift.chain(flags).collect();
        details.extend(found.said.iter().cloned());
        details.extend(kept_words::said(self.wish, entry));
        let far = self.over_there(entry, found);
        let mut obstacles: Vec<_> = self.idle.into_iter().chain(about_command(entry)).collect();
        match far {
            Some(far::Found::Obstacle(said)) => obstacles.push(said),
            Some(far::Found::Odd(said)) => details.push(said),
            Some(far::Found::Ready) | None => {}
        }
        if is_right {
            let status = match refusal {
                Some(_) => Status::Drifted,
                None => Status::Ok,
            };
            let all: Vec<_> = refusal.into_iter().chain(obstacles).collect();
            return Verdict {
                status,
                obstacle: (!all.is_empty()).then(|| all.join("; ")),
                repairable: false,
                details,
            };
        }
        details.extend(refusal);
        details.extend(obstacles);
        details.extend(about_content(self.host, self.around));
        let wins = managed::wins(self.host, self.around);
        let repairable = wins.is_none() && found.origin != Origin::Managed;
        details.extend(wins.map(|path| managed::beside(&path)));
        Verdict {
            status: Status::Drifted,
            obstacle: None,
            repairable,
            details,
        }
    }

    /// The machine that ssh is to start it on, unless the words are those of a
    /// project or of a file that pyro does not know.
    fn over_there(&self, entry: &Value, found: &Found) -> Option<far::Found> {
        let words = command_words(entry);
        let is_own = found.in_file.map(command_words).as_ref() == Some(&words);
        (is_own && self.scope != Scope::Project)
            .then(|| far::ask(&words))
            .flatten()
    }
}

/// `OpenCode` has a configuration that is in no file.
fn about_content(host: Host, around: &Surroundings) -> Option<String> {
    const CONTENT: &str = "OPENCODE_CONFIG_CONTENT";
    let set = (around.variable)(CONTENT).is_some_and(|value| !value.is_empty());
    (set && host == Host::OpenCode).then(|| {
        format!("{CONTENT} is set and wins over all files, which are all that repair mends")
    })
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
