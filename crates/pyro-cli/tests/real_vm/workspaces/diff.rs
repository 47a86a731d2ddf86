//! What changed in a workspace, and that its patch is what git takes.
//!
//! Owns: telling trees on the host from those in the guest. Refuses: which
//! changes overlays make; the agent's own tests have them.

use super::Desk;
use crate::machine::text;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Everything a patch can carry, without a seed: odd names, no newline at the
/// end, CRLF, links, modes, an empty file, hard links.
const PLANT: &str = "mkdir -p src/deep 'odd dir' && printf 'one\\ntwo\\n' > src/a && printf 'no end' > src/deep/b \
    && printf 'dos\\r\\nline\\r\\n' > crlf && ln -s ../src/a 'odd dir/link' && ln -s /etc/passwd abs && : > nothing \
    && printf '#!/bin/sh\\n' > run && chmod 755 run && ln src/a src/twin && printf 'x\\n' > 'odd dir/a \"b\" ä' \
    && printf 'y\\n' > \"$(printf 'tab\\there')\" && printf 'z\\n' > \"$(printf 'raw\\377')\" && printf 'w\\n' > \"$(printf 'new\\nline')\"";

impl Desk {
    /// Standard output of a command with human output that has to succeed.
    fn plain(&self, words: &[&str]) -> Vec<u8> {
        let output = self.place.pyro(words).output().unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            text(&output.stderr)
        );
        output.stdout
    }

    fn patch(&self, workspace: &str) -> Vec<u8> {
        self.plain(&["workspace", "diff", workspace, "--patch-only"])
    }

    fn exported(&self, workspace: &str, output: &Path) {
        self.done(&[
            "export",
            workspace,
            ".",
            "--output",
            &output.display().to_string(),
        ]);
    }
}

/// Whether `git apply` takes the patch in `folder`, and what it says.
fn apply(folder: &Path, patch: &[u8]) -> (bool, String) {
    let mut git = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .current_dir(folder)
        // Not the repository these tests are in.
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut git.stdin.take().unwrap(), patch).unwrap();
    let output = git.wait_with_output().unwrap();
    (output.status.success(), text(&output.stderr))
}

/// What `diff -r` finds, without what follows from folders that git does not know.
fn differences(one: &Path, other: &Path) -> String {
    let output = Command::new("diff")
        .args(["-r", "--no-dereference", "--exclude=.git"])
        .args([one, other])
        .output()
        .unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

fn modes(folder: &Path) -> String {
    let output = Command::new("find")
        .args([
            ".", "-type", "f", "-not", "-path", "*/.git/*", "-perm", "-u+x",
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    let mut lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

/// `status type path` of each entry.
fn rows(diff: &Value) -> Vec<String> {
    let entries = diff["entries"].as_array().unwrap().iter();
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let row = |entry| {
        let [status, kind, path] =
            ["status", "artifact_type", "path"].map(|field| word(entry, field));
        format!("{status} {kind} {path}")
    };
    entries.map(row).collect()
}

#[test]
fn an_unseeded_workspace_is_a_patch_for_an_empty_folder() {
    let desk = Desk::new();
    let id = desk.create("new");
    let none = desk.done(&["diff", "new"]);
    assert_eq!(
        (&none["workspace_id"], &none["changed"]),
        (&id.into(), &false.into())
    );
    assert_eq!(
        text(&desk.plain(&["workspace", "diff", "new"])),
        "No workspace changes.\n"
    );
    assert_eq!(text(&desk.patch("new")), "");

    desk.sh("new", PLANT);
    let home = tempfile::tempdir().unwrap();
    let (patched, exported) = (home.path().join("patched"), home.path().join("exported"));
    std::fs::create_dir(&patched).unwrap();
    let patch = desk.patch("new");
    assert_eq!(apply(&patched, &patch), (true, String::new()));
    desk.exported("new", &exported);
    assert_eq!(differences(&patched, &exported), "");
    assert_eq!(modes(&patched), "./run");

    // The same into a file, which must not exist.
    let file = home.path().join("made/here.patch").display().to_string();
    let written = desk.done(&["export", "new", "--patch", "--output", &file]);
    assert_eq!(std::fs::read(&file).unwrap(), patch);
    assert_eq!(
        (
            &written["entry_count"],
            &written["skipped"],
            &written["bytes_written"]
        ),
        (&12.into(), &0.into(), &patch.len().into())
    );
    let (error, code) = desk.ask(&["export", "new", "src", "--patch", "--output", &file]);
    assert_eq!((code, &error["error_kind"]), (125, &"output_exists".into()));
    let (error, code) = desk.ask(&["export", "new", "--output", "x"]);
    assert_eq!(
        (code, &error["error_kind"]),
        (125, &"invalid_request".into())
    );

    // As a person sees it; git passes over the line before the patch.
    let shown = desk.plain(&["workspace", "diff", "new"]);
    let line = text(&shown).lines().next().unwrap().to_owned();
    assert!(
        line.starts_with("[workspace-diff] workspace_id=") && line.contains(" total=12 added=12 "),
        "{line}"
    );
    let again = home.path().join("again");
    std::fs::create_dir(&again).unwrap();
    assert!(apply(&again, &shown).0);

    // What no patch carries is listed, and a binary file makes it refused.
    desk.sh("new", "mkdir -p e/mpty && mkfifo pipe && git init -q r && git -C r -c user.name=a -c user.email=a@b commit -q --allow-empty -m x");
    let diff = desk.done(&["diff", "new", "e", "pipe", "r", "src/deep"]);
    assert_eq!(
        rows(&diff),
        [
            "added directory e/mpty",
            "added other pipe",
            "added file src/deep/b"
        ]
    );
    assert_eq!(
        diff["entries"][2]["workspace_path"],
        "/workspace/src/deep/b"
    );
    assert_eq!(
        (&diff["git_skipped"], &diff["summary"]["non_text"]),
        (&1.into(), &2.into())
    );
    desk.sh("new", "head -c 3000000 /dev/zero > zeroes; yes text | head -c 3000000 > words; printf '\\377' > latin");
    let diff = desk.done(&["diff", "new", "zeroes", "words", "latin"]);
    let marks: Vec<_> = diff["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["path"], &entry["binary"], &entry["truncated"]))
        .map(|(path, binary, truncated)| {
            (path.as_str().unwrap(), binary == true, truncated == true)
        })
        .collect();
    assert_eq!(
        marks,
        [
            ("latin", true, false),
            ("words", false, true),
            ("zeroes", true, false)
        ]
    );
    let (taken, why) = apply(&again, diff["patch"].as_str().unwrap().as_bytes());
    assert!(!taken, "{why}");

    let stat = desk.plain(&["workspace", "diff", "new", "src", "zeroes", "--stat"]);
    assert!(text(&stat).ends_with(" src/a      | 2 ++\n src/deep/b | 1 +\n src/twin   | 2 ++\n zeroes     | Bin 0 -> 3000000 bytes\n 4 files changed, 5 insertions(+)\n"), "{}", text(&stat));
    let names = desk.plain(&["workspace", "diff", "new", "src", "--name-only"]);
    assert!(
        text(&names).ends_with("non_text=0\nsrc/a\nsrc/deep/b\nsrc/twin\n"),
        "{}",
        text(&names)
    );
    let short = desk.done(&["diff", "new", "src", "--stat"]);
    assert_eq!(
        (
            &short["patch"],
            &short["entries"][0]["text_patch"],
            &short["entries"][0]["lines_added"]
        ),
        (&"".into(), &Value::Null, &2.into())
    );

    for (words, kind) in [
        (["diff", "new", "nowhere"], "file_not_found"),
        (["diff", "new", "../etc"], "invalid_path"),
        (["diff", "new", "r/.git"], "bad_file_request"),
    ] {
        let (error, code) = desk.ask(&words);
        assert_eq!((code, &error["error_kind"]), (125, &kind.into()), "{error}");
    }
    let both = desk
        .place
        .pyro(&["workspace", "diff", "new", "--stat", "--patch-only"])
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
    desk.done(&["stop", "new"]);
    let (error, code) = desk.ask(&["diff", "new"]);
    assert_eq!((code, &error["error_kind"]), (125, &"wrong_state".into()));
}
