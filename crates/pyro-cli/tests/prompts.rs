//! The recipes as a chat host gets them from `pyro mcp serve`: prompts with
//! arguments. No machine is touched.

use rmcp::model::{ErrorCode, GetPromptRequestParams, JsonObject};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

/// A host connected to a server with these flags, which has no project.
async fn host(flags: &[&str]) -> (RunningService<RoleClient, ()>, tempfile::TempDir) {
    let sealed = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pyro"));
    command
        .args(["mcp", "serve", "--no-project-source"])
        .args(flags)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", sealed.path().join("cache"))
        .env("PYRO_STATE_DIR", sealed.path().join("state"))
        .kill_on_drop(true);
    let server = TokioChildProcess::new(command).unwrap();
    (().serve(server).await.unwrap(), sealed)
}

fn asked(name: &str, arguments: Value) -> GetPromptRequestParams {
    let arguments: JsonObject = serde_json::from_value(arguments).unwrap();
    GetPromptRequestParams::new(name).with_arguments(arguments)
}

#[tokio::test]
async fn a_mode_offers_its_recipes_with_arguments() {
    let (host, _sealed) = host(&["--mode", "repro-fix"]).await;
    let prompts = host.list_all_prompts().await.unwrap();
    let names: Vec<_> = prompts.iter().map(|prompt| prompt.name.as_str()).collect();
    assert_eq!(names, ["repro-fix-loop", "parallel-workspaces"]);
    let first = serde_json::to_value(&prompts[0]).unwrap();
    assert_eq!(first["title"], "Repro and fix");
    let arguments = json!([
        {"name": "failing_command", "required": true, "description": "Command that fails and shall pass"},
        {"name": "patch", "required": false, "description": "File name of the patch"},
    ]);
    assert_eq!(first["arguments"], arguments);

    let wanted = asked("repro-fix-loop", json!({"failing_command": "make check"}));
    let prompt = host.get_prompt(wanted).await.unwrap();
    let said = serde_json::to_string(&prompt.messages).unwrap();
    assert!(
        said.contains("make check") && said.contains("fix.patch"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_not_offered_is_refused_with_what_is() {
    let (host, _sealed) = host(&["--mode", "inspect"]).await;
    for (wanted, message) in [
        (
            asked("daily-loop", json!({})),
            "unknown prompt \"daily-loop\"; this server has untrusted-inspection",
        ),
        (
            asked("untrusted-inspection", json!({"file": "x"})),
            "prompt untrusted-inspection has no argument \"file\"; it has question, report",
        ),
    ] {
        match host.get_prompt(wanted).await {
            Err(ServiceError::McpError(error)) => {
                assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
                assert_eq!(error.message, message);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_without_recipes_does_not_claim_any() {
    let (host, _sealed) = host(&["--profile", "vm-run"]).await;
    let info = serde_json::to_value(host.peer_info().unwrap()).unwrap();
    assert!(info["capabilities"]["prompts"].is_null(), "{info}");
    assert!(!info["capabilities"]["tools"].is_null(), "{info}");
    match host.list_all_prompts().await {
        Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::METHOD_NOT_FOUND),
        other => panic!("{other:?}"),
    }
}
