//! What only an operator says.
//!
//! Owns: refusing it, each with what to do instead. Refuses: printing a value
//! of a secret.

use super::{NOT_ALLOWED, given};
use crate::config::Config;
use pyro::{Error, Result, Row};
use rmcp::model::JsonObject;
use serde_json::Value;

/// Fields of any operation that no model gives.
const NEVER: [(&str, &str); 4] = [
    ("backend", "leave it out: the fastest that works is taken"),
    ("project_path", "leave it out, or give seed_path"),
    ("repo_url", "leave it out, or clone inside the workspace"),
    (
        "repo_ref",
        "leave it out, or check out inside the workspace",
    ),
];

/// # Errors
/// `not_allowed`.
pub fn refuse(config: &Config, row: &Row, request: &JsonObject) -> Result<()> {
    for (field, hint) in NEVER {
        if given(request, field).is_some() {
            return Err(not_allowed(row, field, "only the operator gives it").hint(hint));
        }
    }
    let wants_host =
        given(request, "allow_host_compat").is_some_and(|wish| *wish != Value::Bool(false));
    if wants_host && !config.options.allow_host_compat {
        let why = "commands run in a guest only; the operator did not start this server with --allow-host-compat";
        return Err(not_allowed(row, "allow_host_compat", why)
            .hint("leave it out; if no guest starts, ask the user to run pyro doctor"));
    }
    let secrets = given(request, "secrets").and_then(Value::as_array);
    for secret in secrets.into_iter().flatten() {
        let has = |field: &str| secret.get(field).filter(|value| !value.is_null());
        if has("env_var").is_some() {
            let why = "variables of the server are not for models";
            return Err(not_allowed(row, "secrets.env_var", why)
                .hint("give the value, or the file_path of a file that tools may read"));
        }
        if has("file_path").is_some_and(|path| path == "-") {
            let why = "the server's standard input is its protocol";
            return Err(not_allowed(row, "secrets.file_path", why)
                .hint("give the value, or the path of a file that tools may read"));
        }
    }
    Ok(())
}

pub(super) fn not_allowed(row: &Row, field: &str, why: &str) -> Error {
    Error::invalid(NOT_ALLOWED, format!("{}: {field}: {why}", row.name))
}
