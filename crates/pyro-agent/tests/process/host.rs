//! The host side of these tests: starts the agent, sends requests, reads replies.

use pyro_proto::messages::{
    Command as Wanted, Exec, Exited, Failed, Hello, PROTOCOL, Reply, Request, channel,
};
use pyro_proto::{Incoming, Link, Stream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub const SOON: Duration = Duration::from_secs(60);

pub fn soon() -> Option<Instant> {
    Some(Instant::now() + SOON)
}

pub struct Agent {
    pub link: Link,
    pub socket: UnixStream,
    pub child: Child,
}

/// Starts the agent. A shell hands it the socket as descriptor 3, since std
/// closes everything above stderr.
pub fn agent_with(before: &[&str], arguments: &str) -> Agent {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut words = before.to_vec();
    let line = format!(
        "exec {} process 3 {arguments} 3<&0 </dev/null",
        env!("CARGO_BIN_EXE_pyro-agent")
    );
    words.extend(["/bin/sh", "-c", &line]);
    let child = Command::new(words[0])
        .args(&words[1..])
        .env("PYRO_TEST", "inherited")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    let link = Link::new(ours.try_clone().unwrap());
    let (pump, reader) = (link.clone(), ours.try_clone().unwrap());
    thread::spawn(move || pump.pump(reader));
    let hello = Hello {
        protocol: PROTOCOL,
        nonce: "test".into(),
        version: "test".into(),
    };
    let welcome = link.hello(&hello, SOON).unwrap();
    assert_eq!(welcome.protocol, PROTOCOL);
    Agent {
        link,
        socket: ours,
        child,
    }
}

pub fn agent() -> Agent {
    agent_with(&[], "")
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
    }
}

pub fn exec(line: &str) -> Exec {
    Exec {
        command: Wanted::Shell(line.into()),
        env: [].into(),
        cwd: None,
        timeout_ms: None,
        stdin: false,
        time_unix_ns: 0,
    }
}

pub struct Done {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub reply: Reply,
}

impl Done {
    pub fn exited(&self) -> &Exited {
        match &self.reply {
            Reply::Exited(exited) => exited,
            other => panic!("{other:?}"),
        }
    }

    pub fn failed(&self) -> &Failed {
        match &self.reply {
            Reply::Failed(failed) => failed,
            other => panic!("{other:?}"),
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

impl Agent {
    pub fn ask(&self, request: &Request) -> Stream {
        self.link
            .open(&serde_json::to_vec(request).unwrap())
            .unwrap()
    }

    pub fn start(&self, exec: Exec) -> Stream {
        self.ask(&Request::Exec(exec))
    }

    pub fn run(&self, exec: Exec) -> Done {
        finish(&self.start(exec))
    }

    pub fn sh(&self, line: &str) -> Done {
        self.run(exec(line))
    }
}

pub fn finish(stream: &Stream) -> Done {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match stream.receive(soon()).unwrap() {
            Incoming::Data(channel::STDOUT, bytes) => stdout.extend(bytes),
            Incoming::Data(_, bytes) => stderr.extend(bytes),
            Incoming::End(_) => {}
            Incoming::Close(reply) => {
                return Done {
                    stdout,
                    stderr,
                    reply: serde_json::from_slice(&reply).unwrap(),
                };
            }
        }
    }
}

/// Reads stdout until it holds a whole line of pids.
pub fn pids(stream: &Stream) -> Vec<i32> {
    let mut text = String::new();
    while !text.ends_with('\n') {
        if let Incoming::Data(_, bytes) = stream.receive(soon()).unwrap() {
            text += std::str::from_utf8(&bytes).unwrap();
        }
    }
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

pub fn alive(pid: i32) -> bool {
    // A zombie is dead: the reaper may be a moment behind.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

pub fn all_die(pids: &[i32]) -> bool {
    let until = Instant::now() + SOON;
    while pids.iter().any(|pid| alive(*pid)) {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}
