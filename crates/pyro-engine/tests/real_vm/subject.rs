//! A backend under test, and starting guests on it.
//!
//! Owns: the cache and state the guests use, and looking for what is left of
//! a machine.

use pyro_engine::guest::{Command, Guest, KEPT_BYTES};
use pyro_engine::start::{self, DEFAULT_SCRATCH_MIB, Scratch, Started, Wanted};
use pyro_engine::vms::payloads::BackendChoice;
use pyro_engine::{Cancel, Environments, Layout, NoEvents, Result};
use pyro_vmm::Capabilities;
use pyro_vmm::firecracker::FirecrackerBinary;
use pyro_vmm::qemu::QemuBinary;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const MEM_MIB: u32 = 512;
/// For commands that take no time, on eight guests of an emulated processor.
const PATIENCE: Duration = Duration::from_secs(180);

/// A backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Process,
    Qemu,
    Firecracker,
}

/// The shared cache and a state folder of one's own.
pub struct Place {
    pub layout: Layout,
    _folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self::below("state")
    }

    /// With its state in a folder of this name.
    pub fn below(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            layout: Layout {
                cache: cache(),
                state: folder.path().join(name),
            },
            _folder: folder,
        }
    }

    /// With the shared environments and no template; on the same file system,
    /// so that the scratch images are where they usually are.
    pub fn with_own_templates() -> Self {
        let shared = cache();
        let folder = tempfile::tempdir_in(shared.parent().unwrap()).unwrap();
        let own = folder.path().join("cache");
        std::fs::create_dir(&own).unwrap();
        for entry in std::fs::read_dir(&shared).unwrap().flatten() {
            if entry.file_name() != ".templates" {
                std::os::unix::fs::symlink(entry.path(), own.join(entry.file_name())).unwrap();
            }
        }
        Self {
            layout: Layout {
                cache: own,
                state: folder.path().join("state"),
            },
            _folder: folder,
        }
    }
}

pub fn cache() -> PathBuf {
    std::env::var_os("PYRO_TEST_CACHE").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-cache"),
        PathBuf::from,
    )
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Qemu => "qemu",
            Self::Firecracker => "firecracker",
        }
    }

    /// Why this host cannot run it.
    pub fn skip_reason(self) -> Option<String> {
        match self {
            Self::Process => None,
            Self::Qemu => QemuBinary::find().err().map(|error| error.to_string()),
            Self::Firecracker => pyro_vmm::kvm::survey().reason.or_else(|| {
                FirecrackerBinary::find(&cache())
                    .err()
                    .map(|error| error.to_string())
            }),
        }
    }

    /// As the running backend has them.
    pub fn capabilities(self) -> Capabilities {
        use pyro_vmm::Backend;
        match self {
            Self::Process => pyro_vmm::process::capabilities(),
            Self::Qemu => pyro_vmm::qemu::Qemu {
                binary: QemuBinary::find().unwrap(),
                accelerator: pyro_vmm::Accelerator::Tcg,
                tsc_khz: 1,
            }
            .capabilities(),
            Self::Firecracker => pyro_vmm::firecracker::Firecracker {
                binary: FirecrackerBinary::find(&cache()).unwrap(),
            }
            .capabilities(),
        }
    }

    pub fn start(self, place: &Place) -> Started {
        self.try_start(place, "conformance", 1).unwrap()
    }

    pub fn try_start(self, place: &Place, hostname: &str, vcpu_count: u32) -> Result<Started> {
        let backend = match self {
            Self::Process => return start::start_on_host(hostname, &Cancel::default()),
            Self::Qemu => BackendChoice::Qemu,
            Self::Firecracker => BackendChoice::Firecracker,
        };
        let installed = Environments::new(&place.layout)
            .ensure("debian:12", &NoEvents, &Cancel::default())
            .unwrap();
        let scratch = Scratch::create(&place.layout, DEFAULT_SCRATCH_MIB).unwrap();
        let wanted = Wanted {
            installed: &installed,
            vcpu_count,
            mem_mib: MEM_MIB,
            hostname,
            backend,
            scratch: &scratch,
            baseline: None,
            reader: false,
            gateway: None,
        };
        let began = Instant::now();
        let started = start::start(&place.layout, &wanted, &NoEvents, &Cancel::default())?;
        eprintln!(
            "{}: {} after {:.1?}",
            self.name(),
            started.start_kind,
            began.elapsed()
        );
        Ok(started)
    }
}

/// What a command wrote on stdout; it has to succeed.
pub fn output(guest: &mut Guest, shell: &str) -> String {
    let (code, text) = run(guest, shell);
    assert_eq!(code, 0, "{shell}: {text}");
    text.trim().to_owned()
}

pub fn run(guest: &mut Guest, shell: &str) -> (i32, String) {
    let finished = try_run(guest, shell, PATIENCE).unwrap();
    (
        finished.exited.exit_code,
        finished.stdout.text + &finished.stderr.text,
    )
}

pub fn try_run(
    guest: &mut Guest,
    shell: &str,
    timeout: Duration,
) -> Result<pyro_engine::guest::Finished> {
    guest.exec(
        Command {
            shell,
            timeout,
            stdin: None,
            env: Default::default(),
            redactor: Default::default(),
            kept_bytes: KEPT_BYTES,
        },
        &NoEvents,
        &Cancel::default(),
    )
}

/// Nothing of a machine may be left: neither its processes nor, under root,
/// its control group.
pub fn assert_gone(pids: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    for pid in pids {
        let path = format!("/proc/{pid}");
        while Path::new(&path).exists() {
            assert!(Instant::now() < deadline, "process {pid} is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let prefix = format!("vm-{}-", std::process::id());
    let groups = std::fs::read_dir("/sys/fs/cgroup/pyro")
        .into_iter()
        .flatten()
        .flatten();
    for group in groups {
        let name = group.file_name().to_string_lossy().into_owned();
        assert!(
            !name.starts_with(&prefix),
            "control group {name} is still there"
        );
    }
}
