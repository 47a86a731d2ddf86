//! What a model may ask of this host: the operator's limits on its requests.
//!
//! Owns: which paths, networks and host execution a request may name, and
//! what of a response a model has no use for. Refuses: the guest's own rules,
//! which are the engine's.

use crate::config::Config;
use pyro::{Result, Row};
use rmcp::model::JsonObject;
use serde_json::Value;

/// Names that are taken out of every response, however deep.
pub const HIDDEN: &[&str] = &[
    "metadata",
    "tap_name",
    "cache_dir",
    "install_dir",
    "install_manifest",
];

/// Refuses a request or fits it to the operator's limits.
///
/// # Errors
/// Naming the limit and the flag that would widen it.
pub fn admit(config: &Config, row: &Row, mut request: JsonObject) -> Result<Value> {
    if (row.request_schema)()
        .get("properties")
        .is_some_and(|known| known.get("environment").is_some())
    {
        request
            .entry("environment")
            .or_insert_with(|| config.environment.clone().into());
    }
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
            fields.iter_mut().for_each(|(_, below)| hide(below));
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}
