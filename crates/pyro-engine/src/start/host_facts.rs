//! What was measured on this host boot, so that it is measured once.
//!
//! Owns: `<state>/host.json`. Refuses: facts of an earlier host boot (another
//! boot id), and failing: facts that cannot be stored are measured again.

use crate::layout::{Layout, make_private_dir};
use pyro_vmm::qemu::QemuBinary;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// Facts of one host boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    boot_id: String,
    /// Rate of the time stamp counter in kHz.
    pub tsc_khz: u64,
    #[serde(default)]
    kvm: Option<KvmProof>,
    #[serde(default)]
    said: Vec<String>,
    #[serde(skip)]
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KvmProof {
    vmm: String,
    /// None when a guest booted.
    failure: Option<String>,
}

impl HostFacts {
    /// Reads them, or measures (60 ms) when this host boot has none yet.
    #[must_use]
    pub fn load(layout: &Layout) -> Self {
        if let Some(facts) = Self::peek(layout) {
            return facts;
        }
        let boot_id = boot_id();
        let facts = Self {
            boot_id,
            tsc_khz: pyro_vmm::clock::measure_tsc_khz(),
            kvm: None,
            said: Vec::new(),
            changed: true,
        };
        // Stored at once: a template depends on the figure, and two runs that
        // measured apart would each make their own.
        facts.store_first(layout)
    }

    /// Reads them; none when this host boot has none yet. Measures and stores nothing.
    #[must_use]
    pub fn peek(layout: &Layout) -> Option<Self> {
        let bytes = std::fs::read(layout.host_facts()).ok()?;
        let facts: Self = serde_json::from_slice(&bytes).ok()?;
        (facts.boot_id == boot_id() && facts.tsc_khz > 0).then_some(facts)
    }

    /// What the last try with KVM showed: it worked, or why it did not.
    #[must_use]
    pub fn kvm_outcome(&self) -> Option<Result<(), String>> {
        let proof = self.kvm.as_ref()?;
        Some(proof.failure.clone().map_or(Ok(()), Err))
    }

    /// Whether a guest has booted with KVM on this host boot.
    #[must_use]
    pub fn kvm_is_proven(&self, binary: &QemuBinary) -> bool {
        self.kvm
            .as_ref()
            .is_some_and(|proof| proof.vmm == binary.identity && proof.failure.is_none())
    }

    pub(super) fn kvm_failure(&self, binary: &QemuBinary) -> Option<String> {
        self.kvm
            .as_ref()
            .filter(|proof| proof.vmm == binary.identity)?
            .failure
            .clone()
    }

    pub(super) fn kvm_worked(&mut self, binary: &QemuBinary) {
        self.kvm = Some(KvmProof {
            vmm: binary.identity.clone(),
            failure: None,
        });
        self.changed = true;
    }

    pub(super) fn kvm_failed(&mut self, binary: &QemuBinary, reason: &str) {
        self.kvm = Some(KvmProof {
            vmm: binary.identity.clone(),
            failure: Some(reason.to_owned()),
        });
        self.changed = true;
    }

    /// True the first time on this host boot.
    pub(super) fn say_once(&mut self, text: &str) -> bool {
        let first = !self.said.iter().any(|said| said == text);
        if first {
            self.said.push(text.to_owned());
            self.changed = true;
        }
        first
    }

    /// Writes what changed.
    pub(super) fn store(&self, layout: &Layout) {
        if self.changed
            && let Err(error) = self.write(layout, true)
        {
            tracing::debug!("host facts are not kept: {error}");
        }
    }

    fn store_first(self, layout: &Layout) -> Self {
        match self.write(layout, false) {
            Ok(()) => self,
            // Another process measured meanwhile, or nothing can be stored.
            Err(error) => {
                tracing::debug!("host facts are not kept: {error}");
                Self::peek(layout).unwrap_or(self)
            }
        }
    }

    fn write(&self, layout: &Layout, replace: bool) -> Result<(), Box<dyn std::error::Error>> {
        make_private_dir(&layout.state)?;
        let path = layout.host_facts();
        let mut file = tempfile::NamedTempFile::new_in(&layout.state)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.as_file().sync_all()?;
        let same_boot = Self::peek(layout).is_some();
        if replace || !same_boot {
            file.persist(&path)?;
        } else {
            return Err("they were stored by another process".into());
        }
        Ok(())
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(dir: &std::path::Path) -> Layout {
        Layout {
            cache: dir.join("cache"),
            state: dir.join("state"),
        }
    }

    #[test]
    fn measured_once_per_host_boot() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let mut first = HostFacts::load(&layout);
        assert_eq!(HostFacts::load(&layout).tsc_khz, first.tsc_khz);
        assert!(first.say_once("reason"));
        first.store(&layout);
        let mut again = HostFacts::load(&layout);
        assert!(!again.say_once("reason"));
        again.boot_id = "another boot".into();
        again.changed = true;
        again.store(&layout);
        assert!(
            HostFacts::load(&layout).say_once("reason"),
            "a new host boot starts anew"
        );
    }

    #[test]
    fn a_failed_kvm_is_remembered_for_that_vmm_only() {
        let dir = tempfile::tempdir().unwrap();
        let binary = |identity: &str| QemuBinary {
            path: "/q".into(),
            identity: identity.into(),
        };
        let mut facts = HostFacts::load(&layout(dir.path()));
        facts.kvm_failed(&binary("a"), "no");
        assert_eq!(facts.kvm_failure(&binary("a")).as_deref(), Some("no"));
        assert_eq!(facts.kvm_failure(&binary("b")), None);
        assert!(!facts.kvm_is_proven(&binary("a")));
    }
}
