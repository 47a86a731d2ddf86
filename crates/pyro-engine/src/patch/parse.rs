//! Reads a patch: finds its sections between everything else.
//!
//! Owns: the lines (split at line feeds only: other line boundaries are
//! content), the size limit, what may stand outside sections, that no path is
//! written or removed twice. Refuses: the inside of sections
//! ([`super::section`]) and hunks ([`super::hunks`]).

use super::error::{ParseError, Problem};
use super::{Action, FilePatch, MAX_PATCH, Patch, hunks, section};
use std::collections::BTreeSet;

/// The lines of a patch and how far it is read.
pub(super) struct Lines<'a> {
    lines: Vec<&'a [u8]>,
    at: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        // a patch whose last line lacks its line feed means the same
        let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Self {
            lines: whole.split(|byte| *byte == b'\n').collect(),
            at: 0,
        }
    }

    /// Number of the next line, from 1.
    pub(super) fn number(&self) -> usize {
        self.at + 1
    }

    /// The line `ahead` lines after the next, without its line feed.
    pub(super) fn raw(&self, ahead: usize) -> Option<&'a [u8]> {
        self.lines.get(self.at + ahead).copied()
    }

    /// As [`Self::raw`] for a header line: a patch sent with CRLF has a
    /// carriage return there too, and a name that ends in one is quoted.
    pub(super) fn header(&self, ahead: usize) -> Option<&'a [u8]> {
        let line = self.raw(ahead)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    pub(super) fn skip(&mut self, lines: usize) {
        self.at += lines;
    }
}

/// Reads a patch. Text before the first section, between sections and after
/// the last one (mail headers, commit messages, signatures) is skipped.
///
/// # Errors
/// [`ParseError`] names the line and, inside a section, the file.
pub fn parse(bytes: &[u8]) -> Result<Patch, ParseError> {
    if bytes.len() > MAX_PATCH {
        return Err(ParseError::new(1, None, Problem::TooLarge(bytes.len())));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::new(1, None, Problem::Blank));
    }
    let mut lines = Lines::new(bytes);
    let mut files = Vec::new();
    while let Some(line) = lines.header(0) {
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            files.push(section::git(&mut lines, names)?);
        } else if starts_plain(&lines) {
            files.push(section::plain(&mut lines)?);
        } else {
            outside(line).map_err(|problem| ParseError::new(lines.number(), None, problem))?;
            lines.skip(1);
        }
    }
    if files.is_empty() {
        return Err(ParseError::new(1, None, Problem::NoSections));
    }
    each_once(&files)?;
    Ok(Patch { files })
}

/// Whether the next two lines are the labels of a section.
pub(super) fn starts_plain(lines: &Lines<'_>) -> bool {
    let starts = |ahead, with: &[u8]| lines.raw(ahead).is_some_and(|line| line.starts_with(with));
    starts(0, b"--- ") && starts(1, b"+++ ")
}

/// Whether a line announces a change that no text patch can carry.
pub(super) fn is_binary(line: &[u8]) -> bool {
    line.starts_with(b"GIT binary patch")
        || line.starts_with(b"Binary files ") && line.ends_with(b" differ")
}

/// Whether a line begins a diff of a merge.
pub(super) fn is_combined(line: &[u8]) -> bool {
    line.starts_with(b"diff --cc ")
        || line.starts_with(b"diff --combined ")
        || line.starts_with(b"@@@ ")
}

/// `Submodule lib 1234567..89abcde:`, as `diff.submodule=log` writes it.
fn is_submodule(line: &[u8]) -> bool {
    let commits = |word: &[u8]| {
        let hex = |byte: &u8| byte.is_ascii_hexdigit() || b".:".contains(byte);
        word.len() > 15 && word.windows(2).any(|pair| pair == b"..") && word.iter().all(hex)
    };
    let mut words = line.split(|byte| *byte == b' ');
    words.next() == Some(b"Submodule") && words.any(commits)
}

/// Skipping a change without a word would leave half of a patch undone.
fn outside(line: &[u8]) -> Result<(), Problem> {
    if is_binary(line) {
        return Err(Problem::Binary);
    }
    if is_combined(line) {
        return Err(Problem::Combined);
    }
    if is_submodule(line) {
        return Err(Problem::Submodule);
    }
    if hunks::numbers(line).is_some() {
        return Err(Problem::HunkOutside);
    }
    Ok(())
}

/// A path may be written once and removed once: git tells a change of the
/// kind, a file that becomes a symlink, as a deletion and a creation.
fn each_once(files: &[FilePatch]) -> Result<(), ParseError> {
    let (mut written, mut used) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let writes = file.action != Action::Delete;
        let uses = match file.action {
            Action::Modify => Some(file.path.as_slice()),
            _ => file.removed(),
        };
        if writes && !written.insert(file.path.as_slice())
            || uses.is_some_and(|path| !used.insert(path))
        {
            return Err(ParseError::new(file.line, Some(&file.path), Problem::Twice));
        }
    }
    Ok(())
}
