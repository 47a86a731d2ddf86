//! Services as a person reads them.
//!
//! Owns: the lines of the contract (`cli.md` §9.6), and the exit code of a start.
//! Refuses: JSON.

use super::text;
use serde_json::Value;
use std::fmt::Write;

/// Of a service that was to be started and failed.
const FAILED: u8 = 1;

/// None when the answer is about no single service. An exit code in it is the
/// service's, not that of this call.
pub fn exit_code(request: &Value, response: &Value) -> Option<u8> {
    if !response["service_name"].is_string() {
        return None;
    }
    let is_start = request["command"].is_string();
    let failed = is_start && response["state"] == "failed";
    Some(if failed { FAILED } else { 0 })
}

/// One row each.
pub fn list(response: &Value) -> String {
    let mut out = String::new();
    for one in response["services"].as_array().into_iter().flatten() {
        let _ = write!(
            out,
            "{} [{}] cwd={}",
            text(one, "service_name"),
            text(one, "state"),
            text(one, "cwd")
        );
        let ports = ports(one);
        if !ports.is_empty() {
            let _ = write!(out, " published={ports}");
        }
        out.push_str(&besides(one));
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("No workspace services found.\n");
    }
    for damaged in response["damaged"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "damaged: {}", text(damaged, "reason"));
    }
    out
}

/// On stderr, after the verb.
pub fn summary(operation: &str, response: &Value) -> String {
    let verb = operation.trim_start_matches("service_");
    let mut line = format!(
        "[workspace-service-{verb}] workspace_id={} service_name={} state={} cwd={} execution_mode={}",
        text(response, "workspace_id"),
        text(response, "service_name"),
        text(response, "state"),
        text(response, "cwd"),
        text(response, "execution_mode"),
    );
    let ports = ports(response);
    if !ports.is_empty() {
        let _ = write!(line, " published_ports={ports}");
    }
    line.push_str(&besides(response));
    if response["state"] == "failed" {
        let why = match text(response, "error") {
            error if error.is_empty() => text(response, "not_ready_because"),
            error => error,
        };
        if !why.is_empty() {
            let _ = write!(line, "\nnote: {}", why.escape_debug());
        }
        let _ = write!(
            line,
            "\nnote: what it wrote: pyro workspace service logs {} {}",
            text(response, "workspace_id"),
            text(response, "service_name")
        );
    }
    line
}

fn ports(service: &Value) -> String {
    let ports = service["published_ports"].as_array().into_iter().flatten();
    let ports: Vec<_> = ports
        .map(|port| {
            format!(
                "{}:{}->{}/{}",
                text(port, "host"),
                port["host_port"],
                port["guest_port"],
                text(port, "protocol")
            )
        })
        .collect();
    ports.join(",")
}

/// `1/2`; empty when a workspace has none.
pub fn running_of_all(workspace: &Value) -> String {
    match workspace["service_count"].as_u64().unwrap_or_default() {
        0 => String::new(),
        count => format!("{}/{count}", workspace["running_service_count"]),
    }
}

/// `1/2 running: db exited, web running`.
pub fn of_workspace(workspace: &Value) -> String {
    let of_all = running_of_all(workspace);
    if of_all.is_empty() {
        return of_all;
    }
    let services = workspace["services"].as_array().into_iter().flatten();
    let each: Vec<_> = services
        .map(|one| {
            let sick = if one["healthy"] == false {
                " (not healthy)"
            } else {
                ""
            };
            format!("{} {}{sick}", text(one, "service_name"), text(one, "state"))
        })
        .collect();
    format!("{of_all} running: {}", each.join(", "))
}

/// What is only sometimes to be said.
fn besides(service: &Value) -> String {
    let mut line = String::new();
    for field in ["stop_reason", "exit_code", "healthy"] {
        if !service[field].is_null() {
            let _ = write!(line, " {field}={}", text(service, field));
        }
    }
    if service["restart_count"].as_u64().unwrap_or_default() > 0 {
        let _ = write!(line, " restarts={}", service["restart_count"]);
    }
    if service["truncated"] == true {
        line.push_str(" truncated=yes");
    }
    let page = &service["page"];
    if page.is_object() {
        let _ = write!(
            line,
            " stream={} offset={} next_offset={} total_bytes={}",
            text(page, "stream"),
            page["offset"],
            page["next_offset"],
            page["total_bytes"]
        );
    }
    line
}

/// One stream of a log, or the page when that is of this stream.
pub fn written(response: &Value, stream: &str) -> String {
    let page = &response["page"];
    if page["stream"] == stream {
        return text(page, "text");
    }
    let mut said = text(response, stream);
    if !said.is_empty() && !said.ends_with('\n') {
        said.push('\n');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn web() -> Value {
        json!({"workspace_id": "00000000000a", "service_name": "web", "state": "running",
            "cwd": "/workspace", "execution_mode": "guest_serial", "stop_reason": null,
            "exit_code": null, "healthy": null, "restart_count": 0, "published_ports": [
            {"host": "127.0.0.1", "host_port": 8080, "guest_port": 80, "protocol": "tcp"}]})
    }

    #[test]
    fn the_lines_are_those_of_the_contract() {
        assert_eq!(
            list(&json!({"services": [web()]})),
            "web [running] cwd=/workspace published=127.0.0.1:8080->80/tcp\n"
        );
        assert_eq!(
            list(&json!({"services": []})),
            "No workspace services found.\n"
        );
        assert_eq!(
            summary("service_start", &web()),
            "[workspace-service-start] workspace_id=00000000000a service_name=web state=running \
             cwd=/workspace execution_mode=guest_serial published_ports=127.0.0.1:8080->80/tcp"
        );
        let damaged = json!([{"service_name": "d", "reason": "torn"}]);
        assert!(list(&json!({"services": [], "damaged": damaged})).ends_with("damaged: torn\n"));
    }

    #[test]
    fn only_a_failed_start_fails_and_a_services_code_is_its_own() {
        let (start, status) = (json!({"command": "x"}), json!({"service_name": "web"}));
        let mut service = web();
        assert_eq!(exit_code(&start, &service), Some(0));
        service["state"] = "failed".into();
        service["exit_code"] = 7.into();
        assert_eq!(exit_code(&start, &service), Some(1));
        assert_eq!(exit_code(&status, &service), Some(0));
        assert_eq!(exit_code(&start, &json!({"exit_code": 7})), None);
        let line = summary("service_start", &service);
        assert!(line.contains(" exit_code=7\nnote: what it wrote: pyro workspace service logs"));
    }

    #[test]
    fn a_workspace_names_its_services() {
        let two = json!({"service_count": 2, "running_service_count": 1, "services": [
            {"service_name": "db", "state": "exited"},
            {"service_name": "web", "state": "running", "healthy": false}]});
        assert_eq!(
            of_workspace(&two),
            "1/2 running: db exited, web running (not healthy)"
        );
        assert_eq!(of_workspace(&json!({"service_count": 0})), "");
    }

    #[test]
    fn a_log_ends_its_last_line_and_a_page_does_not() {
        let logs = json!({"stdout": "a", "stderr": "", "page": null});
        assert_eq!(
            (written(&logs, "stdout"), written(&logs, "stderr")),
            ("a\n".into(), String::new())
        );
        let page = json!({"stdout": "", "stderr": "", "page": {"stream": "stderr", "text": "b"}});
        assert_eq!(
            (written(&page, "stdout"), written(&page, "stderr")),
            (String::new(), "b".into())
        );
    }
}
