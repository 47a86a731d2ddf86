//! How a model goes on reading.
//!
//! ```text
//! page    a file, a page of a log, a shell: its end is cut, what says where
//!         the next one begins is set, and the call for it is told
//! whole   outputs of commands: the middle is cut (`shorten`), and the call
//!         that reads it is told in its place
//! patch   whole files of it, as many as fit; the others are named
//! ```
//!
//! Owns: the exact calls. Refuses: reading anything.

use super::shorten::{head_end, size, text_size};
use super::window::PAGE_BYTES;
use serde_json::{Map, Value, json};

/// A call as it is to be sent.
fn call(tool: &str, request: &Value, fields: &[&str], more: Value) -> String {
    let mut arguments: Map<String, Value> = fields
        .iter()
        .filter(|field| !request[**field].is_null())
        .map(|field| ((*field).to_owned(), request[*field].clone()))
        .collect();
    if let Value::Object(more) = more {
        arguments.extend(more);
    }
    format!("{tool} {}", Value::Object(arguments))
}

/// Cuts what is a page at its end, and says how to get the next one.
pub fn fit(name: &str, request: &Value, response: &mut Value, bytes: usize) -> Vec<String> {
    match name {
        "workspace_file_read" => file(request, response, bytes),
        "shell_read" => shell(request, response, bytes),
        "workspace_logs" => log(
            name,
            &["workspace_id", "sequence", "stream"],
            request,
            response,
            bytes,
        ),
        "service_logs" => log(
            name,
            &["workspace_id", "service_name", "stream"],
            request,
            response,
            bytes,
        ),
        "workspace_diff" => patch(request, response, bytes),
        _ => None,
    }
    .into_iter()
    .collect()
}

/// What follows the end of a text that has to get shorter: cuts it and
/// returns what is left in it. None when it fits.
fn cut_end(response: &mut Value, pointer: &str, bytes: usize) -> Option<String> {
    let whole = size(response);
    let text = response.pointer(pointer)?.as_str()?;
    // A sentence about the next page has to fit, too.
    let room = bytes.saturating_sub(whole - text_size(text) + 300);
    let end = head_end(text, room);
    if whole + 300 <= bytes || end == text.len() {
        return None;
    }
    let shown = text[..end].to_owned();
    *response.pointer_mut(pointer)? = json!(shown);
    Some(shown)
}

/// Bytes a text had before invalid UTF-8 was replaced, at least: a page that
/// begins a little early repeats, and leaves nothing out.
fn source_bytes(text: &str) -> u64 {
    let replaced = text.matches('\u{fffd}').count();
    (text.len() - 2 * replaced) as u64
}

fn file(request: &Value, response: &mut Value, bytes: usize) -> Option<String> {
    let fields = ["workspace_id", "path"];
    let lines = request["first_line"]
        .as_u64()
        .or(request["last_line"].as_u64().map(|_| 1));
    let cut = cut_end(response, "/content", bytes);
    if cut.is_some() {
        response["truncated"] = json!(true);
    }
    if response["truncated"] != true {
        return None;
    }
    let content = response["content"].as_str().unwrap_or_default();
    let next = if let Some(first) = lines {
        let shown = content.matches('\n').count() as u64;
        call(
            "workspace_file_read",
            request,
            &["workspace_id", "path", "last_line"],
            json!({ "first_line": first + shown }),
        )
    } else {
        let offset = request["offset"].as_u64().unwrap_or_default();
        // What was not cut here is as long as was asked for, whatever it held.
        let shown = match &cut {
            Some(shown) => source_bytes(shown),
            None => request["max_bytes"].as_u64().unwrap_or_default(),
        };
        call(
            "workspace_file_read",
            request,
            &fields,
            json!({ "offset": offset + shown, "max_bytes": request["max_bytes"] }),
        )
    };
    Some(format!("the file goes on: {next}"))
}

fn shell(request: &Value, response: &mut Value, bytes: usize) -> Option<String> {
    // What a terminal looks like is no stream that could be cut anywhere.
    if response["plain"] != true
        && let Some(shown) = cut_end(response, "/output", bytes)
    {
        let cursor = response["cursor"].as_u64().unwrap_or_default();
        response["next_cursor"] = json!(cursor + shown.chars().count() as u64);
        response["truncated"] = json!(true);
    }
    if response["truncated"] != true {
        return None;
    }
    let next = call(
        "shell_read",
        request,
        &["workspace_id", "shell_id", "plain", "max_chars"],
        json!({ "cursor": response["next_cursor"] }),
    );
    Some(format!("there is more: {next}"))
}

fn log(
    name: &str,
    fields: &[&str],
    request: &Value,
    response: &mut Value,
    bytes: usize,
) -> Option<String> {
    let shown = cut_end(response, "/page/text", bytes);
    let page = response.get_mut("page").filter(|page| page.is_object())?;
    if let Some(shown) = shown {
        let offset = page["offset"].as_u64().unwrap_or_default();
        page["next_offset"] = json!(offset + source_bytes(&shown));
    }
    let next = page["next_offset"].as_u64()?;
    // A running command has a next page that is empty so far.
    if Some(next) >= page["total_bytes"].as_u64() {
        return None;
    }
    let next = call(
        name,
        request,
        fields,
        json!({ "offset": next, "limit": request["limit"] }),
    );
    Some(format!("the log goes on: {next}"))
}

/// Whole sections of a patch, as many as fit.
fn patch(request: &Value, response: &mut Value, bytes: usize) -> Option<String> {
    let patch = response["patch"].as_str()?;
    let others = size(response) - text_size(patch);
    let room = bytes.saturating_sub(others.min(bytes / 3) + 600);
    if text_size(patch) <= room {
        return None;
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(patch.match_indices("\ndiff --git ").map(|(at, _)| at + 1))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([patch.len()]);
    let (mut end, mut used) = (0, 0);
    for section_end in ends {
        used += text_size(&patch[end..section_end]);
        if used > room && end > 0 {
            break;
        }
        end = section_end;
        if used > room {
            break;
        }
    }
    if end == patch.len() {
        return None;
    }
    let shown = starts.iter().filter(|start| **start < end).count();
    let kept = patch[..end].to_owned();
    let left_out = patch[end..]
        .lines()
        .filter_map(|line| line.strip_prefix("+++ b/"));
    let mut paths: Vec<&str> = left_out.take(5).collect();
    paths.retain(|path| !path.contains('\t'));
    let next = call(
        "workspace_diff",
        request,
        &["workspace_id"],
        json!({ "paths": paths }),
    );
    let said = format!(
        "patch: the first {shown} of {} sections are shown; the others by path, for example {next}; workspace_export with patch writes all of it to a file",
        starts.len()
    );
    response["patch"] = json!(kept);
    Some(said)
}

/// What reads the rest of the text `key` of `parent`, whose middle was cut
/// behind `shown` bytes.
pub fn rest(
    name: &str,
    request: &Value,
    parent: &Map<String, Value>,
    key: &str,
    whole: &str,
    shown: usize,
) -> Option<String> {
    let is_stream = matches!(key, "stdout" | "stderr");
    let head = source_bytes(&whole[..shown]);
    match name {
        "workspace_exec" | "workspace_logs" if is_stream => {
            let page = json!({
                "sequence": parent.get("sequence")?,
                "stream": key,
                "offset": head,
                "limit": PAGE_BYTES,
            });
            let next = call("workspace_logs", request, &["workspace_id"], page);
            Some(format!("read on by {next}"))
        }
        "service_logs" if is_stream => {
            // It is the end of what was written.
            let written = parent.get(&format!("{key}_bytes"))?.as_u64()?;
            let offset = written.saturating_sub(whole.len() as u64) + head;
            let next = call(
                "service_logs",
                request,
                &["workspace_id", "service_name"],
                json!({ "stream": key, "offset": offset, "limit": PAGE_BYTES }),
            );
            Some(format!("read on by {next}"))
        }
        "vm_run" | "vm_exec" if is_stream => Some(
            "nothing keeps it: run the command again with its output piped through tail or grep"
                .to_owned(),
        ),
        "workspace_diff" if key == "patch" => {
            Some("workspace_export with patch writes all of it to a file".to_owned())
        }
        _ => None,
    }
}
