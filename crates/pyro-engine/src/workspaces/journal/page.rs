//! One stream of a command in pages.
//!
//! Owns: where a page ends. Bytes are told apart by offsets, so that pages put
//! together are the stream; a page ends between two characters where it can.
//! Refuses: waiting for more.
//!
//! ```text
//!   0 ------ offset ===== page ===== end ------ kept ---- total
//!                                     `- next_offset; null behind the last byte of a command that ended
//! ```

use super::{Entry, commands, stream_name};
use crate::error::{Error, Result};
use crate::workspaces::payloads::{CommandState, LogPage, LogStream};
use crate::workspaces::store::Folder;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads `limit` bytes at most, from `offset` on.
///
/// # Errors
/// `io` when the file cannot be read.
pub fn page(
    folder: &Folder,
    entry: &Entry,
    stream: LogStream,
    offset: u64,
    limit: u64,
) -> Result<LogPage> {
    let path = commands(folder).join(stream_name(entry.sequence, stream));
    let written = entry.written(stream);
    let count = written.kept_bytes.saturating_sub(offset).min(limit);
    let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
    if !bytes.is_empty() {
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, offset))
            .map_err(Error::io("read", &path))?;
    }
    let running = entry.state() == CommandState::Running;
    let told = told(bytes, offset, written.kept_bytes, running);
    Ok(LogPage {
        stream,
        text: told.text,
        lossy: told.lossy,
        offset,
        next_offset: told.next_offset,
        total_bytes: written.total_bytes,
        complete: written.kept_bytes == written.total_bytes,
    })
}

/// What a page shows.
pub(in crate::workspaces) struct Told {
    pub text: String,
    /// Whether bytes of it were no text.
    pub lossy: bool,
    /// Where the next page begins.
    pub next_offset: Option<u64>,
}

/// The page that `bytes` make, which were read at `offset`.
pub(in crate::workspaces) fn told(
    mut bytes: Vec<u8>,
    offset: u64,
    kept_bytes: u64,
    running: bool,
) -> Told {
    let (taken, next_offset) = cut(&bytes, offset, kept_bytes, running);
    bytes.truncate(taken);
    let (text, lossy) = match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    };
    Told {
        text,
        lossy,
        next_offset,
    }
}

/// Of `bytes`, which were read at `offset`, how many make the page, and where
/// the next one begins.
fn cut(bytes: &[u8], offset: u64, kept_bytes: u64, running: bool) -> (usize, Option<u64>) {
    let is_last = offset + bytes.len() as u64 >= kept_bytes;
    let whole = whole_characters(bytes);
    let taken = if is_last && !running {
        bytes.len()
    } else if whole == 0 && !is_last {
        // A page smaller than a character still gets on.
        bytes.len()
    } else {
        whole
    };
    let end = offset + taken as u64;
    (taken, (running || end < kept_bytes).then_some(end))
}

/// Length without a character at the end that is only begun.
pub(in crate::workspaces) fn whole_characters(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        if length > back + 1 {
            return bytes.len() - back - 1;
        }
        break;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every page of a stream of a command that ended.
    fn pages(stream: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let (mut pages, mut offset) = (Vec::new(), 0);
        loop {
            let from = usize::try_from(offset).unwrap();
            let bytes = &stream[from..stream.len().min(from + limit)];
            let (taken, next) = cut(bytes, offset, stream.len() as u64, false);
            pages.push(bytes[..taken].to_vec());
            match next {
                Some(next) => {
                    assert!(next > offset, "no progress at {offset}");
                    offset = next;
                }
                None => return pages,
            }
        }
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_stream(
            stream in prop::collection::vec(any::<u8>(), 0..300), limit in 1_usize..40
        ) {
            let pages = pages(&stream, limit);
            prop_assert!(pages.iter().all(|page| page.len() <= limit));
            prop_assert_eq!(pages.concat(), stream);
        }

        #[test]
        fn no_page_of_text_cuts_a_character(text in "[aé€😀]{0,100}", limit in 4_usize..40) {
            for page in pages(text.as_bytes(), limit) {
                prop_assert!(String::from_utf8(page).is_ok());
            }
        }

        #[test]
        fn of_a_running_command_there_is_always_a_next_page_that_lacks_nothing(
            text in "[aé€😀]{0,40}", seen in 0_usize..160
        ) {
            // Looked at when only a part was written, and again at its end.
            let stream = text.as_bytes();
            let seen = seen.min(stream.len());
            let (taken, next) = cut(&stream[..seen], 0, seen as u64, true);
            prop_assert_eq!(next, Some(taken as u64));
            prop_assert!(std::str::from_utf8(&stream[..taken]).is_ok());
            prop_assert!(seen - taken < 4);
            let (rest, end) = cut(&stream[taken..], taken as u64, stream.len() as u64, false);
            prop_assert_eq!((taken + rest, end), (stream.len(), None));
        }
    }
}
