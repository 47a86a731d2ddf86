//! QEMU driven directly, without anything of pyro's around it.
//!
//! Owns: a command line and control session as one would write them by hand,
//! the agent inside as the only thing shared with pyro.

use crate::asking::{ask, now};
use crate::tiny_init;
use pyro_engine::environments::{Installed, cpio::Writer};
use pyro_proto::Link;
use pyro_proto::messages::{Command as GuestCommand, Configure, Exec, Hello, PROTOCOL, Request};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MEM_SIZE_MIB: u64 = 1024;

pub struct Direct {
    folder: tempfile::TempDir,
    kernel: PathBuf,
    base: PathBuf,
    tsc_khz: u64,
}

struct Running {
    child: Child,
    control: BufReader<UnixStream>,
    agent: UnixStream,
    serial: UnixStream,
}

impl Direct {
    /// Makes the template of its own machine.
    pub fn new(installed: &Installed) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let direct = Self {
            kernel: installed.kernel.path.clone(),
            base: installed.rootfs.path.clone(),
            tsc_khz: pyro_vmm::clock::measure_tsc_khz(),
            folder,
        };
        let mut archive = Writer::new(File::create(direct.path("agent.cpio")).expect("a file"));
        archive.dir("dev", 0o755).expect("written");
        archive
            .char_device("dev/console", 0o600, 5, 1)
            .expect("written");
        archive
            .file("init", 0o755, pyro_vmm::agent::PROGRAM)
            .expect("written");
        let mut file = archive.finish().expect("written");
        let mut modules = Vec::new();
        File::open(&installed.modules.path)
            .expect("it is there")
            .read_to_end(&mut modules)
            .expect("readable");
        file.write_all(&modules).expect("written");
        let mut archive = Writer::new(File::create(direct.path("tiny.cpio")).expect("a file"));
        archive.dir("dev", 0o755).expect("written");
        archive
            .char_device("dev/console", 0o600, 5, 1)
            .expect("written");
        archive
            .file("init", 0o755, &tiny_init::program())
            .expect("written");
        archive.finish().expect("written");
        let scratch = direct.path("scratch");
        File::create(&scratch)
            .expect("a file")
            .set_len(32 << 30)
            .expect("sized");
        let status = Command::new("/usr/sbin/mke2fs")
            .args([
                "-q",
                "-F",
                "-t",
                "ext4",
                "-O",
                "^has_journal",
                "-E",
                "lazy_itable_init=1,nodiscard",
            ])
            .arg(&scratch)
            .status();
        assert!(status.expect("mke2fs runs").success());
        File::create(direct.path("memory"))
            .expect("a file")
            .set_len(MEM_SIZE_MIB << 20)
            .expect("sized");
        direct.freeze();
        direct
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, initramfs: &str, memory: &str, incoming: bool) -> Running {
        let pair = || UnixStream::pair().expect("a socket pair");
        let ((agent, their_agent), (control, their_control), (serial, their_serial)) =
            (pair(), pair(), pair());
        let fd = |stream: &UnixStream| {
            rustix::io::fcntl_setfd(stream, rustix::io::FdFlags::empty()).expect("ours");
            stream.as_raw_fd()
        };
        let drive = |path: &Path, number: usize, rest: &str| {
            [
                "-drive".to_owned(),
                format!(
                    "id=d{number},file={},format=raw,if=none,{rest}",
                    path.display()
                ),
                "-device".into(),
                format!("virtio-blk-device,drive=d{number}"),
            ]
        };
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "microvm,acpi=on,pit=on,memory-backend=m", "-accel", "tcg", "-cpu", "max", "-m", &format!("{MEM_SIZE_MIB}M")])
            .args(["-object", memory, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .arg("-kernel").arg(&self.kernel).arg("-initrd").arg(self.path(initramfs))
            .args(["-append", &format!("console=ttyS0 quiet panic=-1 reboot=t tsc_early_khz={} tsc=reliable no_timer_check", self.tsc_khz)])
            .args(drive(&self.base, 0, "readonly=on"))
            .args(drive(&self.path("scratch"), 1, "cache=unsafe,snapshot=on"))
            .args(["-device", "virtio-rng-device", "-device", "virtio-serial-device", "-device", "virtserialport,chardev=a,name=pyro"])
            .args(["-chardev", &format!("socket,id=a,fd={}", fd(&their_agent)), "-chardev", &format!("socket,id=q,fd={}", fd(&their_control))])
            .args(["-mon", "chardev=q,mode=control", "-chardev", &format!("socket,id=s,fd={}", fd(&their_serial)), "-serial", "chardev:s"])
            .stdin(Stdio::null());
        if incoming {
            command.args(["-incoming", "defer"]);
        }
        let child = command.spawn().expect("qemu runs");
        let mut running = Running {
            child,
            control: BufReader::new(control),
            agent,
            serial,
        };
        let mut greeting = String::new();
        running
            .control
            .read_line(&mut greeting)
            .expect("a greeting");
        running.execute("qmp_capabilities", "{}");
        running
    }

    fn ignore_shared() -> (&'static str, &'static str) {
        (
            "migrate-set-capabilities",
            r#"{"capabilities":[{"capability":"x-ignore-shared","state":true}]}"#,
        )
    }

    fn freeze(&self) {
        let memory = format!(
            "memory-backend-file,id=m,size={MEM_SIZE_MIB}M,mem-path={},share=on",
            self.path("memory").display()
        );
        let mut running = self.start("agent.cpio", &memory, false);
        running.hello();
        let (command, arguments) = Self::ignore_shared();
        running.execute("stop", "{}");
        running.execute(command, arguments);
        running.execute(
            "migrate",
            &format!(r#"{{"uri":"exec:cat > {}"}}"#, self.path("state").display()),
        );
        until("the state is written", || {
            running
                .execute("query-migrate", "{}")
                .contains("\"completed\"")
        });
        running.end();
    }

    /// Start, load, hello, configure, one exec: what no tool can do without.
    pub fn clone_and_exec(&self) -> Duration {
        let started = Instant::now();
        let memory = format!(
            "memory-backend-file,id=m,size={MEM_SIZE_MIB}M,mem-path={},share=off",
            self.path("memory").display()
        );
        let mut running = self.start("agent.cpio", &memory, true);
        let (command, arguments) = Self::ignore_shared();
        running.execute(command, arguments);
        running.execute(
            "migrate-incoming",
            &format!(r#"{{"uri":"exec:cat {}"}}"#, self.path("state").display()),
        );
        until("the state is loaded", || {
            !running.execute("query-status", "{}").contains("inmigrate")
        });
        running.execute("cont", "{}");
        let link = running.hello();
        let reply = ask(
            &link,
            &Request::Configure(Configure {
                time_unix_ns: now(),
                entropy_hex: "00".repeat(64),
                hostname: "direct".into(),
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
        running.end();
        started.elapsed()
    }

    pub fn boot_to_answer(&self) -> Duration {
        let started = Instant::now();
        let mut running = self.start(
            "agent.cpio",
            &format!("memory-backend-memfd,id=m,size={MEM_SIZE_MIB}M"),
            false,
        );
        running.hello();
        let elapsed = started.elapsed();
        running.end();
        elapsed
    }

    pub fn boot_tiny(&self) -> Duration {
        let started = Instant::now();
        let mut running = self.start(
            "tiny.cpio",
            &format!("memory-backend-memfd,id=m,size={MEM_SIZE_MIB}M"),
            false,
        );
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(5).any(|window| window == b"ready") {
            let count = running.serial.read(&mut buffer).expect("a console");
            assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
        let elapsed = started.elapsed();
        running.end();
        elapsed
    }
}

impl Running {
    fn execute(&mut self, command: &str, arguments: &str) -> String {
        let line = format!("{{\"execute\":\"{command}\",\"arguments\":{arguments}}}\n");
        self.control
            .get_mut()
            .write_all(line.as_bytes())
            .expect("a control socket");
        loop {
            let mut answer = String::new();
            assert!(
                self.control.read_line(&mut answer).expect("an answer") > 0,
                "{command}: qemu ended"
            );
            if answer.contains("\"return\"") {
                return answer;
            }
            assert!(!answer.contains("\"error\""), "{command}: {answer}");
        }
    }

    fn hello(&mut self) -> Link {
        let share =
            |stream: &UnixStream| File::from(OwnedFd::from(stream.try_clone().expect("shared")));
        let link = Link::new(share(&self.agent));
        let (pump, reader) = (link.clone(), share(&self.agent));
        // The console must not fill up while the guest boots.
        let serial = File::from(OwnedFd::from(self.serial.try_clone().expect("shared")));
        std::thread::spawn(move || std::io::copy(&mut { serial }, &mut std::io::sink()));
        std::thread::spawn(move || pump.pump(reader));
        let hello = Hello {
            protocol: PROTOCOL,
            nonce: "bench".into(),
            version: "bench".into(),
        };
        link.hello(&hello, Duration::from_secs(60))
            .expect("the agent answers");
        link
    }

    fn end(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

/// Waits for something without an event, at a grain far below what is measured.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "never happened: {what}"
        );
        std::thread::sleep(Duration::from_micros(500));
    }
}
