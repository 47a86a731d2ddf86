//! Which operations a model is offered: profiles and modes.
//!
//! Owns: their names, the exact list of tools of each (contract: `mcp.md`
//! §1.1), and the environment a mode recommends. Refuses: schemas and wording,
//! which the MCP door derives for each tool.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The environment where nobody chose one.
pub const DEFAULT_ENVIRONMENT: &str = "debian:12";

/// A set of tools by breadth.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One command in a VM of its own
    VmRun,
    /// A workspace: edit, run, compare, export, reset
    #[default]
    WorkspaceCore,
    /// Everything a model may use
    WorkspaceFull,
}

/// A set of tools for one workflow; it replaces the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Show a failure, mend it by patches, compare, take the result out
    ReproFix,
    /// Read unknown or hostile code with the least capability
    Inspect,
    /// Bring a fresh repository up and prove that its services get ready
    ColdStart,
    /// Work through a review in shells with snapshots to go back to
    ReviewEval,
}

/// What one server offers, fixed when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// By breadth.
    Profile(Profile),
    /// By workflow.
    Mode(Mode),
}

impl Default for Surface {
    fn default() -> Self {
        Self::Profile(Profile::default())
    }
}

/// Which surfaces have a tool, by letter: vm-(r)un, (c)ore, (f)ull, repro-fi(x),
/// (i)nspect, cold-(s)tart, review-(e)val.
const TOOLS: &[(&str, &str)] = &[
    ("vm_run", "rcf"),
    ("vm_create", "f"),
    ("vm_delete", "f"),
    ("vm_exec", "f"),
    ("vm_list_environments", "f"),
    ("vm_network_info", "f"),
    ("vm_reap_expired", "f"),
    ("vm_start", "f"),
    ("vm_status", "f"),
    ("vm_stop", "f"),
    ("workspace_create", "cfxise"),
    ("workspace_delete", "cfxise"),
    ("workspace_diff", "cfxe"),
    ("workspace_exec", "cfxise"),
    ("workspace_export", "cfxise"),
    ("workspace_file_list", "cfxise"),
    ("workspace_file_read", "cfxise"),
    ("workspace_file_write", "cfx"),
    ("workspace_list", "cfxise"),
    ("workspace_logs", "cfxise"),
    ("workspace_patch_apply", "cfx"),
    ("workspace_reset", "cfxse"),
    ("workspace_status", "cfxise"),
    ("workspace_summary", "cfxise"),
    ("workspace_sync_push", "cfx"),
    ("workspace_update", "cfxise"),
    ("workspace_start", "f"),
    ("workspace_stop", "f"),
    ("workspace_disk_export", "f"),
    ("workspace_disk_list", "f"),
    ("workspace_disk_read", "f"),
    ("shell_open", "fe"),
    ("shell_read", "fe"),
    ("shell_write", "fe"),
    ("shell_signal", "fe"),
    ("shell_close", "fe"),
    ("service_start", "fs"),
    ("service_list", "fs"),
    ("service_status", "fs"),
    ("service_logs", "fs"),
    ("service_stop", "fs"),
    ("snapshot_create", "fe"),
    ("snapshot_list", "fe"),
    ("snapshot_delete", "fe"),
];

impl Surface {
    /// Every surface there is.
    pub const ALL: [Self; 7] = [
        Self::Profile(Profile::VmRun),
        Self::Profile(Profile::WorkspaceCore),
        Self::Profile(Profile::WorkspaceFull),
        Self::Mode(Mode::ReproFix),
        Self::Mode(Mode::Inspect),
        Self::Mode(Mode::ColdStart),
        Self::Mode(Mode::ReviewEval),
    ];

    /// Its name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile(Profile::VmRun) => "vm-run",
            Self::Profile(Profile::WorkspaceCore) => "workspace-core",
            Self::Profile(Profile::WorkspaceFull) => "workspace-full",
            Self::Mode(Mode::ReproFix) => "repro-fix",
            Self::Mode(Mode::Inspect) => "inspect",
            Self::Mode(Mode::ColdStart) => "cold-start",
            Self::Mode(Mode::ReviewEval) => "review-eval",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Profile(Profile::VmRun) => 'r',
            Self::Profile(Profile::WorkspaceCore) => 'c',
            Self::Profile(Profile::WorkspaceFull) => 'f',
            Self::Mode(Mode::ReproFix) => 'x',
            Self::Mode(Mode::Inspect) => 'i',
            Self::Mode(Mode::ColdStart) => 's',
            Self::Mode(Mode::ReviewEval) => 'e',
        }
    }

    /// Names of its tools, in the order in which they are shown.
    pub fn tools(self) -> impl Iterator<Item = &'static str> {
        let letter = self.letter();
        TOOLS
            .iter()
            .filter(move |(_, surfaces)| surfaces.contains(letter))
            .map(|(name, _)| *name)
    }

    /// The environment it recommends where nobody chose one.
    #[must_use]
    pub fn environment(self) -> &'static str {
        match self {
            // A repository that nobody knows mostly wants a compiler.
            Self::Mode(Mode::ColdStart) => "debian:12-build",
            _ => DEFAULT_ENVIRONMENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_counted_as_in_the_contract() {
        let counts = Surface::ALL.map(|surface| (surface.name(), surface.tools().count()));
        assert_eq!(
            counts,
            [
                ("vm-run", 1),
                ("workspace-core", 17),
                ("workspace-full", 44),
                ("repro-fix", 16),
                ("inspect", 11),
                ("cold-start", 17),
                ("review-eval", 21),
            ]
        );
    }

    #[test]
    fn every_tool_is_an_operation() {
        for (name, _) in TOOLS {
            assert!(crate::ops::named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_are_those_of_the_flags() {
        for surface in Surface::ALL {
            let flag = match surface {
                Surface::Profile(profile) => profile.to_possible_value(),
                Surface::Mode(mode) => mode.to_possible_value(),
            };
            assert_eq!(flag.unwrap().get_name(), surface.name());
        }
    }
}
