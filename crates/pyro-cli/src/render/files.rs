//! Files of a workspace as a person reads them.
//!
//! Owns: rows, contents and summary lines. Refuses: JSON.

use super::{text, yes};
use serde_json::Value;
use std::fmt::Write;

/// Rows, or lines that match.
pub fn list(list: &Value) -> String {
    let mut out = String::new();
    if let Some(matches) = list["matches"].as_array() {
        for found in matches {
            let _ = writeln!(
                out,
                "{}:{}:{}: {}",
                text(found, "path"),
                found["line"],
                found["column"],
                text(found, "text")
            );
        }
        if matches.is_empty() {
            out.push_str("No line matches.\n");
        }
    } else {
        let _ = writeln!(
            out,
            "Workspace path: {} (recursive={})",
            text(list, "path"),
            yes(&list["recursive"])
        );
        rows(&mut out, list, "No workspace entries found.");
    }
    if list["truncated"] == true {
        out.push_str("More than --limit allows; there is more.\n");
    }
    out
}

/// Rows of a stopped workspace's disk.
pub fn disk_list(list: &Value) -> String {
    let mut out = format!(
        "Workspace disk path: {} (recursive={})\n",
        text(list, "path"),
        yes(&list["recursive"])
    );
    rows(&mut out, list, "No workspace disk entries found.");
    if list["truncated"] == true {
        out.push_str("There is more; list a directory below.\n");
    }
    out
}

fn rows(out: &mut String, list: &Value, none: &str) {
    let entries = list["entries"].as_array().map_or(&[][..], Vec::as_slice);
    for entry in entries {
        let _ = write!(
            out,
            "{} [{}] size={}",
            text(entry, "path"),
            text(entry, "artifact_type"),
            entry["size_bytes"]
        );
        if entry["link_target"].is_string() {
            let _ = write!(out, " -> {}", text(entry, "link_target"));
        }
        out.push('\n');
    }
    if entries.is_empty() {
        let _ = writeln!(out, "{none}");
    }
}

/// After an export of a disk.
pub fn disk_exported(exported: &Value) -> String {
    format!(
        "[workspace-disk-export] workspace_id={} output_path={} disk_format={} bytes_written={}\n",
        text(exported, "workspace_id"),
        text(exported, "output_path"),
        text(exported, "disk_format"),
        exported["bytes_written"]
    )
}

/// What was read, with a newline at its end.
pub fn content(read: &Value) -> String {
    let mut content = text(read, "content");
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    content
}

/// After a content, on stderr.
pub fn read_summary(tag: &str, read: &Value) -> String {
    format!(
        "[{tag}] workspace_id={} path={} size_bytes={} truncated={}",
        text(read, "workspace_id"),
        text(read, "path"),
        read["size_bytes"],
        yes(&read["truncated"])
    )
}

/// After a write.
pub fn written(written: &Value) -> String {
    format!(
        "[workspace-file-write] workspace_id={} path={} bytes_written={} execution_mode={}\n",
        text(written, "workspace_id"),
        text(written, "path"),
        written["bytes_written"],
        text(written, "execution_mode")
    )
}

/// After a patch.
pub fn patched(applied: &Value) -> String {
    let summary = &applied["summary"];
    format!(
        "[workspace-patch] workspace_id={} total={} added={} modified={} deleted={} execution_mode={}\n",
        text(applied, "workspace_id"),
        summary["total"],
        summary["added"],
        summary["modified"],
        summary["deleted"],
        text(applied, "execution_mode")
    )
}

/// After an export.
pub fn exported(exported: &Value) -> String {
    format!(
        "[workspace-export] workspace_id={} workspace_path={} output_path={} artifact_type={} entry_count={} bytes_written={} execution_mode={}\n",
        text(exported, "workspace_id"),
        text(exported, "workspace_path"),
        text(exported, "output_path"),
        text(exported, "artifact_type"),
        exported["entry_count"],
        exported["bytes_written"],
        text(exported, "execution_mode")
    )
}

/// After a sync; what was deleted, a row each.
pub fn synced(synced: &Value) -> String {
    let sync = &synced["workspace_sync"];
    let mut out = format!(
        "[workspace-sync] workspace_id={} mode={} source={} destination={} entry_count={} bytes_written={} execution_mode={}\n",
        text(synced, "workspace_id"),
        text(sync, "mode"),
        text(sync, "source_path"),
        text(sync, "destination"),
        sync["entry_count"],
        sync["bytes_written"],
        text(synced, "execution_mode")
    );
    for gone in sync["deleted"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "deleted {}", gone.as_str().unwrap_or_default());
    }
    if sync["skipped"].as_u64().unwrap_or_default() > 0 {
        let _ = writeln!(
            out,
            "passed over {} sockets, pipes or devices",
            sync["skipped"]
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_and_matches() {
        let listed = list(
            &json!({"path": "/workspace", "recursive": false, "matches": null, "truncated": true,
            "entries": [{"path": "/workspace/a", "artifact_type": "symlink", "size_bytes": 1, "link_target": "b"}]}),
        );
        assert_eq!(
            listed,
            "Workspace path: /workspace (recursive=no)\n/workspace/a [symlink] size=1 -> b\nMore than --limit allows; there is more.\n"
        );
        let found = list(
            &json!({"matches": [{"path": "/workspace/a", "line": 3, "column": 5, "text": "x"}], "truncated": false}),
        );
        assert_eq!(found, "/workspace/a:3:5: x\n");
    }

    #[test]
    fn disks_have_their_own_words() {
        let none = json!({"path": "/etc", "recursive": true, "entries": [], "truncated": false});
        assert_eq!(
            disk_list(&none),
            "Workspace disk path: /etc (recursive=yes)\nNo workspace disk entries found.\n"
        );
        let done = json!({"workspace_id": "w", "output_path": "/d", "disk_format": "ext4", "bytes_written": 4096});
        assert_eq!(
            disk_exported(&done),
            "[workspace-disk-export] workspace_id=w output_path=/d disk_format=ext4 bytes_written=4096\n"
        );
    }

    #[test]
    fn content_ends_its_last_line() {
        assert_eq!(content(&json!({"content": "a"})), "a\n");
        assert_eq!(content(&json!({"content": ""})), "");
    }
}
