//! Sessions and requests.
//!
//! Owns: the agent's life over all connections, one thread per request, and
//! what phase the machine is in. Refuses: to let one request's failure reach
//! another, and to keep anything of a session that was replaced or lost.
//!
//! ```text
//!   connection --> HELLO: end what the old session left, WELCOME
//!              --> OPEN:  thread { parse, run, CLOSE }
//!              --> lost:  end what the session left, next connection
//! ```

use crate::activity::Activity;
use crate::cgroup::Cgroups;
use crate::keeper;
use crate::spawn::Limits;
use crate::transport::Transport;
use crate::{configure, console, exec, poweroff};
use pyro_proto::messages::{Failed, Hello, PROTOCOL, Reply, Request, Welcome};
use pyro_proto::{Link, LinkError, Stream};
use rustix::fd::OwnedFd;
use std::io::BufReader;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stack of a request's thread; what it holds lives on the heap.
const STACK_BYTES: usize = 256 * 1024;
/// How long a new session waits for the requests of the old one to be killed.
const OLD_SESSION: Duration = Duration::from_secs(2);

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

/// What the machine is ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not configured.
    Fresh,
    /// A configure is under way.
    Configuring,
    /// Commands may run.
    Ready,
    /// A power-off is under way.
    Leaving,
}

/// Everything requests share.
pub struct Server {
    /// Whether there is a machine.
    pub role: Role,
    /// Where commands' processes are grouped.
    pub cgroups: Cgroups,
    /// Limits commands get.
    pub limits: Limits,
    /// The scratch file system's root, kept for after the change of root.
    pub scratch: Mutex<Option<OwnedFd>>,
    /// The requests under way.
    pub activity: Arc<Activity>,
    phase: Mutex<Phase>,
    /// Whether a command ever ran, so that there may be something to kill.
    started: AtomicBool,
}

/// Serves the host of a guest until that is impossible, and says why.
pub fn guest() -> String {
    match Transport::find() {
        Ok(transport) => Server::new(Role::Guest).serve(transport),
        Err(error) => format!("the host's port did not open: {error}"),
    }
}

/// Serves one inherited socket until it ends.
pub fn process(socket: OwnedFd, workspace: bool) {
    Server::new(Role::Process { workspace }).serve(Transport::Socket(Some(socket)));
}

impl Server {
    fn new(role: Role) -> Arc<Self> {
        Arc::new(Self {
            role,
            cgroups: Cgroups::default(),
            limits: Limits::raise(role),
            scratch: Mutex::new(None),
            phase: Mutex::new(Phase::Fresh),
            activity: Arc::default(),
            started: AtomicBool::new(false),
        })
    }

    fn serve(self: Arc<Self>, mut transport: Transport) -> String {
        loop {
            let conn = match transport.next() {
                Ok(Some(conn)) => conn,
                Ok(None) => return "the host left".into(),
                Err(error) => return format!("the host cannot be reached: {error}"),
            };
            let link = Link::new(conn.writer());
            let ended = link.serve(
                BufReader::with_capacity(16 * 1024, conn.reader()),
                |hello| self.welcome(&hello),
                |stream, request| self.accept(stream, request),
            );
            conn.finish();
            self.end_session();
            if let LinkError::Broken(why) = ended {
                console::line(&format!("the connection to the host broke: {why}"));
                if let Err(error) = transport.resynchronize() {
                    return format!("the host's port failed: {error}");
                }
            }
        }
    }

    fn welcome(&self, hello: &Hello) -> Welcome {
        self.end_session();
        Welcome {
            protocol: PROTOCOL,
            nonce: hello.nonce.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            configured: *self.phase() == Phase::Ready,
        }
    }

    /// Kills what the session started. Its streams are over already, so the
    /// requests kill their own; what commands left in the background follows.
    fn end_session(&self) {
        if !self.started.load(Ordering::SeqCst) {
            return;
        }
        self.activity.wait_until_idle(OLD_SESSION);
        self.cgroups.kill_all();
        if self.role != Role::Guest {
            keeper::kill_orphans();
        }
    }

    fn accept(self: &Arc<Self>, stream: Stream, request: Vec<u8>) {
        let Some(ticket) = self.activity.enter() else {
            fail(stream, "busy", "too many requests are under way already");
            return;
        };
        let server = self.clone();
        // Shared, so that the stream is still there when no thread can be made.
        let slot = Arc::new(Mutex::new(Some(stream)));
        let taken = slot.clone();
        let thread = std::thread::Builder::new()
            .name("request".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let _ticket = ticket;
                if let Some(stream) = take(&taken) {
                    server.handle(stream, &request);
                }
            });
        if let Err(error) = thread
            && let Some(stream) = take(&slot)
        {
            fail(
                stream,
                "busy",
                &format!("no thread for the request: {error}"),
            );
        }
    }

    fn handle(self: &Arc<Self>, stream: Stream, request: &[u8]) {
        match serde_json::from_slice(request) {
            Ok(Request::Exec(exec)) => {
                self.started.store(true, Ordering::SeqCst);
                exec::run(self, &exec, stream);
            }
            Ok(Request::Configure(wanted)) => {
                let reply = configure::run(self, &wanted);
                answer(stream, &reply.map_or_else(Reply::Failed, Reply::Configured));
            }
            Ok(Request::PowerOff) => poweroff::run(self, stream),
            Err(error) => fail(
                stream,
                "bad_request",
                &format!("the request is not understood: {error}"),
            ),
        }
    }

    /// The phase, to look at or to change.
    pub fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(slot: &Mutex<Option<Stream>>) -> Option<Stream> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The reason for a failed request.
pub fn failed(code: &str, message: impl Into<String>) -> Failed {
    Failed {
        code: code.into(),
        message: message.into(),
    }
}

/// Sends the reply. A host that does not want it any more is no error.
pub fn answer(stream: Stream, reply: &Reply) {
    if let Ok(bytes) = serde_json::to_vec(reply) {
        let _ = stream.close(&bytes);
    }
}

fn fail(stream: Stream, code: &str, message: &str) {
    answer(stream, &Reply::Failed(failed(code, message)));
}
