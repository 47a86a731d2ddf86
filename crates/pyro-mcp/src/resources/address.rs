//! Names of resources.
//!
//! Owns: parsing them; what comes is any client's bytes. Refuses: looking
//! whether there is anything of the name.

use super::MOST_BYTES;
use serde_json::{Value, json};

const PREFIX: &str = "pyro://workspace/";
/// No name is longer.
const MOST_CHARS: usize = 8_192;

/// A resource's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Id or name of a workspace.
    pub workspace: String,
    pub part: Part,
}

/// What of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Summary,
    Diff,
    /// Below `/workspace`.
    File(String),
    /// Sequence, and whether it is standard error.
    Log(u64, bool),
}

impl Address {
    /// None for anything else.
    pub fn parse(uri: &str) -> Option<Self> {
        let rest = uri
            .strip_prefix(PREFIX)
            .filter(|_| uri.len() <= MOST_CHARS)?;
        let (workspace, part) = rest.split_once('/')?;
        let workspace = decoded(workspace)?;
        let part = match part.split_once('/') {
            None if part == "summary" => Part::Summary,
            None if part == "diff" => Part::Diff,
            Some(("file", path)) if !path.is_empty() => Part::File(decoded(path)?),
            Some(("log", log)) => {
                let (sequence, stream) = log.split_once('/')?;
                let is_stderr = match stream {
                    "stdout" => false,
                    "stderr" => true,
                    _ => return None,
                };
                let number: u64 = sequence.parse().ok()?;
                // One name for one thing: no 01, no +1.
                (number.to_string() == sequence).then_some(Part::Log(number, is_stderr))?
            }
            _ => return None,
        };
        (!workspace.is_empty()).then_some(Self { workspace, part })
    }

    /// The operation that shows it.
    pub fn request(&self) -> (&'static str, Value) {
        let workspace = &self.workspace;
        match &self.part {
            Part::Summary => ("workspace_summary", json!({ "workspace_id": workspace })),
            Part::Diff => ("workspace_diff", json!({ "workspace_id": workspace })),
            Part::File(path) => (
                "workspace_file_read",
                json!({ "workspace_id": workspace, "path": path, "max_bytes": MOST_BYTES }),
            ),
            Part::Log(sequence, is_stderr) => (
                "workspace_logs",
                json!({
                    "workspace_id": workspace,
                    "sequence": sequence,
                    "stream": if *is_stderr { "stderr" } else { "stdout" },
                    "limit": MOST_BYTES,
                }),
            ),
        }
    }
}

/// Percent-decoded. None when that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> String {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        text.bytes()
            .map(|byte| match keep(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    }

    #[test]
    fn each_form_is_known_and_nothing_else() {
        let part = |rest: &str| Address::parse(&format!("pyro://workspace/{rest}"));
        let of = |part| {
            Some(Address {
                workspace: "demo".to_owned(),
                part,
            })
        };
        assert_eq!(part("demo/summary"), of(Part::Summary));
        assert_eq!(part("demo/diff"), of(Part::Diff));
        assert_eq!(
            part("demo/file/a/b%20c"),
            of(Part::File("a/b c".to_owned()))
        );
        assert_eq!(part("demo/log/7/stderr"), of(Part::Log(7, true)));
        for other in [
            "demo",
            "demo/",
            "demo/file/",
            "demo/file",
            "demo/log/x/stdout",
            "demo/log/01/stdout",
            "demo/log/+1/stdout",
            "demo/log/1",
            "demo/log/1/both",
            "/summary",
            "demo/summary/more",
            "demo/file/%f",
            "demo/file/%+1",
            "demo/file/%ff",
        ] {
            assert_eq!(part(other), None, "{other}");
        }
        assert_eq!(Address::parse("file:///etc/passwd"), None);
    }

    proptest! {
        #[test]
        fn any_path_comes_back(path in "\\PC{1,60}", sequence: u64) {
            let uri = format!("pyro://workspace/demo/file/{}", encoded(&path));
            prop_assert_eq!(Address::parse(&uri).unwrap().part, Part::File(path));
            let uri = format!("pyro://workspace/demo/log/{sequence}/stdout");
            prop_assert_eq!(Address::parse(&uri).unwrap().part, Part::Log(sequence, false));
        }

        #[test]
        fn any_bytes_are_survived(rest in "\\PC{0,80}") {
            let _ = Address::parse(&rest);
            if let Some(address) = Address::parse(&format!("pyro://workspace/{rest}")) {
                prop_assert!(!address.workspace.is_empty());
            }
        }
    }
}
