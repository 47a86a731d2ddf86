//! What changed in a workspace, as its guest tells it.
//!
//! Owns: cutting the answer into lines and the contents between them, and
//! what a tree's changes can be. Refuses: more bytes than were asked for,
//! names that are no leaves of one tree, and `.git`.
//!
//! ```text
//!   line --> checked --sent--> old's bytes, new's bytes --> Change
//!                    `-------- not sent ------------------> Change
//! ```

use super::asks::{ensure, other, relative};
use super::check::{before, below, name};
use super::exchange::{Fault, exchange, lie};
use crate::diff::{Change, Content, Side};
use crate::error::Result;
use pyro_proto::Link;
use pyro_proto::messages::diff::{
    DiffTree, MAX_DIFF_LINES_BYTES, SpecialKind, TreeChange, TreeDiffed, TreeSide,
};
use pyro_proto::messages::files::MAX_JSON_LINE_BYTES;
use pyro_proto::messages::{Reply, Request};
use pyro_proto::path::MAX_PATH_BYTES;

/// Compares, and hands each change to `each`.
pub fn diff(
    link: &Link,
    wanted: &DiffTree,
    each: impl FnMut(Change) -> Result<()>,
) -> Result<TreeDiffed, Fault> {
    let mut records = Records::new(wanted, each)?;
    let request = Request::DiffTree(wanted.clone());
    match exchange(link, &request, None, &mut |bytes| records.push(bytes))? {
        Reply::TreeDiffed(done) => {
            let whole = records.line.is_empty() && records.open.is_none();
            ensure(
                whole && done.changes == records.count,
                "it did not send the changes it claims",
            )?;
            Ok(done)
        }
        reply => other(&reply),
    }
}

struct Records<'a, F> {
    wanted: &'a DiffTree,
    tops: Vec<Vec<u8>>,
    line: Vec<u8>,
    /// A change of which contents are to come.
    open: Option<Open>,
    count: u64,
    line_bytes: u64,
    /// Contents so far.
    bytes: u64,
    /// The path before.
    last: Vec<u8>,
    /// The last path with a side, on each: nothing is below it there.
    leaves: [Option<Vec<u8>>; 2],
    each: F,
}

struct Open {
    change: TreeChange,
    sizes: [u64; 2],
    contents: [Vec<u8>; 2],
}

impl<'a, F: FnMut(Change) -> Result<()>> Records<'a, F> {
    fn new(wanted: &'a DiffTree, each: F) -> Result<Self> {
        Ok(Self {
            wanted,
            tops: wanted.paths.iter().map(relative).collect::<Result<_>>()?,
            line: Vec::new(),
            open: None,
            count: 0,
            line_bytes: 0,
            bytes: 0,
            last: Vec::new(),
            leaves: [None, None],
            each,
        })
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let Some(open) = &mut self.open else {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                ensure(
                    self.line.len() + part.len() <= MAX_JSON_LINE_BYTES,
                    "a line is endless",
                )?;
                self.line.extend_from_slice(part);
                bytes = rest;
                if end.is_some() {
                    bytes = &bytes[1..];
                    self.begin()?;
                }
                continue;
            };
            for (contents, size) in open.contents.iter_mut().zip(open.sizes) {
                let left = (size - contents.len() as u64).min(bytes.len() as u64);
                let (part, rest) = bytes.split_at(left as usize);
                contents.extend_from_slice(part);
                bytes = rest;
            }
            self.end_if_whole()?;
        }
        Ok(())
    }

    /// Reads a line.
    fn begin(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        self.line_bytes += line.len() as u64 + 1;
        ensure(
            self.line_bytes <= MAX_DIFF_LINES_BYTES,
            "its lines are too many",
        )?;
        let change: TreeChange = serde_json::from_slice(&line)
            .map_err(|error| lie(format!("a line makes no sense: {error}")))?;
        self.count += 1;
        ensure(
            self.count <= self.wanted.limit,
            "there are more changes than were asked for",
        )?;
        self.check(&change)?;
        let size = |side: &Option<TreeSide>| match side {
            Some(TreeSide::File { size, .. }) if change.sent => *size,
            _ => 0,
        };
        let sizes = [size(&change.old), size(&change.new)];
        self.bytes = self.bytes.saturating_add(sizes[0]).saturating_add(sizes[1]);
        ensure(
            sizes[0].max(sizes[1]) <= self.wanted.max_side_bytes
                && self.bytes <= self.wanted.max_total_bytes,
            "it sends more than was asked for",
        )?;
        self.open = Some(Open {
            change,
            sizes,
            contents: [Vec::new(), Vec::new()],
        });
        self.end_if_whole()
    }

    fn check(&mut self, change: &TreeChange) -> Result<()> {
        let path = change.path.bytes();
        let bad = |what: &str| Err(lie(format!("{:?} {what}", change.path)));
        name(&change.path, b"")?;
        if path.len() > MAX_PATH_BYTES {
            return bad("is too long");
        }
        let asked = |top: &Vec<u8>| top.is_empty() || path == top || below(path, top);
        if !self.tops.is_empty() && !self.tops.iter().any(asked) {
            return bad("was not asked for");
        }
        if path.split(|byte| *byte == b'/').any(|part| part == b".git") {
            return bad("is not compared");
        }
        if self.count > 1 && !before(&self.last, path) {
            return bad("is out of order");
        }
        self.last = path.to_vec();
        let sides = [&change.old, &change.new];
        for (side, leaf) in sides.into_iter().zip(&mut self.leaves) {
            let Some(side) = side else { continue };
            if leaf.as_ref().is_some_and(|leaf| below(path, leaf)) {
                return bad("is below what is no folder");
            }
            *leaf = Some(path.to_vec());
            let fits = match side {
                TreeSide::File { size, mode, .. } => *size <= i64::MAX as u64 && *mode <= 0o7777,
                TreeSide::Symlink { target } => {
                    (1..=MAX_PATH_BYTES).contains(&target.bytes().len())
                        && !target.bytes().contains(&0)
                }
                TreeSide::Folder | TreeSide::Special { .. } => true,
            };
            if !fits {
                return bad("does not fit together");
            }
        }
        let fits = match sides {
            [None, None] => false,
            [
                Some(TreeSide::File { size, .. }),
                Some(TreeSide::File { size: after, .. }),
            ] => !change.same || (size == after && !change.sent),
            [Some(TreeSide::File { .. }), _] | [_, Some(TreeSide::File { .. })] => !change.same,
            _ => !change.same && !change.sent,
        };
        if fits { Ok(()) } else { bad("is no change") }
    }

    fn end_if_whole(&mut self) -> Result<()> {
        let whole = |open: &Open| {
            let lengths = open.contents.iter().map(|bytes| bytes.len() as u64);
            lengths.eq(open.sizes)
        };
        match self.open.take() {
            Some(open) if whole(&open) => (self.each)(finished(open)),
            open => {
                self.open = open;
                Ok(())
            }
        }
    }
}

fn finished(open: Open) -> Change {
    let TreeChange {
        path,
        old,
        new,
        same,
        sent,
    } = open.change;
    let [old_bytes, new_bytes] = open.contents;
    let side = |side: Option<TreeSide>, bytes, identity| {
        side.map(|side| match side {
            TreeSide::File { mode, .. } if sent => Side::File {
                content: Content::Bytes(bytes),
                mode,
            },
            TreeSide::File { size, mode, binary } => Side::File {
                content: Content::Unread {
                    size,
                    identity,
                    binary,
                },
                mode,
            },
            TreeSide::Symlink { target } => Side::Symlink { target: target.0 },
            TreeSide::Folder => Side::Folder,
            TreeSide::Special { what } => Side::Other {
                kind: special(what).to_owned(),
            },
        })
    };
    Change {
        path: path.0,
        old: side(old, old_bytes, 0),
        new: side(new, new_bytes, u64::from(!same)),
    }
}

fn special(kind: SpecialKind) -> &'static str {
    match kind {
        SpecialKind::Fifo => "fifo",
        SpecialKind::Socket => "socket",
        SpecialKind::BlockDevice => "block_device",
        SpecialKind::CharDevice => "char_device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::files::tests::{code, saying};
    use proptest::prelude::*;
    use pyro_proto::path::PathText;

    fn wanted() -> DiffTree {
        DiffTree {
            paths: vec!["a".into(), "b".into()],
            limit: 3,
            max_side_bytes: 10,
            max_growth_bytes: 10,
            max_total_bytes: 15,
        }
    }

    fn file(size: u64) -> Option<TreeSide> {
        let (mode, binary) = (0o644, false);
        Some(TreeSide::File { size, mode, binary })
    }

    fn change(path: &str, old: Option<TreeSide>, new: Option<TreeSide>) -> TreeChange {
        TreeChange {
            path: PathText::parse(path).unwrap(),
            old,
            new,
            same: false,
            sent: false,
        }
    }

    fn sent(path: &str, old: u64, new: u64) -> TreeChange {
        TreeChange {
            sent: true,
            ..change(path, file(old), file(new))
        }
    }

    fn bytes(parts: &[(TreeChange, &str)]) -> Vec<u8> {
        let text = |(change, contents): &(TreeChange, &str)| {
            format!("{}\n{contents}", serde_json::to_string(change).unwrap())
        };
        parts.iter().map(text).collect::<String>().into_bytes()
    }

    fn done(changes: u64) -> Reply {
        Reply::TreeDiffed(TreeDiffed {
            changes,
            ..TreeDiffed::default()
        })
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_taken_or_refused(
            noise: Vec<u8>,
            cuts in proptest::collection::vec(1usize..20, 1..9),
            at: proptest::sample::Index,
        ) {
            let mut bytes = bytes(&[(sent("a/x", 3, 4), "a\nb{\"\n\n"), (change("b", file(9), None), "")]);
            let whole = noise.is_empty();
            let at = at.index(bytes.len());
            bytes.splice(at..at, noise);
            let (wanted, mut count) = (wanted(), 0);
            let mut records = Records::new(&wanted, |_| { count += 1; Ok(()) }).unwrap();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            let mut taken = true;
            while taken && !rest.is_empty() {
                let (part, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                taken = records.push(part).is_ok();
                rest = after;
            }
            prop_assert!(taken || !whole);
            prop_assert!(!whole || count == 2);
        }
    }

    #[test]
    fn lines_and_contents_are_told_apart() {
        let empty = TreeChange {
            sent: true,
            ..change("b", None, file(0))
        };
        let parts = [
            (sent("a/x", 3, 4), "a\nb{\"\n\n"),
            (change("a/y", file(9), None), ""),
            (empty, ""),
        ];
        let mut found = Vec::new();
        let link = saying(bytes(&parts), done(3));
        diff(&link, &wanted(), |change| {
            found.push(change);
            Ok(())
        })
        .unwrap_or_else(|_| panic!("refused"));
        let file = |content| {
            let mode = 0o644;
            Some(Side::File { content, mode })
        };
        let read = |text: &str| file(Content::Bytes(text.into()));
        assert_eq!(
            (&found[0].old, &found[0].new),
            (&read("a\nb"), &read("{\"\n\n"))
        );
        let (size, identity, binary) = (9, 0, false);
        assert_eq!(
            found[1].old,
            file(Content::Unread {
                size,
                identity,
                binary
            })
        );
        assert_eq!((found.len(), &found[2].new), (3, &read("")));
    }

    #[test]
    fn the_lines_of_an_answer_are_bounded_together() {
        let (wanted, line) = (wanted(), bytes(&[(change("a", None, file(1)), "")]));
        let mut records = Records::new(&wanted, |_| Ok(())).unwrap();
        records.line_bytes = MAX_DIFF_LINES_BYTES - line.len() as u64;
        assert!(records.push(&line).is_ok());
        assert!(records.push(&line).is_err());
        assert_eq!(records.count, 1);
    }

    #[test]
    fn hostile_answers_are_refused() {
        let link = |target: &str| {
            let target = PathText::parse(target).unwrap();
            Some(TreeSide::Symlink { target })
        };
        let same = |change: TreeChange| TreeChange {
            same: true,
            ..change
        };
        let wrong_mode = Some(TreeSide::File {
            size: 0,
            mode: 0o10_000,
            binary: false,
        });
        let one = |change| vec![(change, "")];
        let long = "x".repeat(MAX_PATH_BYTES + 1);
        let cases: Vec<(Vec<(TreeChange, &str)>, u64)> = vec![
            (one(change("c", file(0), None)), 1),
            (one(change("ab", file(0), None)), 1),
            (one(change("a/../b", file(0), None)), 1),
            (one(change("/a", file(0), None)), 1),
            (one(change("a/x%00", file(0), None)), 1),
            (one(change("a/.git/hooks/x", None, file(0))), 1),
            (one(change("a/.git", None, file(0))), 1),
            (one(change("a", None, None)), 1),
            (one(change("a", None, file(u64::MAX))), 1),
            (one(change("a", None, wrong_mode)), 1),
            (one(change("a", None, link(""))), 1),
            (one(change("a", None, link(&long))), 1),
            (one(change(&format!("a/{long}"), None, file(0))), 1),
            (one(change("a", None, link("x%00"))), 1),
            (one(same(change("a", None, file(1)))), 1),
            (one(same(change("a", file(2), file(1)))), 1),
            (one(same(sent("a", 0, 0))), 1),
            (one(same(change("a", link("x"), link("y")))), 1),
            (one(sent("a", 11, 0)), 1),
            (
                vec![
                    (sent("a", 5, 5), "0123456789"),
                    (sent("b", 5, 5), "0123456789"),
                ],
                2,
            ),
            (one(sent("a", 5, 5)), 1),
            (vec![(sent("a", 1, 1), "0123456789")], 1),
            (one(change("a", None, file(0))), 2),
            (one(change("a", None, file(0))), 0),
            (vec![], 1),
            (
                vec![
                    (change("b", None, file(0)), ""),
                    (change("a", None, file(0)), ""),
                ],
                2,
            ),
            (
                vec![
                    (change("a", None, file(0)), ""),
                    (change("a", None, file(0)), ""),
                ],
                2,
            ),
            // Through a link of its own.
            (
                vec![
                    (change("a", None, link("/etc")), ""),
                    (change("a/x", None, file(0)), ""),
                ],
                2,
            ),
            (
                vec![
                    (change("a", Some(TreeSide::Folder), None), ""),
                    (change("a/x", file(0), None), ""),
                ],
                2,
            ),
            (
                (0..4)
                    .map(|n| (change(&format!("a/{n}"), None, file(0)), ""))
                    .collect(),
                4,
            ),
        ];
        for (parts, claimed) in cases {
            let bytes = bytes(&parts);
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let answer = diff(&saying(bytes, done(claimed)), &wanted(), |_| Ok(()));
            assert_eq!(code(answer), "guest_reply", "{shown}");
        }
        for bytes in [
            vec![b'x'; MAX_JSON_LINE_BYTES + 1],
            b"{}\n".to_vec(),
            b"{".to_vec(),
        ] {
            let answer = diff(&saying(bytes, done(0)), &wanted(), |_| Ok(()));
            assert_eq!(code(answer), "guest_reply");
        }
        // What was a file is a folder now, and the other way round.
        for parts in [
            [
                (change("a", file(0), None), ""),
                (change("a/x", None, file(0)), ""),
            ],
            [
                (change("a", None, link("x")), ""),
                (change("a/x", file(0), None), ""),
            ],
        ] {
            let answer = diff(&saying(bytes(&parts), done(2)), &wanted(), |_| Ok(()));
            assert!(answer.is_ok());
        }
    }
}
