//! Where each host keeps the servers it knows, by precedence.
//!
//! ```text
//! claude-code  local    ~/.claude.json  projects.<main work tree>.mcpServers.pyro
//!              project  <cwd>/.mcp.json, then each folder above  mcpServers.pyro
//!              user     ~/.claude.json  mcpServers.pyro      CLAUDE_CONFIG_DIR
//! codex        project  <cwd .. top level>/.codex/config.toml  mcp_servers.pyro
//!              user     ~/.codex/config.toml                    CODEX_HOME
//! opencode     user     OPENCODE_CONFIG_DIR, ~/.opencode  opencode.json[c]  mcp.pyro
//!              project  <top level .. cwd>/.opencode/opencode.json[c]
//!              project  <cwd .. top level>/opencode.json[c]
//!              user     the file of OPENCODE_CONFIG
//!              user     ~/.config/opencode/{opencode.json[c], config.json}
//! ```
//!
//! Owns: this drawing. Refuses: opening any of them.

use super::format::Format;
use super::host::{Host, SERVER, Scope};
use super::jsonc::Dialect;
use crate::error::{Error, Result};
use crate::layout::Layout;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// What places depend on.
pub struct Surroundings {
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The current folder, links resolved.
    pub cwd: PathBuf,
    /// Reads an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
    /// Where administrators keep what they say to hosts.
    pub system: PathBuf,
    /// Where backups go that would lie in a Git work tree.
    pub backups: PathBuf,
}

impl Surroundings {
    /// Of this process.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn of_this_process(layout: &Layout) -> Result<Self> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::runtime("io", format!("cannot tell the current folder: {error}"))
                .hint("start pyro in a folder that exists")
        })?;
        Ok(Self {
            home: etcetera::home_dir().ok().filter(|home| home.is_absolute()),
            cwd: cwd.canonicalize().unwrap_or(cwd),
            variable: |name| std::env::var_os(name),
            system: PathBuf::from("/etc"),
            backups: layout.host_backups(),
        })
    }

    /// A folder that a variable names, or one below the home directory.
    pub fn folder(&self, variable: &str, below_home: &str) -> Result<PathBuf> {
        match (self.named(variable), &self.home) {
            (Some(named), _) => Ok(named),
            (None, Some(home)) => Ok(home.join(below_home)),
            (None, None) => Err(Error::invalid(
                "no_home",
                "HOME is not set and this user has no home directory",
            )
            .hint(format!("set HOME, or {variable} to an absolute path"))),
        }
    }

    /// What a variable names, if it is set.
    pub fn named(&self, variable: &str) -> Option<PathBuf> {
        let value = (self.variable)(variable).filter(|value| !value.is_empty());
        value.map(|value| self.cwd.join(value))
    }

    fn work_tree(&self) -> Option<&Path> {
        let mut above = self.cwd.ancestors();
        above.find(|folder| folder.join(".git").exists())
    }

    /// The top level of the work tree, else the current folder.
    pub fn top_level(&self) -> &Path {
        self.work_tree().unwrap_or(&self.cwd)
    }

    /// The work tree that a linked one (`git worktree`) belongs to: hosts
    /// take both for one project.
    pub fn main_work_tree(&self) -> PathBuf {
        let top_level = self.top_level();
        let linked = || {
            let said = fs::read_to_string(top_level.join(".git")).ok()?;
            let own = top_level.join(said.strip_prefix("gitdir:")?.trim());
            let shared = fs::read_to_string(own.join("commondir")).ok()?;
            let shared = own.join(shared.trim_end()).canonicalize().ok()?;
            match shared.file_name()?.to_str() {
                Some(".git") => Some(shared.parent()?.to_owned()),
                _ => Some(shared),
            }
        };
        linked().unwrap_or_else(|| top_level.to_owned())
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
    /// Whether a new entry may go here; elsewhere one is seen and mended only.
    pub usual: bool,
}

impl Place {
    fn new(scope: Scope, path: PathBuf, format: Format, keys: &[&str]) -> Self {
        let keys = keys.iter().copied().chain([SERVER]).map(str::to_owned);
        Self {
            scope,
            path,
            format,
            keys: keys.collect(),
            usual: true,
        }
    }

    fn usual_if(self, usual: bool) -> Self {
        Self { usual, ..self }
    }
}

/// The places of a host: those that win come first. Where one scope has
/// several usual files, the last of them is the one to make when none is there.
///
/// # Errors
/// `no_home`.
pub fn of(host: Host, around: &Surroundings, config_path: Option<&Path>) -> Result<Vec<Place>> {
    match host {
        Host::ClaudeCode => claude_code(around),
        Host::Codex => codex(around),
        Host::OpenCode => opencode(around, config_path),
    }
}

fn claude_code(around: &Surroundings) -> Result<Vec<Place>> {
    let strict = Format::Json(Dialect::Strict);
    let file = around.folder("CLAUDE_CONFIG_DIR", "")?.join(".claude.json");
    let project = around.main_work_tree().to_string_lossy().into_owned();
    let local = ["projects", &project, "mcpServers"];
    let mut places = vec![Place::new(Scope::Local, file.clone(), strict, &local)];
    for folder in around.cwd.ancestors() {
        let place = Place::new(
            Scope::Project,
            folder.join(".mcp.json"),
            strict,
            &["mcpServers"],
        );
        places.push(place.usual_if(folder == around.cwd));
    }
    places.push(Place::new(Scope::User, file, strict, &["mcpServers"]));
    Ok(places)
}

fn codex(around: &Surroundings) -> Result<Vec<Place>> {
    let user = around.folder("CODEX_HOME", ".codex")?.join("config.toml");
    let top_level = around.top_level();
    let place = |scope, path| Place::new(scope, path, Format::Toml, &["mcp_servers"]);
    let mut places = Vec::new();
    for folder in around.cwd.ancestors() {
        let path = folder.join(".codex/config.toml");
        if path != user {
            places.push(place(Scope::Project, path).usual_if(folder == top_level));
        }
        if folder == top_level {
            break;
        }
    }
    places.push(place(Scope::User, user));
    Ok(places)
}

fn opencode(around: &Surroundings, config_path: Option<&Path>) -> Result<Vec<Place>> {
    let lax = Format::Json(Dialect::Comments);
    let place = |scope, path| Place::new(scope, path, lax, &["mcp"]);
    if let Some(path) = config_path {
        return Ok(vec![place(Scope::User, around.cwd.join(path))]);
    }
    let files = |scope: Scope, folder: &Path, usual: bool| {
        ["opencode.jsonc", "opencode.json"]
            .map(|name| place(scope, folder.join(name)).usual_if(usual))
    };
    let user = around
        .folder("XDG_CONFIG_HOME", ".config")?
        .join("opencode");
    let top_level = around.top_level();
    // Outside of a work tree it looks in every folder above.
    let end = around.work_tree().unwrap_or(Path::new("/"));
    let above = || {
        let mut above: Vec<_> = around.cwd.ancestors().collect();
        above.retain(|folder| folder.starts_with(end));
        above
    };
    let mut places = Vec::new();
    let homes = [
        around.named("OPENCODE_CONFIG_DIR"),
        around.home.as_deref().map(|home| home.join(".opencode")),
    ];
    for folder in homes.into_iter().flatten() {
        places.extend(files(Scope::User, &folder, false));
    }
    for folder in above().into_iter().rev() {
        let hidden = folder.join(".opencode");
        places.extend(files(Scope::Project, &hidden, folder == top_level));
    }
    for folder in above() {
        places.extend(files(Scope::Project, folder, folder == top_level));
    }
    if let Some(file) = around.named("OPENCODE_CONFIG") {
        places.push(place(Scope::User, file).usual_if(false));
    }
    places.extend(files(Scope::User, &user, true));
    places.push(place(Scope::User, user.join("config.json")).usual_if(false));
    // One file may be reached in two ways; it counts where it wins.
    let mut seen = Vec::new();
    places.retain(|place| {
        let new = !seen.contains(&place.path);
        seen.push(place.path.clone());
        new
    });
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(home: &Path, cwd: &Path) -> Surroundings {
        Surroundings {
            home: Some(home.to_owned()),
            cwd: cwd.to_owned(),
            variable: |_| None,
            system: home.join("etc"),
            backups: home.join("backups"),
        }
    }

    #[test]
    fn linked_work_trees_are_one_project() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("main/.git/worktrees/w/commondir", "../..\n");
        let own = root.join("main/.git/worktrees/w");
        write("w/.git", &format!("gitdir: {}\n", own.display()));
        write("bare.git/worktrees/b/commondir", "../..\n");
        write("b/.git", "gitdir: ../bare.git/worktrees/b\n");
        // A submodule and a separate Git folder have no common one.
        write("sub/.git", "gitdir: ../main/.git/modules/sub\n");
        write("odd/.git", "nothing of the kind");
        for (cwd, expected) in [
            ("main", "main"),
            ("w", "main"),
            ("b", "bare.git"),
            ("sub", "sub"),
            ("odd", "odd"),
        ] {
            let found = around(&root, &root.join(cwd)).main_work_tree();
            assert_eq!(found, root.join(expected), "{cwd}");
        }
    }

    #[test]
    fn only_usual_places_get_new_entries() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let cwd = home.join("p/sub");
        fs::create_dir_all(home.join("p/.git")).unwrap();
        let usual = |host| {
            let places = of(host, &around(home, &cwd), None).unwrap();
            let usual = places.iter().filter(|place| place.usual);
            let relative = usual.map(|place| place.path.strip_prefix(home).unwrap().to_owned());
            relative.collect::<Vec<_>>()
        };
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            usual(Host::ClaudeCode),
            paths(&[".claude.json", "p/sub/.mcp.json", ".claude.json"])
        );
        assert_eq!(
            usual(Host::Codex),
            paths(&["p/.codex/config.toml", ".codex/config.toml"])
        );
        assert_eq!(
            usual(Host::OpenCode),
            paths(&[
                "p/.opencode/opencode.jsonc",
                "p/.opencode/opencode.json",
                "p/opencode.jsonc",
                "p/opencode.json",
                ".config/opencode/opencode.jsonc",
                ".config/opencode/opencode.json",
            ])
        );
    }
}
