//! Secrets: where they are in a guest, and that nothing that leaves shows them.
//!
//! Owns: searching everything a workspace leaves behind, in every form.

use super::{Desk, processes};
use crate::machine::{eventually, text};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const TOKEN: &str = "zq-Tok3n+With/Marks=9xK7vQ2";

/// A workspace whose secrets no process list has.
fn create(desk: &Desk, name: &str, key: &[u8]) -> Value {
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
            "--disk-mib",
            "1024",
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

/// TOKEN as it might stand somewhere.
fn forms() -> [String; 4] {
    [
        TOKEN.to_owned(),
        "enEtVG9rM24rV2l0aC9NYXJrcz05eEs3dlEy".to_owned(),
        TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect(),
        "from-a-pipe-4711".to_owned(),
    ]
}

fn assert_hidden(shown: &str) {
    for form in forms() {
        assert!(!shown.contains(&form), "{form} is shown: {shown}");
    }
}

/// Files at and below `root` that have one of `forms`.
pub fn files_with(root: &Path, forms: &[impl AsRef<str>]) -> Vec<String> {
    let mut command = Command::new("grep");
    command.args(["-rlF", "--devices=skip"]);
    for form in forms {
        command.args(["-e", form.as_ref()]);
    }
    let output = command.arg(root).output().unwrap();
    // 1: nothing was found.
    assert!(output.status.code() < Some(2), "{}", text(&output.stderr));
    let mut found: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    found.sort();
    found
}

/// `cmdline` and `environ` of a workspace's processes.
fn assert_no_process_has_them(id: &str) {
    let processes = processes(id);
    assert!(processes.len() > 1, "{processes:?}");
    for pid in processes {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert_hidden(&String::from_utf8_lossy(&bytes));
        }
    }
}

/// What a person is told, and what a program is told.
fn both(desk: &Desk, words: &[&str]) -> (String, Value) {
    let all = [&["workspace"], words].concat();
    let output = desk.place.pyro(&all).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (
        text(&output.stdout) + &text(&output.stderr),
        desk.done(words),
    )
}

#[test]
fn nothing_that_leaves_shows_them() {
    let desk = Desk::new();
    let made = create(
        &desk,
        "s",
        b"-----BEGIN-----\nAAAABBBBCCCCDDDD\n-----END-----\n",
    );
    let id = made["workspace_id"].as_str().unwrap();
    let here = |name: &str| desk.place.folder.path().join(name).display().to_string();
    // Into memory of the guest, and to us in every form.
    let line = "printf '%s\\n' \"$TOKEN\"; printf %s \"$TOKEN\" | base64 -w0; echo; printf 'x%s\\n' \"$TOKEN\" | base64
        printf %s \"$TOKEN\" | od -An -tx1 | tr -d ' \\n'; echo; printf %s \"${TOKEN:0:9}\"; sleep 0.5; printf '%s\\n' \"${TOKEN:9}\"
        cat /run/pyro-secrets/KEY; printf %s \"$TOKEN\" > /tmp/log; cat /tmp/log /run/pyro-secrets/PIPED >&2; exit 3";
    let words = [
        "exec",
        "s",
        "--secret-env",
        "TOKEN",
        "--",
        "bash",
        "-c",
        line,
    ];
    let (shown, code) = desk.ask(&words);
    assert_eq!(code, 3, "{shown}");
    assert_eq!(
        shown["stdout"],
        "[REDACTED]\n[REDACTED]\neH[REDACTED]o=\n[REDACTED]\n[REDACTED]\n[REDACTED]\n"
    );
    assert_eq!(shown["stderr"], "[REDACTED][REDACTED]\n");
    let echo = format!("echo {TOKEN}");
    let flags = ["exec", "s", "--wait-seconds", "20", "--"];
    let shown = desk.done(&[&flags[..], &["bash", "-c", &echo]].concat());
    assert_eq!(shown["stdout"], "[REDACTED]\n");
    assert_hidden(&shown.to_string());
    let (error, _) = desk.ask(&["file", "read", "s", TOKEN]);
    assert_hidden(&error.to_string());
    let page = here("page.html");
    desk.done(&["summary", "s", "--html", &page]);
    for words in [&["logs", "s"][..], &["summary", "s"], &["status", "s"]] {
        let (person, program) = both(&desk, words);
        assert_hidden(&person);
        assert_hidden(&program.to_string());
    }
    assert_no_process_has_them(id);
    let snapshot = desk.done(&["snapshot", "create", "s", "clean"]);
    assert_eq!(snapshot["found_secrets"]["secrets"], serde_json::json!([]));
    desk.done(&["stop", "s"]);
    let exported = desk.done(&["disk", "export", "s", "--output", &here("disk.ext4")]);
    assert_eq!(exported["found_secrets"]["secrets"], serde_json::json!([]));
    let secrets = desk
        .place
        .state()
        .join("workspaces")
        .join(id)
        .join("secrets");
    let kept: Vec<_> = ["PIPED", "TOKEN"]
        .iter()
        .map(|name| secrets.join(format!("{name}.secret")).display().to_string())
        .collect();
    assert_eq!(files_with(desk.place.folder.path(), &forms()), kept);
    assert_eq!(
        files_with(&desk.place.cache.join(".templates"), &forms()),
        [""; 0]
    );

    // A start brings them back; what a command writes is warned about.
    desk.done(&["start", "s"]);
    let write = "test \"$(cat /run/pyro-secrets/TOKEN)\" = \"$TOKEN\"; rm -r /run/pyro-secrets
        ln -s /workspace /run/pyro-secrets; cd /workspace
        printf 'a = %s\\nb = 1\\n' \"$TOKEN\" > conf; cp conf \"$TOKEN\" 2>/dev/null || mkdir deep && cp conf deep/again; sync";
    desk.done(&[
        "exec",
        "s",
        "--secret-env",
        "TOKEN",
        "--",
        "bash",
        "-ec",
        write,
    ]);
    let left = desk.done(&[
        "exec",
        "s",
        "--secret-env",
        "TOKEN",
        "--",
        "ls",
        "-A",
        "/workspace",
        "/run/pyro-secrets",
    ]);
    assert_eq!(
        left["stdout"],
        "/run/pyro-secrets:\nKEY\nPIPED\nTOKEN\n\n/workspace:\nconf\ndeep\n"
    );
    for (offset, most, expected) in [
        ("0", "100", "a = [REDACTED]\nb = 1\n"),
        ("0", "20", "a = [REDACTED]"),
        ("20", "100", "[REDACTED]\nb = 1\n"),
        ("20", "4", "[REDACTED]"),
        ("31", "100", "\nb = 1\n"),
    ] {
        let read = desk.done(&[
            "file",
            "read",
            "s",
            "conf",
            "--offset",
            offset,
            "--max-bytes",
            most,
        ]);
        assert_eq!(read["content"], expected, "{read}");
        assert_eq!(read["size_bytes"], 38);
    }
    let line = desk.done(&[
        "file",
        "read",
        "s",
        "conf",
        "--first-line",
        "1",
        "--last-line",
        "1",
    ]);
    assert_eq!(
        (&line["content"], &line["redacted"]),
        (&"a = [REDACTED]\n".into(), &1.into())
    );
    let found = desk.done(&["file", "list", "s", "--search", "a = "]);
    assert_eq!(found["matches"][0]["text"], "a = [REDACTED]");
    let (person, diff) = both(&desk, &["diff", "s"]);
    assert_hidden(&person);
    assert_hidden(&diff.to_string());
    assert!(diff["redacted"].as_u64() >= Some(2), "{diff}");
    let export = desk.done(&["export", "s", ".", "--output", &here("out")]);
    let found = &export["found_secrets"]["secrets"][0];
    assert_eq!(
        (&found["name"], &found["file_count"]),
        (&"TOKEN".into(), &2.into())
    );
    let kept = std::fs::read_to_string(here("out/conf")).unwrap();
    assert_eq!(kept, format!("a = {TOKEN}\nb = 1\n"));
    let output = here("changes.patch");
    let words = ["workspace", "export", "s", "--patch", "--output", &output];
    let told = text(&desk.place.pyro(&words).output().unwrap().stderr);
    assert!(
        told.contains("contains secrets of the workspace: TOKEN"),
        "{told}"
    );
    assert!(std::fs::read_to_string(&output).unwrap().contains(TOKEN));
    let snapshot = desk.done(&["snapshot", "create", "s", "full"]);
    assert_eq!(snapshot["found_secrets"]["secrets"][0]["name"], "TOKEN");

    desk.done(&["stop", "s"]);
    let read = desk.done(&["disk", "read", "s", "/workspace/conf", "--max-bytes", "20"]);
    assert_eq!(read["content"], "a = [REDACTED]");
    let reset = desk.done(&["reset", "s"]);
    assert_eq!(reset["secrets"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        desk.sh("s", "ls /run/pyro-secrets; wc -c < /run/pyro-secrets/TOKEN"),
        "KEY\nPIPED\nTOKEN\n27\n"
    );
}

#[test]
fn what_is_wrong_leaves_nothing() {
    let desk = Desk::new();
    let workspaces = desk.place.state().join("workspaces");
    let missing = format!("B={}", desk.place.folder.path().join("none").display());
    for (flags, code) in [
        (
            &["--secret", "A=x", "--secret", "A=y"][..],
            "invalid_secret",
        ),
        (
            &["--secret", "A=good-value", "--secret-file", &missing],
            "source_missing",
        ),
        (&["--secret", "A="], "invalid_secret"),
        (&["--secret", "NO_SUCH_VARIABLE"], "invalid_secret"),
        (&["--secret", "no name=x"], "invalid_secret"),
    ] {
        let (error, _) = desk.ask(&[&["create", "debian:12"], flags].concat());
        assert_eq!(error["error_kind"], code, "{error}");
        let left = std::fs::read_dir(&workspaces).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{flags:?}");
    }
    // The machine cannot come up: what was written for it goes as well.
    let words = [
        "workspace",
        "create",
        "debian:12",
        "--backend",
        "qemu",
        "--secret",
        "A=good-value",
        "--json",
    ];
    let output = desk
        .place
        .pyro(&words)
        .env("PYRO_QEMU_BIN", "/bin/false")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stdout));
    eventually("nothing is left", || {
        std::fs::read_dir(&workspaces).map_or(0, Iterator::count) == 0
    });
    let long = desk.place.folder.path().join("long");
    std::fs::write(&long, vec![b'k'; 64 << 10]).unwrap();
    let long = format!("LONG={}", long.display());
    let made = desk.place.pyro(&[
        "workspace",
        "create",
        "debian:12",
        "--name",
        "s",
        "--mem-mib",
        "512",
        "--secret",
        "ONE=x",
        "--secret",
        "LINES=first line here\nsecond line here",
        "--secret-file",
        &long,
    ]);
    let told = text(&{ made }.output().unwrap().stderr);
    assert!(told.contains("secret ONE is too short"), "{told}");
    for (flags, code) in [
        (&["--secret-env", "NONE"][..], "unknown_secret"),
        (
            &["--secret-env", "ONE", "--secret-env", "ONE=TWO"],
            "invalid_secret_env",
        ),
        (&["--secret-env", "ONE=A-B"], "invalid_secret_env"),
    ] {
        let words = [&["exec", "s"], flags, &["--", "true"]].concat();
        let (error, exit) = desk.ask(&words);
        assert_eq!((&error["error_kind"], exit), (&code.into(), 125), "{error}");
    }
    let shown = desk.done(&[
        "exec", "s", "--secret-env", "ONE", "--secret-env", "LINES", "--", "bash", "-c",
        "echo \"$ONE\"; echo \"$LINES\"; cat /run/pyro-secrets/LONG; echo; head -c 65535 /run/pyro-secrets/LONG | wc -c; echo 'second line here'",
    ]);
    assert_eq!(
        shown["stdout"],
        "x\n[REDACTED]\n[REDACTED]\n65535\n[REDACTED]\n"
    );
}
