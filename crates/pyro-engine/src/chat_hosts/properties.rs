//! What holds for every document that gets an entry.
//!
//! Owns: random documents of both formats, with comments, odd spacing, keys
//! that are there twice, and entries in every form a person may write.

use super::entry::{Entry, Field};
use super::format::Format;
use super::jsonc::{self, Dialect};
use super::splice::{Splice, apply};
use super::toml;
use proptest::prelude::*;
use serde_json::{Value, json};

fn entry() -> Entry {
    Entry(vec![
        ("command", Field::Exact(json!("/p/pyro"))),
        ("args", Field::Exact(json!(["mcp", "serve", "ü \"x\" \\"]))),
        ("timeout", Field::AtLeast(20)),
        ("env_vars", Field::Includes(vec!["A".into(), "B".into()])),
        ("enabled", Field::NotFalse),
    ])
}

fn path(keys: [&str; 2]) -> Vec<String> {
    keys.map(str::to_owned).to_vec()
}

/// White space and comments between two words of JSON.
fn gap() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(""),
        3 => Just(" "),
        3 => Just("\n    "),
        1 => Just("\r\n\t"),
        1 => Just(" // , } \" ü\n"),
        1 => Just("/* , } // */"),
        1 => Just("/*\n*/ "),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "mcp", "pyro", "command", "args", "timeout", "env_vars", "enabled", "own", "ü",
    ])
}

/// A comma after the last item, between comments, or none.
fn joined(
    open: char,
    items: Vec<(&str, String, &str)>,
    last: &str,
    comma: bool,
    close: char,
) -> String {
    let count = items.len();
    let mut text = String::from(open);
    for (index, (before, item, after)) in items.into_iter().enumerate() {
        text += before;
        text += &item;
        text += after;
        if index + 1 < count || comma {
            text.push(',');
        }
    }
    text + last + &close.to_string()
}

fn object_of(value: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let property = (gap(), key(), gap(), gap(), value, gap()).prop_map(
        |(before, key, left, right, value, after)| {
            (before, format!("\"{key}\"{left}:{right}{value}"), after)
        },
    );
    (prop::collection::vec(property, 0..4), gap(), any::<bool>())
        .prop_map(|(items, last, comma)| joined('{', items, last, comma, '}'))
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "7",
        "-1.5e3",
        r#""""#,
        r#""a // b , } \" ü""#,
        r#""A""#,
        "{}",
        "[]",
        r#""\u0041""#,
        r#""\ud83d, }""#,
    ])
    .prop_map(str::to_owned)
    .boxed();
    leaf.prop_recursive(4, 24, 4, |value| {
        let value = value.boxed();
        let items = prop::collection::vec((gap(), value.clone(), gap()), 0..4);
        let array = (items, gap(), any::<bool>())
            .prop_map(|(items, last, comma)| joined('[', items, last, comma, ']'));
        prop_oneof![array, object_of(value)]
    })
}

fn json_document() -> impl Strategy<Value = String> {
    let object = object_of(json_text().boxed());
    (gap(), object, gap()).prop_map(|(before, object, after)| format!("{before}{object}{after}"))
}

/// What a document means, with the entry in it.
fn with_entry(document: &mut Value, path: &[String], entry: &Entry) {
    let mut here = document;
    for key in path {
        if !here[key].is_object() {
            here[key] = json!({});
        }
        here = &mut here[key];
    }
    for (name, field) in &entry.0 {
        use super::entry::Change;
        let old = here.get(name).cloned();
        let new = match old.as_ref().map(|old| field.change(old)) {
            None => field.fresh(),
            Some(Change::Keep) => old,
            Some(Change::Set(value)) => Some(value),
            Some(Change::Add(names)) => {
                let names = names.into_iter().map(Value::from);
                let mut items = old.unwrap().as_array().unwrap().clone();
                items.extend(names);
                Some(Value::from(items))
            }
        };
        if let Some(new) = new {
            here[name] = new;
        }
    }
}

/// Lists of variables have no order.
fn sorted(mut document: Value, path: &[String]) -> Value {
    let mut here = &mut document;
    for key in path {
        here = &mut here[key];
    }
    if let Some(items) = here["env_vars"].as_array_mut() {
        items.sort_by_key(ToString::to_string);
    }
    document
}

/// Nothing goes but white space, or the value of one of our fields.
fn spares_the_rest(text: &str, splices: &[Splice], ours: impl Fn(&str) -> bool) {
    for splice in splices {
        let gone = &text[splice.at.clone()];
        assert!(
            gone.trim().is_empty() || ours(&text[..splice.at.start]),
            "{gone:?} in {text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn json_keeps_everything_else(text in json_document(), replace: bool) {
        let path = path(["mcp", "pyro"]);
        let lax = Dialect::Comments;
        let set = jsonc::set(&text, lax, &path, &entry(), replace);
        let Ok(splices) = set else {
            // Only what stands in the way is a fault.
            prop_assert!(!replace, "{set:?}");
            let mcp = jsonc::find(&text, lax, &path[..1]).unwrap().unwrap();
            prop_assert!(!mcp.is_object() || !mcp["pyro"].is_object());
            return Ok(());
        };
        let fields = ["command", "args", "timeout", "env_vars", "enabled", "mcp", "pyro"];
        spares_the_rest(&text, &splices, |before| {
            // The key may be comments and a colon away.
            let key = before.rfind('"').map(|end| &before[..end]);
            key.is_some_and(|key| fields.iter().any(|field| key.ends_with(&format!("\"{field}")))
                || before.contains("/*") || before.contains("//"))
        });
        let after = apply(&text, splices);
        let mut wanted = jsonc::find(&text, lax, &[]).unwrap().unwrap();
        with_entry(&mut wanted, &path, &entry());
        let found = jsonc::find(&after, lax, &[]).unwrap().unwrap();
        prop_assert_eq!(sorted(found, &path), sorted(wanted, &path), "{}", after);
        let again = jsonc::set(&after, lax, &path, &entry(), false).unwrap();
        prop_assert_eq!(again, vec![]);
    }

    #[test]
    fn no_bytes_make_a_format_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\"',:=#/*a-c.\\n ]{0,60}") {
        for document in [bytes.as_slice(), text.as_bytes()] {
            for format in [Format::Toml, Format::Json(Dialect::Strict), Format::Json(Dialect::Comments)] {
                let path = path(["a", "b"]);
                if let Ok(after) = format.set(document, &path, &entry(), true) {
                    prop_assert_eq!(&format.set(&after, &path, &entry(), false).unwrap(), &after);
                }
            }
        }
    }

    #[test]
    fn toml_keeps_everything_else(text in toml_document()) {
        let path = path(["mcp_servers", "pyro"]);
        let splices = toml::set(&text, &path, &entry(), false).unwrap();
        spares_the_rest(&text, &splices, |before| before.trim_end().ends_with('='));
        let after = apply(&text, splices);
        let mut wanted = toml::find(&text, &[]).unwrap().unwrap();
        with_entry(&mut wanted, &path, &entry());
        let found = toml::find(&after, &[]).unwrap();
        prop_assert!(found.is_some(), "{}", after);
        prop_assert_eq!(sorted(found.unwrap(), &path), sorted(wanted, &path), "{}", after);
        prop_assert_eq!(toml::set(&after, &path, &entry(), false).unwrap(), vec![]);
    }
}

/// Fields of an entry, ours in any state and the user's.
fn toml_fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let field = |name: &'static str, values: Vec<&'static str>| {
        prop::option::of(prop::sample::select(values)).prop_map(move |value| Some((name, value?)))
    };
    (
        field("own", vec!["'# \" ='", "2026-11-21", "[1, 2]"]),
        field("command", vec!["\"/p/pyro\"", "'old'", "\"\"\"a\"\"\""]),
        field(
            "env_vars",
            vec!["[]", "[ \"A\" ]", "[\"C\", \"B\"]", "[\"A\", \"B\", ]"],
        ),
        field("timeout", vec!["1", "20.5", "3_600"]),
        field("enabled", vec!["true", "false"]),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn toml_document() -> impl Strategy<Value = String> {
    let noise = prop::sample::select(vec![
        "",
        "# [mcp_servers.pyro]\n",
        "\n\n",
        "a.b = 1 # x\nc = 2\na.d = 3\n",
    ]);
    let others = prop::sample::select(vec![
        "",
        "[mcp_servers.other]\ncommand = \"x\"\n",
        "[mcp_servers]\nother.command = \"x\"   # keep\n",
        "  [ mcp_servers . \"other\" ]\n\tcommand='x'\n[[list]]\nx = 1\n",
    ]);
    let tail = prop::sample::select(vec!["", "[tail]\nk = [\n 1, # one\n]\n", "[tail]\nk = 1"]);
    let entry = (toml_fields(), 0..6_u8, any::<bool>());
    (noise, others, entry, tail, any::<bool>()).prop_map(
        |(noise, others, (fields, form, comments), tail, crlf)| {
            let comment = if comments { " # why" } else { "" };
            let lines = |prefix: &str| -> String {
                let line =
                    |(name, value): &(&str, &str)| format!("{prefix}{name} = {value}{comment}\n");
                fields.iter().map(line).collect()
            };
            let inline: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            let inline = inline.join(", ");
            let entry = match form {
                0 => String::new(),
                1 => format!("[mcp_servers.pyro]{comment}\n{}", lines("")),
                2 => format!(
                    "[mcp_servers.pyro]\n{}[mcp_servers.pyro.tools.x]\napproval = 'a'\n",
                    lines("  ")
                ),
                3 => "[mcp_servers.pyro.tools.x]\napproval = 'a'\n".to_owned(),
                4 if others.is_empty() && !fields.is_empty() => {
                    format!("[mcp_servers]\n{}", lines("pyro."))
                }
                4 | 5 if others.is_empty() => {
                    format!("mcp_servers = {{ x = {{}}, pyro = {{{inline}}} }}{comment}\n")
                }
                _ => format!("[mcp_servers.pyro]\n{}", lines("")),
            };
            let text = format!("{noise}{}{entry}{tail}", others);
            if crlf {
                text.replace('\n', "\r\n")
            } else {
                text
            }
        },
    )
}
