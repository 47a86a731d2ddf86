//! What a worker thread does for one call.
//!
//! ```text
//! workspace_exec with a command:
//!   begun, waits for nothing --id--> looked at until it ends or the answer is due
//!                                      `- cancelled: killed by its id
//! ```
//!
//! Such a command belongs to its workspace, so it lives on when the answer, or
//! this server, does not wait for it.
//!
//! Owns: this, and that a result is made here too. Refuses: who waits for it.

use super::heard::Heard;
use crate::config::Config;
use crate::results::Window;
use pyro::{Cancel, Context, Error, Result, Row};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Seconds that a call which waits for a command waits at most.
pub const WAIT_SECONDS: u64 = 45;
/// What is left of the time of an answer for what comes after the wait.
const MARGIN: Duration = Duration::from_secs(1);

/// What an operation returned.
pub fn run(
    config: &Config,
    row: &Row,
    window: &Window,
    heard: &Heard,
    cancel: &Cancel,
) -> Result<Value> {
    let asking = Asking { config, row, heard };
    if begins_a_command(row, &window.request) {
        asking.command(&window.request, cancel)
    } else {
        let mut request = window.request.clone();
        if row.name == "workspace_exec" {
            request["wait_seconds"] = json!(look_seconds(&request));
        }
        asking.ask(request, cancel)
    }
}

/// How long a look at a command waits: what its schema says where nothing is
/// given, and less than an answer may take, so that the look is the answer.
fn look_seconds(request: &Value) -> u64 {
    let wait = request["wait_seconds"].as_u64().unwrap_or(WAIT_SECONDS);
    wait.min(WAIT_SECONDS - MARGIN.as_secs())
}

fn begins_a_command(row: &Row, request: &Value) -> bool {
    row.name == "workspace_exec" && request["command_id"].is_null() && request["cancel"] != true
}

struct Asking<'a> {
    config: &'a Config,
    row: &'a Row,
    heard: &'a Heard,
}

impl Asking<'_> {
    fn ask(&self, request: Value, cancel: &Cancel) -> Result<Value> {
        let context = Context {
            events: self.heard,
            cancel,
            stdin: None,
        };
        (self.row.call)(&self.config.pyro, request, &context)
    }

    fn command(&self, request: &Value, cancel: &Cancel) -> Result<Value> {
        let due = Instant::now() + Duration::from_secs(WAIT_SECONDS).saturating_sub(MARGIN);
        let wait = request["wait_seconds"].as_u64().unwrap_or(WAIT_SECONDS);
        let mut begin = request.clone();
        begin["wait_seconds"] = json!(0);
        let begun = self.ask(begin, cancel)?;
        let left = due.saturating_duration_since(Instant::now()).as_secs();
        if begun["running"] != true || wait == 0 || left == 0 {
            return Ok(begun);
        }
        let look = |more: Value| {
            let mut look = json!({
                "workspace_id": begun["workspace_id"],
                "command_id": begun["command_id"],
            });
            if let (Some(look), Value::Object(more)) = (look.as_object_mut(), more) {
                look.extend(more);
            }
            (self.row.complete)(look)
        };
        let looked = self.ask(look(json!({ "wait_seconds": wait.min(left) }))?, cancel);
        if !cancel.is_cancelled() {
            return looked;
        }
        let id = begun["command_id"].as_str().unwrap_or_default();
        self.ask(look(json!({ "cancel": true }))?, &Cancel::default())
            .map_err(|error| {
                let what = format!("the call was cancelled, but command {id} was not: {error}");
                Error::runtime("cancelled", what)
                    .hint("cancel it with its command_id, by workspace_exec")
            })?;
        Err(Error::runtime(
            "cancelled",
            format!("the call was cancelled, and command {id} was killed"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_waits_by_default_and_never_as_long_as_an_answer_may_take() {
        let seconds = |request: Value| look_seconds(&request);
        assert_eq!(
            seconds(json!({ "command_id": "c0-1", "wait_seconds": null })),
            44
        );
        assert_eq!(
            seconds(json!({ "command_id": "c0-1", "wait_seconds": 45 })),
            44
        );
        assert_eq!(
            seconds(json!({ "command_id": "c0-1", "wait_seconds": 0 })),
            0
        );
    }
}
