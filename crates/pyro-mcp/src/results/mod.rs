//! Results as a model reads them.
//!
//! Hosts differ: Claude Code and Codex show a model the structured content of
//! a success, OpenCode its text; of an error all show the text. So each form
//! is complete alone, and small: Codex cuts what is beyond some 10,000
//! characters of the whole, in the middle.
//!
//! ```text
//! request --Window: how much may come back--> operation --> response
//!                     `<--a smaller page, if it does not fit--'
//!   --lean: what says nothing or is there twice goes--> pages: what was cut short is continued how
//!   --shorten: long texts lose their middle, long lists items--> structured
//!                                                           `--> text
//! ```
//!
//! Owns: both forms, and errors. Refuses: what a model may see at all
//! (`boundary`).

pub mod advice;
#[cfg(test)]
mod advice_tests;
mod lean;
mod pages;
mod shorten;
#[cfg(test)]
mod tests;
mod text;
mod window;

use crate::config::Config;
use pyro::{Error, Row};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};
pub use window::{ENTRIES, MOST_BYTES, PAGE_BYTES, Window};

/// What an operation returned, and what is to be known besides.
pub fn success(
    config: &Config,
    row: &Row,
    window: &Window,
    mut response: Value,
    mut notices: Vec<String>,
) -> CallToolResult {
    for notice in &mut notices {
        *notice = advice::translated(config, notice);
    }
    notices.extend(window.notes.iter().cloned());
    if let Some(Value::String(reason)) = response.pointer_mut("/changes/reason") {
        *reason = advice::translated(config, reason);
    }
    lean::lean(row.name, &mut response);
    notices.extend(pages::fit(
        row.name,
        &window.request,
        &mut response,
        window.bytes,
    ));
    let rest = |parent: &Map<String, Value>, key: &str, whole: &str, shown: usize| {
        pages::rest(row.name, &window.request, parent, key, whole, shown)
    };
    // The notices count, too.
    let left = window.bytes.saturating_sub(shorten::size(&json!(notices)));
    let fewer = shorten::shorten(row.name, &mut response, left, &rest);
    let others = pages::others(row.name);
    notices.extend(fewer.into_iter().map(|fewer| format!("{fewer}{others}")));
    if let (Value::Object(fields), false) = (&mut response, notices.is_empty()) {
        fields.insert("notices".to_owned(), json!(notices));
    }
    let mut result =
        CallToolResult::success(vec![ContentBlock::text(text::of(row.name, &response))]);
    result.structured_content = Some(response);
    result
}

/// Why it did not: cause, code, next step in words of this server's tools.
/// Without structured content, which strict clients refuse on errors.
pub fn failure(config: &Config, tool: &str, error: &Error) -> CallToolResult {
    let next = advice::next(config, tool, error);
    error_text(tool, error, &next)
}

/// The same where nothing is known of the server.
pub fn failure_of(tool: &str, error: &Error) -> CallToolResult {
    error_text(tool, error, error.hint.as_deref().unwrap_or("try again"))
}

fn error_text(tool: &str, error: &Error, next: &str) -> CallToolResult {
    let text = format!(
        "Error executing tool {tool}: {}\ncode: {}\nnext: {}",
        one_line(&error.message),
        error.code,
        one_line(next)
    );
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// Messages carry paths and other programs' words: neither may start a line.
fn one_line(text: &str) -> String {
    const MOST_CHARS: usize = 4000;
    text.trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_CHARS)
        .collect()
}
