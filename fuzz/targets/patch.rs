//! A patch of a model, applied to a small tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyro_engine::patch::{Node, apply, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(patch) = parse(bytes) else { return };
    let applied = apply(&patch, |path| {
        Ok(match path {
            b"a" | b"b/c" => Some(Node::File {
                bytes: b"one\ntwo\nthree\nfour\n".to_vec(),
                executable: false,
            }),
            b"b" => Some(Node::Folder),
            b"link" => Some(Node::Symlink {
                target: b"a".to_vec(),
            }),
            _ => None,
        })
    });
    for change in applied.map(|applied| applied.changes).unwrap_or_default() {
        let parts: Vec<&[u8]> = change.path.split(|byte| *byte == b'/').collect();
        let strange: [&[u8]; 4] = [b"", b".", b"..", b".git"];
        assert!(
            !parts.iter().any(|part| strange.contains(part)),
            "{parts:?}"
        );
    }
});
