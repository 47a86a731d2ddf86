//! A request about files, passed through to the agent and its answer back.
//!
//! Owns: moving the bytes of both streams. Refuses: reading them; what a
//! guest answers is checked by the client ([`crate::guest::files`]), and a
//! supervisor that never looks cannot be misled.
//!
//! ```text
//!   client ==stream==> supervisor ==stream==> agent
//!          <==========            <==========   either side gone: the other is given up
//! ```

use super::live::Live;
use crate::error::Error;
use pyro_proto::messages::{Failed, Reply, Request};
use pyro_proto::{Incoming, Stream};
use std::sync::Arc;

/// Whether a request is one to pass through, and whether it changes files.
pub(super) fn changes(request: &Request) -> Option<bool> {
    match request {
        Request::ListFiles(_)
        | Request::ReadFile(_)
        | Request::SearchFiles(_)
        | Request::DiffTree(_)
        | Request::GetArchive(_) => Some(false),
        Request::WriteFile(_) | Request::ApplyChanges(_) | Request::PutArchive(_) => Some(true),
        Request::Configure(_)
        | Request::WarmUp
        | Request::Exec(_)
        | Request::OpenShell(_)
        | Request::Serve(_)
        | Request::Probe(_)
        | Request::InstallSecrets(_)
        | Request::FreezeDisk
        | Request::Dial(_)
        | Request::TrustAuthority(_)
        | Request::PowerOff => None,
    }
}

/// Passes `request` through until it is answered.
pub(super) fn relay(live: &Live, up: &Arc<Stream>, request: &[u8], changes: bool) {
    let refuse = |error: &Error| {
        let reply = Reply::Failed(Failed {
            code: error.code.to_owned(),
            message: live.redactor().text(&error.message),
        });
        // A client that is gone needs no answer.
        let _ = up.finish(&serde_json::to_vec(&reply).unwrap_or_default());
    };
    let guest = match live.guest_for_command() {
        Ok(guest) => guest,
        Err(error) => return refuse(&error),
    };
    let down = match guest.open(request) {
        Ok(down) => Arc::new(down),
        Err(error) => return refuse(&error),
    };
    let (from, to) = (up.clone(), down.clone());
    std::thread::spawn(move || {
        loop {
            let passed = match from.receive(None) {
                Ok(Incoming::Data(channel, bytes)) => to.send(channel, &bytes),
                Ok(Incoming::End(channel)) => to.end(channel),
                Ok(Incoming::Close(_)) => Ok(()),
                // The client is gone, or has its answer.
                Err(_) => return to.abort(),
            };
            if passed.is_err() {
                return;
            }
        }
    });
    loop {
        let passed = match guest.receive(&down, None) {
            Ok(Incoming::Data(channel, bytes)) => up.send(channel, &bytes),
            Ok(Incoming::End(channel)) => up.end(channel),
            Ok(Incoming::Close(reply)) => {
                if changes {
                    live.touch();
                }
                let _ = up.finish(&reply);
                return;
            }
            Err(error) => {
                down.abort();
                return refuse(&guest.why_lost("working on files", &error));
            }
        };
        if passed.is_err() {
            return down.abort();
        }
    }
}
