//! Finds the place of a hunk in a file.
//!
//! Owns: lines of a file, the search, the nearest partial match, the bound on
//! the work. Refuses: fuzz. Every line of the old side must be there, byte
//! for byte.
//!
//! ```text
//! expected = line of the header + offset of the hunk before
//!
//!   floor ........ 3 . 2 . 1 . expected . 1 . 2 . 3 ........ end
//!   (end of the hunk before)   the nearest match wins;
//!                              two at the same distance are ambiguous
//! ```

use super::report::{Nearest, Reason};

/// Line comparisons for one patch, less than a tenth of a second. A patch of
/// many small hunks against a large file must not take hours.
const WORK: u64 = 10_000_000;
/// Most line comparisons for one nearest partial match.
const NEAREST_WORK: usize = 1_000_000;

/// A file as lines. A line has its line feed; the last may lack it.
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    /// Where each line begins, and the end. 32 bits hold
    /// [`super::MAX_RESULT`] and halve the memory for many short lines.
    bounds: Vec<u32>,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let ends = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .scan(0, |end, line| {
                *end += u32::try_from(line.len()).unwrap_or(u32::MAX);
                Some(*end)
            });
        Self {
            bytes,
            bounds: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    fn line(&self, index: usize) -> Option<&'a [u8]> {
        let start = *self.bounds.get(index)?;
        let end = *self.bounds.get(index + 1)?;
        self.bytes.get(start as usize..end as usize)
    }

    /// The bytes of a range of lines, as far as it exists.
    pub(super) fn lines(&self, from: usize, to: usize) -> &'a [u8] {
        let bound = |index: usize| self.bounds.get(index).map(|at| *at as usize);
        let end = bound(to).unwrap_or(self.bytes.len());
        let range = bound(from).unwrap_or(end)..end;
        self.bytes.get(range).unwrap_or_default()
    }

    fn ends_with_line_feed(&self) -> bool {
        self.bytes.last().is_none_or(|byte| *byte == b'\n')
    }
}

/// How much more may be compared.
pub(super) struct Work(u64);

impl Work {
    pub(super) fn new() -> Self {
        Self(WORK)
    }

    fn spend(&mut self, units: u64) -> Result<(), Reason> {
        self.0 = self.0.checked_sub(units).ok_or(Reason::TooMuchWork)?;
        Ok(())
    }
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    /// The lines that must be there.
    pub(super) old: Vec<&'a [u8]>,
    /// Line it should begin at, from 0.
    pub(super) expected: usize,
    /// First line it may begin at, from 0.
    pub(super) floor: usize,
    /// Whether its new side ends without a line feed, so it must end the file.
    pub(super) ends: bool,
}

/// The line the hunk begins at, from 0.
pub(super) fn place(
    text: &Text<'_>,
    wanted: &Wanted<'_>,
    work: &mut Work,
) -> Result<usize, (Reason, Option<Nearest>)> {
    if wanted.old.is_empty() {
        return insertion(text, wanted).map_err(|reason| (reason, None));
    }
    let alone = |reason| (reason, None);
    let last = text.len().checked_sub(wanted.old.len());
    let last = last.filter(|last| *last >= wanted.floor);
    let Some(last) = last else {
        return Err((Reason::NotFound, nearest(text, wanted, work)));
    };
    // when it must end the file there is one place
    let floor = if wanted.ends { last } else { wanted.floor };
    let expected = wanted.expected.clamp(floor, last);
    for distance in 0..=(expected - floor).max(last - expected) {
        let above = expected.checked_sub(distance).filter(|at| *at >= floor);
        let below = Some(expected + distance).filter(|at| *at <= last && distance > 0);
        let mut found = [None, None];
        for (found, at) in found.iter_mut().zip([above, below]) {
            if let Some(at) = at {
                *found = fits(text, &wanted.old, at, work)
                    .map_err(alone)?
                    .then_some(at);
            }
        }
        match found {
            [Some(above), Some(below)] => {
                let lines = [above + 1, below + 1];
                return Err(alone(Reason::Ambiguous { lines }));
            }
            [Some(at), None] | [None, Some(at)] => return Ok(at),
            [None, None] => {}
        }
    }
    Err((Reason::NotFound, nearest(text, wanted, work)))
}

/// A hunk without old lines has nothing to look for: only its line counts.
fn insertion(text: &Text<'_>, wanted: &Wanted<'_>) -> Result<usize, Reason> {
    let at = wanted.expected;
    if at < wanted.floor || at > text.len() {
        return Err(Reason::NotFound);
    }
    let joins = at == text.len() && at > 0 && !text.ends_with_line_feed();
    if joins || wanted.ends && at < text.len() {
        return Err(Reason::FinalNewline);
    }
    Ok(at)
}

fn fits(text: &Text<'_>, old: &[&[u8]], at: usize, work: &mut Work) -> Result<bool, Reason> {
    for (index, wanted) in old.iter().enumerate() {
        work.spend(1)?;
        let Some(line) = text.line(at + index) else {
            return Ok(false);
        };
        if line.len() != wanted.len() {
            return Ok(false);
        }
        work.spend(line.len() as u64 / 64)?;
        if line != *wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The place where most lines are right, when it is cheap to find.
fn nearest(text: &Text<'_>, wanted: &Wanted<'_>, work: &mut Work) -> Option<Nearest> {
    let cost = text.len().checked_mul(wanted.old.len())?;
    if cost > NEAREST_WORK {
        return None;
    }
    work.spend(cost as u64).ok()?;
    let near = |at: usize| {
        let mut near = Near::default();
        for (index, old) in wanted.old.iter().enumerate() {
            let Some(line) = text.line(at + index) else {
                break;
            };
            let same = line == *old;
            near.matched += usize::from(same);
            near.white_space += usize::from(!same && line.trim_ascii() == old.trim_ascii());
            // blank lines are everywhere and tell nothing
            let telling = !old.trim_ascii().is_empty();
            near.telling += usize::from(telling && line.trim_ascii() == old.trim_ascii());
        }
        near
    };
    let closeness = |at: usize| usize::MAX - at.abs_diff(wanted.expected);
    let (best, at) = (0..text.len())
        .map(|at| (near(at), at))
        .max_by_key(|(near, at)| (near.telling, near.matched, closeness(*at)))?;
    (best.telling > 0).then_some(Nearest {
        line: at + 1,
        matched: best.matched,
        white_space: best.white_space,
        lines: wanted.old.len(),
    })
}

/// Lines of a place that are as they should be.
#[derive(Default)]
struct Near {
    /// Byte for byte.
    matched: usize,
    /// But for white space at their ends.
    white_space: usize,
    /// Either, and not blank.
    telling: usize,
}
