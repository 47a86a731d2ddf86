//! Inputs that do nothing without or beside others, over the whole table.
//!
//! Owns: that each is refused in JSON and from words alike, with one error that
//! names both, and that help and schema say so.

use clap::{Arg, Command};
use pyro::input_rules::Rule;
use pyro::ops::TABLE;
use pyro::{Context, Error, Layout, Pyro, Row};
use serde_json::{Map, Value, json};

/// Each rule with its row: a table is empty only by mistake.
fn rules() -> Vec<(&'static Row, &'static Rule)> {
    let each = |row: &'static Row| row.rules.iter().map(move |rule| (row, rule));
    let all: Vec<_> = TABLE.iter().flat_map(each).collect();
    assert!(all.len() >= 15, "{}", all.len());
    all
}

fn schema(row: &Row) -> Value {
    (row.request_schema)().to_value()
}

fn argument(row: &Row, input: &str) -> Arg {
    let command = (row.augment)(Command::new(row.name));
    let found = command.get_arguments().find(|one| one.get_id() == input);
    found
        .unwrap_or_else(|| panic!("{}: no input {input}", row.name))
        .clone()
}

/// A value which the input has only when it is given, in JSON and as words.
fn given(row: &Row, input: &str) -> (Value, Vec<String>) {
    let property = schema(row)["properties"][input].clone();
    let argument = argument(row, input);
    let flag: Vec<String> = argument
        .get_long()
        .map(|flag| format!("--{flag}"))
        .into_iter()
        .collect();
    let worded = |word: &str| [flag.clone(), vec![word.to_owned()]].concat();
    if property["type"] == "boolean" {
        return (json!(true), flag);
    }
    if input == "secret_env" {
        return (json!({"TOKEN": "T"}), worded("TOKEN=T"));
    }
    if input == "command" {
        return (json!("true"), vec!["--".to_owned(), "true".to_owned()]);
    }
    let numbers = ["integer", "null"];
    let is_number = property["type"] == "integer" || property["type"] == json!(numbers);
    if is_number {
        let default = property["default"].as_u64().unwrap_or_default();
        return (json!(default + 1), worded(&(default + 1).to_string()));
    }
    let choices = argument.get_possible_values();
    let word = choices.last().map_or("x", |choice| choice.get_name());
    (json!(word), worded(word))
}

/// The request with what is required and these inputs, in JSON and as words.
fn request(row: &Row, inputs: &[&str]) -> (Value, Vec<String>) {
    let mut json = Map::new();
    let mut words = vec![row.name.to_owned()];
    let schema = schema(row);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for name in required.iter().filter_map(Value::as_str) {
        if name != "command" {
            json.insert(name.to_owned(), json!("w"));
            words.push("w".to_owned());
        }
    }
    let needs_command = required.contains(&json!("command"));
    let all: Vec<&str> = inputs
        .iter()
        .copied()
        .filter(|input| *input != "command")
        .chain((needs_command || inputs.contains(&"command")).then_some("command"))
        .collect();
    for input in all {
        let (value, given) = given(row, input);
        json.insert(input.to_owned(), value);
        words.extend(given);
    }
    (Value::Object(json), words)
}

/// Why a request is refused, asked in JSON and as words.
fn refusals(row: &Row, inputs: &[&str]) -> [Error; 2] {
    let folder = tempfile::tempdir().unwrap();
    let pyro = Pyro::new(Layout {
        cache: folder.path().join("cache"),
        state: folder.path().join("state"),
    });
    let (json, words) = request(row, inputs);
    let matches = (row.augment)(Command::new(row.name)).try_get_matches_from(&words);
    let parsed = matches.and_then(|matches| (row.parse)(&matches));
    let parsed = parsed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert_eq!((row.complete)(json.clone()).unwrap(), parsed, "{words:?}");
    [json, parsed].map(|request| (row.call)(&pyro, request, &Context::quiet()).unwrap_err())
}

fn is_of_a_rule(error: &Error) -> bool {
    error.code == "missing_input" || error.message.contains("does nothing")
}

#[test]
fn what_would_do_nothing_is_refused_on_every_door() {
    for (row, rule) in rules() {
        let input = rule.input();
        match rule {
            Rule::Needs(_, others) => {
                for error in refusals(row, &[input]) {
                    assert_eq!(error.code, "missing_input", "{} {input}", row.name);
                    for name in others.iter().chain([&input]) {
                        assert!(error.message.contains(name), "{error}");
                    }
                    let hint = error.hint.unwrap();
                    let flag = argument(row, others[0]).get_long().unwrap().to_owned();
                    assert!(hint.contains(&format!("give --{flag}")), "{hint}");
                }
                for other in *others {
                    for error in refusals(row, &[input, other]) {
                        assert!(
                            !is_of_a_rule(&error),
                            "{} {input} {other}: {error}",
                            row.name
                        );
                    }
                }
            }
            Rule::NotWith(_, others) => {
                for other in *others {
                    for error in refusals(row, &[input, other]) {
                        assert_eq!(error.code, "conflict", "{} {input} {other}", row.name);
                        assert!(error.message.contains(input) && error.message.contains(other));
                        assert!(error.hint.unwrap().contains("leave "));
                    }
                }
                for error in refusals(row, &[input]) {
                    assert!(!is_of_a_rule(&error), "{} {input}: {error}", row.name);
                }
            }
        }
    }
}

#[test]
fn a_default_that_is_sent_is_not_given() {
    for (row, rule) in rules() {
        let default = schema(row)["properties"][rule.input()]["default"].clone();
        let others = match rule {
            Rule::Needs(..) => &[],
            Rule::NotWith(_, others) => &others[..1],
        };
        let (mut json, _) = request(row, others);
        json[rule.input()] = default;
        let error = (row.call)(
            &Pyro::new(Layout {
                cache: "/nonexistent/cache".into(),
                state: "/nonexistent/state".into(),
            }),
            json,
            &Context::quiet(),
        );
        let error = error.unwrap_err();
        assert!(
            !is_of_a_rule(&error),
            "{} {}: {error}",
            row.name,
            rule.input()
        );
    }
}

#[test]
fn help_and_schema_say_it() {
    for (row, rule) in rules() {
        let help = argument(row, rule.input()).get_help().unwrap().to_string();
        let schema = schema(row);
        let told = schema["properties"][rule.input()]["description"].as_str();
        let told = told.unwrap();
        let word = match rule {
            Rule::Needs(..) => "needs",
            Rule::NotWith(..) => "not with",
        };
        for other in rule.others() {
            let argument = argument(row, other);
            let name = argument.get_long().unwrap_or(other).to_owned();
            for text in [&help, told] {
                assert!(
                    text.contains(word) && text.contains(&name),
                    "{}: {text}",
                    row.name
                );
            }
        }
    }
}
