//! One call of a tool: off the protocol's threads, cancelled with it, answered
//! in time.
//!
//! ```text
//! arguments -> checked -> ledger: begin, or join what runs
//!                           |
//!      worker thread: admitted, work.rs     ended -> result -> everybody who waits
//!      the call: progress ... until the result, a cancellation, or 45 s:
//!                "still running, send the same call again"
//! ```
//!
//! Owns: this way, the time of an answer, the end of all work with the server.
//! Refuses: what a result looks like, and what is allowed.

mod heard;
mod ledger;
mod progress;
#[cfg(test)]
mod tests;
mod work;

use crate::config::Config;
use crate::tools::Tool;
use crate::{boundary, results};
use heard::Heard;
use ledger::{Arrival, Bounds, Id, Ledger};
use progress::Progress;
use pyro::{Cancel, Error, Result, Row};
use results::Window;
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
pub use work::WAIT_SECONDS;

/// Works at once: more are refused, so that a host gone wild starves nobody.
pub const AT_ONCE: usize = 32;

/// The times of calls.
#[derive(Clone, Copy)]
struct Times {
    /// Until a call is answered, whatever its work does. The strictest host
    /// gives up after 60 s.
    answer_within: Duration,
    /// Between two looks for news.
    news_every: Duration,
    /// Between two signs of life where there is no news.
    alive_every: Duration,
}

const TIMES: Times = Times {
    answer_within: Duration::from_secs(WAIT_SECONDS),
    news_every: Duration::from_millis(300),
    alive_every: Duration::from_secs(5),
};

const BOUNDS: Bounds = Bounds {
    running: AT_ONCE,
    kept: 16,
    keep_for: Duration::from_secs(600),
};

/// All calls of one server.
pub struct Calls {
    began: Instant,
    times: Times,
    state: Mutex<State>,
    fewer: Notify,
    /// Looks of the server's own so far.
    looks: AtomicU64,
}

struct State {
    ledger: Ledger,
    works: HashMap<Id, Arc<Work>>,
    ending: bool,
}

/// Something a worker thread does.
struct Work {
    cancel: Cancel,
    heard: Heard,
    result: watch::Sender<Option<CallToolResult>>,
}

impl Calls {
    pub fn new() -> Self {
        Self::with(TIMES, BOUNDS)
    }

    fn with(times: Times, bounds: Bounds) -> Self {
        Self {
            began: Instant::now(),
            times,
            state: Mutex::new(State {
                ledger: Ledger::new(bounds),
                works: HashMap::new(),
                ending: false,
            }),
            fewer: Notify::new(),
            looks: AtomicU64::new(0),
        }
    }

    /// Calls a tool and waits: for the result, or as long as an answer may take.
    pub async fn call(
        self: &Arc<Self>,
        config: &Arc<Config>,
        tool: &Tool,
        arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let row = tool.row;
        let given = match tool.checked(arguments) {
            Ok(given) => given,
            Err(error) => return results::failure(config, row.name, &error),
        };
        let key = format!("{} {}", row.name, Value::Object(given.clone()));
        let for_work = config.clone();
        let waited = self.wait(
            row.name,
            &key,
            &context.ct,
            Progress::of(context),
            // Admission may read a workspace's record, so it is the thread's.
            move |work| match boundary::admit(&for_work, row, given.clone()) {
                Ok(request) => {
                    let window = Window::of(row, &given, request);
                    finished(&for_work, row, &window, work)
                }
                Err(error) => results::failure(&for_work, row.name, &error),
            },
        );
        waited
            .await
            .unwrap_or_else(|error| results::failure(config, row.name, &error))
    }

    /// A request of the server's own, for a resource.
    ///
    /// # Errors
    /// Those of the operation; `busy`, `cancelled`, `still_running`.
    pub async fn ask(
        self: &Arc<Self>,
        config: &Arc<Config>,
        row: &'static Row,
        request: JsonObject,
        ct: &CancellationToken,
    ) -> Result<Value> {
        let answer = Arc::new(Mutex::new(None));
        let (config, filled) = (config.clone(), answer.clone());
        let key = self.look(row);
        self.wait(row.name, &key, ct, Progress::none(), move |work| {
            let looked = boundary::admit(&config, row, request)
                .and_then(|request| {
                    let window = Window::whole(request);
                    work::run(&config, row, &window, &work.heard, &work.cancel)
                })
                .map(|response| boundary::shown(row, response));
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(looked);
            CallToolResult::success(Vec::new())
        })
        .await?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.unwrap_or_else(|| Err(crashed(row.name)))
    }

    /// The key of such a request: never joined, each reader gets a look of its
    /// own.
    fn look(&self, row: &Row) -> String {
        format!(
            "{} #{}",
            row.name,
            self.looks.fetch_add(1, Ordering::Relaxed)
        )
    }

    async fn wait(
        self: &Arc<Self>,
        name: &'static str,
        key: &str,
        ct: &CancellationToken,
        mut progress: Progress,
        job: impl FnOnce(&Work) -> CallToolResult + Send + 'static,
    ) -> Result<CallToolResult> {
        let (id, work) = self.begin_or_join(name, key, job)?;
        let mut result = work.result.subscribe();
        let due = tokio::time::Instant::now() + self.times.answer_within;
        loop {
            let looked = tokio::time::Instant::now() + self.times.news_every;
            tokio::select! {
                biased;
                ended = ended(&mut result) => {
                    self.with_state(|state| state.ledger.taken(id));
                    return ended.ok_or_else(|| crashed(name));
                }
                () = ct.cancelled() => {
                    if self.with_state(|state| state.ledger.given_up(id)) {
                        work.cancel.cancel();
                    }
                    return Err(Error::runtime("cancelled", "the call was cancelled"));
                }
                () = sleep_until(due) => {
                    self.with_state(|state| state.ledger.told_to_come_again(id));
                    return Err(still_running(self.times.answer_within));
                }
                () = sleep_until(looked), if progress.is_wanted() => {
                    let told = progress.tell(&work.heard, self.times.alive_every);
                    // A client that does not read holds up its own news only.
                    let _ = tokio::time::timeout(self.times.news_every, told).await;
                }
            }
        }
    }

    fn begin_or_join(
        self: &Arc<Self>,
        name: &'static str,
        key: &str,
        job: impl FnOnce(&Work) -> CallToolResult + Send + 'static,
    ) -> Result<(Id, Arc<Work>)> {
        let now = self.began.elapsed();
        let mut state = self.state();
        if state.ending {
            return Err(Error::runtime("ending", "this server is about to end"));
        }
        let (id, begins) = match state.ledger.arrive(key, now) {
            Arrival::Begin(id) => (id, true),
            Arrival::Join(id) => (id, false),
            Arrival::Full => {
                return Err(Error::runtime(
                    "busy",
                    format!(
                        "{} calls of this server are under way, which is its limit",
                        state.ledger.running()
                    ),
                )
                .hint("wait until one of them ends, or cancel one"));
            }
        };
        if !begins && let Some(work) = state.works.get(&id) {
            return Ok((id, work.clone()));
        }
        let work = Arc::new(Work {
            cancel: Cancel::default(),
            heard: Heard::new(),
            result: watch::Sender::new(None),
        });
        state.works.insert(id, work.clone());
        drop(state);
        let (calls, done) = (self.clone(), work.clone());
        tokio::spawn(async move {
            let doing = done.clone();
            let ended = tokio::task::spawn_blocking(move || job(&doing)).await;
            let result = ended.unwrap_or_else(|_| results::failure_of(name, &crashed(name)));
            done.result.send_replace(Some(result));
            let now = calls.began.elapsed();
            calls.with_state(|state| state.ledger.ended(id, now));
            calls.fewer.notify_waiters();
        });
        Ok((id, work))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state);
        let State { ledger, works, .. } = &mut *state;
        works.retain(|id, _| ledger.knows(*id));
        changed
    }

    /// Cancels whatever runs, takes nothing more, and waits until it unwound.
    pub async fn end(&self, within: Duration) {
        {
            let mut state = self.state();
            state.ending = true;
            for work in state.works.values() {
                work.cancel.cancel();
            }
        }
        let unwound = async {
            loop {
                let fewer = self.fewer.notified();
                tokio::pin!(fewer);
                fewer.as_mut().enable();
                if self.state().ledger.running() == 0 {
                    return;
                }
                fewer.await;
            }
        };
        // What does not unwind ends with the process, and its VM with it.
        let _ = tokio::time::timeout(within, unwound).await;
    }
}

/// The result, once it is there.
async fn ended(result: &mut watch::Receiver<Option<CallToolResult>>) -> Option<CallToolResult> {
    result.wait_for(Option::is_some).await.ok()?.clone()
}

fn finished(config: &Config, row: &Row, window: &Window, work: &Work) -> CallToolResult {
    let run = |window: &Window| {
        let response = work::run(config, row, window, &work.heard, &work.cancel)?;
        Ok(boundary::shown(row, response))
    };
    let mut ended = run(window);
    let smaller = ended.as_ref().ok();
    let smaller = smaller.and_then(|response| window.fitted(row, response));
    if let Some(smaller) = &smaller {
        ended = run(smaller);
    }
    match ended {
        // The next page may be as large as this one was meant to be.
        Ok(response) => results::success(config, row, window, response, work.heard.notices()),
        Err(error) => results::failure(config, row.name, &error),
    }
}

fn still_running(after: Duration) -> Error {
    Error::runtime(
        "still_running",
        format!("not finished after {} s; the work goes on", after.as_secs()),
    )
    .hint("send the same call again, with the same arguments: it waits for this work and gives its result")
}

fn crashed(name: &str) -> Error {
    Error::runtime("crashed", format!("{name} ended in a fault of pyro's own"))
        .hint("the server goes on; look at the state of things, then try again, and report this with the server's stderr")
}
