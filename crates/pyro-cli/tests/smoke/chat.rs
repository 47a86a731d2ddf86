//! A chat host's end of the connection.
//!
//! Owns: starting the server, its tools as functions, and the record of what
//! was called, by which a story shows that it did all that its recipe says.

use rmcp::RoleClient;
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, CallToolResult, GetPromptRequestParams, JsonObject};
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// One host, one server.
pub struct Chat {
    service: RunningService<RoleClient, ()>,
    called: Mutex<BTreeSet<String>>,
}

impl Chat {
    /// Starts the server; its stderr is the test's.
    pub async fn with(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let server = TokioChildProcess::new(command).unwrap();
        Self {
            service: ().serve(server).await.unwrap(),
            called: Mutex::default(),
        }
    }

    pub async fn tools(&self) -> Vec<rmcp::model::Tool> {
        self.service.list_all_tools().await.unwrap()
    }

    async fn result(&self, tool: &str, arguments: Value) -> CallToolResult {
        self.called.lock().unwrap().insert(tool.to_owned());
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(object(arguments));
        let result = self.service.call_tool(request).await;
        result.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// The structured result of a call that has to succeed.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.result(tool, arguments).await;
        let text = text(&result);
        assert_ne!(result.is_error, Some(true), "{tool}: {text}");
        assert!(!text.is_empty(), "{tool} shows a model nothing");
        result.structured_content.expect("a structured result")
    }

    /// What a model reads of a call that has to fail.
    pub async fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(
            result.is_error,
            Some(true),
            "{tool} was done: {}",
            text(&result)
        );
        text(&result)
    }

    /// Makes a workspace; the whole answer.
    pub async fn create(&self, name: &str) -> Value {
        self.call("workspace_create", json!({"name": name})).await
    }

    /// Exit code and standard output of a command. One that takes longer than
    /// a call may is asked for until it has ended, as the answer says.
    pub async fn exec(&self, workspace: &str, command: &str) -> (i64, String) {
        let arguments = json!({
            "workspace_id": workspace, "command": command, "timeout_seconds": 300,
        });
        let mut done = self.call("workspace_exec", arguments).await;
        while done["running"] == true {
            let arguments = json!({
                "workspace_id": workspace, "command_id": done["command_id"], "wait_seconds": 40,
            });
            done = self.call("workspace_exec", arguments).await;
        }
        let code = done["exit_code"].as_i64();
        let stdout = done["stdout"].as_str().unwrap_or_default().to_owned();
        (code.unwrap_or_else(|| panic!("{done}")), stdout)
    }

    pub async fn patch(&self, workspace: &str, patch: &str) {
        let arguments = json!({"workspace_id": workspace, "patch": patch});
        let done = self.call("workspace_patch_apply", arguments).await;
        assert_eq!(done["changed"], true, "{done}");
    }

    pub async fn diff(&self, workspace: &str) -> Value {
        let arguments = json!({"workspace_id": workspace});
        self.call("workspace_diff", arguments).await
    }

    /// Goes back to a snapshot; the whole answer.
    pub async fn reset(&self, workspace: &str, snapshot: &str) -> Value {
        let arguments = json!({"workspace_id": workspace, "snapshot": snapshot});
        self.call("workspace_reset", arguments).await
    }

    /// Takes a file out; where it is on this host.
    pub async fn export(&self, workspace: &str, path: &str, output: &str) -> PathBuf {
        let arguments = json!({"workspace_id": workspace, "path": path, "output_path": output});
        self.exported(arguments).await
    }

    /// Takes all changes out as a patch; where it is on this host.
    pub async fn export_patch(&self, workspace: &str, output: &str) -> PathBuf {
        let arguments = json!({"workspace_id": workspace, "patch": true, "output_path": output});
        self.exported(arguments).await
    }

    async fn exported(&self, arguments: Value) -> PathBuf {
        let done = self.call("workspace_export", arguments).await;
        let path = PathBuf::from(done["output_path"].as_str().unwrap());
        assert!(path.is_absolute(), "{done}");
        path
    }

    pub async fn delete(&self, workspace: &str) {
        let arguments = json!({"workspace_id": workspace});
        let done = self.call("workspace_delete", arguments).await;
        assert_eq!(done["deleted"], true, "{done}");
    }

    /// That the server offers the recipe, and that each tool its text names
    /// was called.
    pub async fn assert_followed(&self, recipe: &str, arguments: Value) {
        let request = GetPromptRequestParams::new(recipe).with_arguments(object(arguments));
        let prompt = self.service.get_prompt(request).await.unwrap();
        let said = serde_json::to_string(&prompt.messages).unwrap();
        let tools: BTreeSet<_> = self
            .tools()
            .await
            .into_iter()
            .map(|tool| tool.name)
            .collect();
        let called = self.called.lock().unwrap();
        for tool in said.split('`').skip(1).step_by(2) {
            let known = tools.contains(tool);
            assert!(
                !known || called.contains(tool),
                "{recipe} says {tool}, which was not called"
            );
        }
        assert!(called.len() > 3, "{called:?}");
    }

    /// Ends the connection; the server has to end as well.
    pub async fn end(self) {
        self.service.cancel().await.unwrap();
    }
}

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).unwrap()
}

fn text(result: &CallToolResult) -> String {
    let blocks = result.content.iter();
    let texts = blocks.filter_map(|block| block.as_text().map(|text| text.text.as_str()));
    texts.collect::<Vec<_>>().join("\n")
}

/// Id of a workspace that an answer is about.
pub fn id(answer: &Value) -> &str {
    answer["workspace_id"].as_str().unwrap()
}
