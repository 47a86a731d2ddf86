//! The tools of a surface, derived from the operation table.
//!
//! Owns: what of a row a model sees, and the check of what it sends. Refuses:
//! running anything.

use crate::config::Config;
use pyro::{Effect, Result, Row};
use rmcp::ErrorData;
use rmcp::model::{JsonObject, Tool as Wire, ToolAnnotations};
use serde_json::Value;
use std::sync::Arc;

/// One tool.
pub struct Tool {
    /// The operation behind it.
    pub row: &'static Row,
    wire: Wire,
}

/// All of a surface, in the order in which they are shown.
pub struct Tools(Vec<Tool>);

impl Tools {
    pub fn of(config: &Config) -> Self {
        let rows = config.surface.tools().filter_map(pyro::ops::named);
        Self(rows.map(Tool::of).collect())
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
                let text = format!("unknown tool {name:?}; this server has {}", names.join(", "));
                ErrorData::invalid_params(text, None)
            })
    }
}

impl Tool {
    fn of(row: &'static Row) -> Self {
        let object = |schema: pyro::operation::Schema| match schema.to_value() {
            Value::Object(object) => Arc::new(object),
            _ => Arc::new(JsonObject::new()),
        };
        let reads = row.effect == Effect::Reads;
        let mut wire = Wire::new(row.name, row.description(), object((row.request_schema)()));
        wire.output_schema = Some(object((row.response_schema)()));
        wire.annotations = Some(
            ToolAnnotations::new()
                .read_only(reads)
                .destructive(row.effect == Effect::Destroys)
                .open_world(false),
        );
        Self { row, wire }
    }

    /// The request that a model's arguments mean.
    ///
    /// # Errors
    /// `invalid_request`, naming what is wrong and what would be right.
    pub fn checked(&self, arguments: JsonObject) -> Result<Value> {
        (self.row.complete)(Value::Object(arguments))
    }
}
