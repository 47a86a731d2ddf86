//! Finding lines in text files.
//!
//! Owns: which files are text, what a line is, and the part of it that is
//! shown. Refuses: patterns that compile to too much, lines beyond
//! [`MAX_LINE_BYTES`] but for their beginning, links, and `.git` folders.
//!
//! ```text
//!   walk --> first 8 KiB: NUL? --skip      line --> lossy text --> match?
//!        `-> lines, one at a time ---------^         `-> Match { path, line, column, part }
//! ```

use super::channels::Out;
use super::fault::{about, io};
use super::place::{Root, file_at, kind};
use super::read::BUFFER_BYTES;
use super::walk::Walk;
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{
    FileKind, MAX_LINE_BYTES, MAX_PATTERN_BYTES, Match, SearchFiles, Searched,
};
use regex_lite::{Regex, RegexBuilder};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Bytes looked at to tell text from other data.
const LOOK_BYTES: usize = 8 * 1024;
/// Memory a compiled pattern may take.
const PATTERN_MEMORY_BYTES: usize = 256 * 1024;
/// Lines between two looks at whether the host still waits.
const LOOK_EVERY: u64 = 256;

/// Searches, match by match.
pub fn run(root: &Root, wanted: &SearchFiles, stream: &Stream) -> Result<Searched, Failed> {
    let path = Root::relative(&wanted.path)?;
    let mut search = Search {
        needle: Needle::new(wanted)?,
        wanted,
        out: Out::new(stream),
        done: Searched {
            matches: 0,
            files: 0,
            skipped: 0,
            truncated: false,
        },
        line: Vec::new(),
    };
    let stat = root
        .look(&path)?
        .ok_or_else(|| about("not_found", &path, "does not exist"))?;
    if kind(&stat) == FileKind::Directory {
        let mut walk = Walk::new(root, &path)?;
        while let Some(found) = walk.next()? {
            search.out.wanted()?;
            match found.kind {
                FileKind::Directory if found.name() != b".git" => walk.enter(&found)?,
                FileKind::File => search.entry(walk.folder()?, found.name(), &found.path)?,
                _ => {}
            }
            if search.done.truncated {
                break;
            }
        }
    } else {
        let (file, _) = root.file(&path)?;
        search.file(file, &path)?;
    }
    search.out.finish()?;
    Ok(search.done)
}

enum Needle {
    Plain(String),
    Pattern(Regex),
}

impl Needle {
    fn new(wanted: &SearchFiles) -> Result<Self, Failed> {
        let bad = |message: String| Err(failed("bad_request", message));
        let length = wanted.pattern.len();
        if length == 0 || length > MAX_PATTERN_BYTES {
            return bad(format!(
                "a pattern has 1 to {MAX_PATTERN_BYTES} bytes, not {length}"
            ));
        }
        if wanted.max_matches == 0 || !(1..=MAX_LINE_BYTES).contains(&wanted.max_line_bytes) {
            return bad(format!(
                "a search shows 1 or more matches and 1 to {MAX_LINE_BYTES} bytes of each line"
            ));
        }
        let pattern = match (wanted.regex, wanted.ignore_case) {
            (false, false) => return Ok(Self::Plain(wanted.pattern.clone())),
            (false, true) => regex_lite::escape(&wanted.pattern),
            (true, _) => wanted.pattern.clone(),
        };
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(wanted.ignore_case)
            .size_limit(PATTERN_MEMORY_BYTES)
            .build();
        match built {
            Ok(regex) => Ok(Self::Pattern(regex)),
            Err(error) => bad(format!("the pattern is no regular expression: {error}")),
        }
    }

    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Self::Plain(needle) => text.find(needle),
            Self::Pattern(regex) => regex.find(text).map(|found| found.start()),
        }
    }
}

struct Search<'a> {
    needle: Needle,
    wanted: &'a SearchFiles,
    out: Out<'a>,
    done: Searched,
    line: Vec<u8>,
}

impl Search<'_> {
    fn entry(&mut self, folder: &OwnedFd, last: &[u8], path: &[u8]) -> Result<(), Failed> {
        match file_at(folder, last, path) {
            Ok((file, _)) => self.file(file, path),
            // Not readable, gone, or replaced since it was found.
            Err(_) => {
                self.done.skipped += 1;
                Ok(())
            }
        }
    }

    fn file(&mut self, file: File, path: &[u8]) -> Result<(), Failed> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let first = reader.fill_buf().map_err(io("reading", path))?;
        if first[..first.len().min(LOOK_BYTES)].contains(&0) {
            self.done.skipped += 1;
            return Ok(());
        }
        self.done.files += 1;
        let mut number = 0;
        while let Some(whole) = self.next_line(&mut reader, path)? {
            number += 1;
            if number % LOOK_EVERY == 0 {
                self.out.wanted()?;
            }
            let text = String::from_utf8_lossy(&self.line);
            let Some(at) = self.needle.find(&text) else {
                continue;
            };
            if self.done.matches == self.wanted.max_matches {
                self.done.truncated = true;
                return Ok(());
            }
            let (part, cut) = part(&text, at, self.wanted.max_line_bytes as usize);
            let found = Match {
                path: path.into(),
                line: number,
                column: column(&self.line, at) + 1,
                text: part.to_owned(),
                cut: cut || !whole,
            };
            self.out.line(&found)?;
            self.done.matches += 1;
        }
        Ok(())
    }

    /// The next line without its end, and whether all of it; none at the end.
    fn next_line(
        &mut self,
        reader: &mut BufReader<File>,
        path: &[u8],
    ) -> Result<Option<bool>, Failed> {
        self.line.clear();
        let (mut whole, mut any) = (true, false);
        loop {
            let buffer = reader.fill_buf().map_err(io("reading", path))?;
            if buffer.is_empty() {
                return Ok(any.then_some(whole));
            }
            any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX_LINE_BYTES as usize - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            whole &= piece.len() <= room;
            let used = piece.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                if whole && self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                return Ok(Some(whole));
            }
        }
    }
}

/// At most so many bytes around `at`, and whether that is less than all.
fn part(text: &str, at: usize, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    // A third before the match, as far as the end leaves no more room.
    let start = at.saturating_sub(most / 3).min(text.len() - most);
    let start = text.ceil_char_boundary(start);
    let end = text.floor_char_boundary((start + most).min(text.len()));
    (&text[start..end.max(start)], true)
}

/// Where in the line's bytes the lossy text's byte `at` comes from.
fn column(line: &[u8], at: usize) -> u64 {
    let (mut bytes, mut text) = (0, 0);
    for chunk in line.utf8_chunks() {
        if at <= text + chunk.valid().len() {
            return (bytes + at - text) as u64;
        }
        bytes += chunk.valid().len() + chunk.invalid().len();
        // Each invalid sequence became one character of three bytes.
        text += chunk.valid().len() + 3;
    }
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_part_is_short_and_holds_the_match_s_start(text in "\\PC{1,80}", at: usize, most in 4usize..40) {
            let at = text.floor_char_boundary(at % text.len());
            let (shown, cut) = part(&text, at, most);
            prop_assert!(shown.len() <= most && text.contains(shown));
            prop_assert_eq!(cut, text.len() > most);
        }

        #[test]
        fn columns_count_the_line_s_own_bytes(mut before: Vec<u8>, after: Vec<u8>) {
            before.retain(|byte| *byte != b'#');
            before.push(b' ');
            let line = [&before[..], b"#", &after].concat();
            let at = String::from_utf8_lossy(&line).find('#').unwrap();
            prop_assert_eq!(column(&line, at), before.len() as u64);
        }
    }
}
