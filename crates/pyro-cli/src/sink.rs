//! Events of a running operation, on the terminal.
//!
//! Owns: phase markers as lines of stderr, the guest's bytes verbatim, the
//! progress bar where a person looks. Refuses: everything in JSON mode, where
//! the one object is all there is.

use crate::output::{Ended, Stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyro::{Cancel, Event, EventSink};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Takes the events of one operation.
pub struct Sink<'a> {
    json: bool,
    stderr_is_terminal: bool,
    one_screen: bool,
    cancel: &'a Cancel,
    bar: Mutex<Option<(String, ProgressBar)>>,
    /// Whether a marker would stand behind the guest's words on their line.
    line_is_open: AtomicBool,
    ended: Mutex<Option<Ended>>,
}

impl<'a> Sink<'a> {
    pub fn new(json: bool, cancel: &'a Cancel) -> Self {
        let stderr_is_terminal = std::io::stderr().is_terminal();
        Self {
            json,
            stderr_is_terminal,
            one_screen: stderr_is_terminal && std::io::stdout().is_terminal(),
            cancel,
            bar: Mutex::new(None),
            line_is_open: AtomicBool::new(false),
            ended: Mutex::new(None),
        }
    }

    /// Why the guest's output could not be passed on, when it could not.
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One whole line on stderr. Nobody is told when that fails: there is
    /// no place left to tell it.
    pub fn line(&self, text: &str) {
        let open = self.line_is_open.swap(false, Ordering::SeqCst);
        let line = format!("{}{text}\n", if open { "\n" } else { "" });
        self.above_the_bar(|| {
            let _ = Stream::Stderr.write(line.as_bytes(), self.cancel);
        });
    }

    /// Text for stderr that ends its own lines.
    pub fn text(&self, text: &str) {
        self.above_the_bar(|| {
            let _ = Stream::Stderr.write(text.as_bytes(), self.cancel);
        });
    }

    pub fn finish(&self) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = bar.take() {
            bar.finish_and_clear();
        }
    }

    fn above_the_bar(&self, write: impl FnOnce()) {
        let bar = {
            let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
            bar.as_ref().map(|(_, bar)| bar.clone())
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn guest(&self, stream: Stream, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        if self.ended().is_some() {
            return;
        }
        if stream == Stream::Stderr || self.one_screen {
            self.line_is_open.store(*last != b'\n', Ordering::SeqCst);
        }
        self.above_the_bar(|| {
            let Err(ended) = stream.write(bytes, self.cancel) else {
                return;
            };
            // Stderr is where people look, but no one's data: losing it
            // ends nothing.
            if stream == Stream::Stdout {
                *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
                self.cancel.cancel();
            }
        });
    }

    fn progress(&self, label: String, done: u64, total: Option<u64>) {
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|(known, _)| *known != label) {
            if let Some((_, bar)) = slot.take() {
                bar.finish_and_clear();
            }
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = match total {
                Some(_) => "{msg} [{bar:30}] {percent}% {elapsed}",
                None => "{spinner} {msg} {elapsed}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(label.clone());
            *slot = Some((label, bar));
        }
        if let Some((_, bar)) = slot.as_ref() {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }
}

impl EventSink for Sink<'_> {
    fn event(&self, event: Event) {
        if self.json {
            return;
        }
        match event {
            Event::Phase {
                prefix,
                name,
                fields,
            } => {
                let fields = pyro::phase_fields(&fields);
                self.line(&format!("[{prefix}] phase={name}{fields}"));
            }
            Event::Stdout(bytes) => self.guest(Stream::Stdout, &bytes),
            Event::Stderr(bytes) => self.guest(Stream::Stderr, &bytes),
            Event::Progress { label, done, total } if self.stderr_is_terminal => {
                self.progress(label, done, total);
            }
            Event::Progress { .. } => {}
            Event::Notice(text) => self.line(&format!("note: {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sink;
    use pyro::{Cancel, Event, EventSink};

    #[test]
    fn json_mode_takes_nothing() {
        let cancel = Cancel::default();
        let sink = Sink::new(true, &cancel);
        sink.event(Event::Notice("must not be seen".to_owned()));
        sink.event(Event::Stdout(b"must not be seen".to_vec()));
        assert!(sink.ended().is_none() && !cancel.is_cancelled());
    }
}
