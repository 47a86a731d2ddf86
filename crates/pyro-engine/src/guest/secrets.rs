//! A workspace's secrets on their way into its guest.
//!
//! Owns: one request whose values go over the stream, never in a message.

use super::{Guest, decode, encode, unexpected};
use crate::error::Result;
use crate::events::Cancel;
use pyro_proto::messages::secrets::{InstallSecrets, SecretFile};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::{Incoming, LinkError};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DOING: &str = "taking its secrets";
/// Half a MiB at most, into memory.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(60);

impl Guest {
    /// Makes `/run/pyro-secrets` hold exactly these names and values.
    ///
    /// # Errors
    /// The agent's refusal, or why the guest is gone.
    pub fn install_secrets<'a>(
        &self,
        secrets: impl Iterator<Item = (&'a str, &'a [u8])>,
        cancel: &Cancel,
    ) -> Result<()> {
        let (mut files, mut values) = (Vec::new(), Vec::new());
        for (name, value) in secrets {
            files.push(SecretFile {
                name: name.to_owned(),
                size: value.len() as u64,
            });
            values.extend_from_slice(value);
        }
        let request = encode(&Request::InstallSecrets(InstallSecrets { files }))?;
        let lost = |error: LinkError| self.explain(DOING, &error, cancel);
        let stream = Arc::new(self.link.open(&request).map_err(lost)?);
        let given_up = stream.clone();
        let _woken = cancel.on_cancel(move || given_up.abort());
        // A refusal that comes meanwhile is read below.
        let _ = stream
            .send(channel::STDIN, &values)
            .and_then(|()| stream.end(channel::STDIN));
        let deadline = Instant::now() + INSTALL_TIMEOUT;
        loop {
            if let Incoming::Close(reply) = self.receive(&stream, Some(deadline)).map_err(lost)? {
                return match decode(&reply)? {
                    Reply::SecretsInstalled => Ok(()),
                    other => Err(unexpected(&other)),
                };
            }
        }
    }
}
