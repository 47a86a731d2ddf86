//! The short forms.
//!
//! Owns: counts, drawing, names. Refuses: patches.

use super::edit;
use crate::diff::{Change, Content, Side, name_only, stat};

#[test]
fn counts_are_drawn_as_git_does() {
    let file = |bytes: &[u8]| {
        let content = Content::Bytes(bytes.to_vec());
        Some(Side::File {
            content,
            mode: 0o644,
        })
    };
    let long = "x\n".repeat(100);
    let changes = [
        edit("long/name", None, Some(&long)),
        edit("b", Some("1\n2\n3\n"), Some("1\nzwei\n3\n4\n")),
        edit("same", Some("1\n"), Some("1\n")),
        Change {
            path: b"bin".to_vec(),
            old: file(b"\0\0"),
            new: file(b"\0"),
        },
        edit("empty \"", None, Some("")),
    ];
    let drawn = stat(&changes).to_string();
    let lines: Vec<&str> = drawn.lines().collect();
    let signs = "+".repeat(40);
    let long_line = format!(" long/name  | 100 {signs}");
    assert_eq!(
        lines,
        [
            " b          |   3 +-",
            " bin        | Bin 2 -> 1 bytes",
            r#" "empty \"" |   0"#,
            &long_line,
            " 4 files changed, 102 insertions(+), 1 deletion(-)",
        ]
    );
    assert_eq!(
        name_only(&changes),
        ["b", "bin", "\"empty \\\"\"", "long/name"]
    );
}
