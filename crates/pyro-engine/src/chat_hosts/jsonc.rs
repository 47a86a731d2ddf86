//! pyro's entry in a JSON document, with or without comments.
//!
//! ```text
//! text --parser: ranges--> the object at a path of keys --> splices --> text
//!                          a key that is there twice: the last, as hosts read it
//! ```
//!
//! Owns: finding the entry and changing it in the document's own style
//! (indentation, line ends, trailing commas). Refuses: touching any byte
//! beside it; files.

use super::entry::{Change, Entry};
use super::fault::Fault;
use super::splice::{Splice, indentation, newline};
use jsonc_parser::ast::{self, Object, ObjectProp};
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;
use std::borrow::Cow;

/// What a host's own parser accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON as it is specified.
    Strict,
    /// With comments and trailing commas.
    Comments,
}

fn parse<'a>(text: &'a str, dialect: Dialect) -> Result<Option<ast::Value<'a>>, Fault> {
    let lax = dialect == Dialect::Comments;
    let options = ParseOptions {
        allow_comments: lax,
        allow_trailing_commas: lax,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..ParseOptions::default()
    };
    parse_to_ast(text, &CollectOptions::default(), &options)
        .map(|parsed| parsed.value)
        .map_err(|error| {
            let (at, kind) = (error.range().start, error.kind());
            match kind {
                ParseErrorKind::NestingDepthExceeded => Fault {
                    is_limit: true,
                    ..Fault::at(
                        text,
                        at,
                        "nested deeper than 512, and pyro reads no further",
                    )
                },
                kind => Fault::at(text, at, kind.to_string()),
            }
        })
}

/// The text with other letters of the same length where an escape is half of
/// a pair: hosts cut texts anywhere and read such a document, the parser does not.
fn readable(text: &str) -> Cow<'_, str> {
    // Most of these files are long, and few have an escape.
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let escape = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut at, mut done) = (String::new(), 0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match escape(at) {
            Some(0xD800..0xDC00) if matches!(escape(at + 6), Some(0xDC00..0xE000)) => 12,
            Some(0xD800..0xE000) => {
                out.push_str(&text[done..at]);
                out.push_str("\\ufffd");
                done = at + 6;
                6
            }
            _ => 2,
        };
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

fn last<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o ObjectProp<'a>> {
    let mut properties = object.properties.iter().rev();
    properties.find(|property| property.name.as_str() == name)
}

/// The value at a path of keys.
pub fn find(text: &str, dialect: Dialect, path: &[String]) -> Result<Option<Value>, Fault> {
    let text = &*readable(text);
    let Some(root) = parse(text, dialect)? else {
        return Ok(None);
    };
    let mut here = &root;
    for key in path {
        let found = object(text, here, "the document")?;
        match last(found, key) {
            Some(property) if matches!(property.value, ast::Value::NullKeyword(_)) => {
                return Ok(None);
            }
            Some(property) => here = &property.value,
            None => return Ok(None),
        }
    }
    Ok(Some(here.clone().into()))
}

fn object<'o, 'a>(
    text: &str,
    value: &'o ast::Value<'a>,
    what: &str,
) -> Result<&'o Object<'a>, Fault> {
    value
        .as_object()
        .ok_or_else(|| Fault::at(text, range(value).start, format!("{what} is no object")))
}

fn range(value: &ast::Value) -> std::ops::Range<usize> {
    use jsonc_parser::common::Ranged;
    value.start()..value.end()
}

/// The changes that put the entry at a path; none when it is there already.
/// With `replace`, what stands in the way is replaced, else it is a fault.
pub fn set(
    text: &str,
    dialect: Dialect,
    path: &[String],
    entry: &Entry,
    replace: bool,
) -> Result<Vec<Splice>, Fault> {
    let style = Style {
        text,
        newline: newline(text),
    };
    let parsed = readable(text);
    let Some(root) = parse(&parsed, dialect)? else {
        let kept = text.trim_end();
        let gap = if kept.is_empty() { "" } else { style.newline };
        let document = style.print(&nested(path, entry), Some(""), "  ");
        let document = format!("{gap}{document}{}", style.newline);
        return Ok(vec![Splice::replace(kept.len()..text.len(), document)]);
    };
    let unit = style.unit(&root);
    let mut here = object(text, &root, "the document")?;
    for (depth, key) in path.iter().enumerate() {
        let rest = &path[depth + 1..];
        let Some(property) = last(here, key) else {
            return Ok(style.insert(here, &[(key, nested(rest, entry))], &unit));
        };
        match property.value.as_object() {
            Some(below) => here = below,
            None if replace || matches!(property.value, ast::Value::NullKeyword(_)) => {
                let indent = indentation(text, property.range.start);
                let value = style.print(&nested(rest, entry), Some(indent), &unit);
                return Ok(vec![Splice::replace(range(&property.value), value)]);
            }
            None => object(text, &property.value, key).map(|_| ())?,
        }
    }
    if let Some(url) = last(here, "url") {
        if !replace {
            return Err(Fault::at(text, url.range.start, "the entry has a url"));
        }
        let indent = indentation(text, here.range.start);
        let value = style.print(&nested(&[], entry), Some(indent), &unit);
        return Ok(vec![Splice::replace(
            here.range.start..here.range.end,
            value,
        )]);
    }
    let (mut splices, mut missing) = (Vec::new(), Vec::new());
    for (name, field) in &entry.0 {
        let Some(property) = last(here, name) else {
            missing.extend(field.fresh().map(|value| (*name, Tree::Leaf(value))));
            continue;
        };
        let found: Value = property.value.clone().into();
        let value = match field.change(&found) {
            Change::Keep => continue,
            Change::Set(value) => value,
            Change::Add(names) => {
                let mut items = found.as_array().cloned().unwrap_or_default();
                items.extend(names.into_iter().map(Value::from));
                Value::from(items)
            }
        };
        splices.push(Splice::replace(range(&property.value), one_line(&value)));
    }
    if !missing.is_empty() {
        splices.extend(style.insert(here, &missing, &unit));
    }
    Ok(splices)
}

/// What is written anew: objects in the order given, the rest on one line.
enum Tree<'a> {
    Branch(Vec<(&'a str, Tree<'a>)>),
    Leaf(Value),
}

/// The entry below the keys that lead to it.
fn nested<'a>(path: &'a [String], entry: &'a Entry) -> Tree<'a> {
    let fields = entry.fresh().into_iter();
    let mut tree = Tree::Branch(
        fields
            .map(|(name, value)| (name, Tree::Leaf(value)))
            .collect(),
    );
    for key in path.iter().rev() {
        tree = Tree::Branch(vec![(key, tree)]);
    }
    tree
}

/// How a document is written.
struct Style<'a> {
    text: &'a str,
    newline: &'static str,
}

impl Style<'_> {
    /// One step of indentation: that of the first line below the root.
    fn unit(&self, root: &ast::Value) -> String {
        let first = root.as_object().and_then(|root| root.properties.first());
        first
            .filter(|first| self.text[range(root).start..first.range.start].contains('\n'))
            .map(|first| indentation(self.text, first.range.start))
            .filter(|indent| !indent.is_empty())
            .unwrap_or("  ")
            .to_owned()
    }

    /// Objects are on several lines when there is an indentation.
    fn print(&self, tree: &Tree, indent: Option<&str>, unit: &str) -> String {
        let fields = match tree {
            Tree::Leaf(value) => return one_line(value),
            Tree::Branch(fields) => fields,
        };
        let below = indent.map(|indent| format!("{indent}{unit}"));
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, tree)| {
                let value = self.print(tree, below.as_deref(), unit);
                format!("{}: {value}", Value::from(*name))
            })
            .collect();
        let Some((indent, below)) = indent.zip(below) else {
            return format!("{{{}}}", fields.join(", "));
        };
        let newline = self.newline;
        let between = format!(",{newline}{below}");
        format!(
            "{{{newline}{below}{}{newline}{indent}}}",
            fields.join(&between)
        )
    }

    /// New properties at the end of an object.
    fn insert(&self, object: &Object, properties: &[(&str, Tree)], unit: &str) -> Vec<Splice> {
        let (text, newline) = (self.text, self.newline);
        let close = object.range.end - 1;
        let outer = indentation(text, object.range.start);
        let last = object.properties.last();
        let after = last.map_or(object.range.start + 1, |last| last.range.end);
        let tail = &text[after..close];
        let end = after + tail.trim_end().len();
        let comma = last.is_some() && has_comma(tail);
        let lead = &text[object.range.start..last.map_or(close, |last| last.range.start)];
        // One line stays one line, unless it was an empty object.
        let lines = last.is_none() || lead.contains('\n') || tail.contains('\n');
        let indent = last
            .filter(|_| lead.contains('\n'))
            .map(|last| indentation(text, last.range.start));
        let indent = indent.map_or_else(|| format!("{outer}{unit}"), str::to_owned);
        let written: Vec<_> = properties
            .iter()
            .map(|(name, value)| {
                let value = self.print(value, lines.then_some(indent.as_str()), unit);
                let name = Value::from(*name);
                match lines {
                    true => format!("{newline}{indent}{name}: {value}"),
                    false => format!(" {name}: {value}"),
                }
            })
            .collect();
        let mut written = written.join(",");
        if comma {
            written.push(',');
        }
        let mut splices = Vec::new();
        if last.is_some() && !comma {
            splices.push(Splice::insert(after, ","));
        }
        if lines && !text[end..close].contains('\n') {
            written = format!("{written}{newline}{outer}");
            splices.push(Splice::replace(end..close, written));
        } else {
            splices.push(Splice::insert(end, written));
        }
        splices
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}

/// Whether a comma follows a property, comments aside.
fn has_comma(mut tail: &str) -> bool {
    loop {
        tail = tail.trim_start();
        let rest = if let Some(line) = tail.strip_prefix("//") {
            line.split_once('\n').map(|(_, rest)| rest)
        } else if let Some(block) = tail.strip_prefix("/*") {
            block.split_once("*/").map(|(_, rest)| rest)
        } else {
            return tail.starts_with(',');
        };
        match rest {
            Some(rest) => tail = rest,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn halves_of_pairs_are_read_as_something() {
        for (text, expected) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (
                r#""\uDE00\ud83D\uDE00\ud83dx""#,
                r#""\ufffd\ud83D\uDE00\ufffdx""#,
            ),
            (
                r#""\\ud83d \ud83d\ud83d\ude00""#,
                r#""\\ud83d \ufffd\ud83d\ude00""#,
            ),
            (r"\ud8", r"\ud8"),
            ("\\ü\\", "\\ü\\"),
        ] {
            assert_eq!(readable(text), expected);
        }
    }
}
