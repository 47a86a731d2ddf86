//! Taking a secret out of what a host replies.
//!
//! Owns: the forms it is looked for in, across the borders of pieces; what
//! stands in its place has the same length, so that lengths in the reply stay
//! true. Refuses: to delay anything that cannot become a secret. A host that
//! changes a secret before it shows it is not caught: this is a net under
//! hosts that echo requests, not a proof.

use super::swap::{Secret, percent};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::sync::Arc;

/// The part of its base64 forms that is the same at any place has at least
/// so many characters, or is not looked for.
const MIN_FORM_BYTES: usize = 8;

struct Form {
    bytes: Vec<u8>,
    mask: Vec<u8>,
}

struct Known {
    list: Vec<Form>,
    /// The bytes any of them begins with.
    begins: [bool; 256],
}

/// What is looked for.
#[derive(Clone)]
pub struct Forms(Arc<Known>);

impl Forms {
    /// Every form of every secret, longest first.
    pub fn new(secrets: &[Secret]) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            let value = &secret.value;
            let mut found = vec![
                value.clone(),
                percent(value).into_bytes(),
                percent(value).to_ascii_lowercase().into_bytes(),
                json(value),
            ];
            for front in 0..3 {
                for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                    found.push(shifted(engine, value, front));
                }
            }
            found.retain(|form| form.len() >= MIN_FORM_BYTES);
            for bytes in found {
                let mask = secret.placeholder.iter().copied().cycle();
                let mask = mask.take(bytes.len()).collect();
                forms.push(Form { bytes, mask });
            }
        }
        forms.sort_by(|a, b| {
            b.bytes
                .len()
                .cmp(&a.bytes.len())
                .then(a.bytes.cmp(&b.bytes))
        });
        forms.dedup_by(|a, b| a.bytes == b.bytes);
        let mut begins = [false; 256];
        for form in &forms {
            begins[usize::from(form.bytes[0])] = true;
        }
        Self(Arc::new(Known {
            list: forms,
            begins,
        }))
    }

    /// A whole text.
    pub fn whole(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Stream::new(self.clone());
        let mut done = stream.push(bytes);
        done.extend(stream.end());
        done
    }
}

/// As a JSON string has it.
fn json(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

/// The characters of its base64 that do not depend on what is around it, with
/// `front` bytes before it.
fn shifted(engine: &impl Engine, value: &[u8], front: usize) -> Vec<u8> {
    let mut padded = vec![0; front];
    padded.extend_from_slice(value);
    let text = engine.encode(&padded).into_bytes();
    let begin = [0, 2, 3][front];
    let end = padded.len() * 8 / 6;
    text.get(begin..end).unwrap_or_default().to_vec()
}

/// One reply's body, in pieces.
pub struct Stream {
    forms: Forms,
    /// What could be the beginning of a form.
    held: Vec<u8>,
}

impl Stream {
    /// At its beginning.
    pub fn new(forms: Forms) -> Self {
        Self {
            forms,
            held: Vec::new(),
        }
    }

    /// The next piece; returns what can be passed on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        self.mask(bytes, false)
    }

    /// What was held at the end: the beginning of a form that did not come.
    pub fn end(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.mask(held, true)
    }

    fn mask(&mut self, mut bytes: Vec<u8>, is_end: bool) -> Vec<u8> {
        let forms = &*self.forms.0;
        let mut at = 0;
        while at < bytes.len() {
            if !forms.begins[usize::from(bytes[at])] {
                at += 1;
                continue;
            }
            let rest = &bytes[at..];
            // A longer form may still come: wait before a shorter one is taken.
            let may_grow =
                |form: &Form| form.bytes.len() > rest.len() && form.bytes.starts_with(rest);
            if !is_end && forms.list.iter().any(may_grow) {
                self.held = bytes.split_off(at);
                return bytes;
            }
            let whole = forms.list.iter().find(|form| rest.starts_with(&form.bytes));
            match whole {
                Some(form) => {
                    bytes[at..at + form.bytes.len()].copy_from_slice(&form.mask);
                    at += form.bytes.len();
                }
                None => at += 1,
            }
        }
        bytes
    }

    /// How many bytes are held.
    pub fn held_bytes(&self) -> u64 {
        self.held.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::swap::find;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn forms(values: &[&str]) -> Forms {
        let secrets: Vec<_> = values
            .iter()
            .map(|value| Secret {
                name: "TOKEN".into(),
                placeholder: b"pyro-secret-0123456789".to_vec(),
                value: value.as_bytes().to_vec(),
            })
            .collect();
        Forms::new(&secrets)
    }

    #[test]
    fn every_form_is_masked_in_its_length() {
        let value = "s3cr3t/+=va\"lue?";
        let forms = forms(&[value]);
        for shown in [
            value.to_owned(),
            percent(value.as_bytes()),
            percent(value.as_bytes()).to_lowercase(),
            "s3cr3t/+=va\\\"lue?".into(),
            STANDARD.encode(value),
        ] {
            let text = format!("<{shown}>");
            let masked = forms.whole(text.as_bytes());
            assert_eq!(masked.len(), text.len());
            let masked = String::from_utf8(masked).unwrap();
            assert!(masked.contains("pyro-sec"), "{text} {masked}");
        }
        for user in ["", "a", "ab", "abc", "x-access-token"] {
            let text = STANDARD.encode(format!("{user}:{value}"));
            let masked = forms.whole(text.as_bytes());
            let decoded = STANDARD.decode(&masked).unwrap_or_default();
            assert!(
                find(&decoded, &value.as_bytes()[2..14], 0).is_none(),
                "{user}"
            );
            assert_ne!(masked, text.as_bytes(), "{user}");
        }
        assert_eq!(
            forms.whole(b"nothing here, s3cr3t"),
            b"nothing here, s3cr3t"
        );
    }

    #[test]
    fn nothing_is_held_that_cannot_become_a_secret() {
        let mut stream = Stream::new(forms(&["hunter2hunter2"]));
        assert_eq!(stream.push(b"data: event\n\n"), b"data: event\n\n");
        assert_eq!(stream.push(b"data: hunter2"), b"data: ");
        assert_eq!(stream.push(b" no."), b"hunter2 no.");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            parts in proptest::collection::vec("hunter2hunter2|longer-hunter2hunter2|[hunter2-]{0,6}", 0..8),
            piece in 1usize..9,
        ) {
            let forms = forms(&["hunter2hunter2", "longer-hunter2hunter2", "hunter2hunter2-3"]);
            let text = parts.concat();
            let mut stream = Stream::new(forms.clone());
            let mut pieces = Vec::new();
            for part in text.as_bytes().chunks(piece) {
                pieces.extend(stream.push(part));
            }
            pieces.extend(stream.end());
            prop_assert_eq!(pieces.len(), text.len());
            prop_assert!(find(&pieces, b"hunter2hunter2", 0).is_none());
            prop_assert_eq!(pieces, forms.whole(text.as_bytes()));
        }
    }
}
