//! Shells as a person reads them.
//!
//! Owns: the lines of the contract (`cli.md` §9.5), and what a list and a
//! terminal that left say. Refuses: JSON, exit codes.

use super::text;
use crate::sink::Sink;
use pyro::{Event, EventSink};
use serde_json::Value;
use std::fmt::Write;

/// After anything but a read, on stderr.
pub fn summary(operation: &str, response: &Value) -> String {
    format!(
        "[workspace-{}] workspace_id={} shell_id={} state={} cwd={} cols={} rows={} execution_mode={}",
        operation.replace('_', "-"),
        text(response, "workspace_id"),
        text(response, "shell_id"),
        text(response, "state"),
        text(response, "cwd"),
        response["cols"],
        response["rows"],
        text(response, "execution_mode"),
    )
}

/// The output as it is, then its summary on stderr. The output goes through
/// the sink, so that the summary begins a line where both are one terminal.
pub fn read(response: &Value, sink: &Sink) -> String {
    sink.event(Event::Stdout(text(response, "output").into_bytes()));
    sink.line(&read_summary(response));
    String::new()
}

fn read_summary(response: &Value) -> String {
    let flag = |field: &str| {
        if response[field] == true {
            "True"
        } else {
            "False"
        }
    };
    let idle = match &response["wait_for_idle_ms"] {
        Value::Null => "None".to_owned(),
        idle => idle.to_string(),
    };
    let mut line = format!(
        "[workspace-shell-read] workspace_id={} shell_id={} state={} cursor={} next_cursor={} truncated={} plain={} wait_for_idle_ms={idle} execution_mode={}",
        text(response, "workspace_id"),
        text(response, "shell_id"),
        text(response, "state"),
        response["cursor"],
        response["next_cursor"],
        flag("truncated"),
        flag("plain"),
        text(response, "execution_mode"),
    );
    if response["dropped"].as_u64() > Some(0) {
        let _ = write!(line, " dropped={}", response["dropped"]);
    }
    if response["wait_for_found"] == false {
        line.push_str("\nnote: the text that was waited for did not come");
    }
    line
}

pub fn list(response: &Value) -> String {
    let mut out = String::new();
    for shell in response["shells"].as_array().into_iter().flatten() {
        let _ = write!(
            out,
            "{} [{}] cwd={} cols={} rows={} attached={}",
            text(shell, "shell_id"),
            text(shell, "state"),
            text(shell, "cwd"),
            shell["cols"],
            shell["rows"],
            shell["attached"],
        );
        if !shell["exit_code"].is_null() {
            let _ = write!(out, " exit_code={}", shell["exit_code"]);
        }
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("No workspace shells found.\n");
    }
    out
}

/// After a person's terminal, on stderr.
pub fn left(response: &Value) -> String {
    let line = summary("shell_attach", response);
    if response["detached"] != true {
        return format!("{line} exit_code={}", response["exit_code"]);
    }
    let (workspace, shell) = (text(response, "workspace_id"), text(response, "shell_id"));
    format!(
        "{line}\nnote: it goes on; come back with: pyro workspace shell attach {workspace} {shell}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shell() -> Value {
        json!({"workspace_id": "00000000000a", "shell_id": "00000000000b", "state": "running",
            "cwd": "/workspace", "cols": 120, "rows": 30, "execution_mode": "guest_serial",
            "exit_code": null, "attached": 0})
    }

    #[test]
    fn the_lines_are_those_of_the_contract() {
        assert_eq!(
            summary("shell_open", &shell()),
            "[workspace-shell-open] workspace_id=00000000000a shell_id=00000000000b state=running \
             cwd=/workspace cols=120 rows=30 execution_mode=guest_serial"
        );
        let mut read = shell();
        for (field, value) in [
            ("cursor", json!(3)),
            ("next_cursor", json!(9)),
            ("truncated", json!(false)),
            ("plain", json!(true)),
            ("wait_for_idle_ms", json!(null)),
            ("dropped", json!(0)),
        ] {
            read[field] = value;
        }
        assert_eq!(
            read_summary(&read),
            "[workspace-shell-read] workspace_id=00000000000a shell_id=00000000000b state=running \
             cursor=3 next_cursor=9 truncated=False plain=True wait_for_idle_ms=None execution_mode=guest_serial"
        );
        read["wait_for_idle_ms"] = 300.into();
        read["dropped"] = 7.into();
        read["wait_for_found"] = false.into();
        let told = read_summary(&read);
        assert!(told.contains("wait_for_idle_ms=300 "), "{told}");
        assert!(told.contains(" dropped=7\nnote: "), "{told}");
    }

    #[test]
    fn a_list_tells_how_those_ended_that_did() {
        let mut ended = shell();
        ended["state"] = "stopped".into();
        ended["exit_code"] = 3.into();
        assert_eq!(
            list(&json!({"shells": [shell(), ended]})),
            "00000000000b [running] cwd=/workspace cols=120 rows=30 attached=0\n\
             00000000000b [stopped] cwd=/workspace cols=120 rows=30 attached=0 exit_code=3\n"
        );
        assert_eq!(list(&json!({"shells": []})), "No workspace shells found.\n");
    }

    #[test]
    fn who_left_is_told_how_to_come_back() {
        let mut response = shell();
        response["detached"] = true.into();
        assert!(left(&response).ends_with("attach 00000000000a 00000000000b"));
        response["detached"] = false.into();
        response["exit_code"] = 2.into();
        assert!(left(&response).ends_with(" exit_code=2"));
    }
}
