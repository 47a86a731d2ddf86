//! Schemas as a model reads them, made of those of the operation table.
//!
//! ```text
//!   $ref           what it names, in place
//!   oneOf consts   enum; oneOf objects: an object
//!   T or null      T: what would be null is left out instead
//!   limits         stay, and stand in the description, because some hosts
//!                  show a model nothing else
//! ```
//!
//! Owns: the form. Refuses: which properties there are, which `narrow` says.

use serde_json::{Map, Value, json};

/// What of an input's schema stays; [`super::check`] knows each of them.
pub const KEYWORDS: [&str; 9] = [
    "type",
    "enum",
    "minimum",
    "maximum",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "default",
];

type Object = Map<String, Value>;

fn object(schema: Value) -> Object {
    match schema {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// Takes the definitions out of a schema.
fn apart(schema: Value) -> (Object, Object) {
    let mut schema = object(schema);
    let definitions = schema.remove("$defs").map(object).unwrap_or_default();
    (schema, definitions)
}

/// A schema with what it refers to in place, without null.
fn plain(schema: &Object, definitions: &Object) -> Object {
    let mut own = schema.clone();
    let under = |below: &Value, own: Object| {
        let mut merged = plain(&object(below.clone()), definitions);
        merged.extend(own);
        merged
    };
    if let Some(Value::String(name)) = own.remove("$ref") {
        let name = name.rsplit('/').next().unwrap_or_default();
        own = under(&definitions[name], own);
    }
    if let Some(Value::Array(choices)) = own.remove("anyOf") {
        let is_null = |choice: &&Value| choice["type"] == "null";
        if let Some(other) = choices.iter().find(|choice| !is_null(choice)) {
            own = under(other, own);
        }
    }
    if let Some(Value::Array(choices)) = own.remove("oneOf") {
        // Variants that carry something are objects, and have no name alone.
        let names: Option<Value> = choices
            .iter()
            .map(|choice| choice.get("const").cloned())
            .collect();
        own.extend(names.map(|names| ("enum".to_owned(), names)));
        own.insert("type".into(), choices[0]["type"].clone());
    }
    if let Some(Value::Array(types)) = own.get("type") {
        let other = types.iter().find(|name| *name != "null").cloned();
        own.insert("type".into(), other.unwrap_or_default());
    }
    own
}

/// The schema of a request; `shown` gets the path of a property (`a`, `a.b`)
/// and tells whether a model has it.
pub fn input(schema: Value, shown: &dyn Fn(&str) -> bool) -> Object {
    let (schema, definitions) = apart(schema);
    let mut made = input_at("", &schema, &definitions, shown);
    made.remove("description");
    made.entry("properties").or_insert_with(|| json!({}));
    made
}

fn input_at(
    path: &str,
    schema: &Object,
    definitions: &Object,
    shown: &dyn Fn(&str) -> bool,
) -> Object {
    let schema = plain(schema, definitions);
    let mut made = Object::new();
    for (keyword, value) in &schema {
        let value = match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let below = |name: &str| match path {
                    "" => name.to_owned(),
                    path => format!("{path}.{name}"),
                };
                let properties = properties.iter().filter(|(name, _)| shown(&below(name)));
                properties
                    .map(|(name, property)| {
                        let property = object(property.clone());
                        let property = input_at(&below(name), &property, definitions, shown);
                        (name.clone(), Value::Object(property))
                    })
                    .collect::<Object>()
                    .into()
            }
            ("items", Value::Object(items)) => {
                let mut items = input_at(path, items, definitions, shown);
                // The list says what is in it.
                items.remove("description");
                items.into()
            }
            ("additionalProperties", Value::Object(values)) => {
                input_at(path, values, definitions, shown).into()
            }
            ("default", Value::Null) => continue,
            (keyword, value) if KEYWORDS.contains(&keyword) => value.clone(),
            _ => continue,
        };
        made.insert(keyword.clone(), value);
    }
    // What is empty unless given needs no word.
    if made.get("default").is_some_and(is_empty) {
        made.remove("default");
    }
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let text = with_limits(&super::wording::for_model(text), &made);
        made.insert("description".into(), text.into());
    }
    made
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::String(value) => value.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// The text with the limits and the default that it does not name itself.
pub fn with_limits(text: &str, schema: &Object) -> String {
    let mut text = text.trim_end_matches('.').to_owned();
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let named = |text: &str, bound: u64| {
        text.split(|letter: char| !letter.is_ascii_digit())
            .any(|number| number == bound.to_string())
    };
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) if !named(&text, most) => {
            text += &format!("; {least} to {most}");
        }
        (Some(least), None) if least > 0 && !named(&text, least) => {
            text += &format!("; at least {least}");
        }
        _ => {}
    }
    match schema.get("default") {
        None => text,
        Some(Value::String(default)) => format!("{text}; default {default}"),
        Some(default) => format!("{text}; default {default}"),
    }
}

/// The schema of a response: the names and types of its top level, and
/// nothing more. It is for clients that check results or make types of them;
/// of the hosts that were tried none shows it to its model, but each fetches
/// it. No name is required: what would be null is left out of a result.
pub fn output(schema: Value, hidden: &[&str]) -> Object {
    let (schema, definitions) = apart(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties: Object = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| !hidden.contains(&name.as_str()))
        .map(|(name, property)| (name.clone(), output_of(property, &definitions)))
        .collect();
    let mut made = Object::new();
    made.insert("type".into(), json!("object"));
    made.insert("properties".into(), properties.into());
    made
}

fn output_of(property: &Value, definitions: &Object) -> Value {
    let schema = plain(&object(property.clone()), definitions);
    match (schema.get("enum"), schema.get("type")) {
        (Some(names), _) => json!({ "enum": names }),
        (None, Some(kind)) => json!({ "type": kind }),
        (None, None) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_defaults_are_in_the_text_once() {
        let text = |text: &str, schema: Value| with_limits(text, &object(schema));
        let range = json!({"minimum": 1, "maximum": 8, "default": 1});
        assert_eq!(
            text("CPUs, 1 to 8", range.clone()),
            "CPUs, 1 to 8; default 1"
        );
        assert_eq!(text("CPUs.", range), "CPUs; 1 to 8; default 1");
        let least = json!({"minimum": 1});
        assert_eq!(text("Seconds", least), "Seconds; at least 1");
        assert_eq!(text("Offset", json!({"minimum": 0})), "Offset");
    }

    #[test]
    fn neither_side_knows_null() {
        let schema = json!({
            "$defs": {
                "E": {"oneOf": [{"const": "a", "type": "string"}, {"const": "b", "type": "string"}]},
                "V": {"oneOf": [{"type": "object", "properties": {"type": {"const": "v"}}}]}
            },
            "type": "object",
            "properties": {
                "v": {"anyOf": [{"$ref": "#/$defs/V"}, {"type": "null"}]},
                "e": {"anyOf": [{"$ref": "#/$defs/E"}, {"type": "null"}], "default": null},
                "n": {"type": ["integer", "null"]},
                "tap_name": {"type": "string"}
            },
            "required": ["tap_name"]
        });
        let asked = input(schema.clone(), &|path| path != "tap_name");
        assert_eq!(
            asked["properties"],
            json!({
                "v": {"type": "object"}, "e": {"type": "string", "enum": ["a", "b"]},
                "n": {"type": "integer"}
            })
        );
        let answered = output(schema, &["tap_name"]);
        assert_eq!(
            Value::from(answered),
            json!({"type": "object", "properties": {
                "v": {"type": "object"}, "e": {"enum": ["a", "b"]}, "n": {"type": "integer"}
            }})
        );
    }
}
