//! One-shot VMs: made, used for one command, gone.
//!
//! Owns: their life in this process. They are never on disk: a VM ends with
//! the process that made it, whatever ends that process.

pub mod payloads;

use crate::events::{Cancel, EventSink};
use crate::{Environments, Layout, Result};
use payloads::{DeletedVm, ExecResult, NetworkInfo, Reaped, VmInfo, VmSpec};

/// The one-shot VMs of this process.
pub struct Vms {
    _layout: Layout,
}

/// What a command reads as its standard input.
pub type Stdin = Option<std::fs::File>;

impl Vms {
    /// No VM yet; touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            _layout: layout.clone(),
        }
    }

    /// Creates, starts, runs `command`, deletes.
    ///
    /// # Errors
    /// Everything of [`Self::create`], [`Self::start`] and [`Self::exec`].
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        _environments: &Environments,
        _spec: &VmSpec,
        _command: &str,
        _timeout_seconds: u64,
        _stdin: Stdin,
        _events: &dyn EventSink,
        _cancel: &Cancel,
    ) -> Result<ExecResult> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Makes a VM record in state `created`.
    pub fn create(&self, _environments: &Environments, _spec: &VmSpec) -> Result<VmInfo> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Boots or clones it.
    pub fn start(
        &self,
        _environments: &Environments,
        _vm_id: &str,
        _events: &dyn EventSink,
        _cancel: &Cancel,
    ) -> Result<VmInfo> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Runs a command and deletes the VM afterwards.
    pub fn exec(
        &self,
        _vm_id: &str,
        _command: &str,
        _timeout_seconds: u64,
        _stdin: Stdin,
        _events: &dyn EventSink,
        _cancel: &Cancel,
    ) -> Result<ExecResult> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Powers it off.
    pub fn stop(&self, _vm_id: &str) -> Result<VmInfo> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Ends and forgets it.
    pub fn delete(&self, _vm_id: &str) -> Result<DeletedVm> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// What it is and how it is.
    pub fn status(&self, _vm_id: &str) -> Result<VmInfo> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Its network.
    pub fn network_info(&self, _vm_id: &str) -> Result<NetworkInfo> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }

    /// Deletes every expired VM of this process.
    pub fn reap_expired(&self) -> Result<Reaped> {
        Err(crate::Error::runtime("unfinished", "under construction"))
    }
}
