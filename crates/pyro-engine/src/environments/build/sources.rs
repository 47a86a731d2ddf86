//! Where the packages come from.
//!
//! Owns: `PYRO_DEBIAN_MIRROR` and `PYRO_DEBIAN_SECURITY_MIRROR`.
//! Refuses: naming a mirror itself. Without the variable mmdebstrap's own
//! default is used, with security updates.

use crate::error::{Error, Result};
use crate::events::{Event, EventSink};

/// The text of a sources.list; empty for mmdebstrap's default.
///
/// # Errors
/// A variable that is not the address of an archive.
pub fn from_env(suite: &str, events: &dyn EventSink) -> Result<String> {
    let read = |name: &'static str| match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => checked(name, value).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(refused(name)),
    };
    let main = read("PYRO_DEBIAN_MIRROR")?;
    let security = read("PYRO_DEBIAN_SECURITY_MIRROR")?;
    if main.is_some() && security.is_none() {
        events.event(Event::Notice(
            "PYRO_DEBIAN_SECURITY_MIRROR is not set: the environment gets no security updates \
             beyond the last point release"
                .to_owned(),
        ));
    }
    Ok(text(suite, main.as_deref(), security.as_deref()))
}

fn text(suite: &str, main: Option<&str>, security: Option<&str>) -> String {
    let Some(main) = main else {
        return String::new();
    };
    let mut text = format!("deb {main} {suite} main\ndeb {main} {suite}-updates main\n");
    if let Some(security) = security {
        text += &format!("deb {security} {suite}-security main\n");
    }
    text
}

/// The value becomes part of a line that apt reads.
fn checked(name: &'static str, value: String) -> Result<String> {
    let known = ["http://", "https://", "file:/"];
    let plain = value
        .chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '#'));
    if plain && known.iter().any(|scheme| value.starts_with(scheme)) {
        Ok(value)
    } else {
        Err(refused(name))
    }
}

fn refused(name: &'static str) -> Error {
    // the value may hold a password: not repeated
    Error::invalid(
        "bad_mirror",
        format!("{name} is not the address of an archive"),
    )
    .hint(format!(
        "set {name} to an http, https or file address, or unset it"
    ))
}

/// Takes user names and passwords out of the addresses in a text.
pub fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let host_end = after
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(after.len());
        let secret_end = after[..host_end].rfind('@').map_or(0, |at| at + 1);
        rest = &after[secret_end..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_is_left_to_mmdebstrap() {
        assert_eq!(text("s", None, Some("http://x/")), "");
        assert_eq!(
            text("s", Some("http://a/d"), Some("http://b/d")),
            "deb http://a/d s main\ndeb http://a/d s-updates main\ndeb http://b/d s-security main\n"
        );
    }

    #[test]
    fn an_address_cannot_bring_options_or_lines() {
        for bad in [
            "",
            "x",
            "http://a b",
            "http://a\ndeb",
            "http://[x]",
            "ftp://a",
            "http://a#b",
        ] {
            let error = checked("N", bad.to_owned()).expect_err(bad);
            assert_eq!(error.code, "bad_mirror");
        }
        assert!(checked("N", "https://u:p@host/debian".to_owned()).is_ok());
    }

    #[test]
    fn credentials_go_and_the_rest_stays() {
        for (text, clean) in [
            ("Err:1 https://u:p@h/d x", "Err:1 https://h/d x"),
            ("a://u:p/w@h", "a://u:p/w@h"),
            ("a://u@b@h b://c d@e", "a://h b://c d@e"),
            ("mail me@x", "mail me@x"),
            ("://", "://"),
        ] {
            assert_eq!(without_credentials(text), clean);
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left(secret in "[a-z:]{1,9}", tail in "\\PC{0,20}") {
            let text = format!("http://{secret}@host/{tail}");
            let kept = without_credentials(&text);
            prop_assert!(kept.starts_with("http://host/"), "{}", kept);
        }
    }
}
