//! What a workspace begins with: images of seeds, made once per content.
//!
//! ```text
//!   directory --look: known?--walk--.
//!                                   tree --> ext4_image --> <state>/baselines/<key>.ext4
//!   archive --stat: known?----------|                       |
//!   work tree --git, stat: known?---'         hard link: <workspace>/baseline.ext4
//!
//! <state>/baselines/
//! |- <key>.ext4        read-only; its number of names says who uses it
//! |- .partial-*        file or folder, being made; its maker holds a lock on it
//! `- seen/<print>      which key a source had whose stat is the same;
//!                      its maker holds a lock on it
//! ```
//!
//! Owns: that store. Refuses: counting references: a workspace's own link
//! keeps its baseline whatever becomes of the store, also after a crash.

#[cfg(test)]
mod bounds_tests;
mod directory;
mod look;
mod origin;
mod source;
#[cfg(test)]
mod tests;
mod tracked;
#[cfg(test)]
mod tracked_tests;
mod zstd_frames;

pub use directory::changed;
pub use origin::Origin;
pub use source::{Kind, Source};

use super::unix_now;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::ext4_image::{self as image, Contents, Written};
use crate::layout::{Layout, make_private_dir};
use crate::project::commit::Commit;
use crate::spool::Room;
use crate::start::BASELINE_DRIVE_BYTES;
use crate::turn;
use crate::unfinished;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Images that no workspace uses are kept for so long after their last use.
const KEPT_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);
/// A source whose last change is younger may change again within the same
/// tick of the file system's clock: it is looked at anew next time.
const SETTLED_SECONDS: f64 = 2.0;
/// How often a source that changes while it is read is read again.
const TRIES: usize = 3;
const PARTIAL: &str = ".partial-";

/// A seed that is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Names its content.
    pub key: String,
    /// Names in it.
    pub entry_count: u64,
    /// Bytes of its files.
    pub bytes_written: u64,
    /// Names that were passed over.
    pub skipped: u64,
    /// The same by why.
    #[serde(default)]
    pub skipped_kinds: BTreeMap<String, u64>,
    /// Tracked files that are not as Git's index has them.
    #[serde(default)]
    pub modified: u64,
}

/// The store.
pub struct Baselines {
    folder: PathBuf,
}

impl Baselines {
    /// Touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            folder: layout.baselines(),
        }
    }

    /// The image of a source, made unless there is one.
    ///
    /// # Errors
    /// Those of the source's files and of the disk, each naming the path.
    pub fn ensure(
        &self,
        origin: &Origin,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Baseline> {
        let seen = self.folder.join("seen");
        make_private_dir(&self.folder)?;
        make_private_dir(&seen)?;
        let mut tries = 1;
        loop {
            match self.once(origin, &seen, events, cancel) {
                Err(error) if error.code == "source_changed" && tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    fn once(
        &self,
        origin: &Origin,
        seen: &Path,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Baseline> {
        let began = unix_now();
        let look = Look::at(origin, cancel)?;
        // Two that come with the same source at once make it once.
        let path = seen.join(hex::encode(&look.print()[..16]));
        let mut memory = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        turn::take(&memory, &path, None, cancel)?;
        if let Some(known) = recall(&mut memory)
            && self.touch(&known.key)
        {
            return Ok(known);
        }
        let (baseline, newest) = match look {
            Look::Directory(path, looked) => {
                let mut walked = directory::walk(path, cancel)?;
                // It may have changed since the look, to what has another print.
                let newest = looked.newest.max(walked.newest);
                let written = self.make(&mut walked, events, cancel)?;
                let special = ("special".to_owned(), walked.skipped);
                let skipped = [special].into_iter().filter(|(_, count)| *count > 0);
                (Baseline::new(written, skipped.collect()), newest)
            }
            Look::Archive(source, (_, newest)) => {
                let mut archive = source.archive(&self.folder, &room(), cancel)?;
                let written = self.make(&mut archive, events, cancel)?;
                (Baseline::new(written, BTreeMap::new()), newest)
            }
            Look::Tracked(looked) => {
                let newest = looked.newest;
                (self.tracked(looked, None, events, cancel)?, newest)
            }
            Look::Clone(commit) => (self.cloned(commit, events, cancel)?, 0),
        };
        // Fits a float: seconds.
        #[allow(clippy::cast_precision_loss)]
        let settled = began - newest as f64 > SETTLED_SECONDS;
        if settled {
            // Forgotten is only slower.
            let _ = remember(&mut memory, &baseline);
        }
        Ok(baseline)
    }

    fn tracked(
        &self,
        looked: tracked::Looked,
        time: Option<(i64, u32)>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Baseline> {
        let folder = unfinished::Folder::make(&self.folder, PARTIAL)?;
        let mut prepared = looked.prepare(folder.path(), time, cancel)?;
        let written = self.make(&mut prepared.walked, events, cancel)?;
        Ok(Baseline {
            entry_count: prepared.entry_count,
            bytes_written: prepared.bytes,
            modified: prepared.modified,
            ..Baseline::new(written, looked.left_out)
        })
    }

    fn cloned(&self, commit: &Commit, events: &dyn EventSink, cancel: &Cancel) -> Result<Baseline> {
        let folder = unfinished::Folder::make(&self.folder, PARTIAL)?;
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).map_err(Error::io("create", &tree))?;
        let listed = commit.check_out(&tree, &folder.path().join("index"), cancel)?;
        let looked = tracked::look_at(&tree, listed)?;
        let time = (commit.time(cancel)?, 0);
        let made = self.tracked(looked, Some(time), events, cancel)?;
        // Line endings may be those that the repository wants in work trees.
        Ok(Baseline {
            modified: 0,
            ..made
        })
    }

    fn make(
        &self,
        contents: &mut dyn Contents,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Written> {
        let partial = unfinished::file(&self.folder, PARTIAL)?;
        let file = partial.as_file();
        let written = image::write(contents, &image::SEED, file, partial.path(), events, cancel)?;
        if self.touch(&written.key) {
            return Ok(written);
        }
        // Named by its content, so it must have that, also after a power cut.
        partial
            .as_file()
            .sync_data()
            .and_then(|()| {
                partial
                    .as_file()
                    // The folder is this user's only; root's VMM is another one.
                    .set_permissions(Permissions::from_mode(0o444))
            })
            .map_err(Error::io("write", partial.path()))?;
        let place = self.image(&written.key);
        partial
            .persist(&place)
            .map_err(|error| Error::io("rename into place", &place)(error.error))?;
        Ok(written)
    }

    fn image(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.ext4"))
    }

    /// Whether there is such an image; it counts as used now.
    fn touch(&self, key: &str) -> bool {
        File::open(self.image(key)).is_ok_and(|file| {
            // Only its age suffers.
            let _ = file.set_modified(SystemTime::now());
            true
        })
    }

    /// Gives it another name, which keeps it.
    ///
    /// # Errors
    /// `io`.
    pub fn link(&self, key: &str, to: &Path) -> Result<()> {
        std::fs::hard_link(self.image(key), to).map_err(Error::io("link the baseline to", to))
    }

    /// Removes what killed makers left, and images that no workspace has and
    /// nobody used for `unused`; the bytes that were freed.
    pub fn sweep(&self, unused: Duration, dry_run: bool) -> u64 {
        let mut freed = unfinished::sweep_files(&self.folder, PARTIAL, dry_run);
        if !dry_run {
            unfinished::sweep_folders(&self.folder, PARTIAL);
        }
        for (path, found) in files(&self.folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let gone = !name.starts_with(PARTIAL) && found.nlink() == 1 && is_older(&found, unused);
            if gone && (dry_run || std::fs::remove_file(&path).is_ok()) {
                freed += found.blocks() * 512;
            }
        }
        for (path, found) in files(&self.folder.join("seen")) {
            if !dry_run && is_older(&found, KEPT_UNUSED) {
                let _ = std::fs::remove_file(path);
            }
        }
        freed
    }

    /// As [`Self::sweep`], as often as something is made.
    pub fn tidy(&self) {
        self.sweep(KEPT_UNUSED, false);
    }
}

/// What a source looks like before it is read.
enum Look<'a> {
    Directory(&'a Path, look::Seen),
    Archive(&'a Source, ([u8; 32], i64)),
    Tracked(tracked::Looked),
    /// A commit's files are always the same.
    Clone(&'a Commit),
}

impl<'a> Look<'a> {
    fn at(origin: &'a Origin, cancel: &Cancel) -> Result<Self> {
        match origin {
            Origin::Manual(source) | Origin::Folder(source) => {
                let path = &source.path;
                Ok(match source.kind {
                    Kind::Directory => Self::Directory(path, look::look(path, cancel)?),
                    _ => Self::Archive(source, stat_of(path)?),
                })
            }
            Origin::Clone { commit, .. } => Ok(Self::Clone(commit)),
            Origin::Tracked { root, .. } => Ok(Self::Tracked(tracked::look(root, cancel)?)),
        }
    }

    fn print(&self) -> [u8; 32] {
        match self {
            Self::Directory(_, seen) => seen.print,
            Self::Archive(_, (print, _)) => *print,
            Self::Tracked(looked) => looked.print,
            Self::Clone(commit) => Sha256::digest(format!("clone 2 {}", commit.id)).into(),
        }
    }
}

impl Baseline {
    fn new(written: Written, skipped: BTreeMap<String, u64>) -> Self {
        Self {
            key: written.key,
            entry_count: written.entry_count,
            bytes_written: written.bytes_written,
            skipped: skipped.values().sum(),
            skipped_kinds: skipped,
            modified: 0,
        }
    }
}

/// What a seed may have.
fn room() -> Room {
    Room {
        bytes: BASELINE_DRIVE_BYTES,
        of: "a seed".into(),
        code: "seed_too_large",
        hint: "leave large files out; what a command needs can come later: workspace sync push"
            .into(),
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, std::fs::Metadata)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(_, found)| found.is_file())
        .collect()
}

fn is_older(found: &std::fs::Metadata, age: Duration) -> bool {
    let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    modified.elapsed().is_ok_and(|old| old >= age)
}

fn recall(memory: &mut File) -> Option<Baseline> {
    let mut text = String::new();
    memory.take(64 << 10).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn remember(memory: &mut File, baseline: &Baseline) -> std::io::Result<()> {
    memory.rewind()?;
    memory.set_len(0)?;
    memory.write_all(&serde_json::to_vec(baseline)?)
}

/// What `stat` says of an archive.
fn stat_of(path: &Path) -> Result<([u8; 32], i64)> {
    let found = path.metadata().map_err(Error::io("read", path))?;
    let mut hash = Sha256::new();
    hash.update(path.as_os_str().as_encoded_bytes());
    for number in [found.dev(), found.ino(), found.len()] {
        hash.update(number.to_le_bytes());
    }
    for number in [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ] {
        hash.update(number.to_le_bytes());
    }
    Ok((hash.finalize().into(), found.ctime()))
}
