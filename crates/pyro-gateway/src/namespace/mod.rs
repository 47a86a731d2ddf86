//! A guest's network namespace, and the process that keeps it.
//!
//! Owns: the order in which it comes up, the TAP that is handed out, the
//! uplink's life, and what is said about all of it ([`order`]). Refuses:
//! its own confinement, which the launcher gives it: a process namespace that
//! ends with the launcher, a user namespace in which it is root, a root folder
//! with programs and devices only.
//!
//! ```text
//!   main thread    host's network   order, host's addresses, pasta
//!   resolver       host's network   questions to the host's resolvers
//!   inside threads namespace        TAP, rules, log, all sockets; the proxy
//!
//!   user namespace, pid namespace (the launcher's)
//!   `- gateway ---- inside: unshare(NEWNET) -> /netns -> lo, tap0 -> nft -> nflog
//!       `- pasta --netns /netns
//! ```

mod host;
mod nflog;
pub mod order;
pub(crate) mod packet;
pub mod ranges;
pub mod rules;
mod sys;
mod tally;
mod tell;
mod uplink;

use crate::log::Attempt;
use crate::names::{Listeners, Names, PROXY_PORT, Serving, needs_proxy};
use order::{GATEWAY, GUEST_MAC, Order, PREFIX_LENGTH, Programs, Said, TAP, UPLINK};
use ranges::Range;
use rules::{LOG_GROUP, Policy};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tell::Teller;
use uplink::{UP_TIMEOUT, Uplink};

/// The namespace's name in the gateway's own root folder.
const NETNS: &str = "/run/netns";
/// How often the host's addresses are looked at again, and an uplink that
/// ended is started again.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps the namespace until the launcher is gone. `socket` is the number of
/// an inherited Unix socket: the order comes in, [`Said`] goes out.
///
/// # Errors
/// A sentence about what is missing; it was said on the socket, too.
pub fn run(socket: i32) -> Result<(), String> {
    let socket = UnixStream::from(
        sys::inherited(socket).map_err(|error| format!("no socket was handed over: {error}"))?,
    );
    let share = socket
        .try_clone()
        .map_err(|error| format!("the socket cannot be shared: {error}"))?;
    let mut reader = BufReader::new(share);
    let teller = Teller::new(socket);
    let done = order(&mut reader).and_then(|order| keep(&order, &teller, reader));
    if let Err(reason) = &done {
        teller.say(&Said::Failed {
            reason: reason.clone(),
        });
    }
    done
}

fn order(reader: &mut impl BufRead) -> Result<Order, String> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .map_err(|error| format!("the order did not come: {error}"))?;
    // What it says may be secret, so no part of it is repeated.
    serde_json::from_str(&line).map_err(|_| "the order makes no sense".to_owned())
}

fn keep(order: &Order, teller: &Teller, reader: BufReader<UnixStream>) -> Result<(), String> {
    let allowed = order
        .config
        .rules
        .allow_cidrs
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Range>, String>>()?;
    let mut host = host::find().map_err(|error| format!("the host's addresses: {error}"))?;
    let with_proxy = needs_proxy(&order.config);
    let ruleset = |host: &ranges::Host| {
        rules::ruleset(&Policy {
            closed: &ranges::closed(host, &allowed),
            allowed: &allowed,
            limited: order.config.rules.is_limited(),
            brokered: !order.config.brokered.is_empty(),
            proxy_port: with_proxy.then_some(PROXY_PORT),
        })
    };
    let log = teller.attempts();
    let names =
        Names::new(&order.config, &host, lossy(log.clone())).map_err(|error| error.to_string())?;
    let names = Arc::new(names);
    let inside = Inside::start(order.programs.clone())?;
    let made = inside.make(ruleset(&host), with_proxy)?;
    let serving = serve(&names, made.listeners, &inside)?;
    let packets = made.log;
    thread::spawn(move || follow(packets, &log));
    let mut uplink = Some(rise(order, &inside)?);
    let user = std::fs::File::open("/proc/self/ns/user").map_err(|error| error.to_string())?;
    let net = std::fs::File::open(NETNS).map_err(|error| error.to_string())?;
    let ready = Said::Ready {
        ca_certificate_pem: names.ca_certificate_pem().map(str::to_owned),
    };
    teller.hand_over(&ready, &[user.as_fd(), net.as_fd()])?;
    let asked = asked(reader);
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(()) => match inside.call(|| sys::open_tap(TAP).map_err(no_tap)) {
                Ok(tap) => teller.hand_over(&Said::Tap, &[tap.as_fd()])?,
                Err(reason) => teller.say(&Said::Failed { reason }),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Ok(now) = host::find()
            && now != host
        {
            inside.rules(ruleset(&now))?;
            names.see_host(&now);
            host = now;
        }
        if serving.iter().any(Serving::is_finished) {
            return Err("the resolver or the proxy ended".into());
        }
        let ended = uplink.as_mut().map(|uplink| uplink.child.try_wait());
        if matches!(ended, Some(Ok(None))) {
            continue;
        }
        if let (Some(gone), Some(ended)) = (uplink.take(), ended) {
            let how = match ended {
                Ok(Some(status)) => status.to_string(),
                _ => "unknown end".to_owned(),
            };
            let reason = format!("the uplink (pasta) ended: {how} {}", gone.words());
            teller.say(&Said::Uplink {
                up: false,
                reason: reason.trim().to_owned(),
            });
        }
        if let Ok(risen) = rise(order, &inside) {
            uplink = Some(risen);
            teller.say(&Said::Uplink {
                up: true,
                reason: "the uplink was started again".into(),
            });
        }
    }
}

/// The resolver asks through the host's network, the proxy connects through
/// the guest's namespace.
fn serve(
    names: &Arc<Names>,
    listeners: Listeners,
    inside: &Inside,
) -> Result<Vec<Serving>, String> {
    let failed = |error: io::Error| format!("no thread for the resolver or the proxy: {error}");
    let mut serving = vec![
        names
            .resolve(listeners.dns_udp, listeners.dns_tcp)
            .map_err(failed)?,
    ];
    if let Some(listener) = listeners.proxy {
        let names = names.clone();
        serving.push(inside.call(move || names.proxy(listener).map_err(failed))?);
    }
    Ok(serving)
}

/// Never waits: what does not fit is counted into one entry, told with the
/// next that fits.
fn lossy(attempts: SyncSender<Attempt>) -> impl Fn(Attempt) + Send + Sync {
    let lost = AtomicU64::new(0);
    move |attempt| {
        if attempts.try_send(attempt).is_err() {
            lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let count = lost.swap(0, Ordering::SeqCst);
        if count > 0 {
            let more = Attempt {
                at: unix_now(),
                protocol: "other".to_owned(),
                name: None,
                address: None,
                port: None,
                allowed: false,
                reason: "too many at once to list one by one".to_owned(),
                count,
            };
            if attempts.try_send(more).is_err() {
                lost.fetch_add(count, Ordering::SeqCst);
            }
        }
    }
}

/// Starts pasta and waits until its interface has a route.
fn rise(order: &Order, inside: &Inside) -> Result<Uplink, String> {
    let pasta = &order.programs.pasta;
    let mut uplink = Uplink::start(pasta, NETNS)
        .map_err(|error| format!("{} cannot be run: {error}", pasta.display()))?;
    let deadline = Instant::now() + UP_TIMEOUT;
    while !inside.has_route()? {
        if let Ok(Some(status)) = uplink.child.try_wait() {
            // Its last words may be a moment behind.
            thread::sleep(Duration::from_millis(20));
            return Err(format!("pasta ended with {status}: {}", uplink.words()));
        }
        if Instant::now() > deadline {
            let _ = uplink.child.kill();
            let _ = uplink.child.wait();
            return Err(format!("pasta did not come up: {}", uplink.words()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    // It shuts itself in once the route is there, and may fail at that.
    thread::sleep(Duration::from_millis(20));
    match uplink.child.try_wait() {
        Ok(Some(status)) => Err(format!("pasta ended with {status}: {}", uplink.words())),
        _ => Ok(uplink),
    }
}

/// Each time the launcher asks for the TAP; ends with the launcher.
fn asked(reader: BufReader<UnixStream>) -> Receiver<()> {
    let (ask, asked) = channel();
    thread::spawn(move || {
        for _line in reader.lines().map_while(Result::ok) {
            if ask.send(()).is_err() {
                return;
            }
        }
    });
    asked
}

fn no_tap(error: io::Error) -> String {
    format!("no TAP from /dev/net/tun: {error}")
}

fn follow(mut log: nflog::Nflog, attempts: &SyncSender<Attempt>) {
    while let Ok(packets) = log.next() {
        for packet in packets {
            let (allowed, word) = match packet.prefix.split_once(':') {
                Some((word, reason)) => (format!("{word}:") == rules::ALLOWED, reason),
                None => (false, packet.prefix.as_str()),
            };
            let attempt = Attempt {
                at: unix_now(),
                protocol: packet.to.protocol.to_owned(),
                name: None,
                address: Some(packet.to.address.to_string()),
                port: packet.to.port,
                allowed,
                reason: rules::reason(word),
                count: 1,
            };
            if attempts.send(attempt).is_err() {
                return;
            }
        }
    }
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// What the namespace has once it is made.
struct Made {
    log: nflog::Nflog,
    listeners: Listeners,
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread in the namespace, to which work is handed.
struct Inside {
    jobs: Sender<Job>,
    programs: Programs,
}

impl Inside {
    fn start(programs: Programs) -> Result<Self, String> {
        let (jobs, todo) = channel::<Job>();
        let (told, left) = channel();
        thread::spawn(move || {
            let entered = enter();
            let failed = entered.is_err();
            let _ = told.send(entered);
            if !failed {
                todo.into_iter().for_each(|job| job());
            }
        });
        left.recv()
            .map_err(|_| "the namespace's thread ended".to_owned())??;
        Ok(Self { jobs, programs })
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (told, answer) = channel();
        let job: Job = Box::new(move || drop(told.send(work())));
        let gone = || "the namespace's thread ended".to_owned();
        self.jobs.send(job).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn make(&self, ruleset: String, with_proxy: bool) -> Result<Made, String> {
        let programs = self.programs.clone();
        self.call(move || {
            let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
            // The rules are there before anything could send.
            feed(&programs.nft, &["-f", "-"], &ruleset)?;
            for (setting, value) in [
                // No address of IPv6 anywhere; switched off as a whole it would
                // drop what a guest sends before the rules can log it.
                ("ipv6/conf/default/addr_gen_mode", "1"),
                ("ipv6/conf/default/accept_ra", "0"),
                ("ipv4/ip_forward", "1"),
            ] {
                let path = format!("/proc/sys/net/{setting}");
                match std::fs::write(&path, value) {
                    // A kernel without IPv6 has nothing to switch off.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && setting.starts_with("ipv6") => {}
                    other => other.map_err(|error| format!("{path}: {error}"))?,
                }
            }
            drop(sys::open_tap(TAP).map_err(no_tap)?);
            let batch = format!(
                "link set lo up\naddr add {GATEWAY}/{PREFIX_LENGTH} dev {TAP}\nlink set {TAP} up\nneigh replace {} lladdr {GUEST_MAC} nud permanent dev {TAP}\n",
                order::GUEST
            );
            feed(&programs.ip, &["-batch", "-"], &batch)?;
            let log = nflog::Nflog::open(LOG_GROUP, 128).map_err(failed("no packet log"))?;
            let listeners = Listeners::open(GATEWAY, with_proxy)
                .map_err(failed("no socket of the resolver or the proxy"))?;
            Ok(Made { log, listeners })
        })
    }

    fn rules(&self, ruleset: String) -> Result<(), String> {
        let nft = self.programs.nft.clone();
        self.call(move || feed(&nft, &["-f", "-"], &ruleset))
    }

    fn has_route(&self) -> Result<bool, String> {
        self.call(|| {
            let table = std::fs::read_to_string("/proc/thread-self/net/route")
                .map_err(|error| format!("the routes: {error}"))?;
            Ok(host::has_default_route(&table, UPLINK))
        })
    }
}

/// Leaves the host's network, and gives the new one a name for pasta, which
/// has too few privileges to open it below /proc.
fn enter() -> Result<(), String> {
    sys::leave_network().map_err(|error| format!("no network namespace can be made: {error}"))?;
    sys::private_folder(c"/run")
        .and_then(|()| std::fs::write(NETNS, ""))
        .and_then(|()| {
            sys::name_namespace(&sys::text("/proc/thread-self/ns/net"), &sys::text(NETNS))
        })
        .map_err(|error| format!("the network namespace cannot be named: {error}"))
}

/// Runs a program with `input`; its last words are the error.
fn feed(program: &std::path::Path, arguments: &[&str], input: &str) -> Result<(), String> {
    let name = program.display();
    let failed = |error: io::Error| format!("{name} cannot be run: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let written = child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() && written.is_ok() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().next().unwrap_or_default();
    Err(format!("{name} failed: {words}"))
}
