//! What was measured on this host boot, so that it is measured once.
//!
//! Owns: `<state>/host.json`. Refuses: facts of an earlier host boot (another
//! boot id), and failing: facts that cannot be stored are measured again.

use crate::layout::{Layout, make_private_dir};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;

/// Facts of one host boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    boot_id: String,
    /// Rate of the time stamp counter in kHz.
    pub tsc_khz: u64,
    /// By VMM: none when a guest booted with KVM, else why not.
    #[serde(default)]
    kvm_failures: BTreeMap<String, Option<String>>,
    #[serde(default)]
    said: Vec<String>,
    #[serde(skip)]
    changed: bool,
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
            kvm_failures: BTreeMap::new(),
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

    /// What the tries with KVM showed: it worked with one VMM, or why it did
    /// not; none before the first try.
    #[must_use]
    pub fn kvm_outcome(&self) -> Option<Result<(), String>> {
        let outcomes = self.kvm_failures.values();
        let mut failures = Vec::new();
        for outcome in outcomes {
            match outcome {
                None => return Some(Ok(())),
                Some(reason) => failures.push(reason.clone()),
            }
        }
        (!failures.is_empty()).then(|| Err(failures.join("; ")))
    }

    /// Whether this VMM has booted a guest with KVM on this host boot.
    #[must_use]
    pub fn kvm_is_proven(&self, vmm: &str) -> bool {
        self.kvm_failures.get(vmm).is_some_and(Option::is_none)
    }

    pub(super) fn kvm_failure(&self, vmm: &str) -> Option<String> {
        self.kvm_failures.get(vmm)?.clone()
    }

    pub(super) fn kvm_tried(&mut self, vmm: String, failure: Option<String>) {
        self.kvm_failures.insert(vmm, failure);
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
        let mut facts = HostFacts::load(&layout(dir.path()));
        assert!(facts.kvm_outcome().is_none());
        facts.kvm_tried("a".into(), Some("no".into()));
        assert_eq!(facts.kvm_failure("a").as_deref(), Some("no"));
        assert_eq!(facts.kvm_failure("b"), None);
        assert!(!facts.kvm_is_proven("a") && !facts.kvm_is_proven("b"));
        assert_eq!(facts.kvm_outcome(), Some(Err("no".into())));
        facts.kvm_tried("b".into(), None);
        assert!(facts.kvm_is_proven("b"));
        assert_eq!(facts.kvm_outcome(), Some(Ok(())));
    }
}
