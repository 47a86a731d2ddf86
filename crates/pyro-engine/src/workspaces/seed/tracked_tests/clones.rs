//! Clones from repositories of this host and from servers on loopback.

use super::{Desk, desk, said};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::project::git::Patience;
use crate::project::mirror::Mirrors;
use crate::project::{ProjectSource, Wish};
use crate::workspaces::record::WorkspaceSeed;
use crate::workspaces::seed::{Baseline, Origin};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What was said while it ran.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    fn notices(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let notices = all.iter().filter_map(|event| match event {
            Event::Notice(text) => Some(text.clone()),
            _ => None,
        });
        notices.collect()
    }

    fn fetches(&self) -> usize {
        let all = self.0.lock().unwrap();
        let clones = all
            .iter()
            .filter(|event| matches!(event, Event::Phase { name: "clone", .. }));
        clones.count()
    }
}

const SHORT: Patience = Patience {
    silence: Duration::from_millis(700),
    whole: Duration::from_secs(20),
};

impl Desk {
    fn clone_of(
        &self,
        url: &str,
        reference: Option<&str>,
        heard: &Heard,
    ) -> Result<(Baseline, WorkspaceSeed)> {
        let mirrors = Mirrors::new(&self.layout());
        self.clone_with(&mirrors, url, reference, heard, &Cancel::default())
    }

    fn clone_with(
        &self,
        mirrors: &Mirrors,
        url: &str,
        reference: Option<&str>,
        heard: &Heard,
        cancel: &Cancel,
    ) -> Result<(Baseline, WorkspaceSeed)> {
        let wish = Wish {
            repo_url: Some(url),
            repo_ref: reference,
            ..Wish::default()
        };
        let project = ProjectSource::given(&wish, Path::new("/"))?.unwrap();
        let origin = Origin::of_project(&project, mirrors, heard, cancel)?;
        let made = self.baselines.ensure(&origin, heard, cancel)?;
        let seed = origin.seed(&made);
        Ok((made, seed))
    }

    fn not_cloned(&self, url: &str, reference: Option<&str>) -> Error {
        self.clone_of(url, reference, &Heard::default())
            .err()
            .unwrap()
    }

    /// A repository with a history, as `up`.
    fn upstream(&self) -> String {
        self.git(
            "mkdir up; cd up; git init -q .; echo 1 > a; mkdir d; printf '#!/bin/sh\\n' > d/run; chmod 755 d/run; ln -s a l
            git add -A; git commit -qm 1; git tag -a v1 -m v1; echo 2 > a; git commit -qam 2; git checkout -q -b side
            echo side > s; git add s; git commit -qm s; git checkout -q main; echo dirty >> a; echo untracked > u",
        );
        self.path("up").display().to_string()
    }

    fn head(&self, name: &str) -> String {
        said(&self.path("up"), &format!("git rev-parse {name}"))
            .trim()
            .to_owned()
    }
}

#[test]
fn a_clone_has_the_files_of_its_commit_and_nothing_else() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    let (made, seed) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(
        desk.names(&made),
        "a f 644 \nd d 755 \nd/run f 755 \nl l 777 a\n"
    );
    let tree = desk.unpacked(&made);
    assert_eq!(
        said(
            &tree,
            "cat a; git status --porcelain; git log --oneline | wc -l; git remote; git fsck --strict"
        ),
        "2\n1\n"
    );
    assert_eq!(seed.origin_kind, "repo_url");
    assert_eq!(seed.origin_ref.as_deref(), Some(up.as_str()));
    assert_eq!(seed.repo_commit, Some(desk.head("main")));
    assert_eq!(
        (seed.repo_ref, seed.tracked_only, seed.modified),
        (None, true, 0)
    );

    // Branch, tag and commit; file:// as well.
    for (reference, commit, line) in [
        ("side", desk.head("side"), "side\n"),
        ("v1", desk.head("v1^{commit}"), "1\n"),
        ("refs/heads/side", desk.head("side"), "side\n"),
    ] {
        let (made, seed) = desk
            .clone_of(&format!("file://{up}"), Some(reference), &heard)
            .unwrap();
        assert_eq!(seed.repo_commit, Some(commit.clone()), "{reference}");
        assert_eq!(seed.repo_ref.as_deref(), Some(reference));
        assert_eq!(
            said(&desk.unpacked(&made), "cat s 2>/dev/null || cat a"),
            line
        );
        let (again, _) = desk.clone_of(&up, Some(&commit), &heard).unwrap();
        assert_eq!(again.key, made.key, "the same commit is the same image");
        let (short, seed) = desk.clone_of(&up, Some(&commit[..9]), &heard).unwrap();
        assert_eq!((short.key, seed.repo_commit), (made.key, Some(commit)));
    }
    let error = desk.not_cloned(&up, Some("no-such"));
    assert_eq!(error.code, "ref_missing");
    assert!(error.message.contains("no-such") && error.hint.unwrap().contains("--repo-ref"));
}

#[test]
fn only_what_is_new_is_fetched_and_what_is_here_needs_no_server() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    let (first, seed) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(heard.fetches(), 1);
    desk.clone_of(&up, None, &heard).unwrap();
    desk.clone_of(&up, seed.repo_commit.as_deref(), &heard)
        .unwrap();
    assert_eq!(heard.fetches(), 1, "it was here");
    desk.git("cd up; git checkout -q .; echo 3 > a; git commit -qam 3");
    let (later, _) = desk.clone_of(&up, None, &heard).unwrap();
    assert_ne!(later.key, first.key);
    assert_eq!(heard.fetches(), 2);

    desk.git("mv up gone");
    assert!(heard.notices().is_empty());
    let (kept, seed_kept) = desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(kept.key, later.key);
    let notices = heard.notices();
    assert!(
        notices[0].contains("fetched before") && notices[0].contains(&up),
        "{notices:?}"
    );
    assert!(notices[0].contains(&seed_kept.repo_commit.unwrap()[..12]));
    // A commit says what it is; nobody has to be asked.
    desk.clone_of(&up, seed.repo_commit.as_deref(), &heard)
        .unwrap();
    assert_eq!(heard.notices().len(), 1);
    let error = desk.not_cloned(&up, Some("side"));
    assert_eq!(error.code, "clone_failed");
    for way in [
        "--project-path",
        "--repo-url",
        "--no-project-source",
        "seed_path",
    ] {
        assert!(error.hint.as_deref().unwrap().contains(way));
    }
}

#[test]
fn a_killed_fetch_and_a_torn_mirror_do_not_last() {
    let desk = desk();
    let (up, heard) = (desk.upstream(), Heard::default());
    desk.clone_of(&up, None, &heard).unwrap();
    let mirrors = desk.layout().mirrors();
    desk.sh("cd cache/.mirrors/*.git; touch shallow.lock config.lock refs/pyro/x.lock objects/pack/tmp_pack_1");
    desk.git("cd up; git checkout -q .; echo 4 > a; git commit -qam 4");
    desk.clone_of(&up, None, &heard).unwrap();
    assert_eq!(heard.fetches(), 2);
    desk.sh("cd cache/.mirrors/*.git; rm HEAD");
    desk.clone_of(&up, Some("side"), &heard).unwrap();
    // One that nobody used for long goes with the next use of any.
    desk.git("cp -a up other; touch -d '2 months ago' cache/.mirrors/*.lock");
    desk.clone_of(&desk.path("other").display().to_string(), None, &heard)
        .unwrap();
    let left = std::fs::read_dir(mirrors).unwrap().flatten();
    let left = left.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "git"));
    assert_eq!(left.count(), 1);
}

#[test]
fn no_helper_runs_and_no_option_gets_through() {
    let desk = desk();
    let mark = desk.path("ran").display().to_string();
    let up = desk.upstream();
    for url in [
        format!("ext::sh -c touch% {mark}"),
        format!("ext::sh -c \"touch {mark}\""),
        "fd::0".into(),
        format!("--upload-pack=touch {mark}"),
        format!("ssh://-oProxyCommand=touch%20{mark}/x"),
        format!("-oProxyCommand=touch {mark}:x"),
    ] {
        assert_eq!(desk.not_cloned(&url, None).code, "invalid_request", "{url}");
    }
    for reference in [
        format!("--upload-pack=touch {mark}"),
        "-x".into(),
        "a:b".into(),
    ] {
        assert_eq!(
            desk.not_cloned(&up, Some(&reference)).code,
            "invalid_request"
        );
    }
    // A submodule or a rewritten address would come to git without us.
    desk.git(&format!(
        "cd up; git config -f .gitmodules submodule.x.path x; git config -f .gitmodules submodule.x.url 'ext::sh -c touch% {mark}'
        git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),x; git add .gitmodules; git commit -qm sub"
    ));
    let (made, seed) = desk.clone_of(&up, None, &Heard::default()).unwrap();
    assert_eq!(seed.skipped_kinds["submodule"], 1);
    assert!(desk.names(&made).contains("x d 755"));
    assert!(!Path::new(&mark).exists());
}

#[test]
fn filters_of_a_clone_are_not_run_and_pointers_stay() {
    let desk = desk();
    let up = desk.upstream();
    desk.git(
        "cd up; git checkout -q .; echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
        printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\n' > x.bin; git add -A; git commit -qm lfs",
    );
    let (made, _) = desk.clone_of(&up, None, &Heard::default()).unwrap();
    assert!(
        said(&desk.unpacked(&made), "cat x.bin; git status --porcelain").ends_with("sha256:0\n")
    );
}

/// Answers each connection with `reply` once something was asked, else never.
fn server(reply: Option<&'static str>) -> (u16, std::sync::mpsc::Receiver<String>) {
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
            match reply {
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
        assert_eq!(running(&url), Vec::<String>::new());

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
        assert_eq!(running(&url), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_wants_a_password_is_an_error_and_no_prompt() {
    let desk = desk();
    let (port, asked) = server(Some(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
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

#[test]
fn a_repository_without_commits_is_named() {
    let desk = desk();
    desk.git("git init -q --bare empty.git");
    let error = desk.not_cloned(&desk.path("empty.git").display().to_string(), None);
    assert_eq!(error.code, "ref_missing");
    assert!(error.message.contains("no commit yet"), "{error}");
}
