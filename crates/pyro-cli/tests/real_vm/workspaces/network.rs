//! Guests with a network: what they reach, what they are refused, and that
//! nothing of it outlives them.
//!
//! Owns: the table of attempts. Refuses: real outside traffic, but for the one
//! mirror of packages that building the environment needed as well.

use super::{Desk, processes, supervisor};
use crate::machine::{eventually, family, is_alive, text};
use serde_json::Value;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The host's word on why it can give no network, where that is so.
fn missing(desk: &Desk) -> Option<String> {
    let output = desk.place.pyro(&["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let networking = &report["networking"];
    (networking["usable"] != true).then(|| networking["reason"].to_string())
}

macro_rules! desk_or_skip {
    () => {{
        let desk = Desk::new();
        if let Some(reason) = missing(&desk) {
            eprintln!("skipped: {reason}");
            return;
        }
        desk
    }};
}

fn create(desk: &Desk, name: &str, flags: &[&str]) -> Value {
    let words = [
        &["create", "debian:12", "--name", name, "--mem-mib", "512"][..],
        &["--network-policy", "egress"],
        flags,
    ]
    .concat();
    desk.done(&words)
}

/// Command lines of what runs below a supervisor.
fn names(id: &str) -> Vec<String> {
    processes(id)
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

fn pasta(id: &str) -> Option<u32> {
    processes(id).into_iter().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.starts_with("pasta") || name.starts_with("passt"))
    })
}

/// The host's address that the outside would see, by asking for a route.
pub fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("9.9.9.9:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    }
}

/// A listener on every address of the host that counts who came.
fn host_service() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let count = came.clone();
    std::thread::spawn(move || {
        for mut one in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = one.write_all(b"reached\n");
        }
    });
    (port, came)
}

fn log(desk: &Desk, name: &str, flags: &[&str]) -> Vec<Value> {
    let page = desk.done(&[&["network", "log", name][..], flags].concat());
    page["entries"].as_array().unwrap().clone()
}

/// The log as soon as it is as wanted, or as it is in the end.
fn log_once(
    desk: &Desk,
    name: &str,
    flags: &[&str],
    wanted: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    for _ in 0..50 {
        let entries = log(desk, name, flags);
        if wanted(&entries) {
            return entries;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    log(desk, name, flags)
}

#[test]
fn without_a_policy_there_is_no_card() {
    let desk = Desk::new();
    let id = desk.create("off");
    let status = desk.done(&["status", "off"]);
    assert_eq!(
        (
            &status["network_policy"],
            &status["network_enabled"],
            &status["guest_ip"]
        ),
        (&"off".into(), &false.into(), &Value::Null),
        "{status}"
    );
    assert_eq!(desk.sh("off", "ls /sys/class/net"), "lo\n");
    assert!(
        !names(&id).iter().any(|name| name.starts_with("pas")),
        "{:?}",
        names(&id)
    );
    assert_eq!(desk.done(&["network", "log", "off"])["count"], 0);
    let (refused, code) = desk.ask(&["create", "debian:12", "--allow-cidr", "10.0.0.0/8"]);
    assert_eq!(
        (code, &refused["error_kind"]),
        (125, &"invalid_network_rule".into()),
        "{refused}"
    );
}

#[test]
fn a_guest_reaches_the_outside_and_nothing_of_the_host() {
    let desk = desk_or_skip!();
    let made = create(&desk, "out", &[]);
    let id = made["workspace_id"].as_str().unwrap();
    assert_eq!(
        (
            &made["network_policy"],
            &made["network_enabled"],
            &made["guest_ip"]
        ),
        (&"egress".into(), &true.into(), &"172.30.0.2".into()),
        "{made}"
    );
    let other = create(&desk, "other", &[]);
    assert_eq!(other["guest_ip"], made["guest_ip"]);
    let (port, came) = host_service();
    let own = own_address().expect("the host has no route of IPv4");
    // Everything is tried from inside, as root with its own routes and
    // addresses; what connects would print.
    let tries = format!(
        "t() {{ timeout 4 bash -c \"exec 3<>/dev/tcp/$1/$2 && echo connected $1 $2\" 2>/dev/null; }}\n\
         t {own} {port}; t 127.0.0.1 {port}; t 172.30.0.1 {port}; t 172.30.1.1 {port}; t 172.30.1.2 {port}\n\
         t 10.0.0.1 80; t 192.168.0.1 80; t 172.17.0.1 80; t 100.64.0.1 80\n\
         t 169.254.169.254 80; t 168.63.129.16 80\n\
         echo x > /dev/udp/10.0.0.1/7; echo x > /dev/udp/224.0.0.251/5353\n\
         perl -MSocket -e 'socket(S, PF_INET, SOCK_RAW, 1) or die; for (qw(10.0.0.2 {own})) {{ send(S, pack(q(CCnnn), 8, 0, 0xf7fd, 1, 1), 0, pack_sockaddr_in(0, inet_aton($_))) or die }}' || echo no echo\n\
         ip route replace 127.0.0.0/8 via 172.30.0.1 2>/dev/null\n\
         ip -6 addr add fd00:77::2/64 dev eth0 nodad 2>/dev/null || {{ echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip -6 addr add fd00:77::2/64 dev eth0 nodad; }}\n\
         set -- $(ip neigh show 172.30.0.1); ip -6 neigh add fd00:77::1 lladdr $5 dev eth0\n\
         ip -6 route add default via fd00:77::1 dev eth0\n\
         t 2001:db8::1 80; t fd00:ec2::254 80\n\
         ip addr add 172.30.0.9/29 dev eth0\n\
         ip route add 192.0.0.9/32 via 172.30.0.1 src 172.30.0.9\n\
         t 192.0.0.9 80; true"
    );
    let said = desk.sh_within("out", 120, &tries);
    assert_eq!(said, "", "{said}");
    assert_eq!(came.load(Ordering::SeqCst), 0, "the host was reached");
    let expected = [
        ("tcp", own.to_string(), "host"),
        ("tcp", "172.30.0.1".into(), "gateway"),
        ("tcp", "10.0.0.1".into(), "private"),
        ("tcp", "192.168.0.1".into(), "private"),
        ("tcp", "172.17.0.1".into(), "private"),
        ("tcp", "100.64.0.1".into(), "private"),
        ("tcp", "169.254.169.254".into(), "link-local"),
        ("tcp", "168.63.129.16".into(), "metadata"),
        ("icmp", "10.0.0.2".into(), "private"),
        ("icmp", own.to_string(), "host"),
        ("udp", "10.0.0.1".into(), "private"),
        ("udp", "224.0.0.251".into(), "multicast"),
        ("tcp", "2001:db8::1".into(), "IPv6"),
        ("tcp", "192.0.0.9".into(), "source"),
    ];
    let missed = |entries: &[Value]| {
        expected
            .iter()
            .filter(|(protocol, address, word)| {
                !entries.iter().any(|entry| {
                    entry["protocol"] == *protocol
                        && entry["address"] == *address
                        && entry["reason"].as_str().unwrap().contains(word)
                })
            })
            .cloned()
            .collect::<Vec<_>>()
    };
    let entries = log_once(&desk, "out", &["--refused"], |entries| {
        missed(entries).is_empty()
    });
    assert_eq!(missed(&entries), Vec::new(), "{entries:#?}");
    assert!(entries.iter().all(|entry| entry["allowed"] == false));
    assert_eq!(log(&desk, "other", &["--refused"]), Vec::<Value>::new());

    // A clean machine again, for the way that is open.
    desk.done(&["reset", "out"]);
    assert_eq!(log(&desk, "out", &[]), Vec::<Value>::new());
    let conf = desk.sh("out", "cat /etc/resolv.conf");
    assert_eq!(conf, "nameserver 172.30.0.1\n");
    assert!(supervisor(id).is_some());
}

#[test]
fn where_namespaces_are_forbidden_only_the_network_is_refused() {
    let desk = desk_or_skip!();
    // A user namespace in which no other can be made.
    let line = "unshare --user --map-root-user sh -c '
        echo 0 > /proc/sys/user/max_user_namespaces || exit 9
        \"$P\" workspace create debian:12 --name no --mem-mib 512 --network-policy egress --json
        \"$P\" workspace create debian:12 --name off --mem-mib 512 >/dev/null || exit 8
        \"$P\" workspace exec off -- echo works
        \"$P\" workspace delete off'";
    let Some(output) = desk.place.in_mount_namespace(line) else {
        return;
    };
    let said = text(&output.stdout);
    let told = format!("{said}\n{}", text(&output.stderr));
    let (refused, rest) = said.split_once("\n}\n").expect(&told);
    let refused: Value = serde_json::from_str(&format!("{refused}}}")).expect(&told);
    let part = |key: &str, word: &str| refused[key].as_str().unwrap().contains(word);
    assert!(part("error", "max_user_namespaces"), "{told}");
    assert!(part("hint", "sysctl") && part("hint", "--network-policy off"));
    assert!(rest.starts_with("works\nDeleted workspace: "), "{told}");
    assert_eq!(desk.done(&["list"])["count"], 0);
}

/// The guest's own mirror, where this host reaches it.
fn mirror(desk: &Desk, name: &str) -> Option<String> {
    let host = desk.sh(
        name,
        "grep -rhoE 'https?://[^/ ]+' /etc/apt/sources.list* | head -n1 | sed 's#.*://##'",
    );
    let host = host.trim().to_owned();
    let here = Command::new("timeout")
        .args(["10", "bash", "-c", &head(&host, &host)])
        .output()
        .unwrap();
    if text(&here.stdout) == "HTTP/" {
        return Some(host);
    }
    eprintln!("skipped: this host does not reach {host}");
    None
}

/// A shell line that prints the beginning of a web server's answer.
fn head(at: &str, host: &str) -> String {
    format!(
        "exec 3<>/dev/tcp/{at}/80 && printf 'HEAD / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n' >&3 && timeout 20 head -c 5 <&3"
    )
}

#[test]
fn a_package_is_installed_from_the_listed_mirrors_and_nowhere_else() {
    let desk = desk_or_skip!();
    create(&desk, "look", &[]);
    if mirror(&desk, "look").is_none() {
        return;
    }
    let hosts = desk.sh(
        "look",
        "grep -rhoE 'https?://[^/ ]+' /etc/apt/sources.list* | sed 's#.*://##' | sort -u",
    );
    desk.done(&["delete", "look"]);
    let flags: Vec<&str> = hosts
        .lines()
        .flat_map(|host| ["--allow-domain", host])
        .collect();
    create(&desk, "apt", &flags);
    let line = "apt-get -qq -o Acquire::Languages=none update && \
        apt-get -qq install -y --no-install-recommends tree >/dev/null 2>&1 && \
        mkdir -p a/b && tree --noreport a";
    assert_eq!(desk.sh_within("apt", 300, line), "a\n└── b\n");
    let entries = log(&desk, "apt", &[]);
    let reached: Vec<_> = entries
        .iter()
        .filter(|entry| entry["allowed"] == true && entry["protocol"] == "tcp")
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert!(!reached.is_empty(), "{entries:#?}");
    for name in reached {
        assert!(hosts.lines().any(|host| host == name), "{name}: {hosts}");
    }
}

#[test]
fn names_that_are_listed_are_reached_and_no_other_way_leads_out() {
    let desk = desk_or_skip!();
    create(&desk, "open", &[]);
    let Some(host) = mirror(&desk, "open") else {
        return;
    };
    assert_eq!(desk.sh_within("open", 60, &head(&host, &host)), "HTTP/");
    let passed = |entries: &[Value]| {
        entries
            .iter()
            .any(|entry| entry["allowed"] == true && entry["port"] == 80)
    };
    let entries = log_once(&desk, "open", &[], passed);
    assert!(passed(&entries), "{entries:#?}");
    desk.done(&["delete", "open"]);

    create(&desk, "named", &["--allow-domain", &host]);
    let address = desk.sh_within("named", 60, &format!("getent ahostsv4 {host} | head -n1"));
    let address = address
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(!address.is_empty(), "{host} has no address in the guest");
    assert_eq!(desk.sh_within("named", 60, &head(&host, &host)), "HTTP/");
    let tries = format!(
        "getent ahostsv4 www.example.org && echo resolved\n\
         {{ {}; }} 2>/dev/null | grep -q '^HTTP/' && timeout 4 bash -c \"exec 3<>/dev/tcp/{address}/80; printf 'GET / HTTP/1.1\\r\\nHost: www.example.org\\r\\n\\r\\n' >&3; head -n1 <&3\" | grep -v 403\n\
         timeout 6 bash -c \"exec 3<>/dev/tcp/9.9.9.9/443; printf x >&3; head -c1 <&3\" 2>/dev/null\n\
         timeout 6 bash -c \"exec 3<>/dev/tcp/{address}/8443; printf x >&3; head -c1 <&3\" 2>/dev/null\n\
         echo x > /dev/udp/{address}/443; echo x > /dev/udp/9.9.9.9/9; true",
        head(&host, &host)
    );
    let said = desk.sh_within("named", 90, &tries);
    assert_eq!(said, "");
    let has = |entries: &[Value], what: &str| {
        entries.iter().any(|entry| {
            entry["allowed"] == false && (entry["name"] == *what || entry["address"] == *what)
        })
    };
    let wanted = ["www.example.org", "9.9.9.9", &address];
    let entries = log_once(&desk, "named", &["--refused"], |entries| {
        wanted.iter().all(|what| has(entries, what))
    });
    for what in wanted {
        assert!(has(&entries, what), "{what}: {entries:#?}");
    }
}

#[test]
fn only_what_is_listed_may_be_reached_and_a_private_range_may_be_listed() {
    let desk = desk_or_skip!();
    let (port, came) = host_service();
    let own = own_address().expect("the host has no route of IPv4");
    let made = create(&desk, "listed", &["--allow-cidr", &format!("{own}/32")]);
    assert_eq!(made["network_rules"]["allow_cidrs"][0], format!("{own}/32"));
    let tries = format!(
        "for a in {own}/{port} 9.9.9.9/53000 10.0.0.1/80; do timeout 6 bash -c \"head -n1 < /dev/tcp/$a\" 2>/dev/null; done; true"
    );
    assert_eq!(desk.sh_within("listed", 60, &tries), "reached\n");
    assert_eq!(came.load(Ordering::SeqCst), 1);
    let has =
        |entries: &[Value], address: &str| entries.iter().any(|entry| entry["address"] == address);
    let addresses = ["9.9.9.9", "10.0.0.1"];
    let refused = log_once(&desk, "listed", &["--refused"], |entries| {
        addresses.iter().all(|address| has(entries, address))
    });
    for address in addresses {
        assert!(has(&refused, address), "{address}: {refused:#?}");
    }
}

#[test]
fn what_is_killed_leaves_nothing_and_a_lost_uplink_comes_back() {
    let desk = desk_or_skip!();
    let made = create(&desk, "killed", &[]);
    let id = made["workspace_id"].as_str().unwrap();
    let first = pasta(id).expect("no uplink runs");
    let kill = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    kill(first);
    eventually("another uplink runs", || {
        pasta(id).is_some_and(|now| now != first && is_alive(now))
    });
    eventually("the status knows nothing bad any more", || {
        desk.done(&["status", "killed"])["last_error"] == Value::Null
    });
    // With the supervisor everything goes, whoever it belongs to.
    let all = processes(id);
    assert!(all.len() > 5, "{all:?} {:?}", names(id));
    let namespaces: Vec<_> = all
        .iter()
        .filter_map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok())
        .collect();
    kill(supervisor(id).unwrap());
    for pid in all {
        eventually(&format!("process {pid} is gone"), || !is_alive(pid));
    }
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    for namespace in namespaces.iter().filter(|name| **name != own) {
        let held = family(1).into_iter().any(|pid| {
            std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|at| at == *namespace)
        });
        assert!(!held, "{namespace:?} is still there");
    }
    assert_eq!(
        desk.done(&["status", "killed"])["stop_reason"],
        "supervisor_gone"
    );
    // The next start has a network again.
    desk.done(&["start", "killed"]);
    assert_eq!(
        desk.sh("killed", "cat /sys/class/net/eth0/operstate"),
        "up\n"
    );
    let before = processes(id);
    desk.done(&["stop", "killed"]);
    for pid in before {
        eventually(&format!("process {pid} is gone"), || !is_alive(pid));
    }
}
