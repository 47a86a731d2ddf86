//! The section of one change in a patch.
//!
//! Owns: git's headers and labels, what is text, the cap per file.
//! Refuses: the hunks themselves ([`super::hunks`]).

use super::{Change, Clock, Content, Side, hunks, left_out_section};
use crate::patch::quote;

/// The mode of a symlink.
const LINK: &str = "120000";
/// Makes a section out of headers that say nothing else: git skips one that
/// is `diff --git` alone, and with it the change, without a word.
pub(super) const UNKNOWN_INDEX: &str = "index 0000000..0000000";

/// What a patch has for one change.
pub(super) enum Part {
    /// A section that applies.
    Text(String),
    /// Headers and a line that tells of a binary change.
    Binary(String),
    /// A sentence in place of the section.
    TooLarge(String),
    /// Nothing: patches know of no such change.
    Nothing,
}

impl Part {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Binary(text) | Self::TooLarge(text) => text,
            Self::Nothing => "",
        }
    }

    pub(super) fn into_text_patch(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) | Self::TooLarge(_) | Self::Nothing => None,
        }
    }
}

/// What git sees of a side.
#[derive(Clone, Copy)]
pub(super) struct Blob<'a> {
    /// As in a header line.
    pub(super) mode: &'static str,
    pub(super) body: Body<'a>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Body<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Unread { binary: bool },
}

/// The content on a side; an absent side is an empty text.
pub(super) fn body(blob: Option<Blob<'_>>) -> Body<'_> {
    match blob {
        Some(blob) => blob.body,
        None => Body::Text(""),
    }
}

/// A side as git sees it; None for what it does not store.
pub(super) fn blob(side: Option<&Side>) -> Option<Blob<'_>> {
    let read = |bytes| match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Body::Text(text),
        _ => Body::Binary(bytes),
    };
    match side? {
        Side::File { content, mode } => Some(Blob {
            mode: match mode & 0o100 {
                0 => "100644",
                _ => "100755",
            },
            body: match content {
                Content::Bytes(bytes) => read(bytes),
                Content::Unread { binary, .. } => Body::Unread { binary: *binary },
            },
        }),
        Side::Symlink { target } => Some(Blob {
            mode: LINK,
            body: read(target),
        }),
        Side::Folder | Side::Other { .. } => None,
    }
}

/// The pairs of blobs a change is in a patch: a change of the type is a
/// deletion and a creation.
pub(super) fn pairs(change: &Change) -> Vec<(Option<Blob<'_>>, Option<Blob<'_>>)> {
    let is_link = |side: &Option<Side>| matches!(side, Some(Side::Symlink { .. }));
    let (mut old, mut new) = (blob(change.old.as_ref()), blob(change.new.as_ref()));
    if let (Some(Side::File { content, .. }), Some(Side::File { content: after, .. })) =
        (&change.old, &change.new)
        && content.same(after)
    {
        // only modes differ: content that stays needs no text, read or not
        for blob in [&mut old, &mut new].into_iter().flatten() {
            blob.body = Body::Text("");
        }
    }
    let pairs = if is_link(&change.old) == is_link(&change.new) {
        vec![(old, new)]
    } else {
        vec![(old, None), (None, new)]
    };
    let stored = |pair: &(Option<Blob<'_>>, Option<Blob<'_>>)| pair.0.is_some() || pair.1.is_some();
    pairs.into_iter().filter(stored).collect()
}

/// The section of `change`; at most `limit` bytes of text.
pub(super) fn section(change: &Change, clock: &Clock, limit: usize) -> Part {
    let mut text = String::new();
    let mut binary = false;
    let too_large = |why: &str| Part::TooLarge(left_out_section(&change.path, why));
    for (old, new) in pairs(change) {
        match pair(&mut text, &change.path, old, new, clock, limit) {
            Written::Text => {}
            Written::Binary => binary = true,
            Written::Unread => return too_large("the file is too large to compare"),
            Written::TooLarge => {
                return too_large(&format!("its patch is larger than {limit} bytes"));
            }
        }
    }
    match (text.is_empty(), binary) {
        (true, _) => Part::Nothing,
        (false, true) => Part::Binary(text),
        (false, false) => Part::Text(text),
    }
}

enum Written {
    Text,
    Binary,
    Unread,
    TooLarge,
}

fn pair(
    text: &mut String,
    path: &[u8],
    old: Option<Blob<'_>>,
    new: Option<Blob<'_>>,
    clock: &Clock,
    limit: usize,
) -> Written {
    let label = |prefix: &[u8]| quote(&[prefix, path].concat());
    let (old_label, new_label) = (label(b"a/"), label(b"b/"));
    let modes = match (old, new) {
        (None, Some(new)) => format!("new file mode {}\n", new.mode),
        (Some(old), None) => format!("deleted file mode {}\n", old.mode),
        // a symlink's mode is told though it stays: without it the section
        // would be about a file
        (Some(old), Some(new)) if old.mode != new.mode || old.mode == LINK => {
            format!("old mode {}\nnew mode {}\n", old.mode, new.mode)
        }
        _ => String::new(),
    };
    let (old_body, new_body) = (body(old), body(new));
    let unread = |body| matches!(body, Body::Unread { .. });
    let unread = unread(old_body) || unread(new_body);
    let stays = matches!((old, new), (Some(old), Some(new)) if old.mode == new.mode);
    if !unread && old_body == new_body && stays {
        return Written::Text;
    }
    let header = format!("diff --git {old_label} {new_label}\n{modes}");
    let name = |blob: Option<Blob<'_>>, label: String| match blob {
        Some(_) => label,
        None => "/dev/null".to_owned(),
    };
    let (old_name, new_name) = (name(old, old_label), name(new, new_label));
    match (old_body, new_body) {
        (Body::Unread { binary: false }, new) if !is_binary(new) => Written::Unread,
        (old, Body::Unread { binary: false }) if !is_binary(old) => Written::Unread,
        (old, new) if old == new && !unread => {
            text.push_str(&header);
            Written::Text
        }
        (Body::Text(old), Body::Text(new)) => {
            text.push_str(&header);
            text.push_str(&format!("--- {}\n", ended(old_name)));
            text.push_str(&format!("+++ {}\n", ended(new_name)));
            if hunks::write(text, old, new, clock, limit) {
                Written::Text
            } else {
                Written::TooLarge
            }
        }
        _ => {
            text.push_str(&header);
            text.push_str(&format!(
                "{UNKNOWN_INDEX}\nBinary files {old_name} and {new_name} differ\n"
            ));
            Written::Binary
        }
    }
}

fn is_binary(body: Body<'_>) -> bool {
    matches!(body, Body::Binary(_) | Body::Unread { binary: true })
}

/// As git does: a tab ends a label with spaces, or patch(1) would cut it.
fn ended(mut label: String) -> String {
    if label.contains(' ') && !label.starts_with('"') {
        label.push('\t');
    }
    label
}
