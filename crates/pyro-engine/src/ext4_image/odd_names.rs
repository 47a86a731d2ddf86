//! Names that are not UTF-8, which the image's writer cannot say.
//!
//! Owns: a stand-in for each, and debugfs putting the real one in its place.
//! Refuses: such a name with a line break or on a way with one, since
//! debugfs takes its orders line by line.
//!
//! ```text
//!   writer:  .pyro-name-0   debugfs:  ln "tree/.pyro-name-0" "tree/caf\xe9"
//!                                     unlink "tree/.pyro-name-0"
//!            (nothing)                symlink "tree/l" "\xff", its time set
//! ```
//!
//! Deepest first, so that the ways to them still have their stand-ins.

use super::tree::Meta;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::spool::go_on;
use crate::start::e2fs_tool;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Most of debugfs' complaints that are read: the first one is told.
const MOST_WORDS_BYTES: u64 = 64 << 10;
/// How often one looks whether it is done.
const POLL: Duration = Duration::from_millis(5);

/// All of one image.
pub struct OddNames {
    /// The folder of the image below which paths are; empty for its root.
    top: &'static str,
    /// Stand-ins by path.
    stand_ins: HashMap<Vec<u8>, String>,
    /// Path and real last part, in the order of the tree.
    renames: Vec<(Vec<u8>, Vec<u8>)>,
    links: Vec<(Vec<u8>, Vec<u8>, Meta)>,
}

impl OddNames {
    pub fn new(top: &'static str) -> Self {
        Self {
            top,
            stand_ins: HashMap::new(),
            renames: Vec::new(),
            links: Vec::new(),
        }
    }

    /// What the writer is told in place of `last`, the end of `path`.
    pub fn name(&mut self, path: &[u8], last: &[u8]) -> String {
        if let Ok(text) = std::str::from_utf8(last) {
            return text.to_owned();
        }
        let stand_in = format!(".pyro-name-{}", self.renames.len());
        self.stand_ins.insert(path.to_vec(), stand_in.clone());
        self.renames.push((path.to_vec(), last.to_vec()));
        stand_in
    }

    /// A link whose target the writer cannot say.
    pub fn link(&mut self, path: &[u8], target: &[u8], meta: Meta) {
        self.links.push((path.to_vec(), target.to_vec(), meta));
    }

    /// Finishes the image at `path`.
    ///
    /// # Errors
    /// `bad_source` for a name that cannot be told to debugfs, `e2fsprogs`,
    /// `cancelled`: there may be very many of them.
    pub fn apply(&self, image: &Path, cancel: &Cancel) -> Result<()> {
        if self.renames.is_empty() && self.links.is_empty() {
            return Ok(());
        }
        let script = self.script()?;
        let mut tool = e2fs_tool("debugfs");
        tool.args(["-w", "-f", "-"]).arg(image);
        tool.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let failed = |why: String| {
            Error::runtime(
                "e2fsprogs",
                format!("debugfs failed on {}: {why}", image.display()),
            )
            .hint("install e2fsprogs (Debian, Ubuntu: apt-get install e2fsprogs)")
        };
        let mut child = tool.spawn().map_err(|error| failed(error.to_string()))?;
        let mut stdin = child.stdin.take();
        let fed = std::thread::spawn(move || stdin.as_mut().map(|pipe| pipe.write_all(&script)));
        let mut stderr = child.stderr.take();
        let heard = std::thread::spawn(move || {
            let mut words = Vec::new();
            let pipe = stderr.as_mut();
            let _ = pipe.map(|pipe| pipe.take(MOST_WORDS_BYTES).read_to_end(&mut words));
            words
        });
        let status = loop {
            let waited = child
                .try_wait()
                .map_err(|error| failed(error.to_string()))?;
            if let Some(status) = waited {
                break status;
            }
            if let Err(error) = go_on(cancel, "naming files in", image) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
            std::thread::sleep(POLL);
        };
        let written = fed.join().ok().flatten();
        // Its exit code says nothing; any word after the banner is an error.
        let words = heard.join().unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let complaint = words.lines().skip(1).find(|line| !line.trim().is_empty());
        match (complaint, written) {
            (None, Some(Ok(()))) if status.success() => Ok(()),
            (complaint, _) => Err(failed(complaint.unwrap_or("it ended early").to_owned())),
        }
    }

    fn script(&self) -> Result<Vec<u8>> {
        let mut script = Vec::new();
        for (path, target, meta) in &self.links {
            let (folder, last) = self.place(path)?;
            let name = join(&folder, last);
            order(&mut script, &[b"symlink", &name, target])?;
            let seconds = format!("@{}", meta.mtime.0);
            order(&mut script, &[b"sif", &name, b"mtime", seconds.as_bytes()])?;
            for (field, id) in [(b"uid", meta.owner.0), (b"gid", meta.owner.1)] {
                if id > 0 {
                    let id = id.to_string();
                    order(&mut script, &[b"sif", &name, field, id.as_bytes()])?;
                }
            }
        }
        for (path, last) in self.renames.iter().rev() {
            let (folder, _) = self.place(path)?;
            let stand_in = &self.stand_ins[path];
            let from = join(&folder, stand_in.as_bytes());
            order(&mut script, &[b"ln", &from, &join(&folder, last)])?;
            order(&mut script, &[b"unlink", &from])?;
        }
        Ok(script)
    }

    /// The folder a path is in, as the image has it now, and the last part.
    fn place<'a>(&self, path: &'a [u8]) -> Result<(Vec<u8>, &'a [u8])> {
        let mut folder = self.top.as_bytes().to_vec();
        let mut start = 0;
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let part = &path[start..at];
            let part = self
                .stand_ins
                .get(&path[..at])
                .map_or(part, |stand_in| stand_in.as_bytes());
            folder = join(&folder, part);
            start = at + 1;
        }
        Ok((folder, &path[start..]))
    }
}

fn join(folder: &[u8], last: &[u8]) -> Vec<u8> {
    [folder, last].join(&b'/')
}

fn order(script: &mut Vec<u8>, words: &[&[u8]]) -> Result<()> {
    for (number, word) in words.iter().enumerate() {
        if word.contains(&b'\n') {
            return Err(Error::invalid(
                "bad_source",
                format!(
                    "the name {:?} is not UTF-8 and has a line break on its way",
                    String::from_utf8_lossy(word)
                ),
            )
            .hint("rename it, or leave it out of the seed"));
        }
        if number > 0 {
            script.push(b' ');
        }
        script.push(b'"');
        for byte in *word {
            // debugfs' own way to say a quote within quotes.
            if *byte == b'"' {
                script.push(b'"');
            }
            script.push(*byte);
        }
        script.push(b'"');
    }
    script.push(b'\n');
    Ok(())
}
