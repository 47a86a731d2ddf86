//! Results as text: one JSON object, or the human form of each operation.
//!
//! Owns: which form an operation has. Refuses: exit codes and errors.

mod command;
mod diff;
mod doctor;
mod environment;
mod files;
mod host;
mod mcp_tools;
mod network;
mod ports;
mod service;
mod setup;
mod shell;
mod snapshot;
mod summary;
mod workspace;

pub use command::no_exit_code;
pub use mcp_tools::costs as tool_costs;
pub use service::exit_code as service_exit_code;

use crate::colour;
use crate::sink::Sink;
use serde::Serialize;
use serde_json::Value;

/// Two spaces, sorted keys, a newline at the end.
pub fn json(value: &impl Serialize) -> String {
    // Through Value, whose maps are sorted; writing one to a string cannot fail.
    let sorted = serde_json::to_value(value).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
    text.push('\n');
    text
}

/// What goes to stdout; a summary line goes to stderr at once.
pub fn result(operation: &str, as_json: bool, response: &Value, sink: &Sink) -> String {
    if as_json {
        return json(response);
    }
    match operation {
        "vm_run" => {
            sink.line(&run_summary(response));
            String::new()
        }
        "env_list" => environment::list(response),
        "env_pull" => environment::detail("Pulled", response),
        "env_build" => environment::detail("Built", response),
        "env_inspect" => environment::detail("Environment", response),
        "env_verify" => environment::verified(response),
        "env_prune" => environment::pruned(response),
        "doctor" => doctor::report(response),
        "prepare" => prepared(response),
        "setup_firecracker" => setup::firecracker(response),
        "host_connect" | "host_repair" => host::connected(operation, response),
        "host_doctor" => host::report(response),
        "host_print_config" => host::printed(response),
        "workspace_create" | "workspace_status" | "workspace_update" => {
            workspace::block("Workspace", response)
        }
        "workspace_start" => workspace::block("Started workspace", response),
        "workspace_stop" => workspace::block("Stopped workspace", response),
        "workspace_reset" => {
            workspace::block("Reset workspace", response) + &snapshot::restored(response)
        }
        "snapshot_create" => snapshot::created(response),
        "snapshot_list" => snapshot::list(response),
        "snapshot_delete" => snapshot::deleted(response),
        "port_publish" => ports::published(response),
        "port_list" => ports::list(response),
        "port_unpublish" => ports::unpublished(response),
        "workspace_list" => workspace::list(response),
        "service_list" => service::list(response),
        "service_start" | "service_status" | "service_stop" => {
            sink.line(&service::summary(operation, response));
            String::new()
        }
        "service_logs" => {
            sink.text(&service::written(response, "stderr"));
            sink.line(&service::summary(operation, response));
            service::written(response, "stdout")
        }
        "workspace_delete" => format!("Deleted workspace: {}\n", text(response, "workspace_id")),
        "workspace_prune" => workspace::pruned(response),
        "workspace_file_list" => files::list(response),
        "workspace_file_read" => {
            sink.line(&files::read_summary("workspace-file-read", response));
            files::content(response)
        }
        "workspace_file_write" => files::written(response),
        "workspace_patch_apply" => files::patched(response),
        "workspace_diff" => diff::changes(response, colour::wanted()),
        "workspace_summary" => summary::review(response),
        "workspace_export" => files::exported(response),
        "workspace_disk_list" => files::disk_list(response),
        "workspace_disk_read" => {
            sink.line(&files::read_summary("workspace-disk-read", response));
            files::content(response)
        }
        "workspace_disk_export" => files::disk_exported(response),
        "workspace_sync_push" => files::synced(response),
        "workspace_exec" => {
            sink.line(&command::summary(response));
            String::new()
        }
        "shell_open" | "shell_write" | "shell_signal" | "shell_resize" | "shell_close" => {
            sink.line(&shell::summary(operation, response));
            String::new()
        }
        "shell_read" => shell::read(response, sink),
        "shell_list" => shell::list(response),
        "shell_attach" => {
            sink.line(&shell::left(response));
            String::new()
        }
        "workspace_network_log" => network::log(response),
        "workspace_logs" => {
            let (stdout, stderr) = command::logs(response);
            sink.text(&stderr);
            stdout
        }
        // demo, and every operation that has no human form of its own.
        _ => json(response),
    }
}

/// One field alone: an id on a line, a content or a patch as it is.
pub fn only(response: &Value, field: &str) -> String {
    let text = text(response, field);
    if matches!(field, "content" | "patch") {
        text
    } else {
        format!("{text}\n")
    }
}

fn run_summary(response: &Value) -> String {
    format!(
        "[run] environment={} execution_mode={} exit_code={} duration_ms={}",
        text(response, "environment"),
        text(response, "execution_mode"),
        response["exit_code"],
        response["duration_ms"]
    )
}

fn prepared(response: &Value) -> String {
    let result = if response["reused"] == true {
        "reused"
    } else {
        "prepared"
    };
    format!(
        "Prepare: {}\nDaily loop: {}\nResult: {result} network_prepared={}\n",
        text(response, "environment"),
        text(response, "status").to_uppercase(),
        yes(&response["network_prepared"]),
    )
}

/// A field as a person reads it; empty when absent or null.
fn text(object: &Value, field: &str) -> String {
    match &object[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn yes(value: &Value) -> &'static str {
    if value == true { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_the_text_ends_with_a_newline() {
        let text = super::json(&json!({"b": 1, "a": {"d": [], "c": null}}));
        assert_eq!(
            text,
            "{\n  \"a\": {\n    \"c\": null,\n    \"d\": []\n  },\n  \"b\": 1\n}\n"
        );
    }

    #[test]
    fn the_summary_of_a_run() {
        let response = json!({"environment": "debian:12", "execution_mode": "guest_serial",
            "exit_code": 7, "duration_ms": 12});
        assert_eq!(
            run_summary(&response),
            "[run] environment=debian:12 execution_mode=guest_serial exit_code=7 duration_ms=12"
        );
    }

    #[test]
    fn a_reused_preparation_says_so() {
        let response = json!({"environment": "debian:12", "status": "warm", "reused": true,
            "network_prepared": false});
        assert_eq!(
            prepared(&response),
            "Prepare: debian:12\nDaily loop: WARM\nResult: reused network_prepared=no\n"
        );
    }
}
