//! What an operator allowed a server to read and write.
//!
//! ```text
//!   reads    the project, --allow-path        relative: from the project
//!   writes   <state>/exports/<workspace id>/, --allow-path        relative: in the former
//! ```
//!
//! Owns: which root a path is below, and what is refused below any: pyro's
//! own files, for writing also `.git`, configuration of chat hosts and hidden
//! files of the home folder. Refuses: roots that would hold these.

use super::output::{Output, invalid};
use super::{beneath, linkless, missing, unwritable};
use crate::error::{Error, Result};
use crate::layout::{Layout, expand_home, make_private_dir};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// Linux allows no longer name.
const NAME_BYTES: usize = 255;
/// Folders between a root and an output.
const MOST_FOLDERS: usize = 64;

const ALLOW: &str = "the operator allows other folders with --allow-path DIR";

/// Folders of one server, fixed when it starts.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Where relative paths begin.
    base: Option<PathBuf>,
    project: Option<PathBuf>,
    allowed: Vec<PathBuf>,
    exports: PathBuf,
    /// pyro's own: state first, then cache.
    own: [PathBuf; 2],
    home: Option<PathBuf>,
}

impl Roots {
    /// Checks an operator's folders; `project` is one already found.
    ///
    /// # Errors
    /// `invalid_root` naming the folder and the flag.
    pub fn new(layout: &Layout, project: Option<&Path>, allowed: &[String]) -> Result<Self> {
        let home = etcetera::home_dir().ok();
        Self::for_home(layout, project, allowed, home)
    }

    pub(super) fn for_home(
        layout: &Layout,
        project: Option<&Path>,
        allowed: &[String],
        home: Option<PathBuf>,
    ) -> Result<Self> {
        let home = home.and_then(|home| home.canonicalize().ok());
        let mut roots = Self {
            base: project.map(Path::to_owned),
            project: None,
            allowed: Vec::new(),
            exports: settled(&layout.exports()),
            own: [settled(&layout.state), settled(&layout.cache)],
            home,
        };
        for folder in allowed {
            let root = roots.allowed_folder(folder)?;
            roots.allowed.push(root);
        }
        // A home can be a work tree; naming paths in it is more than that.
        roots.project = project
            .filter(|project| !roots.holds_home(project))
            .map(Path::to_owned);
        Ok(roots)
    }

    fn allowed_folder(&self, text: &str) -> Result<PathBuf> {
        let refused = |why: String| {
            Error::invalid("invalid_root", format!("--allow-path {text}: {why}"))
                .hint("name one existing folder that holds only what tools may read and write")
        };
        let root = expand_home(text)
            .canonicalize()
            .map_err(|error| refused(error.to_string()))?;
        if !root.is_dir() {
            return Err(refused("it is no folder".into()));
        }
        if self.holds_home(&root) {
            return Err(refused(format!("{} holds a home folder", root.display())));
        }
        let inside = |own: &PathBuf| root.starts_with(own) && !root.starts_with(&self.exports);
        if self
            .own
            .iter()
            .any(|own| own.starts_with(&root) || inside(own))
        {
            return Err(refused(format!("{} has pyro's own files", root.display())));
        }
        Ok(root)
    }

    fn holds_home(&self, folder: &Path) -> bool {
        folder == Path::new("/")
            || self
                .home
                .as_ref()
                .is_some_and(|home| home.starts_with(folder))
    }

    fn reads(&self) -> impl Iterator<Item = &PathBuf> {
        self.project.iter().chain(&self.allowed)
    }

    /// As [`super::HostPaths::find`].
    pub(super) fn find(&self, text: &str) -> Result<PathBuf> {
        let outside = || {
            let (why, hint) = self.why_not_read();
            Error::invalid("path_not_allowed", format!("{text:?} {why}")).hint(hint)
        };
        if text.trim().is_empty() || text.contains('\0') {
            return Err(
                Error::invalid("source_missing", format!("{text:?} is no path"))
                    .hint("name a path of this host"),
            );
        }
        let wanted = expand_home(text);
        let wanted = match &self.base {
            Some(base) => base.join(wanted),
            None if wanted.is_absolute() => wanted,
            None => return Err(outside()),
        };
        let found = settled(&wanted);
        nearest(self.reads(), &found).ok_or_else(outside)?;
        let has_own = |own: &PathBuf| found.starts_with(own) && !found.starts_with(&self.exports);
        // A walk over what holds the state would meet the secrets in it.
        if self.own.iter().any(has_own) || self.own[0].starts_with(&found) {
            return Err(Error::invalid(
                "path_not_allowed",
                format!("{} has pyro's own files", found.display()),
            )
            .hint("name something beside or below them"));
        }
        linkless::open(&found, OFlags::PATH)
            .map_err(|error| missing(&found, &error).hint(format!("name what exists; {ALLOW}")))?;
        tracing::info!(path = %found.display(), "a tool reads from this host");
        Ok(found)
    }

    fn why_not_read(&self) -> (String, String) {
        if self.reads().next().is_none() {
            let why = if self.base.is_some() {
                "cannot be read: the project is a home folder, of which tools may name nothing"
            } else {
                "cannot be read: this server has no project, and no folder is allowed"
            };
            let hint = format!("write files into the workspace instead; {ALLOW}");
            return (why.into(), hint);
        }
        let why = format!(
            "is outside of what tools may read: {}",
            listed(self.reads())
        );
        let from = match &self.project {
            Some(project) => format!("name a path below it, relative to {}", project.display()),
            None => "name an absolute path below it".into(),
        };
        (why, format!("{from}; {ALLOW}"))
    }

    /// As [`super::HostPaths::output`].
    pub(super) fn output(
        &self,
        text: &str,
        workspace_id: impl FnOnce() -> Result<String>,
    ) -> Result<Output> {
        if text.trim().is_empty() {
            return Err(invalid(text, "is blank"));
        }
        // Whoever lists the folder in a terminal would obey them.
        if text.contains(char::is_control) {
            return Err(invalid(text, "has a control character"));
        }
        let wanted = expand_home(text);
        let Some(Component::Normal(name)) = wanted.components().next_back() else {
            return Err(invalid(text, "has no name"));
        };
        let (name, parent) = (name.to_owned(), wanted.parent().unwrap_or(Path::new("")));
        // What needs no workspace is refused without asking for one.
        let early = wanted.is_absolute().then(|| settled(parent));
        let (own, place) = match early.filter(|place| !place.starts_with(&self.exports)) {
            Some(place) => (None, place),
            None => {
                let own = self.exports.join(workspace_id()?);
                let place = settled(&own.join(parent));
                (Some(own), place)
            }
        };
        let path = place.join(name);
        let leads_back = path.components().any(|part| part == Component::ParentDir);
        let root = nearest(own.iter().chain(&self.allowed), &path);
        let Some(root) = root.filter(|root| *root != &path && !leads_back) else {
            return Err(self.why_not_written(text, own.as_deref()));
        };
        let is_export = own.as_ref() == Some(root);
        self.check_names(&path, root, is_export)?;
        if path.iter().any(|name| name.len() > NAME_BYTES) {
            return Err(invalid(text, "has a name that is too long"));
        }
        let depth = below(root, &place).iter().count();
        if depth > MOST_FOLDERS {
            return Err(invalid(text, "is in too many folders"));
        }
        let parent = made_parent(root, below(root, &place), is_export).map_err(|error| {
            match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::NOTDIR) => {
                    invalid(text, "is below something that is no folder")
                }
                _ => Error::io("make the folder of", &path)(error),
            }
        })?;
        let output = Output::beside(path, parent)?;
        tracing::info!(path = %output.path.display(), "a tool writes to this host");
        Ok(output)
    }

    fn why_not_written(&self, text: &str, own: Option<&Path>) -> Error {
        let own = own.map_or_else(|| self.exports.join("<workspace id>"), Path::to_owned);
        let all = listed([&own].into_iter().chain(&self.allowed));
        Error::invalid(
            "path_not_allowed",
            format!("{text:?} is outside of where tools may write: {all}"),
        )
        .hint(format!(
            "give a relative output_path, which is a place in the first; {ALLOW}"
        ))
    }

    /// Whatever an operator allowed, these are not to be written.
    fn check_names(&self, path: &Path, root: &Path, is_export: bool) -> Result<()> {
        let refused = |code, why: &str| {
            Err(
                Error::invalid(code, format!("{} is {why}", path.display())).hint(
                    "give another, relative output_path; whoever works here can copy it from there",
                ),
            )
        };
        if unwritable::is_in_git(path) {
            return refused("output_in_git", "inside of a .git");
        }
        if is_export {
            return Ok(());
        }
        if unwritable::is_of_a_chat_host(below(root, path)) {
            return refused("path_not_allowed", "configuration of a chat host");
        }
        let home = self.home.as_deref();
        if home.is_some_and(|home| unwritable::is_hidden_in(home, path)) {
            return refused("path_not_allowed", "a hidden file of the home folder");
        }
        if self.own.iter().any(|own| path.starts_with(own)) {
            return refused("path_not_allowed", "among pyro's own files");
        }
        Ok(())
    }
}

/// The folder of an output, made where it is missing.
fn made_parent(root: &Path, rest: &Path, is_export: bool) -> std::io::Result<OwnedFd> {
    let mode = if is_export {
        make_private_dir(root).map_err(|error| std::io::Error::other(error.message))?;
        0o700
    } else {
        0o777
    };
    let root = linkless::open(root, OFlags::PATH | OFlags::DIRECTORY)?;
    beneath::make(root, rest, mode)
}

fn nearest<'a>(roots: impl Iterator<Item = &'a PathBuf>, path: &Path) -> Option<&'a PathBuf> {
    let around = roots.filter(|root| path.starts_with(root));
    around.max_by_key(|root| root.as_os_str().len())
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

fn listed<'a>(roots: impl Iterator<Item = &'a PathBuf>) -> String {
    let all: Vec<_> = roots.map(|root| root.display().to_string()).collect();
    all.join(", ")
}

/// A path whose links are resolved, as far as it exists. What does not exist
/// stays as it is, so a `..` in it stays as well and nothing opens it.
fn settled(path: &Path) -> PathBuf {
    for begin in path.ancestors() {
        if let Ok(found) = begin.canonicalize() {
            let rest = below(begin, path);
            return if rest.as_os_str().is_empty() {
                found
            } else {
                found.join(rest)
            };
        }
    }
    path.to_owned()
}
