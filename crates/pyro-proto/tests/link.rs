//! The link over socket pairs: throughput, stalls, resets, sessions and hostile peers.

use pyro_proto::frame::{self, Kind, MAX_DATA_BYTES};
use pyro_proto::link::WINDOW_BYTES;
use pyro_proto::messages::{Hello, PROTOCOL, Welcome, channel};
use pyro_proto::{Incoming, Link, LinkError, Stream};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel as queue};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

fn soon() -> Option<Instant> {
    Some(Instant::now() + SOON)
}

struct Pair {
    host: Link,
    agent: Link,
    opened: Receiver<(Stream, Vec<u8>)>,
    socket: UnixStream,
    host_end: JoinHandle<LinkError>,
    agent_end: JoinHandle<LinkError>,
}

fn serve(link: &Link, socket: UnixStream) -> (Receiver<(Stream, Vec<u8>)>, JoinHandle<LinkError>) {
    let (send, opened) = queue();
    let link = link.clone();
    let end = thread::spawn(move || {
        link.serve(socket, welcome, |stream, request| {
            let _ = send.send((stream, request));
        })
    });
    (opened, end)
}

fn welcome(hello: Hello) -> Welcome {
    Welcome {
        protocol: PROTOCOL,
        nonce: hello.nonce,
        version: "test".into(),
        configured: false,
    }
}

fn hello(nonce: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        nonce: nonce.into(),
        version: "test".into(),
    }
}

fn pair() -> Pair {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let host = Link::new(ours.try_clone().unwrap());
    let agent = Link::new(theirs.try_clone().unwrap());
    let (opened, agent_end) = serve(&agent, theirs);
    let (pump, reader) = (host.clone(), ours.try_clone().unwrap());
    Pair {
        host_end: thread::spawn(move || pump.pump(reader)),
        host,
        agent,
        opened,
        socket: ours,
        agent_end,
    }
}

fn accept(pair: &Pair) -> (Stream, Vec<u8>) {
    pair.opened.recv_timeout(SOON).unwrap()
}

#[test]
fn a_request_its_bytes_and_its_reply_arrive() {
    let pair = pair();
    assert_eq!(pair.host.hello(&hello("n"), SOON).unwrap().nonce, "n");
    let stream = pair.host.open(b"ask").unwrap();
    let (echo, request) = accept(&pair);
    assert_eq!(request, b"ask");
    stream.send(channel::STDIN, b"some bytes").unwrap();
    stream.end(channel::STDIN).unwrap();
    let got = echo.receive(soon()).unwrap();
    assert_eq!(got, Incoming::Data(channel::STDIN, b"some bytes".to_vec()));
    assert_eq!(echo.receive(soon()).unwrap(), Incoming::End(channel::STDIN));
    echo.send(channel::STDOUT, b"back").unwrap();
    echo.close(b"reply").unwrap();
    let got = stream.receive(soon()).unwrap();
    assert_eq!(got, Incoming::Data(channel::STDOUT, b"back".to_vec()));
    assert_eq!(
        stream.receive(soon()).unwrap(),
        Incoming::Close(b"reply".to_vec())
    );
}

#[test]
fn sixty_four_megabytes_reach_a_slow_consumer_unchanged() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let pair = pair();
    let stream = pair.host.open(b"").unwrap();
    let (sender, _) = accept(&pair);
    let sending = thread::spawn(move || {
        let mut at = 0;
        while at < TOTAL {
            let piece: Vec<u8> = (at..at + 65536).map(|i| (i / 251) as u8).collect();
            sender.send(channel::STDOUT, &piece).unwrap();
            at += piece.len();
        }
        sender.close(b"done").unwrap();
    });
    let mut at = 0;
    let mut pieces = 0;
    loop {
        match stream.receive(soon()).unwrap() {
            Incoming::Data(_, bytes) => {
                assert!(bytes.len() <= WINDOW_BYTES);
                for byte in bytes {
                    assert!(byte == (at / 251) as u8, "byte {at}");
                    at += 1;
                }
                pieces += 1;
                if pieces % 64 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            other => {
                assert_eq!(other, Incoming::Close(b"done".to_vec()));
                break;
            }
        }
    }
    assert_eq!(at, TOTAL);
    sending.join().unwrap();
}

#[test]
fn five_hundred_stalled_streams_hold_up_nothing_and_hold_a_window_each() {
    let pair = pair();
    let mut stalled = Vec::new();
    for _ in 0..500 {
        let stream = pair.host.open(b"").unwrap();
        let (sender, _) = accept(&pair);
        let mut sent = 0;
        // As much as one may send whose consumer never takes anything out.
        loop {
            match sender
                .send_some(channel::STDOUT, &[7; MAX_DATA_BYTES])
                .unwrap()
            {
                0 => break,
                count => sent += count,
            }
        }
        assert_eq!(sent, WINDOW_BYTES);
        stalled.push((stream, sender));
    }
    let stream = pair.host.open(b"true").unwrap();
    let (other, _) = accept(&pair);
    other.close(b"ok").unwrap();
    assert_eq!(
        stream.receive(soon()).unwrap(),
        Incoming::Close(b"ok".to_vec())
    );
    let (stream, sender) = stalled.pop().unwrap();
    let Incoming::Data(_, bytes) = stream.receive(soon()).unwrap() else {
        panic!("data was sent");
    };
    assert!(!bytes.is_empty());
    drop(sender);
}

#[test]
fn a_reset_ends_the_stream_on_the_other_side() {
    let pair = pair();
    let stream = pair.host.open(b"").unwrap();
    let (theirs, _) = accept(&pair);
    stream.send(channel::STDIN, &[1; 1000]).unwrap();
    drop(stream);
    assert!(matches!(theirs.receive(soon()), Ok(Incoming::Data(..))));
    assert_eq!(theirs.receive(soon()), Err(LinkError::Reset));
    assert_eq!(theirs.over(), Some(LinkError::Reset));
    assert_eq!(theirs.send(channel::STDOUT, b"x"), Err(LinkError::Reset));

    let stream = pair.host.open(b"").unwrap();
    drop(accept(&pair));
    assert_eq!(stream.receive(soon()), Err(LinkError::Reset));
    assert_eq!(stream.send(channel::STDIN, b"x"), Err(LinkError::Reset));
}

#[test]
fn a_sender_without_credit_wakes_up_when_the_stream_is_reset() {
    let pair = pair();
    let stream = pair.host.open(b"").unwrap();
    let (theirs, _) = accept(&pair);
    let sending = thread::spawn(move || stream.send(channel::STDIN, &[0; WINDOW_BYTES * 2]));
    thread::sleep(Duration::from_millis(50));
    drop(theirs);
    assert_eq!(sending.join().unwrap(), Err(LinkError::Reset));
}

#[test]
fn a_hello_ends_the_streams_of_the_session_before() {
    let pair = pair();
    pair.host.hello(&hello("one"), SOON).unwrap();
    let old = pair.host.open(b"").unwrap();
    let (theirs, _) = accept(&pair);
    pair.host.hello(&hello("two"), SOON).unwrap();
    assert_eq!(theirs.receive(soon()), Err(LinkError::Reset));
    assert_eq!(old.receive(soon()), Err(LinkError::Reset));
    assert!(theirs.close(b"late").is_err());
    let new = pair.host.open(b"").unwrap();
    accept(&pair).0.close(b"new").unwrap();
    assert_eq!(
        new.receive(soon()).unwrap(),
        Incoming::Close(b"new".to_vec())
    );
}

/// A restored machine: the agent's link lives on, the host counts from 1 again.
#[test]
fn a_late_frame_of_an_old_session_never_reaches_a_stream_with_its_number() {
    let (mut host, theirs) = UnixStream::pair().unwrap();
    host.set_read_timeout(Some(SOON)).unwrap();
    let agent = Link::new(theirs.try_clone().unwrap());
    let (opened, _end) = serve(&agent, theirs);
    let say = |host: &mut UnixStream, kind, stream, payload: &[u8]| {
        write_frame(host, kind, 0, stream, payload).unwrap();
    };
    let nonce = |text| serde_json::to_vec(&hello(text)).unwrap();
    say(&mut host, Kind::Hello, 0, &nonce("a"));
    say(&mut host, Kind::Open, 1, b"old");
    let (old, _) = opened.recv_timeout(SOON).unwrap();
    say(&mut host, Kind::Hello, 0, &nonce("b"));
    say(&mut host, Kind::Open, 1, b"new");
    let (new, _) = opened.recv_timeout(SOON).unwrap();
    assert!(old.send(channel::STDOUT, b"old").is_err());
    assert!(old.end(channel::STDOUT).is_err());
    drop(old);
    new.close(b"new").unwrap();
    let mut seen = Vec::new();
    while let Some((header, payload)) = frame::read(&mut host).unwrap() {
        seen.push((header.kind, payload));
        if header.kind == Kind::Close {
            break;
        }
    }
    let kinds: Vec<Kind> = seen.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Welcome, Kind::Welcome, Kind::Close]);
    assert_eq!(seen[2].1, b"new");
}

#[test]
fn a_signal_passes_standard_input_that_nobody_reads() {
    let pair = pair();
    let stream = pair.host.open(b"").unwrap();
    let (theirs, _) = accept(&pair);
    stream.send(channel::STDIN, &[0; WINDOW_BYTES]).unwrap();
    stream.send(channel::SIGNAL, &[15]).unwrap();
    let until = Instant::now() + SOON;
    loop {
        match theirs.try_receive_on(channel::SIGNAL).unwrap() {
            Some(event) => break assert_eq!(event, Incoming::Data(channel::SIGNAL, vec![15])),
            None => assert!(Instant::now() < until),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A host's link whose peer is the test; the pump's end says how it judged it.
fn hostile() -> (Link, UnixStream, JoinHandle<LinkError>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let host = Link::new(ours.try_clone().unwrap());
    let pump = host.clone();
    (host, theirs, thread::spawn(move || pump.pump(ours)))
}

#[test]
fn bytes_that_are_no_frames_end_the_link() {
    let (host, mut peer, end) = hostile();
    let stream = host.open(b"").unwrap();
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(100_000).collect();
    let _ = peer.write_all(&noise);
    assert!(matches!(end.join().unwrap(), LinkError::Broken(_)));
    assert!(matches!(stream.receive(soon()), Err(LinkError::Broken(_))));
    assert!(host.open(b"").is_err());
}

#[test]
fn every_broken_rule_ends_the_link_and_none_panics() {
    let cut = |kind: u8, channel: u8, length: u32| {
        let mut bytes = b"py".to_vec();
        bytes.extend([kind, channel, 1, 0, 0, 0]);
        bytes.extend(length.to_le_bytes());
        bytes
    };
    let credit = frame::encode(Kind::Credit, 0, 1, &u32::MAX.to_le_bytes());
    let flood: Vec<u8> = frame::encode(Kind::Data, 1, 1, &[0; MAX_DATA_BYTES]).repeat(5);
    let mut after_end = frame::encode(Kind::End, 1, 1, &[]);
    after_end.extend(frame::encode(Kind::Data, 1, 1, b"x"));
    for (what, bytes) in [
        ("a huge length", cut(4, 1, u32::MAX)),
        (
            "a length above the control limit",
            cut(7, 0, 1024 * 1024 + 1),
        ),
        ("an unknown kind", cut(9, 0, 0)),
        ("an unknown channel", cut(4, 4, 0)),
        ("a short credit", frame::encode(Kind::Credit, 0, 1, &[1])),
        ("too much credit", credit),
        ("more than the window", flood),
        ("data after the end", after_end),
        (
            "a hello from the agent",
            frame::encode(Kind::Hello, 0, 0, b"{}"),
        ),
        (
            "an open from the agent",
            frame::encode(Kind::Open, 0, 3, b"{}"),
        ),
    ] {
        let (host, mut peer, end) = hostile();
        let stream = host.open(b"").unwrap();
        assert_eq!(stream.id(), 1);
        let _ = peer.write_all(&bytes);
        assert!(
            matches!(end.join().unwrap(), LinkError::Broken(_)),
            "{what}"
        );
    }
}

#[test]
fn unknown_streams_and_senseless_answers_are_ignored() {
    let (host, mut peer, _end) = hostile();
    let stream = host.open(b"").unwrap();
    for (kind, payload) in [
        (Kind::Data, &b"x"[..]),
        (Kind::Close, b"x"),
        (Kind::Reset, b""),
        (Kind::End, b""),
        (Kind::Credit, b"\xff\xff\xff\xff"),
    ] {
        write_frame(&mut peer, kind, 0, 77, payload).unwrap();
    }
    write_frame(&mut peer, Kind::Welcome, 0, 0, b"no json").unwrap();
    write_frame(&mut peer, Kind::End, 1, 1, b"").unwrap();
    write_frame(&mut peer, Kind::End, 1, 1, b"").unwrap();
    write_frame(&mut peer, Kind::Close, 0, 1, b"fine").unwrap();
    write_frame(&mut peer, Kind::Close, 0, 1, b"twice").unwrap();
    assert_eq!(stream.receive(soon()).unwrap(), Incoming::End(1));
    assert_eq!(
        stream.receive(soon()).unwrap(),
        Incoming::Close(b"fine".to_vec())
    );
    let late = host.hello(&hello("n"), Duration::from_millis(50));
    assert!(matches!(late, Err(LinkError::TimedOut(_))));
}

#[test]
fn bytes_that_change_the_channel_each_time_do_not_pile_up() {
    let (host, mut peer, _end) = hostile();
    let stream = host.open(b"").unwrap();
    for at in 0..20_000u32 {
        let channel = (at % 4) as u8;
        write_frame(&mut peer, Kind::Data, channel, 1, &[at as u8]).unwrap();
    }
    write_frame(&mut peer, Kind::Close, 0, 1, b"").unwrap();
    thread::sleep(Duration::from_millis(200));
    let (mut events, mut bytes) = (0, 0);
    loop {
        match stream.receive(soon()).unwrap() {
            Incoming::Data(_, piece) => {
                events += 1;
                bytes += piece.len();
            }
            Incoming::Close(_) => break,
            Incoming::End(_) => {}
        }
    }
    assert_eq!(bytes, 20_000);
    assert!(events < 1000, "{events} pieces");
}

#[test]
fn the_end_of_either_side_ends_everything_on_the_other() {
    let pair = pair();
    let stream = pair.host.open(b"").unwrap();
    let (theirs, _) = accept(&pair);
    pair.socket.shutdown(Shutdown::Both).unwrap();
    assert_eq!(theirs.receive(soon()), Err(LinkError::Closed));
    assert!(stream.receive(soon()).is_err());
    assert_eq!(pair.agent_end.join().unwrap(), LinkError::Closed);
    assert_eq!(pair.host_end.join().unwrap(), LinkError::Closed);
    assert!(pair.host.hello(&hello("n"), SOON).is_err());
    drop((pair.agent, stream, theirs));
}

#[test]
fn nothing_follows_a_frame_that_was_cut() {
    struct Short(usize, UnixStream);
    impl Write for Short {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            let count = bytes.len().min(self.0);
            self.0 -= count;
            self.1.write(&bytes[..count])
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let host = Link::new(Short(5, ours));
    assert!(host.open(b"one").is_err());
    assert!(host.open(b"two").is_err());
    drop(host);
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 5);
}

/// A frame as a hostile peer would send it.
fn write_frame(
    writer: &mut impl std::io::Write,
    kind: Kind,
    channel: u8,
    stream: u32,
    payload: &[u8],
) -> std::io::Result<()> {
    writer.write_all(&frame::encode(kind, channel, stream, payload))
}
