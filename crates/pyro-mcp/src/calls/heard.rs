//! What a running work says.
//!
//! Owns: notices for the result, and the latest news for progress: the step,
//! the last line of output. Refuses: keeping output, which the result has.

use pyro::{Event, EventSink};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Most bytes of a line in a progress message.
const LINE_BYTES: usize = 160;
/// Most notices of one call.
const NOTICES: usize = 16;

/// Takes the events of one work.
pub struct Heard {
    began: Instant,
    news: Mutex<News>,
}

#[derive(Default)]
struct News {
    count: u64,
    notices: Vec<String>,
    step: String,
    line: Vec<u8>,
    line_ended: bool,
}

impl Heard {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            news: Mutex::default(),
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a person should know besides the result.
    pub fn notices(&self) -> Vec<String> {
        self.news().notices.clone()
    }

    /// Seconds since the work began, how often something was heard, and where
    /// it is.
    pub fn latest(&self) -> (f64, u64, String) {
        let seconds = self.began.elapsed().as_secs_f64();
        let news = self.news();
        let mut text = format!("{seconds:.0} s");
        for more in [news.step.clone(), one_line(&news.line)] {
            if !more.is_empty() {
                text = format!("{text}; {more}");
            }
        }
        (seconds, news.count, text)
    }
}

impl News {
    fn output(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || *byte == b'\r' {
                self.line_ended = true;
                continue;
            }
            if std::mem::take(&mut self.line_ended) {
                self.line.clear();
            }
            if self.line.len() < LINE_BYTES {
                self.line.push(*byte);
            }
        }
    }
}

impl EventSink for Heard {
    fn event(&self, event: Event) {
        let mut news = self.news();
        news.count += 1;
        match event {
            Event::Phase {
                prefix,
                name,
                fields,
            } => {
                let fields = pyro::phase_fields(&fields);
                news.step = format!("{prefix}: {name}{fields}");
            }
            Event::Progress { label, done, total } => {
                news.step = match total {
                    Some(total) => format!("{label}: {done} of {total}"),
                    None => format!("{label}: {done}"),
                };
            }
            Event::Stdout(bytes) | Event::Stderr(bytes) => news.output(&bytes),
            Event::Notice(text) => {
                if news.notices.len() < NOTICES && !news.notices.contains(&text) {
                    news.notices.push(text);
                }
            }
        }
    }
}

/// Printable, whatever a guest wrote.
fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_told() {
        let heard = Heard::new();
        heard.event(Event::Phase {
            prefix: "workspace",
            name: "boot",
            fields: vec![("backend", "qemu".to_owned())],
        });
        heard.event(Event::Stdout(b"first\nse".to_vec()));
        heard.event(Event::Stderr(b"cond\n".to_vec()));
        heard.event(Event::Notice("it was started again".to_owned()));
        heard.event(Event::Notice("it was started again".to_owned()));
        let (_, count, text) = heard.latest();
        assert_eq!(
            (count, &text[..]),
            (5, "0 s; workspace: boot backend=qemu; second")
        );
        assert_eq!(heard.notices(), ["it was started again"]);
    }

    #[test]
    fn a_line_has_a_bound_and_no_controls() {
        let heard = Heard::new();
        heard.event(Event::Stdout(vec![b'x'; 1 << 20]));
        heard.event(Event::Stdout(b"\n\x1b[31mred\n".to_vec()));
        assert_eq!(heard.latest().2, "0 s; [31mred");
        heard.event(Event::Stdout(vec![b'y'; 1 << 20]));
        assert!(heard.latest().2.len() < LINE_BYTES + 10);
    }
}
