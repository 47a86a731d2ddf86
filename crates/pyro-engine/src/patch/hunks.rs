//! Reads the `@@` blocks of a section.
//!
//! Owns: the header's numbers, lines by count (a deleted line that begins
//! with `-- ` is no new section), `\ No newline at end of file`.
//! Refuses: counts that do not match, in either direction.

use super::error::{ParseError, Problem};
use super::parse::{Lines, is_combined, starts_plain};
use super::{Hunk, Line, LineKind};

/// Reads every hunk that follows.
pub(super) fn read(lines: &mut Lines<'_>, path: &[u8]) -> Result<Vec<Hunk>, ParseError> {
    let mut hunks = Vec::new();
    while let Some(header) = lines.header(0).filter(|line| line.starts_with(b"@@")) {
        let at = lines.number();
        let failed = |problem| ParseError::new(at, Some(path), problem);
        if is_combined(header) {
            return Err(failed(Problem::Combined));
        }
        let numbers = numbers(header).ok_or_else(|| failed(Problem::BadHunkHeader))?;
        lines.skip(1);
        let hunk = Hunk {
            header: String::from_utf8_lossy(header).into_owned(),
            line: at,
            old_start: numbers[0],
            old_count: numbers[1],
            new_start: numbers[2],
            new_count: numbers[3],
            lines: body(lines, numbers[1], numbers[3])
                .map_err(|problem| ParseError::new(lines.number(), Some(path), problem))?,
        };
        if hunk.lines.iter().all(|line| line.kind == LineKind::Context) {
            return Err(failed(Problem::EmptyHunk));
        }
        surplus(lines).map_or(Ok(()), |ahead| {
            let (old, new) = (hunk.old_count, hunk.new_count);
            let problem = Problem::HunkCounts { old, new };
            Err(ParseError::new(lines.number() + ahead, Some(path), problem))
        })?;
        hunks.push(hunk);
    }
    Ok(hunks)
}

/// Old start, old count, new start, new count of a hunk header.
pub(super) fn numbers(header: &[u8]) -> Option<[u32; 4]> {
    let rest = header.strip_prefix(b"@@ -")?;
    let (old_start, old_count, rest) = range(rest)?;
    let (new_start, new_count, rest) = range(rest.strip_prefix(b" +")?)?;
    rest.starts_with(b" @@")
        .then_some([old_start, old_count, new_start, new_count])
}

fn range(text: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => number(rest).map(|(count, rest)| (start, count, rest)),
        None => Some((start, 1, rest)),
    }
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(text.get(..digits)?)
        .ok()?
        .parse()
        .ok()?;
    Some((value, text.get(digits..)?))
}

fn body(lines: &mut Lines<'_>, old: u32, new: u32) -> Result<Vec<Line>, Problem> {
    let (mut old_left, mut new_left) = (old, new);
    let mut read: Vec<Line> = Vec::new();
    let counts = Problem::HunkCounts { old, new };
    loop {
        let done = old_left == 0 && new_left == 0;
        let next = lines.raw(0);
        if let Some(line) = next
            && line.starts_with(b"\\")
            && let Some(last) = read.last_mut()
        {
            end_of_file(last, old_left, new_left)?;
            lines.skip(1);
            continue;
        }
        if done {
            return Ok(read);
        }
        let (kind, text) = match next.map(|line| (line, line.split_first())) {
            Some((_, Some((b' ', text)))) => (LineKind::Context, text),
            Some((_, Some((b'-', text)))) => (LineKind::Delete, text),
            Some((_, Some((b'+', text)))) => (LineKind::Add, text),
            // an empty context line whose space was stripped on the way
            Some((text, None)) | Some((text @ b"\r", _)) => (LineKind::Context, text),
            _ => return Err(counts),
        };
        let sides = [
            (&mut old_left, kind != LineKind::Add),
            (&mut new_left, kind != LineKind::Delete),
        ];
        for (left, has) in sides {
            if has {
                *left = left.checked_sub(1).ok_or_else(|| counts.clone())?;
            }
        }
        let mut text = text.to_vec();
        text.push(b'\n');
        read.push(Line { kind, text });
        lines.skip(1);
    }
}

/// Takes the line feed off the last line read: its side must end there.
fn end_of_file(last: &mut Line, old_left: u32, new_left: u32) -> Result<(), Problem> {
    let ends = match last.kind {
        LineKind::Context => old_left == 0 && new_left == 0,
        LineKind::Delete => old_left == 0,
        LineKind::Add => new_left == 0,
    };
    if !ends || last.text.pop_if(|byte| *byte == b'\n').is_none() {
        return Err(Problem::MarkerInside);
    }
    Ok(())
}

/// How far ahead a line stands that belongs to a hunk whose count is used up.
/// A mail's signature (`-- `) is none, nor are the labels of a plain section.
fn surplus(lines: &Lines<'_>) -> Option<usize> {
    let mut ahead = 0;
    while lines.header(ahead).is_some_and(<[u8]>::is_empty) {
        ahead += 1;
    }
    let line = lines.header(ahead)?;
    let belongs = match line.first()? {
        b' ' | b'+' => true,
        b'-' => line != b"--" && line != b"-- " && !(ahead == 0 && starts_plain(lines)),
        _ => false,
    };
    belongs.then_some(ahead)
}
