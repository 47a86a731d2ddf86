//! The backend without a machine: the agent as a plain child.
//!
//! Owns: host-compat (which the operator has to ask for) and the fast test
//! double. Refuses: being a guest; its capabilities say so, and it refuses to
//! start where no user and mount namespace can be made, since the commands
//! would then share the host's files with no `/workspace` of their own.

use crate::agent;
use crate::agent_stream::AgentStream;
use crate::confine::{Confined, Identity, Launch, Level, Network, View};
use crate::error::VmmError;
use crate::machine::{Capabilities, Machine};
use crate::template::Template;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Name of the backend in results.
pub const NAME: &str = "process";

/// What it can do.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        guest_kernel: false,
        templates: false,
        pause: false,
        halts_on_full_disk: false,
        nested_virtualization: false,
    }
}

/// Starts the agent in namespaces of its own, with an empty `/workspace`.
///
/// # Errors
/// [`VmmError::Confinement`] where namespaces cannot be made.
pub fn start() -> Result<Box<dyn Machine>, VmmError> {
    let (agent, theirs) = UnixStream::pair().map_err(VmmError::io("make a socket pair"))?;
    let program = rustix::fs::memfd_create("pyro-agent", rustix::fs::MemfdFlags::CLOEXEC)
        .map_err(|error| VmmError::io("make a memory file for the agent")(error.into()))?;
    let mut program = std::fs::File::from(program);
    program
        .write_all(agent::PROGRAM)
        .map_err(VmmError::io("write the agent into memory"))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", program.as_raw_fd()));
    let args = [
        "process".into(),
        theirs.as_raw_fd().to_string().into(),
        OsString::from("--workspace"),
    ];
    let env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let confined = Launch {
        program: &path,
        args: &args,
        env: &env,
        inherit: &[theirs.as_fd(), program.as_fd()],
        network: Network::Host,
        view: View::Host,
        identity: Identity::NamespaceRoot,
        levels: &[Level::UserNamespaces],
        limits: None,
        keep_stdout: false,
    }
    .start()?;
    Ok(Box::new(ProcessMachine {
        confined,
        agent: Some(agent),
    }))
}

struct ProcessMachine {
    confined: Confined,
    agent: Option<UnixStream>,
}

impl Machine for ProcessMachine {
    fn confined(&self) -> &Confined {
        &self.confined
    }

    fn confined_mut(&mut self) -> &mut Confined {
        &mut self.confined
    }

    fn take_agent_stream(&mut self) -> Option<AgentStream> {
        self.agent.take().map(AgentStream::Connected)
    }

    fn freeze(&mut self, _: &Path) -> Result<Template, VmmError> {
        Err(VmmError::Unsupported {
            backend: NAME,
            ability: "freeze",
        })
    }

    fn pause(&mut self) -> Result<(), VmmError> {
        Err(VmmError::Unsupported {
            backend: NAME,
            ability: "pause",
        })
    }

    fn resume(&mut self) -> Result<(), VmmError> {
        Err(VmmError::Unsupported {
            backend: NAME,
            ability: "resume",
        })
    }

    fn serial_tail(&self) -> String {
        self.confined.stderr.tail()
    }
}
