//! What a model sent against the schema it was shown.
//!
//! Hosts pass on whatever a model writes, so nothing is taken for granted:
//! every problem is found at once, with what was sent and what is right. Two
//! slips are mended, because they can only mean one thing: null for an input
//! that is left out, and 3.0 for 3.
//!
//! Owns: types, names, ranges and choices. Refuses: what a value means, which
//! the operation knows.

use serde_json::{Map, Value};

type Object = Map<String, Value>;
/// How much of a wrong value an error repeats.
const SHOWN_CHARS: usize = 60;
/// The most problems one error names.
const MOST_PROBLEMS: usize = 5;

/// Mends and checks `arguments`; the problems, in the order of the arguments.
/// `withheld` says why a name that the schema has not is not offered.
pub fn arguments(
    schema: &Object,
    arguments: &mut Object,
    withheld: &dyn Fn(&str) -> Option<&'static str>,
) -> Vec<String> {
    let mut problems = Vec::new();
    object("", schema, arguments, withheld, &mut problems);
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("and {more} more"));
    }
    problems
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn object(
    path: &str,
    schema: &Object,
    sent: &mut Object,
    withheld: &dyn Fn(&str) -> Option<&'static str>,
    problems: &mut Vec<String>,
) {
    let empty = Object::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&empty);
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    sent.retain(|name, value| {
        !(value.is_null() && properties.contains_key(name) && !required.contains(&name.as_str()))
    });
    for name in &required {
        if !sent.contains_key(*name) {
            let what = properties.get(*name).map_or(String::new(), wanted);
            problems.push(format!("{} is missing: {what}", below(path, name)));
        }
    }
    let values = schema.get("additionalProperties");
    for (name, value) in sent.iter_mut() {
        let path = below(path, name);
        match (properties.get(name), values) {
            (Some(property), _) => check(&path, property, value, withheld, problems),
            (None, Some(Value::Object(_))) => {
                check(
                    &path,
                    &schema["additionalProperties"],
                    value,
                    withheld,
                    problems,
                );
            }
            (None, Some(Value::Bool(false))) => {
                problems.push(unknown(&path, name, properties, withheld));
            }
            (None, _) => {}
        }
    }
}

fn unknown(
    path: &str,
    name: &str,
    properties: &Object,
    withheld: &dyn Fn(&str) -> Option<&'static str>,
) -> String {
    if let Some(reason) = withheld(&without_indexes(path)) {
        return format!("{path} is not offered: {reason}");
    }
    let near = properties
        .keys()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match near {
        Some((_, known)) => format!("{path} is unknown, did you mean {known}?"),
        None => format!("{path} is unknown"),
    }
}

/// `secrets[0].name` is `secrets.name` in the rules.
fn without_indexes(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|letter| {
            let was_inside = inside;
            inside = *letter == '[' || (inside && *letter != ']');
            !was_inside && !inside
        })
        .collect()
}

fn check(
    path: &str,
    schema: &Value,
    sent: &mut Value,
    withheld: &dyn Fn(&str) -> Option<&'static str>,
    problems: &mut Vec<String>,
) {
    mend(schema, sent);
    if !fits(schema, sent) {
        problems.push(format!(
            "{path} is {}, and has to be {}",
            shown(sent),
            wanted(schema)
        ));
        return;
    }
    match sent {
        Value::Object(sent) => {
            if let Value::Object(schema) = schema {
                object(path, schema, sent, withheld, problems);
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, item) in items.iter_mut().enumerate() {
                check(
                    &format!("{path}[{index}]"),
                    schema,
                    item,
                    withheld,
                    problems,
                );
            }
        }
        _ => {}
    }
}

/// JSON Schema takes 3.0 for an integer; the operations want it written as one.
fn mend(schema: &Value, sent: &mut Value) {
    let Some(number) = sent.as_f64().filter(|_| sent.is_f64()) else {
        return;
    };
    // Up to here every integer has a float of its own.
    if schema["type"] == "integer" && number.fract() == 0.0 && number.abs() < 9e15 {
        *sent = Value::from(number as i64);
    }
}

fn fits(schema: &Value, sent: &Value) -> bool {
    let kind = match schema["type"].as_str() {
        Some("string") => sent.is_string(),
        Some("integer") => sent.is_u64() || sent.is_i64(),
        Some("number") => sent.is_number(),
        Some("boolean") => sent.is_boolean(),
        Some("array") => sent.is_array(),
        Some("object") => sent.is_object(),
        _ => true,
    };
    let bound = |keyword: &str| schema[keyword].as_i64().map(i128::from);
    let number = sent
        .as_i64()
        .map(i128::from)
        .or_else(|| sent.as_u64().map(i128::from));
    let in_range = number.is_none_or(|number| {
        bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
    });
    let choices = schema["enum"].as_array();
    kind && in_range && choices.is_none_or(|choices| choices.contains(sent))
}

fn shown(sent: &Value) -> String {
    let text = sent.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What a schema takes, in words.
fn wanted(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<_> = choices.iter().map(Value::to_string).collect();
        return format!("one of {}", choices.join(", "));
    }
    let kind = match schema["type"].as_str() {
        Some("integer") => "an integer",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "an array",
        Some("object") => "an object",
        _ => "a string",
    };
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        (Some(least), None) => format!("{kind} from {least} up"),
        (None, Some(most)) => format!("{kind} up to {most}"),
        (None, None) => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn schema() -> Object {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["workspace_id"],
            "properties": {
                "workspace_id": {"type": "string"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 9},
                "stream": {"type": "string", "enum": ["stdout", "stderr"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "secrets": {"type": "array", "items": {
                    "type": "object", "additionalProperties": false,
                    "properties": {"name": {"type": "string"}}, "required": ["name"]
                }}
            }
        });
        schema.as_object().unwrap().clone()
    }

    fn problems(mut sent: Value) -> Vec<String> {
        arguments(&schema(), sent.as_object_mut().unwrap(), &|path| {
            (path == "secrets.env_var").then_some("of the server")
        })
    }

    #[test]
    fn each_problem_says_what_was_sent_and_what_is_right() {
        for (sent, problem) in [
            (json!({}), "workspace_id is missing: a string"),
            (
                json!({"workspace_id": null}),
                "workspace_id is null, and has to be a string",
            ),
            (
                json!({"workspace_id": "a", "limit": 10}),
                "limit is 10, and has to be an integer from 1 to 9",
            ),
            (
                json!({"workspace_id": "a", "limit": "3"}),
                "limit is \"3\", and has to be an integer from 1 to 9",
            ),
            (
                json!({"workspace_id": "a", "limit": 1.5}),
                "limit is 1.5, and has to be an integer from 1 to 9",
            ),
            (
                json!({"workspace_id": "a", "stream": "out"}),
                "stream is \"out\", and has to be one of \"stdout\", \"stderr\"",
            ),
            (
                json!({"workspace_id": "a", "labels": {"k": 1}}),
                "labels.k is 1, and has to be a string",
            ),
            (
                json!({"workspace_id": "a", "secrets": [{"name": "A", "env_var": "B"}]}),
                "secrets[0].env_var is not offered: of the server",
            ),
            (
                json!({"workspace_id": "a", "workspaceid": "b"}),
                "workspaceid is unknown, did you mean workspace_id?",
            ),
            (json!({"workspace_id": "a", "zzz": 1}), "zzz is unknown"),
        ] {
            assert_eq!(problems(sent.clone()), [problem], "{sent}");
        }
    }

    #[test]
    fn clear_slips_are_mended() {
        let mut sent = json!({"workspace_id": "a", "limit": 3.0, "stream": null});
        let sent = sent.as_object_mut().unwrap();
        assert!(arguments(&schema(), sent, &|_| None).is_empty());
        assert_eq!(
            Value::from(sent.clone()),
            json!({"workspace_id": "a", "limit": 3})
        );
    }

    #[test]
    fn all_problems_are_counted() {
        let sent = json!({"workspace_id": "a", "b1": 1, "b2": 1, "b3": 1, "b4": 1, "b5": 1, "b6": 1, "b7": 1});
        assert_eq!(problems(sent).last().unwrap(), "and 2 more");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,80}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |below| {
            let names = prop_oneof![
                Just("workspace_id".to_owned()),
                Just("limit".to_owned()),
                Just("secrets".to_owned()),
                Just("labels".to_owned()),
                ".{0,10}"
            ];
            prop_oneof![
                prop::collection::vec(below.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(names, below, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_passes_fits_and_anything_is_answered(sent in any_json()) {
            let Value::Object(mut sent) = sent else {
                return Ok(());
            };
            if arguments(&schema(), &mut sent, &|_| None).is_empty() {
                prop_assert!(sent["workspace_id"].is_string());
                prop_assert!(sent.keys().all(|name| schema()["properties"].get(name).is_some()));
                if let Some(limit) = sent.get("limit") {
                    prop_assert!((1..=9).contains(&limit.as_u64().unwrap()));
                }
            }
        }
    }
}
