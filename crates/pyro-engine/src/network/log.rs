//! What the guest of one workspace asked of the network, on disk.
//!
//! Owns: the file `network.jsonl`, its bounds, and pages of it. Refuses:
//! believing a line: one that cannot be read is passed over and counted.
//!
//! ```text
//!   attempts --> network.jsonl --full--> network.jsonl.1 (the one before goes)
//!   page: both, the oldest first
//! ```

use crate::error::{Error, Result};
use pyro_gateway::log::Attempt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Name of the file in a workspace's folder.
pub const FILE: &str = "network.jsonl";
const OLDER: &str = "network.jsonl.1";
/// Most bytes of one of the two files, some 20,000 entries.
const MOST_BYTES: u64 = 4 << 20;
/// Most bytes of one entry.
const MOST_LINE_BYTES: usize = 4096;
/// Least and most entries of a page.
pub const LIMIT_RANGE: RangeInclusive<u64> = 1..=10_000;

/// Appends to the log of one workspace.
pub struct Writer {
    folder: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl Writer {
    /// Nothing is made before the first entry.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            file: None,
            bytes: 0,
        }
    }

    /// One more. A disk that is full loses entries, not the guest.
    pub fn append(&mut self, attempt: &Attempt) {
        if let Err(error) = self.try_append(attempt) {
            self.file = None;
            tracing::warn!("the network log was not written: {error}");
        }
    }

    fn try_append(&mut self, attempt: &Attempt) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(attempt)?;
        line.push(b'\n');
        if line.len() > MOST_LINE_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let path = self.folder.join(FILE);
        if self.bytes + line.len() as u64 > MOST_BYTES {
            self.file = None;
            std::fs::rename(&path, self.folder.join(OLDER))?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::options().create(true).append(true).open(&path)?;
                self.bytes = file.metadata()?.len();
                self.file.insert(file)
            }
        };
        // In one call, so that a reader meets whole lines.
        file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

/// Removes it, for a workspace as new.
///
/// # Errors
/// `io`.
pub fn clear(folder: &Path) -> Result<()> {
    for name in [FILE, OLDER] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Which entries.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Only what was refused.
    pub refused: bool,
    /// How many to pass over.
    pub offset: u64,
    /// How many at most, [`LIMIT_RANGE`].
    pub limit: u64,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkAttempt {
    /// Unix time in seconds.
    pub at: f64,
    /// `dns`, `tcp`, `udp`, `icmp` or `other`.
    pub protocol: String,
    /// The name, when one is known.
    pub name: Option<String>,
    /// The address, when there is one.
    pub address: Option<String>,
    /// The port, when there is one.
    pub port: Option<u16>,
    /// Whether it was let through.
    pub allowed: bool,
    /// Why not, or by which rule.
    pub reason: String,
    /// How many of the same this counts.
    pub count: u64,
}

impl From<Attempt> for NetworkAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: attempt.at,
            protocol: attempt.protocol,
            name: attempt.name,
            address: attempt.address,
            port: attempt.port,
            allowed: attempt.allowed,
            reason: attempt.reason,
            count: attempt.count,
        }
    }
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLogPage {
    /// The entries, the oldest first.
    pub entries: Vec<NetworkAttempt>,
    /// Entries in the whole log that fit.
    pub total: u64,
    /// Where the next page begins; null at the end.
    pub next_offset: Option<u64>,
    /// Lines that could not be read.
    pub damaged: u64,
}

/// A part of the log of the workspace with this folder.
///
/// # Errors
/// `out_of_range`, `io`.
pub fn page(folder: &Path, look: &Look) -> Result<NetworkLogPage> {
    crate::vms::checks::within("limit", look.limit, &LIMIT_RANGE)?;
    let mut page = NetworkLogPage {
        entries: Vec::new(),
        total: 0,
        next_offset: None,
        damaged: 0,
    };
    let end = look.offset.saturating_add(look.limit);
    for name in [OLDER, FILE] {
        let path = folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(Error::io("read", &path))?;
            let Ok(attempt) = serde_json::from_slice::<Attempt>(&line) else {
                page.damaged += 1;
                continue;
            };
            if look.refused && attempt.allowed {
                continue;
            }
            if (look.offset..end).contains(&page.total) {
                page.entries.push(attempt.into());
            }
            page.total += 1;
        }
    }
    page.next_offset = (page.total > end).then_some(end);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(port: u16, allowed: bool) -> Attempt {
        Attempt {
            at: 1.5,
            protocol: "tcp".into(),
            name: None,
            address: Some("192.0.2.1".into()),
            port: Some(port),
            allowed,
            reason: "x".repeat(200),
            count: 1,
        }
    }

    const ALL: Look = Look {
        refused: false,
        offset: 0,
        limit: 10_000,
    };

    #[test]
    fn pages_filters_and_a_line_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(page(folder.path(), &ALL).unwrap().total, 0);
        let mut writer = Writer::new(folder.path());
        for port in 0..5 {
            writer.append(&attempt(port, port % 2 == 0));
        }
        let mut file = File::options()
            .append(true)
            .open(folder.path().join(FILE))
            .unwrap();
        file.write_all(b"half\n").unwrap();
        let ports = |page: &NetworkLogPage| {
            page.entries
                .iter()
                .filter_map(|one| one.port)
                .collect::<Vec<_>>()
        };
        let all = page(folder.path(), &ALL).unwrap();
        assert_eq!(
            (ports(&all), all.damaged, all.next_offset),
            (vec![0, 1, 2, 3, 4], 1, None)
        );
        let refused = page(
            folder.path(),
            &Look {
                refused: true,
                ..ALL
            },
        )
        .unwrap();
        assert_eq!(ports(&refused), [1, 3]);
        let part = page(
            folder.path(),
            &Look {
                offset: 1,
                limit: 2,
                ..ALL
            },
        )
        .unwrap();
        assert_eq!(
            (ports(&part), part.total, part.next_offset),
            (vec![1, 2], 5, Some(3))
        );
        let error = page(folder.path(), &Look { limit: 0, ..ALL }).unwrap_err();
        assert_eq!(error.code, "out_of_range");
        clear(folder.path()).unwrap();
        assert_eq!(page(folder.path(), &ALL).unwrap().total, 0);
    }

    #[test]
    fn it_is_bounded_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path());
        for _ in 0..40_000 {
            writer.append(&attempt(1, true));
        }
        writer.append(&attempt(2, true));
        let size = |name: &str| {
            folder
                .path()
                .join(name)
                .metadata()
                .map_or(0, |data| data.len())
        };
        assert!(size(FILE) > 0 && size(FILE) <= MOST_BYTES && size(OLDER) <= MOST_BYTES);
        let total = page(folder.path(), &ALL).unwrap().total;
        let last = page(
            folder.path(),
            &Look {
                offset: total - 1,
                ..ALL
            },
        )
        .unwrap();
        assert_eq!(last.entries[0].port, Some(2));
        // A new writer goes on where the old one was.
        let mut next = Writer::new(folder.path());
        next.append(&attempt(3, true));
        assert_eq!(page(folder.path(), &ALL).unwrap().total, total + 1);
    }
}
