//! Read-only drives, written without root and without a copy on the side.
//!
//! Owns: running mke2fs and debugfs. Files go straight from where they lie
//! into the image, their holes kept. Refuses: names that debugfs could
//! misunderstand.

use pyro_engine::{Error, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for folders and tables.
const RESERVE_BYTES: u64 = 32 << 20;

/// What shall be in an image. Paths are absolute in it.
#[derive(Default)]
pub struct Content {
    /// Folders; parents come first.
    folders: Vec<String>,
    files: Vec<(PathBuf, String)>,
    links: Vec<(String, String)>,
}

/// What the image says of a file: what a stat in the guest will say.
pub struct InImage {
    pub inode: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
}

impl Content {
    /// A folder and all above it.
    pub fn folder(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').skip(1) {
            self.one_folder(&path[..at]);
        }
        self.one_folder(path);
    }

    fn one_folder(&mut self, path: &str) {
        if path != "/" && !self.folders.iter().any(|known| known == path) {
            self.folders.push(path.to_owned());
        }
    }

    /// A copy of a file of this host, with its mode, owned by root.
    pub fn file(&mut self, host: &Path, path: &str) {
        self.folder(path.rsplit_once('/').map_or("/", |(folder, _)| folder));
        self.files.push((host.to_owned(), path.to_owned()));
    }

    /// The same, into a folder that the image has already.
    pub fn add_file(&mut self, host: &Path, path: &str) {
        self.files.push((host.to_owned(), path.to_owned()));
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.folder(path.rsplit_once('/').map_or("/", |(folder, _)| folder));
        self.links.push((path.to_owned(), target.to_owned()));
    }

    /// Changes whenever the image would: names, and what a stat says of the files.
    pub fn inputs(&self) -> Result<String> {
        let mut text = format!("{:?}\n{:?}\n", self.folders, self.links);
        for (host, path) in &self.files {
            let found = std::fs::metadata(host).map_err(Error::io("read", host))?;
            let _ = writeln!(
                text,
                "{path} {} {} {} {} {:o}",
                host.display(),
                found.size(),
                found.mtime(),
                found.mtime_nsec(),
                found.mode()
            );
        }
        Ok(text)
    }

    /// Makes the image at `to`, which must not exist.
    pub fn write(&self, to: &Path) -> Result<()> {
        let mut bytes = RESERVE_BYTES;
        for (host, _) in &self.files {
            let found = std::fs::metadata(host).map_err(Error::io("read", host))?;
            bytes += found.len().min(found.blocks() * 512) + 8192;
        }
        std::fs::File::create_new(to)
            .and_then(|file| file.set_len((bytes + bytes / 16).next_multiple_of(1 << 20)))
            .map_err(Error::io("create", to))?;
        let mut format = tool("mke2fs");
        format
            .args(["-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096"])
            .args(["-O", "^has_journal,^resize_inode", "-E"])
            .arg("root_owner=0:0,nodiscard,lazy_itable_init=1")
            .arg(to);
        run(format, "")?;
        edit(to, &self.script()?)
    }

    fn script(&self) -> Result<String> {
        let mut script = String::new();
        for folder in &self.folders {
            let _ = writeln!(script, "mkdir {}", quoted(folder)?);
        }
        for (host, path) in &self.files {
            let host = host.to_str().unwrap_or("\"");
            let _ = writeln!(script, "write {} {}", quoted(host)?, quoted(path)?);
        }
        for (path, target) in &self.links {
            let _ = writeln!(script, "symlink {} {}", quoted(path)?, quoted(target)?);
        }
        Ok(script)
    }
}

/// Adds to an image that exists.
pub fn add(image: &Path, content: &Content) -> Result<()> {
    edit(image, &content.script()?)
}

/// Looks a file up.
pub fn stat(image: &Path, path: &str) -> Result<InImage> {
    let mut command = tool("debugfs");
    command
        .arg("-R")
        .arg(format!("stat {}", quoted(path)?))
        .arg(image);
    let text = run(command, "")?;
    parse(&text).ok_or_else(|| {
        Error::runtime(
            "lab_image",
            format!("debugfs tells nothing of {path} in {}", image.display()),
        )
    })
}

/// `Inode: 13   Type: regular …`, ` ctime: 0x65f1c2d3:00000000 -- Wed …`.
fn parse(text: &str) -> Option<InImage> {
    let inode = text.split_once("Inode:")?.1.split_whitespace().next()?;
    let time = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(name))?;
        let word = line.split_whitespace().next()?.strip_prefix("0x")?;
        let (seconds, extra) = word.split_once(':').unwrap_or((word, "0"));
        let seconds = i64::from_str_radix(seconds, 16).ok()?;
        // Two bits of epoch, then nanoseconds.
        let extra = i64::from_str_radix(extra, 16).ok()?;
        Some((seconds + ((extra & 3) << 32)) * 1_000_000_000 + (extra >> 2))
    };
    Some(InImage {
        inode: inode.parse().ok()?,
        mtime_ns: time("mtime:")?,
        ctime_ns: time("ctime:")?,
    })
}

fn edit(image: &Path, script: &str) -> Result<()> {
    let mut command = tool("debugfs");
    command.args(["-w", "-f", "-"]).arg(image);
    let said = run(command, script)?;
    // It goes on after a failed line and ends with 0: what it says decides.
    let complaint = said.lines().find(|line| {
        let known = ["debugfs: ", "debugfs ", "Allocated inode"];
        !line.trim().is_empty() && !known.iter().any(|known| line.starts_with(known))
    });
    match complaint {
        None => Ok(()),
        Some(line) => Err(Error::runtime(
            "lab_image",
            format!("debugfs failed on {}: {line}", image.display()),
        )),
    }
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    command.env("PATH", path).env("DEBUGFS_PAGER", "cat");
    command
}

/// Both outputs together.
fn run(mut command: Command, input: &str) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed =
        |why: &dyn std::fmt::Display| Error::runtime("lab_image", format!("{name}: {why}"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error).hint("apt-get install e2fsprogs"))?;
    let stdin = child.stdin.take();
    let input = input.to_owned();
    // Beside the reading below, or both would wait for each other.
    let writer = std::thread::spawn(move || {
        stdin.map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()))
    });
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    // A tool that ended early says why itself.
    let _ = writer.join();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(failed(&said.trim()))
    }
}

fn quoted(name: &str) -> Result<String> {
    if name.contains(['"', '\n']) {
        return Err(Error::invalid(
            "lab_image",
            format!("debugfs cannot take this path: {name:?}"),
        ));
    }
    Ok(format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_valid_file_system_that_keeps_holes() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("a file");
        let file = std::fs::File::create(&host).unwrap();
        file.set_len(64 << 20).unwrap();
        let mut content = Content::default();
        content.file(&host, "/one/two/a file");
        content.link("/one/link", "two/a file");
        let image = folder.path().join("image");
        content.write(&image).unwrap();
        let found = std::fs::metadata(&image).unwrap();
        assert!(found.len() < 48 << 20, "{}", found.len());
        assert!(stat(&image, "/one/two/a file").unwrap().ctime_ns > 1_700_000_000_000_000_000);
        assert!(stat(&image, "/absent").is_err());
        let mut check = tool("e2fsck");
        check.arg("-fn").arg(&image);
        run(check, "").unwrap();
    }

    #[test]
    fn what_debugfs_refuses_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut content = Content::default();
        content.file(&folder.path().join("a\"b"), "/x");
        assert!(content.script().is_err());
        let mut content = Content::default();
        content
            .files
            .push((folder.path().join("absent"), "/x".into()));
        let image = folder.path().join("image");
        Content::default().write(&image).unwrap();
        assert!(add(&image, &content).is_err());
    }

    #[test]
    fn times_are_read_with_their_nanoseconds() {
        let text =
            "Inode: 13   Type: regular\n ctime: 0x6b011d99:0000000c -- Sat\nmtime: 0x1:1 -- x\n";
        let found = parse(text).unwrap();
        assert_eq!(found.inode, 13);
        assert_eq!(found.ctime_ns, 0x6b01_1d99 * 1_000_000_000 + 3);
        assert_eq!(found.mtime_ns, ((1 << 32) + 1) * 1_000_000_000);
        assert!(parse("").is_none());
    }
}
