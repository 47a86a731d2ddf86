//! Files below a guest's workspace.
//!
//! Owns: one method of [`Guest`] for each request, and what its answer must
//! satisfy before anybody sees it. Refuses: deciding what a caller does with
//! names and archives: their contents are the guest's, and a host folder is
//! written with its own rules.
//!
//! ```text
//!   Guest::list_files ... --> asks.rs, diff.rs: request, checks --> exchange.rs <==> agent
//!        `- a lost connection becomes the machine's reason for it
//! ```

pub(crate) mod asks;
mod check;
pub(crate) mod diff;
mod exchange;
mod lines;

use super::Guest;
use crate::error::Result;
use crate::events::Cancel;
pub(crate) use exchange::Fault;
use pyro_proto::Link;
use pyro_proto::messages::files::{
    Applied, ApplyChanges, Deleted, Entry, FileRead, GetArchive, ListFiles, Listed, Match, Packed,
    PutArchive, ReadFile, SearchFiles, Searched, Unpacked, WriteFile, Written,
};
use std::io::Read;

impl Guest {
    /// Lists entries, each given to `each` as it comes.
    ///
    /// # Errors
    /// `file_not_found` and the like, `guest_reply`, why the guest is gone, or
    /// what `each` returned.
    pub fn list_files(
        &self,
        wanted: &ListFiles,
        each: impl FnMut(Entry) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Listed> {
        self.about_files("listing files", cancel, |link| {
            asks::list(link, wanted, each)
        })
    }

    /// Reads a part of a file, given to `out` in pieces.
    ///
    /// # Errors
    /// As [`Guest::list_files`].
    pub fn read_file(
        &self,
        wanted: &ReadFile,
        out: impl FnMut(&[u8]) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<FileRead> {
        self.about_files("reading a file", cancel, |link| {
            asks::read(link, wanted, out)
        })
    }

    /// Writes a file with the first `wanted.size` bytes of `contents`, which
    /// should not block for long.
    ///
    /// # Errors
    /// As [`Guest::list_files`]; `conflict` when the expectation does not
    /// hold; `source_changed` when the contents end too early.
    pub fn write_file(
        &self,
        wanted: &WriteFile,
        contents: &mut dyn Read,
        cancel: &Cancel,
    ) -> Result<Written> {
        self.about_files("writing a file", cancel, |link| {
            asks::write(link, wanted, contents)
        })
    }

    /// Carries several changes out; `contents` holds those of all writes, one
    /// after the other.
    ///
    /// # Errors
    /// As [`Guest::write_file`], and then nothing was changed; a change that
    /// was stopped half-way is in the result instead.
    pub fn apply_changes(
        &self,
        wanted: &ApplyChanges,
        contents: &mut dyn Read,
        cancel: &Cancel,
    ) -> Result<Applied> {
        self.about_files("changing files", cancel, |link| {
            asks::apply(link, wanted, contents)
        })
    }

    /// Finds lines, each given to `each` as it comes.
    ///
    /// # Errors
    /// As [`Guest::list_files`].
    pub fn search_files(
        &self,
        wanted: &SearchFiles,
        each: impl FnMut(Match) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Searched> {
        self.about_files("searching files", cancel, |link| {
            asks::search(link, wanted, each)
        })
    }

    /// Unpacks the tar of `wanted.size` bytes in `archive`; what it deletes
    /// is given to `each`.
    ///
    /// # Errors
    /// As [`Guest::write_file`]; `bad_archive` for what is refused. Members
    /// before the refused one are unpacked by then.
    pub fn put_archive(
        &self,
        wanted: &PutArchive,
        archive: &mut dyn Read,
        each: impl FnMut(Deleted) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Unpacked> {
        self.about_files("unpacking an archive", cancel, |link| {
            asks::put(link, wanted, archive, each)
        })
    }

    /// Packs a path as a tar of at most `max_bytes`, given to `out` in pieces.
    /// What is in it is the guest's: check it while unpacking.
    ///
    /// # Errors
    /// As [`Guest::list_files`]; `archive_too_large`.
    pub fn get_archive(
        &self,
        wanted: &GetArchive,
        max_bytes: u64,
        out: impl FnMut(&[u8]) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Packed> {
        self.about_files("packing an archive", cancel, |link| {
            asks::get(link, wanted, max_bytes, out)
        })
    }

    fn about_files<T>(
        &self,
        doing: &str,
        cancel: &Cancel,
        ask: impl FnOnce(&Link) -> Result<T, Fault>,
    ) -> Result<T> {
        let _woken = self.end_on(cancel)?;
        ask(&self.link).map_err(|fault| match fault {
            Fault::Link(error) => self.explain(doing, &error, cancel),
            Fault::Error(error) => error,
        })
    }
}

#[cfg(test)]
mod tests;
