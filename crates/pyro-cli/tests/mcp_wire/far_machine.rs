//! Another machine: an OpenSSH server of a test's own, on a loopback port.
//!
//! ```text
//! near/bin/ssh = ssh -F config --127.0.0.1:PORT--> sshd --login shell--> pyro of far/bin
//! ```
//!
//! OpenSSH takes the home directory from the user database, so a test's `HOME`
//! leads it to no configuration; the `ssh` that is first on PATH here gives it
//! one, and everything else is as an entry says it.
//!
//! Owns: its keys, its port, and the end of the server. Refuses: being there
//! without sshd; the test is skipped, and says so.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";
/// Longer than it takes to listen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server, and what a client needs for it.
pub struct FarMachine {
    folder: TempDir,
    sshd: Child,
}

impl FarMachine {
    /// One that ssh knows as `box`; `stranger` is the same with a key nobody
    /// knows, and `gone` one where nobody listens.
    pub fn start() -> Option<Self> {
        if !Path::new(SSHD).exists() {
            println!("skipped: no {SSHD}; ci/install-packages installs openssh-server");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for below in ["near/bin", "far/bin", "far/home"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_pyro"), root.join("far/bin/pyro")).unwrap();
        for name in ["host_key", "user_key"] {
            let file = root.join(name);
            said(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(file),
            );
        }
        let (port, sshd) = serve(root);
        let machine = Self { folder, sshd };
        machine.write_client(port);
        Some(machine)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a shell script one of the programs in `near/bin`.
    pub fn near_program(&self, name: &str, body: &str) {
        let path = self.path("near/bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Processes of pyro over there.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("PYRO_STATE_DIR={}", self.path("far/state").display());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let mut variables = variables.split(|byte| *byte == 0);
                variables.any(|one| one == mark.as_bytes())
            })
            .collect()
    }

    fn write_client(&self, port: u16) {
        let shown = |name: &str| self.path(name).display().to_string();
        let key = fs::read_to_string(self.path("host_key.pub")).unwrap();
        let known = format!("[127.0.0.1]:{port} {key}");
        fs::write(self.path("known_hosts"), known).unwrap();
        let config = format!(
            "Host stranger\n  UserKnownHostsFile /dev/null\nHost gone\n  Port {}\n\
             Host *\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n",
            free_port(),
            said(Command::new("id").arg("-un")).trim(),
            shown("user_key"),
            shown("known_hosts"),
        );
        fs::write(self.path("config"), config).unwrap();
        let ssh = said(Command::new("sh").args(["-c", "command -v ssh"]));
        let body = format!("exec {} -F {} \"$@\"", ssh.trim(), shown("config"));
        self.near_program("ssh", &body);
    }
}

impl Drop for FarMachine {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// Starts a server, at another port when somebody took the one that was free.
fn serve(root: &Path) -> (u16, Child) {
    // The service of the package makes this folder, when it runs.
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    for _ in 0..5 {
        let port = free_port();
        let shown = |name: &str| root.join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             SetEnv HOME={} PATH={}:/usr/bin:/bin PYRO_STATE_DIR={} PYRO_ENVIRONMENT_CACHE_DIR={}\n",
            shown("host_key"),
            shown("user_key.pub"),
            shown("far/home"),
            shown("far/bin"),
            shown("far/state"),
            shown("far/cache"),
        );
        fs::write(root.join("sshd_config"), config).unwrap();
        let log = fs::File::create(root.join("sshd.log")).unwrap();
        let mut sshd = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(root.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        while sshd.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (port, sshd);
            }
            assert!(began.elapsed() < PATIENCE, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let log = fs::read_to_string(root.join("sshd.log")).unwrap();
    panic!("sshd does not start: {log}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// What a command prints that has to succeed.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
