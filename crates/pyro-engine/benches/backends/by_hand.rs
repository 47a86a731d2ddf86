//! Firecracker driven by hand, without anything of pyro's around it.
//!
//! Owns: a snapshot of its own, and a clone of it to the first command: the
//! program's start, its API, `snapshot/load`, the guest's call, one command.
//! The agent inside is the only thing shared with pyro.

use crate::asking::{ask, now};
use pyro_engine::Layout;
use pyro_engine::environments::Installed;
use pyro_engine::start::{DEFAULT_SCRATCH_MIB, Scratch, initramfs};
use pyro_proto::Link;
use pyro_proto::messages::{Command as GuestCommand, Configure, Exec, Hello, PROTOCOL, Request};
use pyro_vmm::firecracker::FirecrackerBinary;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct ByHand {
    folder: tempfile::TempDir,
    firecracker: PathBuf,
}

struct Running {
    child: Child,
    listener: UnixListener,
}

impl ByHand {
    /// Boots once and keeps the snapshot.
    pub fn new(binary: &FirecrackerBinary, installed: &Installed) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let by_hand = Self {
            firecracker: binary.path.clone(),
            folder,
        };
        let mut archive = initramfs::build(&installed.modules).expect("an initramfs");
        archive.rewind().expect("a file");
        std::io::copy(
            &mut archive,
            &mut File::create(by_hand.path("initramfs")).expect("a file"),
        )
        .expect("copied");
        let layout = Layout {
            cache: by_hand.path("cache"),
            state: by_hand.path("state"),
        };
        let mut scratch = Scratch::create(&layout, DEFAULT_SCRATCH_MIB)
            .expect("a disk")
            .file;
        scratch.rewind().expect("a file");
        // Sparse: 32 GiB of which some 400 KiB are there.
        let status = Command::new("cp")
            .args(["--sparse=always", "/proc/self/fd/0"])
            .arg(by_hand.path("scratch"))
            .stdin(scratch)
            .status();
        assert!(status.expect("cp runs").success());
        let running = by_hand.start();
        let put = |path: &str, body: String| by_hand.api("PUT", path, &body);
        put(
            "/machine-config",
            format!(
                r#"{{"vcpu_count":1,"mem_size_mib":{},"track_dirty_pages":true}}"#,
                crate::MEM_MIB
            ),
        );
        put(
            "/boot-source",
            format!(
                r#"{{"kernel_image_path":"{}","initrd_path":"initramfs","boot_args":"console=ttyS0 quiet panic=-1 reboot=k pci=off i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd"}}"#,
                installed.kernel.path.display()
            ),
        );
        for (name, path, read_only) in [
            ("a", installed.rootfs.path.display().to_string(), true),
            ("b", "scratch".to_owned(), false),
        ] {
            put(
                &format!("/drives/{name}"),
                format!(
                    r#"{{"drive_id":"{name}","path_on_host":"{path}","is_root_device":false,"is_read_only":{read_only}}}"#
                ),
            );
        }
        put("/vsock", r#"{"guest_cid":3,"uds_path":"v.sock"}"#.into());
        put("/entropy", "{}".into());
        put("/actions", r#"{"action_type":"InstanceStart"}"#.into());
        let link = running.hello();
        // As warm as pyro's own, so that the pair differs in what is around it.
        assert!(ask(&link, &Request::WarmUp).contains("warmed_up"));
        drop(link);
        by_hand.api("PATCH", "/vm", r#"{"state":"Paused"}"#);
        put("/snapshot/create", r#"{"snapshot_type":"Diff","snapshot_path":"state.snap","mem_file_path":"memory.snap"}"#.into());
        running.end();
        by_hand
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Running {
        for name in ["api.sock", "v.sock", "v.sock_5006"] {
            let _ = std::fs::remove_file(self.path(name));
        }
        let listener = UnixListener::bind(self.path("v.sock_5006")).expect("a socket");
        let child = Command::new(&self.firecracker)
            .args(["--api-sock", "api.sock", "--level", "Error"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("firecracker runs");
        Running { child, listener }
    }

    fn api(&self, method: &str, path: &str, body: &str) {
        let began = Instant::now();
        let mut socket = loop {
            match UnixStream::connect(self.path("api.sock")) {
                Ok(socket) => break socket,
                Err(error) => assert!(began.elapsed().as_secs() < 60, "{error}"),
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(text.as_bytes()).expect("sent");
        let mut answer = [0; 4096];
        let count = socket.read(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 204"), "{path}: {answer}");
    }

    /// What no tool can do without.
    pub fn clone_and_exec(&self) -> Duration {
        let began = Instant::now();
        let running = self.start();
        self.api("PUT", "/snapshot/load", r#"{"snapshot_path":"state.snap","mem_backend":{"backend_path":"memory.snap","backend_type":"File"},"resume_vm":true}"#);
        let link = running.hello();
        let reply = ask(
            &link,
            &Request::Configure(Configure {
                time_unix_ns: now(),
                entropy_hex: "00".repeat(64),
                hostname: "by-hand".into(),
                scratch_device: Some("/dev/vdb".into()),
                baseline_device: None,
                reader: false,
                network: None,
            }),
        );
        assert!(reply.contains("\"configured\""), "{reply}");
        let reply = ask(
            &link,
            &Request::Exec(Exec {
                command: GuestCommand::Shell("true".into()),
                env: std::collections::BTreeMap::new(),
                cwd: None,
                timeout_ms: None,
                stdin: false,
                time_unix_ns: now(),
            }),
        );
        assert!(reply.contains("\"exit_code\":0"), "{reply}");
        let elapsed = began.elapsed();
        running.end();
        elapsed
    }
}

impl Running {
    fn hello(&self) -> Link {
        let (stream, _) = self.listener.accept().expect("the guest dials");
        let reader = stream.try_clone().expect("shared");
        let link = Link::new(stream);
        let pump = link.clone();
        std::thread::spawn(move || pump.pump(reader));
        let hello = Hello {
            protocol: PROTOCOL,
            nonce: "bench".into(),
            version: "bench".into(),
        };
        link.hello(&hello, Duration::from_secs(120))
            .expect("the agent answers");
        link
    }

    fn end(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}
