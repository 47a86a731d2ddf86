//! What a piece of a shell's text looks like.
//!
//! Owns: the picture of a piece. Refuses: state; the same piece has the same
//! picture whenever it is asked for, and however the text came.
//!
//! The picture of the characters from `cursor` to `next` is what a person
//! would read who looked away at `cursor` and looks again at `next`:
//!
//! - the lines of the terminal from the first that changed on, whole and as
//!   they stand at `next`, wrapped rows joined, those that scrolled away
//!   included. A line that was there and is only continued is shown whole.
//! - Colours, titles and what was overwritten are not there.
//! - While a full-screen program shows its own screen: that screen after the
//!   lines, if anything on it changed. Once it is left, nothing of it.
//!
//! ```text
//!   checkpoint --before--> at cursor: lines A --piece--> at next: lines B
//!                               B without what it begins with in common with A
//! ```

use super::history::{Replay, Step};
use super::screen::{Screen, append};
use avt::observer::{Observation, Observer};
use avt::parser::Function;
use avt::{Line, Operation};

/// Most bytes of lines that scrolled away. A few characters of escape
/// sequences can make many lines.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// A picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain {
    /// Its text.
    pub text: String,
    /// Whether a full-screen program shows its own screen.
    pub alternate: bool,
}

/// The picture of a piece.
pub fn plain(replay: &Replay) -> Plain {
    let mut screen = Screen::at(&replay.from);
    run(&mut screen, &replay.before, &mut ());
    let (known, cursor) = screen.lines(String::new());
    let shown = screen.is_alternate().then(|| screen.rows());
    let mut seen = Seen::new(known, cursor);
    run(&mut screen, &replay.piece, &mut seen);

    let alternate = screen.is_alternate();
    let (mut lines, at) = screen.lines(std::mem::take(&mut seen.pending));
    let moved = at != seen.cursor || seen.scrolled > 0;
    let last = lines.iter().rposition(|line| !line.is_empty());
    // As far as there is text or the cursor is.
    lines.truncate(last.max(at).map_or(0, |last| last + 1));
    let mut text = seen.rest(lines, moved);
    if alternate {
        let mut rows = screen.rows();
        if shown.is_none_or(|shown| shown != rows) {
            let last = rows.iter().rposition(|row| !row.is_empty());
            rows.truncate(last.map_or(0, |last| last + 1));
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&rows.join("\n"));
        }
    }
    Plain { text, alternate }
}

/// Text that draws the screen as it is before the piece, for a terminal of the
/// same size. Of what was drawn long ago the colours are lost.
pub fn drawing(replay: &Replay) -> String {
    let mut screen = Screen::at(&replay.from).with_colours();
    run(&mut screen, &replay.before, &mut ());
    screen.drawing()
}

fn run(screen: &mut Screen, steps: &[Step], observer: &mut impl Observer) {
    for step in steps {
        match step {
            Step::Text(text) => screen.feed(text, observer),
            Step::Size(cols, rows) => screen.resize(*cols, *rows, observer),
        }
    }
}

/// The lines that scrolled away, without those that were known.
struct Seen {
    known: Vec<String>,
    cursor: Option<usize>,
    /// How many lines are as they were, from the first on.
    same: usize,
    /// Whether all lines so far are.
    all_same: bool,
    /// Lines that scrolled away.
    scrolled: usize,
    fresh: Vec<String>,
    fresh_bytes: usize,
    left_out: usize,
    pending: String,
}

impl Seen {
    fn new(known: Vec<String>, cursor: Option<usize>) -> Self {
        Self {
            known,
            cursor,
            same: 0,
            all_same: true,
            scrolled: 0,
            fresh: Vec::new(),
            fresh_bytes: 0,
            left_out: 0,
            pending: String::new(),
        }
    }

    /// Whether a line is one that was there and was not written to. Where the
    /// cursor was, something was going on.
    fn is_known(&mut self, line: &str) -> bool {
        self.all_same = self.all_same
            && self.cursor.is_none_or(|cursor| self.same < cursor)
            && self.known.get(self.same).is_some_and(|known| known == line);
        self.same += usize::from(self.all_same);
        self.all_same
    }

    fn push(&mut self, line: String) {
        if self.is_known(&line) {
            return;
        }
        self.fresh_bytes += line.len() + 1;
        self.fresh.push(line);
        if self.fresh_bytes > MOST_BYTES {
            let dropped = self.fresh.drain(..self.fresh.len() / 2 + 1);
            let (count, bytes) = dropped.fold((0, 0), |(count, bytes), line| {
                (count + 1, bytes + line.len() + 1)
            });
            self.left_out += count;
            self.fresh_bytes -= bytes;
        }
    }

    fn row(&mut self, line: &Line) {
        append(&mut self.pending, line);
        // One that never ends is as long as a line may be.
        if !line.is_wrapped() || self.pending.len() > MOST_BYTES / 4 {
            let mut text = std::mem::take(&mut self.pending);
            text.truncate(text.trim_end().len());
            self.scrolled += 1;
            self.push(text);
        }
    }

    /// The text of all that is not known, `lines` being the screen's.
    fn rest(mut self, lines: Vec<String>, moved: bool) -> String {
        if !moved && self.starts_with(&lines) {
            return String::new();
        }
        for line in lines {
            self.push(line);
        }
        let mut text = match self.left_out {
            0 => String::new(),
            count => format!("[{count} lines left out]\n"),
        };
        text.push_str(&self.fresh.join("\n"));
        text
    }

    /// Whether the known lines are these and blank ones.
    fn starts_with(&self, lines: &[String]) -> bool {
        self.known.len() >= lines.len()
            && self.known[..lines.len()] == *lines
            && self.known[lines.len()..].iter().all(String::is_empty)
    }
}

impl Observer for Seen {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        // A hard reset forgets the screen; people have read it.
        if matches!(operation, Operation::Function(Function::Ris)) {
            let rows: Vec<&Line> = context
                .terminal()
                .primary_screen()
                .visible_lines()
                .collect();
            let last = rows
                .iter()
                .rposition(|row| row.is_wrapped() || !row.text().trim_end().is_empty());
            for row in &rows[..last.map_or(0, |last| last + 1)] {
                self.row(row);
            }
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        self.row(line);
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}
