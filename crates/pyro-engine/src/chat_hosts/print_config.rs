//! `pyro host print-config`: the document for a host's configuration.
//!
//! Owns: the documents of all hosts, also of those that pyro only writes for
//! and never looks after. Refuses: an existing file it cannot merge into.

use super::Wish;
use super::config_file::{ConfigFile, Readers, Written};
use super::connect::shown;
use super::entry::{Entry, Field};
use super::format::Format;
use super::host::{Host, SERVER, Scope};
use super::jsonc::Dialect;
use super::payloads::PrintedConfig;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// A host for which a document is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrintHost {
    /// Claude Code
    ClaudeCode,
    /// Codex
    Codex,
    /// OpenCode
    #[serde(rename = "opencode")]
    OpenCode,
    /// Gemini CLI
    GeminiCli,
    /// GitHub Copilot CLI
    CopilotCli,
    /// Cursor
    Cursor,
    /// Visual Studio Code
    #[serde(rename = "vscode")]
    VsCode,
    /// Amp
    Amp,
    /// Goose
    Goose,
}

/// How a document is made.
enum Shape {
    /// An entry below keys.
    Entry(Format, Vec<&'static str>, Entry),
    /// Text that nothing can be merged into.
    Text(String),
}

const STRICT: Format = Format::Json(Dialect::Strict);
const COMMENTS: Format = Format::Json(Dialect::Comments);

impl PrintHost {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::ClaudeCode,
        Self::Codex,
        Self::OpenCode,
        Self::GeminiCli,
        Self::CopilotCli,
        Self::Cursor,
        Self::VsCode,
        Self::Amp,
        Self::Goose,
    ];

    /// As in commands and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => Host::ClaudeCode.name(),
            Self::Codex => Host::Codex.name(),
            Self::OpenCode => Host::OpenCode.name(),
            Self::GeminiCli => "gemini-cli",
            Self::CopilotCli => "copilot-cli",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Amp => "amp",
            Self::Goose => "goose",
        }
    }

    /// Where the host looks for the document.
    fn usual_path(self) -> &'static str {
        match self {
            Self::ClaudeCode => "~/.claude.json, or .mcp.json in a project",
            Self::Codex => "~/.codex/config.toml",
            Self::OpenCode => "~/.config/opencode/opencode.json",
            Self::GeminiCli => "~/.gemini/settings.json",
            Self::CopilotCli => "~/.copilot/mcp-config.json",
            Self::Cursor => "~/.cursor/mcp.json",
            Self::VsCode => ".vscode/mcp.json in a project",
            Self::Amp => "~/.config/amp/settings.json",
            Self::Goose => "~/.config/goose/config.yaml",
        }
    }

    fn shape(self, command: &[String]) -> Shape {
        let program = command.first().map_or("", String::as_str);
        let arguments = command.get(1..).unwrap_or_default();
        let two = || {
            vec![
                ("command", Field::Exact(json!(program))),
                ("args", Field::Exact(json!(arguments))),
            ]
        };
        let with_type = |kind: &str, more: Vec<(&'static str, Field)>| {
            let kind = ("type", Field::Exact(json!(kind)));
            Entry([vec![kind], two(), more].concat())
        };
        match self {
            Self::ClaudeCode => {
                Shape::Entry(STRICT, vec!["mcpServers"], Host::ClaudeCode.entry(command))
            }
            Self::Codex => Shape::Entry(
                Format::Toml,
                vec!["mcp_servers"],
                Host::Codex.entry(command),
            ),
            Self::OpenCode => Shape::Entry(COMMENTS, vec!["mcp"], Host::OpenCode.entry(command)),
            Self::GeminiCli => {
                let timeout = ("timeout", Field::AtLeast(3_600_000));
                let entry = Entry([two(), vec![timeout]].concat());
                Shape::Entry(COMMENTS, vec!["mcpServers"], entry)
            }
            Self::CopilotCli => {
                let tools = ("tools", Field::Exact(json!(["*"])));
                let entry = with_type("local", vec![tools]);
                Shape::Entry(STRICT, vec!["mcpServers"], entry)
            }
            Self::Cursor => Shape::Entry(STRICT, vec!["mcpServers"], with_type("stdio", vec![])),
            Self::VsCode => Shape::Entry(COMMENTS, vec!["servers"], with_type("stdio", vec![])),
            Self::Amp => Shape::Entry(COMMENTS, vec!["amp.mcpServers"], Entry(two())),
            Self::Goose => Shape::Text(goose(program, arguments)),
        }
    }
}

/// Goose's YAML; JSON's strings and lists are YAML's.
fn goose(program: &str, arguments: &[String]) -> String {
    format!(
        "extensions:\n  {SERVER}:\n    name: {SERVER}\n    description: A disposable computer\n    \
         type: stdio\n    enabled: true\n    cmd: {}\n    args: {}\n    timeout: 3600\n",
        Value::from(program),
        Value::from(arguments)
    )
}

/// Makes the document, and puts it into a file when one is named: a file that
/// is there keeps everything else, and a backup (below `backups` when it is in
/// a Git work tree).
///
/// # Errors
/// `host_config_exists` for a file that nothing can be merged into,
/// `host_config_broken`, and those of reading and writing it.
pub fn print_config(
    host: PrintHost,
    wish: &Wish,
    output: Option<&Path>,
    backups: &Path,
) -> Result<PrintedConfig> {
    let server_command = wish.server_command(Scope::User)?;
    let shape = host.shape(&server_command);
    let made = |old: &[u8]| match &shape {
        Shape::Text(text) => Ok(text.clone().into_bytes()),
        Shape::Entry(format, keys, entry) => {
            let keys: Vec<_> = keys
                .iter()
                .copied()
                .chain([SERVER])
                .map(str::to_owned)
                .collect();
            format.set(old, &keys, entry, false)
        }
    };
    let mut printed = PrintedConfig {
        host: host.name().to_owned(),
        server_command: server_command.clone(),
        rendered_config: None,
        output_path: None,
        changed: None,
        backup_path: None,
        usual_path: host.usual_path().to_owned(),
    };
    let broken = |path: &str, fault: &dyn std::fmt::Display| {
        Error::runtime("host_config_broken", format!("{path}, {fault}"))
            .hint("mend it there, or name another file with --output")
    };
    let Some(path) = output else {
        let document = made(b"").map_err(|fault| broken("the document", &fault))?;
        printed.rendered_config = Some(String::from_utf8_lossy(&document).into_owned());
        return Ok(printed);
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = ConfigFile::read(&path)?;
    let old = file.bytes.as_deref();
    if matches!(shape, Shape::Text(_)) && old.is_some_and(|old| !old.trim_ascii().is_empty()) {
        return Err(Error::runtime(
            "host_config_exists",
            format!(
                "{} exists, and pyro does not merge into YAML",
                path.display()
            ),
        )
        .hint("print the document without --output, and put it in by hand"));
    }
    let new = made(old.unwrap_or_default()).map_err(|fault| broken(&shown(&path), &fault))?;
    let mut changed = false;
    if old != Some(&new) {
        let Written::Done(backup) = file.write(&new, Readers::Owner, backups)? else {
            return Err(Error::runtime(
                "host_config_busy",
                format!("{} was changed by somebody else meanwhile", path.display()),
            )
            .hint("run it again"));
        };
        changed = true;
        printed.backup_path = backup.as_deref().map(shown);
    }
    printed.output_path = Some(shown(&path));
    printed.changed = Some(changed);
    Ok(printed)
}
