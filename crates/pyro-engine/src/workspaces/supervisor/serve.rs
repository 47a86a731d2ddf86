//! One client's connection.
//!
//! Owns: the handshake, a thread per request, and cancelling what a client
//! that is gone had asked for. Refuses: knowing what the requests do (live.rs).

use super::live::{Live, Work};
use super::relay;
use super::wire::{Answer, EVENTS, Failure, PROTOCOL, Request, WireEvent};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, NoEvents};
use crate::workspaces::ports::Owner;
use crate::workspaces::record::StopReason;
use pyro_proto::messages::{Welcome, channel};
use pyro_proto::{Incoming, Link, Stream};
use rustix::pipe::PipeFlags;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn connection(live: &Arc<Live>, socket: UnixStream) {
    let Ok(reader) = socket.try_clone() else {
        return;
    };
    let cancel = Cancel::default();
    let link = Link::new(socket);
    link.serve(
        BufReader::new(reader),
        |hello| Welcome {
            protocol: PROTOCOL,
            nonce: hello.nonce,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Whether it takes requests.
            configured: !live.is_over(),
        },
        |stream, request| {
            let (live, cancel) = (live.clone(), cancel.clone());
            std::thread::spawn(move || {
                let _in_use = live.in_use();
                answer(&live, Arc::new(stream), &request, &cancel);
            });
        },
    );
    // Whoever asked is gone: what runs for them has no reader.
    cancel.cancel();
}

fn answer(live: &Arc<Live>, stream: Arc<Stream>, request: &[u8], cancel: &Cancel) {
    if let Ok(about_files) = serde_json::from_slice(request)
        && let Some(changes) = relay::changes(&about_files)
    {
        return relay::relay(live, &stream, request, changes);
    }
    let outcome = serde_json::from_slice(request)
        .map_err(|error| {
            Error::invalid("invalid_request", format!("unknown request: {error}"))
                .hint("the workspace was started by another version of pyro; stop and start it")
        })
        .and_then(|request| carry_out(live, &stream, request, cancel));
    let answer = match outcome {
        Ok(value) => Answer::Done { value },
        Err(error) => Answer::Failed(Failure::from(&live.redactor().error(error))),
    };
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    // A client that is gone needs no answer.
    let _ = stream.finish(&text);
}

fn carry_out(
    live: &Arc<Live>,
    stream: &Arc<Stream>,
    request: Request,
    cancel: &Cancel,
) -> Result<Value> {
    let events = ToClient(stream.clone());
    match request {
        Request::Status => value(live.show()),
        Request::Start => value(live.start(&events, cancel)?),
        Request::Reset { snapshot } => value(live.reset(snapshot.as_ref(), &events, cancel)?),
        Request::SnapshotCreate { name } => value(live.create_snapshot(&name, &events, cancel)?),
        Request::SnapshotDelete { name } => value(live.delete_snapshot(&name)?),
        Request::Stop => value(live.stop(StopReason::Requested)),
        Request::Delete => value(live.delete()?),
        Request::Update(update) => value(live.update(&update)?),
        Request::Exec {
            command,
            timeout_seconds,
            stdin,
            wait_seconds,
            secret_env,
        } => {
            let guest = live.guest_for_command()?;
            let env = live.secret_env(&secret_env)?;
            live.refresh_secrets(&guest, &secret_env, cancel)?;
            let input = stdin.then(|| self::stdin(stream.clone())).transpose()?;
            let underway = live.begin(&guest, &command, wait_seconds.is_some())?;
            events.send(&WireEvent::Accepted);
            let work = Work {
                underway,
                guest,
                command,
                env,
                timeout: Duration::from_secs(timeout_seconds),
            };
            let Some(wait_seconds) = wait_seconds else {
                let ends = work.underway.clone();
                let _tied = cancel.on_cancel(move || ends.cancel());
                return value(live.carry_out(&work, input, &events)?);
            };
            let underway = live.carry_on(work);
            let wait = Duration::from_secs(wait_seconds);
            value(live.follow(&underway, wait, &events, cancel))
        }
        Request::Shell(ask) => live.shell(ask, stream, cancel),
        Request::ServiceStart(launch) => value(live.start_service(launch, cancel)?),
        Request::ServiceStop { name } => value(live.stop_service(&name)?),
        Request::PortPublish(wish) => {
            value(live.publish(&Owner::Hand, wish.guest_port, wish.host_port)?)
        }
        Request::PortList => value(live.list_ports()),
        Request::PortUnpublish { host_port } => value(live.unpublish(&Owner::Hand, host_port)?),
        Request::Look {
            id,
            wait_seconds,
            cancel: end_it,
            output,
        } => {
            let wait = Duration::from_secs(wait_seconds);
            let to: &dyn EventSink = if output { &events } else { &NoEvents };
            value(live.look(id, wait, end_it, to, cancel)?)
        }
    }
}

fn value(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::runtime("encode", error.to_string()))
}

/// Sends what happens to the client; blocks while it does not read.
struct ToClient(Arc<Stream>);

impl ToClient {
    fn send(&self, event: &WireEvent) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // A client that is gone cancels by the end of its connection.
            let _ = self.0.send(EVENTS, &line);
        }
    }
}

impl EventSink for ToClient {
    fn event(&self, event: Event) {
        let _ = match event {
            Event::Stdout(bytes) => self.0.send(channel::STDOUT, &bytes),
            Event::Stderr(bytes) => self.0.send(channel::STDERR, &bytes),
            other => {
                if let Some(event) = WireEvent::of(other) {
                    self.send(&event);
                }
                return;
            }
        };
    }
}

/// The client's standard input as a pipe, which is what a guest's command
/// takes. The thread ends with the input, with the pipe's reader, or with the
/// stream's answer.
fn stdin(stream: Arc<Stream>) -> Result<File> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| Error::runtime("io", format!("no pipe for standard input: {error}")))?;
    std::thread::spawn(move || {
        let mut writer = File::from(writer);
        loop {
            match stream.receive(None) {
                Ok(Incoming::Data(channel::STDIN, bytes)) => {
                    if writer.write_all(&bytes).is_err() {
                        return;
                    }
                }
                Ok(Incoming::End(channel::STDIN)) | Err(_) => return,
                Ok(_) => {}
            }
        }
    });
    Ok(File::from(reader))
}
