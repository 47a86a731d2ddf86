//! Both sides of one path.
//!
//! Owns: whether they differ, and what is said and sent of each. Refuses:
//! following links, holding more of a file than the host takes, and naming a
//! folder that has something in it: what is in it says as much.
//!
//! ```text
//!   old \ new   nothing   folder          leaf
//!   nothing     -         added if empty  added
//!   folder      deleted   -               deleted if empty, added
//!               if empty
//!   leaf        deleted   deleted, added  equal? - : both, contents or not
//!                         if empty
//! ```
//!
//! A file that changes meanwhile is shown as it was read; what was read is
//! what is announced.

use super::{Answer, Trees};
use crate::files::fault::{about, at, io};
use crate::files::place::{Root, kind};
use pyro_proto::messages::Failed;
use pyro_proto::messages::diff::{SpecialKind, TreeChange, TreeSide};
use pyro_proto::messages::files::FileKind;
use pyro_proto::path::PathText;
use rustix::fs::{Dir, FileType, Stat, readlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek};

/// Bytes that tell binary files from text, as git has it.
const LOOK_BYTES: usize = 8000;
const PIECE_BYTES: usize = 64 * 1024;
/// How often a path is looked at again that became something else meanwhile.
const TRIES: usize = 4;

/// Which sides are folders with something in them.
#[derive(Default)]
pub struct Below {
    /// Of the baseline.
    pub old: bool,
    /// Of the workspace.
    pub new: bool,
}

enum Node {
    File(File, Stat),
    Folder { empty: bool },
    Symlink(Vec<u8>),
    Special(SpecialKind),
}

/// Compares a path that is not the workspace itself and tells the host.
pub fn leaf(trees: &Trees, path: &[u8], answer: &mut Answer<'_>) -> Result<Below, Failed> {
    let old = match trees.old() {
        Some(old) => node(old, path)?,
        None => None,
    };
    let new = node(&trees.new, path)?;
    if let (Some(Node::Folder { .. }), Some(Node::Folder { .. })) = (&old, &new) {
        return Ok(Below {
            old: true,
            new: true,
        });
    }
    let full = |node: &Option<Node>| matches!(node, Some(Node::Folder { empty: false }));
    let below = Below {
        old: full(&old),
        new: full(&new),
    };
    let mut change = TreeChange {
        path: path.into(),
        old: None,
        new: None,
        same: false,
        sent: false,
    };
    let mut contents = [Vec::new(), Vec::new()];
    let (mut old, mut new) = (old.and_then(Leaf::of), new.and_then(Leaf::of));
    compare(
        &mut change,
        &mut contents,
        [&mut old, &mut new],
        path,
        answer,
    )?;
    change.old = old.map(|leaf| leaf.side);
    change.new = new.map(|leaf| leaf.side);
    let differ = match (&change.old, &change.new) {
        (
            Some(TreeSide::File { mode, .. }),
            Some(TreeSide::File {
                mode: mode_after, ..
            }),
        ) => !change.same || mode != mode_after,
        (old, new) => old != new,
    };
    if differ {
        answer.change(&change, [&contents[0], &contents[1]])?;
    }
    Ok(below)
}

/// A side that is told of.
struct Leaf {
    side: TreeSide,
    file: Option<File>,
}

impl Leaf {
    fn of(node: Node) -> Option<Self> {
        let (side, file) = match node {
            Node::File(file, stat) => {
                let side = TreeSide::File {
                    size: stat.st_size as u64,
                    mode: stat.st_mode & 0o7777,
                    binary: false,
                };
                (side, Some(file))
            }
            Node::Folder { empty: true } => (TreeSide::Folder, None),
            Node::Folder { empty: false } => return None,
            Node::Symlink(target) => (
                TreeSide::Symlink {
                    target: PathText(target),
                },
                None,
            ),
            Node::Special(what) => (TreeSide::Special { what }, None),
        };
        Some(Self { side, file })
    }

    fn size(&self) -> u64 {
        match self.side {
            TreeSide::File { size, .. } => size,
            _ => 0,
        }
    }
}

/// Reads what has to be read of the files: both wholly when the host takes
/// them, else until they differ.
fn compare(
    change: &mut TreeChange,
    contents: &mut [Vec<u8>; 2],
    mut sides: [&mut Option<Leaf>; 2],
    path: &[u8],
    answer: &Answer<'_>,
) -> Result<(), Failed> {
    let sizes = [0, 1].map(|at: usize| sides[at].as_ref().map_or(0, Leaf::size));
    let files = sides
        .iter()
        .flat_map(|side| side.as_ref())
        .filter(|leaf| leaf.file.is_some());
    let files = files.count();
    if files == 0 {
        return Ok(());
    }
    if answer.may_send(sizes[0], sizes[1]) {
        let most = answer.wanted.max_side_bytes;
        for (side, bytes) in sides.iter_mut().zip(contents.iter_mut()) {
            if let Some(Leaf {
                side: TreeSide::File { size, .. },
                file: Some(file),
            }) = side
            {
                file.take(most + 1)
                    .read_to_end(bytes)
                    .map_err(io("reading", path))?;
                *size = bytes.len() as u64;
            }
        }
        // They may have grown since.
        if answer.may_send(contents[0].len() as u64, contents[1].len() as u64) {
            change.same = files == 2 && contents[0] == contents[1];
            change.sent = !change.same;
            if change.same {
                contents.iter_mut().for_each(Vec::clear);
            }
            return Ok(());
        }
        contents.iter_mut().for_each(Vec::clear);
    }
    for leaf in sides.iter_mut().filter_map(|side| side.as_mut()) {
        if let (TreeSide::File { size, binary, .. }, Some(file)) = (&mut leaf.side, &mut leaf.file)
        {
            *size = file.metadata().map_err(io("looking at", path))?.len();
            file.rewind().map_err(io("reading", path))?;
            *binary = looks_binary(file).map_err(io("reading", path))?;
            file.rewind().map_err(io("reading", path))?;
        }
    }
    let [old, new] = sides;
    if let (Some(old), Some(new)) = (old, new)
        && old.size() == new.size()
        && let (Some(old), Some(new)) = (&mut old.file, &mut new.file)
    {
        change.same = same(old, new, path, answer)?;
    }
    Ok(())
}

fn looks_binary(file: &mut File) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(LOOK_BYTES);
    file.take(LOOK_BYTES as u64).read_to_end(&mut start)?;
    let is_text = match std::str::from_utf8(&start) {
        Ok(_) => true,
        // A letter that is cut by the end is none that is wrong.
        Err(error) => error.error_len().is_none() && start.len() == LOOK_BYTES,
    };
    Ok(!is_text || start.contains(&0))
}

fn same(old: &mut File, new: &mut File, path: &[u8], answer: &Answer<'_>) -> Result<bool, Failed> {
    let mut pieces = [Vec::new(), Vec::new()];
    loop {
        answer.out.wanted()?;
        for (piece, file) in pieces.iter_mut().zip([&mut *old, &mut *new]) {
            piece.clear();
            file.take(PIECE_BYTES as u64)
                .read_to_end(piece)
                .map_err(io("reading", path))?;
        }
        if pieces[0] != pieces[1] {
            return Ok(false);
        }
        if pieces[0].is_empty() {
            return Ok(true);
        }
    }
}

/// Whether it is no more than a name that has gone or become something else.
pub fn is_gone(error: &Failed) -> bool {
    matches!(&*error.code, "not_found" | "wrong_kind" | "symlink")
}

/// What is there; a folder above that is none any more leaves nothing.
fn node(root: &Root, path: &[u8]) -> Result<Option<Node>, Failed> {
    for _ in 0..TRIES {
        let stat = match root.look(path) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Ok(None),
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match read(root, path, &stat) {
            Ok(Some(node)) => return Ok(Some(node)),
            Ok(None) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(about("changed", path, "changes all the time"))
}

/// None when it is not what `stat` says any more.
fn read(root: &Root, path: &[u8], stat: &Stat) -> Result<Option<Node>, Failed> {
    let node = match kind(stat) {
        FileKind::File => {
            let (file, stat) = root.file(path)?;
            Node::File(file, stat)
        }
        FileKind::Directory => {
            let folder = root.folder(path)?;
            let mut empty = true;
            for entry in Dir::read_from(&folder).map_err(at("listing", path))? {
                let entry = entry.map_err(at("listing", path))?;
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    empty = false;
                    break;
                }
            }
            Node::Folder { empty }
        }
        FileKind::Symlink => {
            let (folder, last) = root.parent(path)?;
            match readlinkat(&folder, last, Vec::new()) {
                Ok(target) => Node::Symlink(target.into_bytes()),
                Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
                Err(errno) => return Err(at("reading the link", path)(errno)),
            }
        }
        FileKind::Other => match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Node::Special(SpecialKind::Fifo),
            FileType::Socket => Node::Special(SpecialKind::Socket),
            FileType::BlockDevice => Node::Special(SpecialKind::BlockDevice),
            _ => Node::Special(SpecialKind::CharDevice),
        },
    };
    Ok(Some(node))
}
