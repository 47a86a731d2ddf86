//! Writing a file, whole or one fragment of it.
//!
//! ```text
//!   text             --> write                       expectation: hash, if given
//!   text, replace    --> read + hash --> exactly one place? --> write, expecting that hash
//! ```

use super::payloads::FileWritten;
use super::read::whole;
use super::{asked, path};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::{Fault, asks};
use crate::workspaces::Workspaces;
use crate::workspaces::events::Done;
use pyro_proto::Link;
use pyro_proto::messages::files::{Expect, WriteFile};
use pyro_proto::path::PathText;

/// Most bytes of a text, and of a file in which a fragment is replaced.
pub const MAX_TEXT_BYTES: usize = 1_048_576;

/// What to write.
#[derive(Clone, Debug)]
pub struct Write {
    /// A path below `/workspace`.
    pub path: String,
    /// The new content, or what the fragment becomes.
    pub text: String,
    /// A fragment that occurs exactly once; the rest of the file stays.
    pub replace: Option<String>,
    /// What the file has to be now, lower-case hex.
    pub expected_sha256: Option<String>,
}

impl Workspaces {
    /// Writes a regular file; one that is replaced keeps its mode.
    ///
    /// # Errors
    /// `invalid_path`, `too_large`, `not_unique`, `conflict` (it is not what
    /// was expected), `file_kind`, `file_symlink`; those of [`Workspaces::exec`].
    pub fn write_file(
        &self,
        wanted: &str,
        write: &Write,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<FileWritten> {
        let file = path(&write.path)?;
        too_large(write.text.len() as u64, "the text")?;
        let (workspace, (done, bytes_written)) =
            self.ask_agent(wanted, events, cancel, |link| {
                let (content, expect) = match &write.replace {
                    None => (write.text.clone().into_bytes(), expectation(write)),
                    Some(fragment) => replaced(link, &file, fragment, write)?,
                };
                let request = WriteFile {
                    path: file.clone(),
                    expect,
                    executable: None,
                    make_parents: true,
                    size: content.len() as u64,
                };
                let done = asks::write(link, &request, &mut content.as_slice())?;
                Ok((done, content.len() as u64))
            })?;
        let event = Done::FileWrite {
            path: asked(&file),
            size_bytes: done.size,
            sha256: done.sha256.clone(),
            created: done.created,
        };
        self.record(&workspace, event, events);
        let written = FileWritten {
            workspace_id: workspace.workspace_id.clone(),
            path: asked(&file),
            size_bytes: done.size,
            bytes_written,
            sha256: done.sha256,
            created: done.created,
            execution_mode: workspace.execution_mode,
        };
        self.shown(&workspace.workspace_id, written)
    }
}

fn expectation(write: &Write) -> Expect {
    write
        .expected_sha256
        .clone()
        .map_or(Expect::Anything, Expect::Sha256)
}

fn replaced(
    link: &Link,
    file: &PathText,
    fragment: &str,
    write: &Write,
) -> Result<(Vec<u8>, Expect), Fault> {
    let (read, bytes) = whole(link, file, MAX_TEXT_BYTES as u64)?;
    too_large(read.size, "the file")?;
    let found = read.sha256.unwrap_or_default();
    if let Some(expected) = &write.expected_sha256
        && *expected != found
    {
        return Err(Error::runtime(
            "conflict",
            format!("{file} has the hash {found}, not {expected}"),
        )
        .hint("read it again, then repeat the change")
        .into());
    }
    Ok((
        replace_once(&bytes, fragment, &write.text, file)?,
        Expect::Sha256(found),
    ))
}

fn too_large(bytes: u64, what: &str) -> Result<()> {
    if bytes <= MAX_TEXT_BYTES as u64 {
        return Ok(());
    }
    Err(Error::invalid(
        "too_large",
        format!("{what} has {bytes} bytes, at most {MAX_TEXT_BYTES} are allowed"),
    )
    .hint("use sync push, or a command in the workspace"))
}

/// The content with the one occurrence of `fragment` replaced.
fn replace_once(content: &[u8], fragment: &str, by: &str, file: &PathText) -> Result<Vec<u8>> {
    let refused = |why: String| {
        Err(Error::invalid("not_unique", why)
            .hint("give a fragment that occurs exactly once, with the lines around it"))
    };
    if fragment.is_empty() {
        return refused(format!("the fragment to replace in {file} is empty"));
    }
    let wanted = fragment.as_bytes();
    let mut places = content
        .windows(wanted.len())
        .enumerate()
        .filter(|(_, window)| *window == wanted)
        .map(|(at, _)| at);
    let Some(at) = places.next() else {
        return refused(format!("the fragment does not occur in {file}"));
    };
    let more = places.count();
    if more > 0 {
        return refused(format!("the fragment occurs {} times in {file}", more + 1));
    }
    Ok([&content[..at], by.as_bytes(), &content[at + wanted.len()..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_replaced_where_it_is_alone() {
        let file = PathText::from("f".as_bytes());
        let replaced = |content: &str, fragment| {
            replace_once(content.as_bytes(), fragment, "X", &file)
                .map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(replaced("a b c", "b").unwrap(), "a X c");
        assert_eq!(replaced("b", "b").unwrap(), "X");
        for (content, fragment) in [("a", "b"), ("b b", "b"), ("aaa", "aa"), ("a", "")] {
            assert_eq!(replaced(content, fragment).unwrap_err().code, "not_unique");
        }
    }
}
