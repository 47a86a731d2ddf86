//! Requests and replies, carried as JSON in OPEN and CLOSE frames.
//!
//! Owns: every message type and the protocol version. Refuses: I/O and
//! policy; defaults and ranges are the engine's.

pub mod dial;
pub mod diff;
pub mod files;
pub mod network;
pub mod probe;
pub mod secrets;
pub mod shells;
pub mod trust;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of everything in this crate. Both sides must have the same one:
/// the agent is in the initramfs that the host wrote, so they always do.
pub const PROTOCOL: u32 = 1;

/// Channel numbers of an exec stream.
pub mod channel {
    /// Host to agent: the command's standard input.
    pub const STDIN: u8 = 0;
    /// Agent to host: the command's standard output.
    pub const STDOUT: u8 = 1;
    /// Agent to host: the command's standard error.
    pub const STDERR: u8 = 2;
    /// Host to agent: each byte is a signal number for the command's process
    /// group; of a shell, see [`super::shells`].
    pub const SIGNAL: u8 = 3;
}

/// Name of the virtio-serial port that carries the stream.
pub const PORT_NAME: &str = "pyro";

/// How long a frozen disk waits for a sign of life of the host that copies it.
pub const FREEZE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// First message of a session, host to agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Must be [`PROTOCOL`].
    pub protocol: u32,
    /// Chosen anew for each session; the answer repeats it, so an answer to
    /// an older session (one frozen in a template) is told apart.
    pub nonce: String,
    /// The host's version, for diagnostics.
    pub version: String,
}

/// The agent's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The agent's [`PROTOCOL`].
    pub protocol: u32,
    /// The nonce of the hello it answers.
    pub nonce: String,
    /// The agent's version.
    pub version: String,
    /// Whether [`Request::Configure`] was done already.
    pub configured: bool,
}

/// What the host asks of the agent; one stream each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Once per guest, before anything else: time, entropy, name, disks.
    Configure(Configure),
    /// Before a freeze: fill the page cache with what every command needs.
    WarmUp,
    /// Run one command.
    Exec(Exec),
    /// Start an interactive shell on a terminal.
    OpenShell(shells::OpenShell),
    /// Run one command as a service.
    ///
    /// Four bytes on [`channel::SIGNAL`], little-endian, tell its process number
    /// as soon as it runs. What it left behind when it ended is ended with it,
    /// and the signal KILL reaches everything it started.
    Serve(Exec),
    /// Look whether something of a service is there yet.
    Probe(probe::Probe),
    /// List files below the workspace.
    ListFiles(files::ListFiles),
    /// Read a file.
    ReadFile(files::ReadFile),
    /// Write a file.
    WriteFile(files::WriteFile),
    /// Change several files together.
    ApplyChanges(files::ApplyChanges),
    /// Find lines in files.
    SearchFiles(files::SearchFiles),
    /// Unpack a tar.
    PutArchive(files::PutArchive),
    /// Pack a tar.
    GetArchive(files::GetArchive),
    /// Compare the workspace with its seed.
    DiffTree(diff::DiffTree),
    /// Put the workspace's secrets into the guest's memory.
    InstallSecrets(secrets::InstallSecrets),
    /// Give freed blocks back and hold the disk still while the host copies it.
    ///
    /// One byte on [`channel::STDOUT`] says that it is still. Each byte on
    /// [`channel::STDIN`] says that the host is still copying, the end of that
    /// channel that it is done; without either for [`FREEZE_PATIENCE`], or
    /// when the stream is lost, the disk goes on by itself.
    FreezeDisk,
    /// Connect to a port of the guest itself.
    Dial(dial::Dial),
    /// Make programs trust one more authority.
    TrustAuthority(trust::TrustAuthority),
    /// End everything in order and power the machine off.
    PowerOff,
}

/// Makes a machine out of a fresh or cloned kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configure {
    /// Host time, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// Fresh random bytes as hex, credited to the guest's pool and followed
    /// by a reseed, so that two clones of one template never share a key stream.
    pub entropy_hex: String,
    /// The guest's host name.
    pub hostname: String,
    /// Block device of the root file system's writable layer, for example `/dev/vdb`;
    /// none when the agent runs without a machine.
    pub scratch_device: Option<String>,
    /// Block device with what the workspace begins with, only read; none when
    /// it begins empty.
    #[serde(default)]
    pub baseline_device: Option<String>,
    /// Whether the disks are only shown: nothing is written, nothing runs, and
    /// requests about files are about the whole root.
    #[serde(default)]
    pub reader: bool,
    /// Its network card; none when it has none.
    #[serde(default)]
    pub network: Option<network::Network>,
}

/// How a command is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// One string for `/bin/sh -lc`.
    Shell(String),
    /// Program and arguments, looked up in PATH.
    Argv(Vec<String>),
}

/// Runs one command in its own session and process group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// What to run.
    pub command: Command,
    /// Variables on top of the agent's environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working folder, created when missing; the agent's default when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Deadline; at it the whole group is killed, and what it printed is kept.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Whether stdin follows on [`channel::STDIN`]; otherwise it is `/dev/null`.
    #[serde(default)]
    pub stdin: bool,
    /// Host time, nanoseconds since the Unix epoch; the guest's clock is
    /// stepped when it is off by more than half a second (a host that slept).
    pub time_unix_ns: u64,
}

/// What the agent answers, in the CLOSE frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Configure`].
    Configured(Configured),
    /// To [`Request::WarmUp`].
    WarmedUp,
    /// To [`Request::Exec`] and [`Request::Serve`].
    Exited(Exited),
    /// To [`Request::OpenShell`].
    ShellEnded(shells::ShellEnded),
    /// To [`Request::Probe`].
    Probed(probe::Probed),
    /// To [`Request::ListFiles`].
    Listed(files::Listed),
    /// To [`Request::ReadFile`].
    FileRead(files::FileRead),
    /// To [`Request::WriteFile`].
    Written(files::Written),
    /// To [`Request::ApplyChanges`].
    Applied(files::Applied),
    /// To [`Request::SearchFiles`].
    Searched(files::Searched),
    /// To [`Request::PutArchive`].
    Unpacked(files::Unpacked),
    /// To [`Request::GetArchive`].
    Packed(files::Packed),
    /// To [`Request::DiffTree`].
    TreeDiffed(diff::TreeDiffed),
    /// To [`Request::InstallSecrets`].
    SecretsInstalled,
    /// To [`Request::FreezeDisk`], when the disk goes on.
    DiskThawed(DiskThawed),
    /// To [`Request::Dial`], when both directions ended in order.
    Disconnected,
    /// To [`Request::TrustAuthority`].
    AuthorityTrusted(trust::AuthorityTrusted),
    /// To [`Request::PowerOff`], just before the machine goes.
    PoweringOff,
    /// The request could not be carried out.
    Failed(Failed),
}

/// The guest is ready for commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// `uname -r` of the guest.
    pub kernel: String,
    /// What each of the agent's steps took, for a log.
    pub steps: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// The command's code; 128 + n when signal n ended it; 124 at the deadline.
    pub exit_code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Milliseconds from start to end, on the guest's monotonic clock.
    pub duration_ms: u64,
    /// Bytes sent on stdout.
    pub stdout_bytes: u64,
    /// Bytes sent on stderr.
    pub stderr_bytes: u64,
}

/// The disk goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskThawed {
    /// Whether it was still until the host said that it is done. If not, what
    /// the host copied is worth nothing.
    pub held: bool,
    /// Files, directories and links written since the machine was made.
    pub entry_count: u64,
    /// Bytes of freed blocks that were given back before.
    pub trimmed_bytes: u64,
}

/// Code of a refusal by who is about to end: nothing was done.
pub const LEAVING: &str = "leaving";

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Stable, lower-case word: `bad_request`, `not_configured`, `cwd`, `spawn`,
    /// `mount`, `network`, `busy`, [`LEAVING`], `internal`; requests about files add those of [`files`],
    /// connections those of [`dial`].
    pub code: String,
    /// One lower-case sentence that names the thing.
    pub message: String,
}
