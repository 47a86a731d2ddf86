//! Reaching a workspace's supervisor, and starting one.
//!
//! Owns: the socket's way in, the spawn, one call. Refuses: sending a request
//! twice; what was sent and got lost is an error.
//!
//! ```text
//!   connect --nobody listens--> spawn `pyro supervise ID` --1 byte: listens--> connect
//!      |                             `--it ended--> its last words
//!      `--> call: request, events, answer
//! ```

use super::wire::{Answer, EVENTS, PROTOCOL, Request, WireEvent};
use crate::error::{Error, Result};
use crate::events::{Cancel, CancelGuard, Event, EventSink};
use crate::guest::files::Fault;
use crate::guest::{Captured, KEPT_BYTES, Output, StdinPump};
use crate::layout::Layout;
use crate::own_program;
use crate::workspaces::reach::decode;
use crate::workspaces::secrets::Secrets;
use crate::workspaces::store::Folder;
use pyro_proto::messages::{Hello, channel};
use pyro_proto::{Incoming, Link, LinkError, Stream};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Name of the socket in the workspace's folder.
pub const SOCKET: &str = "supervisor.sock";
/// Code of what went wrong when a supervisor is there and says nothing.
pub const SILENT: &str = "supervisor_silent";
/// A supervisor answers a hello at once.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a supervisor.
pub struct Session {
    link: Link,
    socket: UnixStream,
    id: String,
    /// Version of a supervisor that speaks another protocol.
    foreign: Option<String>,
    /// When to give up waiting for an answer.
    deadline: Option<Instant>,
}

/// What came of a call.
pub struct Called {
    /// The answer.
    pub value: Value,
    /// A command's standard output.
    pub stdout: Output,
    /// A command's standard error.
    pub stderr: Output,
}

impl Session {
    /// None when nobody listens.
    ///
    /// # Errors
    /// `supervisor`: something listens and does not answer.
    pub fn connect(folder: &Folder) -> Result<Option<Self>> {
        Self::connect_by(folder, HELLO_TIMEOUT, None)
    }

    /// For a call that has to be answered in time.
    ///
    /// # Errors
    /// [`SILENT`], as does the call.
    pub fn connect_within(folder: &Folder, timeout: Duration) -> Result<Option<Self>> {
        Self::connect_by(folder, timeout, Some(Instant::now() + timeout))
    }

    fn connect_by(
        folder: &Folder,
        timeout: Duration,
        deadline: Option<Instant>,
    ) -> Result<Option<Self>> {
        let failed = |what: String| {
            Error::runtime(
                "supervisor",
                format!("the supervisor of workspace {} {what}", folder.id),
            )
            .hint("try again; pyro workspace delete ends it whatever it does")
        };
        let silent = || {
            Error::runtime(
                SILENT,
                format!("the supervisor of workspace {} does not answer", folder.id),
            )
            .hint("try again; pyro workspace delete ends it whatever it does")
        };
        let dialled = dial(folder, timeout).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => silent(),
            _ => failed(format!("cannot be reached: {error}")),
        });
        let Some(socket) = dialled? else {
            return Ok(None);
        };
        let share = || {
            socket
                .try_clone()
                .map_err(|error| failed(format!("cannot be shared: {error}")))
        };
        let (reader, link) = (share()?, Link::new(share()?));
        let pump = link.clone();
        std::thread::spawn(move || pump.pump(reader));
        let hello = Hello {
            protocol: PROTOCOL,
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        match link.hello(&hello, timeout) {
            // It is about to end.
            Ok(welcome) if !welcome.configured => Ok(None),
            Ok(welcome) => Ok(Some(Self {
                link,
                socket,
                id: folder.id.clone(),
                foreign: (welcome.protocol != PROTOCOL).then_some(welcome.version),
                deadline,
            })),
            Err(LinkError::Closed | LinkError::Broken(_)) => Ok(None),
            Err(_) => {
                // Ends the thread that reads.
                let _ = socket.shutdown(Shutdown::Both);
                Err(silent())
            }
        }
    }

    /// A request about files, which goes through to the agent.
    ///
    /// # Errors
    /// What `ask` says, `supervisor_gone`, `cancelled`.
    pub fn files<T>(
        &self,
        cancel: &Cancel,
        ask: impl FnOnce(&Link) -> Result<T, Fault>,
    ) -> Result<T> {
        self.same_protocol()?;
        let _woken = self.end_on(cancel)?;
        ask(&self.link).map_err(|fault| match fault {
            Fault::Link(error) => lost(&error, cancel),
            Fault::Error(error) => error,
        })
    }

    fn same_protocol(&self) -> Result<()> {
        match &self.foreign {
            None => Ok(()),
            Some(version) => Err(Error::runtime(
                "supervisor_protocol",
                format!(
                    "workspace {} is run by pyro {version}, which speaks another protocol",
                    self.id
                ),
            )
            .hint(format!(
                "stop it and start it again: pyro workspace stop {}",
                self.id
            ))),
        }
    }

    fn end_on(&self, cancel: &Cancel) -> Result<CancelGuard> {
        let socket = self.socket.try_clone().map_err(|error| {
            Error::runtime(
                "io",
                format!("cannot share the supervisor's socket: {error}"),
            )
        })?;
        Ok(cancel.on_cancel(move || drop(socket.shutdown(Shutdown::Both))))
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// The supervisor's own error, `supervisor_gone`, `supervisor_protocol`,
    /// `cancelled`.
    pub fn call(
        &self,
        request: &Request,
        stdin: Option<&File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Called> {
        if !request.is_stable() {
            self.same_protocol()?;
        }
        let _woken = self.end_on(cancel)?;
        let lost = |error: &LinkError| lost(error, cancel);
        let text = serde_json::to_vec(request)
            .map_err(|error| Error::runtime("encode", error.to_string()))?;
        let stream = Arc::new(self.link.open(&text).map_err(|error| lost(&error))?);
        let mut pump = None;
        let (mut stdout, mut stderr) = (Captured::new(KEPT_BYTES), Captured::new(KEPT_BYTES));
        let mut lines = Vec::new();
        let answer = loop {
            match stream.receive(self.deadline) {
                Ok(Incoming::Data(channel::STDOUT, bytes)) => {
                    stdout.push(&bytes);
                    events.event(Event::Stdout(bytes));
                }
                Ok(Incoming::Data(channel::STDERR, bytes)) => {
                    stderr.push(&bytes);
                    events.event(Event::Stderr(bytes));
                }
                Ok(Incoming::Data(EVENTS, bytes)) => {
                    for event in lines_of(&mut lines, &bytes) {
                        if let (WireEvent::Accepted, Some(file)) = (&event, stdin) {
                            let file = file.try_clone().map_err(|error| {
                                Error::runtime(
                                    "io",
                                    format!("cannot share standard input: {error}"),
                                )
                            })?;
                            pump = Some(StdinPump::start(file, stream.clone())?);
                        } else if let Some(event) = event.into_event() {
                            events.event(event);
                        }
                    }
                }
                Ok(Incoming::Close(answer)) => break answer,
                Ok(_) => {}
                Err(error) => return Err(lost(&error)),
            }
        };
        drop(pump);
        Ok(Called {
            value: answered(&answer)?,
            stdout: stdout.finish(),
            stderr: stderr.finish(),
        })
    }

    /// One request whose stream `talk` has until it is over; it returns the
    /// answer, or none when the supervisor is lost.
    ///
    /// # Errors
    /// As [`Self::call`], and those of `talk`.
    pub fn converse<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request,
        cancel: &Cancel,
        talk: impl FnOnce(&Arc<Stream>) -> Result<Option<Vec<u8>>>,
    ) -> Result<T> {
        self.same_protocol()?;
        let _woken = self.end_on(cancel)?;
        let text = serde_json::to_vec(request)
            .map_err(|error| Error::runtime("encode", error.to_string()))?;
        let stream = self
            .link
            .open(&text)
            .map_err(|error| lost(&error, cancel))?;
        let answer = talk(&Arc::new(stream))?;
        let answer = answer.ok_or_else(|| lost(&LinkError::Closed, cancel))?;
        decode(answered(&answer)?)
    }
}

/// What an answer says.
fn answered(answer: &[u8]) -> Result<Value> {
    match serde_json::from_slice(answer) {
        Ok(Answer::Done { value }) => Ok(value),
        Ok(Answer::Failed(failure)) => Err(failure.into()),
        Err(error) => Err(Error::runtime(
            "supervisor_protocol",
            format!("the supervisor's answer makes no sense: {error}"),
        )),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ends the thread that reads, in a client that stays.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn lost(error: &LinkError, cancel: &Cancel) -> Error {
    if let LinkError::TimedOut(after) = error {
        return Error::runtime(
            SILENT,
            format!("the workspace's supervisor did not answer within {after:.1?}"),
        );
    }
    if cancel.is_cancelled() {
        return Error::runtime("cancelled", "cancelled while the workspace worked");
    }
    Error::runtime(
        "supervisor_gone",
        format!("the workspace's supervisor ended in the middle: {error}"),
    )
    .hint("look at it with pyro workspace status")
}

/// The events that are whole by now.
fn lines_of(lines: &mut Vec<u8>, bytes: &[u8]) -> Vec<WireEvent> {
    lines.extend_from_slice(bytes);
    let mut events = Vec::new();
    while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = lines.drain(..=end).collect();
        // One that a newer supervisor has and this does not know is not for it.
        events.extend(serde_json::from_slice::<WireEvent>(&line));
    }
    events
}

/// Through a descriptor of the folder, so that no path is too long for a socket.
/// `WouldBlock` when its queue is full for so long.
fn dial(folder: &Folder, timeout: Duration) -> std::io::Result<Option<UnixStream>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(folder.path(), flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let patience = |time| set_socket_timeout(&socket, Timeout::Send, time);
    patience(Some(timeout))?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => {
            patience(None)?;
            Ok(Some(socket.into()))
        }
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Starts a supervisor and returns when it listens. Another one that was
/// faster is as good.
///
/// # Errors
/// `program_missing`, `supervisor` with its last words.
pub fn spawn(layout: &Layout, folder: &Folder) -> Result<()> {
    let program = own_program::find()?;
    let log = folder.file("supervisor.log");
    let stderr = File::create(&log).map_err(Error::io("create", &log))?;
    let failed = |what: String| {
        Error::runtime(
            "supervisor",
            format!("no supervisor for workspace {}: {what}", folder.id),
        )
    };
    let mut command = Command::new(&program);
    // It lives on, and its environment can be read for as long.
    if let Ok(secrets) = folder
        .load()
        .and_then(|record| Secrets::load(folder, &record))
    {
        for (name, value) in std::env::vars_os() {
            if secrets.are_in(value.as_encoded_bytes()) {
                command.env_remove(name);
            }
        }
    }
    let mut child = command
        .args(["supervise", &folder.id])
        .env("PYRO_STATE_DIR", &layout.state)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", &layout.cache)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| failed(format!("cannot run {}: {error}", program.display())))?;
    let mut word = [0];
    let listens = child
        .stdout
        .take()
        .is_some_and(|mut stdout| stdout.read_exact(&mut word).is_ok());
    // A client that stays (an MCP server) must not keep a zombie.
    std::thread::spawn(move || child.wait());
    if listens {
        return Ok(());
    }
    let words = std::fs::read_to_string(&log).unwrap_or_default();
    Err(failed(format!("it ended at once: {}", words.trim())))
}

/// Ends a supervisor that does not do what it is told, and its machine with it.
pub fn kill(folder: &Folder) {
    let Ok(Some(socket)) = dial(folder, HELLO_TIMEOUT) else {
        return;
    };
    // Its number cannot be another's while it holds the other end.
    if let Ok(peer) = rustix::net::sockopt::socket_peercred(&socket) {
        let _ = rustix::process::kill_process(peer.pid, rustix::process::Signal::KILL);
    }
}
