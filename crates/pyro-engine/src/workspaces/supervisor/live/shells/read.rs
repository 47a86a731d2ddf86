//! Reading what a shell showed.
//!
//! Owns: what a read waits for, and its bound. Refuses: consuming; any number
//! of readers may be anywhere.
//!
//! A read answers when all that it waits for came true, and earlier when the
//! shell ended, the budget of characters is used up, or the time is:
//!
//! - `wait_for`: that text stands behind the cursor;
//! - `wait_for_idle_ms`: nothing was shown for so long, counted from the
//!   read's beginning at the earliest.

use super::plain::plain;
use super::shell::{Shell, State};
use crate::events::Cancel;
use crate::workspaces::shells::asks::Read;
use crate::workspaces::shells::payloads::ShellRead;
use std::time::{Duration, Instant};

/// Most that a read waits, whatever a program writes meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Carries a read out; its text is apart, as it may be large.
pub fn read(shell: &Shell, ask: &Read, cancel: &Cancel) -> (ShellRead, String) {
    let found = wait(shell, ask, cancel);
    let state = shell.state();
    let slice = state.history.slice(ask.cursor, ask.max_chars);
    let (text, replay) = if ask.plain {
        (None, state.history.replay(slice.cursor, slice.next))
    } else {
        (Some(state.history.text(slice.cursor, slice.next)), None)
    };
    drop(state);
    // Drawing takes its time, and holds nobody up.
    let picture = replay.as_ref().map(plain);
    let alternate_screen = picture.as_ref().map(|picture| picture.alternate);
    let text = text.or(picture.map(|picture| picture.text));
    let answer = ShellRead {
        shell: shell.payload(),
        cursor: slice.cursor,
        next_cursor: slice.next,
        dropped: slice.dropped,
        output: String::new(),
        truncated: slice.truncated,
        plain: ask.plain,
        alternate_screen,
        wait_for_idle_ms: ask.wait_for_idle_ms,
        wait_for: ask.wait_for.clone(),
        wait_for_found: ask.wait_for.as_ref().map(|_| found),
    };
    (answer, text.unwrap_or_default())
}

/// Waits as it is asked to; whether the text was found.
fn wait(shell: &Shell, ask: &Read, cancel: &Cancel) -> bool {
    let began = Instant::now();
    let idle = ask.wait_for_idle_ms.map(Duration::from_millis);
    let mut search = ask.wait_for.as_deref().map(|text| Search {
        text,
        at: ask.cursor,
    });
    if idle.is_none() && search.is_none() {
        return false;
    }
    let mut state = shell.state();
    loop {
        let found = search.as_mut().is_none_or(|search| search.look(&state));
        let quiet_at = idle.map(|idle| state.shown_at.max(began) + idle);
        let now = Instant::now();
        let slice = state.history.slice(ask.cursor, ask.max_chars);
        let is_full = slice.next - slice.cursor >= ask.max_chars;
        let done = found && quiet_at.is_none_or(|quiet_at| quiet_at <= now);
        let over = now >= began + LONGEST_WAIT || cancel.is_cancelled();
        if done || over || is_full || state.ended.is_some() {
            return found;
        }
        let until = match quiet_at {
            Some(quiet_at) if found => quiet_at.min(began + LONGEST_WAIT),
            _ => began + LONGEST_WAIT,
        };
        state = shell.wait(state, until.saturating_duration_since(now));
    }
}

/// Looks for a text in what comes, once through.
struct Search<'a> {
    text: &'a str,
    /// Before this it does not begin.
    at: u64,
}

impl Search<'_> {
    fn look(&mut self, state: &State) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let history = &state.history;
        let found = history.text(self.at, history.end()).contains(self.text);
        if found {
            // For ever: it came.
            self.text = "";
        } else {
            let tail = self.text.chars().count() as u64 - 1;
            self.at = self.at.max(history.end().saturating_sub(tail));
        }
        found
    }
}
