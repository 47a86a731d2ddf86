//! The chat hosts pyro knows, and what each wants to be told.
//!
//! Owns: their names, programs, and the entry that makes pyro's server one of
//! theirs, with the time limits and variables it needs there. Refuses: where
//! their files lie (`places`) and how they are written (`format`).

use super::entry::{Entry, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The server's name in every host.
pub const SERVER: &str = "pyro";
/// The field by which somebody switches a server off.
pub const SWITCH: &str = "enabled";

/// A host that pyro connects, looks after and repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Host {
    /// Claude Code
    ClaudeCode,
    /// Codex
    Codex,
    /// OpenCode
    #[serde(rename = "opencode")]
    OpenCode,
}

/// Which of a host's configurations has the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Every project of this user
    User,
    /// This project, for this user only (Claude Code)
    Local,
    /// This project, for everybody who has it
    Project,
}

impl Scope {
    /// All.
    pub const ALL: [Self; 3] = [Self::User, Self::Local, Self::Project];

    /// As in flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Local => "local",
            Self::Project => "project",
        }
    }
}

/// Long commands are waited for in pieces of 45 s; an hour is for the few
/// calls that cannot be cut, such as the first install of an environment.
const CALL_SECONDS: u64 = 3600;
/// The server answers in milliseconds; a busy machine may need longer.
const START_SECONDS: u64 = 20;

/// What pyro and the programs it starts read. Codex passes 13 variables of
/// its own choice and no others.
const VARIABLES: &[&str] = &[
    "PYRO_BACKEND",
    "PYRO_ENVIRONMENT_CACHE_DIR",
    "PYRO_STATE_DIR",
    "PYRO_QEMU_BIN",
    "PYRO_FIRECRACKER_BIN",
    "PYRO_PROGRAM",
    "PYRO_DEBIAN_MIRROR",
    "PYRO_DEBIAN_SECURITY_MIRROR",
    "PYRO_LOG",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSH_AUTH_SOCK",
];

impl Host {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::OpenCode];

    /// As in commands and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }

    /// Its program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }

    /// The scopes it has, the usual one first.
    #[must_use]
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::ClaudeCode => &[Scope::User, Scope::Local, Scope::Project],
            Self::Codex | Self::OpenCode => &[Scope::User, Scope::Project],
        }
    }

    /// The command with which a person sees that it knows the server.
    #[must_use]
    pub fn verification_command(self) -> Vec<String> {
        [self.program(), "mcp", "list"].map(str::to_owned).to_vec()
    }

    /// The entry that starts a server with this command.
    #[must_use]
    pub fn entry(self, command: &[String]) -> Entry {
        let exact = |value: Value| Field::Exact(value);
        let (program, arguments) = command
            .split_first()
            .unwrap_or((const { &String::new() }, &[]));
        let two = [
            ("command", exact(json!(program))),
            ("args", exact(json!(arguments))),
        ];
        let fields: Vec<(&'static str, Field)> = match self {
            Self::ClaudeCode => [("type", exact(json!("stdio")))]
                .into_iter()
                .chain(two)
                .chain([("timeout", Field::AtLeast(CALL_SECONDS * 1000))])
                .collect(),
            Self::Codex => two
                .into_iter()
                .chain([
                    ("env_vars", Field::Includes(variables())),
                    ("startup_timeout_sec", Field::AtLeast(START_SECONDS)),
                    ("tool_timeout_sec", Field::AtLeast(CALL_SECONDS)),
                    (SWITCH, Field::NotFalse),
                ])
                .collect(),
            Self::OpenCode => vec![
                ("type", exact(json!("local"))),
                ("command", exact(json!(command))),
                (SWITCH, exact(json!(true))),
                ("timeout", Field::AtLeast(CALL_SECONDS * 1000)),
            ],
        };
        Entry(fields)
    }
}

fn variables() -> Vec<String> {
    VARIABLES.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin's server has what connecting would have written.
    #[test]
    fn plugins_start_the_server_as_an_entry_does() {
        for (host, text) in [
            (
                Host::ClaudeCode,
                include_str!("../../../../plugin/.mcp.json"),
            ),
            (
                Host::Codex,
                include_str!("../../../../plugin/codex.mcp.json"),
            ),
        ] {
            let document: Value = serde_json::from_str(text).unwrap();
            let command = ["pyro", "mcp", "serve"].map(str::to_owned);
            assert_eq!(
                document["mcpServers"][SERVER],
                host.entry(&command).object()
            );
        }
    }
}
