//! The one commit a project's workspace begins with, as a `.git` of its own.
//!
//! ```text
//!   leaves --threads: hash--> ids --> trees, commit (objects.rs)
//!     |                                  |
//!     `----threads: deflate--------------+--> objects/pack/pack-*.{pack,idx} (pack.rs)
//!   ids, sizes, times -------------------`--> index (index.rs)
//!   fixed words ----------------------------> HEAD config info/attributes refs/heads/main
//! ```
//!
//! It is written here and not by `git add`, which would apply filters, takes
//! four times as long, and notes inodes and users of this host.
//!
//! Owns: those files; the same leaves make the same bytes. Refuses: anything
//! of the project's own repository: no remotes, configuration or history. The
//! bytes of the work tree are the bytes of its blobs, with nothing converted,
//! and `info/attributes` says the same to the git that reads them.

mod index;
mod objects;
mod pack;

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::host_paths::linkless;
use objects::{Id, Object};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
\tcheckStat = minimal
\ttrustctime = false
";
const ATTRIBUTES: &str = "* -text -ident -filter !working-tree-encoding\n";
const HEAD: &str = "ref: refs/heads/main\n";
/// More threads than this wait for the disk.
const MOST_THREADS: usize = 4;

/// A file or link of the tree.
pub struct Leaf {
    /// Relative, clean.
    pub path: Vec<u8>,
    /// Where its content comes from.
    pub content: Content,
    /// Seconds and nanoseconds since the Unix epoch.
    pub mtime: (i64, u32),
    /// What the project's own index says it is: SHA-1 or SHA-256, as hex digits.
    pub indexed: String,
}

/// What is in a leaf.
pub enum Content {
    /// A file of this host.
    File {
        from: PathBuf,
        size: u64,
        executable: bool,
    },
    /// A link's target.
    Link(Vec<u8>),
}

impl Leaf {
    fn mode(&self) -> u32 {
        match self.content {
            Content::File {
                executable: true, ..
            } => 0o100_755,
            Content::File { .. } => 0o100_644,
            Content::Link(_) => 0o120_000,
        }
    }

    fn size(&self) -> u64 {
        match &self.content {
            Content::File { size, .. } => *size,
            Content::Link(target) => target.len() as u64,
        }
    }
}

/// What was written.
pub struct Written {
    /// Leaves that are not what the project's index says.
    pub modified: u64,
    /// Files below `.git`, in order, each beside where it lies now.
    pub files: Vec<(String, PathBuf)>,
}

/// Writes it into an empty folder; `leaves` are sorted by path.
///
/// # Errors
/// What `failed` makes of a leaf that cannot be read, `io`, `cancelled`.
pub fn write(
    leaves: &[Leaf],
    folder: &Path,
    failed: &(dyn Fn(&Path, std::io::Error) -> Error + Sync),
    cancel: &Cancel,
) -> Result<Written> {
    let blobs = each(leaves.len(), cancel, |number| {
        objects::blob(&leaves[number], failed, cancel)
    })?;
    let modified = blobs.iter().filter(|(_, same)| !same).count() as u64;
    let blobs: Vec<_> = blobs.into_iter().map(|(id, _)| id).collect();
    let named: Vec<_> = leaves.iter().zip(&blobs).collect();
    let trees = objects::trees(&named);
    let commit = Object::commit(trees.root);
    let mut files = Vec::new();
    let mut keep = |name: String, bytes: &[u8]| {
        let path = folder.join(name.replace('/', "-"));
        let kept = std::fs::write(&path, bytes).map_err(Error::io("write", &path));
        files.push((name, path));
        kept
    };
    keep("HEAD".into(), HEAD.as_bytes())?;
    keep("config".into(), CONFIG.as_bytes())?;
    keep("index".into(), &index::bytes(&named, &trees.cache))?;
    keep("info/attributes".into(), ATTRIBUTES.as_bytes())?;
    let tip = format!("{}\n", hex::encode(commit.id));
    let place = folder.join("pack");
    let made = pack::write(&named, trees.objects, commit, &place, failed, cancel)?;
    let name = format!("objects/pack/pack-{}", hex::encode(made.name));
    keep(format!("{name}.idx"), &made.index)?;
    keep("refs/heads/main".into(), tip.as_bytes())?;
    files.push((format!("{name}.pack"), place));
    files.sort();
    Ok(Written { modified, files })
}

/// Does something for each number below `count`, with a thread per processor;
/// the answers are in their order.
fn each<T: Send>(
    count: usize,
    cancel: &Cancel,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let help = || -> Result<Vec<(usize, T)>> {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(done);
            }
            if cancel.is_cancelled() {
                return Err(cancelled());
            }
            match work(number) {
                Ok(made) => done.push((number, made)),
                Err(error) => {
                    next.store(count, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let threads = processors.min(MOST_THREADS).min(count);
    let shares = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(help)).collect();
        let own = help();
        let others = helpers.into_iter().map(|helper| {
            let broken = |_| Err(Error::runtime("crashed", "a thread ended early"));
            helper.join().unwrap_or_else(broken)
        });
        others.chain([own]).collect::<Result<Vec<_>>>()
    })?;
    let mut all: Vec<_> = shares.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, made)| made).collect())
}

fn cancelled() -> Error {
    Error::runtime("cancelled", "cancelled while the first commit was made")
}

/// Opens a file that nothing was put in place of.
fn open(path: &Path) -> std::io::Result<File> {
    linkless::file(path)
}

type Named<'a> = (&'a Leaf, &'a Id);
