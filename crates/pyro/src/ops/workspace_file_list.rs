//! `pyro workspace file list`.

use crate::input_rules::Rule;
use crate::workspaces::files::payloads::FileList;
use crate::workspaces::files::{List, Search};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the files of a workspace, or find lines in them.
///
/// Links are listed with their target and never followed. With `--search` the
/// lines of text files that match come back instead; `.git` is passed over.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceFileListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Directory or file below `/workspace`
    #[arg(value_name = "PATH", default_value = "/workspace")]
    #[serde(default = "crate::vm_spec::workspace_path")]
    pub path: String,
    /// Enter directories below
    #[arg(long)]
    #[serde(default)]
    pub recursive: bool,
    /// Find lines with this text, in all files below
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub search: Option<String>,
    /// Take the text of --search as a regular expression
    #[arg(long)]
    #[serde(default)]
    pub regex: bool,
    /// Let ASCII letters of --search match in either case
    #[arg(long)]
    #[serde(default)]
    pub ignore_case: bool,
    /// Most entries or matches, 1 to 200000
    #[arg(long, value_name = "COUNT", default_value_t = crate::vm_spec::list_limit())]
    #[serde(default = "crate::vm_spec::list_limit")]
    #[schemars(range(min = 1, max = 200_000))]
    pub limit: u64,
}

/// `pyro workspace file list`.
pub struct WorkspaceFileList;

impl Operation for WorkspaceFileList {
    const NAME: &'static str = "workspace_file_list";
    const CLI: &'static [&'static str] = &["workspace", "file", "list"];
    const PYTHON: Option<&'static str> = Some("list_workspace_files");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace file list demo",
        "pyro workspace file list demo src --recursive",
        "pyro workspace file list demo --search TODO --json",
    ];
    const RULES: &'static [Rule] = &[
        Rule::Needs("regex", &["search"]),
        Rule::Needs("ignore_case", &["search"]),
    ];
    type Request = WorkspaceFileListRequest;
    type Response = FileList;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let list = List {
            path: request.path,
            recursive: request.recursive,
            limit: request.limit,
            search: request.search.map(|pattern| Search {
                pattern,
                regex: request.regex,
                ignore_case: request.ignore_case,
            }),
        };
        pyro.workspaces
            .list_files(&request.workspace_id, &list, context.events, context.cancel)
    }
}
