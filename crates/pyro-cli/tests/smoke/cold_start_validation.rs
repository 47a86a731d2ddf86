//! `docs/use-cases/cold-start-validation.md`: a web application, twice from
//! nothing.

use crate::chat::{Chat, id};
use crate::project::{Project, exported};
use crate::site::Site;
use serde_json::{Value, json};

const README: &str = "\
# Counter
Install with `sh setup.sh`, test with `sh test.sh`, start with `perl app.pl`.
It listens on port 8000; `/ready` answers 204 when it is.
";

const SETUP: &str = "set -e\ngrep -q '^greeting=' config.example\ncp config.example config\n";

const TEST: &str = "perl -c app.pl 2>&1 && . ./config && [ -n \"$greeting\" ] && echo passed\n";

/// One request to the application, as a guest without curl makes it.
const ASK: &str = "exec 3<>/dev/tcp/127.0.0.1/8000; \
    printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";

fn project() -> Project {
    let project = Project::new(&[
        ("README.md", README),
        ("app.pl", include_str!("cold_start_validation/app.pl")),
        ("setup.sh", SETUP),
        ("test.sh", TEST),
        ("config.example", "greeting=hello\n"),
        (".gitignore", "config\n"),
    ]);
    // What only the developer has must not be what makes it work.
    project.write("config", "greeting='only here'\n");
    project
}

/// Installs, tests, starts and asks; what the application answered.
async fn from_nothing(chat: &Chat, workspace: &str) -> String {
    assert_ne!(chat.exec(workspace, "cat config").await.0, 0);
    assert_eq!(chat.exec(workspace, "sh setup.sh").await.0, 0);
    let (code, out) = chat.exec(workspace, "sh test.sh").await;
    assert!(code == 0 && out.ends_with("passed\n"), "{out}");
    let start = json!({
        "workspace_id": workspace, "service_name": "app", "command": "perl app.pl",
        "ready_http": "http://127.0.0.1:8000/ready",
    });
    let app = chat.call("service_start", start).await;
    assert_eq!(app["state"], "running", "{app}");
    assert!(app["ready_at"].is_number(), "{app}");
    let (code, answer) = chat
        .exec(
            workspace,
            &format!("bash -c '{}'", ASK.replace('\'', "'\\''")),
        )
        .await;
    assert_eq!(code, 0, "{answer}");
    answer
}

async fn services(chat: &Chat, workspace: &str) -> Value {
    let asked = json!({"workspace_id": workspace});
    chat.call("service_list", asked).await
}

#[tokio::test]
async fn cold_start_validation() {
    let site = Site::for_use_case();
    let project = project();
    let chat = site.chat_in("cold-start", &project.root()).await;

    let made = chat.create("cold-start").await;
    assert_eq!(
        made["workspace_seed"]["origin_kind"], "project_path",
        "{made}"
    );
    assert_eq!(made["environment"], site.environment, "{made}");
    let start = id(&made);
    let list = json!({"workspace_id": start, "recursive": true});
    let list = chat.call("workspace_file_list", list).await;
    assert!(list.to_string().contains("/workspace/setup.sh"), "{list}");
    let read = json!({"workspace_id": start, "path": "README.md"});
    let read = chat.call("workspace_file_read", read).await;
    assert_eq!(read["content"], README);

    let answer = from_nothing(&chat, start).await;
    assert!(answer.contains("hello, visitor 1"), "{answer}");
    let app = json!({"workspace_id": start, "service_name": "app"});
    let logs = chat.call("service_logs", app.clone()).await;
    assert!(
        logs["stdout"].as_str().unwrap().contains("GET / "),
        "{logs}"
    );
    let status = chat.call("service_status", app.clone()).await;
    assert_eq!(status["state"], "running", "{status}");

    // Once more, with nothing but what turned out to be needed.
    let again = chat.reset(start, "baseline").await;
    assert_eq!(again["reset_count"], 1, "{again}");
    assert_eq!(services(&chat, start).await["count"], 0);
    let answer = from_nothing(&chat, start).await;
    assert!(answer.contains("hello, visitor 1"), "{answer}");
    assert_eq!(services(&chat, start).await["running_count"], 1);

    let write = "printf '# Cold start\\nready after sh setup.sh\\n' > cold-start.md";
    assert_eq!(chat.exec(start, write).await.0, 0);
    let report = chat.export(start, "cold-start.md", "cold-start.md").await;
    assert!(exported(&report).starts_with("# Cold start\n"));
    let summary = chat
        .call("workspace_summary", json!({"workspace_id": start}))
        .await;
    assert_eq!(
        summary["artifacts"]["exports"].as_array().unwrap().len(),
        1,
        "{summary}"
    );

    let stopped = chat.call("service_stop", app).await;
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    chat.assert_followed("cold-start-validation", json!({}))
        .await;
    chat.delete(start).await;
    project.assert_untouched();
    chat.end().await;
}
