//! `docs/use-cases/review-eval.md`: a shell, a snapshot, experiments, a report.

use crate::chat::{Chat, id};
use crate::project::{Project, exported};
use crate::site::Site;
use serde_json::json;

const COUNT: &str = "\
#!/bin/bash
# Counts the words of the files that are named.
total=0
for file in $@; do total=$((total + $(wc -w < $file))); done
echo $total
";

/// Types a line and waits until a text is shown behind the echo of it.
async fn typed(chat: &Chat, workspace: &str, shell: &str, line: &str, until: &str) -> String {
    let asked = json!({"workspace_id": workspace, "shell_id": shell, "wait_for_idle_ms": 200});
    let before = chat.call("shell_read", asked).await;
    let write = json!({"workspace_id": workspace, "shell_id": shell, "input": line});
    chat.call("shell_write", write).await;
    let read = json!({
        "workspace_id": workspace, "shell_id": shell, "plain": true, "wait_for": until,
        "wait_for_idle_ms": 300, "cursor": before["next_cursor"],
    });
    let read = chat.call("shell_read", read).await;
    read["output"].as_str().unwrap().to_owned()
}

async fn opened(chat: &Chat, workspace: &str) -> String {
    let shell = chat
        .call("shell_open", json!({"workspace_id": workspace}))
        .await;
    shell["shell_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn review_eval() {
    let site = Site::for_use_case();
    let project = Project::new(&[
        ("count.sh", COUNT),
        (
            "test.sh",
            "[ \"$(bash count.sh built/sample)\" = 3 ] && echo passed\n",
        ),
        (
            "build.sh",
            "mkdir -p built && echo one two three > built/sample\n",
        ),
    ]);
    let chat = site.chat_in("review-eval", &project.root()).await;
    let check = "sh test.sh";
    let made = chat.create("review").await;
    let review = id(&made);

    let shell = opened(&chat, review).await;
    let line = format!("sh build.sh && {check}");
    let seen = typed(&chat, review, &shell, &line, "passed").await;
    assert!(seen.contains("passed"), "{seen}");
    let named = json!({"workspace_id": review, "snapshot_name": "ready"});
    let kept = chat.call("snapshot_create", named.clone()).await;
    assert_eq!(kept["snapshot"]["snapshot_name"], "ready", "{kept}");

    let list = json!({"workspace_id": review, "recursive": true});
    let list = chat.call("workspace_file_list", list).await;
    assert!(list.to_string().contains("built/sample"), "{list}");
    let read = json!({"workspace_id": review, "path": "count.sh"});
    let read = chat.call("workspace_file_read", read).await;
    assert!(
        read["content"].as_str().unwrap().contains("for file in $@"),
        "{read}"
    );

    // The doubt: names with blanks. The experiment breaks what was prepared.
    let line = "mv built/sample 'built/my sample'; bash count.sh 'built/my sample'; echo ended";
    let seen = typed(&chat, review, &shell, line, "\nended").await;
    assert!(seen.contains("No such file"), "{seen}");
    assert_ne!(chat.exec(review, check).await.0, 0);

    let back = chat.reset(review, "ready").await;
    assert_eq!(back["workspace_reset"]["snapshot_name"], "ready", "{back}");
    let gone = json!({"workspace_id": review, "shell_id": shell});
    chat.refused("shell_read", gone).await;
    assert_eq!(chat.exec(review, check).await, (0, "passed\n".to_owned()));

    let shell = opened(&chat, review).await;
    let line = "echo 'count.sh: fails on names with blanks' > review.md; echo wrote";
    typed(&chat, review, &shell, line, "\nwrote").await;
    let diff = chat.diff(review).await;
    let paths: Vec<_> = diff["entries"].as_array().unwrap().iter().collect();
    let paths: Vec<_> = paths
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["built/sample", "review.md"], "{diff}");
    let report = chat.export(review, "review.md", "review.md").await;
    assert_eq!(exported(&report), "count.sh: fails on names with blanks\n");

    let asked = json!({"workspace_id": review});
    let summary = chat.call("workspace_summary", asked.clone()).await;
    assert_eq!(
        summary["artifacts"]["exports"].as_array().unwrap().len(),
        1,
        "{summary}"
    );
    let snapshots = chat.call("snapshot_list", asked).await;
    assert_eq!(snapshots["count"], 2, "{snapshots}");
    let wanted = json!({"question": "is count.sh right?", "check_command": check});
    chat.assert_followed("review-eval", wanted).await;

    let closed = json!({"workspace_id": review, "shell_id": shell});
    chat.call("shell_close", closed).await;
    chat.call("snapshot_delete", named).await;
    chat.delete(review).await;
    project.assert_untouched();
    chat.end().await;
}
