//! The rules, entry by entry and by property.

use super::*;
use proptest::prelude::*;

fn policy(domains: &[&str], ranges: &[&str]) -> Policy {
    let host = Host {
        addresses: vec!["203.0.114.9".parse().unwrap()],
        networks: Vec::new(),
    };
    Policy::new(
        &Rules {
            allow_domains: domains.iter().map(ToString::to_string).collect(),
            allow_cidrs: ranges.iter().map(ToString::to_string).collect(),
        },
        &host,
    )
    .unwrap()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

#[test]
fn entries_that_are_no_rule_say_why_and_what_to_write() {
    for (entry, part) in [
        ("*", "leave --allow-domain out"),
        ("*.", "leave --allow-domain out"),
        ("*.org", "whole top level"),
        ("", "is empty"),
        ("a..b", "empty part"),
        ("ex*mple.org", "whole first part"),
        ("a.*.org", "whole first part"),
        ("1.2.3.4", "--allow-cidr"),
        ("1.2.3.4:80", "--allow-cidr"),
        ("0x7f.1", "--allow-cidr"),
        ("a.0x7f", "--allow-cidr"),
        ("[::1]:443", "--allow-cidr"),
        ("::1", "--allow-cidr"),
        ("bücher.example", "punycode"),
        ("https://example.org", "URL"),
        ("example.org/path", "no scheme, path"),
        ("example.org:0", "1 to 65535"),
        ("example.org:+80", "1 to 65535"),
        ("example.org:70000", "1 to 65535"),
        ("user@example.org", "no scheme"),
        ("-a.example.org", "- at an end"),
    ] {
        let error = DomainRule::parse(entry).unwrap_err().to_string();
        assert!(error.contains(part), "{entry}: {error}");
        assert!(
            error.contains(&format!("--allow-domain {entry}:")),
            "{error}"
        );
    }
    for (entry, part) in [
        ("example.org", "--allow-domain"),
        ("10.0.0.0/33", "IPv4"),
        ("10.0.0.0/+8", "IPv4"),
        ("fd00::/8", "IPv4"),
    ] {
        let rules = Rules {
            allow_cidrs: vec![entry.into()],
            ..Rules::default()
        };
        let error = Policy::new(&rules, &Host::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{entry}: {error}");
    }
}

#[test]
fn names_are_those_listed() {
    let limited = policy(
        &[
            "api.example.org",
            "*.cdn.example.org",
            "db.example.org:5432",
        ],
        &[],
    );
    for (asked, allowed) in [
        ("api.example.org", true),
        ("API.Example.ORG.", true),
        ("x.api.example.org", false),
        ("example.org", false),
        ("evilapi.example.org", false),
        ("a.cdn.example.org", true),
        ("a.b.cdn.example.org", true),
        ("cdn.example.org", false),
        ("evilcdn.example.org", false),
        ("api.example.org.evil.net", false),
        ("db.example.org", true),
    ] {
        let verdict = limited.name(&name(asked));
        assert_eq!(
            matches!(verdict, NameVerdict::Allowed(_)),
            allowed,
            "{asked}: {verdict:?}"
        );
    }
    assert!(matches!(
        policy(&[], &[]).name(&name("any.example")),
        NameVerdict::Allowed(_)
    ));
    assert!(matches!(
        policy(&[], &["10.0.0.0/8"]).name(&name("any.example")),
        NameVerdict::Refused(_)
    ));
}

#[test]
fn ports_are_80_and_443_or_the_one_named() {
    let limited = policy(&["api.example.org", "db.example.org:5432"], &[]);
    let port = |host: &str, port| limited.port(&name(host), port).map(|(seen, _)| seen);
    assert_eq!(port("api.example.org", 443), Some(PortVerdict::Tls));
    assert_eq!(port("api.example.org", 80), Some(PortVerdict::Http));
    assert_eq!(port("api.example.org", 22), None);
    assert_eq!(port("db.example.org", 5432), Some(PortVerdict::Unseen));
    assert_eq!(port("db.example.org", 443), None);
}

#[test]
fn addresses_are_those_of_the_packets_filter() {
    let open = policy(&[], &[]);
    for never in [
        "0.0.0.0",
        "10.1.2.3",
        "127.0.0.1",
        "169.254.169.254",
        "172.30.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "2606:4700::1111",
        "203.0.114.9",
        "::ffff:203.0.114.9",
    ] {
        let verdict = open.address(never.parse().unwrap());
        assert!(matches!(verdict, AddressVerdict::Refused(_)), "{never}");
    }
    for public in ["1.1.1.1", "172.32.0.1", "203.0.114.8", "::ffff:1.1.1.1"] {
        let verdict = open.address(public.parse().unwrap());
        assert_eq!(verdict, AddressVerdict::Public, "{public}");
    }
    let listed = policy(&[], &["10.0.0.0/8", "0.0.0.0/0"]);
    for (address, is_open) in [
        ("10.1.1.1", true),
        ("9.9.9.9", true),
        ("192.168.0.1", false),
        ("203.0.114.9", false),
    ] {
        let verdict = listed.address(address.parse().unwrap());
        assert_eq!(
            matches!(verdict, AddressVerdict::Listed(_)),
            is_open,
            "{address}: {verdict:?}"
        );
    }
    listed.see_host(&Host {
        addresses: vec!["9.9.9.9".parse().unwrap()],
        networks: Vec::new(),
    });
    let verdict = listed.clone().address("9.9.9.9".parse().unwrap());
    assert!(matches!(verdict, AddressVerdict::Refused(_)), "{verdict:?}");
}

#[test]
fn a_secret_is_no_permission() {
    let secret = |host: &str| Brokered {
        name: "TOKEN".into(),
        placeholder: "p".into(),
        value: b"v".to_vec(),
        hosts: vec![host.into()],
    };
    let limited = policy(&["api.example.org", "db.example.org:5432"], &[]);
    assert!(brokered_hosts(&limited, &secret("API.example.org")).is_ok());
    for other in ["www.example.org", "db.example.org"] {
        let error = brokered_hosts(&limited, &secret(other))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("add --allow-domain {other}")),
            "{error}"
        );
    }
    let error = brokered_hosts(&limited, &secret("*.example.org")).unwrap_err();
    assert!(matches!(error, RuleError::BrokeredName { .. }));
    assert!(brokered_hosts(&policy(&[], &[]), &secret("any.example.org")).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_a_rule_or_an_error(entry in "\\PC{0,80}") {
        let _ = DomainRule::parse(&entry);
    }

    #[test]
    fn a_rule_reads_back_as_itself(
        labels in proptest::collection::vec("[a-z]([a-z0-9_-]{0,8}[a-z0-9])?", 2..5),
        below: bool,
        port in proptest::option::of(1u16..),
    ) {
        let mut text = if below { "*.".to_owned() } else { String::new() };
        text += &labels.join(".");
        if let Some(port) = port {
            text += &format!(":{port}");
        }
        let rule = DomainRule::parse(&text).unwrap();
        prop_assert_eq!(rule.to_string(), text);
    }

    #[test]
    fn a_rule_covers_itself_or_what_is_below_and_nothing_beside(
        base in "[a-z]{1,8}\\.[a-z]{2,5}", front in "[a-z]{1,8}",
    ) {
        let exact = DomainRule::parse(&base).unwrap();
        let below = DomainRule::parse(&format!("*.{base}")).unwrap();
        let (itself, child) = (name(&base), name(&format!("{front}.{base}")));
        let beside = name(&format!("{front}{base}"));
        prop_assert!(exact.covers(&itself) && !exact.covers(&child) && !exact.covers(&beside));
        prop_assert!(!below.covers(&itself) && below.covers(&child) && !below.covers(&beside));
    }
}
