//! Names of files in patches.
//!
//! Owns: C quotes as git writes them, the prefixes `a/` and `b/`, which names
//! may be touched. Refuses: looking whether a name exists.

use super::error::Problem;

/// Prefixes git puts before the two names of a section: its usual ones, and
/// those of `diff.mnemonicPrefix` (commit, index, object, work tree).
const PREFIXES: [&[u8]; 8] = [b"a/", b"b/", b"c/", b"i/", b"o/", b"w/", b"1/", b"2/"];

/// Linux takes no longer path, in bytes.
const MAX_NAME: usize = 4095;
/// Most parts of a path: each parent is looked at, and a patch has room for
/// many deep ones.
const MAX_PARTS: usize = 255;

/// The name as git writes it with `core.quotePath=false`: bare when it can be,
/// else in double quotes with C escapes. Bytes that are not UTF-8 become octal
/// escapes, so the result is always text, and reading it gives the same bytes.
#[must_use]
pub fn quote(name: &[u8]) -> String {
    let text = std::str::from_utf8(name).ok();
    let plain = |byte: u8| byte >= 0x20 && byte != 0x7f && byte != b'"' && byte != b'\\';
    if let Some(text) = text
        && name.iter().copied().all(plain)
    {
        return text.to_owned();
    }
    let mut quoted = Vec::with_capacity(name.len() + 8);
    quoted.push(b'"');
    for &byte in name {
        let escape = match byte {
            0x07 => b'a',
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0b => b'v',
            0x0c => b'f',
            b'\r' => b'r',
            b'"' | b'\\' => byte,
            _ if plain(byte) && (byte < 0x80 || text.is_some()) => {
                quoted.push(byte);
                continue;
            }
            _ => {
                quoted.extend_from_slice(format!("\\{byte:03o}").as_bytes());
                continue;
            }
        };
        quoted.extend_from_slice(&[b'\\', escape]);
    }
    quoted.push(b'"');
    // only whole UTF-8 names and ASCII were copied: nothing is replaced here
    String::from_utf8_lossy(&quoted).into_owned()
}

/// The name for a sentence: quoted when it would be unclear otherwise.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    quote(name)
}

/// Reads a name in double quotes at the start of `text`; gives it and what
/// follows the closing quote.
pub(super) fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Problem> {
    let mut rest = text.strip_prefix(b"\"").ok_or(Problem::BadQuoting)?;
    let mut name = Vec::new();
    loop {
        let (&byte, after) = rest.split_first().ok_or(Problem::BadQuoting)?;
        rest = after;
        match byte {
            b'"' => return Ok((name, rest)),
            b'\\' => {
                let (byte, after) = escape(rest).ok_or(Problem::BadQuoting)?;
                name.push(byte);
                rest = after;
            }
            _ => name.push(byte),
        }
    }
}

fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let byte = match first {
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        b'"' | b'\\' => first,
        b'0'..=b'3' => {
            let octal = text.get(..3)?;
            if !octal.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
                return None;
            }
            let value = octal
                .iter()
                .fold(0_u8, |value, digit| (value << 3) | (digit - b'0'));
            return Some((value, text.get(3..)?));
        }
        _ => return None,
    };
    Some((byte, rest))
}

/// The name both labels mean: git's rule is to drop one component when both
/// sides have a prefix. None when they mean two files.
pub(super) fn same(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    match (without_prefix(old), without_prefix(new)) {
        // `a/x` against `a/x`: the folder is really called `a`
        (Some((one, old)), Some((other, new))) if one != other => {
            (old == new).then(|| old.to_vec())
        }
        _ => (old == new).then(|| old.to_vec()),
    }
}

/// The name of a label whose other side is `/dev/null`.
pub(super) fn alone<'a>(label: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    label.strip_prefix(prefix).unwrap_or(label)
}

/// Whether a label means a name: bare, or with one of git's prefixes.
pub(super) fn means(label: &[u8], name: &[u8]) -> bool {
    label == name || without_prefix(label).is_some_and(|(_, rest)| rest == name)
}

fn without_prefix(label: &[u8]) -> Option<(&'static [u8], &[u8])> {
    PREFIXES
        .iter()
        .find_map(|prefix| Some((*prefix, label.strip_prefix(*prefix)?)))
}

/// The name with `.` parts and double slashes dropped.
///
/// # Errors
/// [`Problem::BadPath`] for a name that is empty, absolute, names a folder,
/// has a NUL, leaves the tree, reaches into `.git` or is too long.
pub(super) fn checked(name: &[u8]) -> Result<Vec<u8>, Problem> {
    if name.first() == Some(&b'/') {
        return Err(Problem::BadPath("it is absolute"));
    }
    if name.contains(&0) {
        return Err(Problem::BadPath("it has a NUL byte"));
    }
    if name.last() == Some(&b'/') {
        return Err(Problem::BadPath("it names a folder"));
    }
    let mut clean: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        if part == b".." {
            return Err(Problem::BadPath("it has a `..` part"));
        }
        // a file system may ignore case
        if part.eq_ignore_ascii_case(b".git") {
            return Err(Problem::BadPath("it reaches into .git"));
        }
        if !part.is_empty() && part != b"." {
            clean.push(part);
        }
    }
    if clean.is_empty() {
        return Err(Problem::BadPath("it is empty"));
    }
    if name.len() > MAX_NAME || clean.len() > MAX_PARTS {
        return Err(Problem::BadPath("it is too long or too deep"));
    }
    Ok(clean.join(&b'/'))
}
