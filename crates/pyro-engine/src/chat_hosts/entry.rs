//! What pyro's entry in a host's configuration has to say, field by field.
//!
//! ```text
//! Exact     the value and no other               command, args, type
//! AtLeast   this number; a larger one is kept    timeouts
//! Includes  these names; others beside them stay variables that are passed on
//! NotFalse  absent or true                       a switch
//! ```
//!
//! Owns: the comparison of what is wanted with what is there, and the least
//! change that makes them agree. Keys that are not listed are the user's.
//! Refuses: knowing a host or a format.

use serde_json::Value;

/// What one field has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// This value.
    Exact(Value),
    /// This number or a larger one.
    AtLeast(u64),
    /// A list with these names in it.
    Includes(Vec<String>),
    /// Absent or true.
    NotFalse,
}

/// How a field that is there becomes right.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is right.
    Keep,
    /// It gets this value.
    Set(Value),
    /// Its list gets these items.
    Add(Vec<String>),
}

/// Keys of a server that is reached by URL; a host refuses them beside a command.
pub const REACHED: [&str; 7] = [
    "url",
    "bearer_token",
    "bearer_token_env_var",
    "env_http_headers",
    "http_headers",
    "http_headers_helper",
    "headers",
];

/// A field that is not as wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Its name.
    pub field: &'static str,
    /// What is wrong with it, in a few words.
    pub said: String,
}

/// pyro's entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry(pub Vec<(&'static str, Field)>);

impl Field {
    /// The value of a new field, if it needs to be written at all.
    pub fn fresh(&self) -> Option<Value> {
        match self {
            Self::Exact(value) => Some(value.clone()),
            Self::AtLeast(least) => Some(Value::from(*least)),
            Self::Includes(names) => Some(Value::from(names.clone())),
            Self::NotFalse => None,
        }
    }

    /// What a field that is there needs.
    pub fn change(&self, found: &Value) -> Change {
        match self {
            Self::Exact(value) if found == value => Change::Keep,
            Self::Exact(value) => Change::Set(value.clone()),
            // Fractions and integers are both in use for seconds.
            Self::AtLeast(least) => match found.as_f64() {
                #[expect(clippy::cast_precision_loss, reason = "a timeout is far below 2^52")]
                Some(number) if number >= *least as f64 => Change::Keep,
                _ => Change::Set(Value::from(*least)),
            },
            Self::Includes(names) => match found.as_array() {
                Some(there) => {
                    let missing: Vec<_> = names
                        .iter()
                        .filter(|name| !there.iter().any(|item| names_variable(item, name)))
                        .cloned()
                        .collect();
                    match missing.is_empty() {
                        true => Change::Keep,
                        false => Change::Add(missing),
                    }
                }
                None => Change::Set(Value::from(names.clone())),
            },
            Self::NotFalse if found == &Value::Bool(true) => Change::Keep,
            Self::NotFalse => Change::Set(Value::Bool(true)),
        }
    }

    /// What is wrong with a field, in a few words; nothing when it is right.
    fn drift(&self, name: &str, found: Option<&Value>) -> Option<String> {
        let Some(found) = found else {
            return match (self, self.fresh()) {
                (_, None) => None,
                (Self::Includes(_), _) => Some(format!("{name} is missing")),
                (_, Some(value)) => Some(format!("{name} is missing, expected {value}")),
            };
        };
        match self.change(found) {
            Change::Keep => None,
            Change::Set(value) => match self {
                Self::AtLeast(_) => Some(format!("{name} is {found}, expected at least {value}")),
                _ => Some(format!("{name} is {found}, expected {value}")),
            },
            Change::Add(names) => Some(format!("{name} lacks {}", names.join(", "))),
        }
    }
}

/// An item of a list of variables: a name, or an object with one.
fn names_variable(item: &Value, name: &str) -> bool {
    item.as_str().or_else(|| item["name"].as_str()) == Some(name)
}

impl Entry {
    /// A new entry.
    pub fn fresh(&self) -> Vec<(&'static str, Value)> {
        self.0
            .iter()
            .filter_map(|(name, field)| Some((*name, field.fresh()?)))
            .collect()
    }

    /// A new entry as one value.
    pub fn object(&self) -> Value {
        let fields = self.fresh().into_iter();
        Value::Object(
            fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// What differs in an entry that is there, field by field.
    pub fn drift(&self, found: &Value) -> Vec<Drift> {
        // It is not even a server that is started.
        if let Some(url) = found.get("url") {
            let said = format!("url is {url}, expected a command");
            return vec![Drift { field: "url", said }];
        }
        let drift = |(field, wanted): &(&'static str, Field)| {
            let said = wanted.drift(field, found.get(field))?;
            Some(Drift { field, said })
        };
        self.0.iter().filter_map(drift).collect()
    }

    /// Whether a field has a command's words, the server's options among them.
    pub fn has_options(&self, name: &str) -> bool {
        let mut fields = self.0.iter();
        fields.any(|(field, wanted)| {
            *field == name && matches!(wanted, Field::Exact(Value::Array(_)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Entry {
        Entry(vec![
            ("command", Field::Exact(json!("pyro"))),
            ("timeout", Field::AtLeast(20)),
            ("env_vars", Field::Includes(vec!["A".into(), "B".into()])),
            ("enabled", Field::NotFalse),
        ])
    }

    #[test]
    fn what_the_user_made_larger_is_no_drift() {
        let found = json!({"command": "pyro", "timeout": 20.5, "own": 1,
            "env_vars": ["B", "C", {"name": "A"}], "enabled": true});
        assert_eq!(entry().drift(&found), []);
    }

    #[test]
    fn drift_names_each_field() {
        let found = json!({"command": ["x"], "env_vars": ["A"], "enabled": false});
        let said = |found| {
            let drift = entry().drift(found).into_iter();
            drift.map(|one| one.said).collect::<Vec<_>>()
        };
        assert_eq!(
            said(&found),
            [
                r#"command is ["x"], expected "pyro""#,
                "timeout is missing, expected 20",
                "env_vars lacks B",
                "enabled is false, expected true",
            ]
        );
        assert_eq!(
            said(&json!({"url": "u"})),
            [r#"url is "u", expected a command"#]
        );
    }
}
