//! Real tools on `/workspace`, over a seed and on a plain folder.
//!
//! Owns: what tools ask of a file system that an overlay may refuse: renames
//! of folders, hard links, locks, shared mappings, many small files.

use super::Desk;
use std::path::Path;
use std::process::Command;

/// A history of many commits and files, made in one go.
fn history(folder: &Path) {
    let script = r#"
        git init -q -b main .
        { for c in $(seq 600); do
            echo "commit refs/heads/main"; echo "committer a <a@b> $((1700000000 + c)) +0000"
            echo "data 2"; echo "c"
            for f in 1 2 3; do
              body="line $c $f $((c * 7919 % 1000))"
              echo "M 100644 inline src/d$((c % 40))/f$f"; echo "data $((${#body} + 1))"; echo "$body"
            done
          done; } | git fast-import --quiet
        git reset -q --hard main"#;
    let status = Command::new("bash")
        .args(["-ec", script])
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

const GIT: &str = r#"
    set -e
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    test -z "$(git status --porcelain)"
    git clone -q . /tmp/other && git -C /tmp/other fsck --full 2>&1 | grep -v dangling || true
    git clone -q --local . copy && test "$(git -C copy rev-list --count main)" = 600
    git mv src lib && git commit -qm moved && test "$(git rev-list --count main)" = 601
    git checkout -q -b side HEAD~100 && git merge -q -m merge main && git gc -q --prune=now
    git fsck --full --strict 2>&1 | grep -E 'error|missing|corrupt' && exit 1
    git stash list; git worktree add -q wt HEAD~5 && git worktree remove wt
    test -z "$(git status --porcelain --untracked-files=no)"
    echo git is fine"#;

const SYSTEM: &str = r##"
    set -e
    perl -e 'rename("lib", "lib2") or die "rename: $!"; rename("lib2/d1", "elsewhere") or die "rename: $!"'
    ln lib2/d2/f1 hard && echo more >> hard && cmp hard lib2/d2/f1 && test "$(stat -c %h hard)" = 2
    (flock -n 9 || exit 1; flock -n lock -c true && exit 1; true) 9> lock
    mkfifo p && (echo through > p &) && test "$(cat p)" = through
    truncate -s 1T huge && test "$(du -k huge | cut -f1)" -lt 64
    cp --sparse=always -a lib2 copy2 && diff -r lib2 copy2 && rm -rf copy2 huge
    mkdir many && cd many && seq 1 COUNT | split -l 1 -a 5 -d - f && test "$(ls | wc -l)" = COUNT
    cd .. && mv many many2 && rm -rf many2
    echo system is fine"##;

const BUILD: &str = r#"
    set -e
    python3 - <<'P'
import sqlite3, threading
def db():
    c = sqlite3.connect("w.db", timeout=60); c.execute("pragma journal_mode=wal"); return c
db().execute("create table t(a, b)")
def work(n):
    c = db()
    for i in range(20):
        with c: c.execute("insert into t values(?, ?)", (n, i))
ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
assert db().execute("select count(*) from t").fetchone() == (80,)
assert db().execute("pragma integrity_check").fetchone() == ("ok",)
import mmap, os
with open("m", "wb") as f: f.truncate(8192)
a, b = (mmap.mmap(os.open("m", os.O_RDWR), 8192) for _ in range(2))
a[5000:5003] = b"abc"; assert b[5000:5003] == b"abc"
P
    python3 -m venv --without-pip venv && ./venv/bin/python -c 'import sys; assert sys.prefix.endswith("/venv")'
    mkdir node_modules && for i in $(seq 150); do
      mkdir -p node_modules/p$i/lib node_modules/.bin; echo "module.exports=$i" > node_modules/p$i/lib/i.js
      ln -s ../p$i/lib/i.js node_modules/.bin/p$i; done
    mv node_modules .nm-old && mv .nm-old node_modules && test "$(cat node_modules/.bin/p7)" = module.exports=7
    printf 'cmake_minimum_required(VERSION 3.18)\nproject(x C)\nadd_executable(x x.c)\n' > CMakeLists.txt
    printf '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n' > x.c
    cmake -S . -B out > log && cmake --build out >> log && ./out/x"#;

/// With `PYRO_MANY_FILES` small files (`make soak`: 100,000).
#[test]
fn tools_work_over_a_seed_as_on_a_plain_disk() {
    let desk = Desk::new();
    let source = tempfile::tempdir().unwrap();
    history(source.path());
    let from = source.path().display().to_string();
    desk.done(&[
        "create",
        "debian:12",
        "--name",
        "tools",
        "--seed-path",
        &from,
    ]);
    let said = desk.sh_within("tools", 300, GIT);
    assert!(said.ends_with("git is fine\n"), "{said}");
    let many = std::env::var("PYRO_MANY_FILES").unwrap_or_else(|_| "3000".into());
    let said = desk.sh_within("tools", 900, &SYSTEM.replace("COUNT", &many));
    assert!(said.ends_with("system is fine\n"), "{said}");
}

#[test]
fn builds_and_databases_work_over_a_seed() {
    let desk = Desk::new();
    desk.place.install("debian:12-build");
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("README"), "seed\n").unwrap();
    let from = source.path().display().to_string();
    desk.done(&[
        "create",
        "debian:12-build",
        "--name",
        "build",
        "--seed-path",
        &from,
    ]);
    let said = desk.sh_within("build", 300, BUILD);
    assert!(said.ends_with("built\n"), "{said}");
}

/// Cargo and rustc of this host, taken along in the seed.
#[test]
fn cargo_builds_a_crate_over_a_seed() {
    if std::env::var_os("PYRO_CARGO_IN_GUEST").is_none() {
        eprintln!("skipped: takes minutes; make soak runs it (PYRO_CARGO_IN_GUEST)");
        return;
    }
    let desk = Desk::new();
    desk.place.install("debian:12-build");
    let source = tempfile::tempdir().unwrap();
    let take = r#"
        sysroot=$(rustc --print sysroot); mkdir -p toolchain/bin toolchain/lib/rustlib
        cp -a "$sysroot"/bin/rustc "$sysroot"/bin/cargo toolchain/bin
        cp -a "$sysroot"/lib/*.so* toolchain/lib
        cp -a "$sysroot"/lib/rustlib/x86_64-unknown-linux-gnu toolchain/lib/rustlib
        mkdir -p crate/src; printf '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n' > crate/Cargo.toml
        printf 'fn main() { println!("built by cargo"); }\n' > crate/src/main.rs"#;
    let status = Command::new("bash")
        .args(["-ec", take])
        .current_dir(source.path())
        .status();
    assert!(status.unwrap().success());
    let from = source.path().display().to_string();
    desk.done(&[
        "create",
        "debian:12-build",
        "--name",
        "cargo",
        "--mem-mib",
        "2048",
        "--seed-path",
        &from,
    ]);
    let line = "export PATH=/workspace/toolchain/bin:$PATH HOME=/root; cd crate && cargo build --offline 2> log && cargo clean -q && cargo run -q --offline";
    assert_eq!(desk.sh_within("cargo", 900, line), "built by cargo\n");
}
