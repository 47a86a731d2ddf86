//! The name of one command of a workspace: `c<resets>-<sequence>`.
//!
//! Owns: the form. Sequences begin anew with each reset, so the number of
//! resets is part of it: an id of before is refused, not mistaken for another
//! command's. Refuses: looking commands up.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One command of one workspace, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId {
    /// How often the workspace had been reset.
    pub reset_count: u64,
    /// Number since then, from 1.
    pub sequence: u64,
}

impl fmt::Display for CommandId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "c{}-{}", self.reset_count, self.sequence)
    }
}

impl CommandId {
    /// Reads one that somebody gave.
    ///
    /// # Errors
    /// `invalid_command_id`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let id = text.strip_prefix('c').and_then(|numbers| {
            let (reset_count, sequence) = numbers.split_once('-')?;
            Some(Self {
                reset_count: reset_count.parse().ok()?,
                sequence: sequence.parse().ok()?,
            })
        });
        // One spelling each: no sign, no leading zero.
        id.filter(|id| id.sequence > 0 && id.to_string() == text)
            .ok_or_else(|| {
                Error::invalid(
                    "invalid_command_id",
                    format!("{text:?} is no command id"),
                )
                .hint("give the command_id that workspace exec or workspace logs showed, for example c0-7")
            })
    }

    /// The error for one that is not on record.
    #[must_use]
    pub fn unknown(self, workspace_id: &str, reset_count: u64) -> Error {
        let why = if self.reset_count < reset_count {
            ": it was before the last reset"
        } else {
            ""
        };
        Error::invalid(
            "unknown_command",
            format!("workspace {workspace_id} has no command {self}{why}"),
        )
        .hint(format!("see pyro workspace logs {workspace_id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_survives_its_text(reset_count: u64, sequence in 1..u64::MAX) {
            let id = CommandId { reset_count, sequence };
            prop_assert_eq!(CommandId::parse(&id.to_string()).unwrap(), id);
        }

        #[test]
        fn whatever_parses_is_spelled_so(text in "[c0-9+-]{0,8}") {
            if let Ok(id) = CommandId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn other_words_are_refused() {
        for text in [
            "", "c", "7", "c7", "c0-0", "c0-", "c-1", "c00-1", "c0-+1", "C0-1", "c0-1-2",
        ] {
            let error = CommandId::parse(text).unwrap_err();
            assert_eq!(error.code, "invalid_command_id", "{text}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn an_id_of_before_a_reset_says_so() {
        let id = CommandId::parse("c1-3").unwrap();
        assert!(id.unknown("w", 2).message.contains("before the last reset"));
        assert!(!id.unknown("w", 1).message.contains("reset"));
    }
}
