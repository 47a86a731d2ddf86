//! Cutting a response to a number of bytes of JSON.
//!
//! ```text
//! lists:  items go from the end (of logs: from the beginning) until what
//!         cannot be shortened otherwise fits
//! texts:  all get the same room; a longer one keeps 2/5 of it as its head and
//!         3/5 as its tail, since errors come last; a line in between counts
//!         what is left out and says how to read it
//! ```
//!
//! Owns: sizes and cuts. Refuses: knowing what a text is.

use serde_json::{Map, Value};

/// A text below this is left alone.
const SHORT_BYTES: usize = 400;
/// More items of one list than fit whatever they are.
const MOST_ITEMS: usize = 600;

/// Says what reads the rest of a text: what it is in, its name there, the whole
/// of it, bytes shown of its head.
pub type Rest<'a> = dyn Fn(&Map<String, Value>, &str, &str, usize) -> Option<String> + 'a;

/// Bytes of its JSON.
pub fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text_size(text),
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| text_size(key) + size(value) + 2;
            2 + fields.iter().map(field).sum::<usize>()
        }
        scalar => scalar.to_string().len(),
    }
}

/// Bytes of a text in JSON.
pub fn text_size(text: &str) -> usize {
    2 + text.chars().map(char_size).sum::<usize>()
}

fn char_size(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// Cuts; what it says of lists is to be told besides.
pub fn shorten(name: &str, response: &mut Value, bytes: usize, rest: &Rest) -> Vec<String> {
    if size(response) <= bytes {
        return Vec::new();
    }
    let from_beginning = name == "workspace_logs";
    let mut lists = Vec::new();
    // Room for texts stays: a list of everything without any of it is no use.
    shorten_lists(response, bytes * 3 / 4, from_beginning, &mut lists);
    let mut sizes = Vec::new();
    long_texts(response, &mut |text| sizes.push(text_size(text)));
    let fixed = size(response) - sizes.iter().sum::<usize>();
    let room = level(&mut sizes, bytes.saturating_sub(fixed)).max(SHORT_BYTES);
    cut_texts(response, room, rest);
    lists
}

fn long_texts(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) if text_size(text) > SHORT_BYTES => found(text),
        Value::Array(items) => items.iter().for_each(|item| long_texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| long_texts(value, found)),
        _ => {}
    }
}

/// The largest bound under which `sizes`, each cut to it, fit into `room`.
fn level(sizes: &mut [usize], room: usize) -> usize {
    sizes.sort_unstable();
    let mut left = room;
    for (at, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - at);
        if *size > share {
            return share;
        }
        left -= size;
    }
    usize::MAX
}

fn cut_texts(value: &mut Value, room: usize, rest: &Rest) {
    match value {
        Value::String(text) if text_size(text) > room => *text = cut(text, room, 0, |_| None),
        Value::Array(items) => {
            for item in items {
                cut_texts(item, room, rest);
            }
        }
        Value::Object(fields) => {
            let cuts: Vec<(String, String)> = fields
                .iter()
                .filter_map(|(key, value)| {
                    let text = value.as_str().filter(|text| text_size(text) > room)?;
                    // The text may have lost its middle before.
                    let written = fields.get(&format!("{key}_bytes"));
                    let written = written.and_then(Value::as_u64).unwrap_or_default();
                    let cut = cut(text, room, written, |shown| rest(fields, key, text, shown));
                    Some((key.clone(), cut))
                })
                .collect();
            for (key, text) in cuts {
                fields.insert(key, Value::String(text));
            }
            for value in fields.values_mut().filter(|value| !value.is_string()) {
                cut_texts(value, room, rest);
            }
        }
        _ => {}
    }
}

/// Head, a line that counts what is missing of what was `written`, tail: at
/// most `room` bytes of JSON, and little more where not even the line fits.
pub fn cut(
    text: &str,
    room: usize,
    written: u64,
    rest: impl Fn(usize) -> Option<String>,
) -> String {
    let whole = written.max(text.len() as u64);
    let marker = |shown: usize, tail_from: usize| {
        let next = rest(shown).map_or(String::new(), |next| format!("; {next}"));
        format!(
            "[... {} of {} bytes are left out here{next} ...]",
            whole - (shown + text.len() - tail_from) as u64,
            whole
        )
    };
    let reserved = text_size(&marker(text.len(), text.len())) + 20;
    let left = room.saturating_sub(reserved);
    let head = head_end(text, left * 2 / 5);
    let tail = tail_start(text, left - left * 2 / 5).max(head);
    let line = |text: &str, at_end: bool| match (text.is_empty(), at_end) {
        (true, _) => "",
        (_, true) if text.ends_with('\n') => "",
        (_, false) if text.starts_with('\n') => "",
        _ => "\n",
    };
    format!(
        "{}{}{}{}{}",
        &text[..head],
        line(&text[..head], true),
        marker(head, tail),
        line(&text[tail..], false),
        &text[tail..]
    )
}

/// Where a head of so many bytes of JSON ends: behind a line, if one ends in
/// its last quarter.
pub fn head_end(text: &str, bytes: usize) -> usize {
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            used += char_size(*c);
            used > bytes
        })
        .map_or(text.len(), |(at, _)| at);
    match text[..end].rfind('\n') {
        Some(line) if end < text.len() && line + 1 >= end - end / 4 => line + 1,
        _ => end,
    }
}

fn tail_start(text: &str, bytes: usize) -> usize {
    let mut used = 0;
    let start = text
        .char_indices()
        .rev()
        .find(|(_, c)| {
            used += char_size(*c);
            used > bytes
        })
        .map_or(0, |(at, c)| at + c.len_utf8());
    match text[start..].find('\n') {
        Some(line) if start > 0 && line < (text.len() - start) / 4 => start + line + 1,
        _ => start,
    }
}

/// Drops items until what is left once all texts were cut would fit.
fn shorten_lists(response: &mut Value, bytes: usize, from_beginning: bool, told: &mut Vec<String>) {
    let mut lists = Vec::new();
    find_lists(response, &mut String::new(), &mut lists);
    let mut before = Vec::new();
    for pointer in lists {
        let Some(items) = response.pointer_mut(&pointer).and_then(Value::as_array_mut) else {
            continue;
        };
        before.push((pointer, items.len()));
        drop_items(
            items,
            items.len().saturating_sub(MOST_ITEMS),
            from_beginning,
        );
    }
    while floor(response) > bytes {
        let sized = before.iter().filter_map(|(pointer, _)| {
            let list = response.pointer(pointer)?;
            let items = list.as_array()?;
            (items.len() > 1).then(|| (floor(list), pointer, items.len()))
        });
        let Some((_, pointer, count)) = sized.max_by_key(|(size, ..)| *size) else {
            break;
        };
        let pointer = pointer.clone();
        if let Some(items) = response.pointer_mut(&pointer).and_then(Value::as_array_mut) {
            drop_items(items, count.div_ceil(8), from_beginning);
        }
    }
    for (pointer, count) in before {
        // A list within an item that went itself needs no word.
        let now = response.pointer(&pointer).and_then(Value::as_array);
        if let Some(now) = now.filter(|items| items.len() < count) {
            let (which, name) = (
                if from_beginning { "last" } else { "first" },
                pointer.trim_start_matches('/').replace('/', "."),
            );
            told.push(format!(
                "{name}: only the {which} {} of {count} are shown",
                now.len()
            ));
        }
    }
}

fn drop_items(items: &mut Vec<Value>, count: usize, from_beginning: bool) {
    if from_beginning {
        items.drain(..count);
    } else {
        items.truncate(items.len() - count);
    }
}

fn find_lists(value: &Value, pointer: &mut String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) if items.len() > 1 => found.push(pointer.clone()),
        Value::Object(fields) => {
            for (key, value) in fields {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                find_lists(value, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// Its size once every text is as short as it can get.
fn floor(value: &Value) -> usize {
    match value {
        Value::String(text) => text_size(text).min(SHORT_BYTES),
        Value::Array(items) => 2 + items.iter().map(|item| floor(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| text_size(key) + floor(value) + 2;
            2 + fields.iter().map(field).sum::<usize>()
        }
        scalar => scalar.to_string().len(),
    }
}
