//! JSON lines from a guest.
//!
//! Owns: cutting a stream into lines and reading each. Refuses: endless
//! lines, more lines than were asked for, and a last one without its end.
//!
//! ```text
//!   pieces of any size --> one line, at most MAX_JSON_LINE_BYTES --> T --> each
//! ```

use super::exchange::lie;
use crate::error::Result;
use pyro_proto::messages::files::MAX_JSON_LINE_BYTES;
use serde::de::DeserializeOwned;

/// Lines that are read as they come.
pub struct Lines<F> {
    line: Vec<u8>,
    /// Lines so far.
    pub count: u64,
    most: u64,
    each: F,
}

impl<F> Lines<F> {
    /// At most `most` lines, each given to `each`.
    pub fn new(most: u64, each: F) -> Self {
        Self {
            line: Vec::new(),
            count: 0,
            most,
            each,
        }
    }

    /// Takes the next bytes.
    pub fn push<T: DeserializeOwned>(&mut self, bytes: &[u8]) -> Result<()>
    where
        F: FnMut(T) -> Result<()>,
    {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > MAX_JSON_LINE_BYTES {
                return Err(lie("a line is endless"));
            }
            self.line.extend_from_slice(part);
            if part.last() != Some(&b'\n') {
                continue;
            }
            self.count += 1;
            if self.count > self.most {
                return Err(lie("there are more lines than were asked for"));
            }
            let object = serde_json::from_slice(&self.line)
                .map_err(|error| lie(format!("a line makes no sense: {error}")))?;
            self.line.clear();
            (self.each)(object)?;
        }
        Ok(())
    }

    /// Checks the end against the number that the reply claims.
    pub fn finish(&self, claimed: u64) -> Result<()> {
        if !self.line.is_empty() || claimed != self.count {
            let sent = self.count;
            return Err(lie(format!("it sent {sent} lines and claims {claimed}")));
        }
        Ok(())
    }
}
