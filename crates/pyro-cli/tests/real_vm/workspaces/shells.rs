//! Shells as a model uses them, and what guests do to them.

use super::Desk;
use crate::machine::{eventually, text};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A shell of a workspace, and how far it was read.
pub struct Shell<'a> {
    pub desk: &'a Desk,
    pub workspace: &'a str,
    pub id: String,
    cursor: u64,
}

impl<'a> Shell<'a> {
    pub fn open(desk: &'a Desk, workspace: &'a str) -> Self {
        let opened = desk.done(&["shell", "open", workspace]);
        assert_eq!(
            (&opened["state"], &opened["cwd"], &opened["cols"]),
            (&"running".into(), &"/workspace".into(), &120.into()),
            "{opened}"
        );
        Self {
            desk,
            workspace,
            id: opened["shell_id"].as_str().unwrap().to_owned(),
            cursor: 0,
        }
    }

    pub fn call(&self, verb: &str, words: &[&str]) -> (Value, i32) {
        let fixed = ["shell", verb, self.workspace, &self.id];
        self.desk.ask(&[&fixed[..], words].concat())
    }

    pub fn write(&self, input: &str) {
        let (written, code) = self.call("write", &["--input", input]);
        assert_eq!(
            (&written["input_length"], code),
            (&input.chars().count().into(), 0),
            "{written}"
        );
    }

    /// Reads on until a text came; what it looks like.
    pub fn until(&mut self, wanted: &str) -> String {
        let cursor = self.cursor.to_string();
        let words = ["--cursor", &cursor, "--plain", "--wait-for", wanted];
        let (read, code) = self.call("read", &words);
        assert_eq!(
            (&read["wait_for_found"], code),
            (&true.into(), 0),
            "{wanted:?}: {read}"
        );
        self.cursor = read["next_cursor"].as_u64().unwrap();
        read["output"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_session_goes_on_between_calls() {
    let desk = Desk::new();
    let id = desk.create("talk");
    let mut shell = Shell::open(&desk, "talk");
    shell.until("pyro$ ");
    shell.write("cd /tmp; x=5; tty; stty size; sleep 1; echo \"$PWD-$x-é\"");
    let shown = shell.until("-é\r\n");
    assert!(shown.contains("\n30 120\n/tmp-5-é\n"), "{shown:?}");
    assert!(shown.starts_with("pyro$ cd /tmp;"), "{shown:?}");

    // Raw text has what plain has not, at the same places; a cursor may be
    // anywhere, and reading takes nothing away.
    let (raw, _) = shell.call("read", &[]);
    let (plain, _) = shell.call("read", &["--plain"]);
    assert_eq!(raw["next_cursor"], plain["next_cursor"]);
    assert!(raw["output"].as_str().unwrap().contains("\x1b["), "{raw}");
    assert!(
        !plain["output"].as_str().unwrap().contains('\x1b'),
        "{plain}"
    );
    assert_eq!(plain["alternate_screen"], false);
    let (part, _) = shell.call("read", &["--cursor", "3", "--max-chars", "4"]);
    let whole: Vec<char> = raw["output"].as_str().unwrap().chars().collect();
    let wanted: String = whole[3..7].iter().collect();
    assert_eq!(
        (&part["output"], &part["next_cursor"], &part["truncated"]),
        (&wanted.into(), &7.into(), &true.into())
    );
    let (beyond, _) = shell.call("read", &["--cursor", "999999"]);
    assert_eq!(beyond["cursor"], raw["next_cursor"]);

    // A quiet time begins with the read, and any output begins it anew.
    shell.write("for n in 1 2 3 4; do echo n$n; sleep 0.2; done");
    let began = Instant::now();
    let cursor = shell.cursor.to_string();
    let (quiet, _) = shell.call("read", &["--cursor", &cursor, "--wait-for-idle-ms", "1500"]);
    assert!(quiet["output"].as_str().unwrap().contains("n4"), "{quiet}");
    assert!(began.elapsed() > Duration::from_millis(1500));

    // As a person sees it.
    let human = |words: &[&str]| {
        let fixed = ["workspace", "shell"];
        desk.place
            .pyro(&[&fixed[..], words].concat())
            .output()
            .unwrap()
    };
    let other = text(&human(&["open", "talk", "--id-only"]).stdout);
    let other = other.trim();
    assert_eq!(other.len(), 12);
    let read = human(&["read", "talk", other, "--plain", "--wait-for", "pyro$ "]);
    assert_eq!(text(&read.stdout), "pyro$ ");
    let told = text(&read.stderr);
    assert!(
        told.contains(&format!("[workspace-shell-read] workspace_id={id} shell_id={other} state=running cursor=0 next_cursor="))
            && told.contains("truncated=False plain=True wait_for_idle_ms=None execution_mode="),
        "{told}"
    );
    human(&["write", "talk", other, "--input", "exit 7"]);
    eventually("it ended", || {
        let list = desk.done(&["shell", "list", "talk"]);
        list["shells"][1]["exit_code"] == 7
    });
    let ended = human(&["write", "talk", other, "--input", "more"]);
    assert_eq!(ended.status.code(), Some(125));
    let told = text(&ended.stderr);
    assert!(
        told.contains("has ended") && told.contains("hint:"),
        "{told}"
    );
    // What it showed stays until it is closed; its code is no outcome of that.
    let read = human(&["read", "talk", other, "--plain"]);
    assert!(text(&read.stdout).contains("exit 7"), "{read:?}");
    let closed = human(&["close", "talk", other]);
    assert_eq!(closed.status.code(), Some(0));
    assert!(text(&closed.stderr).contains("[workspace-shell-close]"));
    let (gone, code) = desk.ask(&["shell", "read", "talk", other]);
    assert_eq!(
        (&gone["error_kind"], code),
        (&"unknown_shell".into(), 125),
        "{gone}"
    );

    let (resized, _) = shell.call("resize", &["--cols", "50"]);
    assert_eq!(
        (&resized["cols"], &resized["rows"]),
        (&50.into(), &30.into())
    );
    shell.write("stty size");
    shell.until("30 50");
    assert_eq!(desk.done(&["status", "talk"])["running_shell_count"], 1);
    let list = desk.done(&["list"]);
    assert_eq!(list["workspaces"][0]["running_shell_count"], 1, "{list}");
    for (words, kind) in [
        (vec!["open", "talk", "--cwd", "/nowhere"], "missing_cwd"),
        (vec!["open", "talk", "--cols", "0"], "out_of_range"),
        (
            vec!["read", "talk", &shell.id, "--wait-for-idle-ms", "10001"],
            "out_of_range",
        ),
        (
            vec!["signal", "talk", &shell.id, "--signal", "STOP"],
            "invalid_signal",
        ),
        (vec!["attach", "talk"], "no_terminal"),
    ] {
        let (refused, code) = desk.ask(&[&["shell"], &words[..]].concat());
        assert_eq!(
            (&refused["error_kind"], code),
            (&kind.into(), 125),
            "{words:?}"
        );
    }

    // The machine's end is theirs, and does not wait for them.
    let began = Instant::now();
    desk.done(&["stop", "talk"]);
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(desk.done(&["shell", "list", "talk"])["count"], 0);
    let list = desk.done(&["list"]);
    assert_eq!(list["workspaces"][0]["running_shell_count"], 0, "{list}");
    let (stopped, _) = shell.call("read", &[]);
    assert_eq!(stopped["error_kind"], "wrong_state", "{stopped}");
}

#[test]
fn programs_that_draw_and_programs_that_do_not_obey() {
    let desk = Desk::new();
    desk.create("draw");
    let mut shell = Shell::open(&desk, "draw");
    shell.until("pyro$ ");

    // Ctrl-C ends the command and not the shell.
    shell.write("sleep 100");
    eventually("it sleeps", || desk.count("draw", "sleep").trim() == "1");
    let (sent, code) = shell.call("signal", &["--signal", "int"]);
    assert_eq!((&sent["signal"], code), (&"INT".into(), 0), "{sent}");
    shell.until("pyro$ ");
    assert_eq!(desk.count("draw", "sleep").trim(), "0");

    // A progress bar is its last state, a full-screen program its screen.
    shell
        .write("for p in 10 50 100; do printf '\\r%3d%%' $p; sleep 0.1; done; echo; echo do\"\"ne");
    let shown = shell.until("\r\ndone");
    assert!(shown.contains("\n100%\ndone"), "{shown:?}");
    shell.write(
        "tput smcup; tput clear; tput cup 2 5; printf 'In the mid\"dle'; tput cup 0 0; \
         tput setaf 1; printf TIT\"\"LE; read -rsn1; tput rmcup; echo bye",
    );
    let shown = shell.until("TITLE");
    assert!(
        shown.ends_with("\nTITLE\n\n     In the mid\"dle"),
        "{shown:?}"
    );
    let (screen, _) = shell.call("read", &["--plain"]);
    assert_eq!(screen["alternate_screen"], true);
    shell.call("write", &["--input", "q", "--no-newline"]);
    let after = shell.until("bye");
    assert!(!after.contains("TITLE"), "{after:?}");

    // It ignores what a terminal's end says, hides from its group, and floods.
    shell.write("trap '' HUP TERM; setsid sleep 300 & yes & wait");
    eventually("it floods", || {
        let (read, _) = shell.call("read", &["--cursor", "0", "--max-chars", "1"]);
        read["dropped"].as_u64() > Some(0)
    });
    assert_eq!(desk.sh("draw", "echo free"), "free\n");
    let began = Instant::now();
    let (closed, code) = shell.call("close", &[]);
    assert_eq!((&closed["closed"], code), (&true.into(), 0), "{closed}");
    assert!(began.elapsed() < Duration::from_secs(25));
    for name in ["sleep", "yes"] {
        assert_eq!(desk.count("draw", name).trim(), "0", "{name}");
    }

    // Without its terminal it still runs, and still obeys.
    let mut shell = Shell::open(&desk, "draw");
    shell.until("pyro$ ");
    shell.write("exec sleep 200 <&- >&- 2>&-");
    eventually("it sleeps", || desk.count("draw", "sleep").trim() == "1");
    shell.call("signal", &["--signal", "TERM"]);
    eventually("it ended", || shell.call("read", &[]).0["exit_code"] == 143);

    // A reset forgets them.
    let reset = desk.done(&["reset", "draw"]);
    assert_eq!(reset["running_shell_count"], 0, "{reset}");
    assert_eq!(desk.done(&["shell", "list", "draw"])["count"], 0);
}

#[test]
fn a_secret_is_in_the_shell_and_not_in_its_text() {
    let desk = Desk::new();
    let words = ["create", "debian:12", "--name", "hush", "--mem-mib", "512"];
    let value = "$ hunter2-hunter2-value";
    let secret = format!("TOKEN={value}");
    desk.done(&[&words[..], &["--secret", &secret]].concat());
    let opened = desk.done(&["shell", "open", "hush", "--secret-env", "TOKEN=T"]);
    let mut shell = Shell {
        desk: &desk,
        workspace: "hush",
        id: opened["shell_id"].as_str().unwrap().to_owned(),
        cursor: 0,
    };
    // The prompt ends as the secret begins, and is shown all the same.
    shell.until("pyro$ ");
    shell.write(
        "echo ${#T}; printf %s \"${T:0:9}\"; sleep 1; printf '%s\\n' \"${T:9}\"; echo \"<$T>\"",
    );
    let shown = shell.until("]>\r\n");
    assert!(
        shown.contains("\n23\n[REDACTED]\n<[REDACTED]>\n"),
        "{shown:?}"
    );
    // One that is typed and not read yet is held too.
    shell.call("write", &["--input", "$ hunter2-hu", "--no-newline"]);
    let (read, _) = shell.call("read", &["--wait-for-idle-ms", "1000"]);
    assert!(
        !read["output"].as_str().unwrap().contains("hunter2"),
        "{read}"
    );
    let (unknown, code) = desk.ask(&["shell", "open", "hush", "--secret-env", "OTHER"]);
    assert_eq!(
        (&unknown["error_kind"], code),
        (&"unknown_secret".into(), 125),
        "{unknown}"
    );
}

#[test]
fn many_that_are_stalled_hold_nobody_up() {
    let desk = Desk::new();
    desk.create("many");
    // As many as there may be in `make soak`.
    let count = std::env::var("PYRO_SHELLS").map_or(6, |count| count.parse().unwrap());
    let shells: Vec<Shell> = (0..count).map(|_| Shell::open(&desk, "many")).collect();
    if count == 32 {
        let (refused, code) = desk.ask(&["shell", "open", "many"]);
        assert_eq!(
            (&refused["error_kind"], code),
            (&"too_many_shells".into(), 125),
            "{refused}"
        );
    }
    // Some show more than anybody reads, some read nothing of what is typed.
    let much = "x".repeat(60_000);
    for (number, shell) in shells.iter().enumerate() {
        if number % 4 == 0 {
            shell.write("stty -echo -icanon; yes");
        } else {
            shell.write("stty -echo -icanon; sleep 300");
        }
    }
    let reads_nothing = &shells[1];
    let refused = (0..8)
        .map(|_| reads_nothing.call("write", &["--input", &much]))
        .find(|(_, code)| *code != 0);
    let (refused, code) = refused.expect("there is no endless room");
    assert_eq!(
        (&refused["error_kind"], code),
        (&"shell_not_reading".into(), 125),
        "{refused}"
    );
    for _ in 0..3 {
        assert_eq!(desk.sh("many", "true"), "");
    }

    // Whoever reads may be killed; the shell is there for the next.
    let cursor = "999999999";
    let words = ["workspace", "shell", "read", "many", &reads_nothing.id];
    let mut waiting = desk
        .place
        .pyro(&[&words[..], &["--cursor", cursor, "--wait-for", "never"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let (read, code) = reads_nothing.call("read", &["--plain"]);
    assert_eq!((&read["state"], code), (&"running".into(), 0), "{read}");
    assert!(
        read["output"].as_str().unwrap().contains("sleep 300"),
        "{read}"
    );
    assert_eq!(
        desk.done(&["shell", "list", "many"])["running_count"],
        count
    );
}
