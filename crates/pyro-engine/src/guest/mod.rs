//! A running guest and the conversation with its agent.
//!
//! Owns: the session (hello, configure), commands, files; [`lost`] turns a lost
//! connection into the reason for it. Refuses: choosing how the machine came
//! to be ([`crate::start`]).
//!
//! ```text
//!   Machine --connect: hello--> Guest --configure--> ready --exec*--> ready
//!                                         any step: machine ends --> Error with the reason
//! ```

mod exec;
pub(crate) mod files;
mod freeze;
mod halt;
mod lost;
mod output;
mod secrets;
mod service;
pub(crate) mod shell;
mod trust;

pub(crate) use exec::StdinPump;
pub use exec::{Command, Finished};
pub use freeze::FrozenDisk;
pub use output::{Captured, KEPT_BYTES, Output};
pub(crate) use service::{Heard, Line, Serving};

use crate::error::{Error, Result};
use crate::events::{Cancel, CancelGuard};
use crate::network::{Gateway, UplinkState};
use pyro_proto::messages::network::Network;
use pyro_proto::messages::{Configure, Configured, Hello, LEAVING, PROTOCOL, Reply, Request};
use pyro_proto::{Incoming, Link, LinkError, Stream};
use pyro_vmm::{Machine, VmmError};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long an orderly power-off may take before the machine is ended.
const POWER_OFF_TIMEOUT: Duration = Duration::from_secs(20);
/// How long making a guest out of a kernel may take (mounts, entropy).
const CONFIGURE_TIMEOUT: Duration = Duration::from_secs(30);

/// A machine whose agent answers. Dropping it ends the machine. Commands may
/// run in it side by side, each on its own stream.
pub struct Guest {
    machine: Mutex<Box<dyn Machine>>,
    link: Link,
    socket: UnixStream,
    /// Its way out, which goes when it does.
    gateway: Mutex<Option<Gateway>>,
}

/// What a fresh guest is told about itself.
#[derive(Clone, Debug)]
pub struct Configuration<'a> {
    /// Its name.
    pub hostname: &'a str,
    /// Its device for what is written; none when there is no machine.
    pub scratch_device: Option<&'a str>,
    /// Its device with what the workspace begins with, if anything.
    pub baseline_device: Option<&'a str>,
    /// Whether its disks are only shown.
    pub reader: bool,
    /// Its network card, if it has one.
    pub network: Option<Network>,
}

impl<'a> Configuration<'a> {
    /// For an agent that is a process of the host.
    #[must_use]
    pub fn without_machine(hostname: &'a str) -> Self {
        Self {
            hostname,
            scratch_device: None,
            baseline_device: None,
            reader: false,
            network: None,
        }
    }
}

impl Guest {
    /// Starts a session with the agent of a machine that was just started.
    ///
    /// # Errors
    /// `guest_start` with the reason, `cancelled`.
    pub fn connect(
        mut machine: Box<dyn Machine>,
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        let stream = machine.take_agent_stream().ok_or_else(|| {
            Error::runtime(
                "guest_start",
                "the machine's agent stream was taken already",
            )
        })?;
        let cutter = stream.cutter().map_err(|error| {
            Error::runtime(
                "guest_start",
                format!("cannot share the agent stream: {error}"),
            )
        })?;
        let socket = {
            let _woken = cancel.on_cancel(move || cutter.cut());
            stream.connect(timeout)
        };
        let socket = match socket {
            Ok(socket) => socket,
            Err(VmmError::TimedOut { .. }) => {
                return Err(lost::explain(
                    &mut *machine,
                    "starting",
                    &LinkError::TimedOut(timeout),
                    cancel,
                ));
            }
            Err(_) => {
                return Err(lost::explain(
                    &mut *machine,
                    "starting",
                    &LinkError::Closed,
                    cancel,
                ));
            }
        };
        let share = || {
            socket.try_clone().map_err(|error| {
                Error::runtime(
                    "guest_start",
                    format!("cannot share the agent stream: {error}"),
                )
            })
        };
        let (reader, writer) = (share()?, share()?);
        let link = Link::new(writer);
        let pump = link.clone();
        std::thread::spawn(move || pump.pump(reader));
        let guest = Self {
            machine: Mutex::new(machine),
            link,
            socket,
            gateway: Mutex::default(),
        };
        let _woken = guest.end_on(cancel)?;
        let hello = Hello {
            protocol: PROTOCOL,
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match guest.link.hello(&hello, left) {
            Ok(welcome) if welcome.protocol == PROTOCOL => Ok(guest),
            Ok(welcome) => Err(Error::runtime(
                "guest_protocol",
                format!(
                    "the agent speaks protocol {}, this pyro {PROTOCOL}",
                    welcome.protocol
                ),
            )
            .hint("run pyro prepare --force")),
            Err(error) => Err(guest.explain("starting", &error, cancel)),
        }
    }

    /// Makes the kernel a machine for commands: clock, entropy, disks.
    ///
    /// # Errors
    /// `guest_configure` with the agent's words, or why the guest is gone.
    pub fn configure(&mut self, wanted: &Configuration<'_>, cancel: &Cancel) -> Result<Configured> {
        let mut entropy = [0; 64];
        rustix::rand::getrandom(&mut entropy, rustix::rand::GetRandomFlags::empty()).map_err(
            |error| {
                Error::runtime(
                    "entropy",
                    format!("the host gives no random bytes: {error}"),
                )
            },
        )?;
        let request = Request::Configure(Configure {
            time_unix_ns: now_unix_ns(),
            entropy_hex: hex::encode(entropy),
            hostname: wanted.hostname.to_owned(),
            scratch_device: wanted.scratch_device.map(str::to_owned),
            baseline_device: wanted.baseline_device.map(str::to_owned),
            reader: wanted.reader,
            network: wanted.network.clone(),
        });
        match self.ask(&request, "configuring", CONFIGURE_TIMEOUT, cancel)? {
            Reply::Configured(configured) => Ok(configured),
            other => Err(unexpected(&other)),
        }
    }

    /// Fills the page cache with what every command needs, before a freeze.
    ///
    /// # Errors
    /// The agent's refusal, or why the guest is gone.
    pub fn warm_up(&mut self, cancel: &Cancel) -> Result<()> {
        match self.ask(&Request::WarmUp, "warming up", CONFIGURE_TIMEOUT, cancel)? {
            Reply::WarmedUp => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Powers the guest off in order, or ends it when that takes too long.
    pub fn power_off(&self) {
        if self.go_on().is_err() {
            return self.kill();
        }
        // Whether the agent could still answer does not matter: the wait
        // below decides.
        let _ = self.ask(
            &Request::PowerOff,
            "powering off",
            POWER_OFF_TIMEOUT,
            &Cancel::default(),
        );
        let mut machine = self.locked();
        if machine.wait(POWER_OFF_TIMEOUT).is_none() {
            tracing::warn!("the guest did not power off in time and was ended");
        }
        machine.kill();
        drop(machine);
        self.close_gateway();
    }

    /// Gives it the gateway that its card leads to.
    pub fn keep_gateway(&self, gateway: Gateway) {
        *lock(&self.gateway) = Some(gateway);
    }

    /// How it is with its way out; none without a network.
    #[must_use]
    pub fn uplink(&self) -> Option<UplinkState> {
        lock(&self.gateway).as_ref().map(Gateway::uplink)
    }

    /// The authority that its programs have to trust, if there is one.
    #[must_use]
    pub fn gateway_authority(&self) -> Option<String> {
        let gateway = lock(&self.gateway);
        gateway.as_ref()?.ca_certificate_pem().map(str::to_owned)
    }

    fn close_gateway(&self) {
        drop(lock(&self.gateway).take());
    }

    /// The machine below: to freeze it before anything was mounted, to pause it.
    pub fn machine(&mut self) -> &mut dyn Machine {
        &mut **self
            .machine
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the machine at once.
    pub fn kill(&self) {
        self.locked().kill();
        self.close_gateway();
    }

    /// Readable once the machine is gone.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn end_handle(&self) -> Result<OwnedFd> {
        Ok(self.locked().confined().end_handle()?)
    }

    /// Whether the machine is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.locked().wait(Duration::ZERO).is_some()
    }

    /// Opens a stream for a request of somebody else's.
    pub(crate) fn open(&self, request: &[u8]) -> Result<Stream> {
        self.link
            .open(request)
            .map_err(|error| self.why_lost("passing a request on", &error))
    }

    /// As [`Self::open`], without asking the machine why it failed, which may wait.
    pub(crate) fn try_open(&self, request: &[u8]) -> std::result::Result<Stream, LinkError> {
        self.link.open(request)
    }

    /// Why a stream of somebody else's request ended.
    pub(crate) fn why_lost(&self, doing: &str, error: &LinkError) -> Error {
        self.explain(doing, error, &Cancel::default())
    }

    /// Why the machine is gone, in one sentence.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.explain("idle", &LinkError::Closed, &Cancel::default())
            .message
    }

    fn locked(&self) -> MutexGuard<'_, Box<dyn Machine>> {
        lock(&self.machine)
    }

    /// How much of the VMM's confinement is in force.
    #[must_use]
    pub fn confinement(&self) -> pyro_vmm::confine::Level {
        self.locked().confinement()
    }

    /// The last part of the machine's console: what is there to say when it panicked.
    #[must_use]
    pub fn console(&self) -> String {
        self.locked().serial_tail()
    }

    /// One request with no data, one reply.
    fn ask(
        &self,
        request: &Request,
        doing: &str,
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Reply> {
        let _woken = self.end_on(cancel)?;
        let deadline = Instant::now() + timeout;
        let answer = self.link.open(&encode(request)?).and_then(|stream| {
            loop {
                if let Incoming::Close(reply) = stream.receive(Some(deadline))? {
                    return Ok(reply);
                }
            }
        });
        answer
            .map_err(|error| self.explain(doing, &error, cancel))
            .and_then(|reply| decode(&reply))
    }

    /// While the guard lives, a cancel cuts the connection, which ends every wait.
    fn end_on(&self, cancel: &Cancel) -> Result<CancelGuard> {
        let socket = self.socket.try_clone().map_err(|error| {
            Error::runtime(
                "guest_start",
                format!("cannot share the agent stream: {error}"),
            )
        })?;
        Ok(cancel.on_cancel(move || drop(socket.shutdown(Shutdown::Both))))
    }

    /// Why a conversation ended, as far as the machine tells.
    fn explain(&self, doing: &str, error: &LinkError, cancel: &Cancel) -> Error {
        lost::explain(&mut **self.locked(), doing, error, cancel)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn encode(request: &Request) -> Result<Vec<u8>> {
    serde_json::to_vec(request)
        .map_err(|error| Error::runtime("encode", format!("cannot write the request: {error}")))
}

fn decode(reply: &[u8]) -> Result<Reply> {
    let reply = serde_json::from_slice(reply).map_err(|error| {
        Error::runtime(
            "guest_reply",
            format!("the agent's reply makes no sense: {error}"),
        )
    })?;
    match reply {
        Reply::Failed(failed) if failed.code == LEAVING => {
            Err(Error::runtime(LEAVING, "the machine was just being stopped").hint("try again"))
        }
        Reply::Failed(failed) => {
            let error = Error::runtime(
                "guest_refused",
                format!(
                    "the guest agent refused: {} ({})",
                    failed.message, failed.code
                ),
            );
            Err(error)
        }
        reply => Ok(reply),
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::runtime(
        "guest_reply",
        format!("the agent answered another question: {reply:?}"),
    )
}

/// Host time, nanoseconds since the Unix epoch.
pub(crate) fn now_unix_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
