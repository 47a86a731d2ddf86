//! A tool's result as a model received it.
//!
//! Hosts show their models either the structured content, as JSON, or the text,
//! and put words of their own around it. A test asks for what a model could
//! learn from either.
//!
//! Owns: reading both forms. Refuses: what should be in them.

use serde_json::Value;

/// One result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub text: String,
}

impl Received {
    /// As JSON, without what is before it; none for text.
    fn object(&self) -> Option<Value> {
        // Codex puts the time there.
        let own = self.text.split_once("Output:\n");
        serde_json::from_str(own.map_or(&*self.text, |(_, own)| own)).ok()
    }

    /// A field, as JSON has it or as `name: value`.
    pub fn field(&self, name: &str) -> Value {
        if let Some(object) = self.object() {
            return object[name].clone();
        }
        let start = format!("{name}: ");
        let found = self.text.lines().find_map(|line| line.strip_prefix(&start));
        let found = found.unwrap_or_else(|| panic!("no {name} in {:.3000}", self.text));
        serde_json::from_str(found).unwrap_or_else(|_| Value::from(found))
    }

    /// A command's exit code, in whichever form.
    pub fn exit_code(&self) -> i64 {
        let code = match self.object() {
            Some(object) => object["exit_code"].as_i64(),
            None => self.after("exit code ").and_then(|word| word.parse().ok()),
        };
        code.unwrap_or_else(|| panic!("no exit code in {:.3000}", self.text))
    }

    /// Whether it says that its command still runs.
    pub fn is_running(&self) -> bool {
        match self.object() {
            Some(object) => object["running"] == true,
            None => self.text.starts_with("still running"),
        }
    }

    /// By what its command is waited for.
    pub fn command_id(&self) -> String {
        let id = match self.object() {
            Some(object) => object["command_id"].as_str().map(str::to_owned),
            None => self.after("command_id ").map(str::to_owned),
        };
        id.unwrap_or_else(|| panic!("no command_id in {}", self.text))
    }

    /// The word that follows a text.
    fn after(&self, text: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(text)?;
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .next()
    }

    /// That all of these are in it, as a reader of either form has them.
    pub fn says(&self, parts: &[&str]) {
        let mut readable = self.text.clone();
        if let Some(object) = self.object() {
            strings(&object, &mut readable);
        }
        for part in parts {
            assert!(
                readable.contains(part),
                "no {part:?} in {:.3000}",
                self.text
            );
        }
    }
}

/// Every text of a value, unescaped.
fn strings(value: &Value, found: &mut String) {
    match value {
        Value::String(text) => {
            found.push('\n');
            found.push_str(text);
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}
