//! What kind of agent this is.

/// Whether this agent has a machine of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest: clock, disks and processes are the agent's.
    Guest,
    /// A plain process on somebody's machine.
    Process {
        /// Whether `/workspace` was made for it.
        workspace: bool,
    },
}
