//! A command's output, read as it grows.
//!
//! Owns: how far a reader is. Refuses: waiting; who knows of more calls again.

use super::{commands, stream_name};
use crate::workspaces::payloads::LogStream;
use crate::workspaces::store::Folder;
use std::fs::File;
use std::os::unix::fs::FileExt;

const PIECE_BYTES: u64 = 32 * 1024;

/// One reader of both streams of one command.
pub struct Tail {
    streams: [(LogStream, Option<File>, u64); 2],
}

impl Tail {
    /// At their beginning. A file that is gone gives nothing.
    #[must_use]
    pub fn open(folder: &Folder, sequence: u64) -> Self {
        let open = |stream| {
            let path = commands(folder).join(stream_name(sequence, stream));
            (stream, File::open(path).ok(), 0)
        };
        Self {
            streams: [open(LogStream::Stdout), open(LogStream::Stderr)],
        }
    }

    /// Bytes it is behind each beginning.
    #[must_use]
    pub fn at(&self) -> [u64; 2] {
        [self.streams[0].2, self.streams[1].2]
    }

    /// Hands on what lies between here and the `ends` of both streams.
    pub fn forward(&mut self, ends: [u64; 2], mut give: impl FnMut(LogStream, Vec<u8>)) {
        for ((stream, file, at), end) in self.streams.iter_mut().zip(ends) {
            while let Some(file) = file.as_ref().filter(|_| *at < end) {
                let count = usize::try_from((end - *at).min(PIECE_BYTES)).unwrap_or_default();
                let mut piece = vec![0; count];
                if file.read_exact_at(&mut piece, *at).is_err() {
                    break;
                }
                *at += piece.len() as u64;
                give(*stream, piece);
            }
            // What cannot be read does not come later.
            *at = (*at).max(end);
        }
    }
}
