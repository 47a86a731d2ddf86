//! QEMU's command line, as a pure function of the specification.
//!
//! Owns: every option and the reason for it.

use super::Qemu;
use crate::machine::{Accelerator, MachineSpec};
use std::ffi::OsString;
use std::os::fd::RawFd;

/// The descriptors' numbers; all zero when only the key is wanted.
#[derive(Default)]
pub(super) struct Numbers {
    pub kernel: RawFd,
    pub initramfs: RawFd,
    pub drives: Vec<RawFd>,
    pub agent: RawFd,
    pub control: RawFd,
    pub serial: RawFd,
    pub tap: RawFd,
    pub memory: Option<Memory>,
    pub incoming: bool,
}

/// Where guest memory lies.
pub(super) struct Memory {
    pub number: RawFd,
    /// Written through to the file (to freeze it), or private to the clone.
    pub shared: bool,
}

pub(super) fn machine(qemu: &Qemu, spec: &MachineSpec, numbers: &Numbers) -> Vec<OsString> {
    let mut list = List::default();
    // Without ACPI Debian's kernel finds no virtio-mmio device; without the
    // PIT its TSC calibration hangs now and then under TCG.
    list.pair("-machine", "microvm,acpi=on,pit=on,memory-backend=memory");
    list.pair(
        "-accel",
        match qemu.accelerator {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg if spec.vcpu_count > 1 => "tcg,thread=multi",
            Accelerator::Tcg => "tcg",
        },
    );
    // Software emulation carries `rep movsb` out byte by byte, 8 times the
    // steps of the `movsq` that kernel and libc take where the fast string
    // bits are off: copying and clearing pages was a fifth of all work.
    list.pair(
        "-cpu",
        match qemu.accelerator {
            Accelerator::Kvm => "host",
            Accelerator::Tcg if spec.nested_virtualization => "max,-erms,-fsrm,+svm",
            Accelerator::Tcg => "max,-erms,-fsrm",
        },
    );
    list.pair("-smp", spec.vcpu_count.to_string());
    list.pair("-m", format!("{}M", spec.mem_size_mib));
    list.pair(
        "-object",
        match &numbers.memory {
            None => format!(
                "memory-backend-memfd,id=memory,size={}M,share=off",
                spec.mem_size_mib
            ),
            Some(memory) => format!(
                "memory-backend-file,id=memory,size={}M,mem-path=/proc/self/fd/{},share={}",
                spec.mem_size_mib,
                memory.number,
                if memory.shared { "on" } else { "off" }
            ),
        },
    );
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        list.one(flag);
    }
    list.pair("-display", "none");
    list.pair(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    list.pair("-kernel", format!("/proc/self/fd/{}", numbers.kernel));
    list.pair("-initrd", format!("/proc/self/fd/{}", numbers.initramfs));
    list.pair("-append", kernel_command_line(qemu, spec));
    for (index, drive) in spec.drives.iter().enumerate() {
        let number = numbers.drives.get(index).copied().unwrap_or_default();
        list.pair("-add-fd", format!("fd={number},set={index}"));
        // The image may be on a file system without direct I/O, and the page
        // cache is what lets machines share the base.
        list.pair("-blockdev", format!(
            "driver=file,node-name=file{index},filename=/dev/fdset/{index},read-only={},auto-read-only=off,locking=off,discard=unmap{}",
            on(drive.read_only),
            if drive.durable || drive.read_only { "" } else { ",cache.no-flush=on" },
        ));
        list.pair("-device", format!("virtio-blk-device,drive=file{index}"));
    }
    if let Some(nic) = &spec.nic {
        list.pair("-netdev", format!("tap,id=net,fd={}", numbers.tap));
        // Without a ROM there is nothing to boot from, and nothing to load.
        list.pair(
            "-device",
            format!("virtio-net-device,netdev=net,mac={}", nic.mac),
        );
    }
    list.pair("-device", "virtio-rng-device");
    list.pair("-chardev", format!("socket,id=agent,fd={}", numbers.agent));
    list.pair("-device", "virtio-serial-device,max_ports=2");
    list.pair("-device", "virtserialport,chardev=agent,name=pyro,nr=1");
    list.pair(
        "-chardev",
        format!("socket,id=serial,fd={}", numbers.serial),
    );
    list.pair("-serial", "chardev:serial");
    list.pair(
        "-chardev",
        format!("socket,id=control,fd={}", numbers.control),
    );
    list.pair("-mon", "chardev=control,mode=control");
    // Status changes arrive as events instead of being asked for.
    list.pair("-global", "migration.x-events=on");
    if numbers.incoming {
        list.pair("-incoming", "defer");
    }
    list.0
}

fn kernel_command_line(qemu: &Qemu, spec: &MachineSpec) -> String {
    let mut words = vec!["console=ttyS0 quiet panic=-1 reboot=t".to_owned()];
    if qemu.accelerator == Accelerator::Tcg {
        words.push(format!(
            "tsc_early_khz={} tsc=reliable no_timer_check",
            qemu.tsc_khz
        ));
    }
    if !spec.kernel_args.is_empty() {
        words.push(spec.kernel_args.clone());
    }
    words.join(" ")
}

fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

#[derive(Default)]
struct List(Vec<OsString>);

impl List {
    fn one(&mut self, word: &str) {
        self.0.push(word.into());
    }

    fn pair(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(name.into());
        self.0.push(value.into().into());
    }
}
