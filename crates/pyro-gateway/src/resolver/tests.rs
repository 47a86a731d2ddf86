//! The resolver between a guest's socket and a resolver's, both on loopback.

use super::*;
use crate::config::Rules;
use crate::log::Attempt;
use crate::rules::HostName;
use message::{Reply, read_reply, write_query};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

type Told = Arc<Mutex<Vec<Attempt>>>;

struct Bench {
    udp: SocketAddr,
    tcp: SocketAddr,
    pins: Arc<Pins>,
    told: Told,
    asked: Arc<AtomicUsize>,
}

/// Answers every A question: the records are `name -> addresses`. With 200
/// addresses it says by UDP that there is more.
async fn host_resolver(
    records: Vec<(&'static str, Vec<Ipv4Addr>)>,
) -> (SocketAddr, Arc<AtomicUsize>) {
    // The same port twice: another test may have the second.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |bytes: &[u8], by_udp: bool| {
        let query = Packet::parse(bytes).unwrap();
        let name = message::text(&query.questions[0].qname).unwrap();
        let mut reply = Packet::new_reply(query.id());
        reply.questions = query.questions.clone();
        match records.iter().find(|(known, _)| *known == name) {
            Some((_, addresses)) if addresses.len() > 100 && by_udp => {
                reply.set_flags(PacketFlag::TRUNCATION);
            }
            Some((_, addresses)) => {
                reply.answers = addresses.iter().map(|four| record(&name, *four)).collect();
            }
            None => *reply.rcode_mut() = RCODE::NameError,
        }
        reply.build_bytes_vec_compressed().unwrap()
    };
    let again = answer.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            count.fetch_add(1, Ordering::Relaxed);
            // A forged one first: same question, wrong number.
            let mut forged = answer(&buffer[..length], true);
            forged[0] ^= 0xff;
            udp.send_to(&forged, from).await.unwrap();
            udp.send_to(&answer(&buffer[..length], true), from)
                .await
                .unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut bytes = vec![0; length.into()];
            stream.read_exact(&mut bytes).await.unwrap();
            let reply = again(&bytes, false);
            stream
                .write_u16(reply.len().try_into().unwrap())
                .await
                .unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    (address, asked)
}

fn record(name: &str, four: Ipv4Addr) -> ResourceRecord<'static> {
    let data = RData::A(A {
        address: four.into(),
    });
    ResourceRecord::new(Name::new(name).unwrap().into_owned(), CLASS::IN, 60, data)
}

async fn bench(
    domains: &[&str],
    ranges: &[&str],
    records: Vec<(&'static str, Vec<Ipv4Addr>)>,
) -> Bench {
    let (upstream, asked) = host_resolver(records).await;
    let rules = Rules {
        allow_domains: domains.iter().map(ToString::to_string).collect(),
        allow_cidrs: ranges.iter().map(ToString::to_string).collect(),
    };
    let policy = Policy::new(
        &rules,
        &crate::namespace::ranges::Host {
            addresses: vec!["203.0.114.9".parse().unwrap()],
            networks: Vec::new(),
        },
    )
    .unwrap();
    let told = Told::default();
    let attempts = Attempts::new({
        let told = Arc::clone(&told);
        move |attempt| told.lock().unwrap().push(attempt)
    });
    let pins = Arc::new(Pins::default());
    let resolver = Resolver::new(
        policy,
        vec![upstream],
        Arc::clone(&pins),
        Arc::new(attempts),
    );
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    tokio::spawn(serve(udp, tcp, Arc::new(resolver)));
    Bench {
        udp: udp_at,
        tcp: tcp_at,
        pins,
        told,
        asked,
    }
}

impl Bench {
    async fn ask(&self, name: &str, kind: TYPE) -> Reply {
        let name = HostName::parse(name).unwrap();
        let query = write_query(5, &name, kind).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&query, self.udp).await.unwrap();
        let mut buffer = [0; 2048];
        let (length, _) =
            tokio::time::timeout(Duration::from_secs(20), socket.recv_from(&mut buffer))
                .await
                .expect("no answer")
                .unwrap();
        read_reply(&buffer[..length], 5, &name, kind).unwrap()
    }

    fn names_at(&self, address: &str) -> usize {
        let address: IpAddr = address.parse().unwrap();
        self.pins.of(address, Instant::now()).names.len()
    }

    fn refused(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let refused = told.iter().filter(|attempt| !attempt.allowed);
        refused
            .map(|attempt| format!("{:?} {}", attempt.name, attempt.reason))
            .collect()
    }
}

fn four(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_allowed_name_is_answered_pinned_and_remembered() {
    let bench = bench(
        &["a.example"],
        &[],
        vec![("a.example", vec![four("1.2.3.4")])],
    )
    .await;
    for _ in 0..3 {
        let reply = bench.ask("a.example", TYPE::A).await;
        assert_eq!(reply.code, RCODE::NoError);
        assert_eq!(reply.answers.len(), 1);
    }
    assert_eq!(bench.names_at("1.2.3.4"), 1);
    assert_eq!(
        bench.asked.load(Ordering::Relaxed),
        1,
        "the other two from the cache"
    );
    assert!(bench.told.lock().unwrap()[0].allowed);
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_never_asked_for() {
    let bench = bench(
        &["a.example"],
        &[],
        vec![("b.example", vec![four("1.2.3.4")])],
    )
    .await;
    for name in ["b.example", "data-in-a-name.b.example", "x.a.example"] {
        assert_eq!(bench.ask(name, TYPE::A).await.code, RCODE::NameError);
        assert_eq!(bench.ask(name, TYPE::TXT).await.code, RCODE::NameError);
        assert_eq!(bench.ask(name, TYPE::AAAA).await.code, RCODE::NameError);
    }
    assert_eq!(bench.asked.load(Ordering::Relaxed), 0);
    assert_eq!(bench.names_at("1.2.3.4"), 0);
    assert_eq!(bench.refused().len(), 9, "{:?}", bench.refused());
}

#[tokio::test]
async fn rebinding_to_a_private_address_or_to_the_host_is_refused_and_told() {
    let records = vec![
        ("a.example", vec![four("192.168.1.1")]),
        ("b.example", vec![four("203.0.114.9")]),
        ("c.example", vec![four("169.254.169.254"), four("1.1.1.1")]),
    ];
    let bench = bench(&[], &[], records).await;
    assert_eq!(bench.ask("a.example", TYPE::A).await.code, RCODE::NameError);
    assert_eq!(bench.ask("b.example", TYPE::A).await.code, RCODE::NameError);
    assert_eq!(bench.ask("c.example", TYPE::A).await.answers.len(), 1);
    assert_eq!(
        bench.names_at("192.168.1.1") + bench.names_at("203.0.114.9"),
        0
    );
    assert_eq!(bench.names_at("1.1.1.1"), 1);
    let refused = bench.refused().join("\n");
    for part in [
        "a private address",
        "an address of the host",
        "a link-local address",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_listed_range_lets_a_private_answer_through() {
    let records = vec![("a.example", vec![four("192.168.1.1")])];
    let bench = bench(&["a.example"], &["192.168.1.0/24"], records).await;
    assert_eq!(bench.ask("a.example", TYPE::A).await.answers.len(), 1);
}

#[tokio::test]
async fn no_address_of_ipv6_and_no_key_of_a_hidden_handshake() {
    let bench = bench(&[], &[], vec![("a.example", vec![four("1.2.3.4")])]).await;
    for kind in [TYPE::AAAA, TYPE::HTTPS, TYPE::SVCB] {
        let reply = bench.ask("a.example", kind).await;
        assert_eq!((reply.code, reply.answers.len()), (RCODE::NoError, 0));
    }
    let names = ["1.1.168.192.in-addr.arpa", "1.0.0.2.ip6.arpa", "localhost"];
    for name in names {
        assert_eq!(bench.ask(name, TYPE::PTR).await.code, RCODE::NameError);
    }
    assert_eq!(bench.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_too_long_for_a_packet_comes_by_tcp() {
    let many = (0..200)
        .map(|number| Ipv4Addr::from(0x0101_0100 + number))
        .collect();
    let bench = bench(&[], &[], vec![("a.example", many)]).await;
    let name = HostName::parse("a.example").unwrap();
    let query = write_query(5, &name, TYPE::A).unwrap();
    let mut stream = TcpStream::connect(bench.tcp).await.unwrap();
    for _ in 0..2 {
        stream
            .write_u16(query.len().try_into().unwrap())
            .await
            .unwrap();
        stream.write_all(&query).await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await.unwrap();
        let reply = read_reply(&bytes, 5, &name, TYPE::A).unwrap();
        assert_eq!(reply.answers.len(), 64, "bounded");
    }
    assert!(bench.ask("a.example", TYPE::A).await.code == RCODE::NoError);
}

#[tokio::test]
async fn noise_is_not_answered_and_a_flood_does_not_stop_it() {
    let bench = bench(&[], &[], vec![("a.example", vec![four("1.2.3.4")])]).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for number in 0..500u16 {
        let mut noise = vec![0xff; usize::from(number % 40)];
        noise.extend_from_slice(&number.to_be_bytes());
        socket.send_to(&noise, bench.udp).await.unwrap();
    }
    let oversized = vec![0; 3000];
    socket.send_to(&oversized, bench.udp).await.unwrap();
    let reply = bench.ask("a.example", TYPE::A).await;
    assert_eq!(reply.answers.len(), 1);
}

#[tokio::test]
async fn without_a_resolver_that_answers_the_guest_is_told_so() {
    let policy = Policy::new(&Rules::default(), &Default::default()).unwrap();
    let told = Told::default();
    let log = Arc::clone(&told);
    let attempts = Attempts::new(move |attempt| log.lock().unwrap().push(attempt));
    let resolver = Resolver::new(policy, Vec::new(), Arc::default(), Arc::new(attempts));
    let name = HostName::parse("a.example").unwrap();
    let query = write_query(5, &name, TYPE::A).unwrap();
    let answer = resolver.answer(&query, true).await.unwrap();
    let reply = read_reply(&answer, 5, &name, TYPE::A).unwrap();
    assert_eq!(reply.code, RCODE::ServerFailure);
    assert!(told.lock().unwrap()[0].reason.contains("no resolver"));
}
