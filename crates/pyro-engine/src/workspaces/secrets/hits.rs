//! Secrets in what is copied as it is: exports, snapshots, disk images.
//!
//! Owns: looking for them and saying so; for how long. Refuses: changing a
//! copy; one that was altered would be no copy.
//!
//! A look ends after [`LOOK_TIMEOUT`], and says how much it did not see. On a
//! disk only what is allocated is looked at, each run of blocks by itself: a
//! value that lies in two runs is missed.

use super::Secrets;
use crate::error::{Error, Result};
use crate::redact::Redaction;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one look may take; some ten GiB are seen by then.
const LOOK_TIMEOUT: Duration = Duration::from_secs(20);
const PIECE_BYTES: usize = 256 << 10;
/// Most paths that are named of one secret.
const NAMED_PATHS: usize = 10;

/// Secrets that were seen in a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundSecrets {
    /// Each, by name.
    pub secrets: Vec<FoundSecret>,
    /// Bytes that nobody looked at, because it took too long.
    pub unseen_bytes: u64,
}

/// One secret that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundSecret {
    /// Its name.
    pub name: String,
    /// The first files that have it, relative to the copy; none of a disk.
    pub paths: Vec<String>,
    /// How many files have it.
    pub file_count: u64,
}

impl FoundSecrets {
    fn add(&mut self, name: String, path: Option<&str>) {
        let at = match self.secrets.binary_search_by(|one| one.name.cmp(&name)) {
            Ok(at) => at,
            Err(at) => {
                let found = FoundSecret {
                    name,
                    paths: Vec::new(),
                    file_count: 0,
                };
                self.secrets.insert(at, found);
                at
            }
        };
        let found = &mut self.secrets[at];
        if let Some(path) = path {
            found.file_count += 1;
            if found.paths.len() < NAMED_PATHS {
                found.paths.push(path.to_owned());
            }
        }
    }

    /// What to tell whoever made `copy`, if anything.
    #[must_use]
    pub fn notice(&self, copy: &str) -> Option<String> {
        let mut parts: Vec<_> = self
            .secrets
            .iter()
            .map(|found| match found.paths.as_slice() {
                [] => found.name.clone(),
                [path] if found.file_count == 1 => format!("{} in {path}", found.name),
                [path, ..] => format!("{} in {path} and {} more", found.name, found.file_count - 1),
            })
            .collect();
        if !parts.is_empty() {
            let names = parts.join(", ");
            parts = vec![format!("{copy} contains secrets of the workspace: {names}")];
        }
        if self.unseen_bytes > 0 {
            parts.push(format!(
                "{} MiB of {copy} were not searched for secrets",
                self.unseen_bytes >> 20
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Secrets {
    /// Looks through the files at and below `root`, and at their names.
    ///
    /// # Errors
    /// `io`.
    pub fn in_files(&self, root: &Path) -> Result<FoundSecrets> {
        let mut look = Look::new(self);
        if !self.is_empty() {
            look.files(root, root)?;
        }
        Ok(look.found)
    }

    /// Looks through bytes in memory.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> FoundSecrets {
        let mut look = Look::new(self);
        let mut stream = self.redactor.stream();
        stream.look(bytes);
        look.note(&stream, None);
        look.found
    }

    /// Looks through what is allocated of a disk.
    ///
    /// # Errors
    /// `io`.
    pub fn in_disk(&self, disk: &File, path: &Path) -> Result<FoundSecrets> {
        let mut look = Look::new(self);
        if !self.is_empty() {
            look.disk(disk)
                .map_err(Error::io("look for secrets in", path))?;
        }
        Ok(look.found)
    }
}

struct Look<'a> {
    secrets: &'a Secrets,
    deadline: Instant,
    found: FoundSecrets,
    piece: Vec<u8>,
}

impl<'a> Look<'a> {
    fn new(secrets: &'a Secrets) -> Self {
        Self {
            secrets,
            deadline: Instant::now() + LOOK_TIMEOUT,
            found: FoundSecrets::default(),
            piece: vec![0; PIECE_BYTES],
        }
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }

    fn note(&mut self, stream: &Redaction, path: Option<&str>) {
        for name in self.secrets.named(stream.found()) {
            self.found.add(name, path);
        }
    }

    fn files(&mut self, root: &Path, at: &Path) -> Result<()> {
        let metadata = at.symlink_metadata().map_err(Error::io("look at", at))?;
        let shown = at.strip_prefix(root).unwrap_or(at);
        let mut stream = self.secrets.redactor.stream();
        stream.look(shown.as_os_str().as_encoded_bytes());
        // A name and what is in it are two texts.
        stream.look(b"\n");
        if metadata.is_symlink() {
            let target = std::fs::read_link(at).map_err(Error::io("read", at))?;
            stream.look(target.as_os_str().as_encoded_bytes());
        } else if metadata.is_file() {
            self.file(at, metadata.len(), &mut stream)?;
        }
        // The name may be the secret.
        let shown = self.secrets.redactor.text(&shown.display().to_string());
        let shown = if shown.is_empty() { "." } else { &shown };
        self.note(&stream, Some(shown));
        if metadata.is_dir() {
            for entry in std::fs::read_dir(at).map_err(Error::io("list", at))? {
                let entry = entry.map_err(Error::io("list", at))?;
                self.files(root, &entry.path())?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, size: u64, stream: &mut Redaction) -> Result<()> {
        if self.is_late() {
            self.found.unseen_bytes += size;
            return Ok(());
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            // What its owner may not read, as whom it was unpacked.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                self.found.unseen_bytes += size;
                return Ok(());
            }
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let mut seen = 0;
        loop {
            let count = file
                .read(&mut self.piece)
                .map_err(Error::io("read", path))?;
            if count == 0 {
                return Ok(());
            }
            stream.look(&self.piece[..count]);
            seen += count as u64;
            if self.is_late() {
                self.found.unseen_bytes += size.saturating_sub(seen);
                return Ok(());
            }
        }
    }

    fn disk(&mut self, disk: &File) -> std::io::Result<()> {
        let size = disk.metadata()?.len();
        let mut at = 0;
        while at < size {
            let begin = match rustix::fs::seek(disk, SeekFrom::Data(at)) {
                // Holes to the end.
                Err(Errno::NXIO) => break,
                begin => begin?,
            };
            let end = rustix::fs::seek(disk, SeekFrom::Hole(begin))?;
            let mut stream = self.secrets.redactor.stream();
            at = begin;
            while at < end {
                if self.is_late() {
                    self.found.unseen_bytes += end - at;
                    at = end;
                    break;
                }
                let most = (end - at).min(PIECE_BYTES as u64) as usize;
                let count = disk.read_at(&mut self.piece[..most], at)?;
                if count == 0 {
                    break;
                }
                stream.look(&self.piece[..count]);
                at += count as u64;
            }
            self.note(&stream, None);
            at = at.max(begin + 1);
        }
        Ok(())
    }
}
