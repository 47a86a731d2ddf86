//! The token of a server: a file that its owner alone may read, made when it
//! is missing and kept, so that a host's configuration outlives the server.
//!
//! Owns: making and checking it. Refuses: a file that others may read or that
//! is no file, and a token that can be guessed.

use pyro::{Error, Result};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Letters of a token that somebody chose.
const LEAST_CHARS: usize = 32;
/// No token is longer; more is another file.
const MOST_BYTES: u64 = 4096;

/// The token in `file`, which is made when it is missing.
///
/// # Errors
/// `token_file`, naming the file and what is wrong with it.
pub fn of(file: &Path) -> Result<String> {
    let cannot =
        |what: &str, error: &std::io::Error| wrong(file, &format!("cannot {what} it: {error}"));
    match open(file) {
        Ok(opened) => read(file, opened),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(file).map_err(|error| cannot("make", &error))?;
            read(file, open(file).map_err(|error| cannot("open", &error))?)
        }
        Err(error) => Err(cannot("open", &error)),
    }
}

fn wrong(file: &Path, what: &str) -> Error {
    Error::runtime(
        "token_file",
        format!("the token file {}: {what}", file.display()),
    )
    .hint("remove it, and pyro makes a new one; or name another with --http-token-file")
}

/// No link is followed, and no FIFO waited for.
fn open(file: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(file)
}

/// Written beside it and linked to its place, so that of two servers which
/// start at once both have the same.
fn make(file: &Path) -> std::io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut random = [0; 32];
    let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    if filled < random.len() {
        return Err(std::io::Error::other("the kernel gave no random bytes"));
    }
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let beside = folder.join(format!(".mcp-token-{}-{}", std::process::id(), &text[..8]));
    let mut options = OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    // The first half named the file; what is secret is all that follows.
    let linked = new
        .write_all(format!("{}\n", &text[8..]).as_bytes())
        .and_then(|()| std::fs::hard_link(&beside, file));
    std::fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn read(file: &Path, opened: File) -> Result<String> {
    let cannot = |error: std::io::Error| wrong(file, &format!("cannot read it: {error}"));
    let about = opened.metadata().map_err(cannot)?;
    if !about.is_file() {
        // Not to be removed on advice: it may be a device.
        return Err(
            wrong(file, "it is no regular file").hint("name another with --http-token-file")
        );
    }
    if about.mode() & 0o077 != 0 {
        return Err(wrong(file, "others may read it; its mode has to be 0600"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(wrong(file, "it belongs to another user"));
    }
    let mut text = String::new();
    opened
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < LEAST_CHARS || !plain {
        let rule = format!("it has to hold at least {LEAST_CHARS} letters without spaces");
        return Err(wrong(file, &rule));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/token");
        let token = of(&file).unwrap();
        assert_eq!(of(&file).unwrap(), token);
        assert!(token.len() >= LEAST_CHARS);
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "nothing is left beside it");
        let other = of(&folder.path().join("other")).unwrap();
        assert_ne!(other, token);
    }

    #[test]
    fn what_others_know_or_can_guess_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let refused = || of(&file).unwrap_err().message;
        std::fs::write(&file, "x".repeat(40)).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(refused().contains("0600"), "{}", refused());
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(of(&file).unwrap(), "x".repeat(40));
        for weak in ["", "short", &"a b ".repeat(20)] {
            std::fs::write(&file, weak).unwrap();
            assert!(refused().contains("32 letters"), "{weak:?}");
        }
        let target = folder.path().join("target");
        std::fs::rename(&file, &target).unwrap();
        std::os::unix::fs::symlink(&target, &file).unwrap();
        assert!(refused().contains("cannot open"), "{}", refused());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(refused().contains("no regular file") || refused().contains("mode"));
        let device = of(Path::new("/dev/null")).unwrap_err();
        assert!(!device.hint.unwrap().contains("remove"));
    }
}
