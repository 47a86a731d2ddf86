//! Events as lines.
//!
//! Owns: what a line says, and which lines count. Pure. Refuses: failing on a
//! line; one that cannot be read is counted and hides no other.

use super::ReviewEvent;
use serde::{Deserialize, Serialize};

/// What was done, as far as it is on record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Each thing, the first first.
    pub events: Vec<ReviewEvent>,
    /// Older ones that were dropped because there were too many.
    pub dropped_count: u64,
    /// Lines that make no sense: cut short, or of a newer pyro.
    pub unreadable_count: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    reset_count: u64,
    #[serde(flatten)]
    event: ReviewEvent,
}

#[derive(Serialize, Deserialize)]
struct Dropped {
    dropped: u64,
}

/// One event, with its newline.
pub fn line(reset_count: u64, event: &ReviewEvent) -> Vec<u8> {
    let line = Line {
        reset_count,
        event: event.clone(),
    };
    ended(&line)
}

fn ended(line: &impl Serialize) -> Vec<u8> {
    // Neither shape can fail to be written to memory.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

fn dropped(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Dropped>(line)
        .ok()
        .map(|line| line.dropped)
}

/// The events of one session.
pub fn history(bytes: &[u8], reset_count: u64) -> History {
    let mut history = History::default();
    for text in lines(bytes) {
        match serde_json::from_slice::<Line>(text) {
            Ok(line) if line.reset_count == reset_count => history.events.push(line.event),
            Ok(_) => {}
            Err(_) => match dropped(text) {
                Some(count) => {
                    history.dropped_count = history.dropped_count.saturating_add(count);
                }
                None => history.unreadable_count += 1,
            },
        }
    }
    history
}

/// The newest lines, `most_bytes` of them, behind one that counts the others.
pub fn newer_half(bytes: &[u8], most_bytes: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    let (mut size, mut gone) = (0, 0_u64);
    for line in lines(bytes).rev() {
        if let Some(count) = dropped(line) {
            gone = gone.saturating_add(count);
            continue;
        }
        size += line.len() as u64 + 1;
        if size <= most_bytes {
            kept.push(line);
        } else {
            gone = gone.saturating_add(1);
        }
    }
    let mut out = ended(&Dropped { dropped: gone });
    for line in kept.into_iter().rev() {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}
