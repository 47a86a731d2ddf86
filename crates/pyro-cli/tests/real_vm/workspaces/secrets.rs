//! Secrets: where they are in a guest, and that nothing that leaves shows them.
//!
//! Owns: searching everything a workspace leaves behind, in every form.

use super::{Desk, processes};
use crate::machine::text;
use std::io::Write;
use std::process::Stdio;

const TOKEN: &str = "zq-Tok3n+With/Marks=9xK7vQ2";

/// A workspace whose secrets no process list has.
fn create(desk: &Desk, name: &str, key: &[u8]) -> serde_json::Value {
    let file = desk.place.folder.path().join("key");
    std::fs::write(&file, key).unwrap();
    let key = format!("KEY={}", file.display());
    let mut child = desk
        .place
        .pyro(&[
            "workspace",
            "create",
            "debian:12",
            "--name",
            name,
            "--mem-mib",
            "512",
            "--json",
            "--secret",
            "TOKEN",
            "--secret-file",
            &key,
            "--secret-file",
            "PIPED=-",
        ])
        .env("TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from-a-pipe-4711\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    std::fs::remove_file(file).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn commands_have_them_and_nobody_else() {
    let desk = Desk::new();
    let made = create(&desk, "s", b"\0binary\xff\n");
    let id = made["workspace_id"].as_str().unwrap();
    assert_eq!(
        made["secrets"],
        serde_json::json!([
            {"name": "KEY", "source_kind": "file"},
            {"name": "PIPED", "source_kind": "literal"},
            {"name": "TOKEN", "source_kind": "literal"},
        ])
    );
    assert!(!processes(id).is_empty());
    let shown = desk.done(&[
        "exec", "s", "--secret-env", "TOKEN", "--secret-env", "PIPED=P", "--", "bash", "-c",
        "stat -f -c %T /run/pyro-secrets; stat -c '%a %n' /run/pyro-secrets /run/pyro-secrets/*
         printf %s \"$TOKEN\" | wc -c; printf %s \"$P\" | cksum; printf 'from-a-pipe-4711\\n' | cksum
         od -An -c /run/pyro-secrets/KEY",
    ]);
    let expected = "tmpfs\n700 /run/pyro-secrets\n600 /run/pyro-secrets/KEY\n600 /run/pyro-secrets/PIPED\n600 /run/pyro-secrets/TOKEN\n27\n";
    let out = shown["stdout"].as_str().unwrap();
    assert!(out.starts_with(expected), "{out}");
}
