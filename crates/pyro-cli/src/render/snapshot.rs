//! Snapshots as a person reads them.
//!
//! Owns: the lines of the contract (`cli.md` §9.2 and §9.4). Refuses: JSON.

use super::{text, yes};
use serde_json::Value;
use std::fmt::Write;

pub fn created(response: &Value) -> String {
    let snapshot = &response["snapshot"];
    format!(
        "[workspace-snapshot-create] workspace_id={} snapshot_name={} kind={} entry_count={} bytes_written={}\n",
        text(response, "workspace_id"),
        text(snapshot, "snapshot_name"),
        text(snapshot, "kind"),
        snapshot["entry_count"],
        snapshot["bytes_written"],
    )
}

pub fn list(response: &Value) -> String {
    let mut out = String::new();
    for one in response["snapshots"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "{} [{}] entry_count={} bytes_written={} deletable={}",
            text(one, "snapshot_name"),
            text(one, "kind"),
            one["entry_count"],
            one["bytes_written"],
            yes(&one["deletable"]),
        );
    }
    if out.is_empty() {
        out.push_str("No workspace snapshots found.\n");
    }
    for damaged in response["damaged"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "damaged: {}", text(damaged, "reason"));
    }
    out
}

pub fn deleted(response: &Value) -> String {
    format!(
        "Deleted workspace snapshot: {}\n",
        text(response, "snapshot_name")
    )
}

/// What a reset gave, below the workspace.
pub fn restored(response: &Value) -> String {
    let reset = &response["workspace_reset"];
    format!(
        "Reset source: {} ({})\nReset restore: destination={} entry_count={} bytes_written={}\n",
        text(reset, "snapshot_name"),
        text(reset, "kind"),
        text(reset, "destination"),
        reset["entry_count"],
        reset["bytes_written"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lines_are_those_of_the_contract() {
        let one = json!({"snapshot_name": "s", "kind": "named", "entry_count": 2,
            "bytes_written": 4096, "deletable": true});
        assert_eq!(
            created(&json!({"workspace_id": "00000000000a", "snapshot": one})),
            "[workspace-snapshot-create] workspace_id=00000000000a snapshot_name=s kind=named entry_count=2 bytes_written=4096\n"
        );
        let damaged = json!([{"snapshot_name": "d", "reason": "snapshot d has no disk"}]);
        assert_eq!(
            list(&json!({"snapshots": [one], "damaged": damaged})),
            "s [named] entry_count=2 bytes_written=4096 deletable=yes\ndamaged: snapshot d has no disk\n"
        );
        assert_eq!(
            list(&json!({"snapshots": []})),
            "No workspace snapshots found.\n"
        );
        assert_eq!(
            deleted(&json!({"snapshot_name": "s"})),
            "Deleted workspace snapshot: s\n"
        );
        let reset = json!({"snapshot_name": "baseline", "kind": "baseline",
            "destination": "/workspace", "entry_count": 0, "bytes_written": 0});
        assert_eq!(
            restored(&json!({"workspace_reset": reset})),
            "Reset source: baseline (baseline)\nReset restore: destination=/workspace entry_count=0 bytes_written=0\n"
        );
    }
}
