//! Removing workspaces that nobody used for long.
//!
//! Owns: which ones are old; images of seeds that none has any more, and what
//! was exported of workspaces that are gone, go with them. Refuses: one that runs; stopped ones only.

use super::payloads::{PrunedWorkspaces, WorkspaceState};
use super::seed::Baselines;
use super::{Filter, unix_now};
use super::{Workspaces, exports};
use crate::error::{Error, Result};
use std::time::Duration;

impl Workspaces {
    /// Deletes every stopped workspace whose last change is older than that,
    /// or names them only.
    ///
    /// # Errors
    /// `invalid_age`; `io` when a folder cannot be removed.
    pub fn prune(&self, older_than: &str, dry_run: bool) -> Result<PrunedWorkspaces> {
        let age_seconds = age(older_than)?;
        let list = self.list(&Filter {
            state: Some(WorkspaceState::Stopped),
            ..Filter::default()
        })?;
        let mut pruned = PrunedWorkspaces {
            deleted_workspace_ids: Vec::new(),
            count: 0,
            deleted_export_ids: Vec::new(),
            freed_bytes: 0,
            dry_run,
        };
        for row in list.workspaces {
            if unix_now() - row.last_activity_at < age_seconds {
                continue;
            }
            if !dry_run {
                self.delete(&row.workspace_id)?;
            }
            pruned.freed_bytes += row.disk_used_bytes;
            pruned.deleted_workspace_ids.push(row.workspace_id);
        }
        let unused = Duration::from_secs_f64(age_seconds);
        pruned.freed_bytes += Baselines::new(&self.layout).sweep(unused, dry_run);
        let exports = exports::sweep(&self.layout.exports(), &self.store, unused, dry_run);
        pruned.freed_bytes += exports.freed_bytes;
        pruned.deleted_export_ids = exports.workspace_ids;
        pruned.deleted_workspace_ids.sort();
        pruned.count = pruned.deleted_workspace_ids.len();
        Ok(pruned)
    }
}

/// An age such as `7d`, `12h`, `30m`, `90s`, in seconds.
fn age(text: &str) -> Result<f64> {
    let parsed = text.char_indices().last().and_then(|(at, unit)| {
        let seconds = match unit {
            's' => 1_u32,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        let count: u32 = text[..at].parse().ok()?;
        Some(f64::from(count) * f64::from(seconds))
    });
    parsed.ok_or_else(|| {
        Error::invalid("invalid_age", format!("{text:?} is no age"))
            .hint("give a whole number and a unit: 90s, 30m, 12h or 7d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("2m", 120.0),
            ("1h", 3600.0),
            ("7d", 604_800.0),
            ("0s", 0.0),
        ] {
            assert!((age(text).unwrap() - seconds).abs() < 0.1, "{text}");
        }
        for bad in ["", "7", "d", "-1d", "1.5h", "1w", "1 d", "ä"] {
            assert_eq!(age(bad).unwrap_err().code, "invalid_age", "{bad:?}");
        }
    }
}
