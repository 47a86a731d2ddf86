//! The options of a server for models: `mcp serve`, and the chat-host
//! commands that write it down.
//!
//! Owns: their flags, which exclude each other, the surface they choose, and
//! the words that start such a server again. Refuses: looking at the host.

use crate::network::NetworkPolicy;
use crate::network_flags;
use crate::project::ProjectOptions;
use crate::surface::{Mode, Profile, Surface};
use crate::{Error, Result};
use clap::{Args, FromArgMatches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator decides for a server; no model can change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerOptions {
    /// Which tools are offered, by breadth
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t)]
    pub profile: Profile,
    /// Which tools are offered, by workflow; replaces the profile
    #[arg(long, value_name = "MODE", value_enum)]
    pub mode: Option<Mode>,
    /// What new workspaces begin with
    #[command(flatten)]
    pub project: ProjectOptions,
    /// Environment of what is made without naming one; otherwise the mode's, or debian:12
    #[arg(long, value_name = "ENVIRONMENT")]
    pub environment: Option<String>,
    /// Let tools read and write below this folder of the host, too; may be repeated
    #[arg(long = "allow-path", value_name = "DIR")]
    pub allow_paths: Vec<String>,
    /// Let tools run commands on this host, unconfined, where no guest can start
    #[arg(long)]
    pub allow_host_compat: bool,
    /// The most network any guest of this server gets
    #[arg(long, value_name = "POLICY", default_value = NetworkPolicy::Off.as_str(), value_parser = network_flags::policy_parser())]
    pub network_policy: NetworkPolicy,
    /// Let its guests reach only this name (*.NAME, NAME:PORT, registries); may be repeated
    #[arg(long = "allow-domain", value_name = "NAME")]
    pub allow_domains: Vec<String>,
    /// Let its guests reach only this range of addresses; may be repeated
    #[arg(long = "allow-cidr", value_name = "RANGE")]
    pub allow_cidrs: Vec<String>,
}

impl ServerOptions {
    /// What is offered.
    ///
    /// # Errors
    /// `conflict` for a mode beside a profile that is not the default.
    pub fn surface(&self) -> Result<Surface> {
        match self.mode {
            Some(_) if self.profile != Profile::default() => Err(Error::invalid(
                "conflict",
                format!(
                    "mode {} and profile {} are given at once",
                    self.surface_of_mode().name(),
                    Surface::Profile(self.profile).name()
                ),
            )
            .hint("a mode replaces the profile: give one of --mode and --profile")),
            _ => Ok(self.surface_of_mode()),
        }
    }

    fn surface_of_mode(&self) -> Surface {
        self.mode
            .map_or(Surface::Profile(self.profile), Surface::Mode)
    }

    /// The environment of what is made without naming one.
    #[must_use]
    pub fn environment(&self) -> &str {
        self.environment
            .as_deref()
            .unwrap_or_else(|| self.surface_of_mode().environment())
    }

    /// Whether words are options with which a server starts.
    #[must_use]
    pub fn are_words(words: &[String]) -> bool {
        let command = Self::augment_args(clap::Command::new("serve").no_binary_name(true));
        command
            .try_get_matches_from(words)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .is_ok_and(|options| options.surface().is_ok())
    }

    /// The words after `pyro mcp serve` that mean these options, in the
    /// contract's order (`semantics.md` §17); defaults are left out.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let project = &self.project;
        let surface = self.surface_of_mode();
        let (mut words, mut flag) = (Vec::new(), None);
        match surface {
            Surface::Mode(_) => flag = Some("--mode"),
            Surface::Profile(profile) if profile != Profile::default() => flag = Some("--profile"),
            Surface::Profile(_) => {}
        }
        let mut give = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
        if let Some(flag) = flag {
            give(flag, surface.name());
        }
        for (flag, value) in [
            ("--project-path", &project.project_path),
            ("--repo-url", &project.repo_url),
            ("--repo-ref", &project.repo_ref),
        ] {
            if let Some(value) = value {
                give(flag, value);
            }
        }
        if project.no_project_source {
            words.push("--no-project-source".to_owned());
        }
        let mut give = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
        if let Some(environment) = &self.environment {
            give("--environment", environment);
        }
        if self.network_policy != NetworkPolicy::Off {
            give("--network-policy", self.network_policy.as_str());
        }
        for (flag, values) in [
            ("--allow-domain", &self.allow_domains),
            ("--allow-cidr", &self.allow_cidrs),
            ("--allow-path", &self.allow_paths),
        ] {
            for value in values {
                give(flag, value);
            }
        }
        if self.allow_host_compat {
            words.push("--allow-host-compat".to_owned());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    fn parsed(words: &[&str]) -> ServerOptions {
        let command = ServerOptions::augment_args(Command::new("serve").no_binary_name(true));
        ServerOptions::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn words_mean_the_options_they_came_from() {
        for words in [
            "",
            "--profile vm-run",
            "--mode inspect --project-path /p --environment debian:12-build",
            "--repo-url https://example.org/r --repo-ref main --allow-path /a --allow-path /b",
            "--network-policy egress --allow-domain a.example --allow-cidr 10.0.0.0/8",
            "--no-project-source --allow-host-compat",
        ] {
            let words: Vec<_> = words.split_whitespace().collect();
            assert_eq!(parsed(&words).words(), words);
        }
    }

    #[test]
    fn a_mode_replaces_the_default_profile_only() {
        let with = |words: &[&str]| parsed(words).surface().map_err(|error| error.code);
        assert_eq!(
            with(&["--mode", "inspect"]),
            Ok(Surface::Mode(Mode::Inspect))
        );
        assert_eq!(
            with(&["--mode", "inspect", "--profile", "vm-run"]),
            Err("conflict")
        );
        assert_eq!(
            parsed(&["--mode", "cold-start"]).environment(),
            "debian:12-build"
        );
        let explicit = ["--mode", "cold-start", "--environment", "debian:12"];
        assert_eq!(parsed(&explicit).environment(), "debian:12");
    }
}
