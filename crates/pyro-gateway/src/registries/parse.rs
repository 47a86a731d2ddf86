//! Finding URLs in the files of package clients.
//!
//! Owns: as much of each format as says where packages come from. Refuses:
//! failing; what cannot be read names nothing.

use crate::rules::DomainRule;

/// `pip.conf`: values may go on in indented lines.
pub fn pip(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let mut is_wanted = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            is_wanted = false;
            let Some((key, value)) = trimmed.split_once(['=', ':']) else {
                continue;
            };
            let key = key.trim().replace('_', "-");
            is_wanted = ["index-url", "extra-index-url", "find-links"].contains(&key.as_str());
            if is_wanted {
                urls.extend(value.split_whitespace().map(String::from));
            }
        } else if is_wanted {
            urls.extend(trimmed.split_whitespace().map(String::from));
        }
    }
    urls
}

/// `npmrc`: the registry, also those of scopes.
pub fn npm(text: &str) -> Vec<String> {
    let pairs = text.lines().filter_map(|line| {
        let line = line.trim();
        (!line.starts_with(['#', ';']))
            .then(|| line.split_once('='))
            .flatten()
    });
    pairs
        .filter(|(key, _)| {
            let key = key.trim();
            key == "registry" || key.starts_with('@') && key.ends_with(":registry")
        })
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .collect()
}

/// cargo's `config.toml`, by line: tables and dotted keys.
pub fn cargo(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let mut table = String::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').trim().to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let key = format!("{table}.{}", key.trim());
        let key = key.trim_start_matches('.');
        let is_wanted = key.starts_with("registries.") && key.ends_with(".index")
            || key.starts_with("source.") && key.ends_with(".registry");
        if is_wanted {
            let quoted = value.split(['"', '\'']).nth(1);
            urls.extend(quoted.map(String::from));
        }
    }
    urls
}

/// `sources.list`: `deb [options] URL suite ...`.
pub fn apt_lines(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(("deb" | "deb-src", rest)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        urls.extend(rest.split_whitespace().next().map(String::from));
    }
    urls
}

/// `*.sources`: stanzas, unless they are not enabled.
pub fn apt_stanzas(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let (mut stanza, mut is_enabled, mut is_wanted) = (Vec::new(), true, false);
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if is_enabled {
                urls.append(&mut stanza);
            }
            (stanza, is_enabled, is_wanted) = (Vec::new(), true, false);
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if is_wanted {
                stanza.extend(line.split_whitespace().map(String::from));
            }
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        is_wanted = key.trim().eq_ignore_ascii_case("uris");
        if is_wanted {
            stanza.extend(value.split_whitespace().map(String::from));
        }
        if key.trim().eq_ignore_ascii_case("enabled") {
            is_enabled = !matches!(value.trim(), "no" | "false" | "0");
        }
    }
    urls
}

/// The entry of a list of names that a URL's host is. None: it has no name,
/// or is no URL of the web.
pub fn entry(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.rsplit('+').next()?;
    let usual: u16 = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let entry = match host.rsplit_once(':') {
        Some((name, port)) if port.parse() == Ok(usual) => name.to_owned(),
        _ => host.to_owned(),
    };
    let rule = DomainRule::parse(&entry).ok()?;
    let is_whole = entry.contains('.') && !entry.contains('*');
    is_whole.then(|| rule.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_found() {
        assert_eq!(
            pip(
                "[global]\nindex-url = https://a/x\nextra_index_url:\n  https://b/\n  # no\n  https://c/\n[install]\nfind-links=d\ntrusted-host = e\n  f\n"
            ),
            ["https://a/x", "https://b/", "https://c/", "d"]
        );
        assert_eq!(
            npm(
                "registry=https://a/\n;registry=https://no/\n@me:registry = \"https://b/\"\n//a/:_authToken=secret\n"
            ),
            ["https://a/", "https://b/"]
        );
        assert_eq!(
            cargo(
                "[source.x]\nregistry = \"https://a/\"\n[registries]\ny.index = 'sparse+https://b/'\ntoken = \"no\"\n[net]\nregistry = \"no\"\n"
            ),
            ["https://a/", "sparse+https://b/"]
        );
        assert_eq!(
            apt_lines(
                "deb [signed-by=/x arch=y] https://a/d s main # c\n#deb http://no\ndeb-src\thttp://b s\ndeb cdrom:[x]/ s\n"
            ),
            ["https://a/d", "http://b", "cdrom:[x]/"]
        );
        assert_eq!(
            apt_stanzas(
                "Types: deb\nURIs: https://a https://b\n https://c\nSuites: x\n\nEnabled: no\nURIs: https://no\n"
            ),
            ["https://a", "https://b", "https://c"]
        );
    }

    #[test]
    fn entries_have_a_name_and_a_port_only_if_it_is_unusual() {
        for (url, expected) in [
            ("https://user:p@ss@a.example/x", Some("a.example")),
            ("https://A.example:443/x", Some("a.example")),
            ("http://a.example:443/x", Some("a.example:443")),
            ("sparse+https://a.example:8443", Some("a.example:8443")),
            ("mirror+http://a.example/list", Some("a.example")),
            ("https://1.2.3.4/x", None),
            ("https://[::1]/x", None),
            ("https://${HOST}/x", None),
            ("https://*.a.example/x", None),
            ("http://localhost:3141/x", None),
            ("file:///opt/wheels", None),
            ("/opt/wheels", None),
        ] {
            assert_eq!(entry(url).as_deref(), expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,40}(\n[ -~]{0,40}){0,5}") {
            for read in [pip, npm, cargo, apt_lines, apt_stanzas] {
                for url in read(&text) {
                    let _ = entry(&url);
                }
            }
        }
    }
}
