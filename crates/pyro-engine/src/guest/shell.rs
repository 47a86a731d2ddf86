//! Starting a shell in a guest.
//!
//! Owns: the request, the word that it runs, and how it ended. Refuses:
//! keeping what it shows; whoever opened it does.

use super::{Guest, decode, encode, now_unix_ns, unexpected};
use crate::error::{Error, Result};
use crate::events::Cancel;
use pyro_proto::messages::shells::{OpenShell, ShellEnded};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::{Incoming, Stream};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const DOING: &str = "opening a shell";
/// A shell that does not run by then is given up.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// A shell to start.
pub struct NewShell<'a> {
    /// Columns of its terminal.
    pub cols: u16,
    /// Rows of its terminal.
    pub rows: u16,
    /// Its working folder, which has to exist.
    pub cwd: &'a str,
    /// Variables on top of the usual ones.
    pub env: BTreeMap<String, String>,
}

impl Guest {
    /// Starts it; what it shows comes on the stream's standard output.
    ///
    /// # Errors
    /// `missing_cwd`, `cancelled`, why the guest is gone, or its refusal.
    pub(crate) fn open_shell(&self, wanted: NewShell<'_>, cancel: &Cancel) -> Result<Stream> {
        let request = encode(&Request::OpenShell(OpenShell {
            cols: wanted.cols,
            rows: wanted.rows,
            cwd: Some(wanted.cwd.to_owned()),
            env: wanted.env,
            time_unix_ns: now_unix_ns(),
        }))?;
        let stream = self
            .link
            .open(&request)
            .map_err(|error| self.explain(DOING, &error, cancel))?;
        let deadline = Instant::now() + OPEN_TIMEOUT;
        loop {
            match self.receive(&stream, Some(deadline)) {
                Ok(Incoming::Data(channel::STDERR, _)) => return Ok(stream),
                Ok(Incoming::Close(reply)) => return Err(refusal(&reply, wanted.cwd)),
                Ok(_) => {}
                Err(error) => return Err(self.explain(DOING, &error, cancel)),
            }
        }
    }
}

fn refusal(reply: &[u8], cwd: &str) -> Error {
    if let Ok(Reply::Failed(failed)) = serde_json::from_slice(reply)
        && failed.code == "cwd"
    {
        return Error::invalid("missing_cwd", failed.message)
            .hint(format!("make {cwd} first, or give another --cwd"));
    }
    match decode(reply) {
        Ok(other) => unexpected(&other),
        Err(error) => error,
    }
}

/// How a shell ended, from the agent's last word.
pub(crate) fn ended(reply: &[u8]) -> Result<ShellEnded> {
    match decode(reply)? {
        Reply::ShellEnded(ended) => Ok(ended),
        other => Err(unexpected(&other)),
    }
}
