//! Results as a model reads them.
//!
//! Hosts differ: Claude Code and Codex show a model the structured content of
//! a success, OpenCode its text; of an error all show the text. So each form
//! is complete alone.
//!
//! Owns: both forms. Refuses: deciding what is in them.

use pyro::{Error, Row};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

/// What an operation returned.
pub fn success(_row: &Row, response: Value) -> CallToolResult {
    let text = serde_json::to_string_pretty(&response).unwrap_or_default();
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(response);
    result
}

/// Why it did not: code, cause, next step. Without structured content, which
/// strict clients refuse on errors.
pub fn failure(error: &Error) -> CallToolResult {
    let mut text = format!("{}: {}", error.code, error.message);
    if let Some(hint) = &error.hint {
        text = format!("{text}\nnext: {hint}");
    }
    CallToolResult::error(vec![ContentBlock::text(text)])
}
