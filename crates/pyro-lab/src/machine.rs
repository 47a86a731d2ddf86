//! The lab machine: QEMU's software emulation with an SVM the guest may use.
//!
//! Owns: booting it, setting it up, running jobs in it. Refuses: keeping
//! anything; scratch has no name and dies with the machine, which dies with
//! this process, however that ends.
//!
//! ```text
//!   parts (on disk) --boot--> agent answers --configure, setup.sh--> Lab --run*--> dropped
//! ```

use crate::job::Job;
use crate::output::say;
use crate::parts::Parts;
use crate::place::Place;
use pyro_engine::guest::{Command, Configuration, Guest, KEPT_BYTES};
use pyro_engine::start::{DEFAULT_SCRATCH_MIB, HostFacts, Scratch, initramfs};
use pyro_engine::{Cancel, Error, EventSink, NoEvents, Result};
use pyro_vmm::qemu::Qemu;
use pyro_vmm::{Accelerator, Backend, Drive, MachineSpec};
use std::fs::File;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The kernel needs some 4 s to the agent's answer, on a loaded host more.
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);
const SETUP_TIMEOUT: Duration = Duration::from_secs(120);
const SETUP: &str = include_str!("setup.sh");

/// Size of the machine.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Virtual processors of the lab
    #[arg(long, default_value_t = 2)]
    pub vcpu_count: u32,
    /// Memory of the lab, MiB
    #[arg(long, default_value_t = 5120)]
    pub mem_mib: u32,
}

/// The code of a lab that says nothing any more.
const SILENT: &str = "lab_silent";
/// Exit code of a job whose time was over, as timeout(1) has it.
const TIMED_OUT: u8 = 124;

/// How a job came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By its time limit.
    TimedOut,
}

/// A running lab.
pub struct Lab {
    guest: Guest,
}

impl Lab {
    /// Boots one.
    pub fn boot(place: &Place, parts: &Parts, size: Size) -> Result<Self> {
        let began = Instant::now();
        let layout = place.layout();
        let cancel = Cancel::default();
        let scratch = Scratch::create(&layout, DEFAULT_SCRATCH_MIB)?;
        let drive = |file: &File, read_only| -> Result<Drive> {
            let file = file.try_clone().map_err(|error| {
                Error::runtime("io", format!("cannot share a descriptor: {error}"))
            })?;
            Ok(Drive {
                file,
                read_only,
                durable: false,
            })
        };
        let spec = MachineSpec {
            vcpu_count: size.vcpu_count,
            mem_size_mib: size.mem_mib,
            kernel: drive(&parts.root.kernel.file, true)?.file,
            initramfs: initramfs::build(&parts.root.modules)?,
            // An emulated processor leaks nothing, and the guards cost time. A
            // processor that the emulation stopped is told by the other one.
            kernel_args: "mitigations=off rcupdate.rcu_cpu_stall_timeout=60 \
                          sysctl.kernel.panic_on_rcu_stall=1"
                .to_owned(),
            nic: None,
            nested_virtualization: true,
            drives: vec![
                drive(&parts.root.rootfs.file, true)?,
                drive(&scratch.file, false)?,
                drive(&parts.environments, true)?,
                drive(&parts.programs, true)?,
            ],
        };
        let qemu = Qemu {
            binary: parts.qemu.clone(),
            accelerator: Accelerator::Tcg,
            tsc_khz: HostFacts::load(&layout).tsc_khz,
        };
        let once = || Guest::connect(qemu.boot(&spec, None)?, BOOT_TIMEOUT, &cancel);
        let mut guest = match once() {
            Err(error) if error.code == "guest_unresponsive" => {
                say(&format!("{error}; booting once more"));
                once()?
            }
            other => other?,
        };
        let answered = began.elapsed();
        let wanted = Configuration {
            hostname: "lab",
            scratch_device: Some("/dev/vdb"),
            baseline_device: None,
            reader: false,
            network: None,
        };
        guest.configure(&wanted, &cancel)?;
        let lab = Self { guest };
        lab.set_up()?;
        say(&format!(
            "up after {:.1} s, of them the kernel {:.1} s",
            began.elapsed().as_secs_f64(),
            answered.as_secs_f64()
        ));
        Ok(lab)
    }

    fn set_up(&self) -> Result<()> {
        let command = Command {
            shell: SETUP,
            timeout: SETUP_TIMEOUT,
            stdin: None,
            env: Default::default(),
            redactor: Default::default(),
            kept_bytes: KEPT_BYTES,
        };
        let finished = self.guest.exec(command, &NoEvents, &Cancel::default())?;
        if finished.exited.exit_code == 0 {
            return Ok(());
        }
        Err(Error::runtime(
            "lab_setup",
            format!("setting the lab up failed: {}", finished.stderr.text.trim()),
        ))
    }

    /// Runs a job to its end; the exit code.
    pub fn run(&self, job: &Job, stdin: Option<File>, events: &dyn EventSink) -> Result<u8> {
        let ended = self.run_until(job, stdin, events, &Cancel::default())?;
        Ok(match ended {
            Ended::Exited(code) => code,
            Ended::TimedOut => TIMED_OUT,
        })
    }

    /// The same for a job that says something at least every `most` while the
    /// lab is well; `silence` is since when it has not.
    pub fn run_watched(
        &self,
        job: &Job,
        events: &dyn EventSink,
        most: Duration,
        silence: impl Fn() -> Duration + Send,
    ) -> Result<Ended> {
        let silent = Cancel::default();
        let (over, wait) = mpsc::channel::<()>();
        let ended = std::thread::scope(|scope| {
            let asked = silent.clone();
            scope.spawn(move || {
                while let Some(left) = most.checked_sub(silence()) {
                    // A disconnect is the job's end.
                    if wait.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
                asked.cancel();
            });
            let ended = self.run_until(job, None, events, &silent);
            drop(over);
            ended
        });
        ended.map_err(|error| {
            if silent.is_cancelled() {
                Error::runtime(
                    SILENT,
                    format!("it has said nothing for {} s", most.as_secs()),
                )
            } else {
                error
            }
        })
    }

    fn run_until(
        &self,
        job: &Job,
        stdin: Option<File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Ended> {
        let line = job.line()?;
        let command = Command {
            shell: &line,
            timeout: job.timeout,
            stdin: stdin.filter(|_| job.stdin),
            env: Default::default(),
            redactor: Default::default(),
            kept_bytes: 0,
        };
        let exited = self
            .guest
            .exec(command, events, cancel)
            .inspect_err(|_| self.show_console())?
            .exited;
        if exited.timed_out {
            say(&format!("ended after {} s", job.timeout.as_secs()));
            return Ok(Ended::TimedOut);
        }
        Ok(Ended::Exited(u8::try_from(exited.exit_code).unwrap_or(1)))
    }

    /// Whether it died or stopped of itself, and not of a command or a full disk.
    pub fn is_lost(error: &Error) -> bool {
        ["guest_panic", "guest_ended", "guest_agent", SILENT].contains(&error.code)
    }

    /// A lab that is gone took its log along; this is all there is to look at.
    fn show_console(&self) {
        for line in self.guest.console().lines() {
            say(&format!("console: {}", line.trim_end()));
        }
    }
}
