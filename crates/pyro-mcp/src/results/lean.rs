//! What of a response only costs a model's attention.
//!
//! Owns: texts that are there twice, or that the model sent itself a moment
//! ago. Refuses: dropping fields that the output schema requires; they are
//! emptied.

use serde_json::{Value, json};

/// Empties it.
pub fn lean(name: &str, response: &mut Value) {
    match name {
        "workspace_diff" => {
            // The whole patch stands beside it.
            for entry in items(response, "entries") {
                entry["text_patch"] = Value::Null;
            }
        }
        "workspace_patch_apply" => response["patch"] = json!(""),
        _ => {}
    }
}

fn items<'a>(response: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    response
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}
