//! Putting a secret where a guest wrote its placeholder.
//!
//! Owns: header values, the credentials inside `Basic`, path and query of a
//! target. Refuses: bodies, where a server may keep or show what it gets, and
//! values that would end a header.

use crate::config::Brokered;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A secret for the hosts it is for.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What the guest writes.
    pub placeholder: Vec<u8>,
    /// What the host gets.
    pub value: Vec<u8>,
}

/// Shorter ones would be found, and masked, everywhere in replies.
pub const MIN_VALUE_BYTES: usize = 8;
const MIN_PLACEHOLDER_BYTES: usize = 16;

impl Secret {
    /// Reads one, if it can be sent in a header and told apart in a reply.
    pub fn new(brokered: &Brokered) -> Result<Self, String> {
        let value = &brokered.value;
        if value.len() < MIN_VALUE_BYTES {
            return Err(format!(
                "has {} bytes; a brokered secret needs at least {MIN_VALUE_BYTES}, or it could not be masked in replies",
                value.len()
            ));
        }
        if !value.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return Err(
                "has bytes no header can carry (a line end, a control character, or not ASCII); \
                 a brokered secret is one line of text"
                    .into(),
            );
        }
        if value.first() == Some(&b' ') || value.last() == Some(&b' ') {
            return Err("begins or ends with a space, which a header loses".into());
        }
        let placeholder = brokered.placeholder.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if placeholder.len() < MIN_PLACEHOLDER_BYTES || !placeholder.iter().all(plain) {
            return Err("has a placeholder that cannot be told apart".into());
        }
        Ok(Self {
            name: brokered.name.clone(),
            placeholder: placeholder.to_vec(),
            value: value.clone(),
        })
    }
}

/// Where `needle` begins in `hay`, from `from` on.
pub fn find(hay: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    hay.get(from..)?
        .windows(needle.len().max(1))
        .position(|window| window == needle)
        .map(|at| at + from)
}

/// Every `needle` replaced; None if there is none.
fn replaced(hay: &[u8], needle: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut at = find(hay, needle, 0)?;
    let mut done = Vec::with_capacity(hay.len() + by.len());
    let mut from = 0;
    loop {
        done.extend_from_slice(&hay[from..at]);
        done.extend_from_slice(by);
        from = at + needle.len();
        match find(hay, needle, from) {
            Some(next) => at = next,
            None => break,
        }
    }
    done.extend_from_slice(&hay[from..]);
    Some(done)
}

/// A header's value with the secrets in it; None if it has no placeholder.
pub fn header(secrets: &[Secret], value: &[u8]) -> Option<Vec<u8>> {
    if let Some(swapped) = plain(secrets, value) {
        return Some(swapped);
    }
    let credentials = basic(value)?;
    let swapped = plain(secrets, &credentials)?;
    let mut done = b"Basic ".to_vec();
    done.extend_from_slice(STANDARD.encode(swapped).as_bytes());
    Some(done)
}

fn plain(secrets: &[Secret], value: &[u8]) -> Option<Vec<u8>> {
    let mut current: Option<Vec<u8>> = None;
    for secret in secrets {
        let now = current.as_deref().unwrap_or(value);
        if let Some(swapped) = replaced(now, &secret.placeholder, &secret.value) {
            current = Some(swapped);
        }
    }
    current
}

/// What is inside `Basic` credentials.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok()
}

/// Path and query with the secrets in them, percent-encoded.
pub fn target(secrets: &[Secret], target: &str) -> Option<String> {
    let mut current: Option<String> = None;
    for secret in secrets {
        let now = current.as_deref().unwrap_or(target).as_bytes();
        let swapped = replaced(now, &secret.placeholder, percent(&secret.value).as_bytes());
        if let Some(swapped) = swapped {
            current = String::from_utf8(swapped).ok();
        }
    }
    current
}

/// Bytes as they stand in a URL, whatever part of it.
pub fn percent(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Whether a placeholder is in a request's head, in clear or in `Basic`.
pub fn mentions(secrets: &[Secret], head: &[u8]) -> bool {
    let is_in = |bytes: &[u8]| {
        secrets
            .iter()
            .any(|secret| find(bytes, &secret.placeholder, 0).is_some())
    };
    is_in(head)
        || head.split(|byte| *byte == b'\n').any(|line| {
            let value = line.iter().position(|byte| *byte == b':');
            let value = value.map(|at| line[at + 1..].trim_ascii());
            value.and_then(basic).is_some_and(|inside| is_in(&inside))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(value: &str) -> Secret {
        Secret::new(&brokered(value.as_bytes())).unwrap()
    }

    fn brokered(value: &[u8]) -> Brokered {
        Brokered {
            name: "TOKEN".into(),
            placeholder: "pyro-secret-0123456789".into(),
            value: value.to_vec(),
            hosts: vec!["api.example.org".into()],
        }
    }

    #[test]
    fn values_that_cannot_be_sent_or_masked_are_refused() {
        for value in [
            &b"short"[..],
            b"",
            b"two\nlines of it",
            b"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc",
            b" padded value",
        ] {
            assert!(Secret::new(&brokered(value)).is_err(), "{value:?}");
        }
        let mut unclear = brokered(b"a long enough value");
        unclear.placeholder = "p".into();
        assert!(Secret::new(&unclear).is_err());
    }

    #[test]
    fn header_values_and_basic_credentials() {
        let secrets = [secret("s3cr3t/+=value")];
        assert_eq!(
            header(&secrets, b"Bearer pyro-secret-0123456789").unwrap(),
            b"Bearer s3cr3t/+=value"
        );
        assert_eq!(
            header(&secrets, b"pyro-secret-0123456789pyro-secret-0123456789").unwrap(),
            b"s3cr3t/+=values3cr3t/+=value"
        );
        assert_eq!(header(&secrets, b"Bearer pyro-secret-012345678"), None);
        let basic = format!("basic {}", STANDARD.encode("me:pyro-secret-0123456789"));
        let expected = format!("Basic {}", STANDARD.encode("me:s3cr3t/+=value"));
        assert_eq!(
            header(&secrets, basic.as_bytes()).unwrap(),
            expected.as_bytes()
        );
        assert_eq!(header(&secrets, b"Basic !!"), None);
        assert!(mentions(
            &secrets,
            format!("GET / HTTP/1.1\r\nAuthorization: {basic}\r\n").as_bytes()
        ));
        assert!(!mentions(
            &secrets,
            b"GET / HTTP/1.1\r\nAuthorization: Basic eDp5\r\n"
        ));
    }

    #[test]
    fn targets_get_it_in_a_form_that_cannot_leave_its_place() {
        let secrets = [secret("a&b=c d/#?")];
        assert_eq!(
            target(&secrets, "/x?token=pyro-secret-0123456789&y").unwrap(),
            "/x?token=a%26b%3Dc%20d%2F%23%3F&y"
        );
        assert_eq!(target(&secrets, "/x?token=other"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_swapped_or_left(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let secrets = [secret("a long enough value")];
            let _ = header(&secrets, &value);
            let _ = mentions(&secrets, &value);
            let mut with = value.clone();
            with.extend(b"pyro-secret-0123456789");
            let swapped = header(&secrets, &with).unwrap();
            prop_assert!(find(&swapped, b"pyro-secret-0123456789", 0).is_none());
            prop_assert!(mentions(&secrets, &with));
        }
    }
}
