//! What changed in a workspace, and that its patch is what git takes.
//!
//! Owns: telling trees on the host from those in the guest. Refuses: which
//! changes overlays make; the agent's own tests have them.

use super::Desk;
use crate::machine::{host, text};
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

/// A project: text of all line ends, links, modes, odd names, a binary file,
/// an empty folder, a repository.
const SEED: &str = "mkdir -p src/lib/deep docs empty .git keep && seq 1 200 > src/lib/long && seq 1 9 > src/lib/deep/same \
    && printf 'a\\r\\nb\\r\\n' > crlf && printf 'one\\ntwo' > open && printf 'x\\n' > closed && printf '#!/bin/sh\\n' > run && chmod 755 run \
    && printf 'plain\\n' > tool && ln -s src/lib/long link && ln -s missing dangling && printf 'old\\n' > docs/gone && printf 'stay\\n' > docs/stay \
    && printf '\\000\\001' > binary && printf 'o\\n' > 'odd \"name\" ä' && printf 'r\\n' > \"$(printf 'raw\\377')\" && printf 'becomes\\n' > type \
    && printf 'only\\n' > keep/only && printf 'ref: x\\n' > .git/HEAD && : > nothing";

/// What is done to it inside: everything that a patch can carry.
const WORK: &str = "sed -i 's/^100$/hundred/' src/lib/long && mv src/lib src/moved && printf 'a\\r\\nB\\r\\n' > crlf \
    && printf 'one\\ntwo\\n' > open && printf 'x' > closed && chmod 644 run && chmod 755 tool && ln -sfn docs/stay link && rm dangling \
    && rm docs/gone && printf 'p\\n' >> 'odd \"name\" ä' && rm \"$(printf 'raw\\377')\" && printf 'n\\n' > \"$(printf 'new\\377\\nx')\" \
    && rm type && ln -s tool type && mkdir -p new/er && printf 'in\\n' > new/er/file && touch docs/stay && cp -a nothing copy && echo y > .git/HEAD";

#[test]
fn the_patch_of_a_seeded_workspace_makes_its_tree_of_the_original() {
    let desk = Desk::new();
    let home = tempfile::tempdir().unwrap();
    let (original, exported) = (home.path().join("original"), home.path().join("exported"));
    std::fs::create_dir(&original).unwrap();
    host(&original, SEED);
    let from = original.display().to_string();
    desk.done(&[
        "create",
        "debian:12",
        "--name",
        "work",
        "--mem-mib",
        "512",
        "--seed-path",
        &from,
    ]);
    assert_eq!(desk.done(&["diff", "work"])["changed"], false);
    desk.sh("work", "find . -type f -exec touch {} + && chmod 600 tool && chmod 644 tool && mv src/lib x && mv x src/lib && cat src/lib/long > /dev/null");
    assert_eq!(
        text(&desk.plain(&["workspace", "diff", "work"])),
        "No workspace changes.\n"
    );

    desk.sh("work", WORK);
    let diff = desk.done(&["diff", "work"]);
    assert_eq!(
        rows(&diff),
        [
            "modified file closed",
            "added file copy",
            "modified file crlf",
            "deleted symlink dangling",
            "deleted file docs/gone",
            "modified symlink link",
            "added file new/er/file",
            "added file new\u{fffd}\nx",
            "modified file odd \"name\" ä",
            "modified file open",
            "deleted file raw\u{fffd}",
            "modified file run",
            "deleted file src/lib/deep/same",
            "deleted file src/lib/long",
            "added file src/moved/deep/same",
            "added file src/moved/long",
            "modified file tool",
            "type_changed symlink type",
        ]
    );
    assert_eq!(
        (
            &diff["summary"]["non_text"],
            &diff["git_skipped"],
            &diff["truncated"]
        ),
        (&0.into(), &1.into(), &false.into())
    );
    let run = diff["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["path"] == "run")
        .unwrap();
    assert_eq!(
        (&run["old_mode"], &run["new_mode"]),
        (&"0755".into(), &"0644".into())
    );
    let patch = desk.patch("work");
    assert_eq!(diff["patch"].as_str().unwrap().as_bytes(), patch);

    desk.exported("work", &exported);
    let copy = home.path().join("copy");
    host(home.path(), "cp -a original copy");
    assert_eq!(apply(&copy, &patch), (true, String::new()));
    assert_eq!(differences(&copy, &exported), "");
    assert_eq!(modes(&copy), modes(&exported));
    // Our own reader takes it as well, in a workspace that has the original.
    desk.done(&[
        "create",
        "debian:12",
        "--name",
        "twin",
        "--mem-mib",
        "512",
        "--seed-path",
        &from,
    ]);
    let file = home.path().join("work.patch");
    std::fs::write(&file, &patch).unwrap();
    desk.done(&[
        "patch",
        "apply",
        "twin",
        "--patch-file",
        &file.display().to_string(),
    ]);
    assert_eq!(desk.patch("twin"), patch);

    // A folder that lost its last file is not new, an empty one that goes is gone.
    desk.sh("work", "rm keep/only && rmdir empty && printf '\\000\\002' > binary && mkfifo pipe && mkdir hollow");
    let diff = desk.done(&["diff", "work", "keep", "empty", "binary", "pipe", "hollow"]);
    assert_eq!(
        rows(&diff),
        [
            "modified file binary",
            "deleted directory empty",
            "added directory hollow",
            "deleted file keep/only",
            "added other pipe"
        ]
    );
    assert!(
        diff["entries"][0]["binary"] == true
            && diff["patch"]
                .as_str()
                .unwrap()
                .contains("Binary files a/binary and b/binary differ")
    );
    assert!(
        !apply(&copy, &desk.patch("work")).0,
        "a patch without the binary file is not the whole"
    );

    // The comparison is with the seed, whatever was stopped or reset.
    desk.done(&["stop", "work"]);
    desk.done(&["start", "work"]);
    assert_eq!(
        rows(&desk.done(&["diff", "work", "docs"])),
        ["deleted file docs/gone"]
    );
    desk.done(&["reset", "work"]);
    assert_eq!(desk.done(&["diff", "work"])["changed"], false);
}
