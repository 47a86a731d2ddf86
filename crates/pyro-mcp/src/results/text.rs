//! The text form of a result, for models and people alike.
//!
//! ```text
//! any      key: value, one line each; lists as lines; long texts last, as they are
//! command  how it ended, then what it wrote
//! diff     the counts, then the patch
//! file     its content
//! files    one line each
//! ```
//!
//! Owns: these forms. Refuses: cutting; it shows what the structure has.

use serde_json::{Map, Value};
use std::fmt::Write;

/// The text of a response.
pub fn of(name: &str, response: &Value) -> String {
    let mut text = match name {
        "workspace_exec" | "vm_run" | "vm_exec" => command(response),
        "workspace_logs" => logs(response),
        "workspace_diff" => diff(response),
        "workspace_file_read" | "workspace_disk_read" => content(response),
        "workspace_file_list" | "workspace_disk_list" => files(response),
        "shell_read" => shell(response),
        _ => fields(response),
    };
    for notice in response["notices"].as_array().into_iter().flatten() {
        end_line(&mut text);
        let _ = write!(text, "note: {}", word(notice));
    }
    text
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// A scalar without quotes.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

/// A text under its name.
fn block(text: &mut String, name: &str, content: &str) {
    if content.is_empty() {
        return;
    }
    end_line(text);
    let _ = write!(text, "--- {name}\n{content}");
}

fn command(response: &Value) -> String {
    let mut text = ended(response);
    let mut about = Vec::new();
    for key in ["command_id", "sequence", "workspace_id"] {
        if !response[key].is_null() {
            about.push(format!("{key} {}", word(&response[key])));
        }
    }
    if !about.is_empty() {
        let _ = write!(text, "\n{}", about.join(", "));
    }
    if response["lossy"] == true {
        text.push_str("\nbytes that are no UTF-8 are shown as \u{fffd}");
    }
    for stream in ["stdout", "stderr"] {
        block(
            &mut text,
            stream,
            response[stream].as_str().unwrap_or_default(),
        );
    }
    text
}

/// How it is with a command: one line.
fn ended(response: &Value) -> String {
    let seconds = response["duration_ms"].as_f64().unwrap_or_default() / 1000.0;
    let mut text = match (&response["exit_code"], response["running"] == true) {
        (_, true) => "still running".to_owned(),
        (Value::Null, _) => format!("no exit code: {}", word(&response["state"])),
        (code, _) => format!("exit code {code}"),
    };
    if response["timed_out"] == true {
        text.push_str(" (killed at its deadline)");
    } else if let Some(signal) = response["signal"].as_i64() {
        let _ = write!(text, " (signal {signal})");
    }
    let _ = write!(
        text,
        ", {seconds:.1} s, stdout {} bytes, stderr {} bytes",
        response["stdout_bytes"], response["stderr_bytes"]
    );
    if let Some(error) = response["error"].as_str() {
        let _ = write!(text, "\n{error}");
    }
    text
}

fn logs(response: &Value) -> String {
    let mut text = format!("{} commands", response["count"]);
    for entry in response["entries"].as_array().into_iter().flatten() {
        let _ = write!(
            text,
            "\n\n#{} {}\n{} ({})",
            entry["sequence"],
            word(&entry["command"]),
            ended(entry),
            word(&entry["command_id"])
        );
        for stream in ["stdout", "stderr"] {
            block(
                &mut text,
                stream,
                entry[stream].as_str().unwrap_or_default(),
            );
        }
    }
    page(&mut text, response);
    text
}

fn page(text: &mut String, response: &Value) {
    let page = &response["page"];
    if page.is_null() {
        return;
    }
    let name = format!(
        "{} from byte {} of {}; next offset {}",
        word(&page["stream"]),
        page["offset"],
        page["total_bytes"],
        word(&page["next_offset"]).replace("null", "none")
    );
    let content = page["text"].as_str().unwrap_or_default();
    block(
        text,
        &name,
        if content.is_empty() {
            "(nothing)"
        } else {
            content
        },
    );
}

fn diff(response: &Value) -> String {
    if response["changed"] == false {
        return "nothing changed".to_owned();
    }
    let summary = &response["summary"];
    let mut text = format!(
        "{} changed: {} added, {} modified, {} deleted, {} of another type",
        summary["total"],
        summary["added"],
        summary["modified"],
        summary["deleted"],
        summary["type_changed"]
    );
    for entry in response["entries"].as_array().into_iter().flatten() {
        let _ = write!(
            text,
            "\n{} {}",
            word(&entry["status"]),
            word(&entry["path"])
        );
    }
    if response["redacted"].as_u64().is_some_and(|count| count > 0) {
        text.push_str("\nsecrets are replaced by [REDACTED]: this patch does not apply");
    }
    if let Some(stat) = response["stat"].as_str() {
        block(&mut text, "stat", stat);
    }
    block(
        &mut text,
        "patch",
        response["patch"].as_str().unwrap_or_default(),
    );
    text
}

fn content(response: &Value) -> String {
    let mut text = format!(
        "{}, {} bytes",
        word(&response["path"]),
        response["size_bytes"]
    );
    for (key, what) in [("total_lines", "lines"), ("redacted", "secrets replaced")] {
        if let Some(count) = response[key].as_u64().filter(|count| *count > 0) {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if let Some(hash) = response["sha256"].as_str() {
        let _ = write!(text, ", sha256 {hash}");
    }
    match response["content"].as_str().unwrap_or_default() {
        "" => text.push_str("\n(nothing)"),
        content => block(&mut text, "content", content),
    }
    text
}

fn files(response: &Value) -> String {
    let mut text = word(&response["path"]);
    for entry in response["entries"].as_array().into_iter().flatten() {
        let _ = write!(text, "\n{}", word(&entry["path"]));
        match entry["artifact_type"].as_str() {
            Some("directory") => text.push('/'),
            Some("symlink") => {
                let _ = write!(text, " -> {}", word(&entry["link_target"]));
            }
            Some("file") => {
                let _ = write!(text, " ({} bytes)", entry["size_bytes"]);
            }
            other => {
                let _ = write!(text, " ({})", other.unwrap_or("unknown"));
            }
        }
    }
    if let Some(matches) = response["matches"].as_array() {
        let _ = write!(text, "\n{} matches", matches.len());
        for found in matches {
            let _ = write!(
                text,
                "\n{}:{}:{}",
                word(&found["path"]),
                found["line"],
                word(&found["text"])
            );
        }
    }
    text
}

fn shell(response: &Value) -> String {
    let mut text = format!(
        "shell {} is {}, next_cursor {}",
        word(&response["shell_id"]),
        word(&response["state"]),
        response["next_cursor"]
    );
    for (key, what) in [
        ("exit_code", "exit code"),
        ("dropped", "characters that are not kept any more"),
        ("wait_for_found", "what was waited for came"),
    ] {
        if !response[key].is_null() && response[key] != 0 {
            let _ = write!(text, ", {what}: {}", response[key]);
        }
    }
    block(
        &mut text,
        "output",
        response["output"].as_str().unwrap_or_default(),
    );
    text
}

/// Any response: nothing that is empty, long texts last.
fn fields(response: &Value) -> String {
    let Value::Object(all) = response else {
        return word(response);
    };
    let mut text = String::new();
    let mut blocks = Vec::new();
    lines(&mut text, "", all, &mut blocks);
    for (name, content) in blocks {
        block(&mut text, &name, content);
    }
    if text.is_empty() {
        text.push_str("done");
    }
    text
}

fn lines<'a>(
    text: &mut String,
    prefix: &str,
    all: &'a Map<String, Value>,
    blocks: &mut Vec<(String, &'a str)>,
) {
    for (key, value) in all {
        let name = format!("{prefix}{key}");
        match value {
            _ if is_nothing(value) || (prefix.is_empty() && key == "notices") => {}
            Value::String(content) if content.contains('\n') => blocks.push((name, content)),
            Value::Object(below) => lines(text, &format!("{name}."), below, blocks),
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                end_line(text);
                let _ = write!(text, "{name}:");
                for item in items {
                    let _ = write!(text, "\n- {}", in_one_line(item));
                }
            }
            Value::Array(items) => {
                end_line(text);
                let words: Vec<String> = items.iter().map(word).collect();
                let _ = write!(text, "{name}: {}", words.join(", "));
            }
            scalar => {
                end_line(text);
                let _ = write!(text, "{name}: {}", word(scalar));
            }
        }
    }
}

fn in_one_line(item: &Value) -> String {
    match item {
        Value::Object(fields) => {
            let words: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !is_nothing(value))
                .map(|(key, value)| format!("{key}={}", in_one_line(value)))
                .collect();
            words.join(" ")
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(in_one_line).collect();
            format!("[{}]", words.join(", "))
        }
        Value::String(text) if text.contains([' ', '\n', '=']) => format!("{text:?}"),
        scalar => word(scalar),
    }
}
