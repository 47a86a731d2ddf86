//! What a developer's day is made of: prepare, then create, fail, mend, take
//! out, start over.

use crate::chat::id;
use crate::project::exported;
use crate::site::{Site, environment_of};
use serde_json::{Value, json};

const PATCH: &str = "--- a/answer.sh\n+++ b/answer.sh\n@@ -1 +1 @@\n-exit 1\n+exit 0\n";

/// Whether the machine was made ready, and whether it was ready before.
fn outcome(result: &Value) -> (Option<bool>, Option<bool>) {
    (result["prepared"].as_bool(), result["reused"].as_bool())
}

#[tokio::test]
async fn daily_loop() {
    let site = Site::with(environment_of("DAILY_LOOP_ENVIRONMENT"));
    // The cache is shared, so another test may have prepared it.
    let first = site.json(&["prepare", &site.environment, "--force"]);
    assert_eq!(outcome(&first), (Some(true), Some(false)), "{first}");
    let again = site.json(&["prepare", &site.environment]);
    assert_eq!(outcome(&again), (Some(true), Some(true)), "{again}");

    let seed = site.desk().join("answer");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("answer.sh"), "exit 1\n").unwrap();
    let flags = [
        "--project-path",
        "answer",
        "--environment",
        &site.environment,
    ];
    let chat = site.chat(&flags).await;
    let made = chat.create("daily").await;
    let daily = id(&made);
    assert_eq!(
        made["workspace_seed"]["origin_kind"], "project_path",
        "{made}"
    );
    assert_eq!(chat.exec(daily, "sh answer.sh").await.0, 1);
    chat.patch(daily, PATCH).await;
    assert_eq!(chat.exec(daily, "sh answer.sh").await.0, 0);
    let out = chat.export(daily, "answer.sh", "mended.sh").await;
    assert_eq!(exported(&out), "exit 0\n");

    let reset = chat.reset(daily, "baseline").await;
    assert_eq!(reset["reset_count"], 1, "{reset}");
    assert_eq!(chat.exec(daily, "sh answer.sh").await.0, 1);
    let list = chat.call("workspace_list", json!({})).await;
    assert_eq!(list["count"], 1, "{list}");
    chat.delete(daily).await;
    chat.end().await;
}
