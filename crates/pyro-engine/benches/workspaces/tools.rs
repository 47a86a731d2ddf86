//! What tools do over a seed (overlayfs) and on a plain ext4.
//!
//! The plain one is a workspace without a seed, into which the same tree was
//! put by a sync: there `/workspace` is a folder of the disk itself.

use crate::Desk;
use crate::pairs::Pair;

/// A repository of 2,000 commits and 6,000 versions of files.
const REPOSITORY: &str = r#"
    mkdir repository && cd repository && git init -q -b main .
    { for c in $(seq 2000); do
        echo "commit refs/heads/main"; echo "committer a <a@b> $((1700000000 + c)) +0000"
        echo "data 2"; echo "c"
        for f in 1 2 3; do body="line $c $f $RANDOM"
          echo "M 100644 inline src/d$((c % 80))/f$f$((c % 7))"; echo "data $((${#body} + 1))"; echo "$body"; done
      done; } | git fast-import --quiet
    git reset -q --hard main"#;

/// What is done.
const WORK: [(&str, &str); 7] = [
    ("git status", "git status > /dev/null"),
    (
        "git commit of 50 files",
        "for f in src/d1?/f1?; do echo x >> $f; done; git -c user.name=a -c user.email=a@b commit -qam c",
    ),
    (
        "git clone of 2,000 commits",
        "rm -rf c; git clone -q --no-local . c; rm -rf c",
    ),
    ("git gc", "git gc -q --prune=now"),
    (
        "rename of a folder of the seed and back",
        "perl -e 'for (1..200) { rename(\"src\", \"lib\") && rename(\"lib\", \"src\") or die }'",
    ),
    (
        "20,000 small files made, listed, removed",
        "mkdir m; (cd m; seq 20000 | split -l 1 -a 5 -d - f); find m | wc -l > /dev/null; rm -r m",
    ),
    (
        "reading every file",
        "cat $(git ls-files) | wc -c > /dev/null",
    ),
];

pub fn rows(desk: &Desk) {
    desk.host(REPOSITORY);
    let repository = desk.path("repository").display().to_string();
    let words = ["create", "debian:12", "--name"];
    desk.pyro(&[&words[..], &["seeded", "--seed-path", &repository]].concat());
    desk.pyro(&[&words[..], &["plain"]].concat());
    desk.pyro(&["sync", "push", "plain", &repository]);
    for (what, line) in WORK {
        let pair = Pair::measure(
            desk.rounds,
            || desk.guest("seeded", line),
            || desk.guest("plain", line),
        );
        desk.show(&pair.row(what, "on plain ext4", ""));
    }
}
