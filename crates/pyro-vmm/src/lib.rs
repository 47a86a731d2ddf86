//! Starts and drives one microVM.
//!
//! Owns: the process that runs the machine and its confinement ([`confine`]),
//! the machine's description ([`machine`]), frozen machines ([`template`]),
//! finding other people's programs ([`program`])
//! and the backends ([`qemu`], [`firecracker`],
//! [`process`]). Refuses: knowing what is said
//! to the agent; a machine hands out one byte stream and that is all.
//!
//! ```text
//!   MachineSpec --boot-------------------> Machine --freeze--> Template
//!   MachineSpec + Template --restore-----> Machine
//!   Machine: running --kill, power-off, crash--> ended (its process tree is gone)
//! ```
//!
//! A machine leaves nothing on disk: drives, memory and the sockets arrive as
//! descriptors, so there is no path that could outlive the process.

pub mod agent;
pub mod agent_stream;
pub mod clock;
pub mod confine;
pub mod error;
pub mod firecracker;
pub mod kvm;
pub mod machine;
pub mod process;
pub mod program;
pub mod qemu;
pub mod serial;
pub mod template;

pub use agent_stream::AgentStream;
pub use error::VmmError;
pub use machine::{Accelerator, Backend, Capabilities, Drive, Ended, Machine, MachineSpec, Nic};
