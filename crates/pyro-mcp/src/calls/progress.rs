//! Progress notifications, for a request that has a token.
//!
//! Owns: when there is something to say. Refuses: what, which the work says.

use super::heard::Heard;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use std::time::{Duration, Instant};

/// The news of one call.
pub struct Progress {
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    told: Instant,
    heard: u64,
    /// Has to grow with each notification; a work that is joined has its own.
    last: f64,
}

impl Progress {
    pub fn of(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        Self {
            to: token.map(|token| (context.peer.clone(), token)),
            ..Self::none()
        }
    }

    /// For nobody.
    pub fn none() -> Self {
        Self {
            to: None,
            told: Instant::now(),
            heard: 0,
            last: 0.0,
        }
    }

    pub fn is_wanted(&self) -> bool {
        self.to.is_some()
    }

    /// Says what is new; with nothing new only that it lives, now and then.
    pub async fn tell(&mut self, heard: &Heard, alive_every: Duration) {
        let Some((peer, token)) = &self.to else {
            return;
        };
        let (seconds, count, text) = heard.latest();
        if count == self.heard && self.told.elapsed() < alive_every || seconds <= self.last {
            return;
        }
        (self.told, self.heard, self.last) = (Instant::now(), count, seconds);
        let news = ProgressNotificationParam::new(token.clone(), seconds).with_message(text);
        // A client that is gone is noticed where its requests end.
        let _ = peer.notify_progress(news).await;
    }
}
