//! Turns the lines of a kernel's build into percent.
//!
//! Owns: how many files the build is expected to name, about.
//! Refuses: exactness; a line it does not know changes nothing.

use crate::events::{Event, EventSink};

/// Files compiled, assembled, linked or archived with `kernel.config`.
const FILES: u64 = 2000;
/// Percent when the tools are there, the source is unpacked, and all is built.
const TOOLS: u64 = 15;
const SOURCE: u64 = 20;
const BUILT: u64 = 99;

/// Follows one build.
pub struct Progress<'a> {
    events: &'a dyn EventSink,
    label: String,
    release: String,
    files: u64,
    shown: u64,
}

impl<'a> Progress<'a> {
    /// At 0 percent.
    pub fn new(name: &str, events: &'a dyn EventSink) -> Self {
        let progress = Self {
            events,
            label: format!("building {name}"),
            release: String::new(),
            files: 0,
            shown: 0,
        };
        progress.tell(0);
        progress
    }

    /// Release of the kernel, once its line came.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Takes one line of output.
    pub fn line(&mut self, line: &str) {
        let percent = if let Some(release) = line.strip_prefix("pyro: release ") {
            release.trim().clone_into(&mut self.release);
            BUILT
        } else if line == "pyro: step unpack" {
            TOOLS
        } else if line == "pyro: config" {
            SOURCE
        } else if is_file(line) && self.shown >= SOURCE {
            self.files += 1;
            SOURCE + (BUILT - SOURCE) * self.files.min(FILES) / FILES
        } else {
            return;
        };
        if percent > self.shown {
            self.shown = percent;
            self.tell(percent);
        }
    }

    /// Tells the last percent.
    pub fn finished(&self) {
        self.tell(100);
    }

    fn tell(&self, done: u64) {
        self.events.event(Event::Progress {
            label: self.label.clone(),
            done,
            total: Some(100),
        });
    }
}

/// `  CC      kernel/fork.o`
fn is_file(line: &str) -> bool {
    line.strip_prefix("  ")
        .and_then(|rest| rest.chars().next())
        .is_some_and(|first| first.is_ascii_uppercase())
}
