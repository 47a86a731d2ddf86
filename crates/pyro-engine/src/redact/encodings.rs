//! The encodings in which a value is looked for. Each returns the encoded
//! bytes and nothing around them: no quotes, no prefix.

use std::collections::BTreeSet;

pub(super) const STANDARD: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Lines of `base64` of coreutils, and those of PEM.
const BASE64_LINE_CHARS: [usize; 2] = [76, 64];

/// Base64 of `value` wherever it stands in what was encoded: at each of the
/// three places in a group of three bytes, the characters that it alone
/// decides; and up to the end, with and without padding.
pub(super) fn base64(value: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    for alphabet in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            let mut whole = vec![0; before];
            whole.extend_from_slice(value);
            let bits = whole.len() * 8;
            let encoded = base64_unpadded(&whole, alphabet);
            let first = (before * 8).div_ceil(6);
            let decided = &encoded[first..bits / 6];
            out.insert(decided.to_vec());
            if before == 0 {
                wrapped(decided, out);
            }
            if bits % 6 != 0 {
                let mut end = encoded[first..].to_vec();
                out.insert(end.clone());
                end.resize(end.len() + (3 - whole.len() % 3) % 3, b'=');
                out.insert(end);
            }
        }
    }
}

/// Base64 without padding.
pub(super) fn base64_unpadded(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..=group.len() {
            out.push(alphabet[(bits >> (18 - 6 * i) & 63) as usize]);
        }
    }
    out
}

fn wrapped(encoded: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    for line_chars in BASE64_LINE_CHARS {
        if encoded.len() <= line_chars {
            continue;
        }
        for newline in [&b"\n"[..], b"\r\n"] {
            out.insert(encoded.chunks(line_chars).collect::<Vec<_>>().join(newline));
        }
    }
}

/// Hexadecimal, in small and in capital letters.
pub(super) fn hexadecimal(value: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    out.insert(hex::encode(value).into_bytes());
    out.insert(hex::encode_upper(value).into_bytes());
}

/// Percent-encoding as the usual libraries do it. They differ in which marks
/// they leave alone, in the case of the digits, and in what a space becomes.
pub(super) fn percent(value: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    const UNRESERVED: &[u8] = b"-._~";
    for (kept, space) in [
        (UNRESERVED, None),
        // JavaScript: encodeURIComponent
        (b"-._~!'()*", None),
        // Python: urllib.parse.quote
        (b"-._~/", None),
        // forms
        (b"-._*", Some(b'+')),
        (b"-._~", Some(b'+')),
    ] {
        for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
            let mut encoded = Vec::with_capacity(value.len());
            for &byte in value {
                match space {
                    Some(space) if byte == b' ' => encoded.push(space),
                    _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => encoded.push(byte),
                    _ => encoded.extend([
                        b'%',
                        digits[usize::from(byte >> 4)],
                        digits[usize::from(byte & 15)],
                    ]),
                }
            }
            out.insert(encoded);
        }
    }
}

/// The inside of a JSON string, with characters beyond ASCII as they are and
/// as `\u` escapes. A value that is no UTF-8 has no such form.
pub(super) fn json(value: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    let Ok(quoted) = serde_json::to_string(text) else {
        return;
    };
    let inner = &quoted[1..quoted.len() - 1];
    out.insert(inner.as_bytes().to_vec());
    out.insert(inner.replace('/', "\\/").into_bytes());
    let mut ascii = String::with_capacity(inner.len());
    for c in inner.chars() {
        if c.is_ascii() && c != '\x7f' {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.insert(ascii.into_bytes());
}

/// As shells write a word that has to be quoted: the inside of single quotes,
/// with backslashes (`printf %q`), and the inside of `$'…'`.
pub(super) fn shell(value: &[u8], out: &mut BTreeSet<Vec<u8>>) {
    let mut closed = Vec::new();
    let mut doubled = Vec::new();
    let mut backslashed = Vec::new();
    let mut ansi = Vec::new();
    for &byte in value {
        match byte {
            b'\'' => {
                closed.extend_from_slice(b"'\\''");
                doubled.extend_from_slice(b"'\"'\"'");
            }
            _ => {
                closed.push(byte);
                doubled.push(byte);
            }
        }
        let plain = byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
        if !plain && byte.is_ascii() {
            backslashed.push(b'\\');
        }
        backslashed.push(byte);
        match byte {
            b'\n' => ansi.extend_from_slice(b"\\n"),
            b'\t' => ansi.extend_from_slice(b"\\t"),
            b'\r' => ansi.extend_from_slice(b"\\r"),
            b'\'' | b'\\' => ansi.extend([b'\\', byte]),
            b' '..=b'~' => ansi.push(byte),
            _ => ansi.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out.extend([closed, doubled, backslashed, ansi]);
}
