//! What a guest's way out costs beside the host's own.
//!
//! The same lines of bash, there and here, with their own clock: what starting
//! a command costs is not in it. The server is this host's, which the guest
//! may reach because the rule says so.

use crate::Desk;
use crate::pairs::Pair;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

const MEGABYTES: usize = 100;

/// Prints the microseconds that `work` took.
fn timed(work: &str) -> String {
    format!("a=$EPOCHREALTIME; {work}; b=$EPOCHREALTIME; echo $((${{b/./}} - ${{a/./}}))")
}

pub fn rows(desk: &Desk) {
    let Some(at) = serve() else {
        desk.show("| egress | 0 | | | this host has no route of IPv4 | | | | |");
        return;
    };
    let (address, port) = (at.ip(), at.port());
    let cidr = format!("{address}/32");
    let words = ["create", "debian:12", "--name", "out", "--mem-mib", "512"];
    let network = ["--network-policy", "egress", "--allow-cidr", &cidr];
    desk.pyro(&[&words[..], &network].concat());
    let here = |line: &str| {
        let output = Command::new("bash").args(["-ec", line]).output();
        let output = output.expect("bash runs");
        micros(&String::from_utf8_lossy(&output.stdout))
    };
    let there = |line: &str| {
        let words = ["exec", "out", "--timeout-seconds", "600", "--"];
        micros(&desk.output(&[&words[..], &["bash", "-ec", line]].concat()))
    };
    let ask = |bytes: usize| {
        format!(
            "exec 3<>/dev/tcp/{address}/{port}; echo {bytes} >&3; test $(head -c {bytes} <&3 | wc -c) = {bytes}"
        )
    };
    let first = timed(&format!(
        "exec 3<>/dev/tcp/{address}/{port}; echo 1 >&3; read -rN1 -u3 x"
    ));
    let many = timed(&ask(MEGABYTES * 1_000_000));
    let row = Pair::measure(desk.rounds * 2, || there(&first), || here(&first));
    desk.show(&row.row("egress: connect to first byte", "this host itself", ""));
    let row = Pair::measure(desk.rounds, || there(&many), || here(&many));
    desk.show(&row.row(
        &format!("egress: {MEGABYTES} MB received"),
        "this host itself",
        "",
    ));
    desk.pyro(&["delete", "out"]);
}

fn micros(said: &str) -> Duration {
    Duration::from_micros(said.trim().parse().expect("microseconds"))
}

/// Sends as many bytes as a line asks for, from the address that the outside
/// would see.
fn serve() -> Option<SocketAddr> {
    let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    route.connect("9.9.9.9:9").ok()?;
    let listener = TcpListener::bind((route.local_addr().ok()?.ip(), 0)).ok()?;
    let at = listener.local_addr().ok()?;
    std::thread::spawn(move || {
        let block = vec![b'x'; 1 << 16];
        for mut peer in listener.incoming().flatten() {
            let (mut line, mut byte) = (String::new(), [0]);
            while peer.read_exact(&mut byte).is_ok() && byte != *b"\n" {
                line.push(char::from(byte[0]));
            }
            let mut left: usize = line.parse().unwrap_or(0);
            while left > 0 {
                let count = left.min(block.len());
                if peer.write_all(&block[..count]).is_err() {
                    break;
                }
                left -= count;
            }
        }
    });
    Some(at)
}
