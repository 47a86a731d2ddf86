//! Writes uncompressed `newc` cpio archives: what the kernel unpacks as its
//! initramfs.
//!
//! Owns: header fields, alignment, unique inode numbers, the trailer. The
//! kernel reads several archives one after another, so an initramfs may be
//! the modules of an environment followed by the agent.
//! Refuses: names the kernel would unpack elsewhere (absolute, `..`, NUL) and
//! files that do not fit the format's 32 bits. Compresses nothing: unpacking
//! a few MB costs the guest more than reading them.
//!
//! ```text
//! "070701" 13 x 8 hex digits | name NUL | 0-3 x NUL | data | 0-3 x NUL
//! ```

use std::io::{Error, ErrorKind, Result, Write};

const DIRECTORY: u32 = 0o040_000;
const CHARACTER: u32 = 0o020_000;
const REGULAR: u32 = 0o100_000;
const HEADER: usize = 110;

/// An archive under way. Ends with [`Writer::finish`]; without it the archive is cut off.
pub struct Writer<W: Write> {
    out: W,
    inode: u32,
}

struct Entry<'a> {
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    data: &'a [u8],
}

impl<W: Write> Writer<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    /// Adds a folder; its parents must have been added before.
    ///
    /// # Errors
    /// A refused name, or the writer's own.
    pub fn dir(&mut self, name: &str, mode: u32) -> Result<()> {
        self.entry(&Entry {
            name,
            mode: DIRECTORY | (mode & 0o7777),
            device: (0, 0),
            data: &[],
        })
    }

    /// Adds a regular file.
    ///
    /// # Errors
    /// A refused name, 4 GiB of data or more, or the writer's own.
    pub fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.entry(&Entry {
            name,
            mode: REGULAR | (mode & 0o7777),
            device: (0, 0),
            data,
        })
    }

    /// Adds a character device, for example `dev/console` with 5 and 1.
    ///
    /// # Errors
    /// A refused name, or the writer's own.
    pub fn char_device(&mut self, name: &str, mode: u32, major: u32, minor: u32) -> Result<()> {
        self.entry(&Entry {
            name,
            mode: CHARACTER | (mode & 0o7777),
            device: (major, minor),
            data: &[],
        })
    }

    /// Writes the trailer and gives the writer back.
    ///
    /// # Errors
    /// The writer's own.
    pub fn finish(mut self) -> Result<W> {
        self.inode = 0;
        self.record(&Entry {
            name: "TRAILER!!!",
            mode: 0,
            device: (0, 0),
            data: &[],
        })?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        let name = entry.name;
        let stays_inside = name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        if !stays_inside || name.contains('\0') || name == "TRAILER!!!" {
            return Err(refused(format!("not a name for an archive: {name:?}")));
        }
        self.inode += 1;
        self.record(entry)
    }

    fn record(&mut self, entry: &Entry<'_>) -> Result<()> {
        let size = u32::try_from(entry.data.len())
            .map_err(|_| refused(format!("too large for an archive: {}", entry.name)))?;
        let name_size = u32::try_from(entry.name.len() + 1)
            .map_err(|_| refused("name too long for an archive".to_owned()))?;
        // one link: the kernel looks for hard links only when there are more
        let links = 1 + u32::from(entry.mode & 0o170_000 == DIRECTORY);
        let fields = [
            self.inode,
            entry.mode,
            0, // uid
            0, // gid
            links,
            0, // mtime
            size,
            0, // device of the archive's file
            0,
            entry.device.0,
            entry.device.1,
            name_size,
            0, // checksum: unused in newc
        ];
        self.out.write_all(b"070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(entry.name.as_bytes())?;
        self.out.write_all(&[0])?;
        self.align(HEADER + entry.name.len() + 1)?;
        self.out.write_all(entry.data)?;
        self.align(entry.data.len())
    }

    fn align(&mut self, written: usize) -> Result<()> {
        self.out.write_all(&[0; 3][..written.wrapping_neg() % 4])
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::{Command, Stdio};

    /// What the real cpio says about an archive; None when it is not installed.
    fn real_cpio(arguments: &[&str], archive: &[u8]) -> Option<Vec<u8>> {
        let mut child = Command::new("cpio")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut stdin = child.stdin.take().expect("piped");
        let archive = archive.to_vec();
        let feed = std::thread::spawn(move || stdin.write_all(&archive));
        let output = child.wait_with_output().expect("cpio ends");
        feed.join().expect("no panic").expect("cpio reads all");
        assert!(output.status.success());
        Some(output.stdout)
    }

    fn sample() -> Vec<u8> {
        let mut archive = Writer::new(Vec::new());
        archive.dir("dev", 0o755).expect("dir");
        archive
            .char_device("dev/console", 0o600, 5, 1)
            .expect("device");
        archive.file("init", 0o755, b"hello").expect("file");
        archive.file("empty", 0o644, b"").expect("file");
        archive.finish().expect("finish")
    }

    #[test]
    fn the_real_cpio_lists_what_was_written() {
        let Some(listed) = real_cpio(&["-tv", "--quiet"], &sample()) else {
            return;
        };
        let listed = String::from_utf8(listed).expect("text");
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines.len(), 4, "{listed}");
        assert!(lines[0].starts_with("drwxr-xr-x"), "{listed}");
        assert!(
            lines[1].starts_with("crw-------") && lines[1].contains("5,   1"),
            "{listed}"
        );
        assert!(
            lines[2].starts_with("-rwxr-xr-x") && lines[2].ends_with("init"),
            "{listed}"
        );
    }

    #[test]
    fn names_that_leave_the_archive_are_refused() {
        for name in [
            "",
            "/etc",
            "a//b",
            "../x",
            "a/../b",
            "./a",
            "a\0b",
            "TRAILER!!!",
        ] {
            let refused = Writer::new(Vec::new()).file(name, 0o644, b"");
            assert_eq!(
                refused.expect_err(name).kind(),
                ErrorKind::InvalidInput,
                "{name:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn contents_come_back_out_of_the_real_cpio(
            files in proptest::collection::btree_map(
                "[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let mut archive = Writer::new(Vec::new());
            for (name, data) in &files {
                archive.file(name, 0o644, data).expect("file");
            }
            let archive = archive.finish().expect("finish");
            prop_assert_eq!(archive.len() % 4, 0);
            for (name, data) in &files {
                if let Some(out) = real_cpio(&["-i", "--to-stdout", "--quiet", name], &archive) {
                    prop_assert_eq!(&out, data);
                }
            }
        }
    }
}
