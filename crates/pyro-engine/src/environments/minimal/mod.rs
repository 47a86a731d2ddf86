//! The minimal guest kernel: Debian's kernel source, compiled with pyro's own
//! configuration.
//!
//! Owns: what it is compiled from and with, that it is compiled once per key
//! ([`record`]), and that the configuration came out as wanted ([`wanted`]).
//! Refuses: touching the host. Compiler and source live in a tree of their
//! own, in the namespaces of every build, and vanish with it.
//!
//! ```text
//! versions (apt's lists) --key--> record? --yes--> copy from the store
//!                                   | no
//!                     tree with gcc --allnoconfig--> as wanted? --make--> record
//!                                                       `-no: the symbols are named
//! ```

mod progress;
mod record;
#[cfg(test)]
mod tests;
mod wanted;

pub use record::sweep;

use super::build::{failure, namespaces};
use super::catalog::Recipe;
use super::installs;
use super::locks::Lock;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::layout::Layout;
use namespaces::Job;
use progress::Progress;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The package; `kernel.config` is written for this version of Linux.
const SOURCE: &str = "linux-source-6.1";
/// What compiles it.
const TOOLS: &str = "gcc,libc6-dev,make,flex,bison,bc,libelf-dev,xz-utils,lz4";
/// The packages whose versions decide the result's bytes.
const DECIDES: &str = "linux-source-6[.]1|gcc-[0-9]+|binutils";
const SCRIPT: &str = include_str!("kernel.sh");
const NAME: &str = "the minimal guest kernel";
/// Tools, source without what is not unpacked, objects: 1.6 GiB were measured.
const TREE_MIB: u64 = 2048;
const RESULTS_MIB: u64 = 32;
const MODULES_BUILTIN: &str = "modules.builtin";

/// A kernel that lies in the partial folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinimalKernel {
    pub release: String,
    pub package: String,
    pub package_version: String,
}

/// Puts `vmlinuz` and `modules.builtin` into `partial`, compiling them when no
/// environment has done it before.
///
/// # Errors
/// Those of a build; `build_failed` naming the symbols that are not as wanted.
pub fn obtain(
    layout: &Layout,
    recipe: &Recipe,
    sources: &str,
    partial: &Path,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<MinimalKernel> {
    let work = Work {
        recipe,
        sources,
        partial,
        cancel,
    };
    let versions = work.run("versions", |_| Ok(()))?;
    let find = |key: &str| record::find(layout, key, partial, installs::KERNEL_BZIMAGE, cancel);
    if let Some(kernel) = find(&key(&versions))? {
        return Ok(kernel);
    }
    let notice = format!("another pyro is compiling {NAME}; waiting for it");
    let _lock = Lock::take(
        layout,
        ".minimal-kernel",
        Some((events, notice.as_str())),
        cancel,
    )?;
    if let Some(kernel) = find(&key(&versions))? {
        return Ok(kernel);
    }
    let mut progress = Progress::new(NAME, events);
    let versions = work.run("compile", |line| {
        progress.line(line);
        if line == "pyro: config" {
            work.check_config()?;
        }
        Ok(())
    })?;
    let release = progress.release().to_owned();
    if !is_release(&release) {
        return Err(Error::runtime(
            "build_failed",
            format!("{NAME} says its release is {release:?}"),
        ));
    }
    let version = versions.lines().find_map(|line| line.strip_prefix(SOURCE));
    let kernel = MinimalKernel {
        release,
        package: SOURCE.to_owned(),
        package_version: version.unwrap_or("unknown").trim().to_owned(),
    };
    record::keep(
        layout,
        &key(&versions),
        partial,
        installs::KERNEL_BZIMAGE,
        &versions,
        &kernel,
        cancel,
    )?;
    progress.finished();
    Ok(kernel)
}

fn key(versions: &str) -> String {
    record::key(&[versions, wanted::TEXT, SCRIPT])
}

/// Whether `text` can be the name of a folder of modules.
fn is_release(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 64 && text.bytes().all(plain)
}

struct Work<'a> {
    recipe: &'a Recipe,
    sources: &'a str,
    partial: &'a Path,
    cancel: &'a Cancel,
}

impl Work<'_> {
    /// Runs one step of the script and gives the versions it found.
    fn run(&self, step: &str, each: impl FnMut(&str) -> Result<()>) -> Result<String> {
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let job = Job {
            name: NAME,
            script: SCRIPT,
            partial: self.partial,
            tree_mib: TREE_MIB,
            results_mib: RESULTS_MIB,
            variables: &[
                ("P_SUITE", self.recipe.suite),
                ("P_SOURCES", self.sources),
                ("P_STEP", step),
                ("P_SOURCE", SOURCE),
                ("P_TOOLS", TOOLS),
                ("P_DECIDES", DECIDES),
                ("P_CONFIG", wanted::TEXT),
                ("P_JOBS", &jobs.to_string()),
            ],
        };
        let outcome = namespaces::run(&job, self.cancel, each)?;
        if !outcome.success {
            return Err(failure::explain(NAME, &outcome.tail));
        }
        let versions = self.text("versions")?;
        if versions.lines().count() < 3 {
            return Err(Error::runtime(
                "build_failed",
                format!("cannot build {NAME}: apt does not know all of {SOURCE}, gcc, binutils"),
            )
            .hint("the package sources need Debian's main section with security updates"));
        }
        Ok(versions)
    }

    fn check_config(&self) -> Result<()> {
        let unmet = wanted::unmet(wanted::TEXT, &self.text("config")?);
        if unmet.is_empty() {
            return Ok(());
        }
        Err(Error::runtime(
            "build_failed",
            format!(
                "cannot build {NAME}: {SOURCE} does not give what its configuration wants: {}",
                unmet.join(", ")
            ),
        )
        .hint("`pyro env build ENVIRONMENT --guest-kernel debian` needs no compiling"))
    }

    fn text(&self, name: &str) -> Result<String> {
        let path = self.partial.join(name);
        std::fs::read_to_string(&path).map_err(Error::io("read", &path))
    }
}
