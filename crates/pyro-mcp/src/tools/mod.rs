//! The tools of a surface, derived from the operation table.
//!
//! ```text
//!   Row --request schema--> narrow: which inputs --> shape: closed, plain --> inputSchema
//!   Row --response schema--> shape: top level, without what boundary hides --> outputSchema
//!   Row --doc comment--> wording: as a model needs it --> description
//!   Row --effect--> hints --> annotations, _meta
//!   what a model sends --> check against its inputSchema --> boundary
//! ```
//!
//! Owns: what of a row a model sees, and the check of what it sends. Refuses:
//! running anything; the operator's limits on values.

mod check;
mod cost;
mod hints;
mod narrow;
mod shape;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod tests;
mod wording;

pub use cost::{Cost, Costs, ToolsArgs, costs};
pub use wording::{network_in_words, project};

use crate::boundary;
use crate::config::Config;
use pyro::operation::Schema;
use pyro::{Error, Result, Row};
use rmcp::ErrorData;
use rmcp::model::{JsonObject, Tool as Wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One tool.
pub struct Tool {
    /// The operation behind it.
    pub row: &'static Row,
    wire: Wire,
    /// Inputs that the operation has and this server does not offer: why.
    withheld: BTreeMap<String, &'static str>,
}

/// All of a surface, in the order in which they are shown.
pub struct Tools(Vec<Tool>);

impl Tools {
    pub fn of(config: &Config) -> Self {
        let rows = config.surface.tools().filter_map(pyro::ops::named);
        Self(rows.map(|row| Tool::of(config, row)).collect())
    }

    /// As `tools/list` shows them.
    pub fn wire(&self) -> Vec<Wire> {
        self.0.iter().map(|tool| tool.wire.clone()).collect()
    }

    /// The tool of a name; the error names those that there are.
    pub fn named(&self, name: &str) -> Result<&Tool, ErrorData> {
        self.0
            .iter()
            .find(|tool| tool.row.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = self.0.iter().map(|tool| tool.row.name).collect();
                let text = format!(
                    "unknown tool {name:?}; this server has {}",
                    names.join(", ")
                );
                ErrorData::invalid_params(text, None)
            })
    }
}

/// Whether a model may give an input of an operation; the path of one below
/// another is `a.b`, and nothing is below what is not offered.
pub fn offers(config: &Config, row: &Row, input: &str) -> bool {
    let ends = input.match_indices('.').map(|(at, _)| at);
    ends.chain([input.len()])
        .all(|end| narrow::withheld(config, row.name, &input[..end]).is_none())
}

impl Tool {
    fn of(config: &Config, row: &'static Row) -> Self {
        let mut withheld = BTreeMap::new();
        let input = inputs(config, row, &mut withheld);
        let output = shape::output((row.response_schema)().to_value(), boundary::HIDDEN);
        let description = wording::description(config, row);
        let mut wire = Wire::new(row.name, description, Arc::new(input));
        wire.output_schema = Some(Arc::new(output));
        wire.annotations = Some(hints::annotations(config, row));
        wire.meta = hints::meta(row.name);
        Self {
            row,
            wire,
            withheld,
        }
    }

    /// What a model sent, if it is what the tool's schema takes. Defaults are
    /// not filled in.
    ///
    /// # Errors
    /// `invalid_request`, naming each argument that is wrong, what was sent and
    /// what would be right.
    pub fn checked(&self, mut arguments: JsonObject) -> Result<JsonObject> {
        let schema = &self.wire.input_schema;
        let withheld = |path: &str| self.withheld.get(path).copied();
        let problems = check::arguments(schema, &mut arguments, &withheld);
        if problems.is_empty() {
            return Ok(arguments);
        }
        let names = schema.get("properties").and_then(Value::as_object);
        let names: Vec<_> = names
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let hint = match names.as_slice() {
            [] => format!("{} takes no arguments", self.row.name),
            names => format!("{} takes {}", self.row.name, names.join(", ")),
        };
        let problems = problems.join("; ");
        Err(Error::invalid("invalid_request", problems).hint(hint))
    }
}

fn inputs(config: &Config, row: &Row, withheld: &mut BTreeMap<String, &'static str>) -> JsonObject {
    let refused = std::cell::RefCell::new(withheld);
    let schema: Schema = (row.request_schema)();
    let mut input = shape::input(schema.to_value(), &|path| match narrow::withheld(
        config, row.name, path,
    ) {
        None => true,
        Some(reason) => {
            refused.borrow_mut().insert(path.to_owned(), reason);
            false
        }
    });
    if let Some(Value::Object(properties)) = input.get_mut("properties") {
        wording::describe(config, row.name, "", properties);
    }
    let offered = |name: &str| input["properties"].get(name).is_some();
    let schema_required = input.get("required").and_then(Value::as_array);
    let required: Vec<_> = schema_required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .chain(narrow::required(row.name).iter().copied())
        .filter(|name| offered(name) && !narrow::FILLED.contains(name))
        .map(String::from)
        .collect();
    match required.is_empty() {
        true => input.remove("required"),
        false => input.insert("required".into(), json!(required)),
    };
    input
}
