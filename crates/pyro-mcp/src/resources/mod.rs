//! Workspaces as resources: what a person may want to attach to a chat.
//!
//! ```text
//!   pyro://workspace/{id}/summary                   what happened in it
//!   pyro://workspace/{id}/diff                      the patch since its creation
//!   pyro://workspace/{id}/file/{+path}              a file below /workspace
//!   pyro://workspace/{id}/log/{sequence}/{stream}   what a command wrote
//! ```
//!
//! Each is a look by an operation of the surface, admitted and redacted as a
//! tool's call is. A list reads records and touches no machine.
//!
//! Owns: these names, sizes, types of content. Refuses: surfaces without
//! workspaces, and anything that no tool of the surface shows.

mod address;

use crate::calls::Calls;
use crate::config::Config;
use address::{Address, Part};
use pyro::{Error, Row, ops};
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most workspaces of a list.
const LISTED: usize = 100;
/// Most bytes of a file or log.
const MOST_BYTES: u64 = 262_144;

/// Resources of one server.
pub struct Resources<'a> {
    config: &'a Arc<Config>,
    calls: &'a Arc<Calls>,
}

/// Whether a server has any.
pub fn exist(config: &Config) -> bool {
    row(config, "workspace_list").is_some()
}

/// The operation, where a tool of the surface has it.
fn row(config: &Config, name: &str) -> Option<&'static Row> {
    let mut tools = config.surface.tools();
    tools.find(|tool| *tool == name).and_then(ops::named)
}

impl<'a> Resources<'a> {
    pub fn new(config: &'a Arc<Config>, calls: &'a Arc<Calls>) -> Self {
        Self { config, calls }
    }

    /// Summary and diff of each workspace.
    pub async fn list(&self, ct: &CancellationToken) -> Result<ListResourcesResult, ErrorData> {
        let Some(list) = row(self.config, "workspace_list") else {
            return Ok(ListResourcesResult::with_all_items(Vec::new()));
        };
        let found = self
            .ask(list, json!({}), ct)
            .await
            .map_err(|error| failed(&error))?;
        let mut resources = Vec::new();
        for workspace in found["workspaces"]
            .as_array()
            .into_iter()
            .flatten()
            .take(LISTED)
        {
            let id = workspace["workspace_id"].as_str().unwrap_or_default();
            let name = workspace["name"].as_str().unwrap_or(id);
            let state = workspace["state"].as_str().unwrap_or_default();
            let one = |part: &str, what: &str, mime: &str| {
                Resource::new(
                    format!("pyro://workspace/{id}/{part}"),
                    format!("{name} {part}"),
                )
                .with_description(format!("{what} of workspace {name} ({id}, {state})"))
                .with_mime_type(mime)
            };
            resources.push(one("summary", "What happened in the session", JSON));
            // What is stopped has no guest to ask.
            if state == "started" && row(self.config, "workspace_diff").is_some() {
                resources.push(one("diff", "Changes since the creation", DIFF));
            }
        }
        Ok(ListResourcesResult::with_all_items(resources))
    }

    /// The forms of all names.
    pub fn templates(&self) -> ListResourceTemplatesResult {
        let all = [
            (
                "workspace_summary",
                "summary",
                "summary",
                JSON,
                "What happened in a workspace since its creation or last reset",
            ),
            (
                "workspace_diff",
                "diff",
                "diff",
                DIFF,
                "What changed in a workspace since its creation, as a patch",
            ),
            (
                "workspace_file_read",
                "file",
                "file/{+path}",
                TEXT,
                "A file below /workspace, up to 256 KiB",
            ),
            (
                "workspace_logs",
                "log",
                "log/{sequence}/{stream}",
                TEXT,
                "What a command wrote to stdout or stderr, up to 256 KiB",
            ),
        ];
        let offered = all
            .into_iter()
            .filter(|(tool, ..)| row(self.config, tool).is_some());
        let made = offered.map(|(_, name, form, mime, what)| {
            ResourceTemplate::new(
                format!("pyro://workspace/{{id}}/{form}"),
                format!("workspace-{name}"),
            )
            .with_description(what)
            .with_mime_type(mime)
        });
        ListResourceTemplatesResult::with_all_items(made.collect())
    }

    /// The content of one.
    ///
    /// # Errors
    /// Not found; what the operation says.
    pub async fn read(
        &self,
        uri: &str,
        ct: &CancellationToken,
    ) -> Result<ReadResourceResult, ErrorData> {
        let unknown = || {
            let forms = "pyro://workspace/ID/summary, /diff, /file/PATH or /log/NUMBER/stdout";
            ErrorData::resource_not_found(
                format!("no resource is called {uri:?}; names are {forms}"),
                Some(json!({ "uri": uri })),
            )
        };
        let address = Address::parse(uri).ok_or_else(unknown)?;
        let (tool, more) = address.request();
        let row = row(self.config, tool).ok_or_else(unknown)?;
        let found = self.ask(row, more, ct).await.map_err(|error| {
            if NOT_FOUND.contains(&error.code) {
                let text = format!("{uri}: {}", error.message);
                return ErrorData::resource_not_found(text, Some(json!({ "uri": uri })));
            }
            failed(&error)
        })?;
        let (text, mime) = content(&address.part, &found);
        let contents = ResourceContents::text(text, uri).with_mime_type(mime);
        Ok(ReadResourceResult::new(vec![contents]))
    }

    async fn ask(
        &self,
        row: &'static Row,
        request: Value,
        ct: &CancellationToken,
    ) -> pyro::Result<Value> {
        let request = request.as_object().cloned().unwrap_or_default();
        self.calls.ask(self.config, row, request, ct).await
    }
}

const JSON: &str = "application/json";
const DIFF: &str = "text/x-diff";
const TEXT: &str = "text/plain";

/// Errors that mean there is no such thing.
const NOT_FOUND: [&str; 5] = [
    "unknown_workspace",
    "ambiguous_name",
    "unknown_command",
    "not_found",
    "file_not_found",
];

fn failed(error: &Error) -> ErrorData {
    let text = format!("{} ({})", error.message, error.code);
    ErrorData::internal_error(text, None)
}

/// What is shown of a response, and what it is. A part says so in its last
/// line: a reader of resources sees nothing else.
fn content(part: &Part, found: &Value) -> (String, &'static str) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match part {
        Part::Summary => (format!("{found:#}"), JSON),
        Part::Diff => (text(&found["patch"]), DIFF),
        Part::File(_) => {
            let mut shown = text(&found["content"]);
            if found["truncated"] == true {
                shown.push_str(&format!(
                    "\n[... cut at {MOST_BYTES} of {} bytes ...]\n",
                    found["size_bytes"]
                ));
            }
            (shown, TEXT)
        }
        Part::Log(..) => {
            let page = &found["page"];
            let mut shown = text(&page["text"]);
            if page["next_offset"].as_u64() < page["total_bytes"].as_u64()
                && !page["next_offset"].is_null()
            {
                shown.push_str(&format!(
                    "\n[... cut at {} of {} bytes ...]\n",
                    page["next_offset"], page["total_bytes"]
                ));
            }
            (shown, TEXT)
        }
    }
}
