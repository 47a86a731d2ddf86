//! The three chat hosts: where each keeps its settings, how it is told of a
//! model, and how it runs without a person.
//!
//! Owns: what differs between them. Refuses: what pyro writes into their
//! settings, which is `pyro host connect`'s.

use crate::model::{Api, Model, Next};
use crate::place::{Ended, Place};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    ClaudeCode,
    Codex,
    OpenCode,
}

impl Host {
    /// Its name for pyro.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }

    pub fn api(self) -> Api {
        match self {
            Self::ClaudeCode => Api::Messages,
            Self::Codex => Api::Responses,
            Self::OpenCode => Api::Completions,
        }
    }

    /// A pyro tool's name as its model knows it.
    pub fn tool(self, name: &str) -> String {
        match self {
            Self::ClaudeCode => format!("mcp__pyro__{name}"),
            Self::Codex => name.to_owned(),
            Self::OpenCode => format!("pyro_{name}"),
        }
    }

    /// A call of a pyro tool.
    pub fn call(self, tool: &str, arguments: Value) -> Next {
        Next::Call(self.tool(tool), arguments)
    }

    /// The file that lists its servers.
    pub fn settings(self, place: &Place) -> PathBuf {
        place.home().join(match self {
            Self::ClaudeCode => ".claude.json",
            Self::Codex => ".codex/config.toml",
            Self::OpenCode => ".config/opencode/opencode.jsonc",
        })
    }

    /// Settings as a person has them: other servers, comments, odd spaces; and
    /// the model. Returns them.
    pub fn write_settings(self, place: &Place, model: &Model) -> String {
        let settings = self.settings(place);
        fs::create_dir_all(settings.parent().unwrap()).unwrap();
        let text = match self {
            Self::ClaudeCode => CLAUDE_CODE.to_owned(),
            Self::Codex => CODEX.replace("MODEL_URL", &model.url()),
            Self::OpenCode => OPENCODE.replace("MODEL_URL", &model.url()),
        };
        fs::write(settings, &text).unwrap();
        text
    }

    pub fn connect(self, place: &Place, options: &[&str]) {
        let words = [&["host", "connect", self.name()], options].concat();
        place.pyro(&words, 60).stdout();
    }

    /// What its own command says of its servers.
    pub fn listed(self, place: &Place) -> String {
        let program = match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        };
        let mut command = place.command(program);
        command.args(["mcp", "list"]);
        place.run(command, 60).stdout()
    }

    /// One prompt, without a person.
    pub fn ask(self, place: &Place, model: &Model, seconds: u64) -> Ended {
        let words: &[&str] = match self {
            Self::ClaudeCode => &[
                "claude",
                "-p",
                "go",
                "--allowedTools",
                "mcp__pyro",
                "--output-format",
                "stream-json",
                "--verbose",
            ],
            // Codex runs what destroys only when nobody has to be asked.
            Self::Codex => &[
                "codex",
                "exec",
                "--json",
                "--dangerously-bypass-approvals-and-sandbox",
                "go",
            ],
            Self::OpenCode => &["opencode", "run", "--format", "json", "go"],
        };
        let mut command = place.command(words[0]);
        command
            .args(&words[1..])
            .env("ANTHROPIC_BASE_URL", model.url())
            .env("ANTHROPIC_API_KEY", "none")
            .env("FAKE_KEY", "none");
        place.run(command, seconds)
    }
}

const CLAUDE_CODE: &str = r#"{
  "numStartups": 3,   "theme": "dark",
  "mcpServers": {
    "other": { "type": "stdio", "command": "true", "args": [ ], "env": {} }
  },
  "projects": {}
}
"#;

const CODEX: &str = r#"# mine
model_provider = "fake"   # not a real one
model = "fake"

[model_providers.fake]
name = "fake"
base_url = "MODEL_URL/v1"
wire_api = "responses"
env_key = "FAKE_KEY"

[features]
enable_request_compression = false

# another server
[mcp_servers.other]
command = "true"
enabled = false
"#;

/// The first line is what `OpenCode` itself adds when it is missing.
const OPENCODE: &str = r#"{
  "$schema": "https://opencode.ai/config.json",
  // mine
  "model": "fake/fake",
  "provider": {
    "fake": {
      "npm": "@ai-sdk/openai-compatible", "name": "fake",
      "options": { "baseURL": "MODEL_URL/v1", "apiKey": "none" },
      "models": { "fake": {} },
    },
  },
  /* another server */
  "mcp": { "other": { "type": "local", "command": ["true"], "enabled": false } },
}
"#;
