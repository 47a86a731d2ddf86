//! What holds for every row of the operation table.
//!
//! Owns: the agreement between the parser and the schema, so that the doors
//! may derive from either.

use clap::Command;
use pyro::ops::TABLE;
use pyro::{Effect, Row};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The command is optional to the parser so that the product, not the
/// parser, says the next step; a model sees it as required.
const LEFT_TO_THE_PRODUCT: &str = "command";

fn command(row: &Row) -> Command {
    (row.augment)(Command::new(row.name))
}

fn schema(row: &Row) -> Value {
    (row.request_schema)().to_value()
}

fn required(schema: &Value) -> BTreeSet<String> {
    schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn names_are_unique_on_every_door() {
    let unique = |names: Vec<String>| {
        let count = names.len();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            count,
            "{names:?}"
        );
    };
    unique(TABLE.iter().map(|row| row.name.to_owned()).collect());
    unique(
        TABLE
            .iter()
            .filter(|row| !row.cli.is_empty())
            .map(|row| row.cli.join(" "))
            .collect(),
    );
    unique(
        TABLE
            .iter()
            .filter_map(|row| row.python)
            .map(str::to_owned)
            .collect(),
    );
}

#[test]
fn nothing_is_undocumented() {
    for row in TABLE {
        assert!(!row.description().is_empty(), "{}", row.name);
        assert_eq!(
            row.cli.is_empty(),
            row.examples.is_empty(),
            "{}: examples",
            row.name
        );
        for (name, property) in properties(&schema(row)) {
            assert!(property["description"].is_string(), "{}.{name}", row.name);
        }
        for argument in command(row).get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                row.name,
                argument.get_id()
            );
        }
        let response = (row.response_schema)().to_value();
        for (name, property) in properties(&response) {
            let told = property["description"].is_string() || property["$ref"].is_string();
            assert!(told, "{}: response field {name}", row.name);
        }
    }
}

#[test]
fn requests_are_closed() {
    for row in TABLE {
        assert_eq!(schema(row)["additionalProperties"], false, "{}", row.name);
        let mut request = minimal(row);
        request.insert("no_such_field".to_owned(), Value::Null);
        let error = (row.complete)(Value::Object(request)).unwrap_err();
        assert_eq!(error.code, "invalid_request", "{}", row.name);
    }
}

/// The fields of a request. Options that several commands share are an object
/// in JSON, and flags beside the others for the parser.
fn fields(row: &Row) -> BTreeSet<String> {
    let arguments = arguments(row);
    let schema = schema(row);
    let mut fields = BTreeSet::new();
    let mut open = vec![schema.clone()];
    while let Some(object) = open.pop() {
        for (name, property) in properties(&object) {
            let shared = property["$ref"]
                .as_str()
                .and_then(|path| schema.pointer(path.trim_start_matches('#')))
                .filter(|shared| shared["type"] == "object" && !arguments.contains(&name));
            match shared {
                Some(shared) => {
                    assert_eq!(shared["additionalProperties"], false, "{}.{name}", row.name);
                    open.push(shared.clone());
                }
                None => assert!(fields.insert(name.clone()), "{}.{name}", row.name),
            }
        }
    }
    fields
}

fn arguments(row: &Row) -> BTreeSet<String> {
    command(row)
        .get_arguments()
        .map(|argument| argument.get_id().to_string())
        // `--secret-file` and `--secret-hosts` are of the items of a list.
        .filter(|id| !id.contains('.'))
        .collect()
}

#[test]
fn the_parser_and_the_schema_have_the_same_fields() {
    for row in TABLE {
        assert_eq!(arguments(row), fields(row), "{}", row.name);
        let needed: BTreeSet<_> = command(row)
            .get_arguments()
            .filter(|argument| argument.is_required_set())
            .map(|argument| argument.get_id().to_string())
            .collect();
        let mut required = required(&schema(row));
        required.remove(LEFT_TO_THE_PRODUCT);
        assert_eq!(needed, required, "{}", row.name);
    }
}

/// Every required field, as text, which is all any of them is.
fn minimal(row: &Row) -> Map<String, Value> {
    required(&schema(row))
        .into_iter()
        .map(|name| {
            let command = command(row);
            let argument = command.get_arguments().find(|one| one.get_id() == &name);
            let text = argument.map_or_else(|| "x".to_owned(), text_for);
            (name, Value::from(text))
        })
        .collect()
}

/// A text that an argument takes: the first of its choices, or any.
fn text_for(argument: &clap::Arg) -> String {
    let choices = argument.get_possible_values();
    let first = choices.first().map(|choice| choice.get_name());
    first.unwrap_or("x").to_owned()
}

#[test]
fn the_parser_and_the_schema_have_the_same_defaults() {
    for row in TABLE {
        let request = minimal(row);
        let mut words = vec![row.name.to_owned()];
        for argument in command(row).get_arguments() {
            if argument.is_required_set() {
                words.extend(argument.get_long().map(|long| format!("--{long}")));
                words.push(text_for(argument));
            }
        }
        if request.contains_key(LEFT_TO_THE_PRODUCT) {
            words.extend(["--", "x"].map(str::to_owned));
        }
        let matches = command(row).try_get_matches_from(words).unwrap();
        let parsed = (row.parse)(&matches).unwrap();
        let decoded = (row.complete)(Value::Object(request)).unwrap();
        assert_eq!(parsed, decoded, "{}", row.name);
    }
}

#[test]
fn ranges_in_schemas_are_the_engines() {
    use pyro::vms::payloads::{MEM_MIB_RANGE, TTL_SECONDS_RANGE, VCPU_COUNT_RANGE};
    for name in ["vm_run", "vm_create"] {
        let fields = properties(&schema(pyro::ops::named(name).unwrap()));
        for (field, least, most) in [
            (
                "vcpu_count",
                u64::from(*VCPU_COUNT_RANGE.start()),
                u64::from(*VCPU_COUNT_RANGE.end()),
            ),
            (
                "mem_mib",
                u64::from(*MEM_MIB_RANGE.start()),
                u64::from(*MEM_MIB_RANGE.end()),
            ),
            (
                "ttl_seconds",
                *TTL_SECONDS_RANGE.start(),
                *TTL_SECONDS_RANGE.end(),
            ),
        ] {
            assert_eq!(fields[field]["minimum"], least, "{name}.{field}");
            assert_eq!(fields[field]["maximum"], most, "{name}.{field}");
        }
    }
}

#[test]
fn ranges_of_waits_and_pages_are_the_engines() {
    use pyro::workspaces::{LIMIT_BYTES_RANGE, PAGE_BYTES, WAIT_SECONDS_RANGE};
    for (name, field, range) in [
        ("workspace_exec", "wait_seconds", WAIT_SECONDS_RANGE),
        ("workspace_logs", "limit", LIMIT_BYTES_RANGE),
        (
            "workspace_network_log",
            "limit",
            pyro::workspaces::network::LIMIT_RANGE,
        ),
    ] {
        let field = properties(&schema(pyro::ops::named(name).unwrap()))[field].clone();
        assert_eq!(field["minimum"], *range.start(), "{name}");
        assert_eq!(field["maximum"], *range.end(), "{name}");
    }
    let logs = properties(&schema(pyro::ops::named("workspace_logs").unwrap()));
    let told = logs["limit"]["description"].as_str().unwrap();
    assert!(told.contains(&PAGE_BYTES.to_string()), "{told}");
}

#[test]
fn only_rows_that_end_something_destroy() {
    for row in TABLE {
        let ends = ["delete", "prune", "vm_exec", "reap", "reset"]
            .iter()
            .any(|verb| row.name.contains(verb));
        assert_eq!(row.effect == Effect::Destroys, ends, "{}", row.name);
    }
}
