//! The program inside a pyro guest: PID 1, the agent, and the plain-process agent.
//!
//! Owns: which role this process has. Refuses: anything that is not one of
//! the three roles, with a line on stderr and exit code 2.
//!
//! ```text
//!   kernel --/init--> init (PID 1: modules, mounts, reaps)
//!                       \-- agent  (serves the host over a port or vsock)
//!   launcher --------> keeper (reaps, kills what is left)
//!                       \-- agent  (serves the host over an inherited socket)
//! ```

mod activity;
mod cgroup;
mod clock;
mod configure;
mod conn;
mod console;
mod dial;
mod environment;
mod exec;
mod files;
mod freeze;
mod init;
mod init_root;
mod keeper;
mod machine;
mod modules;
mod network;
mod poweroff;
mod probe;
mod process;
mod pump;
mod reader;
mod reply;
mod role;
mod root;
mod secrets;
mod server;
mod shell;
mod spawn;
mod sys;
mod transport;
mod tree;
mod trust;
mod warm;
mod workspace;
mod workspace_mount;

use process::View;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // Before the look at the pid: a launcher's PID namespace makes this 1 too.
        ["process", fd] => process::run(fd, &View::Host),
        ["process", fd, "--workspace"] => process::run(fd, &View::Own),
        // For tests: files below a folder of theirs, commands on the host itself.
        ["process", fd, "--files", folder] => process::run(fd, &View::Files(folder.into())),
        ["process", fd, "--seeded", folder] => process::run(fd, &View::Seeded(folder.into())),
        // The kernel hands words of its command line that it does not know to /init.
        _ if std::process::id() == 1 => init::run(),
        _ => {
            console::stderr(
                "usage: pyro-agent process <fd> [--workspace | --files <folder> | --seeded <folder>], or /init as PID 1",
            );
            ExitCode::from(2)
        }
    }
}
