//! What one server is, fixed when it starts.
//!
//! Owns: the operator's options, checked, with the project, the folders and the
//! network they choose. Refuses: anything that a model could change.

use pyro::host_paths::{HostPaths, Roots};
use pyro::network::{NetworkPolicy, NetworkSpec, rules};
use pyro::project::ProjectSource;
use pyro::server_options::ServerOptions;
use pyro::surface::{Mode, Surface};
use pyro::{Error, Pyro, Result};
use std::sync::Arc;

/// What every part of the server reads.
pub struct Config {
    /// Which tools there are.
    pub surface: Surface,
    /// What `workspace_create` begins with when it names no seed.
    pub project: Option<ProjectSource>,
    /// What is made without naming an environment.
    pub environment: String,
    /// The most network of a guest, with the operator's lists as written.
    pub network: NetworkSpec,
    /// The same for workspaces that are there: `registries` is also the hosts
    /// it means, which is how a record has it.
    pub known_network: NetworkSpec,
    /// The operator's words.
    pub options: ServerOptions,
    /// The facade; it reaches only files of this host that the operator allowed.
    pub pyro: Pyro,
}

impl Config {
    /// Checks the options; looks at names of folders and nothing else.
    ///
    /// # Errors
    /// `conflict`, `invalid_request`, `source_missing`, `source_kind`,
    /// `unknown_environment`, `invalid_network_rule`, `invalid_root`.
    pub fn new(options: ServerOptions) -> Result<Self> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::runtime("io", format!("cannot tell the current folder: {error}"))
                .hint("start pyro in a folder that exists")
        })?;
        let project = options.project.source(&cwd)?;
        Self::of(options, project, Pyro::from_env()?)
    }

    fn of(options: ServerOptions, project: Option<ProjectSource>, pyro: Pyro) -> Result<Self> {
        let surface = options.surface()?;
        let environment = options.environment().to_owned();
        pyro::environments::known(&environment)
            .map_err(|error| error.hint("give one of them to --environment"))?;
        let root = match &project {
            Some(ProjectSource::Path { root, .. }) => Some(root.as_path()),
            _ => None,
        };
        let roots = Roots::new(pyro.layout(), root, &options.allow_paths)?;
        let (network, known_network) = network(&options, surface)?;
        Ok(Self {
            surface,
            project,
            environment,
            network,
            known_network,
            options,
            pyro: pyro.within(HostPaths::Within(Arc::new(roots))),
        })
    }
}

fn network(options: &ServerOptions, surface: Surface) -> Result<(NetworkSpec, NetworkSpec)> {
    let mut network = NetworkSpec {
        policy: options.network_policy,
        rules: rules(options.allow_domains.clone(), options.allow_cidrs.clone()),
    };
    let mut known = network.clone().checked()?;
    if surface == Surface::Mode(Mode::Inspect) {
        network.policy = NetworkPolicy::Off;
        known.policy = NetworkPolicy::Off;
    }
    let written = network.rules.allow_domains.iter().cloned();
    known.rules.allow_domains.extend(written);
    Ok((network, known))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    /// What `pyro mcp serve WORDS` is in a folder without a project.
    pub fn config(words: &str) -> Config {
        let command = ServerOptions::augment_args(Command::new("serve").no_binary_name(true));
        let matches = command
            .try_get_matches_from(words.split_whitespace())
            .unwrap();
        let options = ServerOptions::from_arg_matches(&matches).unwrap();
        Config::of(options, None, Pyro::from_env().unwrap()).unwrap()
    }

    /// The same inside the work tree `root`.
    pub fn with_project(mut config: Config, root: &str) -> Config {
        config.project = Some(ProjectSource::Path {
            root: root.into(),
            tracked: true,
        });
        config
    }

    /// Every surface by its name, each with `words` besides.
    pub fn each_surface(words: &str) -> Vec<(&'static str, Config)> {
        let surfaces = Surface::ALL.into_iter().map(|surface| {
            let flag = match surface {
                Surface::Profile(_) => "--profile",
                Surface::Mode(_) => "--mode",
            };
            let name = surface.name();
            (name, config(&format!("{flag} {name} {words}")))
        });
        surfaces.collect()
    }
}
