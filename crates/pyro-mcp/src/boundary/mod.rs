//! What a model may ask of this host: the operator's limits on its requests.
//!
//! ```text
//!  checked arguments --> operators: refused, what only an operator says
//!                    --> defaults: filled in, what the operator chose
//!                    --> network: fitted to the ceiling, or refused --> complete --> Row::call
//!                                      files of the host: host_paths, inside the engine <--'
//! ```
//!
//! The tools do not offer most of what is refused here. It is refused all the
//! same: a schema is only what a host is told.
//!
//! Owns: these limits, and what of a response a model has no use for. Refuses:
//! the guest's own rules, which are the engine's, and files of the host, which
//! the engine opens where it checks them (`pyro::host_paths`).

mod defaults;
mod network;
mod operators;
#[cfg(test)]
mod tests;

use crate::config::Config;
use pyro::ops::TABLE;
use pyro::{Result, Row};
use rmcp::model::JsonObject;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// Names that are taken out of every response, however deep: what is only of
/// this host, or about how an environment was made.
pub const HIDDEN: &[&str] = &[
    "metadata",
    "tap_name",
    "cache_dir",
    "install_dir",
    "install_manifest",
    "oci_registry",
    "oci_repository",
    "oci_reference",
    "source_digest",
    "stdout_file",
    "stderr_file",
];

/// The code of what an operator did not allow.
pub const NOT_ALLOWED: &str = "not_allowed";

/// Names whose values have names of their user's own.
const OF_THE_USER: [&str; 2] = ["labels", "secret_env"];

/// Refuses a request or fits it to the operator's limits.
///
/// # Errors
/// `not_allowed`, naming the limit and the flag that would widen it.
pub fn admit(config: &Config, row: &Row, mut request: JsonObject) -> Result<Value> {
    operators::refuse(config, row, &request)?;
    defaults::fill(config, row, &mut request);
    network::limit(config, row, &mut request)?;
    (row.complete)(Value::Object(request))
}

/// Takes out of a response what a model has no use for.
pub fn shown(_row: &Row, mut response: Value) -> Value {
    hide(&mut response);
    response
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
            let below = fields
                .iter_mut()
                .filter(|(name, _)| !OF_THE_USER.contains(&name.as_str()));
            below.for_each(|(_, value)| hide(value));
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Whether an operation takes a field of that name.
fn takes(row: &Row, field: &str) -> bool {
    // Deriving a schema takes longer than everything else here.
    static FIELDS: LazyLock<HashMap<&str, BTreeSet<String>>> = LazyLock::new(|| {
        let fields = |row: &Row| {
            let schema = (row.request_schema)();
            let properties = schema.get("properties").and_then(Value::as_object);
            properties
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect()
        };
        TABLE.iter().map(|row| (row.name, fields(row))).collect()
    });
    FIELDS
        .get(row.name)
        .is_some_and(|fields| fields.contains(field))
}

/// What a model sent for a field; null is the same as nothing.
fn given<'a>(request: &'a JsonObject, field: &str) -> Option<&'a Value> {
    request.get(field).filter(|value| !value.is_null())
}
