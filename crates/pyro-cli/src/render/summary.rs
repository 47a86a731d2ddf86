//! A session of a workspace as a reviewer reads it on a terminal.
//!
//! Owns: the sections, their counts and rows. Refuses: JSON, and more rows
//! than a screen holds; each section says what shows the rest.

use super::text;
use super::workspace::{ago, bytes, labels, one_line, state};
use serde_json::Value;
use std::fmt::Write;

/// Most rows of a section.
const ROWS: usize = 10;
/// Most rows of changed paths.
const PATH_ROWS: usize = 20;

/// All of it.
pub fn review(summary: &Value) -> String {
    let mut out = String::new();
    head(&mut out, summary);
    commands(&mut out, &summary["commands"]);
    changes(&mut out, &summary["changes"]);
    edits(&mut out, summary);
    services(&mut out, &summary["services"]);
    snapshots(&mut out, &summary["snapshots"]);
    exports(&mut out, &summary["artifacts"]);
    hints(&mut out, summary);
    plain(&out)
}

/// What would act on a terminal, or reorder a line, by its name.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let acts = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if acts || (character.is_control() && character != '\n') {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

fn head(out: &mut String, summary: &Value) {
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name}: {value}");
        }
    };
    let (id, name) = (text(summary, "workspace_id"), text(summary, "name"));
    let named = if name.is_empty() {
        id
    } else {
        format!("{id} ({name})")
    };
    line("Workspace", named);
    line("Labels", labels(&summary["labels"], ", "));
    line("Environment", text(summary, "environment"));
    line("State", state(summary));
    let outcome = &summary["outcome"];
    let since = match outcome["reset_count"].as_u64().unwrap_or_default() {
        0 => "created".to_owned(),
        1 => "reset".to_owned(),
        count => format!("reset for the {count}. time"),
    };
    let started = ago(&summary["session_started_at"]);
    line("Session", format!("{since} {started}"));
    line("Last activity", ago(&summary["last_activity_at"]));
    line("Outcome", verdict(outcome));
    line("Last error", text(outcome, "last_error"));
    line("Page", text(summary, "html_path"));
}

fn verdict(outcome: &Value) -> String {
    let last = &outcome["last_command"];
    let mut verdict = if last.is_object() {
        let how = match last["exit_code"].as_i64() {
            Some(0) => "succeeded".to_owned(),
            Some(code) => format!("failed with exit code {code}"),
            None => "ended without an exit code".to_owned(),
        };
        format!(
            "the last command {how}: {}",
            one_line(&text(last, "command"))
        )
    } else {
        "no command has ended".to_owned()
    };
    let running = outcome["running_command_count"]
        .as_u64()
        .unwrap_or_default();
    if running > 0 {
        let _ = write!(verdict, "; {running} still running");
    }
    verdict
}

/// Heading and rows, and how many rows there are besides.
fn section(out: &mut String, heading: &str, rows: &[String], total: usize) {
    let _ = writeln!(out, "\n{heading}");
    for row in rows {
        let _ = writeln!(out, "  {row}");
    }
    if total > rows.len() {
        let _ = writeln!(out, "  … and {} more", total - rows.len());
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn count(value: &Value) -> usize {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or_default()
}

fn commands(out: &mut String, commands: &Value) {
    let total = count(&commands["total"]);
    let mut heading = format!("Commands: {total}");
    for what in ["failed", "running", "unreadable"] {
        if count(&commands[what]) > 0 {
            let _ = write!(heading, ", {} {what}", commands[what]);
        }
    }
    let recent = items(&commands["recent"]).iter().take(ROWS);
    let rows: Vec<_> = recent
        .map(|command| {
            format!(
                "#{:<4} {:<9} {:>8}  {}",
                text(command, "sequence"),
                ended(command),
                duration(&command["duration_ms"]),
                one_line(&text(command, "command"))
            )
        })
        .collect();
    section(out, &heading, &rows, total);
}

fn ended(command: &Value) -> String {
    match (command["exit_code"].as_i64(), command["timed_out"] == true) {
        (Some(_), true) => "timed out".to_owned(),
        (Some(0), _) => "ok".to_owned(),
        (Some(code), _) => format!("exit {code}"),
        (None, _) => text(command, "state"),
    }
}

fn duration(millis: &Value) -> String {
    match millis.as_u64().unwrap_or_default() {
        millis @ 0..1000 => format!("{millis} ms"),
        millis @ 1000..120_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        millis => format!("{} min", millis / 60_000),
    }
}

fn changes(out: &mut String, changes: &Value) {
    if changes["available"] != true {
        let heading = "Changes: not known";
        section(out, heading, &[text(changes, "reason")], 1);
        return;
    }
    let paths = items(&changes["entries"]);
    let sum = |field: &str| paths.iter().map(|path| count(&path[field])).sum::<usize>();
    let total = count(&changes["summary"]["total"]);
    let mut heading = match total {
        0 => "Changes: none".to_owned(),
        1 => "Changes: 1 path".to_owned(),
        total => format!("Changes: {total} paths"),
    };
    if total > 0 {
        let _ = write!(
            heading,
            ", +{} -{}",
            sum("lines_added"),
            sum("lines_deleted")
        );
    }
    if changes["truncated"] == true {
        heading.push_str(" and more");
    }
    let shown: Vec<_> = paths.iter().take(PATH_ROWS).collect();
    let name = |path: &Value| {
        let name = text(path, "workspace_path");
        plain(name.strip_prefix("/workspace/").unwrap_or(&name))
    };
    let width = shown.iter().map(|path| name(path).chars().count()).max();
    let width = width.unwrap_or_default().min(60);
    let rows: Vec<_> = shown
        .iter()
        .map(|path| {
            let letter = match path["status"].as_str() {
                Some("added") => "A",
                Some("deleted") => "D",
                Some("type_changed") => "T",
                _ => "M",
            };
            let lines = ["lines_added", "lines_deleted"].map(|field| count(&path[field]));
            let lines = match lines {
                // A mode, a directory, something that is no text.
                [0, 0] => text(path, "artifact_type"),
                [added, deleted] => format!("+{added} -{deleted}"),
            };
            format!("{letter} {:<width$} | {lines}", name(path))
        })
        .collect();
    section(out, &heading, &rows, total);
}

fn edits(out: &mut String, summary: &Value) {
    let edits = &summary["edits"];
    let total = count(&edits["total"]);
    let mut heading = format!("Edits: {total}");
    for (field, what) in [
        ("dropped_event_count", "too old to be on record"),
        ("unreadable_event_count", "not readable"),
    ] {
        if count(&summary[field]) > 0 {
            let _ = write!(heading, ", {} events {what}", summary[field]);
        }
    }
    let recent = items(&edits["recent"]).iter().take(ROWS);
    let rows: Vec<_> = recent.map(event).collect();
    section(out, &heading, &rows, total);
}

/// What was done, and when.
fn event(event: &Value) -> String {
    let what = match event["kind"].as_str().unwrap_or_default() {
        "file_write" => format!(
            "wrote {}, {}",
            text(event, "path"),
            size(&event["size_bytes"])
        ),
        "patch_apply" => format!(
            "patched {} file{}: added {}, modified {}, deleted {}",
            event["total"],
            if event["total"] == 1 { "" } else { "s" },
            event["added"],
            event["modified"],
            event["deleted"]
        ),
        "sync_push" => {
            let mut row = format!(
                "synced {} to {}, {} entries",
                text(event, "source_path"),
                text(event, "destination"),
                event["entry_count"]
            );
            if count(&event["deleted_count"]) > 0 {
                let _ = write!(row, ", {} deleted", event["deleted_count"]);
            }
            row
        }
        "snapshot_create" => format!("made {}", text(event, "snapshot_name")),
        "snapshot_delete" => format!("removed {}", text(event, "snapshot_name")),
        other => other.to_owned(),
    };
    format!("{what}, {}", ago(&event["recorded_at"]))
}

fn size(value: &Value) -> String {
    match value.as_u64().unwrap_or_default() {
        1 => "1 byte".to_owned(),
        count @ 0..10_240 => format!("{count} bytes"),
        _ => bytes(value),
    }
}

fn services(out: &mut String, services: &Value) {
    let current = items(&services["current"]);
    if current.is_empty() {
        return;
    }
    let running = current.iter().filter(|one| one["state"] == "running");
    let heading = format!("Services: {}/{} running", running.count(), current.len());
    let rows: Vec<_> = current
        .iter()
        .take(ROWS)
        .map(|one| {
            let how = match text(one, "stop_reason") {
                reason if reason.is_empty() => text(one, "state"),
                reason => format!("{} ({reason})", text(one, "state")),
            };
            let (name, command) = (text(one, "service_name"), text(one, "command"));
            format!("{name:<16} {how:<28}  {}", one_line(&command))
        })
        .collect();
    section(out, &heading, &rows, current.len());
}

fn snapshots(out: &mut String, snapshots: &Value) {
    let heading = format!("Snapshots: {} kept", snapshots["named_count"]);
    let rows: Vec<_> = items(&snapshots["recent"])
        .iter()
        .take(ROWS)
        .map(event)
        .collect();
    section(out, &heading, &rows, rows.len());
}

fn exports(out: &mut String, artifacts: &Value) {
    let exports = items(&artifacts["exports"]);
    let rows: Vec<_> = exports
        .iter()
        .rev()
        .take(ROWS)
        .map(|export| {
            let what = if export["patch"] == true {
                "patch of "
            } else {
                ""
            };
            format!(
                "{what}{} -> {}, {}, {}",
                text(export, "workspace_path"),
                text(export, "output_path"),
                size(&export["bytes_written"]),
                ago(&export["recorded_at"])
            )
        })
        .collect();
    let heading = format!("Exports: {}", exports.len());
    section(out, &heading, &rows, exports.len());
}

fn hints(out: &mut String, summary: &Value) {
    let id = text(summary, "workspace_id");
    out.push('\n');
    if count(&summary["commands"]["total"]) > 0 {
        let _ = writeln!(out, "Output:  pyro workspace logs {id}");
    }
    if summary["changes"]["changed"] == true {
        let _ = writeln!(out, "Patch:   pyro workspace diff {id}");
    }
    if summary["html_path"].is_null() {
        let _ = writeln!(
            out,
            "Page:    pyro workspace summary {id} --html review.html"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn summary() -> Value {
        json!({
            "workspace_id": "00000000000a", "name": "demo", "labels": {"task": "42"},
            "environment": "debian:12", "state": "started", "session_started_at": 0.0,
            "last_activity_at": 0.0, "html_path": null,
            "outcome": {"reset_count": 0, "running_command_count": 1, "last_error": null,
                "last_command": {"command": "make\ncheck", "exit_code": 2}},
            "commands": {"total": 12, "failed": 1, "running": 1, "recent": [
                {"sequence": 12, "state": "running", "exit_code": null, "timed_out": false, "duration_ms": 61_500, "command": "sleep 99"},
                {"sequence": 11, "state": "exited", "exit_code": 2, "timed_out": false, "duration_ms": 7, "command": "make\ncheck"}]},
            "changes": {"available": true, "changed": true, "truncated": false, "summary": {"total": 2}, "entries": [
                {"workspace_path": "/workspace/a", "status": "added", "artifact_type": "file", "lines_added": 3, "lines_deleted": 0},
                {"workspace_path": "/workspace/long", "status": "deleted", "artifact_type": "symlink", "lines_added": null, "lines_deleted": null}]},
            "edits": {"total": 1, "recent": [{"kind": "file_write", "path": "/workspace/a", "size_bytes": 1, "recorded_at": 0.0}]},
            "dropped_event_count": 5, "unreadable_event_count": 0,
            "snapshots": {"named_count": 1, "recent": [{"kind": "snapshot_create", "snapshot_name": "s", "recorded_at": 0.0}]},
            "artifacts": {"exports": [{"workspace_path": "/workspace", "output_path": "/o", "patch": true, "bytes_written": 20_480, "recorded_at": 0.0}]},
        })
    }

    #[test]
    fn each_section_has_its_rows() {
        let text = review(&summary());
        for line in [
            "Workspace: 00000000000a (demo)",
            "Outcome: the last command failed with exit code 2: make check; 1 still running",
            "Commands: 12, 1 failed, 1 running",
            "  #12   running     61.5 s  sleep 99",
            "  #11   exit 2        7 ms  make check",
            "  … and 10 more",
            "Changes: 2 paths, +3 -0",
            "  A a    | +3 -0",
            "  D long | symlink",
            "Edits: 1, 5 events too old to be on record",
            "Snapshots: 1 kept",
            "Exports: 1",
            "Patch:   pyro workspace diff 00000000000a",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} in\n{text}"
            );
        }
        assert!(text.contains("  wrote /workspace/a, 1 byte, "), "{text}");
        assert!(
            text.contains("  patch of /workspace -> /o, 20 KiB, "),
            "{text}"
        );
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        let mut hostile = summary();
        hostile["commands"]["recent"][0]["command"] = "a\u{1b}[2Jb\u{202e}c".into();
        hostile["name"] = "\u{9b}x".into();
        let text = review(&hostile);
        assert!(
            text.contains("a\\u{1b}[2Jb\\u{202e}c") && text.contains("(\\u{9b}x)"),
            "{text}"
        );
    }

    #[test]
    fn without_a_guest_the_reason_stands_where_changes_would() {
        let mut stopped = summary();
        stopped["changes"] = json!({"available": false, "reason": "it is stopped", "entries": []});
        let text = review(&stopped);
        assert!(
            text.contains("Changes: not known\n  it is stopped\n"),
            "{text}"
        );
        assert!(!text.contains("workspace diff"), "{text}");
    }
}
