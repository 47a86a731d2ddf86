//! pasta, the namespace's way to the host's sockets.
//!
//! Owns: its command line, waiting for its interface, noticing its end.
//! Refuses: port forwarding, DHCP, and any address of the host: only what the
//! rules let through reaches it.

use super::order::{UPLINK, UPLINK_ADDRESS, UPLINK_ROUTER};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long it may take from its start to its interface; a loaded host takes
/// a second.
pub const UP_TIMEOUT: Duration = Duration::from_secs(20);
/// Kept of what it says.
const MOST_WORDS: usize = 4096;

/// A pasta that was started.
pub struct Uplink {
    /// Its process.
    pub child: Child,
    words: Arc<Mutex<Vec<u8>>>,
}

impl Uplink {
    /// Starts it on the namespace known as the file `namespace`.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn start(pasta: &Path, namespace: &str) -> io::Result<Self> {
        let mut child = Command::new(pasta)
            .args(arguments(namespace))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let words = Arc::new(Mutex::new(Vec::new()));
        if let Some(mut stderr) = child.stderr.take() {
            let kept = words.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(length) = stderr.read(&mut buffer)
                    && length > 0
                {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = MOST_WORDS.saturating_sub(kept.len());
                    kept.extend(&buffer[..length.min(room)]);
                }
            });
        }
        Ok(Self { child, words })
    }

    /// What it said, but for what it could not say to the system's log.
    pub fn words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&words).into_owned();
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.ends_with("bytes to syslog"))
            .collect();
        lines.join("; ")
    }
}

fn arguments(namespace: &str) -> Vec<String> {
    let mut all: Vec<String> = [
        "--foreground",
        "--quiet",
        "--ipv4-only",
        "--config-net",
        // The user namespace is this one already.
        "--netns-only",
        // It is ended with the process namespace; the file has no folder to watch.
        "--no-netns-quit",
        "--no-map-gw",
        "--no-dhcp",
        "--no-ndp",
        "--no-ra",
        "--no-dhcpv6",
    ]
    .map(str::to_owned)
    .to_vec();
    for flag in ["-t", "-u", "-T", "-U"] {
        all.extend([flag.to_owned(), "none".to_owned()]);
    }
    for (flag, value) in [
        ("--netns", namespace.to_owned()),
        ("--ns-ifname", UPLINK.to_owned()),
        ("--address", UPLINK_ADDRESS.to_string()),
        ("--netmask", "30".to_owned()),
        ("--gateway", UPLINK_ROUTER.to_string()),
    ] {
        all.extend([flag.to_owned(), value]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_host_is_mapped_in() {
        let all = arguments("/netns").join(" ");
        for part in [
            "--no-map-gw",
            "-t none",
            "-u none",
            "-T none",
            "-U none",
            "--ipv4-only",
        ] {
            assert!(all.contains(part), "{all}");
        }
        assert!(!all.contains("--dns"), "{all}");
    }
}
