//! Shells: a terminal, its foreground job, its end.

use super::host::*;
use pyro_proto::messages::shells::{Control, OpenShell, ShellEnded};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::{Incoming, Stream};
use std::time::Instant;

fn wanted() -> OpenShell {
    OpenShell {
        cols: 80,
        rows: 24,
        cwd: None,
        env: [].into(),
        time_unix_ns: 0,
    }
}

struct Shell {
    stream: Stream,
    shown: String,
}

impl Shell {
    fn open(agent: &Agent) -> Self {
        let stream = agent.ask(&Request::OpenShell(wanted()));
        let first = stream.receive(soon()).unwrap();
        assert_eq!(first, Incoming::Data(channel::STDERR, b"r".to_vec()));
        let mut shell = Self {
            stream,
            shown: String::new(),
        };
        shell.until("pyro$ ");
        shell
    }

    fn until(&mut self, text: &str) {
        while !self.shown.contains(text) {
            match self.stream.receive(soon()) {
                Ok(Incoming::Data(_, bytes)) => self.shown += &String::from_utf8_lossy(&bytes),
                other => panic!("{text:?} never came: {other:?} {:?}", self.shown),
            }
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }

    fn type_in(&self, text: &str) {
        self.stream.send(channel::STDIN, text.as_bytes()).unwrap();
    }

    fn control(&self, control: Control) {
        self.stream
            .send(channel::SIGNAL, &control.encode())
            .unwrap();
    }

    fn end(&mut self) -> ShellEnded {
        loop {
            match self.stream.receive(soon()).unwrap() {
                Incoming::Data(_, bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Incoming::End(_) => {}
                Incoming::Close(reply) => match serde_json::from_slice(&reply).unwrap() {
                    Reply::ShellEnded(ended) => return ended,
                    other => panic!("{other:?}"),
                },
            }
        }
    }

    /// Pids that a line prints between `<` and `>`.
    fn pids(&mut self, line: &str) -> Vec<i32> {
        self.type_in(line);
        self.until("\n<");
        while !self.shown.contains('>') {
            if let Incoming::Data(_, bytes) = self.stream.receive(soon()).unwrap() {
                self.shown += &String::from_utf8_lossy(&bytes);
            }
        }
        let (pids, _) = self.shown.split_once('>').unwrap();
        pids.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }
}

#[test]
fn it_has_a_terminal_of_the_given_size_and_keeps_its_state() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    shell.type_in("stty size; tty; x=5\n");
    shell.until("24 80\r\n/dev/pts/");
    shell.control(Control::Resize {
        cols: 100,
        rows: 40,
    });
    shell.type_in("echo $TERM $x; stty size\n");
    shell.until("xterm-256color 5\r\n40 100\r\n");
    shell.type_in("printf last; exit 7\n");
    let ended = shell.end();
    assert_eq!((ended.exit_code, ended.signal), (7, None));
    assert!(shell.shown.contains("last"), "{:?}", shell.shown);
}

#[test]
fn a_signal_reaches_the_foreground_job_and_not_the_shell() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    shell.type_in("sh -c 'echo be\"\"gun; exec sleep 300'\n");
    shell.until("begun");
    shell.control(Control::Signal(2));
    shell.until("pyro$ ");
    shell.type_in("echo code=$?\n");
    shell.until("\rcode=130");
    shell.until("pyro$ ");
    shell.control(Control::Signal(9));
    assert_eq!(shell.end().signal, Some(9));
}

#[test]
fn a_closed_shell_takes_everything_with_it() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    let pids = shell
        .pids("sleep 300 & setsid sleep 301 & echo; echo \"<$$ $(jobs -p | tr '\\n' ' ')>\"\n");
    assert_eq!(pids.len(), 3);
    shell.control(Control::Close);
    shell.end();
    assert!(all_die(&pids), "{pids:?}");
}

#[test]
fn one_that_ignores_hup_is_killed_after_the_grace() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    let pids = shell.pids("trap '' HUP TERM; echo; echo \"<$$>\"\n");
    let began = Instant::now();
    shell.control(Control::Close);
    assert_eq!(shell.end().signal, Some(9));
    assert!((4..30).contains(&began.elapsed().as_secs()));
    assert!(all_die(&pids));
}

#[test]
fn a_program_without_its_terminal_is_still_told_what_to_do() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    let pids = shell.pids("echo; echo \"<$$>\"; exec sleep 300 <&- >&- 2>&-\n");
    // It shows nothing, and does not end by itself.
    let quiet = Instant::now() + std::time::Duration::from_millis(300);
    while !matches!(
        shell.stream.receive(Some(quiet)),
        Err(pyro_proto::LinkError::TimedOut(_))
    ) {}
    assert!(alive(pids[0]));
    shell.control(Control::Signal(15));
    assert_eq!(shell.end().signal, Some(15));
}

#[test]
fn one_that_reads_nothing_holds_nobody_up() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    shell.type_in("stty -icanon -echo; echo re\"\"ady; sleep 300\n");
    shell.until("ready");
    while shell
        .stream
        .send_some(channel::STDIN, &[b'x'; 32768])
        .unwrap()
        > 0
    {}
    assert_eq!(agent.sh("echo free").text(), "free\n");
    shell.control(Control::Signal(9));
    shell.until("pyro$ ");
    drop(shell);
    assert_eq!(agent.sh("echo free").text(), "free\n");
}

#[test]
fn a_flood_that_nobody_takes_holds_nobody_up() {
    let agent = agent();
    let mut floods: Vec<Shell> = (0..8).map(|_| Shell::open(&agent)).collect();
    for shell in &floods {
        shell.type_in("yes\n");
    }
    for _ in 0..5 {
        assert_eq!(agent.sh("echo free").text(), "free\n");
    }
    floods[0].control(Control::Signal(2));
    floods[0].until("pyro$ ");
}

#[test]
fn a_host_that_gives_it_up_ends_it() {
    let agent = agent();
    let mut shell = Shell::open(&agent);
    let pids = shell.pids("trap '' HUP; sleep 300 & echo; echo \"<$$ $!>\"\n");
    drop(shell);
    assert!(all_die(&pids));
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let agent = agent();
    for (cwd, told) in [
        ("/nonexistent", "No such file"),
        ("/etc/hosts", "no folder"),
    ] {
        let stream = agent.ask(&Request::OpenShell(OpenShell {
            cwd: Some(cwd.into()),
            ..wanted()
        }));
        let done = finish(&stream);
        assert_eq!(done.failed().code, "cwd");
        assert!(done.failed().message.contains(told), "{:?}", done.failed());
    }
}
