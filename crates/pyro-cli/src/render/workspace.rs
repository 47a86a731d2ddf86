//! Workspaces as a person reads them.
//!
//! Owns: the block, the table. Refuses: JSON; commands (command.rs).

use super::{ports, service, text};
use serde_json::Value;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// One workspace, a line per fact.
pub fn block(title: &str, workspace: &Value) -> String {
    let mut lines = format!("{title} ID: {}\n", text(workspace, "workspace_id"));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(lines, "{name}: {value}");
        }
    };
    line("Name", text(workspace, "name"));
    line("Labels", labels(&workspace["labels"], ", "));
    line("Environment", text(workspace, "environment"));
    line("State", state(workspace));
    line("Last error", text(workspace, "last_error"));
    line("Workspace", text(workspace, "workspace_path"));
    line("Workspace seed", seed(&workspace["workspace_seed"]));
    line("Secrets", secrets(&workspace["secrets"]));
    line("Last activity", ago(&workspace["last_activity_at"]));
    if let Some(seconds) = workspace["expires_in_seconds"].as_u64() {
        line("Powered off if unused for", span(seconds));
    }
    line("Network policy", text(workspace, "network_policy"));
    let rules = &workspace["network_rules"];
    line("Allowed domains", listed(&rules["allow_domains"]));
    line("Allowed ranges", listed(&rules["allow_cidrs"]));
    line(
        "Published ports",
        ports::of_workspace(&workspace["published_ports"]),
    );
    line("Execution mode", text(workspace, "execution_mode"));
    line("Backend", backend(workspace));
    line(
        "Resources",
        format!(
            "{} vCPU / {} MiB / disk {} MiB, {} used",
            workspace["vcpu_count"],
            workspace["mem_mib"],
            workspace["disk_mib"],
            bytes(&workspace["disk_used_bytes"])
        ),
    );
    line("Command count", text(workspace, "command_count"));
    if workspace["running_shell_count"].as_u64() > Some(0) {
        line("Running shells", text(workspace, "running_shell_count"));
    }
    if workspace["running_command_count"].as_u64() > Some(0) {
        line("Running commands", text(workspace, "running_command_count"));
    }
    line("Services", service::of_workspace(workspace));
    line("Reset count", text(workspace, "reset_count"));
    line("Last reset", ago(&workspace["last_reset_at"]));
    let last = &workspace["last_command"];
    if last.is_object() {
        line(
            "Last command",
            format!(
                "{} (exit_code={})",
                one_line(&text(last, "command")),
                last["exit_code"]
            ),
        );
    }
    lines
}

fn secrets(secrets: &Value) -> String {
    let secrets = secrets.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = secrets.iter().map(|secret| {
        let hosts = secret["hosts"].as_array().map(Vec::as_slice);
        let hosts: Vec<_> = hosts
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let only = match hosts.is_empty() {
            true => String::new(),
            false => format!(", for {} only", hosts.join(" and ")),
        };
        format!(
            "{} ({}{only})",
            text(secret, "name"),
            text(secret, "source_kind")
        )
    });
    names.collect::<Vec<_>>().join(", ")
}

fn listed(entries: &Value) -> String {
    let entries = entries.as_array().into_iter().flatten();
    let words: Vec<_> = entries.filter_map(Value::as_str).collect();
    words.join(", ")
}

fn seed(seed: &Value) -> String {
    let mut line = text(seed, "mode");
    let from = text(seed, "seed_path");
    if !from.is_empty() {
        let entries = &seed["entry_count"];
        let _ = write!(line, " from {from} ({entries} entries)");
    }
    if seed["origin_kind"] == "repo_url" {
        let _ = write!(line, " from a clone of {}", text(seed, "origin_ref"));
        let _ = write!(line, " ({} entries)", seed["entry_count"]);
    }
    if seed["tracked_only"] == true {
        line.push_str(", Git-tracked files only");
    }
    let asked = text(seed, "repo_ref");
    let commit = text(seed, "repo_commit");
    let short = commit.get(..12).unwrap_or(&commit);
    if !commit.is_empty() && asked != commit && !asked.is_empty() {
        let _ = write!(line, ", at {asked} ({short})");
    } else if !commit.is_empty() {
        let _ = write!(line, ", at {short}");
    }
    if let Some(modified @ 1..) = seed["modified"].as_u64() {
        let _ = write!(line, ", {modified} modified");
    }
    let kinds = seed["skipped_kinds"].as_object().into_iter().flatten();
    let kinds = kinds.map(|(kind, count)| format!("{count} {}", left_out(kind)));
    let kinds: Vec<_> = kinds.collect();
    if !kinds.is_empty() {
        let _ = write!(line, "; passed over: {}", kinds.join(", "));
    }
    line
}

fn left_out(kind: &str) -> &str {
    match kind {
        "special" => "sockets, FIFOs or devices",
        "submodule" => "submodules that are not checked out",
        "sparse" => "outside of the sparse checkout",
        other => other,
    }
}

pub(super) fn state(workspace: &Value) -> String {
    let state = text(workspace, "state");
    match text(workspace, "stop_reason").as_str() {
        _ if workspace["stale"] == true => {
            format!("{state} (stale: its supervisor does not answer)")
        }
        "" | "requested" => state,
        reason => format!("{state} ({})", reason.replace('_', " ")),
    }
}

fn backend(workspace: &Value) -> String {
    match (text(workspace, "backend"), text(workspace, "accelerator")) {
        (backend, accelerator) if !accelerator.is_empty() => format!("{backend} ({accelerator})"),
        (backend, _) => backend,
    }
}

pub(super) fn labels(labels: &Value, between: &str) -> String {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(between)
}

/// All workspaces as a table.
pub fn list(list: &Value) -> String {
    let rows: Vec<[String; 10]> = list["workspaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            [
                text(row, "workspace_id"),
                text(row, "name"),
                state(row),
                text(row, "environment"),
                text(row, "command_count"),
                text(row, "running_shell_count"),
                service::running_of_all(row),
                text(row, "published_port_count"),
                bytes(&row["disk_used_bytes"]),
                ago(&row["last_activity_at"]),
            ]
        })
        .collect();
    let mut out = if rows.is_empty() {
        "No workspaces.\n".to_owned()
    } else {
        table(
            [
                "ID",
                "NAME",
                "STATE",
                "ENVIRONMENT",
                "COMMANDS",
                "SHELLS",
                "SERVICES",
                "PORTS",
                "DISK",
                "LAST ACTIVITY",
            ],
            &rows,
        )
    };
    for damaged in list["damaged"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "damaged: {}: {}",
            text(damaged, "workspace_id"),
            text(damaged, "reason")
        );
    }
    out
}

fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([heads[column].len()])
            .max()
            .unwrap_or_default()
    };
    let mut out = String::new();
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let _ = write!(text, "{cell:<width$}  ", width = width(column));
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&heads);
    for row in rows {
        line(&row.each_ref().map(String::as_str));
    }
    out
}

/// What was, or would be, pruned.
pub fn pruned(pruned: &Value) -> String {
    let done = if pruned["dry_run"] == true {
        "Would delete"
    } else {
        "Deleted"
    };
    let plural = if pruned["count"] == 1 { "" } else { "s" };
    let mut out = format!(
        "{done} {} workspace{plural}, {}.\n",
        pruned["count"],
        bytes(&pruned["freed_bytes"])
    );
    for (what, field) in [
        ("", "deleted_workspace_ids"),
        ("exports of ", "deleted_export_ids"),
    ] {
        for id in pruned[field].as_array().into_iter().flatten() {
            let _ = writeln!(out, "- {what}{}", id.as_str().unwrap_or_default());
        }
    }
    out
}

pub(super) fn one_line(text: &str) -> String {
    const MOST: usize = 80;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST).chain(['…']).collect()
}

pub(super) fn ago(time: &Value) -> String {
    let Some(time) = time.as_f64() else {
        return String::new();
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = (now - time).max(0.0) as u64;
    if seconds < 2 {
        "just now".to_owned()
    } else {
        format!("{} ago", span(seconds))
    }
}

pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

pub(super) fn bytes(count: &Value) -> String {
    let count = count.as_u64().unwrap_or_default();
    match count {
        0..1_048_576 => format!("{} KiB", count >> 10),
        1_048_576..10_737_418_240 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_even_columns() {
        let list = super::list(&json!({"workspaces": [
            {"workspace_id": "00000000000a", "name": "demo", "state": "started", "environment": "debian:12",
             "command_count": 3, "disk_used_bytes": 5_242_880, "last_activity_at": 0.0},
            {"workspace_id": "00000000000b", "name": null, "state": "stopped", "environment": "debian:12-build",
             "command_count": 0, "disk_used_bytes": 409_600, "last_activity_at": 0.0},
        ], "damaged": [{"workspace_id": "00000000000c", "reason": "no JSON"}]}));
        let starts: Vec<_> = list
            .lines()
            .take(3)
            .map(|line| line.find("st").or(line.find("ST")))
            .collect();
        assert_eq!(starts, [starts[0]; 3], "{list}");
        assert!(list.contains("5 MiB") && list.contains("400 KiB"), "{list}");
        assert!(list.ends_with("damaged: 00000000000c: no JSON\n"), "{list}");
        assert_eq!(super::list(&json!({"workspaces": []})), "No workspaces.\n");
    }

    #[test]
    fn a_block_leaves_out_what_is_not_there() {
        let block = block(
            "Workspace",
            &json!({"workspace_id": "00000000000a", "name": null, "labels": {},
            "environment": "debian:12", "state": "stopped", "stop_reason": "idle", "vcpu_count": 1,
            "mem_mib": 512, "disk_mib": 4096, "disk_used_bytes": 0}),
        );
        assert!(
            block.starts_with(
                "Workspace ID: 00000000000a\nEnvironment: debian:12\nState: stopped (idle)\n"
            ),
            "{block}"
        );
        assert!(
            !block.contains("Name:") && !block.contains("Last"),
            "{block}"
        );
    }
}
