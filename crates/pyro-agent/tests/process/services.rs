//! Services and looks at them, without a machine.

use crate::host::{Agent, Done, agent, all_die, exec, finish, soon};
use pyro_proto::messages::probe::{Probe, Probed, Target};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::{Incoming, Stream};
use std::net::TcpListener;

impl Agent {
    /// Starts a service; its process number and its stream.
    fn serve(&self, line: &str) -> (i32, Stream) {
        let stream = self.ask(&Request::Serve(exec(line)));
        match stream.receive(soon()).unwrap() {
            Incoming::Data(channel::SIGNAL, bytes) => {
                (i32::from_le_bytes(bytes.try_into().unwrap()), stream)
            }
            other => panic!("{other:?}"),
        }
    }

    fn probe(&self, target: Target) -> Probed {
        let Done { reply, .. } = finish(&self.ask(&Request::Probe(Probe { target })));
        match reply {
            Reply::Probed(probed) => probed,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_service_says_its_number_first_and_ends_at_a_signal() {
    let agent = agent();
    let (pid, stream) = agent.serve("exec sleep 900");
    stream.send(channel::SIGNAL, &[15]).unwrap();
    let done = finish(&stream);
    assert_eq!(
        (done.exited().exit_code, done.exited().signal),
        (143, Some(15))
    );
    assert!(all_die(&[pid]));
}

#[test]
fn kill_reaches_what_ignores_term_and_what_left_its_session() {
    let agent = agent();
    let line =
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 900' & wait; sleep 900";
    let (pid, stream) = agent.serve(line);
    let Incoming::Data(channel::STDOUT, below) = stream.receive(soon()).unwrap() else {
        panic!("it said nothing");
    };
    let below: i32 = std::str::from_utf8(&below).unwrap().trim().parse().unwrap();
    stream.send(channel::SIGNAL, &[15]).unwrap();
    stream.send(channel::SIGNAL, &[9]).unwrap();
    assert_eq!(finish(&stream).exited().signal, Some(9));
    assert!(all_die(&[pid, below]));
}

#[test]
fn a_command_that_cannot_start_is_refused_and_has_no_number() {
    let agent = agent();
    let mut wanted = exec("true");
    wanted.cwd = Some("/dev/null/x".into());
    let done = finish(&agent.ask(&Request::Serve(wanted)));
    assert_eq!(done.failed().code, "cwd");
    assert!(done.stderr.is_empty());
}

#[test]
fn what_is_not_there_is_not_ready_and_no_failure() {
    let agent = agent();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = |host: &str| Target::Tcp {
        host: host.into(),
        port,
    };
    assert!(agent.probe(tcp("localhost")).ready);
    let elsewhere = agent.probe(tcp("192.0.2.1"));
    assert!(elsewhere.why.unwrap().contains("no address of this guest"));
    drop(listener);
    let refused = agent.probe(tcp("localhost"));
    assert!(!refused.ready && refused.why.unwrap().contains("refused"));
    // This agent shows no workspace.
    let path = "x".into();
    assert!(!agent.probe(Target::File { path }).ready);
}
