//! One more authority for the programs of the guest.
//!
//! ```text
//!   /run/pyro-trust/authority.crt        the certificate      NODE_EXTRA_CA_CERTS
//!   /run/pyro-trust/ca-certificates.crt  the image's + it     SSL_CERT_FILE, ...
//!        `--bind--> /etc/ssl/certs/ca-certificates.crt, ...   programs without variables
//! ```
//!
//! Owns: both files, in memory; the mounts over the image's lists, so that no
//! disk is changed; the variables of commands. Refuses: an agent without a
//! machine, whose lists are the host's; to wait for, or to read much of, what
//! the guest put where a list should be. While a list is mounted over, a
//! program in the guest cannot replace it: `umount` it first.

use crate::machine::{Machine, Phase};
use crate::reply::failed;
use crate::role::Role;
use pyro_proto::messages::trust::{
    AuthorityTrusted, MAX_CERTIFICATE_BYTES, TRUST_FOLDER, TrustAuthority,
};
use pyro_proto::messages::{Failed, LEAVING};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::mount_bind;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Lists of authorities where distributions have them.
const LISTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
const MAX_LIST_BYTES: u64 = 8 << 20;

/// What stands before the authority in a list, to find it again.
const MARK: &str = "# The authority of this workspace's brokered secrets, made by pyro.\n";

/// Variables that name a list: OpenSSL and Go, curl, git, Python's requests
/// and pip, cargo.
const LIST_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
];
/// Node has a list of its own and takes more.
const MORE_VARIABLE: &str = "NODE_EXTRA_CA_CERTS";

static VARIABLES: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

/// Carries the request out.
pub fn run(machine: &Machine, wanted: &TrustAuthority) -> Result<AuthorityTrusted, Failed> {
    match (machine.role, *machine.phase()) {
        (Role::Process { .. }, _) => {
            let message = "an agent without a machine trusts nobody: its lists are the host's";
            return Err(failed("bad_request", message));
        }
        (_, Phase::Leaving) => return Err(failed(LEAVING, "the machine is powering off")),
        (_, Phase::Fresh | Phase::Configuring) => {
            return Err(failed("not_configured", "the guest was not configured yet"));
        }
        (_, Phase::Ready) => {}
    }
    check(&wanted.certificate_pem)?;
    install(&wanted.certificate_pem).map_err(|error| {
        failed(
            "internal",
            format!("the authority in {TRUST_FOLDER}: {error}"),
        )
    })
}

fn check(certificate: &str) -> Result<(), Failed> {
    let body = certificate
        .trim()
        .strip_prefix("-----BEGIN CERTIFICATE-----")
        .and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
    let is_body = |body: &str| {
        body.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte))
    };
    if certificate.len() <= MAX_CERTIFICATE_BYTES && body.is_some_and(is_body) {
        return Ok(());
    }
    Err(failed("bad_request", "that is not one certificate as PEM"))
}

/// Variables of every command.
pub fn variables() -> Vec<(&'static str, String)> {
    VARIABLES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

fn install(certificate: &str) -> io::Result<AuthorityTrusted> {
    let folder = Path::new(TRUST_FOLDER);
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let (alone, list) = (
        folder.join("authority.crt"),
        folder.join("ca-certificates.crt"),
    );
    let own: Vec<(&str, String)> = LISTS
        .into_iter()
        .filter_map(|path| Some((path, read(Path::new(path))?)))
        .collect();
    std::fs::write(&alone, certificate)?;
    // Truncated and written, not replaced: it may be mounted already.
    let first = own.first().map_or("", |(_, text)| text.as_str());
    std::fs::write(&list, joined(first, certificate))?;
    let mut bundles = Vec::new();
    for (path, _) in &own {
        if !is_same(Path::new(path), &list) {
            mount_bind(&list, *path)?;
        }
        bundles.push((*path).to_owned());
    }
    let mut variables = vec![(MORE_VARIABLE, alone.display().to_string())];
    // A list with this authority only would take others away from programs
    // that bring their own.
    if !own.is_empty() {
        let list = list.display().to_string();
        variables.extend(LIST_VARIABLES.map(|name| (name, list.clone())));
    }
    *VARIABLES.lock().unwrap_or_else(PoisonError::into_inner) = variables;
    Ok(AuthorityTrusted { bundles })
}

/// A list of the image, if there is one worth the name.
fn read(path: &Path) -> Option<String> {
    // Not blocking: what the guest put there may be a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty()).ok()?);
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_LIST_BYTES {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_LIST_BYTES).read_to_string(&mut text).ok()?;
    text.contains("-----BEGIN CERTIFICATE-----").then_some(text)
}

/// The image's list and the authority, instead of one of before.
fn joined(list: &str, certificate: &str) -> String {
    let own = list.split(MARK).next().unwrap_or_default();
    let between = if own.is_empty() || own.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{own}{between}{MARK}{}\n", certificate.trim())
}

fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    id(one).is_some() && id(one) == id(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn only_one_certificate_is_taken() {
        assert!(check(ONE).is_ok());
        for other in [
            "",
            "text",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nAA AA\n-----END CERTIFICATE-----\n",
            &format!("{ONE}{ONE}"),
            &format!(
                "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----",
                "A".repeat(MAX_CERTIFICATE_BYTES)
            ),
        ] {
            assert!(check(other).is_err(), "{other:.60}");
        }
    }

    #[test]
    fn a_list_keeps_its_own_and_has_one_authority_of_ours() {
        let first = joined("own\n", ONE);
        assert_eq!(first, format!("own\n{MARK}{ONE}"));
        let second = joined(&first, "other");
        assert_eq!(second, format!("own\n{MARK}other\n"));
        assert_eq!(joined("own", "x"), format!("own\n{MARK}x\n"));
        assert_eq!(joined("", "x"), format!("{MARK}x\n"));
    }

    #[test]
    fn a_pipe_a_folder_and_a_text_are_no_lists() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::fs::write(at("text"), "no certificate").unwrap();
        std::fs::write(at("list"), ONE).unwrap();
        assert_eq!(read(folder.path()), None);
        assert_eq!(read(&at("pipe")), None);
        assert_eq!(read(&at("text")), None);
        assert_eq!(read(&at("missing")), None);
        assert_eq!(read(&at("list")).as_deref(), Some(ONE));
    }
}
