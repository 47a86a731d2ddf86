//! Connections to what listens beside the agent: their bytes, ends and stalls.

use crate::host::*;
use pyro_proto::messages::dial::{CONNECTION_LOST, Dial, REFUSED, TIMED_OUT};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::{Incoming, Stream};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn dial(agent: &Agent, port: u16) -> Stream {
    agent.ask(&Request::Dial(Dial { port }))
}

fn code(done: &Done) -> &str {
    &done.failed().code
}

#[test]
fn each_direction_ends_by_itself() {
    let agent = agent();
    let (listener, port) = listen();
    let stream = dial(&agent, port);
    let mut service = listener.accept().unwrap().0;
    stream.send(channel::STDIN, b"question").unwrap();
    stream.end(channel::STDIN).unwrap();
    let mut question = String::new();
    service.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    service.write_all(b"answer").unwrap();
    drop(service);
    let done = finish(&stream);
    assert_eq!((done.text(), &done.reply), ("answer", &Reply::Disconnected));
    // The other way round: the service says all it has to say first.
    let stream = dial(&agent, port);
    let mut service = listener.accept().unwrap().0;
    service.write_all(b"hello").unwrap();
    service.shutdown(Shutdown::Write).unwrap();
    loop {
        if let Incoming::End(channel::STDOUT) = stream.receive(soon()).unwrap() {
            break;
        }
    }
    stream.send(channel::STDIN, b"late").unwrap();
    stream.end(channel::STDIN).unwrap();
    let mut late = String::new();
    service.read_to_string(&mut late).unwrap();
    assert_eq!(
        (late.as_str(), finish(&stream).reply),
        ("late", Reply::Disconnected)
    );
}

#[test]
fn nobody_there_is_told_at_once_and_ipv6_is_found() {
    let agent = agent();
    let (listener, port) = listen();
    drop(listener);
    let began = Instant::now();
    assert_eq!(code(&finish(&dial(&agent, port))), REFUSED);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return eprintln!("skipped: no IPv6 here");
    };
    let stream = dial(&agent, listener.local_addr().unwrap().port());
    let mut service = listener.accept().unwrap().0;
    service.write_all(b"six").unwrap();
    drop(service);
    stream.end(channel::STDIN).unwrap();
    assert_eq!(finish(&stream).text(), "six");
}

#[test]
fn a_service_that_does_not_accept_is_given_up() {
    let agent = agent();
    let (listener, port) = listen();
    // As std asks for 128, the kernel holds one more.
    let mut held = Vec::new();
    while held.len() < 400 {
        let address = listener.local_addr().unwrap();
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(socket) => held.push(socket),
            Err(_) => break,
        }
    }
    assert!(held.len() < 400, "the queue has no end");
    let began = Instant::now();
    assert_eq!(code(&finish(&dial(&agent, port))), TIMED_OUT);
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4), "{took:?}");
}

#[test]
fn what_came_before_a_reset_arrives_and_a_reset_is_passed_on() {
    let agent = agent();
    let (listener, port) = listen();
    let stream = dial(&agent, port);
    let mut service = listener.accept().unwrap().0;
    // Never read, so the close is a reset.
    stream.send(channel::STDIN, b"unread").unwrap();
    while service.peek(&mut [0; 8]).unwrap() == 0 {}
    service.write_all(b"some").unwrap();
    thread::sleep(Duration::from_millis(100));
    drop(service);
    let done = finish(&stream);
    assert_eq!((done.text(), code(&done)), ("some", CONNECTION_LOST));
    // The host's side is gone in the middle.
    let stream = dial(&agent, port);
    let mut service = listener.accept().unwrap().0;
    drop(stream);
    service.set_read_timeout(Some(SOON)).unwrap();
    let error = service.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

fn pattern(count: usize, factor: usize) -> Vec<u8> {
    (0..count).map(|at| (at * factor / 251) as u8).collect()
}

#[test]
fn both_directions_at_once_are_whole() {
    let agent = agent();
    let (listener, port) = listen();
    let stream = dial(&agent, port);
    let service = listener.accept().unwrap().0;
    let (up, down) = (pattern(12_000_000, 3), pattern(9_000_001, 7));
    thread::scope(|scope| {
        let mut reader = service.try_clone().unwrap();
        let got = scope.spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            got
        });
        scope.spawn(|| {
            (&service).write_all(&down).unwrap();
            service.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| {
            stream.send(channel::STDIN, &up).unwrap();
            stream.end(channel::STDIN).unwrap();
        });
        let done = finish(&stream);
        assert!(done.stdout == down, "{} bytes came down", done.stdout.len());
        assert!(got.join().unwrap() == up);
        assert_eq!(done.reply, Reply::Disconnected);
    });
}

#[test]
fn hundreds_that_stall_hold_up_nobody_else() {
    let agent = agent();
    let (listener, port) = listen();
    let mut kept = Vec::new();
    for number in 0..600 {
        let stream = dial(&agent, port);
        let service = listener.accept().unwrap().0;
        if number % 2 == 0 {
            // The service reads nothing.
            while stream.send_some(channel::STDIN, &[0; 32768]).unwrap() > 0 {}
        } else {
            // The host reads nothing.
            service.set_nonblocking(true).unwrap();
            let mut sent = 0;
            while let Ok(count) = (&service).write(&[0; 65536]) {
                sent += count;
                if sent > 1 << 20 {
                    break;
                }
            }
        }
        kept.push((stream, service));
    }
    // As many as a command's request may be: they are not counted as such.
    assert_eq!(agent.sh("echo fine").text(), "fine\n");
    let stream = dial(&agent, port);
    let mut service = listener.accept().unwrap().0;
    service.write_all(b"still").unwrap();
    drop(service);
    stream.end(channel::STDIN).unwrap();
    assert_eq!(finish(&stream).text(), "still");
    // What was stalled goes on, whole.
    let (stream, mut service) = kept.swap_remove(0);
    stream.end(channel::STDIN).unwrap();
    let mut got = Vec::new();
    service.read_to_end(&mut got).unwrap();
    assert!(got.len() >= 128 * 1024, "{}", got.len());
}
