//! `pyro workspace file read`.

use crate::workspaces::files::Read;
use crate::workspaces::files::payloads::FileContent;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Read a file of a workspace, or a part of it.
///
/// Invalid UTF-8 is replaced. Regular files only; links are refused.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceFileReadRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// File below `/workspace`
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Most bytes, 1 to 1048576
    #[arg(long, value_name = "BYTES", default_value_t = crate::vm_spec::read_bytes())]
    #[serde(default = "crate::vm_spec::read_bytes")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_bytes: u64,
    /// First byte
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    #[serde(default)]
    pub offset: u64,
    /// First line, from 1
    #[arg(long, value_name = "LINE")]
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub first_line: Option<u64>,
    /// Last line, included
    #[arg(long, value_name = "LINE")]
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub last_line: Option<u64>,
    /// Also give the SHA-256 of the whole file
    #[arg(long)]
    #[serde(default)]
    pub hash: bool,
}

/// `pyro workspace file read`.
pub struct WorkspaceFileRead;

impl Operation for WorkspaceFileRead {
    const NAME: &'static str = "workspace_file_read";
    const CLI: &'static [&'static str] = &["workspace", "file", "read"];
    const PYTHON: Option<&'static str> = Some("read_workspace_file");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace file read demo README.md --content-only",
        "pyro workspace file read demo src/main.rs --first-line 10 --last-line 40",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("content-only", "content"));
    type Request = WorkspaceFileReadRequest;
    type Response = FileContent;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let read = Read {
            path: request.path,
            max_bytes: request.max_bytes,
            offset: request.offset,
            first_line: request.first_line,
            last_line: request.last_line,
            hash: request.hash,
        };
        pyro.workspaces
            .read_file(&request.workspace_id, &read, context.events, context.cancel)
    }
}
