//! How much of an answer a model gets: what it asked for, within what hosts
//! show.
//!
//! ```text
//!   request --> page of so many bytes --> too large as JSON? --fitted--> page of fewer bytes
//! ```
//!
//! Owns: the sizes, and requests fitted to them, said where they were changed.
//! Refuses: changing what is asked.

use super::shorten::{head_end, size, text_size};
use crate::calls::WAIT_SECONDS;
use pyro::Row;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// Bytes of JSON of a result for which nobody asked for more. Codex shows
/// 10,000 to 12,000 characters of the whole message.
pub const USUAL_BYTES: usize = 9_500;
/// Bytes of a page where the model gave no number.
pub const PAGE_BYTES: u64 = 7_000;
/// Most bytes of a page: Claude Code and OpenCode show some 50,000 characters.
pub const MOST_BYTES: u64 = 32_768;
/// What the sentence about the next page takes.
const SENTENCE_BYTES: usize = 300;
/// Bytes by which `[REDACTED]` is at most longer than what it stands for.
const MARKER_EXCESS: usize = 6;
/// Files of a list where the model gave no number.
pub const ENTRIES: u64 = 400;

/// A request, and how large its answer may be.
pub struct Window {
    /// What is asked of the operation.
    pub request: Value,
    /// Bytes of JSON of the answer.
    pub bytes: usize,
    /// What was changed in the request.
    pub notes: Vec<String>,
}

impl Window {
    /// For a complete request that came from what was `given`.
    pub fn of(row: &Row, given: &JsonObject, request: Value) -> Self {
        let mut window = Self {
            request,
            bytes: USUAL_BYTES,
            notes: Vec::new(),
        };
        let is_given = |name: &str| given.get(name).is_some_and(|value| !value.is_null());
        match row.name {
            "workspace_file_read" | "workspace_disk_read" => {
                window.page("max_bytes", is_given("max_bytes"));
            }
            "shell_read" => window.page("max_chars", is_given("max_chars")),
            "workspace_logs" | "service_logs"
                if ["stream", "offset", "limit"].into_iter().any(is_given) =>
            {
                window.page("limit", is_given("limit"));
            }
            "workspace_file_list" if !is_given("limit") => {
                window.request["limit"] = json!(ENTRIES);
            }
            "workspace_exec" => window.wait(),
            _ => {}
        }
        window
    }

    /// The request for a smaller page, when that which came back is too large
    /// as JSON. Cutting it here would not do: where a text has replaced bytes
    /// or secrets, only who read it knows at which byte a letter of it lies.
    pub fn fitted(&self, row: &Row, response: &Value) -> Option<Self> {
        let (text, field) = match row.name {
            "workspace_file_read" | "workspace_disk_read" => ("/content", "max_bytes"),
            "workspace_logs" | "service_logs" => ("/page/text", "limit"),
            _ => return None,
        };
        let text = response.pointer(text)?.as_str()?;
        let whole = size(response) + SENTENCE_BYTES;
        if whole <= self.bytes {
            return None;
        }
        // Its quotes, and a `next_offset` where there was none.
        let room = self.bytes.saturating_sub(whole - text_size(text) + 32);
        let shown = &text[..head_end(text, room)];
        let mut fewer = source_bytes(shown);
        if response["redacted"].as_u64().is_some_and(|count| count > 0) {
            fewer -= MARKER_EXCESS * shown.matches("[REDACTED]").count();
        }
        let before = self.request[field].as_u64().unwrap_or(u64::MAX);
        let fewer = (fewer as u64).clamp(1, before);
        let mut request = self.request.clone();
        request[field] = json!(fewer);
        (fewer < before).then(|| Self {
            request,
            bytes: self.bytes,
            notes: self.notes.clone(),
        })
    }

    /// For a reader that is no model.
    pub fn whole(request: Value) -> Self {
        Self {
            request,
            bytes: usize::MAX,
            notes: Vec::new(),
        }
    }

    fn page(&mut self, field: &str, is_given: bool) {
        let wanted = self.request[field].as_u64().filter(|_| is_given);
        let size = wanted.unwrap_or(PAGE_BYTES);
        if size > MOST_BYTES {
            self.notes.push(format!(
                "{field} {size} was lowered to {MOST_BYTES}, which is the most of one answer"
            ));
        }
        let size = size.min(MOST_BYTES);
        self.request[field] = json!(size);
        if size > PAGE_BYTES {
            // Escapes make JSON of a text some larger than the text.
            let bytes = usize::try_from(size + size / 4).unwrap_or(USUAL_BYTES);
            self.bytes = USUAL_BYTES.max(bytes + 2_000);
        }
    }

    fn wait(&mut self) {
        let Some(wait) = self.request["wait_seconds"].as_u64() else {
            return;
        };
        if wait > WAIT_SECONDS {
            self.notes.push(format!(
                "wait_seconds {wait} was lowered to {WAIT_SECONDS}, the longest of one call; call again with the command_id to wait on"
            ));
            self.request["wait_seconds"] = json!(WAIT_SECONDS);
        }
    }
}

/// Bytes a text had before invalid UTF-8 was replaced, at least: what begins a
/// little early repeats, and leaves nothing out.
pub fn source_bytes(text: &str) -> usize {
    text.len() - 2 * text.matches('\u{fffd}').count()
}
