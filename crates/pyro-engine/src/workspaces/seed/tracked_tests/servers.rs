//! Clones from servers on loopback, none of which is a good one.

use super::clones::Heard;
use super::{desk, said};
use crate::events::Cancel;
use crate::project::git::Patience;
use crate::project::mirror::Mirrors;
use crate::project::{ProjectSource, Wish};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

const SHORT: Patience = Patience {
    silence: Duration::from_millis(700),
    whole: Duration::from_secs(20),
};

/// Answers each connection with `reply` once something was asked, else never.
fn server(reply: Option<String>) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    // It ends with the test's process.
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let count = stream.read(&mut asked).unwrap_or(0);
            let _ = sender.send(String::from_utf8_lossy(&asked[..count]).into_owned());
            match &reply {
                Some(reply) => {
                    let _ = stream.write_all(reply.as_bytes());
                }
                None => held.push(stream),
            }
        }
    });
    (port, receiver)
}

/// Processes that have this text among their arguments.
fn running(text: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines
        .filter(|line| line.contains(text) && line.contains("git"))
        .collect()
}

/// Those that are left once what was killed had time to be gone.
fn left_running(text: &str) -> Vec<String> {
    let began = Instant::now();
    loop {
        let left = running(text);
        if left.is_empty() || began.elapsed() > Duration::from_secs(5) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_never_answers_ends_with_the_time_and_with_cancel() {
    let desk = desk();
    for scheme in ["http", "git"] {
        let (port, _asked) = server(None);
        let url = format!("{scheme}://127.0.0.1:{port}/x.git");
        let mirrors = Mirrors::new(&desk.layout()).with_patience(SHORT);
        let began = Instant::now();
        let clone = |cancel: &Cancel| {
            desk.clone_with(&mirrors, &url, None, &Heard::default(), cancel)
                .err()
                .unwrap()
        };
        let error = clone(&Cancel::default());
        assert_eq!(error.code, "git_timeout", "{error}");
        assert!(error.message.contains(&url) && error.hint.unwrap().contains("--project-path"));
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(left_running(&url), Vec::<String>::new());

        let patient = Mirrors::new(&desk.layout());
        let cancel = Cancel::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(400));
                cancel.cancel();
            });
            let error = desk
                .clone_with(&patient, &url, None, &Heard::default(), &cancel)
                .err()
                .unwrap();
            assert_eq!(error.code, "cancelled");
        });
        assert_eq!(left_running(&url), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_wants_a_password_is_an_error_and_no_prompt() {
    let desk = desk();
    let wants = "WWW-Authenticate: Basic realm=\"x\"";
    let (port, asked) = server(Some(reply("401 Unauthorized", wants, "")));
    let error = desk.not_cloned(&format!("http://127.0.0.1:{port}/x.git"), None);
    assert_eq!(error.code, "clone_failed", "{error}");
    assert!(
        error.message.contains("terminal prompts disabled"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("prompt"));
    while asked.try_recv().is_ok() {}

    // What is in the address is sent, and not shown.
    let error = desk.not_cloned(
        &format!("http://me:s3cretword@127.0.0.1:{port}/x.git"),
        None,
    );
    assert_eq!(error.code, "clone_failed");
    assert!(!error.message.contains("s3cretword"), "{error}");
    let sent: Vec<_> = asked.try_iter().collect();
    assert!(
        sent.iter()
            .any(|asked| asked.contains("Authorization: Basic bWU6czNjcmV0d29yZA==")),
        "{sent:?}"
    );
}

#[test]
fn credentials_are_in_no_record_and_no_argument() {
    let desk = desk();
    let (port, _asked) = server(None);
    let url = format!("http://me:s3cretword@127.0.0.1:{port}/x.git");
    let wish = Wish {
        repo_url: Some(&url),
        ..Wish::default()
    };
    let project = ProjectSource::given(&wish, Path::new("/"))
        .unwrap()
        .unwrap();
    for text in [
        project.to_string(),
        project.reference(),
        format!("{project:?}"),
    ] {
        assert!(
            !text.contains("s3cretword") && text.contains("127.0.0.1"),
            "{text}"
        );
    }
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mirrors = Mirrors::new(&desk.layout());
            let _ = desk.clone_with(&mirrors, &url, None, &Heard::default(), &cancel);
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        while running(&format!(":{port}/")).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let lines = running(&format!(":{port}/"));
        cancel.cancel();
        assert!(!lines.is_empty());
        assert!(
            !lines.iter().any(|line| line.contains("s3cretword")),
            "{lines:?}"
        );
    });
    assert!(said(desk.dir.path(), "grep -rl s3cretword . || true").is_empty());
}

fn reply(status: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let desk = desk();
    // Enough for git to ask on with a POST.
    let refs = "001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n0017object-format=sha1\n0000";
    let kind = "Content-Type: application/x-git-upload-pack-advertisement";
    let (elsewhere, asked) = server(Some(reply("200 OK", kind, refs)));
    let to =
        format!("Location: http://127.0.0.1:{elsewhere}/y.git/info/refs?service=git-upload-pack");
    let (port, _asked) = server(Some(reply("302 Found", &to, "")));
    let error = desk.not_cloned(
        &format!("http://me:s3cretword@127.0.0.1:{port}/y.git"),
        None,
    );
    assert_eq!(error.code, "clone_failed", "{error}");
    let asked: Vec<_> = asked.try_iter().collect();
    assert!(
        asked.iter().any(|asked| asked.starts_with("POST ")),
        "{asked:?}"
    );
    assert!(
        !asked.iter().any(|asked| asked.contains("Authorization")),
        "{asked:?}"
    );
}

const URL: &str = "PYRO_TEST_CLONE_URL";

#[test]
fn a_killed_pyro_leaves_no_git() {
    // The one that is killed is this test, again.
    if let Ok(url) = std::env::var(URL) {
        desk().not_cloned(&url, None);
        return;
    }
    let (port, _asked) = server(None);
    let url = format!("http://127.0.0.1:{port}/x.git");
    let name = std::thread::current().name().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut pyro = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(URL, &url)
        .env("TMPDIR", folder.path())
        .spawn()
        .unwrap();
    let until = |wanted: bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while (running(&url).is_empty() == wanted) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        running(&url)
    };
    // git, and its helper, which hangs.
    let begun = until(true);
    std::thread::sleep(Duration::from_millis(300));
    pyro.kill().unwrap();
    pyro.wait().unwrap();
    assert!(!begun.is_empty());
    assert_eq!(until(false), Vec::<String>::new());
}
