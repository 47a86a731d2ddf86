//! `pyro workspace file write`.

use crate::text_or_file;
use crate::workspaces::files::Write;
use crate::workspaces::files::payloads::FileWritten;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write a text file of a workspace, or replace one fragment of it.
///
/// Missing directories are made; a file that is replaced keeps its mode.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceFileWriteRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// File below `/workspace`
    #[arg(value_name = "PATH")]
    pub path: String,
    /// The text, at most 1 MiB
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[serde(default)]
    pub text: Option<String>,
    /// A file of this host with the text
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub text_file: Option<String>,
    /// Replace this fragment, which must occur exactly once, by the text
    #[arg(long, value_name = "FRAGMENT", allow_hyphen_values = true)]
    #[serde(default)]
    pub replace: Option<String>,
    /// Refuse when the file has not this SHA-256 now
    #[arg(long, value_name = "HEX")]
    #[serde(default)]
    pub expected_sha256: Option<String>,
}

/// `pyro workspace file write`.
pub struct WorkspaceFileWrite;

impl Operation for WorkspaceFileWrite {
    const NAME: &'static str = "workspace_file_write";
    const CLI: &'static [&'static str] = &["workspace", "file", "write"];
    const PYTHON: Option<&'static str> = Some("write_workspace_file");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace file write demo notes.txt --text 'to do'",
        "pyro workspace file write demo src/main.rs --text-file main.rs",
        "pyro workspace file write demo conf --replace 'port = 80' --text 'port = 8080'",
    ];
    type Request = WorkspaceFileWriteRequest;
    type Response = FileWritten;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let write = Write {
            text: text_or_file::read(&pyro.host, "text", request.text, request.text_file)?,
            path: request.path,
            replace: request.replace,
            expected_sha256: request.expected_sha256,
        };
        pyro.workspaces.write_file(
            &request.workspace_id,
            &write,
            context.events,
            context.cancel,
        )
    }
}
