//! Names of files as both sides write them.
//!
//! Owns: [`PathText`], bytes in JSON without loss, and [`beneath`], which
//! paths a request may name. Refuses: looking at a file system; whether a name
//! passes through a symbolic link is decided where it is opened.
//!
//! ```text
//!   bytes     a / b % LF \xff          JSON "a/b%25%0A%FF"
//!   request   "x/./y", "/workspace/x/y"  -> "x/y"    below the workspace
//!             "", "..", "/etc", "a\0b"   -> PathError
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Where a guest's files are, as every request and answer writes it.
pub const WORKSPACE: &str = "/workspace";
/// Longest path a request may name, in bytes; the kernel's own bound.
pub const MAX_PATH_BYTES: usize = 4095;

/// A path or a link's target: any bytes. Its text is the UTF-8 it is, with
/// `%XX` for `%`, for control characters and for bytes that are no UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathText(pub Vec<u8>);

impl PathText {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the escaped text back.
    ///
    /// # Errors
    /// [`PathError::Escape`] when a `%` is not followed by two hex digits.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit = || rest.next().and_then(|byte| (byte as char).to_digit(16));
            match (digit(), digit()) {
                (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
                _ => return Err(PathError::Escape(text.to_owned())),
            }
        }
        Ok(Self(bytes))
    }
}

impl<T: Into<Vec<u8>>> From<T> for PathText {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}"))
        };
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '%' || c.is_control() {
                    escaped(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            escaped(f, chunk.invalid())?;
        }
        Ok(())
    }
}

impl fmt::Debug for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for PathText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PathText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What of a path lies below the workspace: its components joined by `/`,
/// without `.`; empty for the workspace itself.
///
/// # Errors
/// [`PathError`] for a path that is blank, too long, holds NUL or `..`, or is
/// absolute and not below [`WORKSPACE`].
pub fn beneath(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let refused = |why| Err(PathError::Refused(path.into(), why));
    if path.iter().all(u8::is_ascii_whitespace) {
        return refused("it is blank");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::Refused(path[..64].into(), "it is too long"));
    }
    if path.contains(&0) {
        return refused("it holds a NUL byte");
    }
    let relative = match path.strip_prefix(WORKSPACE.as_bytes()) {
        Some(rest) if rest.is_empty() || rest[0] == b'/' => rest,
        _ if path[0] == b'/' => return refused("it is not below /workspace"),
        _ => path,
    };
    match components(relative) {
        Some(joined) => Ok(joined),
        None => refused("it holds `..`"),
    }
}

/// A relative name's components joined by `/`, without `.` and empty ones;
/// none when one of them is `..`. A leading `/` is the caller's to refuse.
#[must_use]
pub fn components(name: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => {
                if !joined.is_empty() {
                    joined.push(b'/');
                }
                joined.extend_from_slice(part);
            }
        }
    }
    Some(joined)
}

/// A path that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `%` without two hex digits.
    #[error("the escaped path `{0}` has a % without two hex digits")]
    Escape(String),
    /// A path requests may not name, and why.
    #[error("the path {0:?} is refused: {1}")]
    Refused(PathText, &'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_survive_json(bytes: Vec<u8>) {
            let path = PathText(bytes);
            let json = serde_json::to_string(&path).unwrap();
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<PathText>(&json).unwrap(), path);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text: String) {
            if let Ok(path) = PathText::parse(&text) {
                prop_assert_eq!(PathText::parse(&path.to_string()), Ok(path));
            }
        }

        #[test]
        fn what_is_accepted_stays_beneath(path in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), Just(b'a'), any::<u8>()], 0..40)) {
            if let Ok(inside) = beneath(&path) {
                prop_assert!(!inside.starts_with(b"/") && !inside.ends_with(b"/"));
                prop_assert!(inside.is_empty() || inside.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b"..")));
                prop_assert!(!inside.contains(&0));
                let absolute = [WORKSPACE.as_bytes(), b"/", &inside].concat();
                prop_assert_eq!(beneath(&absolute), Ok(inside));
            }
        }
    }

    #[test]
    fn text_is_readable_and_odd_bytes_are_escaped() {
        let path = PathText::from(&b"dir/\xc3\xa4 b%\n\xff"[..]);
        assert_eq!(path.to_string(), "dir/ä b%25%0A%FF");
        assert!(PathText::parse("a%2").is_err() && PathText::parse("%zz").is_err());
    }

    #[test]
    fn each_rule_refuses() {
        let long = vec![b'a'; MAX_PATH_BYTES + 1];
        for bad in [
            &b""[..],
            b"  \n",
            b"/",
            b"/etc",
            b"/workspaces",
            b"..",
            b"a/../b",
            b"/workspace/..",
            b"a\0",
            &long,
        ] {
            assert!(beneath(bad).is_err(), "{}", PathText::from(bad));
        }
        assert_eq!(beneath(b"/workspace").unwrap(), b"");
        assert_eq!(beneath(b"./a//b/.").unwrap(), b"a/b");
        assert_eq!(beneath(b"..a/b..").unwrap(), b"..a/b..");
    }
}
