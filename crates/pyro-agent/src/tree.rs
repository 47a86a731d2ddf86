//! The processes below one, read from /proc.
//!
//! Owns: finding and killing them. Refuses: waiting for them; whoever is
//! their parent does that.

use crate::cgroup::Group;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Pids of all descendants of `root`, without itself.
pub fn descendants(root: i32) -> Vec<i32> {
    let pairs: Vec<(i32, i32)> = all().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let above = found[at];
        found.extend(
            pairs
                .iter()
                .filter(|(_, of)| *of == above)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found.remove(0);
    found
}

/// Kills all descendants of `root` except `spared` and what is below that.
pub fn kill_below(root: i32, spared: Option<i32>) {
    let keep: Vec<i32> = spared
        .map(|pid| {
            let mut keep = descendants(pid);
            keep.push(pid);
            keep
        })
        .unwrap_or_default();
    for pid in descendants(root) {
        if !keep.contains(&pid) {
            signal(pid, Signal::KILL);
        }
    }
}

/// Ends a command, by the leader of its session, and all it started that can
/// be found.
pub fn kill_command(leader: Pid, group: Option<&Group>) {
    let below = match group {
        Some(_) => Vec::new(),
        None => descendants(leader.as_raw_nonzero().get()),
    };
    let _ = kill_process_group(leader, Signal::KILL);
    if let Some(group) = group {
        group.kill();
    }
    for pid in below {
        signal(pid, Signal::KILL);
    }
}

/// Sends a signal; that the process is gone already is what was wanted.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// All pids that are there.
pub fn all() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Parent of a process, and none for one that is gone.
pub fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses: the fields start after the last one.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
