//! A day's work from end to end, as a person or a chat host does it.
//!
//! Owns: the one test that is the same on every backend; what it uses is
//! looked at closely in the neighbours.

use super::shells::Shell;
use super::{Desk, browser, processes};
use crate::machine::{eventually, host, is_alive};

const REPOSITORY: &str = r#"
    git init -q -b main .; mkdir src
    printf '#!/bin/sh\necho $(($1 - $2))\n' > src/add; chmod 755 src/add
    printf 'test "$(src/add 2 3)" = 5 && echo passed\n' > check.sh
    printf 'old\n' > notes; ln -s src/add link; git add .
    git -c user.name=a -c user.email=a@b commit -qm first"#;

const PATCH: &str = "--- a/src/add\n+++ b/src/add\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo $(($1 - $2))\n+echo $(($1 + $2))\n";

#[test]
fn from_a_failing_test_to_a_patch_taken_home() {
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    host(&repository, REPOSITORY);
    let from = repository.display().to_string();

    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "day",
        "--mem-mib",
        "512",
        "--seed-path",
        &from,
    ]);
    assert_eq!(made["workspace_seed"]["mode"], "directory");
    let (_, code) = desk.ask(&["exec", "day", "--", "sh", "check.sh"]);
    assert_eq!(code, 1);
    desk.done(&["patch", "apply", "day", "--patch", PATCH]);
    assert_eq!(desk.sh("day", "sh check.sh"), "passed\n");
    desk.sh(
        "day",
        "echo tool > /usr/local/bin/tool; git rm -q notes; echo new > made; chmod 755 made",
    );

    // The host's tree, with git and the patch, becomes the guest's.
    let patch = dir.path().join("day.patch");
    let output = patch.display().to_string();
    desk.done(&["export", "day", "--patch", "--output", &output]);
    host(
        &repository,
        "git apply --check ../day.patch; git apply ../day.patch; sh check.sh",
    );
    let exported = dir.path().join("exported").display().to_string();
    desk.done(&["export", "day", ".", "--output", &exported]);
    host(
        dir.path(),
        "diff -r --no-dereference -x .git repository exported; test -x exported/made",
    );
    let diff = desk.done(&["diff", "day"]);
    assert_eq!(
        (
            &diff["summary"]["added"],
            &diff["summary"]["modified"],
            &diff["summary"]["deleted"]
        ),
        (&1.into(), &1.into(), &1.into()),
        "{diff}"
    );

    // Broken, back, and all the way back.
    desk.done(&["snapshot", "create", "day", "good"]);
    desk.sh("day", "rm -rf src .git /usr/local/bin/tool");
    desk.done(&["reset", "day", "--snapshot", "good"]);
    assert_eq!(
        desk.sh("day", "sh check.sh; cat /usr/local/bin/tool"),
        "passed\ntool\n"
    );
    desk.done(&["stop", "day"]);
    let read = desk.done(&["disk", "read", "day", "src/add"]);
    assert!(
        read["content"].as_str().unwrap().contains("$1 + $2"),
        "{read}"
    );
    let summary = desk.done(&["summary", "day"]);
    assert_eq!(summary["snapshots"]["named_count"], 1, "{summary}");
    desk.done(&["start", "day"]);
    assert_eq!(
        desk.sh("day", "git status --porcelain | sort"),
        " M src/add\n?? made\nD  notes\n"
    );
    let reset = desk.done(&["reset", "day"]);
    assert_eq!(reset["workspace_reset"]["kind"], "baseline");
    assert_eq!(desk.done(&["diff", "day"])["changed"], false);
    assert_eq!(
        desk.sh("day", "git status --porcelain; ls /usr/local/bin"),
        ""
    );
    assert_eq!(desk.done(&["snapshot", "list", "day"])["count"], 2);
    desk.done(&["delete", "day"]);
}

const APP: &str = include_str!("transcript/app.pl");
/// Draws over its whole screen, changes one line and waits for a key.
const SCREEN: &str = r"printf '\033[?1049h\033[2J\033[H\033[7m Files \033[0m\033[3;1H> one\033[4;1H  two'; read -rsn1; printf '\033[3;1H  one\033[4;1H> two'; read -rsn1; printf '\033[?1049l'; echo left";

/// What a web server of this host's port answers.
fn get(port: u64, path: &str) -> String {
    let line = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3"
    );
    host(std::path::Path::new("/"), &line)
}

#[test]
fn a_web_application_is_served_looked_at_and_forgotten() {
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.pl"), APP).unwrap();
    std::fs::write(dir.path().join("menu"), SCREEN).unwrap();
    let from = dir.path().display().to_string();
    let words = ["create", "debian:12", "--name", "app", "--mem-mib", "512"];
    let made = desk.done(&[&words[..], &["--seed-path", &from]].concat());
    let id = made["workspace_id"].as_str().unwrap().to_owned();

    let ready = ["--ready-http", "http://localhost:8000/ready"];
    let words = [&["service", "start", "app", "web"], &ready[..]].concat();
    let publish = ["--publish", "8000", "--", "exec", "perl", "app.pl"];
    let web = desk.done(&[&words[..], &publish].concat());
    assert_eq!(
        (&web["state"], web["ready_at"].is_f64()),
        (&"running".into(), true)
    );
    let port = web["published_ports"][0]["host_port"].as_u64().unwrap();
    assert!(get(port, "/").contains("<h1>Visits: 1</h1>"));
    let url = format!("http://127.0.0.1:{port}/");
    if let Some(dom) = browser::dom(&desk, &url) {
        assert!(dom.contains("<h1>Visits: "), "{dom}");
        let picture = browser::picture(&desk, &url).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 1000);
        if let Some(kept) = std::env::var_os("PYRO_PICTURES") {
            std::fs::write(std::path::Path::new(&kept).join("page.png"), picture).unwrap();
        }
    }
    assert!(get(port, "/none").starts_with("HTTP/1.1 404"));
    let logs = desk.done(&["service", "logs", "app", "web"]);
    let logs = logs["stdout"].as_str().unwrap();
    assert!(
        logs.starts_with("GET /ready HTTP/1.1\n") && logs.contains("GET / HTTP/1.1\n"),
        "{logs}"
    );

    let mut shell = Shell::open(&desk, "app");
    shell.call("resize", &["--cols", "40", "--rows", "6"]);
    shell.until("pyro$ ");
    shell.write("bash menu");
    let shown = shell.until("two");
    assert!(shown.ends_with(" Files\n\n> one\n  two"), "{shown:?}");
    shell.call("write", &["--input", "j", "--no-newline"]);
    let shown = shell.until("> two");
    assert!(shown.ends_with(" Files\n\n  one\n> two"), "{shown:?}");
    shell.call("write", &["--input", "q", "--no-newline"]);
    shell.until("left");

    let status = desk.done(&["status", "app"]);
    assert_eq!(
        (
            &status["running_service_count"],
            &status["running_shell_count"],
            &status["stale"]
        ),
        (&1.into(), &1.into(), &false.into()),
        "{status}"
    );
    assert_eq!(status["published_ports"][0]["host_port"], port);

    // As it was made: nothing runs, nothing listens, nothing is remembered.
    desk.done(&["reset", "app"]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).is_err());
    let status = desk.done(&["status", "app"]);
    assert_eq!(
        (&status["service_count"], &status["running_shell_count"]),
        (&0.into(), &0.into()),
        "{status}"
    );
    let below = processes(&id);
    assert!(below.len() > 1, "{below:?}");
    desk.done(&["delete", "app"]);
    for pid in below {
        eventually("the processes are gone", || !is_alive(pid));
    }
}
