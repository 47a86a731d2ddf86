//! The terminal that a shell's text is shown on.
//!
//! Owns: feeding text to a terminal state machine (the crate avt), states to
//! begin again from, and lines as text. Refuses: colours, which nobody sees
//! in text and which would make states large; and what a guest could use to
//! make a few characters cost much.
//!
//! ```text
//!   text --parser--> functions, without SGR --> terminal: primary, alternate
//!                                                   `--dump--> Checkpoint
//! ```

use avt::observer::Observer;
use avt::parser::{Function, State};
use avt::{Line, Parser, Screen as Buffer, ScreenKind, Terminal};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A terminal.
pub struct Screen {
    terminal: Terminal,
    parser: Parser,
    colours: bool,
}

/// Its state at a moment, as the text that makes it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    cols: u16,
    rows: u16,
    dump: String,
}

impl Screen {
    /// An empty one. A size of zero is one of one.
    pub fn new(cols: u16, rows: u16) -> Self {
        let (cols, rows) = (cols.max(1), rows.max(1));
        let terminal = Terminal::new(cols.into(), rows.into());
        Self {
            terminal: terminal.unwrap_or_else(|_| unreachable!("{cols}x{rows} is no size")),
            parser: Parser::new(),
            colours: false,
        }
    }

    /// Keeps colours from here on.
    pub fn with_colours(self) -> Self {
        Self {
            colours: true,
            ..self
        }
    }

    /// As it was.
    pub fn at(from: &Checkpoint) -> Self {
        let mut screen = Self::new(from.cols, from.rows);
        screen.feed(&from.dump, &mut ());
        screen
    }

    /// Shows `text`.
    pub fn feed(&mut self, text: &str, observer: &mut impl Observer) {
        let (cols, _) = self.terminal.size();
        let most = u16::try_from(cols).unwrap_or(u16::MAX);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let (parser, colours) = (&mut self.parser, self.colours);
            let functions = text.chars().filter_map(|c| parser.feed(c));
            let kept = functions.filter_map(|function| match function {
                Function::Sgr(_) if !colours => None,
                Function::Osc(_) | Function::Xtwinops(_) => None,
                // Repeats one character, up to 65535 times for ten letters.
                Function::Rep(times) => Some(Function::Rep(times.min(most))),
                other => Some(other),
            });
            self.terminal.execute_with(kept, &mut *observer);
        }));
        if done.is_err() {
            // A defect of the state machine costs the screen, not the shell.
            let (cols, rows) = self.terminal.size();
            let size = |of: usize| u16::try_from(of).unwrap_or(u16::MAX);
            *self = Self {
                colours: self.colours,
                ..Self::new(size(cols), size(rows))
            };
        }
    }

    /// Gives it another size.
    pub fn resize(&mut self, cols: u16, rows: u16, observer: &mut impl Observer) {
        let (cols, rows) = (usize::from(cols.max(1)), usize::from(rows.max(1)));
        self.terminal.resize_with(cols, rows, &mut *observer);
    }

    /// Whether no escape sequence is under way.
    pub fn is_settled(&self) -> bool {
        self.parser.state == State::Ground
    }

    /// Its state; complete when it is settled.
    pub fn checkpoint(&self) -> Checkpoint {
        let (cols, rows) = self.terminal.size();
        let size = |of: usize| u16::try_from(of).unwrap_or(u16::MAX);
        Checkpoint {
            cols: size(cols),
            rows: size(rows),
            dump: self.drawing(),
        }
    }

    /// Text that draws it on an empty terminal of the same size.
    pub fn drawing(&self) -> String {
        self.terminal.dump()
    }

    /// Whether a full-screen program shows its own screen.
    pub fn is_alternate(&self) -> bool {
        self.terminal.active_screen_kind() == ScreenKind::Alternate
    }

    /// Rows of the screen that is shown, without blanks at their ends.
    pub fn rows(&self) -> Vec<String> {
        let rows = self.terminal.screen().visible_lines();
        rows.map(|line| line.text().trim_end().to_owned()).collect()
    }

    /// The primary screen's lines, wrapped rows joined, and on which of them
    /// the cursor is; none while the alternate screen is shown. `begun` is what
    /// scrolled away of the first.
    pub fn lines(&self, begun: String) -> (Vec<String>, Option<usize>) {
        let cursor = (!self.is_alternate()).then(|| self.terminal.cursor());
        lines_of(
            self.terminal.primary_screen(),
            begun,
            cursor.map(|at| (at.row, at.col)),
        )
    }
}

fn lines_of(
    buffer: Buffer<'_>,
    mut line: String,
    cursor: Option<(usize, usize)>,
) -> (Vec<String>, Option<usize>) {
    let (mut lines, mut at) = (Vec::new(), None);
    let mut kept = 0;
    for (number, row) in buffer.visible_lines().enumerate() {
        append(&mut line, row);
        let begin = line.len() - row.chars().map(char::len_utf8).sum::<usize>();
        if let Some((_, col)) = cursor.filter(|(row, _)| *row == number) {
            at = Some(lines.len());
            // A prompt ends with a blank.
            kept = begin + before(row, col);
        }
        if !row.is_wrapped() {
            let end = line.trim_end().len().max(kept);
            line.truncate(end);
            lines.push(std::mem::take(&mut line));
            kept = 0;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    (lines, at)
}

/// Puts a row behind those that it goes on. A wide character that did not fit
/// has left a blank before it.
pub fn append(line: &mut String, row: &Line) {
    if row.cells().first().is_some_and(|cell| cell.width() == 2) && line.ends_with(' ') {
        line.pop();
    }
    line.extend(row.chars());
}

/// Bytes of the row's text before a column.
fn before(row: &Line, col: usize) -> usize {
    let mut width = 0;
    let cells = row.cells().iter().filter(|cell| cell.width() > 0);
    cells
        .take_while(|cell| {
            width += usize::from(cell.width());
            width <= col
        })
        .map(|cell| cell.char().len_utf8())
        .sum()
}
