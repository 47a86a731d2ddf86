//! Whether a host uses the entry that a project brings along.
//!
//! ```text
//! claude-code  .mcp.json needs a word of the user, in settings.json or, once the
//!              folder is trusted, in the project's settings; any entry may be
//!              switched off for a project
//! codex        <project>/.codex/config.toml needs projects.<folder>.trust_level
//! opencode     asks nobody
//! ```
//!
//! Owns: reading that word out of the hosts' files. Refuses: giving it.

use super::format::Format;
use super::host::{Host, SERVER, Scope};
use super::jsonc::Dialect;
use super::places::Surroundings;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why a host does not use entries that are there.
pub struct Idle {
    everywhere: Option<String>,
    project: Option<String>,
}

impl Idle {
    /// By the host's `user` file, as it is, and its settings.
    pub fn by(host: Host, around: &Surroundings, user: &[u8]) -> Self {
        let (everywhere, project) = match host {
            Host::ClaudeCode => claude_code(around, user),
            Host::Codex => (None, codex(around, user)),
            Host::OpenCode => (None, None),
        };
        Self {
            everywhere,
            project,
        }
    }

    /// Why not one of this scope.
    pub fn of(&self, scope: Scope) -> Option<String> {
        let brought = || self.project.clone().filter(|_| scope == Scope::Project);
        self.everywhere.clone().or_else(brought)
    }
}

fn codex(around: &Surroundings, user: &[u8]) -> Option<String> {
    let projects = Format::Toml.find(user, &["projects".to_owned()]);
    let projects = projects.ok().flatten().unwrap_or_default();
    let main = around.main_work_tree();
    let folders = [&around.cwd, around.top_level(), &main];
    let trusted = folders
        .iter()
        .any(|folder| projects[&*folder.to_string_lossy()]["trust_level"] == "trusted");
    (!trusted).then(|| {
        "codex does not trust this project: start codex here once and agree, or connect it \
         without --scope project"
            .to_owned()
    })
}

/// Why it uses no entry here, and why none of `.mcp.json`.
fn claude_code(around: &Surroundings, user: &[u8]) -> (Option<String>, Option<String>) {
    let key = around.main_work_tree().to_string_lossy().into_owned();
    let path = ["projects".to_owned(), key];
    let own = Format::Json(Dialect::Strict).find(user, &path);
    let own = own.ok().flatten().unwrap_or_default();
    let off = lists(&own, "disabledMcpServers").then(|| {
        "it is switched off for this project: switch it on with /mcp in claude".to_owned()
    });
    let (of_user, of_project): (Vec<_>, Vec<_>) = all_settings(around)
        .into_iter()
        .partition(|one| one.is_of_user);
    let said = |all: Vec<Settings>| all.into_iter().map(|one| one.said);
    let of_user = said(of_user).next().unwrap_or_default();
    let of_project: Vec<_> = [own].into_iter().chain(said(of_project)).collect();
    let trusted = of_project[0]["hasTrustDialogAccepted"] == true;
    let rejected = of_project
        .iter()
        .chain([&of_user])
        .any(|one| lists(one, "disabledMcpjsonServers"));
    let approves = |one: &Value| {
        one["enableAllProjectMcpServers"] == true || lists(one, "enabledMcpjsonServers")
    };
    let approved = approves(&of_user) || (trusted && of_project.iter().any(approves));
    let unused = match (rejected, approved) {
        (true, _) => Some(
            "its user has refused the servers of .mcp.json: see disabledMcpjsonServers in \
             claude's settings",
        ),
        (false, false) => Some(
            "claude waits for its user to trust the server of .mcp.json: start claude here once \
             and agree",
        ),
        (false, true) => None,
    };
    (off, unused.map(str::to_owned))
}

fn lists(settings: &Value, key: &str) -> bool {
    let names = settings[key].as_array();
    names.is_some_and(|names| names.iter().any(|name| name == SERVER))
}

/// A file of Claude Code's settings.
pub struct Settings {
    /// Where.
    pub path: PathBuf,
    /// Whether it is for all projects of its user.
    pub is_of_user: bool,
    /// What it says.
    pub said: Value,
}

/// Those of the user and of the project, which a program of the user can write.
pub fn all_settings(around: &Surroundings) -> Vec<Settings> {
    let own = around.folder("CLAUDE_CONFIG_DIR", ".claude").ok();
    let mut files = vec![(true, own.map(|folder| folder.join("settings.json")))];
    let mut folders = vec![&*around.cwd];
    folders.extend(
        [around.top_level()]
            .into_iter()
            .filter(|top| *top != around.cwd),
    );
    for folder in folders {
        for name in ["settings.json", "settings.local.json"] {
            files.push((false, Some(folder.join(".claude").join(name))));
        }
    }
    let files = files
        .into_iter()
        .filter_map(|(of_user, path)| Some((of_user, path?)));
    files
        .map(|(is_of_user, path)| Settings {
            said: settings(&path),
            path,
            is_of_user,
        })
        .collect()
}

/// One such file; what is absent or no JSON says nothing.
pub fn settings(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
