//! A QEMU process as a machine.
//!
//! Owns: starting it with its descriptors, and the operations of [`Machine`].
//!
//! ```text
//!   Boot ----------------> running
//!   BootToFreeze --------> running --freeze: stop, migrate, quit--> sealed template
//!   Restore: incoming ---> running
//! ```

use super::arguments::{self, Memory, Numbers};
use super::control::Control;
use super::{NAME, Qemu};
use crate::agent_stream::AgentStream;
use crate::confine::{Confined, Identity, Launch, Level, Limits, Network, View};
use crate::error::VmmError;
use crate::machine::{Accelerator, Machine, MachineSpec};
use crate::serial::SerialLog;
use crate::template::Template;
use serde_json::{Value, json};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to end after it was told to.
const QUIT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) enum Start<'a> {
    Boot,
    BootToFreeze { memory: File, state: File },
    Restore { template: &'a Template },
}

pub(super) struct QemuMachine {
    confined: Confined,
    control: Control,
    agent: Option<UnixStream>,
    serial: SerialLog,
    /// Where a machine that was started to be frozen writes its state.
    state: Option<File>,
}

impl QemuMachine {
    pub(super) fn start(
        qemu: &Qemu,
        spec: &MachineSpec,
        start: Start<'_>,
    ) -> Result<Self, VmmError> {
        let pair = || UnixStream::pair().map_err(VmmError::io("make a socket pair"));
        let ((agent, their_agent), (control, their_control), (serial, their_serial)) =
            (pair()?, pair()?, pair()?);
        let mut inherit = vec![
            spec.kernel.as_fd(),
            spec.initramfs.as_fd(),
            their_agent.as_fd(),
            their_control.as_fd(),
            their_serial.as_fd(),
        ];
        inherit.extend(spec.drives.iter().map(|drive| drive.file.as_fd()));
        let tap = match &spec.nic {
            Some(nic) => Some(nic.tap.as_ref().ok_or(VmmError::Unsupported {
                backend: NAME,
                ability: "open a TAP by its name",
            })?),
            None => None,
        };
        inherit.extend(tap.iter().map(|tap| tap.as_fd()));
        let memory = match &start {
            Start::Boot => None,
            Start::BootToFreeze { memory, .. } => {
                inherit.push(memory.as_fd());
                Some(Memory {
                    number: memory.as_raw_fd(),
                    shared: true,
                })
            }
            Start::Restore { template } => {
                inherit.extend([template.memory.as_fd(), template.state.as_fd()]);
                Some(Memory {
                    number: template.memory.as_raw_fd(),
                    shared: false,
                })
            }
        };
        let numbers = Numbers {
            kernel: spec.kernel.as_raw_fd(),
            initramfs: spec.initramfs.as_raw_fd(),
            drives: spec
                .drives
                .iter()
                .map(|drive| drive.file.as_raw_fd())
                .collect(),
            agent: their_agent.as_raw_fd(),
            control: their_control.as_raw_fd(),
            serial: their_serial.as_raw_fd(),
            tap: tap.map_or(0, AsRawFd::as_raw_fd),
            memory,
            incoming: matches!(start, Start::Restore { .. }),
        };
        let confined = launch(
            qemu,
            spec,
            &arguments::machine(qemu, spec, &numbers),
            &inherit,
        )?;
        drop((their_agent, their_control, their_serial));
        let mut machine = Self {
            confined,
            control: Control::new(control)?,
            agent: Some(agent),
            serial: SerialLog::follow(serial),
            state: None,
        };
        let incoming = match start {
            Start::Boot => None,
            Start::BootToFreeze { state, .. } => {
                machine.state = Some(state);
                None
            }
            Start::Restore { template } => Some(template.state.as_raw_fd()),
        };
        machine
            .greet(incoming)
            .map_err(|error| machine.explain("the start", error))?;
        Ok(machine)
    }

    /// Leaves the negotiation and, for a clone, loads the state.
    fn greet(&mut self, incoming: Option<i32>) -> Result<(), VmmError> {
        let mut commands = vec![("qmp_capabilities", Value::Null)];
        if let Some(state) = incoming {
            commands.push(("migrate-set-capabilities", ignore_shared()));
            commands.push(("migrate-incoming", json!({"uri": format!("fd:{state}")})));
        }
        for (id, name) in self.control.send(&commands)? {
            self.control.answer(id, &name)?;
        }
        if incoming.is_some() {
            self.control.migrated()?;
            // It was halted when it was frozen, and comes back as it was.
            self.resume()?;
        }
        Ok(())
    }

    /// A VMM that ended says why on stderr, which beats a closed socket.
    fn explain(&mut self, during: &'static str, error: VmmError) -> VmmError {
        if !matches!(error, VmmError::Control { .. } | VmmError::Io { .. }) {
            return error;
        }
        let Some(ended) = self.wait(Duration::from_secs(1)) else {
            return error;
        };
        VmmError::ended(NAME, during, ended.code, &ended.stderr)
    }
}

fn ignore_shared() -> Value {
    // Memory stays in its file; only device state goes through the stream.
    json!({"capabilities": [{"capability": "x-ignore-shared", "state": true}]})
}

/// The translator's own code buffer is at most a GiB.
const OVERHEAD_TCG: u64 = 1536 << 20;
const OVERHEAD_KVM: u64 = 512 << 20;

fn limits(qemu: &Qemu, spec: &MachineSpec) -> Limits {
    let overhead = match qemu.accelerator {
        Accelerator::Kvm => OVERHEAD_KVM,
        Accelerator::Tcg => OVERHEAD_TCG,
    };
    Limits {
        memory_max_bytes: (u64::from(spec.mem_size_mib) << 20) + overhead,
        // vCPUs, the main loop and up to 64 threads for block requests.
        pids_max: 128 + spec.vcpu_count,
    }
}

fn launch(
    qemu: &Qemu,
    spec: &MachineSpec,
    args: &[std::ffi::OsString],
    inherit: &[BorrowedFd<'_>],
) -> Result<Confined, VmmError> {
    let mut devices = vec!["null", "urandom"];
    if qemu.accelerator == Accelerator::Kvm {
        devices.push("kvm");
    }
    Launch {
        program: &qemu.binary.path,
        args,
        env: &[],
        inherit,
        network: Network::Own,
        view: View::Program {
            devices,
            folders: Vec::new(),
        },
        identity: Identity::Unprivileged,
        levels: &[
            Level::RootNamespaces,
            Level::UserNamespaces,
            Level::LifelineOnly,
        ],
        limits: Some(limits(qemu, spec)),
        keep_stdout: false,
    }
    .start()
}

impl Machine for QemuMachine {
    fn confined(&self) -> &Confined {
        &self.confined
    }

    fn confined_mut(&mut self) -> &mut Confined {
        &mut self.confined
    }

    fn take_agent_stream(&mut self) -> Option<AgentStream> {
        self.agent.take().map(AgentStream::Connected)
    }

    fn freeze(&mut self, dir: &Path) -> Result<Template, VmmError> {
        let Some(state) = self.state.take() else {
            return Err(VmmError::Unsupported {
                backend: NAME,
                ability: "freeze a machine that was not started for it",
            });
        };
        self.control.execute("stop", Value::Null)?;
        self.control
            .execute("migrate-set-capabilities", ignore_shared())?;
        self.control.give("state", state.as_fd())?;
        self.control
            .execute("migrate", json!({"uri": "fd:state"}))?;
        self.control.migrated()?;
        self.control.send(&[("quit", Value::Null)])?;
        if self.confined.wait(QUIT_TIMEOUT).is_none() {
            return Err(VmmError::TimedOut {
                what: "quit".into(),
                seconds: QUIT_TIMEOUT.as_secs(),
            });
        }
        Template::seal(dir)
    }

    fn pause(&mut self) -> Result<(), VmmError> {
        self.control.execute("stop", Value::Null).map(drop)
    }

    fn resume(&mut self) -> Result<(), VmmError> {
        self.control.go_on()
    }

    fn serial_tail(&self) -> String {
        self.serial.tail()
    }

    fn halted_because(&self) -> Option<String> {
        self.control.halted()
    }
}
