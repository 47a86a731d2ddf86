//! Sessions and requests.
//!
//! Owns: the agent's life over all connections, and one thread per
//! request. Refuses: to let one request's failure reach
//! another, and to keep anything of a session that was replaced or lost.
//!
//! ```text
//!   connection --> HELLO: end what the old session left, WELCOME
//!              --> OPEN:  thread { parse, run, CLOSE }
//!              --> lost:  end what the session left, next connection
//! ```

use crate::files::{self, Wanted};
use crate::machine::{Machine, Phase};
use crate::process::View;
use crate::reply::{answer, fail};
use crate::role::Role;
use crate::transport::Transport;
use crate::{
    configure, console, dial, exec, freeze, keeper, poweroff, probe, reader, secrets, shell, trust,
    warm,
};
use pyro_proto::messages::{Hello, PROTOCOL, Reply, Request, Welcome};
use pyro_proto::path::WORKSPACE;
use pyro_proto::{Link, LinkError, Stream};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::BufReader;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Stack of a request's thread; what it holds lives on the heap.
const STACK_BYTES: usize = 256 * 1024;
/// How long a new session waits for the requests of the old one to be killed.
const OLD_SESSION: Duration = Duration::from_secs(2);

/// Serves the host of a guest until that is impossible, and says why.
pub fn guest() -> String {
    match Transport::find() {
        Ok(transport) => serve(
            &Machine::new(Role::Guest, Some(WORKSPACE.into())),
            transport,
        ),
        Err(error) => format!("the host's port did not open: {error}"),
    }
}

/// Serves one inherited socket until it ends.
pub fn process(socket: OwnedFd, view: &View) {
    let workspace = matches!(view, View::Own);
    let files = match view {
        View::Host => None,
        View::Own => Some(WORKSPACE.into()),
        View::Files(folder) => Some(folder.clone()),
        View::Seeded(folder) => Some(folder.join("merged")),
    };
    let machine = Machine::new(Role::Process { workspace }, files);
    if let View::Seeded(folder) = view {
        for (slot, name) in [(&machine.baseline, "lower"), (&machine.scratch, "scratch")] {
            match File::open(folder.join(name)) {
                Ok(root) => {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.into());
                }
                Err(error) => return console::stderr(&format!("{name} did not open: {error}")),
            }
        }
    }
    serve(&machine, Transport::Socket(Some(socket)));
}

fn serve(machine: &Arc<Machine>, mut transport: Transport) -> String {
    loop {
        let conn = match transport.next() {
            Ok(Some(conn)) => conn,
            Ok(None) => return "the host left".into(),
            Err(error) => return format!("the host cannot be reached: {error}"),
        };
        let link = Link::new(conn.writer());
        let ended = link.serve(
            BufReader::with_capacity(16 * 1024, conn.reader()),
            |hello| welcome(machine, &hello),
            |stream, request| accept(machine, stream, request),
        );
        conn.finish();
        end_session(machine);
        if let LinkError::Broken(why) = ended {
            console::line(&format!("the connection to the host broke: {why}"));
            if let Err(error) = transport.resynchronize() {
                return format!("the host's port failed: {error}");
            }
        }
    }
}

fn welcome(machine: &Machine, hello: &Hello) -> Welcome {
    end_session(machine);
    Welcome {
        protocol: PROTOCOL,
        nonce: hello.nonce.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        configured: *machine.phase() == Phase::Ready,
    }
}

/// Kills what the session started. Its streams are over already, so the
/// requests kill their own; what commands left in the background follows.
fn end_session(machine: &Machine) {
    // Also for requests about files, which remove what they did not complete.
    machine.activity.wait_until_idle(OLD_SESSION);
    if !machine.started.load(Ordering::SeqCst) {
        return;
    }
    machine.cgroups.kill_all();
    if machine.role != Role::Guest {
        keeper::kill_orphans();
    }
}

fn accept(machine: &Arc<Machine>, stream: Stream, request: Vec<u8>) {
    // Hundreds may be under way, so they get no thread and no ticket.
    if let Some(wanted) = dial::wanted(&request) {
        return dial::run(machine, stream, wanted);
    }
    let Some(ticket) = machine.activity.enter() else {
        fail(stream, "busy", "too many requests are under way already");
        return;
    };
    let machine = machine.clone();
    // Shared, so that the stream is still there when no thread can be made.
    let slot = Arc::new(Mutex::new(Some(stream)));
    let taken = slot.clone();
    let thread = std::thread::Builder::new()
        .name("request".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _ticket = ticket;
            if let Some(stream) = take(&taken) {
                handle(&machine, stream, &request);
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

fn handle(machine: &Machine, stream: Stream, request: &[u8]) {
    match serde_json::from_slice(request) {
        Ok(wanted) if machine.reader.load(Ordering::SeqCst) && !reader::allows(&wanted) => {
            fail(stream, "bad_request", "this machine only shows a disk");
        }
        Ok(Request::Exec(exec)) => {
            machine.started.store(true, Ordering::SeqCst);
            exec::run(machine, &exec, stream);
        }
        Ok(Request::OpenShell(wanted)) => {
            machine.started.store(true, Ordering::SeqCst);
            shell::run(machine, &wanted, stream);
        }
        Ok(Request::Serve(exec)) => {
            machine.started.store(true, Ordering::SeqCst);
            exec::serve(machine, &exec, stream);
        }
        Ok(Request::Probe(wanted)) => probe::run(machine, &wanted, stream),
        Ok(Request::Configure(wanted)) => {
            let reply = configure::run(machine, &wanted);
            answer(stream, &reply.map_or_else(Reply::Failed, Reply::Configured));
        }
        Ok(Request::WarmUp) => {
            let reply = warm::run(machine);
            answer(
                stream,
                &reply.map_or_else(Reply::Failed, |()| Reply::WarmedUp),
            );
        }
        Ok(Request::ListFiles(wanted)) => files::run(machine, &Wanted::List(wanted), stream),
        Ok(Request::ReadFile(wanted)) => files::run(machine, &Wanted::Read(wanted), stream),
        Ok(Request::WriteFile(wanted)) => files::run(machine, &Wanted::Write(wanted), stream),
        Ok(Request::ApplyChanges(wanted)) => files::run(machine, &Wanted::Apply(wanted), stream),
        Ok(Request::SearchFiles(wanted)) => files::run(machine, &Wanted::Search(wanted), stream),
        Ok(Request::PutArchive(wanted)) => files::run(machine, &Wanted::Put(wanted), stream),
        Ok(Request::GetArchive(wanted)) => files::run(machine, &Wanted::Get(wanted), stream),
        Ok(Request::DiffTree(wanted)) => files::run(machine, &Wanted::Diff(wanted), stream),
        Ok(Request::InstallSecrets(wanted)) => {
            let reply = secrets::install(machine, &wanted, &stream);
            answer(
                stream,
                &reply.map_or_else(Reply::Failed, |()| Reply::SecretsInstalled),
            );
        }
        Ok(Request::FreezeDisk) => freeze::run(machine, stream),
        Ok(Request::Dial(wanted)) => dial::run(machine, stream, wanted),
        Ok(Request::TrustAuthority(wanted)) => {
            let reply = trust::run(machine, &wanted);
            answer(
                stream,
                &reply.map_or_else(Reply::Failed, Reply::AuthorityTrusted),
            );
        }
        Ok(Request::PowerOff) => poweroff::run(machine, stream),
        Err(error) => fail(
            stream,
            "bad_request",
            &format!("the request is not understood: {error}"),
        ),
    }
}

fn take(slot: &Mutex<Option<Stream>>) -> Option<Stream> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
