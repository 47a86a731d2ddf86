//! Reads the section of one file.
//!
//! Owns: the headers of git and of plain `diff -u`, which name they mean, what
//! happens to the file. Refuses: headers that contradict each other, sections
//! that change nothing.
//!
//! ```text
//! diff --git a/x b/x          plain sections begin here
//! old mode, new file mode,         |
//! rename from, index, ...          v
//!                             --- a/x
//!                             +++ b/x
//!                             @@ ... @@   hunks, see super::hunks
//! ```

use super::error::{ParseError, Problem};
use super::names::{alone, checked, means, same, shown, unquote};
use super::parse::{Lines, is_binary, starts_plain};
use super::{Action, FilePatch, Mode, hunks};

/// The name of a `---` or `+++` line; None for `/dev/null`.
type Label = Option<Vec<u8>>;

#[derive(Default)]
struct Headers {
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    created: bool,
    deleted: bool,
    renamed: bool,
    copied: bool,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    labels: Option<(Label, Label)>,
}

/// Reads a section that begins with `diff --git <names>`.
pub(super) fn git(lines: &mut Lines<'_>, names: &[u8]) -> Result<FilePatch, ParseError> {
    let start = lines.number();
    let named = header_name(names);
    lines.skip(1);
    let mut headers = Headers::default();
    while let Some(line) = lines.header(0) {
        let at = lines.number();
        let failed = |problem| {
            let path = named.as_deref().unwrap_or(names);
            ParseError::new(at, Some(path), problem)
        };
        if is_binary(line) {
            return Err(failed(Problem::Binary));
        }
        if line.starts_with(b"--- ") {
            if !starts_plain(lines) {
                return Err(failed(Problem::NoNewLabel));
            }
            headers.labels = Some(labels(lines).map_err(failed)?);
            break;
        }
        if !headers.take(line).map_err(failed)? {
            break;
        }
        lines.skip(1);
    }
    let failed = |problem| {
        let path = named.as_deref().unwrap_or(names);
        ParseError::new(start, Some(path), problem)
    };
    let (path, action) = headers.resolve(named.as_deref()).map_err(failed)?;
    finish(lines, start, path, action, &headers)
}

/// Reads a section that begins with `--- `.
pub(super) fn plain(lines: &mut Lines<'_>) -> Result<FilePatch, ParseError> {
    let start = lines.number();
    let absent = [lines.raw(0), lines.raw(1)].map(|line| line.is_some_and(is_epoch));
    let failed = |problem| ParseError::new(start, None, problem);
    let (mut old, mut new) = labels(lines).map_err(failed)?;
    // GNU diff -N dates the side that does not exist to the epoch
    if let Some([_, old_count, _, new_count]) = lines.header(0).and_then(hunks::numbers) {
        if absent[0] && old_count == 0 && new.is_some() {
            old = old.filter(|_| false);
        } else if absent[1] && new_count == 0 && old.is_some() {
            new = new.filter(|_| false);
        }
    }
    let headers = Headers {
        labels: Some((old, new)),
        ..Headers::default()
    };
    let (path, action) = headers.resolve(None).map_err(failed)?;
    finish(lines, start, path, action, &headers)
}

fn is_epoch(line: &[u8]) -> bool {
    let time = line.splitn(2, |byte| *byte == b'\t').nth(1);
    // west of Greenwich it is still the day before
    time.is_some_and(|time| time.starts_with(b"1970-01-01 ") || time.starts_with(b"1969-12-31 "))
}

impl Headers {
    /// Takes one extended header line; false when it is none.
    fn take(&mut self, line: &[u8]) -> Result<bool, Problem> {
        let value = |key: &[u8]| line.strip_prefix(key);
        if let Some(mode) = value(b"old mode ") {
            self.old_mode = Some(read_mode(mode)?);
        } else if let Some(mode) = value(b"new mode ") {
            self.new_mode = Some(read_mode(mode)?);
        } else if let Some(mode) = value(b"deleted file mode ") {
            self.old_mode = Some(read_mode(mode)?);
            self.deleted = true;
        } else if let Some(mode) = value(b"new file mode ") {
            self.new_mode = Some(read_mode(mode)?);
            self.created = true;
        } else if let Some(name) = value(b"rename from ") {
            (self.renamed, self.from) = (true, Some(bare(name)?));
        } else if let Some(name) = value(b"rename to ") {
            (self.renamed, self.to) = (true, Some(bare(name)?));
        } else if let Some(name) = value(b"copy from ") {
            (self.copied, self.from) = (true, Some(bare(name)?));
        } else if let Some(name) = value(b"copy to ") {
            (self.copied, self.to) = (true, Some(bare(name)?));
        } else if let Some(index) = value(b"index ") {
            // `index <old>..<new> <mode>`: the mode is there when it stays
            if let Some(mode) = index.splitn(2, |byte| *byte == b' ').nth(1) {
                let mode = Some(read_mode(mode)?);
                self.old_mode = self.old_mode.or(mode);
                self.new_mode = self.new_mode.or(mode);
            }
        } else {
            return Ok(
                value(b"similarity index ").is_some() || value(b"dissimilarity index ").is_some()
            );
        }
        Ok(true)
    }

    /// The path that is left and what happens to it.
    fn resolve(&self, named: Option<&[u8]>) -> Result<(Vec<u8>, Action), Problem> {
        let (old, new) = match &self.labels {
            Some((old, new)) => (Some(old.as_deref()), Some(new.as_deref())),
            None => (None, None),
        };
        let created = self.created || old == Some(None);
        let deleted = self.deleted || new == Some(None);
        if created && deleted {
            return Err(Problem::Contradiction("created and deleted"));
        }
        if (self.renamed || self.copied) && (created || deleted) || self.renamed && self.copied {
            return Err(Problem::Contradiction("moved, and something else"));
        }
        if self.created && old.flatten().is_some() || self.deleted && new.flatten().is_some() {
            return Err(Problem::Contradiction("/dev/null is missing"));
        }
        let (from, path) = match (&self.from, &self.to) {
            (Some(from), Some(to)) => (from.clone(), to.clone()),
            (None, None) => {
                let path = match (named, old.flatten(), new.flatten()) {
                    (Some(name), _, _) => name.to_vec(),
                    (None, Some(old), Some(new)) => {
                        same(old, new).ok_or_else(|| differ(old, new))?
                    }
                    (None, Some(old), None) => alone(old, b"a/").to_vec(),
                    (None, None, Some(new)) => alone(new, b"b/").to_vec(),
                    (None, None, None) => return Err(Problem::NoName),
                };
                (path.clone(), path)
            }
            _ => return Err(Problem::Contradiction("one end of a move is missing")),
        };
        for (label, name) in [(old.flatten(), &from), (new.flatten(), &path)] {
            if let Some(label) = label.filter(|label| !means(label, name)) {
                return Err(differ(label, name));
            }
        }
        let (from, path) = (checked(&from)?, checked(&path)?);
        let action = match () {
            () if created => Action::Create,
            () if deleted => Action::Delete,
            () if self.renamed => Action::Rename { from },
            () if self.copied => Action::Copy { from },
            () => Action::Modify,
        };
        Ok((path, action))
    }
}

fn differ(old: &[u8], new: &[u8]) -> Problem {
    Problem::NamesDiffer {
        old: shown(old),
        new: shown(new),
    }
}

fn finish(
    lines: &mut Lines<'_>,
    start: usize,
    path: Vec<u8>,
    action: Action,
    headers: &Headers,
) -> Result<FilePatch, ParseError> {
    let hunks = hunks::read(lines, &path)?;
    let (old_mode, new_mode) = (headers.old_mode, headers.new_mode);
    let failed = |problem| Err(ParseError::new(start, Some(&path), problem));
    let kind = |mode: Option<Mode>| mode.map(|mode| mode == Mode::Symlink);
    if kind(old_mode).is_some() && kind(new_mode).is_some() && kind(old_mode) != kind(new_mode) {
        return failed(Problem::Contradiction("a file and a symlink"));
    }
    let needs_hunks = match action {
        // plain sections have no header that could tell of anything else
        Action::Create => !headers.created,
        Action::Delete => !headers.deleted,
        Action::Modify => old_mode == new_mode,
        Action::Rename { .. } | Action::Copy { .. } => false,
    };
    if needs_hunks && hunks.is_empty() {
        return failed(Problem::NoChange);
    }
    Ok(FilePatch {
        path,
        action,
        old_mode,
        new_mode,
        hunks,
        line: start,
    })
}

fn read_mode(text: &[u8]) -> Result<Mode, Problem> {
    let bad = || Problem::BadMode(shown(text));
    let text = std::str::from_utf8(text).map_err(|_| bad())?.trim();
    let mode = u32::from_str_radix(text, 8).map_err(|_| bad())?;
    match mode & 0o170_000 {
        0o100_000 => Ok(Mode::File {
            executable: mode & 0o100 != 0,
        }),
        0o120_000 => Ok(Mode::Symlink),
        0o160_000 => Err(Problem::Submodule),
        _ => Err(bad()),
    }
}

/// The name of a `rename` or `copy` line, which has no prefix.
fn bare(text: &[u8]) -> Result<Vec<u8>, Problem> {
    if !text.starts_with(b"\"") {
        return Ok(text.to_vec());
    }
    let (name, rest) = unquote(text)?;
    rest.is_empty().then_some(name).ok_or(Problem::BadQuoting)
}

/// Reads the `---` and the `+++` line.
fn labels(lines: &mut Lines<'_>) -> Result<(Label, Label), Problem> {
    let label = |ahead| -> Result<Label, Problem> {
        let text = lines.header(ahead).unwrap_or_default();
        let text = text.get(4..).unwrap_or_default();
        if text.starts_with(b"\"") {
            return Ok(Some(unquote(text)?.0));
        }
        // a time stamp follows a tab; a name with a tab is quoted
        let name = text.split(|byte| *byte == b'\t').next().unwrap_or_default();
        Ok((name != b"/dev/null").then(|| name.to_vec()))
    };
    let both = (label(0)?, label(1)?);
    lines.skip(2);
    Ok(both)
}

/// The one name of a `diff --git` line, when both sides mean the same.
fn header_name(names: &[u8]) -> Option<Vec<u8>> {
    let (old, new) = if names.starts_with(b"\"") {
        let (old, rest) = unquote(names).ok()?;
        (old, bare(rest.strip_prefix(b" ")?).ok()?)
    } else if names.ends_with(b"\"") {
        let quoted = names.windows(2).position(|pair| pair == b" \"")?;
        let (new, rest) = unquote(names.get(quoted + 1..)?).ok()?;
        (
            names.get(..quoted)?.to_vec(),
            rest.is_empty().then_some(new)?,
        )
    } else {
        // same name, prefixes of the same length: the space in the middle parts them
        let middle = names.len() / 2;
        let (old, new) = names.split_at_checked(middle)?;
        (old.to_vec(), new.strip_prefix(b" ")?.to_vec())
    };
    same(&old, &new)
}
