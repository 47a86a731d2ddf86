//! Names of files as guests and models write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyro_proto::path::{PathText, beneath};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(path) = beneath(bytes) {
        assert!(!path.starts_with(b"/") && !path.contains(&0));
        assert!(
            path.is_empty()
                || path
                    .split(|byte| *byte == b'/')
                    .all(|part| { !part.is_empty() && part != b"." && part != b".." })
        );
        // A name of white space alone is one only where a `/` shows that it is meant.
        if !path.iter().all(u8::is_ascii_whitespace) {
            assert_eq!(beneath(&path), Ok(path));
        }
    }
    let text = PathText(bytes.to_vec()).to_string();
    assert_eq!(
        PathText::parse(&text).map(|path| path.0).ok(),
        Some(bytes.to_vec())
    );
});
