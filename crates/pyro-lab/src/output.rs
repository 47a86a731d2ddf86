//! Where words go: the lab's own to stderr, a command's to where the caller wants.
//!
//! Owns: the sink. Refuses: stopping a command because nobody reads it.

use pyro_engine::{Event, EventSink};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// One line about the lab itself.
pub fn say(line: &str) {
    // Nobody is left to be told when this fails.
    let _ = writeln!(std::io::stderr(), "lab: {line}");
}

/// A command's output goes to two files, everything else to [`say`].
pub struct Sink {
    stdout: Mutex<File>,
    stderr: Mutex<File>,
    shown: Mutex<u64>,
}

impl Sink {
    pub fn new(stdout: File, stderr: File) -> Self {
        Self {
            stdout: Mutex::new(stdout),
            stderr: Mutex::new(stderr),
            shown: Mutex::new(0),
        }
    }

    /// This process's own.
    pub fn own() -> std::io::Result<Self> {
        Ok(Self::new(
            File::from(rustix::io::dup(rustix::stdio::stdout())?),
            File::from(rustix::io::dup(rustix::stdio::stderr())?),
        ))
    }
}

fn put(file: &Mutex<File>, bytes: &[u8]) {
    // A reader that is gone ends its client, and the client's end ends the job.
    let _ = file
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .write_all(bytes);
}

impl EventSink for Sink {
    fn event(&self, event: Event) {
        match event {
            Event::Stdout(bytes) => put(&self.stdout, &bytes),
            Event::Stderr(bytes) => put(&self.stderr, &bytes),
            Event::Phase { name, fields, .. } => {
                let fields: String = fields
                    .iter()
                    .map(|(_, value)| format!(" {value}"))
                    .collect();
                say(&format!("{name}{fields}"));
            }
            Event::Progress { label, done, .. } => {
                let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                if done < *shown || done >= *shown + 10 {
                    *shown = done;
                    say(&format!("{label}: {done} %"));
                }
            }
            Event::Notice(text) => say(&text),
        }
    }
}
