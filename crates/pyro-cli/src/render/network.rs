//! The network log as a person reads it.
//!
//! Owns: one line per entry. Refuses: JSON.

use super::text;
use serde_json::Value;
use std::fmt::Write;

/// One line per entry, the oldest first.
pub fn log(page: &Value) -> String {
    let mut lines = String::new();
    for entry in page["entries"].as_array().into_iter().flatten() {
        let verdict = if entry["allowed"] == true {
            "allowed"
        } else {
            "refused"
        };
        let count = match entry["count"].as_u64() {
            Some(count) if count != 1 => format!(" x{count}"),
            _ => String::new(),
        };
        let _ = writeln!(
            lines,
            "{} {verdict} {} {}{count} ({})",
            clock(&entry["at"]),
            text(entry, "protocol"),
            target(entry),
            plain(&text(entry, "reason")),
        );
    }
    if lines.is_empty() {
        lines = match text(page, "network_policy").as_str() {
            "off" => "Nothing: the workspace has no network (network policy off)\n".to_owned(),
            _ => "No such attempts.\n".to_owned(),
        };
    }
    if let Some(next) = page["next_offset"].as_u64() {
        let _ = writeln!(lines, "{} in all; more with --offset {next}", page["total"]);
    }
    lines
}

/// A name is the guest's own word.
fn target(entry: &Value) -> String {
    let port = match &entry["port"] {
        Value::Null => String::new(),
        port => format!(":{port}"),
    };
    let (name, address) = (plain(&text(entry, "name")), plain(&text(entry, "address")));
    match (name.is_empty(), address.is_empty()) {
        (true, _) => format!("{address}{port}"),
        (false, true) => format!("{name}{port}"),
        (false, false) => format!("{name}{port} at {address}"),
    }
}

/// Without anything a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

/// Hours, minutes and seconds of the day, UTC.
fn clock(at: &Value) -> String {
    // A time before the epoch, or none, is midnight.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = at.as_f64().unwrap_or(0.0).max(0.0) as u64 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_counts_and_what_a_guest_would_like_to_say_to_the_terminal() {
        let entry = |name: Value, address: Value, allowed: bool, count: u64| {
            json!({"at": 3_661.5, "protocol": "tcp", "name": name, "address": address,
                "port": 443, "allowed": allowed, "reason": "why", "count": count})
        };
        let page = json!({"network_policy": "egress", "total": 9, "next_offset": 3, "entries": [
            entry(json!("a\u{1b}[2Jb"), Value::Null, true, 1),
            entry(json!("a.example"), json!("192.0.2.1"), true, 2),
            entry(Value::Null, json!("10.0.0.1"), false, 1),
        ]});
        assert_eq!(
            log(&page),
            "01:01:01 allowed tcp a?[2Jb:443 (why)\n\
             01:01:01 allowed tcp a.example:443 at 192.0.2.1 x2 (why)\n\
             01:01:01 refused tcp 10.0.0.1:443 (why)\n\
             9 in all; more with --offset 3\n"
        );
        let none = json!({"network_policy": "off", "entries": []});
        assert!(log(&none).contains("network policy off"));
    }
}
