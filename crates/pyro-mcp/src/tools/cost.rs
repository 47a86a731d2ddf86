//! What the tools of a surface cost: a host fetches all of them, and most put
//! each one before every question to their model.
//!
//! Owns: bytes of compact JSON, and tokens as a quarter of them, which is what
//! English and JSON come to within a fifth; each model counts its own way.
//! Refuses: showing it, which the CLI does.

use super::Tools;
use crate::config::Config;
use crate::instructions;
use pyro::Result;
use pyro::server_options::ServerOptions;
use pyro::surface::Surface;
use rmcp::model::Tool as Wire;
use serde::Serialize;
use serde_json::json;

/// Bytes of text that are one token.
const BYTES_PER_TOKEN: usize = 4;

/// Show the tools that a server with these options offers, and what they cost a model.
#[derive(Clone, Debug, clap::Args)]
pub struct ToolsArgs {
    /// Those of the server.
    #[command(flatten)]
    pub options: ServerOptions,
    /// One row for each profile and mode
    #[arg(long, conflicts_with_all = ["profile", "mode"])]
    pub all: bool,
    /// Print one JSON object, also for errors, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What something costs.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// A tool or a surface.
    pub name: &'static str,
    /// Tools in it.
    pub tool_count: usize,
    /// Bytes of name, description and inputs, which a model sees.
    pub model_bytes: usize,
    /// The same in tokens, estimated.
    pub model_tokens: usize,
    /// Bytes of its part of `tools/list`.
    pub list_bytes: usize,
    /// The same in tokens, estimated.
    pub list_tokens: usize,
}

/// What a server costs, tool by tool, or all servers.
#[derive(Clone, Debug, Serialize)]
pub struct Costs {
    /// The surface; none for all of them.
    pub surface: Option<&'static str>,
    /// Each tool, or each surface.
    pub rows: Vec<Cost>,
    /// All tools of the surface.
    pub total: Option<Cost>,
    /// Characters of the instructions that a model sees besides.
    pub instructions_chars: Option<usize>,
}

impl Cost {
    fn of(name: &'static str, tools: &[Wire]) -> Self {
        let size = |value: &dyn Fn(&Wire) -> usize| tools.iter().map(value).sum::<usize>();
        let model_bytes = size(&|tool| {
            let seen = json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.input_schema,
            });
            seen.to_string().len()
        });
        let list_bytes = size(&|tool| serde_json::to_string(tool).map_or(0, |text| text.len()));
        Self {
            name,
            tool_count: tools.len(),
            model_bytes,
            model_tokens: model_bytes.div_ceil(BYTES_PER_TOKEN),
            list_bytes,
            list_tokens: list_bytes.div_ceil(BYTES_PER_TOKEN),
        }
    }

    fn of_surface(config: &Config) -> Self {
        Self::of(config.surface.name(), &Tools::of(config).wire())
    }
}

/// What the options come to.
///
/// # Errors
/// Those of the options.
pub fn costs(args: &ToolsArgs) -> Result<Costs> {
    if args.all {
        let rows = Surface::ALL.into_iter().map(|surface| {
            let mut options = args.options.clone();
            match surface {
                Surface::Profile(profile) => options.profile = profile,
                Surface::Mode(mode) => options.mode = Some(mode),
            }
            Ok(Cost::of_surface(&Config::new(options)?))
        });
        return Ok(Costs {
            surface: None,
            rows: rows.collect::<Result<_>>()?,
            total: None,
            instructions_chars: None,
        });
    }
    let config = Config::new(args.options.clone())?;
    let tools = Tools::of(&config);
    let rows = tools.0.iter().map(|tool| {
        let wire = std::slice::from_ref(&tool.wire);
        Cost::of(tool.row.name, wire)
    });
    Ok(Costs {
        surface: Some(config.surface.name()),
        rows: rows.collect(),
        total: Some(Cost::of_surface(&config)),
        instructions_chars: Some(instructions::of(&config).chars().count()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, with_project};

    /// Of the profile that everybody has who chooses none. The inputs of its
    /// 17 tools are half of it, the schemas of their results a third.
    #[test]
    fn the_default_stays_small() {
        let config = with_project(config(""), "/home/user/src/project");
        let cost = Cost::of_surface(&config);
        assert!(cost.model_tokens <= 3_200, "{cost:?}");
        assert!(cost.list_tokens <= 6_500, "{cost:?}");
    }

    #[test]
    fn even_the_widest_is_bounded() {
        for (_, config) in crate::config::tests::each_surface("") {
            let cost = Cost::of_surface(&config);
            assert!(cost.model_tokens <= 7_000, "{cost:?}");
        }
    }
}
