//! Each request about files, and what its answer must satisfy.
//!
//! Owns: the bounds of what a guest may send for it. Refuses: the connection
//! and its end, which are [`super::Guest`]'s.
//!
//! ```text
//!   list    entries <= limit, named below the path, sorted; counts as claimed
//!   read    bytes <= max_bytes; sizes, hash, lines as asked for
//!   write   size and hash are those of what was sent
//!   apply   done < all exactly when it says why
//!   get     whole blocks, not more than max_bytes
//! ```

use super::check::{Listing, is_sha256, name};
use super::exchange::{Fault, Upload, exchange, lie};
use super::lines::Lines;
use crate::error::{Error, Result};
use pyro_proto::Link;
use pyro_proto::messages::files::{
    Applied, ApplyChanges, Change, Deleted, Entry, FileRead, GetArchive, ListFiles, Listed, Match,
    Packed, PutArchive, ReadFile, SearchFiles, Searched, Unpacked, WriteFile, Written,
};
use pyro_proto::messages::{Reply, Request};
use pyro_proto::path::{PathText, beneath};
use std::io::Read;

const TAR_BLOCK_BYTES: u64 = 512;

pub(super) fn relative(path: &PathText) -> Result<Vec<u8>> {
    beneath(path.bytes()).map_err(|error| Error::invalid("bad_file_request", error.to_string()))
}

pub(super) fn other<T>(reply: &Reply) -> Result<T, Fault> {
    // A hostile reply may be long, and none of it matters.
    let start: String = format!("{reply:?}").chars().take(200).collect();
    Err(lie(format!("it answered another question: {start}")).into())
}

fn silent(_: &[u8]) -> Result<()> {
    Err(lie("it sent data where there is none"))
}

pub(super) fn ensure(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(lie(what)) }
}

/// Lists.
pub fn list(
    link: &Link,
    wanted: &ListFiles,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<Listed, Fault> {
    let mut listing = Listing {
        top: relative(&wanted.path)?,
        recursive: wanted.recursive,
        last: None,
    };
    let mut lines = Lines::new(wanted.limit, |entry: Entry| {
        listing.check(&entry)?;
        each(entry)
    });
    let request = Request::ListFiles(wanted.clone());
    match exchange(link, &request, None, &mut |bytes| lines.push(bytes))? {
        Reply::Listed(listed) => {
            lines.finish(listed.entries)?;
            Ok(listed)
        }
        reply => other(&reply),
    }
}

/// Reads.
pub fn read(
    link: &Link,
    wanted: &ReadFile,
    mut out: impl FnMut(&[u8]) -> Result<()>,
) -> Result<FileRead, Fault> {
    relative(&wanted.path)?;
    let mut got = 0u64;
    let mut take = |bytes: &[u8]| {
        got += bytes.len() as u64;
        ensure(got <= wanted.max_bytes, "more bytes than were asked for")?;
        out(bytes)
    };
    let request = Request::ReadFile(wanted.clone());
    match exchange(link, &request, None, &mut take)? {
        Reply::FileRead(read) => {
            let end = read.offset.checked_add(read.bytes);
            let hash = read.sha256.as_deref();
            let fits = read.bytes == got
                && end.is_some_and(|end| end <= read.size)
                && read.size <= i64::MAX as u64
                && read.mode <= 0o7777
                && (wanted.lines.is_some() || read.offset == wanted.offset.min(read.size))
                && read.total_lines.is_some() == wanted.lines.is_some()
                && read.total_lines.is_none_or(|lines| lines <= read.size)
                && hash.is_some() == wanted.hash
                && hash.is_none_or(is_sha256);
            ensure(fits, "its numbers do not fit the bytes it sent")?;
            Ok(read)
        }
        reply => other(&reply),
    }
}

/// Writes.
pub fn write(link: &Link, wanted: &WriteFile, contents: &mut dyn Read) -> Result<Written, Fault> {
    relative(&wanted.path)?;
    let mut upload = Upload::new(contents, wanted.size);
    let request = Request::WriteFile(wanted.clone());
    match exchange(link, &request, Some(&mut upload), &mut silent)? {
        Reply::Written(written) => {
            let fits = written.size == wanted.size
                && written.sha256 == upload.sha256()
                && written.mode <= 0o7777;
            ensure(fits, "what it wrote is not what it was sent")?;
            Ok(written)
        }
        reply => other(&reply),
    }
}

/// Changes.
pub fn apply(
    link: &Link,
    wanted: &ApplyChanges,
    contents: &mut dyn Read,
) -> Result<Applied, Fault> {
    let sizes = wanted.changes.iter().map(|change| match change {
        Change::Write(write) => write.size,
        _ => 0,
    });
    let size = sizes.fold(0u64, u64::saturating_add);
    let mut upload = Upload::new(contents, size);
    let request = Request::ApplyChanges(wanted.clone());
    match exchange(link, &request, Some(&mut upload), &mut silent)? {
        Reply::Applied(applied) => {
            let all = wanted.changes.len() as u64;
            let fits = applied.done <= all && applied.stopped.is_some() == (applied.done < all);
            ensure(fits, "it did not say what it changed")?;
            Ok(applied)
        }
        reply => other(&reply),
    }
}

/// Searches.
pub fn search(
    link: &Link,
    wanted: &SearchFiles,
    mut each: impl FnMut(Match) -> Result<()>,
) -> Result<Searched, Fault> {
    let top = relative(&wanted.path)?;
    let mut lines = Lines::new(wanted.max_matches, |found: Match| {
        name(&found.path, &top)?;
        let fits = found.line > 0
            && found.column > 0
            && found.text.len() <= wanted.max_line_bytes as usize
            && !found.text.contains('\n');
        ensure(fits, "a match is no line")?;
        each(found)
    });
    let request = Request::SearchFiles(wanted.clone());
    match exchange(link, &request, None, &mut |bytes| lines.push(bytes))? {
        Reply::Searched(searched) => {
            lines.finish(searched.matches)?;
            Ok(searched)
        }
        reply => other(&reply),
    }
}

/// Unpacks.
pub fn put(
    link: &Link,
    wanted: &PutArchive,
    archive: &mut dyn Read,
    mut each: impl FnMut(Deleted) -> Result<()>,
) -> Result<Unpacked, Fault> {
    let top = relative(&wanted.destination)?;
    let most = if wanted.delete_missing { u64::MAX } else { 0 };
    let mut lines = Lines::new(most, |deleted: Deleted| {
        name(&deleted.path, &top)?;
        ensure(deleted.path.bytes() != top, "it deleted the destination")?;
        each(deleted)
    });
    let mut upload = Upload::new(archive, wanted.size);
    let request = Request::PutArchive(wanted.clone());
    let reply = exchange(link, &request, Some(&mut upload), &mut |bytes| {
        lines.push(bytes)
    })?;
    match reply {
        Reply::Unpacked(unpacked) => {
            lines.finish(unpacked.deleted)?;
            let fits = unpacked.entry_count <= wanted.size / TAR_BLOCK_BYTES;
            ensure(fits, "it found more members than there can be")?;
            Ok(unpacked)
        }
        reply => other(&reply),
    }
}

/// Packs.
pub fn get(
    link: &Link,
    wanted: &GetArchive,
    max_bytes: u64,
    mut out: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Packed, Fault> {
    relative(&wanted.path)?;
    let mut got = 0u64;
    let mut take = |bytes: &[u8]| {
        got += bytes.len() as u64;
        if got > max_bytes {
            let message = format!("the archive has over {max_bytes} bytes");
            return Err(Error::runtime("archive_too_large", message));
        }
        out(bytes)
    };
    let request = Request::GetArchive(wanted.clone());
    match exchange(link, &request, None, &mut take)? {
        Reply::Packed(packed) => {
            // Each member has a header, and the end is two blocks.
            let blocks = (got / TAR_BLOCK_BYTES).checked_sub(2);
            let fits = got.is_multiple_of(TAR_BLOCK_BYTES)
                && blocks.is_some_and(|blocks| packed.entry_count <= blocks)
                && packed.file_bytes <= got;
            ensure(fits, "its numbers do not fit the archive it sent")?;
            Ok(packed)
        }
        reply => other(&reply),
    }
}
