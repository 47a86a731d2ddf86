//! `pyro workspace sync push`.

use crate::workspaces::files::payloads::Synced;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Put a directory or archive of this host into a workspace.
///
/// Adds and overwrites; modes, times and links survive, owners become root. It
/// is not atomic: `workspace reset` is the way back.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceSyncPushRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Directory, .tar, .tar.gz, .tgz or .tar.zst of this host
    #[arg(value_name = "SOURCE")]
    pub source_path: String,
    /// Directory below `/workspace`, made when it is missing
    #[arg(long, value_name = "PATH", default_value = "/workspace")]
    #[serde(default = "crate::vm_spec::workspace_path")]
    pub dest: String,
    /// Also delete what the source has not, but for a `.git` at the top
    #[arg(long)]
    #[serde(default)]
    pub delete_missing: bool,
}

/// `pyro workspace sync push`.
pub struct WorkspaceSyncPush;

impl Operation for WorkspaceSyncPush {
    const NAME: &'static str = "workspace_sync_push";
    const CLI: &'static [&'static str] = &["workspace", "sync", "push"];
    const PYTHON: Option<&'static str> = Some("push_workspace_sync");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace sync push demo .",
        "pyro workspace sync push demo src.tar.gz --dest vendor",
        "pyro workspace sync push demo . --delete-missing",
    ];
    type Request = WorkspaceSyncPushRequest;
    type Response = Synced;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.sync_push(
            &request.workspace_id,
            &request.source_path,
            &request.dest,
            request.delete_missing,
            context.events,
            context.cancel,
        )
    }
}
