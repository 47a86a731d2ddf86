//! Writing one file.
//!
//! Owns: the steps from the check to the rename, for one file here and for
//! each of several in [`super::apply`]. Refuses: following or replacing links
//! and directories, and leaving a part of a file under its name.
//!
//! ```text
//!   check --> Temporary, filled --> mode, owner --> check again --> rename
//! ```

use super::channels::Contents;
use super::expect::Seen;
use super::fault::at;
use super::folders::MadeFolders;
use super::place::{Root, kind, split};
use super::stage::{Temporary, fill};
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{FileKind, WriteFile, Written};
use rustix::fd::OwnedFd;
use rustix::fs::{Gid, Mode, Stat, Uid, fchmod, fchown};
use std::fs::File;
use std::io::Read;
use std::rc::Rc;

/// Carries the request out.
pub fn run(root: &Root, wanted: &WriteFile, stream: &Stream) -> Result<Written, Failed> {
    let mut made = MadeFolders::new(root);
    let mut contents = Contents::new(stream, wanted.size);
    let staged = stage(root, &mut made, wanted, &mut contents, stream)?;
    let written = staged.written.clone();
    staged.place()?;
    made.keep();
    Ok(written)
}

/// A file that only needs its name.
pub struct Staged {
    path: Vec<u8>,
    folder: Rc<OwnedFd>,
    temporary: Temporary,
    seen: Seen,
    /// The reply when it has it.
    pub written: Written,
}

/// Checks, receives the contents and prepares them.
pub fn stage(
    root: &Root,
    made: &mut MadeFolders<'_>,
    wanted: &WriteFile,
    contents: &mut impl Read,
    stream: &Stream,
) -> Result<Staged, Failed> {
    let path = Root::relative(&wanted.path)?;
    let (above, last) = split(&path);
    if last.is_empty() {
        return Err(failed("wrong_kind", "the workspace itself is a directory"));
    }
    let folder = Rc::new(if wanted.make_parents {
        made.open(above)?
    } else {
        root.folder(above)?
    });
    let seen = Seen::check(
        &folder,
        last,
        &path,
        &wanted.expect,
        &[FileKind::File],
        stream,
    )?;
    let (temporary, mut file) = Temporary::file(&folder, &path)?;
    let sha256 = fill(&mut file, contents, &path)?;
    // A link's mode says nothing.
    let replaced = seen
        .stat
        .as_ref()
        .filter(|stat| kind(stat) == FileKind::File);
    let mode = finish(&file, replaced, wanted.executable).map_err(at("writing", &path))?;
    let written = Written {
        size: wanted.size,
        mode,
        sha256,
        created: seen.stat.is_none(),
    };
    Ok(Staged {
        path,
        folder,
        temporary,
        seen,
        written,
    })
}

impl Staged {
    /// Looks again whether the change is still what was asked for.
    pub fn still(&self) -> Result<(), Failed> {
        let (_, last) = split(&self.path);
        self.seen.still(&self.folder, last, &self.path)
    }

    /// Gives the file its name.
    pub fn place(self) -> Result<(), Failed> {
        self.still()?;
        let (_, last) = split(&self.path);
        let replace = self.seen.may_replace();
        self.temporary.place(last, replace, &self.path)
    }
}

/// Owner and mode: those of the replaced file. Bits that lend the owner's
/// rights are dropped: these are other contents.
fn finish(file: &File, old: Option<&Stat>, executable: Option<bool>) -> rustix::io::Result<u32> {
    if let Some(old) = old {
        let new = rustix::fs::fstat(file)?;
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid) {
            let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
            fchown(file, Some(uid), Some(gid))?;
        }
    }
    let mode = old.map_or(0o644, |old| old.st_mode & 0o777);
    let mode = match executable {
        None => mode,
        // Whoever may read it may run it.
        Some(true) => mode | (mode & 0o444) >> 2,
        Some(false) => mode & !0o111,
    };
    fchmod(file, Mode::from_raw_mode(mode))?;
    Ok(mode)
}
