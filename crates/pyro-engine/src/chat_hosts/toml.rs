//! pyro's entry in a TOML document.
//!
//! ```text
//! nothing there               a new [mcp_servers.pyro] at the end
//! [mcp_servers.pyro]          values replaced, new lines after the last value
//! pyro.command = "x"          the same; new lines begin as that line does
//! pyro = { command = "x" }    the same, inside the braces
//! ```
//!
//! Owns: finding the entry and changing it by splices; `toml_edit` only says
//! where things are, since what it writes has other line ends and order.
//! Refuses: touching any byte beside the entry; files.

use super::entry::{Change, Entry, REACHED};
use super::fault::Fault;
use super::splice::{Splice, before_on_line, newline};
use serde_json::Value;
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

fn parse(text: &str) -> Result<Document<&str>, Fault> {
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let what = error.message().lines().collect::<Vec<_>>().join("; ");
        Fault::at(text, at, what)
    })
}

/// The value at a path of keys.
pub fn find(text: &str, path: &[String]) -> Result<Option<Value>, Fault> {
    let document = parse(text)?;
    let mut here = document.as_item();
    for key in path {
        let Some(table) = here.as_table_like() else {
            return Err(wrong_kind(text, here, "what holds it"));
        };
        match table.get(key) {
            Some(item) => here = item,
            None => return Ok(None),
        }
    }
    Ok(Some(json(here)))
}

fn wrong_kind(text: &str, item: &Item, what: &str) -> Fault {
    let at = item.span().map_or(0, |span| span.start);
    Fault::at(text, at, format!("{what} is no table"))
}

/// The changes that put the entry at a path; none when it is there already.
/// With `replace`, a value that stands in the way is replaced, else it is a fault.
pub fn set(
    text: &str,
    path: &[String],
    entry: &Entry,
    replace: bool,
) -> Result<Vec<Splice>, Fault> {
    let document = parse(text)?;
    let mut here = document.as_item();
    for (depth, key) in path.iter().enumerate() {
        let rest = &path[depth..];
        match here {
            Item::Table(table) => match table.get(key) {
                Some(item) => here = item,
                None => return Ok(vec![section(text, path, entry)]),
            },
            Item::Value(TomlValue::InlineTable(table)) => match TableLike::get(table, key) {
                Some(item) => here = item,
                None => {
                    let open = table.span().map_or(0, |span| span.start) + 1;
                    let comma = if table.is_empty() { " " } else { "," };
                    let written = format!(" {}{comma}", assignment(rest, entry));
                    return Ok(vec![Splice::insert(open, written)]);
                }
            },
            other => return in_the_way(text, other, &path[..depth], rest, entry, replace),
        }
    }
    match here {
        // Only tables below it have headers: it gets one of its own.
        Item::Table(table) if table.is_implicit() && !table.is_dotted() => {
            Ok(vec![section(text, path, entry)])
        }
        Item::Table(table) => {
            let header = table.span().map_or(0, |span| span.end);
            update(text, table, entry, Place::Lines { header }, replace)
        }
        Item::Value(TomlValue::InlineTable(table)) => {
            let span = table.span().unwrap_or_default();
            if replace && table.contains_key("url") {
                return Ok(vec![Splice::replace(span, braces(entry))]);
            }
            update(
                text,
                table,
                entry,
                Place::Braces {
                    open: span.start + 1,
                },
                replace,
            )
        }
        other => in_the_way(text, other, path, &[], entry, replace),
    }
}

fn in_the_way(
    text: &str,
    item: &Item,
    path: &[String],
    rest: &[String],
    entry: &Entry,
    replace: bool,
) -> Result<Vec<Splice>, Fault> {
    match (item, item.span()) {
        (Item::Value(_), Some(span)) if replace => {
            let inline = match rest {
                [] => braces(entry),
                rest => format!("{{ {} }}", assignment(rest, entry)),
            };
            Ok(vec![Splice::replace(span, inline)])
        }
        _ => Err(wrong_kind(text, item, &path.join("."))),
    }
}

/// A table at the end of the document.
fn section(text: &str, path: &[String], entry: &Entry) -> Splice {
    let newline = newline(text);
    let mut written = String::new();
    if !text.is_empty() {
        let ended = text.ends_with('\n');
        written += if ended { newline } else { "" };
        written += &if ended {
            String::new()
        } else {
            newline.repeat(2)
        };
    }
    written += &format!("[{}]{newline}", path.join("."));
    for (name, value) in entry.fresh() {
        written += &format!("{name} = {}{newline}", literal(&value));
    }
    Splice::insert(text.len(), written)
}

fn braces(entry: &Entry) -> String {
    let fields: Vec<_> = entry
        .fresh()
        .iter()
        .map(|(name, value)| format!("{name} = {}", literal(value)))
        .collect();
    format!("{{ {} }}", fields.join(", "))
}

fn assignment(path: &[String], entry: &Entry) -> String {
    format!("{} = {}", path.join("."), braces(entry))
}

/// Where new keys of a table go when it has none to follow.
enum Place {
    Lines { header: usize },
    Braces { open: usize },
}

fn update(
    text: &str,
    table: &dyn TableLike,
    entry: &Entry,
    place: Place,
    replace: bool,
) -> Result<Vec<Splice>, Fault> {
    let (mut splices, mut missing) = (Vec::new(), Vec::new());
    if let Some(url) = table.get("url") {
        if !replace {
            let at = url.span().map_or(0, |span| span.start);
            return Err(Fault::at(text, at, "the entry has a url"));
        }
        for name in REACHED {
            splices.extend(gone(text, table, name));
        }
    }
    for (name, field) in &entry.0 {
        let Some(item) = table.get(name) else {
            missing.extend(
                field
                    .fresh()
                    .map(|value| format!("{name} = {}", literal(&value))),
            );
            continue;
        };
        let change = field.change(&json(item));
        let Some((value, span)) = item.as_value().zip(item.span()) else {
            return Err(Fault::at(text, 0, format!("{name} is a table")));
        };
        match (change, value) {
            (Change::Keep, _) => {}
            (Change::Set(value), _) => splices.push(Splice::replace(span, literal(&value))),
            (Change::Add(names), there) => {
                let empty = there.as_array().is_none_or(toml_edit::Array::is_empty);
                let names: Vec<_> = names
                    .iter()
                    .map(|name| literal(&Value::from(name.as_str())))
                    .collect();
                let comma = if empty { "" } else { ", " };
                let written = format!("{}{comma}", names.join(", "));
                splices.push(Splice::insert(span.start + 1, written));
            }
        }
    }
    if missing.is_empty() {
        return Ok(splices);
    }
    let newline = newline(text);
    // The last value of the table's own: new keys follow it, and look like it.
    let last = table
        .iter()
        .filter(|(name, _)| !REACHED.contains(name))
        .filter_map(|(name, item)| Some((name, item.as_value()?.span()?)))
        .max_by_key(|(_, span)| span.end);
    splices.push(match (last, place) {
        (Some((_, span)), Place::Braces { .. }) => {
            Splice::insert(span.end, format!(", {}", missing.join(", ")))
        }
        (None, Place::Braces { open }) => Splice::insert(open, format!(" {} ", missing.join(", "))),
        (last, Place::Lines { header }) => {
            let key = last
                .as_ref()
                .and_then(|(name, _)| table.get_key_value(name)?.0.span());
            let prefix = key.map_or("", |key| before_on_line(text, key.start));
            let after = last.map_or(header, |(_, span)| span.end);
            let end = text[after..].find('\n').map_or(text.len(), |at| after + at);
            let end = end - usize::from(text[..end].ends_with('\r'));
            let lines: Vec<_> = missing
                .iter()
                .map(|line| format!("{newline}{prefix}{line}"))
                .collect();
            Splice::insert(end, lines.concat())
        }
    });
    Ok(splices)
}

/// A key with its value and the rest of its line.
fn gone(text: &str, table: &dyn TableLike, name: &str) -> Option<Splice> {
    let (key, item) = table.get_key_value(name)?;
    let (key, value) = (key.span()?, item.as_value()?.span()?);
    let start = key.start - before_on_line(text, key.start).len();
    let end = text[value.end..].find('\n');
    let end = end.map_or(text.len(), |at| value.end + at + 1);
    Some(Splice::replace(start..end, ""))
}

fn literal(value: &Value) -> String {
    let toml: TomlValue = match value {
        Value::String(text) => text.into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().unwrap_or_default().into(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            return format!("[{}]", items.join(", "));
        }
        // No field of an entry is anything else.
        Value::Null | Value::Object(_) => "".into(),
    };
    toml.to_string()
}

/// For comparison only: dates become text.
fn json(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => json_value(value),
        Item::Table(table) => object(table),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| object(table)).collect(),
    }
}

fn object(table: &dyn TableLike) -> Value {
    let fields = table
        .iter()
        .map(|(name, item)| (name.to_owned(), json(item)));
    Value::Object(fields.collect())
}

fn json_value(value: &TomlValue) -> Value {
    match value {
        TomlValue::String(text) => Value::from(text.value().as_str()),
        TomlValue::Integer(number) => Value::from(*number.value()),
        TomlValue::Float(number) => Value::from(*number.value()),
        TomlValue::Boolean(flag) => Value::from(*flag.value()),
        TomlValue::Datetime(time) => Value::from(time.value().to_string()),
        TomlValue::Array(items) => items.iter().map(json_value).collect(),
        TomlValue::InlineTable(table) => object(table),
    }
}
