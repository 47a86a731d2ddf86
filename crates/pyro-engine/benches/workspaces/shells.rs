//! A shell beside commands: typing a line and reading what came of it.

use crate::Desk;
use crate::pairs::Pair;

pub fn rows(desk: &Desk) {
    let words = ["create", "debian:12", "--name", "talk", "--mem-mib", "512"];
    desk.pyro(&words);
    let shell = desk.output(&["shell", "open", "talk", "--id-only"]);
    let shell = shell.trim();
    let mut number = 1000;
    let talk = Pair::measure(
        desk.rounds * 5,
        || {
            number += 1;
            let line = format!("echo e$(({number}))");
            let typed = desk.pyro(&["shell", "write", "talk", shell, "--input", &line]);
            let answer = format!("e{number}");
            typed + desk.pyro(&["shell", "read", "talk", shell, "--wait-for", &answer])
        },
        || desk.guest("talk", "echo e"),
    );
    desk.show(&talk.row(
        "shell: a line written and its answer read",
        "exec of the same line",
        "ratio at most 2",
    ));
    desk.pyro(&["delete", "talk"]);
}
