//! A guest's archive on the host.
//!
//! Owns: what may come out of it: plain files, directories, links, below one
//! fresh folder. Refuses: everything a hostile guest could mean by it.
//!
//! ```text
//!   first look   every header: kind, size of names, number of members
//!   second look  files and directories, each made new, nothing followed
//!   last         links, so that no member is ever written through one
//! ```

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::host_paths::is_in_git;
use crate::spool::{carried, go_on};
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// Most members of an archive.
const MAX_MEMBERS: u64 = 2_000_000;
/// Most bytes of a name or of a block of attributes.
const MAX_NAME_BYTES: u64 = 64 << 10;
/// Most bytes of all links' names and targets, which wait in memory.
const MAX_LINKS_BYTES: usize = 256 << 20;

/// What came out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Members.
    pub entry_count: u64,
    /// Bytes of regular files.
    pub bytes_written: u64,
    /// Members in a `.git`, where those are left out.
    pub left_out: u64,
    /// Links to what is not among them.
    pub links_out: u64,
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::runtime(
        "guest_reply",
        format!("the guest's archive is refused: {why}"),
    )
    .hint("something in the guest may have replaced its agent; use a fresh guest")
}

/// Unpacks `archive` below `folder`, which exists and is empty. Without
/// `git`, what is in a `.git` stays out: its configuration and hooks would run
/// when somebody looks at the folder with git.
///
/// # Errors
/// `guest_reply` for what is refused; `no_space`, `io` naming the path;
/// `cancelled`.
pub(super) fn unpack(
    archive: &mut File,
    folder: &Path,
    git: bool,
    cancel: &Cancel,
) -> Result<Unpacked> {
    look(archive, folder, cancel)?;
    archive
        .rewind()
        .map_err(Error::io("read the archive for", folder))?;
    let mut done = Unpacked::default();
    let mut links = BTreeMap::new();
    let mut links_bytes = 0;
    let mut folders = Vec::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(refused)? {
        go_on(cancel, "unpacking into", folder)?;
        let entry = entry.map_err(refused)?;
        let name = safe(&entry.path_bytes())?;
        if !git && is_in_git(&name) {
            done.left_out += 1;
            continue;
        }
        let path = folder.join(&name);
        let mode = entry.header().mode().map_err(refused)? & 0o777;
        match entry.header().entry_type() {
            EntryType::Directory => {
                std::fs::create_dir(&path).map_err(Error::io("create", &path))?;
                // Its members come after it, and it may not be writable.
                folders.push((path, mode));
            }
            EntryType::Symlink => {
                let target = entry
                    .link_name_bytes()
                    .ok_or_else(|| refused("a link without a target"))?;
                let target = PathBuf::from(std::ffi::OsStr::from_bytes(&target));
                links_bytes += name.as_os_str().len() + target.as_os_str().len();
                if links_bytes > MAX_LINKS_BYTES {
                    return Err(refused("links of too many bytes"));
                }
                done.links_out += u64::from(leads_out(&name, &target));
                if links.insert(path, target).is_some() {
                    return Err(refused("a name that occurs twice"));
                }
            }
            // `look` has let nothing else pass.
            _ => {
                done.bytes_written += file(entry, &path, mode, cancel)?;
            }
        }
        done.entry_count += 1;
    }
    for (path, target) in &links {
        symlink(target, path).map_err(Error::io("create", path))?;
    }
    for (path, mode) in folders.iter().rev() {
        std::fs::set_permissions(path, Permissions::from_mode(*mode))
            .map_err(Error::io("set the mode of", path))?;
    }
    Ok(done)
}

fn look(archive: &mut File, folder: &Path, cancel: &Cancel) -> Result<()> {
    let mut members = 0;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(refused)?.raw(true) {
        go_on(cancel, "looking at what goes into", folder)?;
        let entry = entry.map_err(refused)?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Directory | EntryType::Symlink => members += 1,
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink
                if entry.size() <= MAX_NAME_BYTES => {}
            other => return Err(refused(format!("a member of kind {other:?}"))),
        }
        if members > MAX_MEMBERS {
            return Err(refused(format!("more than {MAX_MEMBERS} members")));
        }
    }
    Ok(())
}

/// Whether a link called `name` names something outside, as it is written.
fn leads_out(name: &Path, target: &Path) -> bool {
    let mut way = name.parent().unwrap_or(Path::new("")).to_owned();
    target.components().any(|part| match part {
        Component::ParentDir => !way.pop(),
        Component::Normal(name) => {
            way.push(name);
            false
        }
        Component::CurDir => false,
        Component::RootDir | Component::Prefix(_) => true,
    })
}

/// A name below the folder and no other.
fn safe(name: &[u8]) -> Result<PathBuf> {
    let path = Path::new(std::ffi::OsStr::from_bytes(name));
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() || name.contains(&0) {
        return Err(refused(format!("a member called {:?}", path.display())));
    }
    Ok(path.components().collect())
}

fn file(entry: impl Read, path: &Path, mode: u32, cancel: &Cancel) -> Result<u64> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("create", path))?;
    let mut until = Until {
        entry,
        path,
        cancel,
    };
    let count = std::io::copy(&mut until, &mut file)
        .map_err(|error| carried(error).unwrap_or_else(Error::io("write", path)))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))?;
    Ok(count)
}

/// A member's data until nobody wants it any more.
struct Until<'a, R> {
    entry: R,
    path: &'a Path,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Until<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        go_on(self.cancel, "writing", self.path).map_err(std::io::Error::other)?;
        self.entry.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn archive(members: &[(&str, EntryType, &str, &str)]) -> File {
        let mut builder = Builder::new(tempfile::tempfile().unwrap());
        for (name, kind, link, content) in members {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_size(content.len() as u64);
            // By hand: the builder refuses the names a hostile guest takes.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        let mut file = builder.into_inner().unwrap();
        file.rewind().unwrap();
        file
    }

    fn unpacked(
        members: &[(&str, EntryType, &str, &str)],
    ) -> (tempfile::TempDir, Result<Unpacked>) {
        let folder = tempfile::tempdir().unwrap();
        let done = unpack(
            &mut archive(members),
            folder.path(),
            true,
            &Cancel::default(),
        );
        (folder, done)
    }

    #[test]
    fn plain_members_come_out_without_setuid() {
        let (folder, done) = unpacked(&[
            ("d", EntryType::Directory, "", ""),
            ("d/f", EntryType::Regular, "", "abc"),
            ("d/l", EntryType::Symlink, "../../etc/passwd", ""),
        ]);
        let done = done.unwrap();
        assert_eq!((done.entry_count, done.bytes_written), (3, 3));
        assert_eq!(done.links_out, 1);
        let mode = std::fs::metadata(folder.path().join("d/f"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(
            std::fs::read_link(folder.path().join("d/l")).unwrap(),
            Path::new("../../etc/passwd")
        );
    }

    #[test]
    fn links_that_lead_out_are_known() {
        let out = |name, target| leads_out(Path::new(name), Path::new(target));
        for (name, target) in [
            ("l", ".."),
            ("l", "/etc"),
            ("d/l", "../../x"),
            ("d/l", "a/../../../x"),
        ] {
            assert!(out(name, target), "{name} -> {target}");
        }
        for (name, target) in [
            ("l", "x"),
            ("l", "d/.."),
            ("d/l", "../x"),
            ("d/e/l", "../.."),
        ] {
            assert!(!out(name, target), "{name} -> {target}");
        }
    }

    #[test]
    fn a_repository_stays_out_where_it_shall() {
        let members = [
            ("d", EntryType::Directory, "", ""),
            ("d/.git", EntryType::Directory, "", ""),
            ("d/.git/config", EntryType::Regular, "", "[core]"),
            ("d/.GIT", EntryType::Symlink, "elsewhere", ""),
            ("d/.gitignore", EntryType::Regular, "", "x"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let done = unpack(
            &mut archive(&members),
            folder.path(),
            false,
            &Cancel::default(),
        )
        .unwrap();
        assert_eq!((done.entry_count, done.left_out), (2, 3));
        let names = std::fs::read_dir(folder.path().join("d")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [".gitignore"]);
    }

    #[test]
    fn what_could_reach_out_is_refused() {
        let outside = tempfile::tempdir().unwrap();
        let there = outside.path().display().to_string();
        let cases: [&[(&str, EntryType, &str, &str)]; 7] = [
            &[("../x", EntryType::Regular, "", "x")],
            &[("/tmp/x", EntryType::Regular, "", "x")],
            &[("a/../../x", EntryType::Regular, "", "x")],
            &[("dev", EntryType::Block, "", "")],
            &[("p", EntryType::Fifo, "", "")],
            &[("h", EntryType::Link, "/etc/passwd", "")],
            &[
                ("f", EntryType::Symlink, &there, ""),
                ("f", EntryType::Symlink, &there, ""),
            ],
        ];
        for members in cases {
            let (_folder, done) = unpacked(members);
            assert_eq!(done.unwrap_err().code, "guest_reply", "{members:?}");
        }
        // Through a link of its own: the link does not exist by then.
        let (_folder, done) = unpacked(&[
            ("l", EntryType::Symlink, &there, ""),
            ("l/x", EntryType::Regular, "", "x"),
        ]);
        assert!(done.is_err());
        // Twice the same file.
        let (_folder, done) = unpacked(&[
            ("f", EntryType::Regular, "", "a"),
            ("f", EntryType::Regular, "", "b"),
        ]);
        assert!(done.is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cancel_ends_it_in_the_middle_of_a_file() {
        struct Cancelling<'a>(&'a Cancel, usize);
        impl Read for Cancelling<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.1 += 1;
                assert!(self.1 < 20, "it is read on");
                if self.1 == 10 {
                    self.0.cancel();
                }
                Ok(buffer.len())
            }
        }
        let (folder, cancel) = (tempfile::tempdir().unwrap(), Cancel::default());
        let path = folder.path().join("f");
        let error = file(Cancelling(&cancel, 0), &path, 0o644, &cancel).unwrap_err();
        assert_eq!(error.code, "cancelled");
        let mut archive = archive(&[("d", EntryType::Directory, "", "")]);
        let error = unpack(&mut archive, folder.path(), true, &cancel).unwrap_err();
        assert_eq!(error.code, "cancelled");
        assert!(!folder.path().join("d").exists());
    }

    #[test]
    fn a_name_of_megabytes_is_not_read() {
        let name = "x".repeat(1 << 20);
        let (_folder, done) = unpacked(&[
            ("././@LongLink", EntryType::GNULongName, "", &name),
            ("f", EntryType::Regular, "", ""),
        ]);
        assert_eq!(done.unwrap_err().code, "guest_reply");
    }
}
