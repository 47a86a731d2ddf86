//! The secrets of a live workspace.
//!
//! Owns: what of them a call gets, and putting them into the guest before
//! anything can run there. Refuses: showing them; every text that leaves goes
//! through [`Live::redactor`].

use super::Live;
use crate::error::Result;
use crate::events::Cancel;
use crate::guest::Guest;
use crate::redact::Redactor;
use crate::workspaces::secrets::SecretEnv;
use std::collections::BTreeMap;

impl Live {
    /// Takes the secrets out of what leaves.
    pub(in crate::workspaces::supervisor) fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// The variables of a call that maps secrets.
    pub(in crate::workspaces::supervisor) fn secret_env(
        &self,
        wanted: &[SecretEnv],
    ) -> Result<BTreeMap<String, String>> {
        self.secrets.environment(wanted)
    }

    /// Whole again before a call that maps some: a command before it may have
    /// removed them.
    pub(in crate::workspaces::supervisor) fn refresh_secrets(
        &self,
        guest: &Guest,
        wanted: &[SecretEnv],
        cancel: &Cancel,
    ) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        self.install_secrets(guest, cancel)
    }

    pub(super) fn install_secrets(&self, guest: &Guest, cancel: &Cancel) -> Result<()> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        guest.install_secrets(self.secrets.iter(), cancel)
    }
}
