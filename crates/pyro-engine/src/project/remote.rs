//! The `git` program, asked to speak with a server.
//!
//! ```text
//!   of the user          configuration: proxies, certificates, credential helpers
//!   of the environment   all but GIT_* and SSH_ASKPASS
//!   of the address       protocols; credentials, for its own origin alone
//!   never                a prompt, a shared ssh connection, a half of a pack
//! ```
//!
//! Owns: those words. Refuses: credentials among the arguments, and a header
//! for them: git sends it wherever a server redirects to.

use super::address::{Address, Credentials};
use super::git;
use std::path::Path;
use std::process::Command;

/// Answers git with what is in its environment.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
    \"$PYRO_CLONE_NAME\" \"$PYRO_CLONE_PASSWORD\"; }; f";

/// A command in a mirror.
pub fn command(repository: &Path, address: &Address) -> Command {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            git.env_remove(name);
        }
    }
    git.env_remove("SSH_ASKPASS")
        .env("LC_ALL", "C")
        .env("GIT_DIR", repository)
        .env("GIT_ALLOW_PROTOCOL", &address.protocols)
        .env(
            "GIT_SSH_COMMAND",
            "ssh -oBatchMode=yes -oConnectTimeout=30 -oControlMaster=no -oControlPath=none",
        )
        .env("GCM_INTERACTIVE", "never")
        .current_dir(repository)
        .args(["-c", "core.askPass="])
        // A pack comes whole or not at all; objects of their own do not, and a
        // commit that is here must have its files.
        .args(["-c", "fetch.unpackLimit=1"])
        .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=120"]);
    git::harden(&mut git);
    if let Some(who) = &address.credentials {
        authorize(&mut git, who);
    }
    git
}

fn authorize(git: &mut Command, who: &Credentials) {
    let key = |name| format!("credential.{}.{name}", who.origin);
    // A name alone is asked about among the user's helpers before it is taken
    // for a token; what is whole is none of their business.
    let first = match who.password {
        Some(_) => (key("helper"), ""),
        None => (key("username"), who.name.as_str()),
    };
    for (number, (key, value)) in [first, (key("helper"), HELPER)].into_iter().enumerate() {
        git.env(format!("GIT_CONFIG_KEY_{number}"), key)
            .env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    git.env("GIT_CONFIG_COUNT", "2")
        .env("PYRO_CLONE_NAME", &who.name)
        .env(
            "PYRO_CLONE_PASSWORD",
            who.password.as_deref().unwrap_or_default(),
        );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Stdio;

    /// What git knows to say to `host` when it clones `address`.
    fn said_to(host: &str, address: &str, home: &Path) -> String {
        let mut git = git::command();
        git.args(["init", "--quiet", "--bare"]).arg(home.join("m"));
        assert!(git.status().unwrap().success());
        let mut git = command(&home.join("m"), &Address::parse(address).unwrap());
        git.env("HOME", home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("XDG_CONFIG_HOME")
            .args(["credential", "fill"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut git = git.spawn().unwrap();
        let asked = format!("protocol=https\nhost={host}\n\n");
        git.stdin
            .take()
            .unwrap()
            .write_all(asked.as_bytes())
            .unwrap();
        let said = git.wait_with_output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let told = ["username=", "password="];
        let lines = said
            .lines()
            .filter(|line| told.iter().any(|told| line.starts_with(told)));
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn credentials_are_for_their_origin_and_a_name_alone_is_asked_about() {
        let (plain, helped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = "[credential]\n\thelper = \"!f() { echo password=kept; }; f\"\n";
        std::fs::write(helped.path().join(".gitconfig"), config).unwrap();
        for (host, address, home, said) in [
            (
                "h",
                "https://me:p%20%22w$x@h/x",
                &plain,
                "username=me password=p \"w$x",
            ),
            ("h", "https://me:pw@h/x", &helped, "username=me password=pw"),
            ("h", "https://me@h/x", &helped, "username=me password=kept"),
            ("h", "https://token@h/x", &plain, "username=token password="),
            (
                "h:8443",
                "https://me:pw@h:8443/x",
                &plain,
                "username=me password=pw",
            ),
            ("h", "https://me:pw@h:8443/x", &plain, ""),
            ("other", "https://me:pw@h/x", &plain, ""),
            ("h", "http://me:pw@h/x", &plain, ""),
        ] {
            assert_eq!(
                said_to(host, address, home.path()),
                said,
                "{address} at {host}"
            );
        }
    }
}
