//! The client of the official Rust SDK, in both eras.

use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::TokioChildProcess;
use tempfile::TempDir;

async fn connected(mode: ClientLifecycleMode) -> (RunningService<RoleClient, ()>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pyro"));
    command
        .args(["mcp", "serve", "--profile", "workspace-full"])
        .env("HOME", folder.path())
        .env("PYRO_STATE_DIR", folder.path().join("state"))
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
        .current_dir(folder.path())
        .kill_on_drop(true);
    let server = TokioChildProcess::new(command).unwrap();
    let client = ().serve_with_lifecycle(server, mode).await.unwrap();
    (client, folder)
}

async fn works(mode: ClientLifecycleMode) {
    let (client, _folder) = connected(mode).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 44);
    let listed = client
        .call_tool(CallToolRequestParams::new("workspace_list"))
        .await
        .unwrap();
    assert_eq!(listed.structured_content.unwrap()["count"], 0);
    let refused = client
        .call_tool(CallToolRequestParams::new("workspace_status"))
        .await
        .unwrap();
    assert!(refused.is_error == Some(true) && refused.structured_content.is_none());
    assert_eq!(client.list_all_resources().await.unwrap().len(), 0);
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 4);
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn with_a_handshake() {
    works(ClientLifecycleMode::Initialize).await;
}

#[tokio::test]
async fn without_a_handshake() {
    works(ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    })
    .await;
}
