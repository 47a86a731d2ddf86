//! Output that is shown once, whoever tells it.
//!
//! Owns: how much of each stream was shown. Refuses: other events a second look.

use crate::events::{Event, EventSink};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Position {
    shown: usize,
    told: usize,
}

impl Position {
    /// What of `bytes` was not shown yet.
    fn fresh(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let begin = self.told;
        self.told += bytes.len();
        let known = self.shown.saturating_sub(begin).min(bytes.len());
        self.shown = self.shown.max(self.told);
        bytes.drain(..known);
        bytes
    }
}

/// A sink before which the same output may be told several times.
pub struct Once<'a> {
    to: &'a dyn EventSink,
    streams: Mutex<[Position; 2]>,
}

impl<'a> Once<'a> {
    pub fn new(to: &'a dyn EventSink) -> Self {
        Self {
            to,
            streams: Mutex::default(),
        }
    }

    /// From here on both streams are told from their beginning.
    pub fn begin_again(&self) {
        for stream in &mut *self.lock() {
            stream.told = 0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Position; 2]> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for Once<'_> {
    fn event(&self, event: Event) {
        let event = match event {
            Event::Stdout(bytes) => Event::Stdout(self.lock()[0].fresh(bytes)),
            Event::Stderr(bytes) => Event::Stderr(self.lock()[1].fresh(bytes)),
            other => other,
        };
        match event {
            Event::Stdout(bytes) | Event::Stderr(bytes) if bytes.is_empty() => {}
            event => self.to.event(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Shown(Mutex<[Vec<u8>; 2]>);

    impl EventSink for Shown {
        fn event(&self, event: Event) {
            let mut streams = self.0.lock().unwrap();
            match event {
                Event::Stdout(bytes) => streams[0].extend(bytes),
                Event::Stderr(bytes) => streams[1].extend(bytes),
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn however_often_it_breaks_off_each_byte_is_shown_once(
            stream in prop::collection::vec(any::<u8>(), 0..200),
            breaks in prop::collection::vec(0_usize..200, 0..4),
            piece in 1_usize..50,
        ) {
            let shown = Shown::default();
            let once = Once::new(&shown);
            for end in breaks.into_iter().chain([stream.len()]) {
                once.begin_again();
                let told = &stream[..end.min(stream.len())];
                for bytes in told.chunks(piece) {
                    once.event(Event::Stdout(bytes.to_vec()));
                    once.event(Event::Stderr(bytes.to_vec()));
                }
            }
            let [stdout, stderr] = &*shown.0.lock().unwrap();
            prop_assert_eq!(stdout, &stream);
            prop_assert_eq!(stderr, &stream);
        }
    }
}
