//! The forms in which a value shows up in text, and is looked for:
//!
//! | form | why |
//! |---|---|
//! | the value without white space at its ends | a file ends with a newline that nobody prints; the value as it is contains this one |
//! | newlines as CRLF, CRLF as newlines | a terminal makes one of the other |
//! | long lines of a value of several lines | a diff, a search and `head` show lines |
//! | base64, hexadecimal, percent, JSON, shell | [`encodings`](super::encodings) |

use std::collections::BTreeSet;

use super::{MIN_VALUE_BYTES, encodings};

/// Lines shorter than this are likely to be found in any text (`{`, `---`).
const MIN_LINE_BYTES: usize = 12;

/// Every form of `value` that is long enough, once each.
pub(super) fn of(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let trimmed = value.trim_ascii();
    // White space only is a value too, if a strange one.
    let value = if trimmed.len() < MIN_VALUE_BYTES {
        value
    } else {
        trimmed
    };
    if value.len() < MIN_VALUE_BYTES {
        return forms;
    }
    let unix = without_carriage_returns(value);
    let mut plain = BTreeSet::from([value.to_vec()]);
    if unix.contains(&b'\n') {
        plain.insert(with_carriage_returns(&unix));
        lines(&unix, &mut forms);
        plain.insert(unix);
    }
    for form in &plain {
        encodings::base64(form, &mut forms);
        encodings::hexadecimal(form, &mut forms);
        encodings::percent(form, &mut forms);
        encodings::json(form, &mut forms);
        encodings::shell(form, &mut forms);
    }
    forms.append(&mut plain);
    forms.retain(|form| form.len() >= MIN_VALUE_BYTES);
    forms
}

fn without_carriage_returns(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (i, &byte) in value.iter().enumerate() {
        if byte != b'\r' || value.get(i + 1) != Some(&b'\n') {
            out.push(byte);
        }
    }
    out
}

fn with_carriage_returns(unix: &[u8]) -> Vec<u8> {
    unix.split(|&byte| byte == b'\n')
        .collect::<Vec<_>>()
        .join(&b"\r\n"[..])
}

fn lines(unix: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for line in unix.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        // The frame of a PEM block is the same for everybody's key.
        if line.len() >= MIN_LINE_BYTES && !line.starts_with(b"-----") {
            forms.insert(line.to_vec());
            encodings::json(line, forms);
        }
    }
}
