//! An installed Firecracker as text.

use super::text;
use serde_json::Value;
use std::fmt::Write;

pub fn firecracker(response: &Value) -> String {
    let field = |name: &str| text(response, name);
    let mut out = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(out, "{label}: {value}");
    };
    line("Firecracker", field("version"));
    line("Program", field("path"));
    line(
        "Jailer",
        match &response["jailer_path"] {
            Value::String(path) => path.clone(),
            _ => "none".to_owned(),
        },
    );
    line("SHA-256", field("sha256"));
    line("Source", field("source"));
    let result = if response["already_installed"] == true {
        "already installed, unchanged (--force installs it again)"
    } else {
        "installed"
    };
    line("Result", result.to_owned());
    out
}

#[cfg(test)]
mod tests {
    use super::firecracker;
    use serde_json::json;

    #[test]
    fn an_install_with_and_without_a_jailer() {
        let mut response = json!({"version": "1.12.1", "path": "/c/firecracker",
            "jailer_path": "/c/jailer", "sha256": "ab", "source": "/d/fc.tgz",
            "already_installed": false});
        insta::assert_snapshot!(firecracker(&response), @r"
        Firecracker: 1.12.1
        Program: /c/firecracker
        Jailer: /c/jailer
        SHA-256: ab
        Source: /d/fc.tgz
        Result: installed
        ");
        response["jailer_path"] = json!(null);
        response["already_installed"] = json!(true);
        let text = firecracker(&response);
        assert!(text.contains("\nJailer: none\n"), "{text}");
        assert!(text.contains("\nResult: already installed"), "{text}");
    }
}
