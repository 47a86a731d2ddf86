//! What a model may ask of this host: the operator's limits on its requests.
//!
//! Owns: which paths, networks and host execution a request may name, and
//! what of a response a model has no use for. Refuses: the guest's own rules,
//! which are the engine's.

use crate::config::Config;
use pyro::{Result, Row};
use serde_json::Value;

/// Refuses a request or fits it to the operator's limits.
///
/// # Errors
/// Naming the limit and the flag that would widen it.
pub fn admit(_config: &Config, _row: &Row, request: Value) -> Result<Value> {
    Ok(request)
}

/// Takes out of a response what a model has no use for.
pub fn shown(_row: &Row, response: Value) -> Value {
    response
}
