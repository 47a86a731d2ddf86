//! The name of a snapshot, which is a part of file names.
//!
//! Owns: its rule (contract: `semantics.md` §1). Pure. Refuses: existing with
//! any other text inside, wherever that came from.

use crate::error::Error;
use crate::workspaces::names;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The machine as it was made: no snapshot's name.
pub const BASELINE: &str = "baseline";

/// `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, and not [`BASELINE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotName(String);

impl SnapshotName {
    /// The name, trimmed.
    ///
    /// # Errors
    /// `invalid_name`, `reserved_name`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.trim() {
            BASELINE => Err(Error::invalid(
                "reserved_name",
                "`baseline` is the machine as it was made: it is always there and no snapshot's name",
            )
            .hint("use another name")),
            name if names::is_word(name) => Ok(Self(name.to_owned())),
            _ => Err(Error::invalid(
                "invalid_name",
                format!("snapshot name {text:?} is not allowed"),
            )
            .hint("names have up to 64 letters, digits, dots, dashes and underscores, a letter or digit first")),
        }
    }

    /// The same, none for the baseline.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn or_baseline(text: &str) -> Result<Option<Self>, Error> {
        match text.trim() {
            BASELINE => Ok(None),
            name => Self::parse(name).map(Some),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SnapshotName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<SnapshotName> for String {
    fn from(name: SnapshotName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_contract_and_baseline_is_taken() {
        for good in [
            "a",
            " after-install ",
            "v1.2_3",
            "Baseline",
            &"x".repeat(64),
        ] {
            assert_eq!(SnapshotName::parse(good).unwrap().as_str(), good.trim());
        }
        for bad in [
            "",
            " ",
            ".",
            "..",
            ".a",
            "-a",
            "a/b",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(65),
        ] {
            let error = SnapshotName::parse(bad).unwrap_err();
            assert_eq!(error.code, "invalid_name", "{bad:?}");
            assert_eq!(SnapshotName::or_baseline(bad).unwrap_err().code, error.code);
        }
        let reserved = SnapshotName::parse(" baseline ").unwrap_err();
        assert_eq!(reserved.code, "reserved_name");
        assert_eq!(SnapshotName::or_baseline(" baseline ").unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder_or_looks_unfinished(text in ".{0,80}") {
            if let Ok(name) = SnapshotName::parse(&text) {
                let file = format!("{name}.json");
                prop_assert_eq!(std::path::Path::new(&file).components().count(), 1);
                prop_assert!(!file.starts_with('.') && file.len() <= 69);
                let json = serde_json::to_string(&name).unwrap();
                prop_assert_eq!(serde_json::from_str::<SnapshotName>(&json).unwrap(), name);
            } else {
                let json = serde_json::to_string(&text).unwrap();
                prop_assert!(serde_json::from_str::<SnapshotName>(&json).is_err());
            }
        }
    }
}
