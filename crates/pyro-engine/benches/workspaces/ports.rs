//! Published ports beside the agent's stream alone.
//!
//! Every byte is compared with what it has to be, on this side or in the guest.

use crate::Desk;
use crate::pairs::Pair;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const MEGABYTES: usize = 200;
const BYTES: usize = MEGABYTES * 1_000_000;
const CONNECTIONS: usize = 500;
const BLOCK_BYTES: usize = 1 << 16;

/// The same block on both sides: no two bytes of it at the same distance are
/// alike for long, so what is lost or doubled shows.
const BLOCK: &str = "pack('C*', map { ($_ ^ ($_ >> 8) * 31) & 255 } 0..65535)";

fn block() -> Vec<u8> {
    (0..BLOCK_BYTES)
        .map(|at| (at ^ ((at >> 8) * 31)) as u8)
        .collect()
}

/// `give` and `take` of so many bytes, on a socket or the standard streams.
fn script() -> String {
    format!(
        r#"use strict; use IO::Socket::INET; $SIG{{CHLD}} = $SIG{{PIPE}} = 'IGNORE';
my ($what, $port) = @ARGV; my $block = {BLOCK}; my $twice = $block . $block;
sub give {{ my ($to) = @_; my $left = {BYTES};
    while ($left > 0) {{ my $n = syswrite($to, $block, $left < 65536 ? $left : 65536); die unless $n;
        die 'in pieces' if $n != 65536 && $n != $left; $left -= $n }} }}
sub take {{ my ($from) = @_; my $at = 0;
    while (my $n = sysread($from, my $piece, 65536)) {{
        die "at $at" if $piece ne substr($twice, $at % 65536, $n); $at += $n }}
    return $at }}
if (!$port) {{ $what eq 'give' ? give(\*STDOUT) : (take(\*STDIN) == {BYTES} or die 'short'); exit }}
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1:' . $port, Listen => 1024, ReuseAddr => 1) or die;
while (my $peer = $listener->accept) {{
    if ($what eq 'give') {{ next if fork; give($peer); exit }}
    if ($what eq 'take') {{ next if fork; my $n = take($peer); syswrite $peer, "$n\n"; exit }}
    my $line = <$peer>; syswrite $peer, $line; close $peer;
}}
"#
    )
}

pub fn rows(desk: &Desk) {
    let file = desk.path("ports.pl");
    std::fs::write(&file, script()).expect("a file is written");
    let words = ["create", "debian:12", "--name", "ports", "--mem-mib", "512"];
    desk.pyro(&words);
    let file = file.display().to_string();
    desk.pyro(&["file", "write", "ports", "p.pl", "--text-file", &file]);
    let [give, take, echo] = ["give", "take", "echo"].map(|what| serve(desk, what));
    let input = desk.path("input");
    let bytes: Vec<u8> = block().into_iter().cycle().take(BYTES).collect();
    std::fs::write(&input, &bytes).expect("a file is written");

    let rounds = desk.rounds.min(5);
    let out = Pair::measure(
        rounds,
        || receive(give),
        || desk.guest("ports", "perl p.pl give"),
    );
    desk.show(&out.row(
        &format!("{MEGABYTES} MB out of a published port"),
        "out of an exec",
        "ratio at most 2",
    ));
    let into = Pair::measure(
        rounds,
        || send(take, &bytes),
        || {
            let input = File::open(&input).expect("the input is there");
            desk.guest_with(input, "ports", "perl p.pl take")
        },
    );
    desk.show(&into.row(
        &format!("{MEGABYTES} MB into a published port"),
        "into an exec",
        "ratio at most 2",
    ));
    let many = Pair::measure(
        desk.rounds,
        || ask(echo, CONNECTIONS, CONNECTIONS),
        || ask(echo, CONNECTIONS, 1),
    );
    desk.show(&many.row(
        &format!("{CONNECTIONS} connections at once, a line there and back each"),
        "the same one after the other",
        "all answered",
    ));
    desk.pyro(&["delete", "ports"]);
}

/// Starts a server in the guest; the port of this host that leads to it.
fn serve(desk: &Desk, what: &str) -> u16 {
    let guest_port = match what {
        "give" => "1001",
        "take" => "1002",
        _ => "1003",
    };
    let words = ["exec", "ports", "--timeout-seconds", "7200"];
    let line = [
        "--wait-seconds",
        "0",
        "--",
        "perl",
        "p.pl",
        what,
        guest_port,
    ];
    desk.pyro(&[&words[..], &line].concat());
    desk.guest(
        "ports",
        &format!("until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(\"127.0.0.1:{guest_port}\")'; do sleep 0.2; done"),
    );
    let words = ["port", "publish", "ports", guest_port, "--host-port-only"];
    let said = desk.output(&words);
    said.trim().parse().expect("a port")
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).expect("the port is open")
}

fn receive(port: u16) -> Duration {
    let began = Instant::now();
    let mut socket = connect(port);
    let (mut piece, twice) = (vec![0; BLOCK_BYTES], [block(), block()].concat());
    let mut at = 0;
    loop {
        let count = socket.read(&mut piece).expect("bytes");
        if count == 0 {
            break;
        }
        let from = at % BLOCK_BYTES;
        assert!(piece[..count] == twice[from..from + count], "at {at}");
        at += count;
    }
    assert_eq!(at, BYTES);
    began.elapsed()
}

fn send(port: u16, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    let mut socket = connect(port);
    socket.write_all(bytes).expect("it takes them");
    socket.shutdown(Shutdown::Write).expect("an end");
    let mut said = String::new();
    socket.read_to_string(&mut said).expect("an answer");
    assert_eq!(said.trim(), BYTES.to_string());
    began.elapsed()
}

/// So many in all, so many at once, each half-closed before it is answered.
fn ask(port: u16, count: usize, at_once: usize) -> Duration {
    let began = Instant::now();
    for _ in 0..count / at_once {
        let mut open: Vec<TcpStream> = (0..at_once).map(|_| connect(port)).collect();
        for (number, socket) in open.iter_mut().enumerate() {
            writeln!(socket, "{number}").expect("it takes a line");
            socket.shutdown(Shutdown::Write).expect("an end");
        }
        for (number, mut socket) in open.into_iter().enumerate() {
            let mut said = String::new();
            socket.read_to_string(&mut said).expect("an answer");
            assert_eq!(said, format!("{number}\n"));
        }
    }
    began.elapsed()
}
