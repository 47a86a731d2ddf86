//! An interactive shell on a terminal of its own.
//!
//! Owns: what an `OpenShell` is answered. Refuses: shells before configure
//! and during power-off, and a working folder that does not exist.
//!
//! ```text
//!   stream <--> pump --> terminal (master) <==> slave: shell, its jobs
//!                `-- pidfd of the shell, its cgroup
//! ```

mod pump;
mod start;
mod terminal;

use crate::machine::Machine;
use crate::reply::{answer, failed};
use crate::{exec, tree};
use pump::Pump;
use pyro_proto::Stream;
use pyro_proto::messages::shells::OpenShell;
use pyro_proto::messages::{Failed, Reply, channel};
use terminal::Terminal;

/// Runs the shell to its end and closes the stream.
pub fn run(machine: &Machine, wanted: &OpenShell, stream: Stream) {
    match open(machine, wanted, &stream) {
        Ok(pump) => {
            // Nobody is left to answer when the host gave the stream up.
            if let Some(ended) = pump.run() {
                answer(stream, &Reply::ShellEnded(ended));
            }
        }
        Err(error) => answer(stream, &Reply::Failed(error)),
    }
}

fn open<'a>(machine: &Machine, wanted: &OpenShell, stream: &'a Stream) -> Result<Pump<'a>, Failed> {
    exec::admit(machine, wanted.time_unix_ns)?;
    let no_terminal = |error| failed("terminal", format!("no terminal: {error}"));
    let terminal = Terminal::open(wanted.cols, wanted.rows).map_err(no_terminal)?;
    let prepared = Pump::prepare(stream)
        .map_err(|error| failed("internal", format!("no descriptor for a shell: {error}")))?;
    if let Some(error) = stream.over() {
        return Err(failed("internal", error.to_string()));
    }
    let group = machine.cgroups.create();
    let started = start::start(machine, wanted, &terminal, group.as_ref())?;
    // It runs; whatever it prints comes after this.
    if stream.send(channel::STDERR, b"r").is_err() {
        tree::kill_command(started.pid, group.as_ref());
    }
    Ok(prepared.with(started, terminal, group))
}
