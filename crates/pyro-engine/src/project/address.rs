//! Where a clone comes from, as a person writes it.
//!
//! Owns: which addresses and names are passed on to git, and how an address
//! is shown. Refuses: helpers (`ext::`, `fd::`), which run what they are told;
//! what git or ssh would take for an option; relative paths. Pure but for
//! the home directory.

use crate::layout::expand_home;

/// What may carry a clone; `file` only when the address itself is a path.
const REMOTE_PROTOCOLS: &str = "https:http:ssh:git";
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];
const FORMS: &str =
    "give https://, ssh://, git://, user@host:path, or an absolute path of this host";
/// Shorter ones are parts of too much else.
const LEAST_SECRET_BYTES: usize = 4;
const MOST_REFERENCE_BYTES: usize = 255;
/// Most characters of git's words in an error.
const MOST_SAID: usize = 600;

/// An address that was looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// For git; without the credentials of HTTP.
    pub url: String,
    /// For people; without credentials.
    pub shown: String,
    /// What git may use, as `GIT_ALLOW_PROTOCOL`.
    pub protocols: String,
    /// Those of HTTP, instead of in the arguments of processes, which everybody
    /// on this host may read.
    pub credentials: Option<Credentials>,
    /// Never to be shown.
    secrets: Vec<String>,
}

/// Who asks an HTTP server, as its address says.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Scheme, host and port that they are for, and nobody else.
    pub origin: String,
    /// User, or a token alone.
    pub name: String,
    /// None when the address has a name only.
    pub password: Option<String>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Looks at an address.
    ///
    /// # Errors
    /// Why it is not passed on; without credentials.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('-') {
            return Err("it begins like an option".into());
        }
        if text.chars().any(char::is_control) {
            return Err("it has control characters".into());
        }
        if text.starts_with('/') || text.starts_with("~/") {
            return Ok(Self::local(expand_home(text).display().to_string()));
        }
        if let Some((scheme, rest)) = text.split_once("://")
            && scheme.chars().all(is_of_scheme)
        {
            return Self::with_scheme(&scheme.to_ascii_lowercase(), rest);
        }
        if let Some((helper, _)) = text.split_once("::")
            && helper.chars().all(is_of_scheme)
        {
            return Err(format!("the helper {helper:?} is not allowed; {FORMS}"));
        }
        let before_path = text.split('/').next().unwrap_or_default();
        let Some((host, _)) = before_path.split_once(':') else {
            return Err(format!(
                "it is neither an address nor an absolute path; {FORMS}"
            ));
        };
        check_host(host.rsplit('@').next().unwrap_or_default())?;
        check_host(host)?;
        if text[host.len() + 1..].starts_with('-') {
            return Err("its path begins like an option".into());
        }
        Ok(Self {
            url: text.to_owned(),
            shown: text.to_owned(),
            protocols: REMOTE_PROTOCOLS.to_owned(),
            credentials: None,
            secrets: Vec::new(),
        })
    }

    fn local(path: String) -> Self {
        Self {
            shown: path.clone(),
            url: path,
            protocols: format!("{REMOTE_PROTOCOLS}:file"),
            credentials: None,
            secrets: Vec::new(),
        }
    }

    fn with_scheme(scheme: &str, rest: &str) -> Result<Self, String> {
        if !SCHEMES.contains(&scheme) {
            return Err(format!("the protocol {scheme:?} is not allowed; {FORMS}"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if scheme == "file" {
            if !(authority.is_empty() || authority == "localhost") || !path.starts_with('/') {
                return Err("a file address is file:///path".into());
            }
            return Ok(Self::local(path.to_owned()));
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        check_host(host)?;
        if user.is_some_and(|user| user.starts_with('-')) {
            return Err("its user begins like an option".into());
        }
        let mut secrets = Vec::new();
        if let Some(user) = user {
            let (name, password) = user.split_once(':').unwrap_or(("", user));
            // In HTTP a name alone is a token; in ssh it is a name.
            let secret = if user.contains(':') || scheme != "ssh" {
                password
            } else {
                ""
            };
            for one in [user, secret, name] {
                let hidden = one == user && !secret.is_empty() || one == secret;
                if hidden && one.len() >= LEAST_SECRET_BYTES {
                    secrets.extend([one.to_owned(), decoded(one)]);
                }
            }
        }
        let query = path.find(['?', '#']);
        if let Some(at) = query {
            secrets.push(path[at..].to_owned());
        }
        let shown_path = query.map_or_else(|| path.to_owned(), |at| format!("{}?...", &path[..at]));
        let shown_user = match (scheme, user) {
            ("ssh", Some(user)) => format!("{}@", user.split(':').next().unwrap_or_default()),
            _ => String::new(),
        };
        let http = scheme.starts_with("http");
        let credentials = user.filter(|_| http).map(|user| {
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name, Some(decoded(password))),
                None => (user, None),
            };
            Credentials {
                origin: format!("{scheme}://{host}"),
                name: decoded(name),
                password,
            }
        });
        // They become lines of git's protocol.
        if credentials.iter().any(Credentials::has_controls) {
            return Err("its credentials have control characters".into());
        }
        let url = match user {
            Some(user) if !http => format!("{scheme}://{user}@{host}{path}"),
            _ => format!("{scheme}://{host}{path}"),
        };
        Ok(Self {
            url,
            shown: format!("{scheme}://{shown_user}{host}{shown_path}"),
            protocols: REMOTE_PROTOCOLS.to_owned(),
            credentials,
            secrets,
        })
    }

    /// A text of git's without credentials.
    fn redacted(&self, text: &str) -> String {
        let mut text = text.replace(&self.url, &self.shown);
        let mut secrets: Vec<&String> = self.secrets.iter().filter(|one| !one.is_empty()).collect();
        secrets.sort_by_key(|one| std::cmp::Reverse(one.len()));
        for secret in secrets {
            text = text.replace(secret.as_str(), "[REDACTED]");
        }
        text
    }

    /// What git said, for an error: one line without credentials, its beginning.
    pub fn said(&self, text: &str) -> String {
        let line = self.redacted(text).lines().collect::<Vec<_>>().join("; ");
        line.chars().take(MOST_SAID).collect()
    }

    /// What tells clones apart, credentials included.
    pub fn identity(&self) -> String {
        let who = self.credentials.as_ref().map(|who| {
            let password = who.password.as_deref().unwrap_or_default();
            format!("{}:{password}", who.name)
        });
        format!("{}\n{}", self.url, who.unwrap_or_default())
    }
}

impl Credentials {
    fn has_controls(&self) -> bool {
        let password = self.password.iter().flat_map(|password| password.chars());
        self.name.chars().chain(password).any(char::is_control)
    }
}

/// What git takes for a part of a protocol's or helper's name.
fn is_of_scheme(one: char) -> bool {
    one.is_ascii_alphanumeric() || "+-.".contains(one)
}

fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() || host.starts_with('-') || host.contains([' ', '\\', '%']) {
        return Err(format!("its host is {host:?}"));
    }
    Ok(())
}

/// Without percent signs.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match byte.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Whether a branch, tag or commit may be called this.
///
/// # Errors
/// Why not.
pub fn check_reference(text: &str) -> Result<(), String> {
    let bad = |one: char| one.is_control() || " :?*[\\".contains(one);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let why = if text.starts_with('-') {
        "it begins like an option"
    } else if text.len() > MOST_REFERENCE_BYTES {
        "it is too long"
    } else if text.contains("..") || text.contains(['~', '^']) || text.contains("@{") || text == "@"
    {
        "it is an expression; give the branch, tag or commit it stands for"
    } else if text.chars().any(bad) || text.ends_with('.') || text.split('/').any(part) {
        "no branch or tag can be called so"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_known_protocols_and_no_options_pass() {
        for text in [
            "ext::sh -c touch% /tmp/x",
            "ext::sh -c x://y",
            "fd::3",
            "https::x",
            "a+b::x",
            "git+ssh://-oProxyCommand=evil/x",
            "svn+ssh://host/x",
            "https://a%0ahost=b@host/x",
            "https://a:b%0d@host/x",
            "-uevil",
            "--upload-pack=evil",
            "ssh://-oProxyCommand=evil/x",
            "ssh://user@-oProxyCommand=evil/x",
            "ssh://-x@host/y",
            "-oProxyCommand=evil:x",
            "user@-oProxyCommand=evil:x",
            "host:-x",
            "ftp://host/x",
            "gopher://x/y",
            "file://host/x",
            "relative/path",
            "./x",
            "https:///x",
            "https://a\nb/x",
            "",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        for (text, protocols) in [
            ("https://host/x.git", "https:http:ssh:git"),
            ("git@host:team/x.git", "https:http:ssh:git"),
            ("ssh://git@host:2222/x", "https:http:ssh:git"),
            ("git://host/x", "https:http:ssh:git"),
            ("/srv/x", "https:http:ssh:git:file"),
            ("file:///srv/x", "https:http:ssh:git:file"),
        ] {
            assert_eq!(Address::parse(text).unwrap().protocols, protocols, "{text}");
        }
    }

    #[test]
    fn credentials_are_neither_shown_nor_arguments() {
        let address =
            Address::parse("https://user:s3cr%40t@host:8443/x.git?private_token=abc").unwrap();
        assert_eq!(address.shown, "https://host:8443/x.git?...");
        assert_eq!(address.url, "https://host:8443/x.git?private_token=abc");
        let who = address.credentials.clone().unwrap();
        assert_eq!(who.origin, "https://host:8443");
        assert_eq!(
            (who.name.as_str(), who.password.as_deref()),
            ("user", Some("s3cr@t"))
        );
        let said = "fatal: https://user:s3cr%40t@host/ s3cr@t ?private_token=abc";
        let told = address.redacted(said);
        for secret in ["s3cr", "abc"] {
            assert!(!told.contains(secret), "{told}");
        }
        let other = Address::parse("https://user:word@host:8443/x.git?private_token=abc").unwrap();
        assert_ne!(other.identity(), address.identity());
        let token = Address::parse("https://ghp_0123456789@host/x").unwrap();
        assert_eq!(token.shown, "https://host/x");
        assert!(!format!("{token:?} {}", token.redacted("x ghp_0123456789 y")).contains("ghp"));
        let ssh = Address::parse("ssh://git:word1@host/x").unwrap();
        assert_eq!(ssh.shown, "ssh://git@host/x");
        assert!(!ssh.redacted(&ssh.url).contains("word1"));
    }

    #[test]
    fn references_are_names() {
        for good in [
            "main",
            "v1.2",
            "feature/x-y_z",
            "refs/heads/main",
            "0123abc",
            "HEAD",
            "ünï",
        ] {
            assert!(check_reference(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "a:b",
            "a^",
            "a~1",
            "x@{1}",
            "@",
            "a//b",
            "/a",
            "a/",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "a\nb",
            "*",
        ] {
            assert!(check_reference(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_never_looks_like_an_option_or_helper(text in "[-a-z:/@.+~% ]{0,40}|[a-z]{1,3}[+.-]?[a-z]{0,2}::?(//)?-?[a-z:/]{0,9}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(!address.url.starts_with('-'));
                let helper = address.url.split_once("::").is_some_and(|(name, _)|
                    !name.is_empty() && name.chars().all(is_of_scheme));
                prop_assert!(!helper, "{}", address.url);
            }
        }

        #[test]
        fn no_password_is_shown(password in "[a-zA-Z0-9_%]{8,30}", scheme in "https|http|ssh|git") {
            let parsed = Address::parse(&format!("{scheme}://me:{password}@host.example/x"));
            // Percent signs may make control characters.
            prop_assert!(parsed.is_ok() || password.contains(['0', '1', '7']), "{parsed:?}");
            let Ok(address) = parsed else { return Ok(()) };
            prop_assert!(!address.shown.contains(&password));
            let said = format!("could not read {password} of {}", address.url);
            let told = [format!("{address:?}"), address.redacted(&said)];
            prop_assert!(!told.iter().any(|told| told.contains(&password)));
            prop_assert!(scheme == "ssh" || scheme == "git" || !address.url.contains(&password));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = Address::parse(&text);
            let _ = check_reference(&text);
        }
    }
}
