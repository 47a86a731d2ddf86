//! What holds for every tool of every surface.

use super::{Tool, Tools, shape};
use crate::boundary;
use crate::config::Config;
use crate::config::tests::{config, each_surface};
use serde_json::{Map, Value, json};

/// Every surface as it is by default, and with all that an operator can allow.
fn configs() -> Vec<Config> {
    let wide = "--network-policy egress+published-ports --allow-host-compat";
    let all = each_surface("").into_iter().chain(each_surface(wide));
    all.map(|(_, config)| config).collect()
}

fn each_tool(mut look: impl FnMut(&Config, &Tool)) {
    for config in configs() {
        let tools = Tools::of(&config);
        assert_eq!(tools.0.len(), config.surface.tools().count());
        for tool in &tools.0 {
            look(&config, tool);
        }
    }
}

/// Every schema in a schema, itself first.
fn schemas<'a>(schema: &'a Value, found: &mut Vec<&'a Map<String, Value>>) {
    let Value::Object(own) = schema else {
        return;
    };
    found.push(own);
    let properties = own.get("properties").and_then(Value::as_object);
    for below in properties.into_iter().flatten().map(|(_, below)| below) {
        schemas(below, found);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(below) = own.get(keyword) {
            schemas(below, found);
        }
    }
}

#[test]
fn inputs_are_closed_plain_and_described() {
    each_tool(|_, tool| {
        let input = Value::Object((*tool.wire.input_schema).clone());
        assert_eq!(input["type"], "object", "{}", tool.row.name);
        assert_eq!(input["additionalProperties"], false, "{}", tool.row.name);
        let mut found = Vec::new();
        schemas(&input, &mut found);
        for schema in found {
            for keyword in schema.keys() {
                let known = shape::KEYWORDS.contains(&keyword.as_str()) || keyword == "description";
                assert!(known, "{}: {keyword}", tool.row.name);
            }
            assert!(schema["type"].is_string(), "{}: {schema:?}", tool.row.name);
        }
        for (name, property) in input["properties"].as_object().unwrap() {
            let text = property["description"].as_str().unwrap();
            for keyword in ["minimum", "maximum", "default"] {
                let limit = match &property[keyword] {
                    Value::Null => continue,
                    Value::Number(zero) if keyword == "minimum" && zero.as_u64() == Some(0) => {
                        continue;
                    }
                    Value::String(text) => text.clone(),
                    limit => limit.to_string(),
                };
                assert!(
                    text.contains(&limit),
                    "{} {name}: {keyword} is not in {text:?}",
                    tool.row.name
                );
            }
        }
    });
}

#[test]
fn no_limit_of_the_table_is_lost() {
    // A keyword that nobody knows would be dropped in silence.
    let kept = [
        "title",
        "description",
        "format",
        "$ref",
        "anyOf",
        "oneOf",
        "const",
    ];
    for row in pyro::ops::TABLE {
        let schema = (row.request_schema)().to_value();
        let mut found = Vec::new();
        schemas(&schema, &mut found);
        for definition in schema["$defs"].as_object().into_iter().flatten() {
            schemas(definition.1, &mut found);
        }
        for keyword in found.iter().flat_map(|schema| schema.keys()) {
            let known = kept.contains(&keyword.as_str())
                || shape::KEYWORDS.contains(&keyword.as_str())
                || keyword.starts_with('$');
            assert!(known, "{}: {keyword}", row.name);
        }
    }
}

#[test]
fn no_word_is_about_a_command_line() {
    each_tool(|_, tool| {
        let mut texts = vec![tool.wire.description.as_deref().unwrap().to_owned()];
        let input = Value::Object((*tool.wire.input_schema).clone());
        let mut found = Vec::new();
        schemas(&input, &mut found);
        texts.extend(
            found
                .iter()
                .filter_map(|schema| Some(schema.get("description")?.to_string())),
        );
        for text in texts {
            for word in [
                "--",
                "pyro ",
                "command line",
                "tandard input",
                "standard output",
                "flag",
                "`workspace ",
                "PYRO_",
            ] {
                assert!(
                    !text.contains(word),
                    "{}: {word:?} in {text:?}",
                    tool.row.name
                );
            }
        }
    });
}

#[test]
fn outputs_have_nothing_that_is_hidden() {
    each_tool(|_, tool| {
        let output = tool.wire.output_schema.as_ref().unwrap();
        assert_eq!(output["type"], "object");
        let text = Value::Object((**output).clone()).to_string();
        for name in boundary::HIDDEN {
            assert!(
                !text.contains(&format!("\"{name}\"")),
                "{}: {name}",
                tool.row.name
            );
        }
    });
}

#[test]
fn what_is_offered_is_taken_and_the_rest_is_refused_with_a_reason() {
    each_tool(|config, tool| {
        let schema = (tool.row.request_schema)().to_value();
        let all = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for name in all.keys() {
            let is_offered = tool.wire.input_schema["properties"].get(name).is_some();
            let sent = json!({name.as_str(): 1.5});
            let error = tool.checked(sent.as_object().unwrap().clone()).unwrap_err();
            assert_eq!(error.code, "invalid_request");
            let refused = error.message.contains(&format!("{name} is not offered: "));
            assert_eq!(
                refused,
                !is_offered,
                "{} {}: {error}",
                config.surface.name(),
                tool.row.name
            );
        }
    });
}

/// Values that a schema does not take.
fn wrong(property: &Value) -> Vec<Value> {
    let kinds = [
        ("string", json!("no such value")),
        ("integer", json!(7)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("object", json!({})),
    ];
    let own = property["type"].as_str().unwrap();
    let mut wrong: Vec<Value> = kinds
        .into_iter()
        .filter(|(kind, _)| *kind != own)
        .map(|(_, value)| value)
        .collect();
    match own {
        "integer" => {
            wrong.extend([json!(1.5), json!(-1), json!(1e300), json!(i64::MIN)]);
            let beyond = |keyword: &str, step: i64| Some(json!(property[keyword].as_i64()? + step));
            wrong.extend(beyond("minimum", -1));
            wrong.extend(beyond("maximum", 1));
        }
        "string" if property["enum"].is_array() => wrong.push(json!("no such value")),
        "array" => {
            for item in self::wrong(&property["items"]) {
                wrong.push(json!([item]));
            }
        }
        "object" if property["additionalProperties"].is_object() => {
            for value in self::wrong(&property["additionalProperties"]) {
                wrong.push(json!({"key": value}));
            }
        }
        _ => {}
    }
    wrong
}

/// What a tool has to be given, and nothing else.
fn least(tool: &Tool) -> Map<String, Value> {
    let required = tool.wire.input_schema.get("required");
    let names = required.and_then(Value::as_array).into_iter().flatten();
    let text = |name: &Value| (name.as_str().unwrap().to_owned(), json!("x"));
    names.map(text).collect()
}

#[test]
fn each_input_refuses_other_types_and_what_is_beyond_its_limits() {
    each_tool(|_, tool| {
        let least = least(tool);
        assert_eq!(tool.checked(least.clone()).unwrap(), least);
        for name in least.keys() {
            let mut sent = least.clone();
            sent.remove(name);
            let error = tool.checked(sent).unwrap_err();
            assert!(error.message.contains(&format!("{name} is missing")));
        }
        let properties = tool.wire.input_schema["properties"].as_object().unwrap();
        for (name, property) in properties {
            let with = |value: Value| {
                let mut sent = least.clone();
                sent.insert(name.clone(), value);
                tool.checked(sent)
            };
            for value in wrong(property) {
                let error = with(value.clone()).unwrap_err();
                assert_eq!(error.code, "invalid_request");
                // The name, what was sent, what would be right; no more words.
                assert!(
                    error.message.starts_with(name.as_str()) && error.message.contains("has to be"),
                    "{} {name} {value}: {error}",
                    tool.row.name
                );
                assert!(error.hint.unwrap().contains(name.as_str()));
            }
            for limit in ["minimum", "maximum"] {
                if property[limit].is_number() {
                    with(property[limit].clone()).unwrap();
                }
            }
        }
        let mut sent = least;
        sent.insert("no_such_input".into(), json!(1));
        let error = tool.checked(sent).unwrap_err();
        assert!(error.message.starts_with("no_such_input is unknown"));
    });
}

#[test]
fn arguments_come_back_as_they_were() {
    let config = config("");
    let tools = Tools::of(&config);
    let sent = json!({"name": "demo", "vcpu_count": 2});
    let sent = sent.as_object().unwrap();
    let tool = tools.named("workspace_create").unwrap();
    assert_eq!(tool.checked(sent.clone()).unwrap(), *sent);
    let error = tool
        .checked(json!({"names": "demo"}).as_object().unwrap().clone())
        .unwrap_err();
    assert!(error.message.contains("did you mean name?"), "{error}");
    assert!(error.hint.unwrap().contains("seed_path"));
    let unknown = tools.named("workspace_create2").err().unwrap();
    assert!(
        unknown
            .message
            .contains("workspace_create, workspace_delete")
    );
}

/// The one copy of what others rely on: what can be sent without an environment.
#[test]
fn nobody_has_to_name_an_environment() {
    each_tool(|config, tool| {
        let input = &tool.wire.input_schema;
        if let Some(environment) = input["properties"].get("environment") {
            assert_eq!(environment["default"], config.environment.as_str());
            let required = input.get("required").and_then(Value::as_array);
            assert!(!required.is_some_and(|names| names.contains(&json!("environment"))));
        }
    });
}
