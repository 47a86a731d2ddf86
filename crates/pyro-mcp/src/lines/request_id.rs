//! The id of a line that is no frame, byte by byte.
//!
//! Hosts send halves of surrogate pairs, and messages of any length, and wait
//! for an answer to them: the id may come first or last.
//!
//! Owns: finding it in what would be a request if only some value in it were
//! JSON, or shorter. Refuses: what is no object, is not whole, or has no method.

use rmcp::model::RequestId;

/// Longer names are no name of a frame, and longer ids nobody's.
const MOST_BYTES: usize = 4 << 10;

/// What was seen so far.
#[derive(Default)]
pub struct IdFinder {
    depth: usize,
    /// Within a string; whether its last byte escapes the next.
    string: Option<bool>,
    /// The last string of the object itself.
    name: Vec<u8>,
    /// It is over, and a colon would make it a name.
    is_named: bool,
    /// The value of `id`, while it comes.
    value: Option<Vec<u8>>,
    id: Option<RequestId>,
    is_request: bool,
    is_broken: bool,
}

impl IdFinder {
    /// The id in a whole line.
    pub fn in_line(line: &[u8]) -> Option<RequestId> {
        let mut finder = Self::default();
        finder.take(line);
        finder.found()
    }

    /// Looks at the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.collect(*byte);
            self.step(*byte);
        }
    }

    /// The id, when the line was whole.
    pub fn found(self) -> Option<RequestId> {
        let is_whole = self.depth == 0 && self.string.is_none() && !self.is_broken;
        self.id.filter(|_| is_whole && self.is_request)
    }

    fn collect(&mut self, byte: u8) {
        let Some(value) = &mut self.value else {
            return;
        };
        let is_over = value.first() != Some(&b'"') && b",} \t\r\n".contains(&byte);
        if is_over && !value.is_empty() {
            self.end_value();
        } else if value.len() == MOST_BYTES {
            self.value = None;
        } else if !is_over {
            value.push(byte);
        }
    }

    fn end_value(&mut self) {
        let value = self.value.take();
        self.id = value.and_then(|value| serde_json::from_slice(&value).ok());
    }

    fn step(&mut self, byte: u8) {
        if let Some(escaped) = self.string {
            if byte != b'"' || escaped {
                self.string = Some(byte == b'\\' && !escaped);
                if self.depth == 1 && self.name.len() <= MOST_BYTES {
                    self.name.push(byte);
                }
                return;
            }
            self.string = None;
            self.is_named = self.depth == 1;
            if self
                .value
                .as_ref()
                .is_some_and(|value| value.first() == Some(&b'"'))
            {
                self.end_value();
            }
            return;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'"' => {
                self.string = Some(false);
                self.name.clear();
            }
            b':' if self.is_named => {
                self.is_request |= self.name == b"method";
                if self.name == b"id" {
                    self.value = Some(Vec::new());
                }
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => match self.depth.checked_sub(1) {
                Some(depth) => self.depth = depth,
                None => self.is_broken = true,
            },
            _ => {}
        }
        self.is_named = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Read, read};
    use proptest::prelude::*;

    fn id(line: &[u8]) -> Option<String> {
        IdFinder::in_line(line).map(|id| id.to_string())
    }

    #[test]
    fn a_request_that_is_no_json_is_answered() {
        let call = |id: &str, text: &[u8]| {
            let before =
                format!(r#"{{"params":{{"id":4,"a":["}}"]}}, "id" : {id},"method":"x","b":"#);
            [before.as_bytes(), text, b"}\r\n"].concat()
        };
        for text in [
            &br#""\ud83d""#[..],
            b"\"\xff\"",
            b"1e999",
            &[b"[".repeat(500), b"]".repeat(500)].concat(),
        ] {
            assert_eq!(id(&call("7", text)), Some("7".to_owned()));
            assert_eq!(id(&call(r#""a\"}""#, text)), Some("a\"}".to_owned()));
            let Read::Bad(error, Some(_)) = read(&call("7", text)) else {
                panic!("{text:?} is a bad line");
            };
            assert_eq!(error.code.0, -32700);
        }
        // No request, no id, or not whole.
        for line in [
            &br#"{"id":1,"result":"\ud83d"}"#[..],
            br#"{"method":"x","a":"\ud83d"}"#,
            br#"{"method":"x","a":{"id":1,"b":"\ud83d"}}"#,
            br#"{"id":1,"method":"x""#,
            br#"{"id":1,"method":"x"#,
            br#"{"id":"\ud83d","method":"x"}"#,
            br#"{"id":{},"method":"x"}"#,
            br#"{"id":1"method""#,
            br#"{"id":1,"method":"x"}}"#,
            b"}",
            b"\"",
        ] {
            assert_eq!(id(line), None, "{}", String::from_utf8_lossy(line));
        }
        let long = format!(r#"{{"id":"{}","method":"x"}}"#, "7".repeat(MOST_BYTES));
        assert_eq!(id(long.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn an_id_is_found_whatever_else_is_there(
            text in prop::collection::vec(any::<u8>(), 0..60),
            number: i64,
            piece in 1usize..20,
        ) {
            let _ = id(&text);
            // What a string can hold, whether or not it is Unicode.
            let mut text = text;
            text.retain(|byte| !b"\"\\\n".contains(byte));
            let line = [
                &br#"{"a":""#[..],
                &text,
                format!(r#"","id":{number},"method":"x"}}"#).as_bytes(),
            ].concat();
            let mut finder = IdFinder::default();
            line.chunks(piece).for_each(|piece| finder.take(piece));
            prop_assert_eq!(finder.found().map(|id| id.to_string()), Some(number.to_string()));
        }

        #[test]
        fn the_id_of_a_frame_is_the_frames(
            id in prop_oneof![any::<i64>().prop_map(|id| id.into()), ".{0,9}".prop_map(serde_json::Value::from)],
            params in prop::collection::hash_map(".{0,3}", prop_oneof![Just("id"), Just("\"id\":3"), Just("}")], 0..4),
            is_first: bool,
        ) {
            let rest = format!(r#""method":"x","params":{}"#, serde_json::to_string(&params).unwrap());
            let line = match is_first {
                true => format!(r#"{{"id":{id},{rest}}}"#),
                false => format!(r#"{{{rest},"id": {id} }}"#),
            };
            let wanted: RequestId = serde_json::from_value(id).unwrap();
            prop_assert_eq!(IdFinder::in_line(line.as_bytes()), Some(wanted));
        }
    }
}
