//! Fake models, the only fakes here: each speaks one API of the real ones,
//! follows a script, and keeps what it was sent.
//!
//! ```text
//! request --> results so far --script--> the next call, or the end --> events
//! ```
//!
//! A conversation's state is in each request, as with real models. So is what a
//! test asserts on: the tool results in the form in which the host sent them.
//!
//! Owns: scripts and records. Refuses: the three APIs, which are its parts.

mod completions;
mod messages;
mod received;
mod responses;

pub use received::Received;

use crate::http::{Answer, Request, Server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Which API a host speaks with its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Anthropic's Messages: Claude Code.
    Messages,
    /// OpenAI's Responses: Codex.
    Responses,
    /// Chat completions: OpenCode.
    Completions,
}

/// What a model does next.
pub enum Next {
    /// Calls a tool by the name that the host gave it.
    Call(String, Value),
    /// Says that it is done.
    End,
}

type Script = dyn Fn(&[Received]) -> Next + Send + Sync;

/// One model.
pub struct Model {
    server: Server,
    bodies: Arc<Mutex<Vec<Value>>>,
    api: Api,
}

impl Model {
    /// `script` gets the results so far.
    pub fn start(api: Api, script: impl Fn(&[Received]) -> Next + Send + Sync + 'static) -> Self {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (script, kept): (Box<Script>, _) = (Box::new(script), bodies.clone());
        let server = Server::start(move |request| answer(api, &script, &kept, &request));
        Self {
            server,
            bodies,
            api,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Every result of the conversation, in order.
    pub fn received(&self) -> Vec<Received> {
        self.last(|body| self.api.results(body))
    }

    /// Names of the tools it was offered.
    pub fn offered(&self) -> Vec<String> {
        self.last(|body| self.api.offered(body))
    }

    /// Everything that it was sent, as JSON.
    pub fn everything(&self) -> String {
        let bodies = self.bodies.lock().unwrap();
        serde_json::to_string_pretty(&*bodies).unwrap()
    }

    /// Of the longest conversation; hosts have short ones beside it, for titles.
    fn last<T>(&self, part: impl Fn(&Value) -> Vec<T>) -> Vec<T> {
        let bodies = self.bodies.lock().unwrap();
        let parts = bodies.iter().map(part);
        parts.max_by_key(Vec::len).unwrap_or_default()
    }
}

fn answer(api: Api, script: &Script, kept: &Mutex<Vec<Value>>, request: &Request) -> Answer {
    let plain = |status, body: Value| Answer {
        status,
        kind: "application/json",
        body: body.to_string(),
    };
    match request.method.as_str() {
        "POST" if request.path.contains("count_tokens") => {
            return plain(200, json!({"input_tokens": 10}));
        }
        "POST" if request.path.contains(api.path()) => {}
        "GET" if request.path.contains("/models") => {
            return plain(200, json!({"object": "list", "data": [], "models": []}));
        }
        // Also what a host wants of a proxy: nothing leaves this machine.
        _ => return plain(404, json!({})),
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return plain(400, json!({"error": "no JSON"}));
    };
    let results = api.results(&body);
    let next = if api.offered(&body).is_empty() {
        Next::End
    } else {
        script(&results)
    };
    let events = api.events(&body, results.len(), next);
    kept.lock().unwrap().push(body);
    Answer {
        status: 200,
        kind: "text/event-stream",
        body: events,
    }
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages",
            Self::Responses => "/responses",
            Self::Completions => "/chat/completions",
        }
    }

    fn results(self, body: &Value) -> Vec<Received> {
        match self {
            Self::Messages => messages::results(body),
            Self::Responses => responses::results(body),
            Self::Completions => completions::results(body),
        }
    }

    fn offered(self, body: &Value) -> Vec<String> {
        match self {
            Self::Messages => messages::offered(body),
            Self::Responses => responses::offered(body),
            Self::Completions => completions::offered(body),
        }
    }

    fn events(self, body: &Value, number: usize, next: Next) -> String {
        match self {
            Self::Messages => messages::events(body, number, next),
            Self::Responses => responses::events(number, next),
            Self::Completions => completions::events(number, next),
        }
    }
}

/// The members of a list, none if it is none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text, or the texts of a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        parts => list(parts)
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// Server-sent events, with their types as names.
fn named_events(events: &[Value]) -> String {
    let event = |event: &Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    events.iter().map(event).collect()
}
