//! A directory of the host as a tree.
//!
//! Owns: looking at it without following a link, and reading its files while
//! making sure that they are what was looked at. Refuses: sockets, FIFOs and
//! devices (passed over, counted), files that cannot be read (named).

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::ext4_image::tree::{File as Inode, Meta, Node, Tree};
use crate::ext4_image::{Contents, Fill};
use crate::host_paths::linkless;
use crate::spool::go_on;
use crate::start::disk_copy::next_data;
use pyro_proto::tar::{Map, Piece};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Smaller files are not worth a look for holes.
const SPARSE_BYTES: u64 = 64 << 10;

/// What was found.
pub struct Walked {
    pub tree: Tree,
    /// By number of file.
    files: Vec<Found>,
    /// Sockets, FIFOs and devices.
    pub skipped: u64,
    /// The latest change of an inode, Unix seconds.
    pub newest: i64,
}

struct Found {
    path: PathBuf,
    stat: Stat,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl From<&Metadata> for Stat {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            mtime: (found.mtime(), found.mtime_nsec()),
            ctime: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Looks at everything below `root`.
///
/// # Errors
/// `source_io` naming the path, `bad_source` when no image can hold it,
/// `cancelled`.
pub fn walk(root: &Path, cancel: &Cancel) -> Result<Walked> {
    let found = std::fs::symlink_metadata(root).map_err(failed("read", root))?;
    let mut walk = Walk::new(meta(&found, None), None);
    walk.newest = found.ctime();
    walk.below(root, &mut Vec::new(), cancel)?;
    Ok(walk.finish())
}

/// A tree that is being put together.
pub(super) struct Walk {
    pub tree: Tree,
    files: Vec<Found>,
    /// Files with several names.
    names: HashMap<(u64, u64), usize>,
    skipped: u64,
    pub newest: i64,
    /// In place of the times of files that pyro itself has written; their modes
    /// are not those of its umask, either.
    pub time: Option<(i64, u32)>,
}

impl Walk {
    pub fn new(root: Meta, time: Option<(i64, u32)>) -> Self {
        Self {
            tree: Tree::new(root),
            files: Vec::new(),
            names: HashMap::new(),
            skipped: 0,
            newest: i64::MIN,
            time,
        }
    }

    pub fn finish(self) -> Walked {
        Walked {
            tree: self.tree,
            files: self.files,
            skipped: self.skipped,
            newest: self.newest,
        }
    }

    /// Puts what was found at `path` at a name of the tree.
    pub fn put(&mut self, name: &[u8], path: &Path, node: Node) -> Result<()> {
        self.tree.put(name, node).map_err(|why| unfit(path, &why))
    }

    pub fn meta(&self, found: &Metadata) -> Meta {
        meta(found, self.time)
    }

    fn below(&mut self, folder: &Path, name: &mut Vec<u8>, cancel: &Cancel) -> Result<()> {
        go_on(cancel, "looking at", folder)?;
        let listed = linkless::entries(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = listed.map_err(failed("list", folder))?;
        // The image must not depend on the order of the folder.
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = folder.join(entry.file_name());
            let length = name.len();
            if length > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(entry.file_name().as_bytes());
            // Beside the open folder: no way is looked up again.
            let found = entry.metadata().map_err(failed("read", &path))?;
            self.entry(&path, &found, name, cancel)?;
            name.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &Path,
        found: &Metadata,
        name: &mut Vec<u8>,
        cancel: &Cancel,
    ) -> Result<()> {
        let kind = found.file_type();
        let node = if kind.is_dir() {
            Node::Folder(self.meta(found))
        } else if kind.is_symlink() {
            let target = linkless::target(path).map_err(failed("read", path))?;
            Node::Symlink(
                self.meta(found),
                target.into_os_string().as_bytes().to_vec(),
            )
        } else if kind.is_file() {
            Node::File(self.file(path, found)?)
        } else {
            self.skipped += 1;
            return Ok(());
        };
        self.newest = self.newest.max(found.ctime());
        self.put(name, path, node)?;
        if kind.is_dir() {
            self.below(path, name, cancel)?;
        }
        Ok(())
    }

    /// A file's number, the same for all its names.
    pub fn file(&mut self, path: &Path, found: &Metadata) -> Result<usize> {
        let stat = Stat::from(found);
        let key = (stat.device, stat.inode);
        if let Some(number) = self.names.get(&key) {
            return Ok(*number);
        }
        let map = if found.len() > SPARSE_BYTES && found.blocks() * 512 < found.len() {
            holes(path, found.len())?
        } else {
            Map::whole(found.len())
        };
        let inode = Inode::new(self.meta(found), found.len(), &map);
        let number = self.tree.add_file(inode).map_err(|why| unfit(path, &why))?;
        self.files.push(Found {
            path: path.to_owned(),
            stat,
        });
        if found.nlink() > 1 {
            self.names.insert(key, number);
        }
        Ok(number)
    }
}

fn meta(found: &Metadata, time: Option<(i64, u32)>) -> Meta {
    let mode = match time {
        Some(_) if found.is_file() && found.mode() & 0o100 != 0 => 0o755,
        Some(_) if found.is_file() => 0o644,
        _ => found.mode() & 0o7777,
    };
    Meta {
        mode: mode as u16,
        owner: (0, 0),
        mtime: time.unwrap_or((
            found.mtime(),
            u32::try_from(found.mtime_nsec()).unwrap_or(0),
        )),
    }
}

fn unfit(path: &Path, why: &str) -> Error {
    Error::invalid(
        "bad_source",
        format!("{} cannot be in a workspace: {why}", path.display()),
    )
    .hint("leave it out of the seed")
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| {
        Error::runtime(
            "source_io",
            format!("cannot {what} {}: {error}", path.display()),
        )
        .hint("make it readable, or leave it out of the seed")
    }
}

/// Where the data of a sparse file is.
fn holes(path: &Path, size: u64) -> Result<Map> {
    let file = linkless::file(path).map_err(failed("open", path))?;
    let mut map = Map::default();
    let mut offset = 0;
    while let Some((begin, end)) = next_data(&file, offset, size).map_err(failed("read", path))? {
        let end = end.min(size);
        if begin >= end
            || map
                .push(Piece {
                    offset: begin,
                    length: end - begin,
                })
                .is_err()
        {
            // Too many pieces: then without its holes.
            return Ok(Map::whole(size));
        }
        offset = end;
    }
    Ok(map)
}

impl Contents for Walked {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn each(&mut self, fill: &mut Fill<'_>) -> Result<()> {
        for (number, found) in self.files.iter().enumerate() {
            let inode = &self.tree.files()[number];
            let file = linkless::file(&found.path).map_err(failed("open", &found.path))?;
            let same = |file: &File| {
                file.metadata()
                    .is_ok_and(|now| Stat::from(&now) == found.stat)
            };
            if !same(&file) {
                return Err(changed(&found.path));
            }
            let mut reader = Pieces {
                file: &file,
                pieces: &inode.data,
                done: 0,
            };
            let filled = fill(number, &mut reader);
            if !same(&file) {
                return Err(changed(&found.path));
            }
            filled.map_err(|error| match error.code {
                "source_io" => failed("read", &found.path)(std::io::Error::other(error.message)),
                _ => error,
            })?;
        }
        Ok(())
    }
}

/// A source that somebody writes.
pub fn changed(path: &Path) -> Error {
    Error::runtime(
        "source_changed",
        format!("{} changed while it was read", path.display()),
    )
    .hint("try again when nothing writes there")
}

/// The data of a file without its holes.
struct Pieces<'a> {
    file: &'a File,
    pieces: &'a [Piece],
    done: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some((piece, rest)) = self.pieces.split_first() else {
            return Ok(0);
        };
        let left = piece.length - self.done;
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self
            .file
            .read_at(&mut buffer[..most], piece.offset + self.done)?;
        self.done += count as u64;
        if self.done == piece.length {
            (self.pieces, self.done) = (rest, 0);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_that_pyro_wrote_do_not_have_the_modes_of_its_umask() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, clean) in [
            (0o600, 0o644),
            (0o700, 0o755),
            (0o664, 0o644),
            (0o775, 0o755),
        ] {
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(mode))
                .unwrap();
            let found = file.as_file().metadata().unwrap();
            assert_eq!(meta(&found, Some((0, 0))).mode, clean);
            assert_eq!(u32::from(meta(&found, None).mode), mode);
        }
    }
}
