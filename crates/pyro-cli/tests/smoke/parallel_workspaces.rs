//! `docs/use-cases/parallel-workspaces.md`: three attempts side by side.

use crate::chat::id;
use crate::project::{Project, exported};
use crate::site::Site;
use serde_json::json;
use std::time::Duration;

const TEST: &str = "[ \"$(sh total.sh 2 3 4)\" = 9 ] && [ \"$(sh total.sh)\" = 0 ] && echo passed";

fn patch(lines: &[&str]) -> String {
    let mut text = format!(
        "--- a/total.sh\n+++ b/total.sh\n@@ -1 +1,{} @@\n-echo $(($1 + $2))\n",
        lines.len()
    );
    for line in lines {
        text.push_str(&format!("+{line}\n"));
    }
    text
}

#[tokio::test]
async fn parallel_workspaces() {
    let site = Site::for_use_case();
    let project = Project::new(&[("total.sh", "echo $(($1 + $2))\n"), ("test.sh", TEST)]);
    let chat = site.chat_in("repro-fix", &project.root()).await;

    let (a, b, c) = tokio::join!(
        chat.create("try-a"),
        chat.create("try-b"),
        chat.create("try-c")
    );
    let (a, b, c) = (id(&a), id(&b), id(&c));
    assert!(a != b && b != c && a != c);
    assert_ne!(chat.exec(a, "sh test.sh").await.0, 0);

    // One call waits in try-a for as long as the others work; nothing but a
    // later call ends it.
    let wait = "until [ -e go ]; do sleep 0.1; done; rm go; echo went";
    let held = chat.exec(a, wait);
    let others = async {
        let read = json!({"workspace_id": a, "path": "total.sh"});
        chat.call("workspace_file_read", read).await;
        let loop_ = patch(&[
            "total=0",
            "for n; do total=$((total + n)); done",
            "echo $total",
        ]);
        let words = patch(&["IFS=+", "echo $((${*:-0}))"]);
        let wrong = patch(&["echo 9"]);
        tokio::join!(
            chat.patch(a, &loop_),
            chat.patch(b, &words),
            chat.patch(c, &wrong)
        );
        let (b, c) = tokio::join!(chat.exec(b, "sh test.sh"), chat.exec(c, "sh test.sh"));
        assert_eq!((b.0, b.1.as_str()), (0, "passed\n"));
        assert_ne!(c.0, 0);
        let go = json!({"workspace_id": a, "path": "go", "text": ""});
        chat.call("workspace_file_write", go).await;
    };
    let both = async { tokio::join!(held, others).0 };
    let held = tokio::time::timeout(Duration::from_secs(120), both).await;
    let held = held.expect("calls of one server run side by side");
    assert_eq!(held, (0, "went\n".to_owned()));
    assert_eq!(chat.exec(a, "sh test.sh").await.0, 0);

    // The third starts over and sees nothing of the others.
    chat.reset(c, "baseline").await;
    let (first, second, third) = tokio::join!(chat.diff(a), chat.diff(b), chat.diff(c));
    assert_eq!(third["changed"], false, "{third}");
    for diff in [&first, &second] {
        assert_eq!(diff["summary"]["total"], 1, "{diff}");
    }
    assert_ne!(first["patch"], second["patch"]);
    let list = chat.call("workspace_list", json!({})).await;
    assert_eq!(list["count"], 3, "{list}");
    let asked = json!({"workspace_id": "try-a"});
    let summary = chat.call("workspace_summary", asked).await;
    assert_eq!(summary["workspace_id"], a, "{summary}");

    for (workspace, name) in [(a, "try-a.patch"), (b, "try-b.patch")] {
        let path = chat.export_patch(workspace, name).await;
        assert!(exported(&path).contains("total.sh"));
        let applies = format!(
            "git apply {0} && sh test.sh && git checkout -q .",
            path.display()
        );
        assert_eq!(project.host(&applies), "passed\n");
    }
    let wanted =
        json!({"task": "total.sh adds any number of numbers", "check_command": "sh test.sh"});
    chat.assert_followed("parallel-workspaces", wanted).await;
    tokio::join!(chat.delete(a), chat.delete(b), chat.delete(c));
    let list = chat.call("workspace_list", json!({})).await;
    assert_eq!(list["count"], 0, "{list}");
    chat.end().await;
}
