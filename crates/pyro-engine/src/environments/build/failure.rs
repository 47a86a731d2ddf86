//! Turns a failed build's output into one sentence and the next step.
//!
//! Owns: the table of known failures. Refuses: hiding the output: its last
//! lines are the error's source.

use super::sources::without_credentials;
use crate::error::Error;

/// Text that tells, code, next step. The first that is found counts: the
/// cause stands before what follows from it.
const KNOWN: [(&str, &str, &str); 14] = [
    (
        "No space left on device",
        "no_space",
        "free some space, or move the cache with PYRO_ENVIRONMENT_CACHE_DIR",
    ),
    (
        "newuidmap",
        "no_user_namespaces",
        "install uidmap (`apt-get install uidmap`) and give this user ranges \
         (`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` as root)",
    ),
    (
        "subuid",
        "no_user_namespaces",
        "give this user id ranges: \
         `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` as root",
    ),
    (
        "no line matching user",
        "no_user_namespaces",
        "give this user id ranges: \
         `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` as root",
    ),
    (
        "unshare failed",
        "no_user_namespaces",
        "allow unprivileged user namespaces on this host \
         (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or \
         kernel.apparmor_restrict_unprivileged_userns), or pull as root",
    ),
    (
        "unrecognized option '--map-auto'",
        "no_user_namespaces",
        "util-linux 2.38 or newer is needed without root; pull as root on this host",
    ),
    ("Could not resolve", "no_network", NETWORK),
    ("Temporary failure resolving", "no_network", NETWORK),
    ("Could not connect", "no_network", NETWORK),
    ("Unable to connect", "no_network", NETWORK),
    ("Network is unreachable", "no_network", NETWORK),
    (
        "NO_PUBKEY",
        "untrusted_packages",
        "install Debian's keys: `apt-get install debian-archive-keyring`",
    ),
    (
        "is not valid yet",
        "untrusted_packages",
        "set this host's clock: the packages are signed for a later time",
    ),
    ("Failed to fetch", "no_network", NETWORK),
];

const NETWORK: &str = "check the network and http_proxy, or name a reachable Debian mirror with \
                       PYRO_DEBIAN_MIRROR";

/// The error for a build that ended with these lines.
pub fn explain(name: &str, tail: &[String]) -> Error {
    let known = KNOWN
        .iter()
        .find_map(|known| Some((known, tail.iter().find(|line| line.contains(known.0))?)));
    let last_error = || {
        let marked = tail.iter().rev().find(|line| {
            let line = line.to_ascii_lowercase();
            line.starts_with("e:") || line.contains("error") || line.contains("cannot")
        });
        marked.or(tail.last())
    };
    let line = known.map(|known| known.1).or_else(last_error);
    let line = line.map_or("it said nothing", |line| line.trim());
    let message = without_credentials(&format!("cannot build {name}: {line}"));
    let (code, hint) = known.map_or_else(
        || ("build_failed", last_lines(tail)),
        |((_, code, hint), _)| (*code, (*hint).to_owned()),
    );
    Error::runtime(code, message)
        .hint(hint)
        .source(without_credentials(&tail.join("\n")))
}

fn last_lines(tail: &[String]) -> String {
    let last: Vec<&str> = tail
        .iter()
        .rev()
        .take(4)
        .rev()
        .map(|line| line.trim())
        .collect();
    without_credentials(&format!(
        "the build's last lines were: {}",
        last.join(" / ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(lines: &[&str]) -> Error {
        explain(
            "x",
            &lines
                .iter()
                .map(|&line| line.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn known_failures_have_their_code() {
        for (line, code) in [
            ("mke2fs: No space left on device while writing", "no_space"),
            (
                "unshare: unshare failed: Operation not permitted",
                "no_user_namespaces",
            ),
            ("newuidmap: write to uid_map failed", "no_user_namespaces"),
            (
                "E: Failed to fetch http://a/b  Could not resolve 'a'",
                "no_network",
            ),
            (
                "GPG error: ... NO_PUBKEY 0E98404D386FA1D9",
                "untrusted_packages",
            ),
            ("E: Unable to locate package x", "build_failed"),
        ] {
            let error = explained(&["I: before", line, "E: after"]);
            assert_eq!(error.code, code, "{line}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn passwords_are_in_neither_the_sentence_nor_the_source() {
        let error = explained(&["E: Failed to fetch https://me:secret@h/x"]);
        let all = format!("{error} {:?}", error.source);
        assert!(
            all.contains("https://h/x") && !all.contains("secret"),
            "{all}"
        );
    }

    #[test]
    fn silence_is_an_error_too() {
        assert!(explained(&[]).message.contains("said nothing"));
    }
}
