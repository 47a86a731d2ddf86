//! A gateway's process and what it hands over.
//!
//! Owns: its start and confinement, the descriptors of its namespace, what it
//! says. Dropping it ends it, and with it namespace, TAP and uplink. Refuses:
//! outliving its owner: its process namespace ends with the lifeline.

use super::resolvers;
use super::survey::{NetworkPrograms, survey};
use crate::error::{Error, Result};
use crate::own_program;
use pyro_gateway::broker::system_authorities;
use pyro_gateway::config::{Brokered, Config, Rules};
use pyro_gateway::log::Attempt;
use pyro_gateway::namespace::order::{
    ASK_TAP, GATEWAY, GUEST, GUEST_MAC, Order, PREFIX_LENGTH, Said, TAP,
};
use pyro_proto::messages::network::Network as GuestNetwork;
use pyro_vmm::Nic;
use pyro_vmm::confine::{Confined, Identity, Launch, Level, Limits, Network, View};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// From its start to its word; pasta takes most of it.
const READY_TIMEOUT: Duration = Duration::from_secs(40);
/// A line of it, with a name of a guest in it at most.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The gateway, pasta, and the rules' programs for a moment.
const LIMITS: Limits = Limits {
    memory_max_bytes: 512 << 20,
    pids_max: 1024,
};

/// How it is with the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UplinkState {
    /// It is there.
    Up,
    /// It is not, for the moment or for good.
    Down(String),
}

/// What waits for the gateway's word.
enum Word {
    Ready([OwnedFd; 2], Option<String>),
    Tap(OwnedFd),
    Failed(String),
}

/// A gateway that runs.
pub struct Gateway {
    confined: Confined,
    socket: UnixStream,
    words: Mutex<Receiver<Word>>,
    state: Arc<Mutex<UplinkState>>,
    user: OwnedFd,
    net: OwnedFd,
    tap: Mutex<Option<OwnedFd>>,
    ca_certificate_pem: Option<String>,
}

impl Gateway {
    /// Starts one. `told` gets what the guest asks for, on a thread.
    ///
    /// # Errors
    /// `network_unavailable` with what stands in the way and the next step.
    pub fn start(
        rules: &Rules,
        brokered: Vec<Brokered>,
        told: impl FnMut(Attempt) + Send + 'static,
    ) -> Result<Self> {
        let programs = NetworkPrograms::find().all()?;
        let (mut socket, theirs) =
            UnixStream::pair().map_err(|error| failed(&error.to_string()))?;
        let program = own_program::find()?;
        let args = ["gateway".into(), theirs.as_raw_fd().to_string().into()];
        let root = rustix::process::geteuid().is_root();
        let launch = Launch {
            program: &program,
            args: &args,
            env: &[],
            inherit: &[theirs.as_fd()],
            network: Network::Host,
            view: View::Program {
                devices: vec!["null", "urandom", "net/tun"],
                // Its own names, and where pasta shuts itself in.
                folders: vec!["run", "tmp"],
            },
            identity: Identity::NamespaceRoot,
            levels: if root {
                &[Level::RootNamespaces]
            } else {
                &[Level::UserNamespaces]
            },
            limits: Some(LIMITS),
            keep_stdout: false,
        };
        let mut confined = launch.start().map_err(|error| {
            // A setting that forbids it is better known than the kernel's word.
            survey()
                .into_iter()
                .next()
                .map_or_else(|| failed(&error.to_string()), Error::from)
        })?;
        drop(theirs);
        let order = Order {
            config: Config {
                rules: rules.clone(),
                resolvers: resolvers::of_host(),
                authorities: if brokered.is_empty() {
                    Vec::new()
                } else {
                    system_authorities()
                },
                brokered,
            },
            programs,
        };
        let mut line = serde_json::to_vec(&order)
            .map_err(|error| Error::runtime("encode", error.to_string()))?;
        line.push(b'\n');
        let state = Arc::new(Mutex::new(UplinkState::Up));
        let (say, words) = channel();
        let reader = socket
            .try_clone()
            .map_err(|error| failed(&error.to_string()))?;
        let seen = state.clone();
        std::thread::spawn(move || listen(&reader, &say, &seen, told));
        let sent = socket.write_all(&line);
        match words.recv_timeout(READY_TIMEOUT) {
            Ok(Word::Ready([user, net], ca_certificate_pem)) if sent.is_ok() => Ok(Self {
                ca_certificate_pem,
                confined,
                socket,
                words: Mutex::new(words),
                state,
                user,
                net,
                tap: Mutex::default(),
            }),
            Ok(Word::Failed(reason)) => Err(blocked(&reason)),
            _ => {
                let code = confined.kill();
                let stderr = confined.stderr.last_words();
                let last = stderr.lines().last().unwrap_or("it said nothing");
                Err(failed(&format!("the gateway ended with {code}: {last}")))
            }
        }
    }

    /// The card as a backend wants it: with the TAP opened, or by its name
    /// only, because the TAP has one user at a time.
    ///
    /// # Errors
    /// `network_unavailable`.
    pub fn nic(&self, by_name: bool) -> Result<Nic> {
        let share = |fd: &OwnedFd| {
            fd.try_clone()
                .map_err(|error| failed(&format!("no descriptor left: {error}")))
        };
        let mut tap = lock(&self.tap);
        if by_name {
            *tap = None;
        } else if tap.is_none() {
            *tap = Some(self.open_tap()?);
        }
        Ok(Nic {
            tap: tap.as_ref().map(share).transpose()?,
            tap_name: TAP.to_owned(),
            net: share(&self.net)?,
            user: share(&self.user)?,
            mac: GUEST_MAC.to_owned(),
        })
    }

    fn open_tap(&self) -> Result<OwnedFd> {
        let words = lock(&self.words);
        (&self.socket)
            .write_all(ASK_TAP.as_bytes())
            .map_err(|error| failed(&format!("the gateway is gone: {error}")))?;
        match words.recv_timeout(READY_TIMEOUT) {
            Ok(Word::Tap(tap)) => Ok(tap),
            Ok(Word::Failed(reason)) => Err(failed(&reason)),
            _ => Err(failed("the gateway is gone")),
        }
    }

    /// What the guest's agent is told.
    #[must_use]
    pub fn guest(&self) -> GuestNetwork {
        GuestNetwork {
            mac: GUEST_MAC.to_owned(),
            address: GUEST,
            prefix_length: PREFIX_LENGTH,
            router: GATEWAY,
            resolver: GATEWAY,
        }
    }

    /// The authority that the guest has to trust, when secrets are brokered.
    #[must_use]
    pub fn ca_certificate_pem(&self) -> Option<&str> {
        self.ca_certificate_pem.as_deref()
    }

    /// How it is with the way out.
    #[must_use]
    pub fn uplink(&self) -> UplinkState {
        lock(&self.state).clone()
    }

    /// Its process, and those above it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.confined.pids()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(reason: &str) -> Error {
    Error::runtime(
        "network_unavailable",
        format!("guests can have no network here: {reason}"),
    )
    .hint("run pyro doctor; without a network (--network-policy off) everything else works")
}

/// What the gateway says, with the remedy where one is known.
fn blocked(reason: &str) -> Error {
    let error = failed(reason);
    match survey().into_iter().next() {
        Some(obstacle) => error.hint(format!(
            "{}; without a network (--network-policy off) everything else works",
            obstacle.remedy
        )),
        None if reason.contains("pasta") => {
            error.hint("the uplink needs a default route of IPv4 on this host; look at ip route")
        }
        None => error,
    }
}

/// Takes what the gateway says until it is gone.
fn listen(
    socket: &UnixStream,
    say: &Sender<Word>,
    state: &Mutex<UplinkState>,
    mut told: impl FnMut(Attempt),
) {
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    let mut pending = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Some(length) = receive(socket, &mut buffer, &mut descriptors) {
        pending.extend_from_slice(&buffer[..length]);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let word = match serde_json::from_slice(&line) {
                Ok(Said::Attempt(attempt)) => {
                    told(attempt);
                    continue;
                }
                Ok(Said::Uplink { up: true, reason }) => {
                    tracing::info!("{reason}");
                    *lock(state) = UplinkState::Up;
                    continue;
                }
                Ok(Said::Uplink { up: false, reason }) => {
                    tracing::warn!("{reason}");
                    *lock(state) = UplinkState::Down(reason);
                    continue;
                }
                Ok(Said::Ready { ca_certificate_pem }) => {
                    match <[OwnedFd; 2]>::try_from(std::mem::take(&mut descriptors)) {
                        Ok(both) => Word::Ready(both, ca_certificate_pem),
                        Err(_) => Word::Failed("the gateway handed over no namespace".into()),
                    }
                }
                Ok(Said::Tap) => match descriptors.pop() {
                    Some(tap) => Word::Tap(tap),
                    None => Word::Failed("the gateway handed over no TAP".into()),
                },
                Ok(Said::Failed { reason }) => Word::Failed(reason),
                Err(error) => Word::Failed(format!("the gateway makes no sense: {error}")),
            };
            // Nobody waits once it is up and has its TAP.
            let _ = say.send(word);
        }
        if pending.len() > MAX_LINE_BYTES {
            break;
        }
    }
    *lock(state) = UplinkState::Down("the gateway ended".into());
}

fn receive(
    socket: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Option<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let began = Instant::now();
    loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(
            socket,
            &mut [IoSliceMut::new(buffer)],
            &mut ancillary,
            flags,
        ) {
            Err(rustix::io::Errno::INTR) if began.elapsed() < READY_TIMEOUT => {}
            Ok(got) if got.bytes > 0 => {
                for message in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(files) = message {
                        descriptors.extend(files);
                    }
                }
                return Some(got.bytes);
            }
            _ => return None,
        }
    }
}
