//! The hosts that this host's package clients are set up to use.
//!
//! Owns: reading their configuration files and variables, finding hosts in
//! them, putting them where a list of names says `registries`. Refuses: a
//! host nobody configured; a client's built-in one is the client's business
//! and has to be listed by name.
//!
//! ```text
//!  pip    pip.conf, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS
//!  npm    npmrc, NPM_CONFIG_REGISTRY
//!  cargo  config.toml: [registries.*] index, [source.*] registry
//!  apt    sources.list, sources.list.d/*.list and *.sources
//! ```

mod parse;

use parse::{apt_lines, apt_stanzas, cargo, npm, pip};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The word in a list of names.
pub const WORD: &str = "registries";

const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why the word stands for nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistriesError {
    /// Nothing is configured.
    #[error(
        "--allow-domain registries: no package client of this host names a registry (looked at {looked_at}); list the hosts with --allow-domain HOST"
    )]
    Nothing {
        /// Files and variables.
        looked_at: String,
    },
}

/// Where to look.
pub struct Surroundings<'a> {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `/`, or another one in tests.
    pub root: &'a Path,
    /// A variable's value.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// The list with the word replaced by hosts; as it is without the word.
pub fn expand(
    domains: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Vec<String>, RegistriesError> {
    if !domains.iter().any(|domain| domain == WORD) {
        return Ok(domains.to_vec());
    }
    let found = hosts(surroundings);
    if found.is_empty() {
        let looked_at: Vec<_> = files(surroundings)
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        return Err(RegistriesError::Nothing {
            looked_at: format!(
                "{} and variables such as PIP_INDEX_URL",
                looked_at.join(", ")
            ),
        });
    }
    let mut expanded: Vec<String> = Vec::new();
    for domain in domains {
        let new: Vec<String> = if domain == WORD {
            found.iter().cloned().collect()
        } else {
            vec![domain.clone()]
        };
        for one in new {
            if !expanded.contains(&one) {
                expanded.push(one);
            }
        }
    }
    Ok(expanded)
}

/// The hosts, as entries of a list of names.
#[must_use]
pub fn hosts(surroundings: &Surroundings<'_>) -> BTreeSet<String> {
    let mut urls: Vec<String> = Vec::new();
    for (path, read) in files(surroundings) {
        if let Some(text) = text(&path) {
            urls.extend(read(&text));
        }
    }
    for name in [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "NPM_CONFIG_REGISTRY",
        "npm_config_registry",
    ] {
        let value = (surroundings.variable)(name).unwrap_or_default();
        urls.extend(value.split_whitespace().map(String::from));
    }
    urls.iter().filter_map(|url| parse::entry(url)).collect()
}

type Reader = fn(&str) -> Vec<String>;

fn files(surroundings: &Surroundings<'_>) -> Vec<(PathBuf, Reader)> {
    let variable = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let mut files: Vec<(PathBuf, Reader)> = Vec::new();
    let root = |path: &str| surroundings.root.join(path);
    files.push((root("etc/pip.conf"), pip));
    files.push((root("etc/xdg/pip/pip.conf"), pip));
    files.push((root("etc/npmrc"), npm));
    files.push((root("usr/etc/npmrc"), npm));
    if let Some(home) = &surroundings.home {
        let config =
            variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.push((config.join("pip/pip.conf"), pip));
        files.push((home.join(".pip/pip.conf"), pip));
        files.push((home.join(".npmrc"), npm));
        let cargo_home = variable("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        files.push((cargo_home.join("config.toml"), cargo));
        files.push((cargo_home.join("config"), cargo));
    }
    for (name, reader) in [
        ("PIP_CONFIG_FILE", pip as Reader),
        ("NPM_CONFIG_USERCONFIG", npm),
        ("NPM_CONFIG_GLOBALCONFIG", npm),
    ] {
        if let Some(path) = variable(name) {
            files.push((path.into(), reader));
        }
    }
    files.push((root("etc/apt/sources.list"), apt_lines));
    let mut more: Vec<_> = std::fs::read_dir(root("etc/apt/sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    more.sort();
    for path in more {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => files.push((path, apt_lines)),
            Some("sources") => files.push((path, apt_stanzas)),
            _ => {}
        }
    }
    files
}

/// A file's text. Those that are missing, or no text, say nothing.
fn text(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::DomainRule;
    use std::collections::HashMap;

    struct Host(PathBuf, HashMap<&'static str, String>);

    impl Host {
        fn new(name: &str) -> Self {
            let folder = format!("pyro-registries-{name}-{}", std::process::id());
            let root = std::env::temp_dir().join(folder);
            let _ = std::fs::remove_dir_all(&root);
            std::fs::create_dir_all(&root).unwrap();
            Self(root, HashMap::new())
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn expand(&self, domains: &[&str]) -> Result<Vec<String>, RegistriesError> {
            let domains: Vec<_> = domains.iter().map(ToString::to_string).collect();
            let surroundings = Surroundings {
                home: Some(self.0.join("home")),
                root: &self.0,
                variable: &|name| self.1.get(name).cloned(),
            };
            expand(&domains, &surroundings)
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_client_s_configuration_is_read() {
        let mut host = Host::new("all");
        host.write(
            "etc/pip.conf",
            "[global]\nindex-url = https://user:pw@pip.example/simple\n",
        );
        host.write("home/.npmrc", "registry=https://npm.example:8443/\n");
        host.write(
            "home/.cargo/config.toml",
            "[registries.x]\nindex = \"sparse+https://cargo.example/i/\"\n",
        );
        host.write(
            "etc/apt/sources.list",
            "deb http://apt.example/debian x main\n",
        );
        host.write(
            "etc/apt/sources.list.d/a.sources",
            "Types: deb\nURIs: https://more.example/d\n",
        );
        host.write(
            "etc/apt/sources.list.d/b.list.off",
            "deb http://off.example/debian x main\n",
        );
        host.1.insert(
            "PIP_EXTRA_INDEX_URL",
            "https://pip.example/x https://extra.example/y".into(),
        );
        let expanded = host
            .expand(&["own.example", "registries", "pip.example"])
            .unwrap();
        assert_eq!(
            expanded,
            [
                "own.example",
                "apt.example",
                "cargo.example",
                "extra.example",
                "more.example",
                "npm.example:8443",
                "pip.example"
            ]
        );
        for one in &expanded {
            DomainRule::parse(one).unwrap();
        }
    }

    #[test]
    fn a_host_without_any_says_where_it_looked() {
        let host = Host::new("none");
        let error = host.expand(&["registries"]).unwrap_err().to_string();
        for part in [
            "pip.conf",
            ".npmrc",
            "config.toml",
            "sources.list",
            "--allow-domain HOST",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(host.expand(&["a.example"]).unwrap(), ["a.example"]);
    }
}
