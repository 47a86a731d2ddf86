//! Takes the values of secrets out of text and bytes before they leave a
//! workspace. It is pure: it opens no file and knows no workspace.
//!
//! ```text
//! values ──forms──▶ patterns ──┬── text, bytes   a whole at a time
//!                              └── stream        as it comes, in any pieces
//! ```
//!
//! Every occurrence of every form of a value (see [`forms`]) is replaced by
//! [`MARKER`]. Occurrences that overlap become one marker, so the longest is
//! what counts. What is shown depends on the bytes alone, never on how they
//! were cut into pieces; the shown stream only ever grows at its end, so a
//! cursor that counts shown bytes stays true.
//!
//! Refused on purpose: values under [`MIN_VALUE_BYTES`] are not looked for.
//! A secret of one letter would shred every output, and say by that what it is.
//! Not promised: a value that a guest takes apart, reverses, compresses or
//! encrypts passes. Redaction is against mishaps; it is no wall.

mod encodings;
mod forms;
mod json;
mod patterns;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use crate::error::Error;
use patterns::Patterns;
pub use stream::Redaction;

/// What stands where a secret stood.
pub const MARKER: &str = "[REDACTED]";

/// Values and forms of values shorter than this are not looked for.
pub const MIN_VALUE_BYTES: usize = 4;

/// What is to be taken out. A clone shares the same patterns.
#[derive(Clone, Default)]
pub struct Redactor {
    patterns: Option<Arc<Patterns>>,
}

/// Patterns hold secrets: nothing of them is ever printed.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let patterns = self.patterns.as_ref().map_or(0, |p| p.len());
        write!(f, "Redactor({patterns} patterns)")
    }
}

impl Redactor {
    /// Takes nothing out.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes out every form of `values`. The index of a value in this list
    /// is what [`Redaction::found`] tells.
    #[must_use]
    pub fn new<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let forms = values
            .into_iter()
            .enumerate()
            .flat_map(|(owner, value)| {
                forms::of(value.as_ref())
                    .into_iter()
                    .map(move |form| (form, owner))
            })
            .collect::<Vec<_>>();
        Self {
            patterns: Patterns::new(forms).map(Arc::new),
        }
    }

    /// Whether there is nothing to take out.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.patterns.is_none()
    }

    /// `text` without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.is_none() {
            return text.to_owned();
        }
        // A form of a binary value may cut a character in two.
        String::from_utf8(self.bytes(text.as_bytes()))
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    /// `bytes` without secrets.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut shown = stream.push(bytes);
        shown.append(&mut stream.finish());
        shown
    }

    /// `error` without secrets. What lies beneath is left out with them: its
    /// words are others'.
    #[must_use]
    pub fn error(&self, mut error: Error) -> Error {
        if !self.is_none() {
            error.message = self.text(&error.message);
            error.hint = error.hint.map(|hint| self.text(&hint));
            error.source = None;
        }
        error
    }

    /// A stream that begins here.
    #[must_use]
    pub fn stream(&self) -> Redaction {
        Redaction::new(self.patterns.clone())
    }
}
