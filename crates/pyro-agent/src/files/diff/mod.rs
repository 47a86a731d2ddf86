//! What changed in the workspace since it was seeded.
//!
//! Owns: which three folders are compared, and the bounds of one answer.
//! Refuses: looking at what nobody touched: of a seeded workspace the overlay's
//! upper layer says where to look, so the cost is that of the changes.
//!
//! ```text
//!   new     /workspace          overlay, or the plain folder of an unseeded one
//!   old     baseline            read-only; nothing when unseeded
//!   upper   scratch, workspace/upper    the overlay's own layer; only its names are read
//!
//!   tree: which paths --> leaf: both sides of one, compared --> a line, contents
//! ```
//!
//! Memory: 256 KiB of names per walk, at most three walks, and both sides of
//! one file up to what the host takes of it.

mod leaf;
mod tree;

use super::channels::Out;
use super::fault::about;
use super::place::Root;
use crate::machine::Machine;
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::diff::{
    DiffTree, MAX_DIFF_LINES_BYTES, MAX_DIFF_PATHS, TreeChange, TreeDiffed,
};
use std::io::Write;
use std::sync::PoisonError;

/// Where the scratch file system has the overlay's upper layer.
const UPPER: &[u8] = b"workspace/upper";

/// The folders that are compared.
struct Trees {
    new: Root,
    seeded: Option<Seeded>,
}

/// What only a seeded workspace has.
struct Seeded {
    old: Root,
    upper: Root,
}

impl Trees {
    fn open(machine: &Machine, new: Root) -> Result<Self, Failed> {
        let lock = |slot: &std::sync::Mutex<Option<_>>| {
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.as_ref()
                .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 0))
                .transpose()
                .map_err(|errno| failed("io", format!("a layer cannot be opened: {errno}")))
        };
        let Some(old) = lock(&machine.baseline)? else {
            return Ok(Self { new, seeded: None });
        };
        let Some(scratch) = lock(&machine.scratch)? else {
            return Err(failed("internal", "a seeded workspace has no scratch"));
        };
        let seeded = Seeded {
            old: Root::from(old),
            upper: Root::from(scratch).below(UPPER)?,
        };
        Ok(Self {
            new,
            seeded: Some(seeded),
        })
    }

    fn old(&self) -> Option<&Root> {
        self.seeded.as_ref().map(|seeded| &seeded.old)
    }
}

/// Compares, change by change.
pub fn run(
    machine: &Machine,
    new: Root,
    wanted: &DiffTree,
    stream: &Stream,
) -> Result<TreeDiffed, Failed> {
    if wanted.limit == 0 || wanted.paths.len() > MAX_DIFF_PATHS {
        let message = format!("a diff has 1 or more changes and at most {MAX_DIFF_PATHS} paths");
        return Err(failed("bad_request", message));
    }
    let trees = Trees::open(machine, new)?;
    let tops = tops(wanted)?;
    for top in &tops {
        tree::must_exist(&trees, top)?;
    }
    let mut answer = Answer {
        out: Out::new(stream),
        wanted,
        sent_bytes: 0,
        line_bytes: 0,
        full: false,
        done: TreeDiffed::default(),
    };
    for top in &tops {
        tree::compare(&trees, top, &mut answer)?;
    }
    answer.out.finish()?;
    Ok(answer.done)
}

/// What is compared, sorted as a walk is, nothing twice.
fn tops(wanted: &DiffTree) -> Result<Vec<Vec<u8>>, Failed> {
    let mut tops = Vec::new();
    for path in &wanted.paths {
        let top = Root::relative(path)?;
        if top.split(|byte| *byte == b'/').any(|part| part == b".git") {
            return Err(about("bad_request", &top, "is passed over by a diff"));
        }
        tops.push(top);
    }
    if tops.is_empty() {
        tops.push(Vec::new());
    }
    tops.sort_by(|a, b| tree::order(a, b));
    tops.dedup_by(|later, earlier| {
        earlier.is_empty()
            || later == earlier
            || later
                .strip_prefix(&earlier[..])
                .is_some_and(|rest| rest.starts_with(b"/"))
    });
    Ok(tops)
}

/// What goes to the host.
struct Answer<'a> {
    out: Out<'a>,
    wanted: &'a DiffTree,
    /// Of contents.
    sent_bytes: u64,
    line_bytes: u64,
    /// Whether a limit is reached and something would follow.
    full: bool,
    done: TreeDiffed,
}

impl Answer<'_> {
    /// Whether files of these sizes may be sent; 0 for a side without one.
    fn may_send(&self, old: u64, new: u64) -> bool {
        old.max(new) <= self.wanted.max_side_bytes
            && old.abs_diff(new) <= self.wanted.max_growth_bytes
            && self.sent_bytes + old + new <= self.wanted.max_total_bytes
    }

    /// Counts a name that is looked at.
    fn look(&mut self) -> Result<(), Failed> {
        self.done.looked_at += 1;
        self.out.wanted()
    }

    fn change(&mut self, change: &TreeChange, contents: [&[u8]; 2]) -> Result<(), Failed> {
        let internal = |error: std::io::Error| failed("internal", error.to_string());
        let mut line = serde_json::to_vec(change).map_err(|error| internal(error.into()))?;
        line.push(b'\n');
        self.line_bytes += line.len() as u64;
        if self.done.changes == self.wanted.limit || self.line_bytes > MAX_DIFF_LINES_BYTES {
            self.full = true;
            self.done.truncated = true;
            return Ok(());
        }
        self.out.write_all(&line).map_err(internal)?;
        self.done.changes += 1;
        for bytes in contents {
            self.sent_bytes += bytes.len() as u64;
            self.out.write_all(bytes).map_err(internal)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(paths: &[&str]) -> DiffTree {
        DiffTree {
            paths: paths.iter().map(|path| (*path).into()).collect(),
            limit: 1,
            max_side_bytes: 0,
            max_growth_bytes: 0,
            max_total_bytes: 0,
        }
    }

    #[test]
    fn nothing_is_compared_twice() {
        let found = tops(&wanted(&[
            "b/c",
            "a.x",
            "a/y",
            "./a",
            "/workspace/b/c/d",
            "b",
        ]))
        .unwrap();
        assert_eq!(found, [&b"a"[..], b"a.x", b"b"]);
        assert_eq!(tops(&wanted(&[])).unwrap(), [b""]);
        assert_eq!(tops(&wanted(&["x", "."])).unwrap(), [b""]);
        for bad in ["..", "/etc", "a/.git/hooks", ".git"] {
            assert_eq!(tops(&wanted(&[bad])).unwrap_err().code, "bad_request");
        }
    }
}
