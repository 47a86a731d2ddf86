//! Commands of a workspace as a person reads them.
//!
//! Owns: the summary of one, the log, a page of it. Refuses: JSON, exit codes.

use super::{text, yes};
use serde_json::Value;
use std::fmt::Write;

/// After a command, or a look at one, on stderr.
pub fn summary(response: &Value) -> String {
    let mut line = format!(
        "[workspace-exec] workspace_id={} sequence={} cwd={} execution_mode={} exit_code={} duration_ms={}",
        text(response, "workspace_id"),
        response["sequence"],
        text(response, "cwd"),
        text(response, "execution_mode"),
        response["exit_code"],
        response["duration_ms"]
    );
    let state = text(response, "state");
    if state != "exited" {
        let _ = write!(
            line,
            " command_id={} state={state}",
            text(response, "command_id")
        );
    }
    if response["running"] == true {
        let _ = write!(
            line,
            "\nnote: it runs on; see more with: pyro workspace exec {} --command-id {} --wait-seconds 60",
            text(response, "workspace_id"),
            text(response, "command_id")
        );
    }
    line
}

/// Why an ended command has no exit code, when it has none.
pub fn no_exit_code(response: &Value) -> Option<String> {
    let has_none = response.get("exit_code") == Some(&Value::Null);
    (has_none && response["running"] == false).then(|| {
        format!(
            "command {} has no exit code: {}",
            text(response, "command_id"),
            text(response, "error")
        )
    })
}

/// The log: what goes to stdout, and what goes to stderr.
pub fn logs(logs: &Value) -> (String, String) {
    if logs["page"].is_object() {
        return page(logs);
    }
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for entry in logs["entries"].as_array().into_iter().flatten() {
        let state = text(entry, "state");
        let how = match state.as_str() {
            "exited" => String::new(),
            _ => format!(" state={state} command_id={}", text(entry, "command_id")),
        };
        let _ = writeln!(
            stdout,
            "#{} exit_code={} duration_ms={} cwd={}{how}\n$ {}",
            entry["sequence"],
            entry["exit_code"],
            entry["duration_ms"],
            text(entry, "cwd"),
            text(entry, "command")
        );
        for (name, to) in [("stdout", &mut stdout), ("stderr", &mut stderr)] {
            let said = text(entry, name);
            to.push_str(&said);
            if !said.is_empty() && !said.ends_with('\n') {
                to.push('\n');
            }
        }
    }
    if stdout.is_empty() {
        stdout.push_str("No workspace logs found.\n");
    }
    (stdout, stderr)
}

/// The page as it is, and where the next one begins.
fn page(logs: &Value) -> (String, String) {
    let (page, entry) = (&logs["page"], &logs["entries"][0]);
    let summary = format!(
        "[workspace-logs] workspace_id={} sequence={} stream={} offset={} next_offset={} total_bytes={} complete={} running={}\n",
        text(logs, "workspace_id"),
        entry["sequence"],
        text(page, "stream"),
        page["offset"],
        page["next_offset"],
        page["total_bytes"],
        yes(&page["complete"]),
        yes(&entry["running"]),
    );
    (text(page, "text"), summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_log_keeps_the_streams_apart() {
        let (stdout, stderr) = logs(&json!({"page": null, "entries": [
            {"sequence": 1, "exit_code": 2, "duration_ms": 5, "state": "exited",
             "cwd": "/workspace", "command": "make", "stdout": "a", "stderr": "b\n"},
            {"sequence": 2, "exit_code": null, "duration_ms": 9, "state": "running",
             "command_id": "c0-2", "cwd": "/workspace", "command": "sleep 9", "stdout": "", "stderr": ""},
        ]}));
        assert_eq!(
            stdout,
            "#1 exit_code=2 duration_ms=5 cwd=/workspace\n$ make\na\n\
             #2 exit_code=null duration_ms=9 cwd=/workspace state=running command_id=c0-2\n$ sleep 9\n"
        );
        assert_eq!(stderr, "b\n");
    }

    #[test]
    fn a_page_is_printed_as_it_is() {
        let (stdout, stderr) = logs(&json!({"workspace_id": "w", "entries": [
            {"sequence": 3, "running": true}], "page": {"stream": "stdout", "text": "no newline",
            "offset": 5, "next_offset": 15, "total_bytes": 40, "complete": true}}));
        assert_eq!(stdout, "no newline");
        assert_eq!(
            stderr,
            "[workspace-logs] workspace_id=w sequence=3 stream=stdout offset=5 next_offset=15 \
             total_bytes=40 complete=yes running=yes\n"
        );
    }

    #[test]
    fn one_that_runs_says_how_to_go_on_and_one_that_ended_does_not() {
        let mut response = json!({"workspace_id": "w", "sequence": 7, "command_id": "c0-7", "state": "running",
            "running": true, "cwd": "/workspace", "execution_mode": "guest_serial", "exit_code": null,
            "duration_ms": 12, "error": null});
        let told = summary(&response);
        assert!(
            told.contains("exit_code=null duration_ms=12 command_id=c0-7 state=running\n"),
            "{told}"
        );
        assert!(
            told.ends_with("pyro workspace exec w --command-id c0-7 --wait-seconds 60"),
            "{told}"
        );
        assert_eq!(no_exit_code(&response), None);
        response["running"] = false.into();
        response["state"] = "lost".into();
        response["error"] = "why".into();
        assert!(!summary(&response).contains("note:"));
        assert_eq!(
            no_exit_code(&response).unwrap(),
            "command c0-7 has no exit code: why"
        );
        response["exit_code"] = 0.into();
        assert_eq!(no_exit_code(&response), None);
    }

    #[test]
    fn other_answers_have_no_exit_code_to_miss() {
        assert_eq!(no_exit_code(&json!({"state": "stopped"})), None);
    }
}
