//! Calls in time, joined, cancelled, crashed, and ended with the server.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const QUICK: Times = Times {
    answer_within: Duration::from_millis(200),
    news_every: Duration::from_millis(20),
    alive_every: Duration::from_millis(40),
};

/// Whose answers are due soon.
fn hasty() -> Arc<Calls> {
    with(QUICK)
}

/// Whose answers have time, on a busy machine too.
fn calls() -> Arc<Calls> {
    with(TIMES)
}

fn with(times: Times) -> Arc<Calls> {
    Arc::new(Calls::with(
        times,
        Bounds {
            running: 3,
            ..BOUNDS
        },
    ))
}

fn said(text: &str) -> CallToolResult {
    CallToolResult::success(vec![rmcp::model::ContentBlock::text(text)])
}

fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

/// A work that ends when it is cancelled, or after so long.
fn works(milliseconds: u64) -> impl FnOnce(&Work) -> CallToolResult + Send + 'static {
    move |work| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(milliseconds) {
            if work.cancel.is_cancelled() {
                return said("cancelled");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        said("done")
    }
}

fn wait<Job: FnOnce(&Work) -> CallToolResult + Send + 'static>(
    calls: &Arc<Calls>,
    key: &str,
    ct: &CancellationToken,
    job: Job,
) -> impl Future<Output = Result<CallToolResult>> + use<Job> {
    let (calls, key, ct) = (calls.clone(), key.to_owned(), ct.clone());
    async move { calls.wait("tool", &key, &ct, Progress::none(), job).await }
}

#[tokio::test]
async fn a_slow_work_is_answered_in_time_and_joined_by_the_same_call() {
    let (calls, ct) = (hasty(), CancellationToken::new());
    let began = Instant::now();
    let first = wait(&calls, "a", &ct, works(350)).await.unwrap_err();
    assert_eq!(first.code, "still_running");
    assert!(began.elapsed() >= QUICK.answer_within);
    // This job must not run.
    let again = wait(&calls, "a", &ct, |_| said("twice")).await.unwrap();
    assert_eq!(text(&again), "done");
    // The next one is new.
    let anew = wait(&calls, "a", &ct, |_| said("anew")).await.unwrap();
    assert_eq!(text(&anew), "anew");
}

/// The address of its answer was: the next one lies where the last did, and
/// would take what a late look left behind for its own result.
#[test]
fn a_look_of_the_servers_own_is_never_joined() {
    let calls = calls();
    let row = pyro::ops::named("workspace_list").unwrap();
    let keys: std::collections::BTreeSet<String> = (0..50).map(|_| calls.look(row)).collect();
    assert_eq!(keys.len(), 50);
}

#[tokio::test]
async fn a_result_waits_for_whoever_comes_again() {
    let (calls, ct) = (hasty(), CancellationToken::new());
    let first = wait(&calls, "a", &ct, works(250)).await;
    assert_eq!(first.unwrap_err().code, "still_running");
    tokio::time::sleep(Duration::from_millis(150)).await;
    let again = wait(&calls, "a", &ct, |_| said("twice")).await.unwrap();
    assert_eq!(text(&again), "done");
}

#[tokio::test]
async fn a_cancelled_call_cancels_its_work_and_no_other() {
    let (calls, ct, other) = (calls(), CancellationToken::new(), CancellationToken::new());
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let cancelled = tokio::spawn(wait(&calls, "a", &ct, move |work| {
        let result = works(5_000)(work);
        counted.fetch_add(1, Ordering::SeqCst);
        result
    }));
    let stays = tokio::spawn(wait(&calls, "a", &other, works(100)));
    tokio::time::sleep(Duration::from_millis(30)).await;
    ct.cancel();
    assert_eq!(cancelled.await.unwrap().unwrap_err().code, "cancelled");
    assert_eq!(text(&stays.await.unwrap().unwrap()), "done");
    calls.end(Duration::from_secs(5)).await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn too_many_at_once_are_refused_and_room_comes_back() {
    let (calls, ct) = (calls(), CancellationToken::new());
    let running: Vec<_> = (0..3)
        .map(|n| tokio::spawn(wait(&calls, &n.to_string(), &ct, works(300))))
        .collect();
    while calls.state().ledger.running() < 3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let refused = wait(&calls, "more", &ct, |_| said("")).await.unwrap_err();
    assert_eq!(refused.code, "busy");
    assert!(refused.message.contains('3'));
    for one in running {
        one.await.unwrap().unwrap();
    }
    // Places are given back right behind the results.
    while wait(&calls, "more", &ct, |_| said("")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_panic_is_an_error_of_one_call() {
    let (calls, ct) = (calls(), CancellationToken::new());
    let crashed = wait(&calls, "a", &ct, |_| panic!("expected in this test")).await;
    let crashed = crashed.unwrap();
    assert!(crashed.is_error == Some(true) && text(&crashed).contains("code: crashed"));
    wait(&calls, "a", &ct, works(0)).await.unwrap();
}

#[tokio::test]
async fn the_end_cancels_what_runs_and_takes_nothing_more() {
    let (calls, ct) = (hasty(), CancellationToken::new());
    let detached = wait(&calls, "a", &ct, works(60_000)).await;
    assert_eq!(detached.unwrap_err().code, "still_running");
    let began = Instant::now();
    calls.end(Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    let late = wait(&calls, "b", &ct, works(0)).await.unwrap_err();
    assert_eq!(late.code, "ending");
}
