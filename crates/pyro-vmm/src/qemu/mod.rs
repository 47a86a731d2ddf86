//! The QEMU backend: the `microvm` machine, with KVM or without.
//!
//! Owns: finding QEMU, its arguments, its control socket, freezing and
//! cloning. Refuses: paths; everything QEMU opens is an inherited descriptor,
//! so there are no socket names to grow too long and no files to forget.
//!
//! ```text
//!   qemu --- chardev socket pair: agent (virtio-serial) ---- pyro
//!        --- chardev socket pair: QMP ---------------------- pyro
//!        --- chardev socket pair: serial console ----------- 64 KiB ring
//!        --- fdset 0..n: drives      /proc/self/fd: kernel, initramfs, memory
//! ```

mod arguments;
mod binary;
mod control;
mod running;

pub use binary::{Qemu, QemuBinary};

/// Name of the backend in results and keys.
pub const NAME: &str = "qemu";
