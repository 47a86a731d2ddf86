//! Requests about files below the workspace.
//!
//! Owns: when they are allowed, and which function carries each out. Refuses:
//! everything outside of the workspace ([`place`]), or of the root that a
//! reader shows, and more memory than about
//! one MiB per request, whatever the size of a file, a tree or an archive.
//!
//! ```text
//!   server --> run: phase, root --> list | read | write | apply | search | unpack | pack | diff
//!                                     \____ walk, names ____/        \__ tar __/
//! ```

mod apply;
mod channels;
mod diff;
mod expect;
mod fault;
mod folders;
mod inode;
mod list;
mod names;
mod pack;
mod place;
mod prune;
mod read;
mod search;
mod stage;
mod unpack;
mod walk;
mod write;

pub use channels::Contents;

use crate::machine::{Machine, Phase};
use crate::reply::{answer, failed};
use crate::role::Role;
use crate::root::NEW_ROOT;
use place::Root;
use pyro_proto::Stream;
use pyro_proto::messages::diff::DiffTree;
use pyro_proto::messages::files::{
    ApplyChanges, GetArchive, ListFiles, PutArchive, ReadFile, SearchFiles, WriteFile,
};
use pyro_proto::messages::{Failed, LEAVING, Reply};
use pyro_proto::path::PathText;
use std::path::Path;
use std::sync::atomic::Ordering;

/// One of the requests.
pub enum Wanted {
    /// Entries.
    List(ListFiles),
    /// Bytes of a file.
    Read(ReadFile),
    /// A new file.
    Write(WriteFile),
    /// Several changes.
    Apply(ApplyChanges),
    /// Lines that match.
    Search(SearchFiles),
    /// A tar in.
    Put(PutArchive),
    /// A tar out.
    Get(GetArchive),
    /// What changed.
    Diff(DiffTree),
}

/// Carries it out and closes the stream.
pub fn run(machine: &Machine, wanted: &Wanted, stream: Stream) {
    let reply = start(machine).and_then(|root| match wanted {
        Wanted::List(wanted) => list::run(&root, wanted, &stream).map(Reply::Listed),
        Wanted::Read(wanted) => read::run(&root, wanted, &stream).map(Reply::FileRead),
        Wanted::Write(wanted) => write::run(&root, wanted, &stream).map(Reply::Written),
        Wanted::Put(wanted) => unpack::run(&root, wanted, &stream).map(Reply::Unpacked),
        Wanted::Get(wanted) => pack::run(&root, wanted, &stream).map(Reply::Packed),
        Wanted::Apply(wanted) => apply::run(&root, wanted, &stream).map(Reply::Applied),
        Wanted::Search(wanted) => search::run(&root, wanted, &stream).map(Reply::Searched),
        Wanted::Diff(wanted) => diff::run(machine, root, wanted, &stream).map(Reply::TreeDiffed),
    });
    answer(stream, &reply.unwrap_or_else(Reply::Failed));
}

/// Whether something is at a path below the workspace.
pub fn is_there(machine: &Machine, path: &PathText) -> Result<bool, Failed> {
    let name = Root::relative(path)?;
    Ok(start(machine)?.look(&name)?.is_some())
}

fn start(machine: &Machine) -> Result<Root, Failed> {
    match (*machine.phase(), machine.role) {
        (Phase::Leaving, _) => return Err(failed(LEAVING, "the machine is powering off")),
        (Phase::Fresh | Phase::Configuring, Role::Guest) => {
            let message = "the guest was not configured yet";
            return Err(failed("not_configured", message));
        }
        _ => {}
    }
    if machine.reader.load(Ordering::SeqCst) {
        return Root::open(Path::new(NEW_ROOT));
    }
    match &machine.workspace {
        Some(path) => Root::open(path),
        None => Err(failed("bad_request", "this agent has no workspace")),
    }
}
