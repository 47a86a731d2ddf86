//! What nextest has said so far, test by test.
//!
//! Owns: reading its lines, so that a run which lost its lab goes on in
//! another with what is left; since when nothing was said. Refuses: believing anything but a verdict; a
//! test that was under way counts as not run.

use crate::output::Sink;
use pyro_engine::{Event, EventSink};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The names of nextest's option for a filter.
const FILTER: [&str; 3] = ["-E", "--filterset", "--filter-expr"];

/// Verdicts, by binary and test.
#[derive(Debug, Default)]
pub struct Verdicts(BTreeMap<(String, String), bool>);

impl Verdicts {
    /// `        PASS [   1.386s] (1/7) pyro::real_vm name`
    fn take(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let passed = match words.next() {
            Some("PASS") => true,
            Some("FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" | "SIGKILL") => false,
            _ => return,
        };
        let Some((_, rest)) = line.split_once("s] ") else {
            return;
        };
        let rest = match rest.split_once(") ") {
            Some((counter, rest)) if counter.starts_with('(') => rest,
            _ => rest,
        };
        if let Some((binary, test)) = rest.trim().split_once(' ') {
            self.0
                .insert((binary.to_owned(), test.trim().to_owned()), passed);
        }
    }

    /// A filter of nextest for all the others.
    pub fn others(&self) -> String {
        let judged: Vec<_> = self
            .0
            .keys()
            .map(|(binary, test)| format!("(binary_id(={binary}) & test(={test}))"))
            .collect();
        if judged.is_empty() {
            "all()".to_owned()
        } else {
            format!("not ({})", judged.join(" | "))
        }
    }

    /// How many there are, and how many of them passed.
    pub fn count(&self) -> (usize, usize) {
        let passed = self.0.values().filter(|passed| **passed).count();
        (self.0.len(), passed)
    }
}

/// The caller's arguments for nextest without what is judged already. Several
/// filters of a command line mean any of them, so they become one.
pub fn arguments(wanted: &[String], judged: &Verdicts) -> Vec<String> {
    if judged.0.is_empty() {
        return wanted.to_vec();
    }
    let (mut filters, mut rest) = (Vec::new(), Vec::new());
    let mut words = wanted.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            _ if word == "--" => {
                rest.push(word.clone());
                rest.extend(words.by_ref().cloned());
            }
            _ if FILTER.contains(&word.as_str()) => filters.extend(words.next().cloned()),
            Some((name, value)) if FILTER.contains(&name) => filters.push(value.to_owned()),
            _ => rest.push(word.clone()),
        }
    }
    let mut all = vec![judged.others()];
    if !filters.is_empty() {
        all.push(format!("(({}))", filters.join(") | (")));
    }
    [vec!["-E".to_owned(), all.join(" & ")], rest].concat()
}

/// Hands everything on, and reads along.
pub struct Tally<'a> {
    sink: &'a Sink,
    open: Mutex<(Vec<u8>, Verdicts)>,
    heard: Mutex<Instant>,
}

impl<'a> Tally<'a> {
    pub fn new(sink: &'a Sink) -> Self {
        Self {
            sink,
            open: Mutex::default(),
            heard: Mutex::new(Instant::now()),
        }
    }

    /// Since when the lab has said nothing.
    pub fn silence(&self) -> Duration {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    pub fn verdicts(self) -> Verdicts {
        self.open
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .1
    }

    fn read(&self, bytes: &[u8]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (line, verdicts) = &mut *open;
        for byte in bytes {
            if *byte == b'\n' {
                verdicts.take(&String::from_utf8_lossy(line));
                line.clear();
            } else if line.len() < 4096 {
                line.push(*byte);
            }
        }
    }
}

impl EventSink for Tally<'_> {
    fn event(&self, event: Event) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        // Nextest reports on stderr; a test's own output is indented there.
        if let Event::Stderr(bytes) = &event {
            self.read(bytes);
        }
        self.sink.event(event);
    }
}

/// Adds a later run's.
impl Extend<((String, String), bool)> for Verdicts {
    fn extend<T: IntoIterator<Item = ((String, String), bool)>>(&mut self, others: T) {
        self.0.extend(others);
    }
}

impl IntoIterator for Verdicts {
    type Item = ((String, String), bool);
    type IntoIter = std::collections::btree_map::IntoIter<(String, String), bool>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_and_everything_else_is_not() {
        let mut verdicts = Verdicts::default();
        for line in [
            "        PASS [ 115.386s] pyro::real_vm create_start",
            "        SLOW [>120.000s] pyro::real_vm slow_one",
            "        FAIL [   0.005s] (2/7) pyro-engine::real_vm qemu::clones",
            "     TIMEOUT [ 600.000s] pyro::real_vm late",
            "test guest::x ... FAILED",
            "PASS",
            "",
        ] {
            verdicts.take(line);
        }
        assert_eq!(verdicts.count(), (3, 1));
        let others = verdicts.others();
        assert!(others.starts_with("not (") && !others.contains("slow_one"));
        assert!(others.contains("(binary_id(=pyro-engine::real_vm) & test(=qemu::clones))"));
        assert_eq!(Verdicts::default().others(), "all()");
    }

    #[test]
    fn any_event_ends_the_silence() {
        let sink = Sink::own().unwrap();
        let tally = Tally::new(&sink);
        std::thread::sleep(Duration::from_millis(30));
        let silent = tally.silence();
        assert!(silent >= Duration::from_millis(30));
        tally.event(Event::Stdout(Vec::new()));
        assert!(tally.silence() < silent);
    }

    #[test]
    fn the_callers_filter_holds_for_what_is_left() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut verdicts = Verdicts::default();
        let wanted = words("-E test(a) --filterset=test(b) c --no-capture");
        assert_eq!(arguments(&wanted, &verdicts), wanted);
        verdicts.take("PASS [ 1s] x::y z");
        let expected =
            "-E|not ((binary_id(=x::y) & test(=z))) & ((test(a)) | (test(b)))|c|--no-capture";
        assert_eq!(arguments(&wanted, &verdicts).join("|"), expected);
    }
}
