//! What changed in a workspace as a person reads it.
//!
//! Owns: the summary line, and rows for what no patch shows. Refuses: JSON,
//! and touching the patch: `git apply` passes over what stands before it.

use super::text;
use crate::colour;
use serde_json::Value;
use std::fmt::Write;

/// The summary, then the names, the numbers or the patch, which is coloured
/// for a terminal.
pub fn changes(diff: &Value, in_colour: bool) -> String {
    let mut out = String::new();
    if diff["changed"] == false && diff["truncated"] == false {
        out.push_str("No workspace changes.\n");
        return out;
    }
    let summary = &diff["summary"];
    let _ = write!(
        out,
        "[workspace-diff] workspace_id={} total={} added={} modified={} deleted={} type_changed={} text_patched={} non_text={}",
        text(diff, "workspace_id"),
        summary["total"],
        summary["added"],
        summary["modified"],
        summary["deleted"],
        summary["type_changed"],
        summary["text_patched"],
        summary["non_text"],
    );
    if diff["truncated"] == true {
        out.push_str(" truncated=yes");
    }
    out.push('\n');
    if let Some(names) = diff["names"].as_array() {
        for name in names {
            let _ = writeln!(out, "{}", name.as_str().unwrap_or_default());
        }
    } else if diff["stat"].is_string() {
        out.push_str(&text(diff, "stat"));
    } else {
        for entry in diff["entries"].as_array().into_iter().flatten() {
            row(&mut out, entry);
        }
        let patch = text(diff, "patch");
        if in_colour {
            out.push_str(&colour::patch(&patch));
        } else {
            out.push_str(&patch);
        }
    }
    out
}

/// One that the patch says nothing or not all of.
fn row(out: &mut String, entry: &Value) {
    let silent =
        entry["text_patch"].is_null() && entry["binary"] == false && entry["truncated"] == false;
    if !silent && entry["old_mode"].is_null() {
        return;
    }
    let _ = write!(
        out,
        "{} {} {}",
        text(entry, "status"),
        text(entry, "artifact_type"),
        text(entry, "workspace_path")
    );
    if entry["old_mode"].is_string() {
        let _ = write!(
            out,
            " mode {} -> {}",
            text(entry, "old_mode"),
            text(entry, "new_mode")
        );
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn diff() -> Value {
        let entry = |path: &str, kind: &str, patch: Value| {
            json!({"workspace_path": path, "status": "added", "artifact_type": kind,
                "text_patch": patch, "binary": false, "truncated": false})
        };
        let mut mode = entry("/workspace/m", "file", Value::Null);
        mode["old_mode"] = "0644".into();
        mode["new_mode"] = "0600".into();
        json!({"workspace_id": "w", "changed": true, "truncated": false, "patch": "PATCH\n",
            "entries": [entry("/workspace/d", "directory", Value::Null), mode, entry("/workspace/f", "file", json!("PATCH\n"))],
            "summary": {"total": 3, "added": 2, "modified": 1, "deleted": 0, "type_changed": 0,
                "text_patched": 1, "non_text": 2}})
    }

    #[test]
    fn a_summary_rows_and_the_patch() {
        let line = "[workspace-diff] workspace_id=w total=3 added=2 modified=1 deleted=0 type_changed=0 text_patched=1 non_text=2";
        assert_eq!(
            changes(&diff(), false),
            format!(
                "{line}\nadded directory /workspace/d\nadded file /workspace/m mode 0644 -> 0600\nPATCH\n"
            )
        );
        let mut short = diff();
        short["names"] = json!(["a", "b"]);
        short["truncated"] = true.into();
        assert_eq!(
            changes(&short, false),
            format!("{line} truncated=yes\na\nb\n")
        );
    }

    #[test]
    fn no_change_is_said() {
        let none = json!({"changed": false, "truncated": false});
        assert_eq!(changes(&none, false), "No workspace changes.\n");
    }
}
