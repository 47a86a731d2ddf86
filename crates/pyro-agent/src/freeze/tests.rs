//! The end of a freeze, however the host ends. The disk is a fake: the real
//! one is frozen in the tests on real machines.

use super::*;
use pyro_proto::Link;
use pyro_proto::messages::{Hello, PROTOCOL, Welcome};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Counts, and refuses what a file system refuses.
#[derive(Default)]
struct Counted(AtomicI32);

impl Disk for Counted {
    fn freeze(&self) -> io::Result<()> {
        match self
            .0
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    fn thaw(&self) -> io::Result<()> {
        match self
            .0
            .compare_exchange(1, 0, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn entry_count(&self) -> io::Result<u64> {
        Ok(7)
    }
}

/// A stream, and its other end on a thread that answers with `hold`.
fn held(disk: &Arc<Counted>, patience: Duration) -> (UnixStream, Stream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let disk = disk.clone();
    std::thread::spawn(move || {
        Link::new(theirs.try_clone().unwrap()).serve(
            theirs,
            |hello: Hello| Welcome {
                protocol: PROTOCOL,
                nonce: hello.nonce,
                version: String::new(),
                configured: true,
            },
            |stream, _| {
                let disk = disk.clone();
                std::thread::spawn(move || {
                    let reply = hold(&*disk, &stream, 5, patience);
                    answer(stream, &reply.map_or_else(Reply::Failed, Reply::DiskThawed));
                });
            },
        )
    });
    let link = Link::new(ours.try_clone().unwrap());
    let (pump, reader) = (link.clone(), ours.try_clone().unwrap());
    std::thread::spawn(move || pump.pump(reader));
    let hello = Hello {
        protocol: PROTOCOL,
        nonce: "n".into(),
        version: String::new(),
    };
    link.hello(&hello, Duration::from_secs(10)).unwrap();
    (ours, link.open(b"freeze").unwrap())
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(10))
}

fn reply(stream: &Stream) -> Reply {
    match stream.receive(soon()).unwrap() {
        Incoming::Close(text) => serde_json::from_slice(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_frozen(stream: &Stream) {
    let Incoming::Data(channel::STDOUT, bytes) = stream.receive(soon()).unwrap() else {
        panic!("no word");
    };
    assert_eq!(bytes, b"f");
}

fn thawed(held: bool) -> Reply {
    Reply::DiskThawed(DiskThawed {
        held,
        entry_count: 7,
        trimmed_bytes: 5,
    })
}

fn goes_on(disk: &Counted) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while disk.0.load(Ordering::SeqCst) != 0 {
        assert!(Instant::now() < deadline, "still frozen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn it_is_held_until_the_host_is_done_and_nobody_else_can_freeze_it() {
    let disk = Arc::new(Counted::default());
    let (_socket, stream) = held(&disk, Duration::from_millis(300));
    is_frozen(&stream);
    // Each sign of life counts anew.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(60));
        stream.send(channel::STDIN, b"c").unwrap();
    }
    let (_other, second) = held(&disk, Duration::from_secs(9));
    assert!(matches!(reply(&second), Reply::Failed(failed) if failed.code == "io"));
    stream.end(channel::STDIN).unwrap();
    assert_eq!(reply(&stream), thawed(true));
    goes_on(&disk);
}

#[test]
fn a_silent_host_loses_it_and_is_told() {
    let disk = Arc::new(Counted::default());
    let (_socket, stream) = held(&disk, Duration::from_millis(50));
    is_frozen(&stream);
    assert_eq!(reply(&stream), thawed(false));
    goes_on(&disk);
}

#[test]
fn a_host_that_gives_up_or_dies_leaves_it_thawed() {
    for dies in [false, true] {
        let disk = Arc::new(Counted::default());
        let (socket, stream) = held(&disk, Duration::from_secs(60));
        is_frozen(&stream);
        if dies {
            socket.shutdown(std::net::Shutdown::Both).unwrap();
        } else {
            stream.abort();
        }
        goes_on(&disk);
    }
}

#[test]
fn a_disk_that_somebody_thawed_was_not_held() {
    let disk = Arc::new(Counted::default());
    let (_socket, stream) = held(&disk, Duration::from_secs(60));
    is_frozen(&stream);
    disk.thaw().unwrap();
    stream.end(channel::STDIN).unwrap();
    assert_eq!(reply(&stream), thawed(false));
}
