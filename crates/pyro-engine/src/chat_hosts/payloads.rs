//! Results of the host helpers (contract: `payloads.md` §17).
//!
//! Owns: their fields. Refuses: rendering.

use super::host::{Host, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A host that knows the server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Connected {
    /// The host
    pub host: Host,
    /// The command with which it starts the server
    pub server_command: Vec<String>,
    /// The command with which a person sees that the host knows it
    pub verification_command: Vec<String>,
    /// The file that says so
    pub config_path: String,
    /// Whom the file is for
    pub scope: Scope,
    /// Whether the file was written; it is left alone when it is right
    pub changed: bool,
    /// The file as it was before
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_path: Option<String>,
    /// What the host's program says of its version, where there is a program
    pub host_version: Option<String>,
    /// What else to know: entries that win over this one, files that are broken
    pub notes: Vec<String>,
}

/// A document for a host's configuration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PrintedConfig {
    /// The host
    pub host: String,
    /// The command with which it starts the server
    pub server_command: Vec<String>,
    /// The document, when no file was named
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendered_config: Option<String>,
    /// The file with the document
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_path: Option<String>,
    /// Whether that file was written
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// That file as it was before
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_path: Option<String>,
    /// Where the host looks for such a document
    pub usual_path: String,
}

/// How a host stands to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It starts exactly this server
    Ok,
    /// It has an entry that says something else or that its administrator's
    /// files do not let it start, or a broken configuration
    Drifted,
    /// It has no entry
    Missing,
    /// Its program is not on PATH
    Unavailable,
}

/// One host as the doctor sees it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    /// The host
    pub host: Host,
    /// Whether its program is on PATH
    pub installed: bool,
    /// Whether it has an entry for the server
    pub configured: bool,
    /// How it stands to the server
    pub status: Status,
    /// Why, and what differs field by field
    pub details: String,
    /// The command that mends it
    pub repair_command: String,
    /// Whether it does: not what is right, nor what an administrator's file says
    pub repairable: bool,
    /// What its program says of its version
    pub host_version: Option<String>,
    /// The file whose entry wins
    pub config_path: Option<String>,
    /// Whom that file is for
    pub scope: Option<Scope>,
    /// Who was asked: the host's own command, or its files
    pub source: String,
}

/// All hosts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostsReport {
    /// The command with which they should start the server
    pub server_command: Vec<String>,
    /// claude-code, codex, opencode
    pub hosts: Vec<HostReport>,
    /// Why the server could not begin workspaces with its project, and the ways out
    pub project_problem: Option<String>,
    /// What is drifted, missing or a problem, each with its remedy
    pub issues: Vec<String>,
}
