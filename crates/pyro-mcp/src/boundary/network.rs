//! The most network that a model's guests get.
//!
//! ```text
//!   new workspace   policy: the ceiling, or less     lists: the operator's, or surely less
//!   one-shot VM     network only if the ceiling has any; lists the same
//!   known workspace whatever makes it run something: not if it has more than the ceiling
//!   published port  if ceiling and workspace have egress+published-ports
//! ```
//!
//! The ceiling is `--network-policy` with its lists; inspect has none at all.
//!
//! Owns: this. Refuses: saying what is less (`NetworkSpec::beyond`).

use super::operators::not_allowed;
use super::{NOT_ALLOWED, given, takes};
use crate::config::Config;
use pyro::network::{NetworkPolicy, NetworkSpec, rules};
use pyro::{Error, Result, Row};
use rmcp::model::JsonObject;
use serde_json::Value;

const PUBLISHING: NetworkPolicy = NetworkPolicy::EgressAndPublishedPorts;

/// What makes a workspace run or know something new.
const RUN: [&str; 9] = [
    "workspace_start",
    "workspace_reset",
    "workspace_exec",
    "shell_open",
    "shell_write",
    "service_start",
    "workspace_file_write",
    "workspace_patch_apply",
    "workspace_sync_push",
];

/// # Errors
/// `not_allowed`, naming `--network-policy`; `invalid_request`; those of
/// finding a workspace.
pub fn limit(config: &Config, row: &Row, request: &mut JsonObject) -> Result<()> {
    if takes(row, "network_policy") {
        policy(config, row, request)?;
    } else if takes(row, "network") {
        one_shot(config, row, request)?;
    }
    let publishes = publishes(config, row, request)?;
    let id = given(request, "workspace_id").and_then(Value::as_str);
    if let Some(id) = id.filter(|_| RUN.contains(&row.name)) {
        let network = config.pyro.workspace_network(id)?;
        if let Some(more) = network.beyond(&config.known_network) {
            return Err(Error::invalid(
                NOT_ALLOWED,
                format!(
                    "{}: workspace {id} has more network than this server allows: {more}",
                    row.name
                ),
            )
            .hint(ceiling_hint(
                config,
                "make a workspace of your own with workspace_create",
            )));
        }
        if publishes && network.policy < PUBLISHING {
            let (has, needed) = (network.policy.as_str(), PUBLISHING.as_str());
            let why = format!(
                "workspace {id} has the network policy {has}, and publishing needs {needed}"
            );
            return Err(not_allowed(row, "published_ports", &why)
                .hint(format!("make a workspace with network_policy {needed}")));
        }
    }
    Ok(())
}

fn policy(config: &Config, row: &Row, request: &mut JsonObject) -> Result<()> {
    let most = config.network.policy;
    let name = match given(request, "network_policy") {
        None => {
            request.insert("network_policy".into(), most.as_str().into());
            most.as_str()
        }
        // Its type and words are checked with the whole request.
        Some(name) => name.as_str().unwrap_or_default(),
    };
    let asked = NetworkPolicy::ALL
        .into_iter()
        .find(|policy| policy.as_str() == name);
    asked.map_or(Ok(()), |asked| {
        within(config, row, "network_policy", asked, request)
    })
}

fn one_shot(config: &Config, row: &Row, request: &mut JsonObject) -> Result<()> {
    let wants = given(request, "network").is_some_and(|wish| *wish != Value::Bool(false));
    let asked = if wants {
        NetworkPolicy::Egress
    } else {
        NetworkPolicy::Off
    };
    within(config, row, "network", asked, request)
}

/// Puts in the operator's lists where there are none; refuses what is more.
fn within(
    config: &Config,
    row: &Row,
    field: &str,
    asked: NetworkPolicy,
    request: &mut JsonObject,
) -> Result<()> {
    let most = &config.network;
    let list = |field: &str| -> Vec<String> {
        let given = given(request, field).and_then(Value::as_array);
        let entries = given.into_iter().flatten().filter_map(Value::as_str);
        entries.map(String::from).collect()
    };
    let spec = NetworkSpec {
        policy: asked,
        rules: rules(list("allow_domains"), list("allow_cidrs")),
    };
    let spec = match asked.has_card() && !spec.rules.is_limited() {
        true => {
            let own = &most.rules;
            request.insert("allow_domains".into(), own.allow_domains.clone().into());
            request.insert("allow_cidrs".into(), own.allow_cidrs.clone().into());
            NetworkSpec {
                rules: own.clone(),
                ..spec
            }
        }
        false => spec,
    };
    match spec.beyond(most) {
        None => Ok(()),
        Some(more) => Err(not_allowed(row, field, &more)
            .hint(ceiling_hint(config, "leave it out, or ask for less"))),
    }
}

/// Whether a service shall have published ports, if any may.
fn publishes(config: &Config, row: &Row, request: &JsonObject) -> Result<bool> {
    let ports = given(request, "published_ports").and_then(Value::as_array);
    if ports.is_none_or(Vec::is_empty) {
        return Ok(false);
    }
    if config.network.policy < PUBLISHING {
        let needed = PUBLISHING.as_str();
        let why =
            format!("this server does not publish ports: that needs --network-policy {needed}");
        return Err(not_allowed(row, "published_ports", &why).hint(ceiling_hint(
            config,
            "leave it out, and look at the service from inside with workspace_exec",
        )));
    }
    Ok(true)
}

fn ceiling_hint(config: &Config, instead: &str) -> String {
    if config.network.policy == config.options.network_policy {
        format!("{instead}; the operator sets the most with --network-policy")
    } else {
        format!(
            "{instead}; mode {} has no network, whatever --network-policy says",
            config.surface.name()
        )
    }
}
