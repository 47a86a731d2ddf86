//! An ordinary user, from nothing; and what root's VMM is.

use crate::machine::{Place, eventually, text, vmm_below};
use std::process::{Command, Stdio};

#[test]
fn roots_vmm_is_not_root() {
    let place = Place::new();
    let mut client = place
        .run("sleep 20")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = client.id();
    eventually("the vmm runs", || vmm_below(id).is_some());
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", vmm_below(id).unwrap())).unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    let line = |name: &str| {
        status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(!line("Uid:").contains("\t0\t"), "{}", line("Uid:"));
    assert_eq!(line("CapEff:"), "CapEff:\t0000000000000000");
}

#[test]
fn an_ordinary_user_pulls_and_runs() {
    if Command::new("id").arg("-u").output().unwrap().stdout != b"0\n" {
        eprintln!(
            "skipped: only root can make the user; the other tests run as an ordinary one already"
        );
        return;
    }
    let user = User::new();
    let pull = user.pyro(&["env", "pull", "debian:12-base"]);
    assert!(pull.status.success(), "{}", text(&pull.stderr));
    for start_kind in ["template", "template"] {
        let run = user.pyro(&[
            "run",
            "debian:12-base",
            "--json",
            "--",
            "sh",
            "-c",
            "id -u; uname -s",
        ]);
        let result: serde_json::Value = serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|_| panic!("{} {}", text(&run.stdout), text(&run.stderr)));
        assert_eq!(
            (result["stdout"].as_str(), result["start_kind"].as_str()),
            (Some("0\nLinux\n"), Some(start_kind))
        );
        assert_eq!(result["execution_mode"], "guest_serial");
    }
    let doctor = user.pyro(&["doctor", "--json", "--environment", "debian:12-base"]);
    assert!(doctor.status.success(), "{}", text(&doctor.stderr));
}

/// A user that exists for one test.
struct User {
    name: String,
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let name = format!("pyrotest{}", std::process::id());
        let home = tempfile::tempdir().unwrap();
        // useradd gives the user ranges of subordinate ids as well.
        let made = Command::new("useradd")
            .args(["--no-create-home", "--home-dir"])
            .arg(home.path())
            .arg(&name)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let own = Command::new("chown")
            .arg(&name)
            .arg(home.path())
            .status()
            .unwrap();
        assert!(own.success());
        // The build folder may lie where this user cannot look.
        std::fs::copy(env!("CARGO_BIN_EXE_pyro"), home.path().join("pyro")).unwrap();
        Self { name, home }
    }

    fn pyro(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("/usr/sbin/runuser")
            .args(["-u", &self.name, "--"])
            .arg(self.home.path().join("pyro"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel")
            .args(["--force", &self.name])
            .output();
    }
}
