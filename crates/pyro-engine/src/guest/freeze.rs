//! A guest's disk, held still.
//!
//! Owns: the freeze's stream on the host side. Refuses: calling a copy good
//! that was made while the disk moved.
//!
//! ```text
//!   freeze_disk --> FrozenDisk --still_copying*--> thaw --> DiskThawed
//!                      `-- dropped, cancelled, host dies: the guest goes on
//! ```

use super::{Guest, decode, encode, unexpected};
use crate::error::{Error, Result};
use crate::events::{Cancel, CancelGuard};
use pyro_proto::messages::{DiskThawed, FREEZE_PATIENCE, Reply, Request, channel};
use pyro_proto::{Incoming, LinkError, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DOING: &str = "holding its disk still";
/// Everything the guest has not written yet is written first.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(180);
/// Well within the guest's patience.
const SIGN_OF_LIFE: Duration = Duration::from_secs(FREEZE_PATIENCE.as_secs() / 30);

/// The guest's disk does not change while this lives.
pub struct FrozenDisk<'a> {
    guest: &'a Guest,
    stream: Arc<Stream>,
    cancel: Cancel,
    told: Instant,
    _woken: CancelGuard,
}

impl Guest {
    /// Gives freed blocks back, writes everything and holds the disk still.
    ///
    /// # Errors
    /// Why the guest is gone, `cancelled`, or the agent's refusal.
    pub fn freeze_disk(&self, cancel: &Cancel) -> Result<FrozenDisk<'_>> {
        let stream = self
            .link
            .open(&encode(&Request::FreezeDisk)?)
            .map_err(|error| self.explain(DOING, &error, cancel))?;
        let stream = Arc::new(stream);
        let given_up = stream.clone();
        let frozen = FrozenDisk {
            guest: self,
            stream,
            cancel: cancel.clone(),
            told: Instant::now(),
            _woken: cancel.on_cancel(move || given_up.abort()),
        };
        let deadline = Instant::now() + FREEZE_TIMEOUT;
        loop {
            match self.receive(&frozen.stream, Some(deadline)) {
                Ok(Incoming::Data(channel::STDOUT, _)) => return Ok(frozen),
                Ok(Incoming::Close(reply)) => return Err(early(&reply)),
                Ok(_) => {}
                Err(error) => return Err(frozen.lost(&error)),
            }
        }
    }
}

impl FrozenDisk<'_> {
    /// Tells the guest now and then that somebody still works on it.
    ///
    /// # Errors
    /// When the disk is not held any more.
    pub fn still_copying(&mut self) -> Result<()> {
        match self.stream.try_receive() {
            Ok(Some(Incoming::Close(reply))) => return Err(early(&reply)),
            Ok(_) => {}
            Err(error) => return Err(self.lost(&error)),
        }
        if self.told.elapsed() >= SIGN_OF_LIFE {
            self.told = Instant::now();
            self.stream
                .send_some(channel::STDIN, b"c")
                .map_err(|error| self.lost(&error))?;
        }
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// `not_held` when it had gone on before: then the copy is no good.
    pub fn thaw(self) -> Result<DiskThawed> {
        self.stream
            .end(channel::STDIN)
            .map_err(|error| self.lost(&error))?;
        let deadline = Instant::now() + FREEZE_PATIENCE;
        loop {
            match self.guest.receive(&self.stream, Some(deadline)) {
                Ok(Incoming::Close(reply)) => {
                    return match decode(&reply)? {
                        Reply::DiskThawed(thawed) if thawed.held => Ok(thawed),
                        Reply::DiskThawed(_) => Err(not_held()),
                        other => Err(unexpected(&other)),
                    };
                }
                Ok(_) => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    fn lost(&self, error: &LinkError) -> Error {
        self.guest.explain(DOING, error, &self.cancel)
    }
}

/// The agent answered before it was told to.
fn early(reply: &[u8]) -> Error {
    match decode(reply) {
        Ok(Reply::DiskThawed(_)) => not_held(),
        Ok(other) => unexpected(&other),
        Err(error) => error,
    }
}

fn not_held() -> Error {
    Error::runtime("not_held", "the guest's disk went on before it was copied")
        .hint("the machine may be overloaded; try again")
}
