//! What taking secrets out costs, on the way from a guest to its log.
//!
//! The log of 100 MB is made in the guest's memory first, so that making it is
//! in neither time.

use crate::Desk;
use crate::pairs::Pair;
use std::time::Duration;

/// Lines of a build, with words that secrets begin with.
const LOG: &str = r"
    for i in $(seq 20000); do
        echo \[$i\] Compiling thing-$i v1.$i.0 '(/workspace/crates/thing-'$i')' --features tokens,keys '    ' ok
    done > /tmp/piece
    while [ $(stat -c %s /tmp/log 2>/dev/null || echo 0) -lt 100000000 ]; do cat /tmp/piece >> /tmp/log; done
    truncate -s 100000000 /tmp/log";

/// A token and a key of several lines.
fn secrets(desk: &Desk) -> [String; 4] {
    let key = desk.path("key");
    let line = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABlwAAAAdzc2gtcn";
    let lines = (0..30)
        .map(|i| format!("{i:02}{line}\n"))
        .collect::<String>();
    std::fs::write(
        &key,
        format!("-----BEGIN KEY-----\n{lines}-----END KEY-----\n"),
    )
    .expect("a file is written");
    [
        "--secret".into(),
        "TOKEN=ghp_7GvQ2mKx94RzWnL0pYdB6tHc5JsF8aEu3XkV".into(),
        "--secret-file".into(),
        format!("KEY={}", key.display()),
    ]
}

pub fn rows(desk: &Desk) {
    let secrets = secrets(desk);
    for (name, flags) in [("open", &[][..]), ("secret", &secrets[..])] {
        let words = ["create", "debian:12", "--name", name, "--mem-mib", "1024"];
        let flags = flags.iter().map(String::as_str);
        desk.pyro(&words.into_iter().chain(flags).collect::<Vec<_>>());
        desk.guest(name, LOG);
    }
    let shown = |name: &str| -> Duration { desk.guest(name, "cat /tmp/log") };
    let pair = Pair::measure(desk.rounds, || shown("secret"), || shown("open"));
    desk.show(&pair.row(
        "output of 100 MB, with a token and a key of 32 lines taken out",
        "the same in a workspace without secrets",
        "ratio at most 1.10",
    ));
    let page = |name| desk.pyro(&["logs", name, "--sequence", "2", "--limit", "1048576"]);
    let pair = Pair::measure(desk.rounds, || page("secret"), || page("open"));
    desk.show(&pair.row(
        "a page of 1 MiB of that log",
        "the same in a workspace without secrets",
        "ratio at most 1.10",
    ));
    for name in ["secret", "open"] {
        desk.pyro(&["delete", name]);
    }
}
