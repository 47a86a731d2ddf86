//! Where each host keeps the servers it knows, by precedence.
//!
//! ```text
//! claude-code  local    ~/.claude.json  projects.<top level>.mcpServers.pyro
//!              project  <cwd>/.mcp.json  mcpServers.pyro
//!              user     ~/.claude.json  mcpServers.pyro      CLAUDE_CONFIG_DIR
//! codex        user     ~/.codex/config.toml  mcp_servers.pyro     CODEX_HOME
//! opencode     project  <top level>/{.opencode/,}opencode.json[c]  mcp.pyro
//!              user     ~/.config/opencode/opencode.json[c]   XDG_CONFIG_HOME
//! ```
//!
//! Owns: this drawing. Refuses: opening any of them.

use super::format::Format;
use super::host::{Host, SERVER, Scope};
use super::jsonc::Dialect;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What places depend on.
pub struct Surroundings {
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The current folder, links resolved.
    pub cwd: PathBuf,
    /// Reads an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
}

impl Surroundings {
    /// Of this process.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn of_this_process() -> Result<Self> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::runtime("io", format!("cannot tell the current folder: {error}"))
                .hint("start pyro in a folder that exists")
        })?;
        Ok(Self {
            home: etcetera::home_dir().ok().filter(|home| home.is_absolute()),
            cwd: cwd.canonicalize().unwrap_or(cwd),
            variable: |name| std::env::var_os(name),
        })
    }

    /// A folder that a variable names, or one below the home directory.
    fn folder(&self, variable: &str, below_home: &str) -> Result<PathBuf> {
        let named = (self.variable)(variable).filter(|value| !value.is_empty());
        match (named, &self.home) {
            (Some(named), _) => Ok(self.cwd.join(named)),
            (None, Some(home)) => Ok(home.join(below_home)),
            (None, None) => Err(Error::invalid(
                "no_home",
                "HOME is not set and this user has no home directory",
            )
            .hint(format!("set HOME, or {variable} to an absolute path"))),
        }
    }

    /// The top level of the work tree, else the current folder.
    fn top_level(&self) -> &Path {
        let mut above = self.cwd.ancestors();
        above
            .find(|folder| folder.join(".git").exists())
            .unwrap_or(&self.cwd)
    }
}

/// One place where a host may have the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whom it is for.
    pub scope: Scope,
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// The keys that lead to the entry.
    pub keys: Vec<String>,
}

impl Place {
    fn new(scope: Scope, path: PathBuf, format: Format, keys: &[&str]) -> Self {
        let keys = keys.iter().copied().chain([SERVER]).map(str::to_owned);
        Self {
            scope,
            path,
            format,
            keys: keys.collect(),
        }
    }
}

/// The places of a host: those that win come first. Where one scope has
/// several files, the last of them is the one to make when none is there.
///
/// # Errors
/// `no_home`.
pub fn of(host: Host, around: &Surroundings, config_path: Option<&Path>) -> Result<Vec<Place>> {
    let strict = Format::Json(Dialect::Strict);
    let lax = Format::Json(Dialect::Comments);
    Ok(match host {
        Host::ClaudeCode => {
            let file = around.folder("CLAUDE_CONFIG_DIR", "")?.join(".claude.json");
            let project = around.top_level().to_string_lossy().into_owned();
            vec![
                Place::new(
                    Scope::Local,
                    file.clone(),
                    strict,
                    &["projects", &project, "mcpServers"],
                ),
                Place::new(
                    Scope::Project,
                    around.cwd.join(".mcp.json"),
                    strict,
                    &["mcpServers"],
                ),
                Place::new(Scope::User, file, strict, &["mcpServers"]),
            ]
        }
        Host::Codex => {
            let file = around.folder("CODEX_HOME", ".codex")?.join("config.toml");
            vec![Place::new(
                Scope::User,
                file,
                Format::Toml,
                &["mcp_servers"],
            )]
        }
        Host::OpenCode => {
            let place = |scope, path| Place::new(scope, path, lax, &["mcp"]);
            if let Some(path) = config_path {
                return Ok(vec![place(Scope::User, around.cwd.join(path))]);
            }
            let project = around.top_level();
            let user = around
                .folder("XDG_CONFIG_HOME", ".config")?
                .join("opencode");
            let files = |scope: Scope, folder: &Path| {
                ["opencode.jsonc", "opencode.json"].map(|name| place(scope, folder.join(name)))
            };
            [
                files(Scope::Project, &project.join(".opencode")),
                files(Scope::Project, project),
                files(Scope::User, &user),
            ]
            .concat()
        }
    })
}
