//! placeholder until the setup branch is merged
use crate::error::VmmError;
use std::path::{Path, PathBuf};
/// A Firecracker on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirecrackerBinary {
    /// Its path.
    pub path: PathBuf,
    /// The jailer.
    pub jailer: Option<PathBuf>,
    /// Identity.
    pub identity: String,
}
impl FirecrackerBinary {
    /// Finds it.
    pub fn find(_cache: &Path) -> Result<Self, VmmError> {
        let path = PathBuf::from(std::env::var("PYRO_FIRECRACKER_BIN").map_err(|_| {
            VmmError::Missing {
                program: "firecracker",
                looked_at: None,
            }
        })?);
        let jailer = path.with_file_name("jailer");
        Ok(Self {
            jailer: jailer.exists().then_some(jailer),
            identity: "x".into(),
            path,
        })
    }
}
