//! What of a response only costs a model's attention.
//!
//! Owns: fields that say nothing (null), texts that are there twice, or that
//! the model sent itself a moment ago; no output schema requires a field.
//! Refuses: fields that are empty or false, which say something.

use serde_json::Value;

/// Empties it.
pub fn lean(name: &str, response: &mut Value) {
    match name {
        "workspace_diff" => {
            // The whole patch stands beside it.
            for entry in items(response, "entries") {
                entry["text_patch"] = Value::Null;
            }
        }
        "workspace_patch_apply" => response["patch"] = Value::Null,
        _ => {}
    }
    without_nulls(response);
}

fn items<'a>(response: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    response
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
