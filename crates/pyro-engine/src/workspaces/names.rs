//! What names and labels may be, and finding a workspace by either.
//!
//! Owns: the rules of the contract (`semantics.md` §1). Pure.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Longest name and label value, characters.
pub const MAX_NAME_CHARS: usize = 120;
/// Longest label key, characters.
pub const MAX_KEY_CHARS: usize = 64;

/// A name, trimmed: 1 to 120 characters on one line, and no id, so that a
/// name can stand wherever an id can.
///
/// # Errors
/// `invalid_name`.
pub fn name(text: &str) -> Result<String> {
    let trimmed = text.trim();
    let refused = |why: &str| {
        Err(
            Error::invalid("invalid_name", format!("workspace name {text:?} {why}"))
                .hint("give a name of 1 to 120 characters on one line"),
        )
    };
    if trimmed.is_empty() {
        return refused("is empty");
    }
    if trimmed.chars().count() > MAX_NAME_CHARS {
        return refused("is longer than 120 characters");
    }
    if trimmed.chars().any(char::is_control) {
        return refused("contains a control character");
    }
    if is_id(trimmed) {
        return refused("looks like an id");
    }
    Ok(trimmed.to_owned())
}

/// Labels, keys and values trimmed.
///
/// # Errors
/// `invalid_label`, naming the key.
pub fn labels(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    given
        .iter()
        .map(|(key, value)| Ok((label_key(key)?, label_value(key, value)?)))
        .collect()
}

/// A label's key: `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`.
///
/// # Errors
/// `invalid_label`.
pub fn label_key(key: &str) -> Result<String> {
    let key = key.trim();
    if is_word(key) {
        return Ok(key.to_owned());
    }
    Err(Error::invalid(
        "invalid_label",
        format!("label key {key:?} is not allowed"),
    )
    .hint("keys have up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"))
}

/// Whether `text` is `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, so that it may also
/// be a part of a file's name.
#[must_use]
pub fn is_word(text: &str) -> bool {
    text.len() <= MAX_KEY_CHARS
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

fn label_value(key: &str, value: &str) -> Result<String> {
    let value = value.trim();
    let good = !value.is_empty()
        && value.chars().count() <= MAX_NAME_CHARS
        && !value.contains(['\r', '\n']);
    if good {
        return Ok(value.to_owned());
    }
    Err(Error::invalid(
        "invalid_label",
        format!("the value of label {key:?} is empty, too long or has a line break"),
    )
    .hint("values have 1 to 120 characters on one line"))
}

/// Whether `text` has the form of an id: 12 lowercase hex characters.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 12
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The one workspace that `wanted` means, by id or by unique name.
///
/// # Errors
/// `unknown_workspace`, `ambiguous_name` with the ids.
pub fn find<'a>(
    wanted: &str,
    known: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<String> {
    let wanted = wanted.trim();
    let mut named = Vec::new();
    for (id, name) in known {
        if id == wanted {
            return Ok(id.to_owned());
        }
        if name == Some(wanted) {
            named.push(id.to_owned());
        }
    }
    match named.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::invalid(
            "unknown_workspace",
            format!("no workspace has the id or name {wanted:?}"),
        )
        .hint("run pyro workspace list")),
        many => Err(Error::invalid(
            "ambiguous_name",
            format!(
                "{} workspaces are called {wanted:?}: {}",
                many.len(),
                many.join(", ")
            ),
        )
        .hint("use the id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_never_look_like_ids() {
        assert_eq!(name("  a b ").unwrap(), "a b");
        for bad in ["", " ", "a\nb", "0123456789ab", &"x".repeat(121)] {
            assert_eq!(name(bad).unwrap_err().code, "invalid_name", "{bad:?}");
        }
        assert!(name(&"ä".repeat(120)).is_ok() && name("0123456789AB").is_ok());
    }

    #[test]
    fn labels_follow_the_contract() {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(labels(&one(" k.1-_ ", " v ")).unwrap(), one("k.1-_", "v"));
        for (key, value) in [
            ("", "v"),
            ("-k", "v"),
            ("k k", "v"),
            ("k", " "),
            ("k", "a\nb"),
        ] {
            assert_eq!(labels(&one(key, value)).unwrap_err().code, "invalid_label");
        }
        assert!(label_key(&"k".repeat(64)).is_ok() && label_key(&"k".repeat(65)).is_err());
    }

    #[test]
    fn an_id_beats_a_name_and_two_names_are_an_error() {
        let known = || {
            [
                ("00000000000a", Some("x")),
                ("00000000000b", Some("x")),
                ("00000000000c", None),
            ]
            .into_iter()
        };
        assert_eq!(find("00000000000a", known()).unwrap(), "00000000000a");
        assert_eq!(find("x", known()).unwrap_err().code, "ambiguous_name");
        assert_eq!(find("y", known()).unwrap_err().code, "unknown_workspace");
    }
}
