//! Published ports as a person reads them.
//!
//! Owns: the lines, `127.0.0.1:<host>-><guest>/tcp` as services have it
//! (contract: `cli.md` §9.6). Refuses: JSON.

use super::text;
use serde_json::Value;
use std::fmt::Write;

/// From where to where.
pub fn arrow(port: &Value) -> String {
    format!(
        "{}:{}->{}/{}",
        text(port, "host"),
        port["host_port"],
        port["guest_port"],
        text(port, "protocol")
    )
}

/// What is in a workspace's own lines.
pub fn of_workspace(ports: &Value) -> String {
    let ports: Vec<String> = ports
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| match text(port, "service_name").as_str() {
            "" => arrow(port),
            name => format!("{} (service {name})", arrow(port)),
        })
        .collect();
    ports.join(", ")
}

pub fn published(response: &Value) -> String {
    changed("publish", response)
}

pub fn unpublished(response: &Value) -> String {
    changed("unpublish", response)
}

fn changed(verb: &str, response: &Value) -> String {
    format!(
        "[workspace-port-{verb}] workspace_id={} port={}\n",
        text(response, "workspace_id"),
        arrow(response)
    )
}

pub fn list(response: &Value) -> String {
    let mut out = String::new();
    for port in response["ports"].as_array().into_iter().flatten() {
        let _ = write!(out, "{}", arrow(port));
        let service = text(port, "service_name");
        if !service.is_empty() {
            let _ = write!(out, " service={service}");
        }
        let _ = writeln!(
            out,
            " connections={} accepted={} refused={}",
            port["connection_count"], port["accepted_count"], port["refused_count"]
        );
    }
    if out.is_empty() {
        out.push_str("No published ports found.\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lines() {
        let mut port = json!({"workspace_id": "00000000000a", "host": "127.0.0.1",
            "host_port": 8080, "guest_port": 80, "protocol": "tcp"});
        assert_eq!(
            published(&port),
            "[workspace-port-publish] workspace_id=00000000000a port=127.0.0.1:8080->80/tcp\n"
        );
        port["service_name"] = "web".into();
        port["connection_count"] = 2.into();
        port["accepted_count"] = 5.into();
        port["refused_count"] = 1.into();
        assert_eq!(
            list(&json!({"ports": [port]})),
            "127.0.0.1:8080->80/tcp service=web connections=2 accepted=5 refused=1\n"
        );
        assert_eq!(
            of_workspace(&json!([port])),
            "127.0.0.1:8080->80/tcp (service web)"
        );
        assert_eq!(list(&json!({"ports": []})), "No published ports found.\n");
    }
}
