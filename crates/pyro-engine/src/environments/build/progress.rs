//! Turns the build's lines into percent.
//!
//! Owns: the milestones and their share of the time, as measured on Debian 12.
//! Refuses: exactness; a line it does not know changes nothing.

use super::super::catalog::Recipe;
use crate::events::{Event, EventSink};

/// Line that begins a stage, and percent at its begin.
const STAGES: [(&str, u64); 10] = [
    ("I: running apt-get update", 2),
    ("I: downloading packages", 10),
    ("I: extracting archives", 15),
    ("I: installing essential", 22),
    ("I: installing remaining", 50),
    ("I: running --customize-hook", 82),
    ("I: cleaning package lists", 91),
    ("pyro: step kernel", 92),
    ("pyro: step image", 93),
    ("pyro: step done", 97),
];

/// Follows one build.
pub struct Progress<'a> {
    events: &'a dyn EventSink,
    label: String,
    release: String,
    begin: u64,
    end: u64,
    /// packages of the stage, and how many lines about them came
    packages: u64,
    lines: u64,
    shown: u64,
}

impl<'a> Progress<'a> {
    /// At 0 percent.
    pub fn new(name: &str, events: &'a dyn EventSink) -> Self {
        let progress = Self {
            events,
            label: label(name),
            release: String::new(),
            begin: 0,
            end: 2,
            packages: 0,
            lines: 0,
            shown: 0,
        };
        progress.tell(0);
        progress
    }

    /// Release of the kernel, once its line came.
    pub fn kernel_release(&self) -> &str {
        &self.release
    }

    /// Takes one line of output.
    pub fn line(&mut self, line: &str) {
        if let Some(release) = line.strip_prefix("pyro: release ") {
            release.trim().clone_into(&mut self.release);
        } else if let Some(stage) = STAGES.iter().position(|(text, _)| line.starts_with(text)) {
            self.begin = STAGES[stage].1;
            self.end = STAGES.get(stage + 1).map_or(100, |next| next.1);
            self.lines = 0;
        } else if line.starts_with("Unpacking ") || line.starts_with("Setting up ") {
            self.lines += 1;
        } else if let Some((_, rest)) = line.split_once(" upgraded, ") {
            let count = rest.split(' ').next().and_then(|count| count.parse().ok());
            self.packages = count.unwrap_or(self.packages);
        }
        let share = self.end.saturating_sub(self.begin);
        let of = self.packages.saturating_mul(2).max(1);
        let percent = self.begin + share * self.lines.min(of) / of;
        if percent > self.shown {
            self.shown = percent;
            self.tell(percent);
        }
    }

    fn tell(&self, done: u64) {
        self.events.event(Event::Progress {
            label: self.label.clone(),
            done,
            total: Some(100),
        });
    }
}

fn label(name: &str) -> String {
    format!("building {name}")
}

/// Tells the last percent, once the images are in the store.
pub fn finished(recipe: &Recipe, events: &dyn EventSink) {
    events.event(Event::Progress {
        label: label(recipe.name),
        done: 100,
        total: Some(100),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Percents(Mutex<Vec<u64>>);

    impl EventSink for Percents {
        fn event(&self, event: Event) {
            if let Event::Progress { done, .. } = event {
                self.0.lock().expect("not poisoned").push(done);
            }
        }
    }

    #[test]
    fn percent_only_grows_and_packages_move_it() {
        let seen = Percents(Mutex::default());
        let mut progress = Progress::new("x", &seen);
        for line in [
            "I: running apt-get update...",
            "noise",
            "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "I: installing essential packages...",
            "Unpacking a (1) ...",
            "Setting up a (1) ...",
            "I: running apt-get update...",
            "pyro: release 6.1.0-1-cloud-amd64",
            "pyro: step done",
        ] {
            progress.line(line);
        }
        assert_eq!(progress.kernel_release(), "6.1.0-1-cloud-amd64");
        assert_eq!(
            *seen.0.lock().expect("not poisoned"),
            [0, 2, 22, 29, 36, 97]
        );
    }

    #[test]
    fn strange_counts_do_not_overflow() {
        let seen = Percents(Mutex::default());
        let mut progress = Progress::new("x", &seen);
        progress.line("0 upgraded, 18446744073709551615 newly installed");
        progress.line("Unpacking a");
        progress.line("0 upgraded, many newly installed");
        assert_eq!(*seen.0.lock().expect("not poisoned"), [0]);
    }
}
