//! The namespace's packet rules, as text for nft.
//!
//! Owns: every rule and the reason for it. Pure. Refuses: names and requests
//! (the resolver and the proxy), and running nft.
//!
//! ```text
//!  tap0 --> guest_ (spoofed? IPv6?) --> steer (port 53 -> resolver, TCP -> proxy)
//!             |                           |-- here --> arriving: resolver, proxy, ping
//!             `- dropped                  `-- out ---> passing: closed? listed? --> uplink
//!  gateway's own connections ----------------------> leaving: closed?
//! ```
//!
//! What is refused is answered (no program waits for a timeout), but for what
//! is spoofed. Everything refused and every new connection goes to the log,
//! at most [`LOGGED_PER_SECOND`] a second per rule: a flood is counted by the
//! first of it.

use super::order::{GATEWAY, GUEST, GUEST_MAC, TAP, UPLINK};
use super::ranges::{Closed, Range, outermost};
use std::fmt::Write;

/// The group of the kernel's log in which the rules write.
pub const LOG_GROUP: u16 = 5;
/// Bytes of each packet in the log: two headers with options.
const LOGGED_BYTES: u32 = 128;
const LOGGED_PER_SECOND: u32 = 200;
/// Before the reason of what was refused, and of what was let through.
pub const REFUSED: &str = "refused:";
/// See [`REFUSED`].
pub const ALLOWED: &str = "allowed:";
const TABLE: &str = "inet pyro";

/// What the rules depend on.
#[derive(Debug)]
pub struct Policy<'a> {
    /// What nobody may reach.
    pub closed: &'a [Closed],
    /// What the operator listed.
    pub allowed: &'a [Range],
    /// Whether only what is listed may be reached.
    pub limited: bool,
    /// Whether secrets are brokered; then a listed range goes by the proxy,
    /// too, since a host that gets one may be in it.
    pub brokered: bool,
    /// Where TCP goes that is not listed by address, when names are looked at.
    pub proxy_port: Option<u16>,
}

/// The whole set of rules; it replaces the one before in one step.
#[must_use]
pub fn ruleset(policy: &Policy<'_>) -> String {
    let mut text = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    for closed in policy.closed {
        let word = closed.why.word();
        set(&mut text, &format!("closed_{word}"), &closed.ranges);
        set(&mut text, &format!("opened_{word}"), &closed.opened);
    }
    set(&mut text, "listed", &outermost(policy.allowed.to_vec()));
    guest(&mut text);
    steer(&mut text, policy);
    arriving(&mut text, policy);
    passing(&mut text, policy);
    text.push_str(&format!(
        "  chain leaving {{\n    type filter hook output priority filter; policy accept;\n    oifname != \"{UPLINK}\" accept\n    ct state established,related accept\n    jump closed\n  }}\n"
    ));
    // pasta answers to the address it last saw, so there is only one.
    let _ = writeln!(
        text,
        "  chain sources {{\n    type nat hook postrouting priority srcnat; policy accept;\n    oifname \"{UPLINK}\" masquerade\n  }}\n}}"
    );
    text
}

fn set(text: &mut String, name: &str, ranges: &[Range]) {
    let _ = write!(text, "  set {name} {{ type ipv4_addr; flags interval;");
    if !ranges.is_empty() {
        let ranges: Vec<_> = ranges.iter().map(Range::to_string).collect();
        let _ = write!(text, " elements = {{ {} }}", ranges.join(", "));
    }
    text.push_str(" }\n");
}

fn log(matches: &str, prefix: &str, reason: &str, then: &str) -> String {
    let matches = if matches.is_empty() {
        String::new()
    } else {
        format!("{matches} ")
    };
    format!(
        "    {matches}limit rate {LOGGED_PER_SECOND}/second log prefix \"{prefix}{reason}\" group {LOG_GROUP} snaplen {LOGGED_BYTES}\n    {matches}{then}\n"
    )
}

const ANSWER: &str = "reject with icmpx type admin-prohibited";

fn refuse(matches: &str, reason: &str) -> String {
    log(matches, REFUSED, reason, ANSWER)
}

/// What no guest of this namespace can have sent in good faith, and what the
/// kernel drops before any later rule sees it.
fn guest(text: &mut String) {
    let _ = write!(
        text,
        "  chain guest_ {{\n    type filter hook prerouting priority raw; policy accept;\n    iifname != \"{TAP}\" accept\n"
    );
    // Multicast of a kernel that looks for neighbours is not worth a line.
    text.push_str("    ip6 daddr ff00::/8 drop\n");
    for (matches, reason) in [
        ("meta nfproto ipv6".to_owned(), "ipv6"),
        (format!("ether saddr != {GUEST_MAC}"), "spoofed"),
        (format!("ip saddr != {GUEST}"), "spoofed"),
        (
            "ip daddr { 224.0.0.0/4, 255.255.255.255 }".to_owned(),
            "multicast",
        ),
    ] {
        text.push_str(&log(&matches, REFUSED, reason, "drop"));
    }
    text.push_str("  }\n");
}

fn steer(text: &mut String, policy: &Policy<'_>) {
    let _ = write!(
        text,
        "  chain steer {{\n    type nat hook prerouting priority dstnat; policy accept;\n    iifname != \"{TAP}\" accept\n    udp dport 53 redirect to :53\n    tcp dport 53 redirect to :53\n"
    );
    if let Some(port) = policy.proxy_port {
        if !policy.brokered {
            text.push_str("    ip daddr @listed accept\n");
        }
        let _ = writeln!(text, "    meta l4proto tcp redirect to :{port}");
    }
    text.push_str("  }\n");
}

fn arriving(text: &mut String, policy: &Policy<'_>) {
    let _ = write!(
        text,
        "  chain arriving {{\n    type filter hook input priority filter; policy drop;\n    iifname \"lo\" accept\n    ct state established,related accept\n    iifname != \"{TAP}\" drop\n    meta l4proto {{ tcp, udp }} th dport 53 accept\n    ip daddr {GATEWAY} icmp type echo-request accept\n"
    );
    if let Some(port) = policy.proxy_port {
        // Only what was steered there, nobody who dials the port itself.
        let _ = writeln!(text, "    ct status dnat tcp dport {port} accept");
    }
    text.push_str(&refuse("", "gateway"));
    text.push_str("  }\n");
}

fn passing(text: &mut String, policy: &Policy<'_>) {
    text.push_str("  chain closed {\n");
    for closed in policy.closed {
        let word = closed.why.word();
        text.push_str(&refuse(
            &format!("ip daddr @closed_{word} ip daddr != @opened_{word}"),
            word,
        ));
    }
    let _ = write!(
        text,
        "  }}\n  chain passing {{\n    type filter hook forward priority filter; policy drop;\n    ct state established,related accept\n    iifname != \"{TAP}\" drop\n    ct state invalid drop\n    jump closed\n"
    );
    text.push_str(&log("ip daddr @listed", ALLOWED, "listed", "accept"));
    if policy.limited {
        text.push_str(&refuse("", "not_listed"));
    } else {
        if policy.brokered {
            // Clients fall back to TCP, where the proxy is.
            text.push_str(&refuse("udp dport 443", "quic"));
        }
        text.push_str(&log(
            "meta l4proto { tcp, udp }",
            ALLOWED,
            "public",
            "accept",
        ));
        text.push_str(&log("icmp type echo-request", ALLOWED, "public", "accept"));
        text.push_str(&refuse("", "protocol"));
    }
    text.push_str("  }\n");
}

/// A reason as a person reads it.
#[must_use]
pub fn reason(word: &str) -> String {
    use super::ranges::Why;
    let closed = [
        Why::Host,
        Why::Network,
        Why::Metadata,
        Why::LinkLocal,
        Why::Private,
        Why::Loopback,
        Why::Multicast,
        Why::Reserved,
    ];
    if let Some(why) = closed.iter().find(|why| why.word() == word) {
        return why.reason().to_owned();
    }
    match word {
        "ipv6" => "guests have no IPv6",
        "spoofed" => "not the guest's own source address",
        "gateway" => "the gateway offers nothing there",
        "not_listed" => "not listed by --allow-domain or --allow-cidr",
        "listed" => "listed by --allow-cidr",
        "public" => "a public address",
        "quic" => "no secret can be put into HTTP/3",
        "protocol" => "only TCP, UDP and ping pass",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::ranges;
    use super::*;

    fn text(limited: bool, proxy_port: Option<u16>) -> String {
        let allowed = vec!["10.1.0.0/16".parse().unwrap()];
        let closed = ranges::closed(&ranges::Host::default(), &allowed);
        ruleset(&Policy {
            closed: &closed,
            allowed: &allowed,
            limited,
            brokered: false,
            proxy_port,
        })
    }

    fn chain(text: &str, name: &str) -> String {
        let (_, rest) = text.split_once(&format!("chain {name} {{")).unwrap();
        rest.split_once("\n  }").unwrap().0.to_owned()
    }

    #[test]
    fn closed_ranges_come_before_everything_that_lets_through() {
        for (limited, port) in [(false, None), (true, None), (true, Some(9))] {
            let text = text(limited, port);
            let passing = chain(&text, "passing");
            let (before, after) = passing.split_once("jump closed").unwrap();
            assert!(!before.contains("allowed:"), "{before}");
            assert!(after.contains("@listed"), "{after}");
            assert_eq!(after.contains("allowed:public"), !limited, "{after}");
            assert!(chain(&text, "closed").contains("@closed_host ip daddr != @opened_host"));
        }
    }

    #[test]
    fn tcp_goes_to_the_proxy_only_where_there_is_one() {
        assert!(!text(true, None).contains("redirect to :9"));
        let with = text(true, Some(9));
        assert!(chain(&with, "steer").contains("meta l4proto tcp redirect to :9"));
        assert!(chain(&with, "arriving").contains("ct status dnat tcp dport 9 accept"));
    }

    #[test]
    fn every_reason_of_a_rule_has_words() {
        let closed = ranges::closed(&ranges::Host::default(), &[]);
        let with = ruleset(&Policy {
            closed: &closed,
            allowed: &[],
            limited: false,
            brokered: true,
            proxy_port: Some(9),
        });
        assert!(!chain(&with, "steer").contains("@listed"), "{with}");
        assert!(with.contains("refused:quic"), "{with}");
        let text = text(true, Some(9)) + &text_open() + &with;
        for part in text.split("prefix \"").skip(1) {
            let word = part.split('"').next().unwrap().split(':').nth(1).unwrap();
            assert!(reason(word).contains(' '), "{word}");
        }
    }

    fn text_open() -> String {
        text(false, None)
    }
}
