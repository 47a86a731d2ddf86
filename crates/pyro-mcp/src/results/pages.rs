//! How a model goes on reading.
//!
//! ```text
//! page    a file, a page of a log, a shell: the call for the next one is told;
//!         it begins at the byte, the line or the letter behind the last shown
//! whole   outputs of commands: the middle is cut (`shorten`), and the call
//!         that reads it is told in its place
//! patch   whole files of it, as many as fit; the others are named
//! ```
//!
//! Owns: the exact calls. Refuses: reading anything.

use super::shorten::{head_end, size, text_size};
use super::window::{MOST_BYTES, PAGE_BYTES, source_bytes};
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

/// Says how to get the next page, and cuts what is a page and too long.
pub fn fit(name: &str, request: &Value, response: &mut Value, bytes: usize) -> Vec<String> {
    match name {
        "workspace_file_read" => file(request, response),
        "workspace_file_list" if response["truncated"] == true => {
            Some("not all are listed: name a folder below as path, or search".to_owned())
        }
        "workspace_disk_read" => of_disk(response),
        "shell_read" => shell(request, response, bytes),
        "workspace_logs" => log(
            name,
            &["workspace_id", "sequence", "stream"],
            request,
            response,
        ),
        "service_logs" => log(
            name,
            &["workspace_id", "service_name", "stream"],
            request,
            response,
        ),
        "workspace_diff" => patch(request, response, bytes),
        _ => None,
    }
    .into_iter()
    .collect()
}

fn file(request: &Value, response: &mut Value) -> Option<String> {
    let next = response["next_offset"].as_u64()?;
    let (first, last) = (&request["first_line"], &request["last_line"]);
    let by_offset = |what: &str| {
        let fields = ["workspace_id", "path", "max_bytes"];
        let next = call(
            "workspace_file_read",
            request,
            &fields,
            json!({ "offset": next }),
        );
        Some(format!("{what} goes on: {next}"))
    };
    if first.is_null() && last.is_null() {
        return by_offset("the file");
    }
    let first = first.as_u64().unwrap_or(1);
    let content = response["content"].as_str().unwrap_or_default();
    let Some(end) = content.rfind('\n') else {
        return by_offset(&format!("line {first} is longer than a page and"));
    };
    let whole_lines = content.matches('\n').count() as u64;
    if last.as_u64().is_some_and(|last| first + whole_lines > last) {
        // All that was asked for.
        return None;
    }
    response["content"] = json!(content[..=end]);
    if let Some(fields) = response.as_object_mut() {
        // It is behind the part of a line that is left to the next page.
        fields.remove("next_offset");
    }
    let next = call(
        "workspace_file_read",
        request,
        &["workspace_id", "path", "last_line", "max_bytes"],
        json!({ "first_line": first + whole_lines }),
    );
    Some(format!("the lines go on: {next}"))
}

fn of_disk(response: &Value) -> Option<String> {
    (response["truncated"] == true).then(|| {
        format!(
            "this is the beginning of the file: max_bytes gives up to {MOST_BYTES} of it; \
             workspace_start and workspace_file_read with offset, or workspace_exec, give the rest"
        )
    })
}

fn shell(request: &Value, response: &mut Value, bytes: usize) -> Option<String> {
    // What a terminal looks like is no stream that could be cut anywhere.
    if response["plain"] != true {
        let whole = size(response);
        let output = response["output"].as_str()?;
        // A sentence about the next page has to fit, too.
        let room = bytes.saturating_sub(whole - text_size(output) + 300);
        if whole + 300 > bytes {
            let shown = output[..head_end(output, room)].to_owned();
            let cursor = response["cursor"].as_u64().unwrap_or_default();
            response["next_cursor"] = json!(cursor + shown.chars().count() as u64);
            response["truncated"] = json!(true);
            response["output"] = json!(shown);
        }
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

fn log(name: &str, fields: &[&str], request: &Value, response: &mut Value) -> Option<String> {
    let page = response.get("page").filter(|page| page.is_object())?;
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
    let left_out = starts[shown..]
        .iter()
        .filter_map(|start| changed(&patch[*start..]));
    let paths: Vec<&str> = left_out.take(5).collect();
    // Without any it would be the same call again.
    let example = match paths.is_empty() {
        true => String::new(),
        false => {
            let more = json!({ "paths": paths });
            let next = call("workspace_diff", request, &["workspace_id"], more);
            format!(", for example {next}")
        }
    };
    let said = format!(
        "patch: the first {shown} of {} sections are shown; the others by path{example}; workspace_export with patch writes all of it to a file",
        starts.len()
    );
    response["patch"] = json!(kept);
    Some(said)
}

/// The path that a section is about, also of a file that is gone; none where
/// it is quoted.
fn changed(section: &str) -> Option<&str> {
    let head = section
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("@@") && !line.starts_with("diff --git "));
    let paths = head.filter_map(|line| {
        let path = line.strip_prefix("+++ b/");
        path.or_else(|| line.strip_prefix("--- a/"))
    });
    paths.filter(|path| !path.contains('\t')).last()
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
    let head = source_bytes(&whole[..shown]) as u64;
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
        "shell_read" if key == "output" => {
            let chars = request["max_chars"].as_u64().unwrap_or(PAGE_BYTES);
            let next = call(
                "shell_read",
                request,
                &["workspace_id", "shell_id", "plain", "cursor"],
                json!({ "max_chars": (chars / 2).max(1) }),
            );
            Some(format!("in smaller parts by {next}"))
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

/// How to see the items of a list that did not fit.
pub fn others(name: &str) -> &'static str {
    match name {
        "workspace_file_list" | "workspace_disk_list" => "; name a folder below as path",
        "workspace_logs" => "; one command by its sequence",
        "workspace_diff" => "; some by paths",
        _ => "",
    }
}
