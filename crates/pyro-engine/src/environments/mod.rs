//! Environments.
/// Installed and installable environments.
#[derive(Clone, Debug)]
pub struct Environments;
