//! What one server is, fixed when it starts.
//!
//! Owns: the operator's options, checked, with the project they choose.
//! Refuses: anything that a model could change.

use pyro::project::ProjectSource;
use pyro::server_options::ServerOptions;
use pyro::surface::Surface;
use pyro::{Error, Pyro, Result};

/// What every part of the server reads.
pub struct Config {
    /// Which tools there are.
    pub surface: Surface,
    /// What `workspace_create` begins with when it names no seed.
    pub project: Option<ProjectSource>,
    /// What is made without naming an environment.
    pub environment: String,
    /// The operator's words.
    pub options: ServerOptions,
    /// The facade.
    pub pyro: Pyro,
}

impl Config {
    /// Checks the options; looks at names of folders and nothing else.
    ///
    /// # Errors
    /// `conflict`, `invalid_request`, `source_missing`, `source_kind`.
    pub fn new(options: ServerOptions) -> Result<Self> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::runtime("io", format!("cannot tell the current folder: {error}"))
                .hint("start pyro in a folder that exists")
        })?;
        Ok(Self {
            surface: options.surface()?,
            project: options.project.source(&cwd)?,
            environment: options.environment().to_owned(),
            options,
            pyro: Pyro::from_env()?,
        })
    }
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
        Config {
            surface: options.surface().unwrap(),
            project: None,
            environment: options.environment().to_owned(),
            options,
            pyro: Pyro::from_env().unwrap(),
        }
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
