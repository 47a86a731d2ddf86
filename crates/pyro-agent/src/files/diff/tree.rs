//! Which paths are compared.
//!
//! Owns: what the overlay's upper layer says about the tree. Refuses: reading
//! contents from that layer: a path it has is looked at in the baseline and
//! in the workspace itself.
//!
//! ```text
//!   upper layer             means                      then
//!   nothing                 as in the baseline         not looked at
//!   folder                  something below changed    its names, one by one
//!   folder, opaque          another in its place       \
//!   folder, redirect        it was renamed to here      } both trees below, side by side
//!   folder, none below      it is new                  /
//!   character device 0:0    gone                       the baseline's tree below
//!   anything else           new or written to          both sides compared
//! ```
//!
//! `redirect` and `opaque` are attributes (trusted.overlay.*) which nobody can
//! set through the overlay; whatever a guest's root writes into the layer by
//! other ways, it changes what is found, not where is looked.

use super::leaf::{Below, is_gone, leaf};
use super::{Answer, Seeded, Trees};
use crate::files::fault::{about, at};
use crate::files::place::{Root, kind};
use crate::files::walk::{Found, Walk};
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::FileKind;
use pyro_proto::path::MAX_PATH_BYTES;
use rustix::fs::fgetxattr;
use rustix::io::Errno;
use std::cmp::Ordering;

/// Names each walk may hold.
const MEMORY_BYTES: usize = 256 * 1024;
/// Attributes of an upper folder that hides what the baseline has there.
const HIDING: [&str; 2] = ["trusted.overlay.opaque", "trusted.overlay.redirect"];

/// The order of a walk: component by component.
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.split(|byte| *byte == b'/')
        .cmp(b.split(|byte| *byte == b'/'))
}

/// Refuses a path that neither tree has.
pub fn must_exist(trees: &Trees, top: &[u8]) -> Result<(), Failed> {
    let mut refused = about("not_found", top, "is neither there nor in the seed");
    for root in [trees.old(), Some(&trees.new)].into_iter().flatten() {
        match root.look(top) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Compares `top` and what is below.
pub fn compare(trees: &Trees, top: &[u8], answer: &mut Answer<'_>) -> Result<(), Failed> {
    let mut compare = Compare { trees, answer };
    let Some(seeded) = &trees.seeded else {
        return compare.whole(top);
    };
    let ends = top.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let ends = ends.map(|(at, _)| at).chain([top.len()]);
    for here in ends.map(|end| &top[..end]).filter(|here| !here.is_empty()) {
        compare.answer.look()?;
        match look(&seeded.upper, here)? {
            None => return Ok(()),
            Some(FileKind::Directory) if seeded.plain(here)? => {}
            Some(_) => return compare.whole(top),
        }
    }
    compare.touched(seeded, top)
}

fn look(root: &Root, path: &[u8]) -> Result<Option<FileKind>, Failed> {
    match root.look(path) {
        Ok(stat) => Ok(stat.map(|stat| kind(&stat))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Seeded {
    /// Whether the workspace's folder is the baseline's with changes.
    fn plain(&self, path: &[u8]) -> Result<bool, Failed> {
        if look(&self.old, path)? != Some(FileKind::Directory) {
            return Ok(false);
        }
        let folder = match self.upper.folder(path) {
            Ok(folder) => folder,
            Err(error) if is_gone(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        for attribute in HIDING {
            match fgetxattr(&folder, attribute, &mut [0u8; 0][..]) {
                Err(Errno::NODATA | Errno::NOTSUP) => {}
                Ok(_) | Err(Errno::RANGE) => return Ok(false),
                Err(errno) => return Err(at("looking at", path)(errno)),
            }
        }
        Ok(true)
    }
}

struct Compare<'a, 'b> {
    trees: &'a Trees,
    answer: &'a mut Answer<'b>,
}

impl Compare<'_, '_> {
    /// Whether a name is to be compared at all.
    fn takes(&mut self, found: &Found) -> Result<bool, Failed> {
        self.answer.look()?;
        if found.name() == b".git" {
            self.answer.done.git_skipped += 1;
            return Ok(false);
        }
        if found.path.len() > MAX_PATH_BYTES {
            self.answer.done.truncated = true;
            return Ok(false);
        }
        Ok(true)
    }

    /// What the upper layer has below a folder of both trees.
    fn touched(&mut self, seeded: &Seeded, top: &[u8]) -> Result<(), Failed> {
        let mut walk = Walk::within(&seeded.upper, top, MEMORY_BYTES)?;
        while !self.answer.full
            && let Some(found) = walk.next()?
        {
            if !self.takes(&found)? {
                continue;
            }
            if found.kind == FileKind::Directory && seeded.plain(&found.path)? {
                walk.enter(&found)?;
            } else {
                self.whole(&found.path)?;
            }
        }
        Ok(())
    }

    /// Everything at and below a path, in both trees.
    fn whole(&mut self, top: &[u8]) -> Result<(), Failed> {
        let trees = self.trees;
        // The workspace itself is a folder on both sides, an empty one too.
        let below = match (top, trees.old()) {
            ([], old) => Below {
                old: old.is_some(),
                new: true,
            },
            _ => leaf(trees, top, self.answer)?,
        };
        let old = trees.old().filter(|_| below.old);
        let mut old = Side::start(old, top)?;
        let mut new = Side::start(Some(&trees.new).filter(|_| below.new), top)?;
        while !self.answer.full {
            let (in_old, in_new) = match (&old.next, &new.next) {
                (None, None) => break,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some(a), Some(b)) => {
                    let order = order(&a.path, &b.path);
                    (order.is_le(), order.is_ge())
                }
            };
            let Some(found) = (if in_old { &old.next } else { &new.next }) else {
                break;
            };
            let below = if self.takes(found)? {
                leaf(trees, &found.path, self.answer)?
            } else {
                Below::default()
            };
            for (side, here, enter) in
                [(&mut old, in_old, below.old), (&mut new, in_new, below.new)]
            {
                if here {
                    side.step(enter)?;
                }
            }
        }
        Ok(())
    }
}

/// One of two walks side by side.
struct Side<'a> {
    walk: Option<Walk<'a>>,
    next: Option<Found>,
}

impl<'a> Side<'a> {
    fn start(root: Option<&'a Root>, top: &[u8]) -> Result<Self, Failed> {
        let walk = root.map(|root| Walk::within(root, top, MEMORY_BYTES));
        let walk = match walk.transpose() {
            Err(error) if is_gone(&error) => None,
            walk => walk?,
        };
        let mut side = Self { walk, next: None };
        side.step(false)?;
        Ok(side)
    }

    /// Goes on, into the folder that was found last when `enter`.
    fn step(&mut self, enter: bool) -> Result<(), Failed> {
        let Some(walk) = &mut self.walk else {
            return Ok(());
        };
        if let Some(found) = self.next.take().filter(|_| enter) {
            walk.enter(&found)?;
        }
        self.next = walk.next()?;
        Ok(())
    }
}
