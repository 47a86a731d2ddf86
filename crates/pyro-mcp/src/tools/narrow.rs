//! Which inputs of an operation a model is offered, and why not the others.
//!
//! Owns: the rules (contract: `mcp.md` §3.4) and what an operator does to
//! widen them. Refuses: the limits on values, which are `boundary`'s.

use crate::config::Config;
use pyro::network::NetworkPolicy;
use pyro::surface::{Mode, Profile, Surface};

const NO_NETWORK: &str =
    "guests of this server have no network; the operator can start it with --network-policy";
const OPERATORS: &str = "the operator decides it when the server starts";

/// The most network its guests may have.
pub fn network(config: &Config) -> NetworkPolicy {
    match config.surface {
        Surface::Mode(Mode::Inspect) => NetworkPolicy::Off,
        _ => config.options.network_policy,
    }
}

/// Why an input is not offered; the path of one below another is `a.b`.
pub fn withheld(config: &Config, tool: &str, path: &str) -> Option<&'static str> {
    let full = config.surface == Surface::Profile(Profile::WorkspaceFull);
    let network = network(config);
    match path {
        "backend" | "project_path" | "repo_url" | "repo_ref" => Some(OPERATORS),
        "allow_domains" | "allow_cidrs" => {
            Some("the operator lists what guests may reach, with --allow-domain and --allow-cidr")
        }
        "allow_host_compat" => (!config.options.allow_host_compat)
            .then_some("the operator did not start the server with --allow-host-compat"),
        // A model sends the text itself; a page for a browser is the operator's.
        "text_file" | "patch_file" | "html" => {
            Some("it is a file of the host; only people give it")
        }
        "secrets.env_var" => Some("variables of the server are not for models"),
        _ if network == NetworkPolicy::Off && of_network(tool, path) => Some(NO_NETWORK),
        "published_ports" if network != NetworkPolicy::EgressAndPublishedPorts => Some(
            "the operator did not start the server with --network-policy egress+published-ports",
        ),
        _ if !full && of_full(tool, path) => {
            Some("only a server with --profile workspace-full offers it")
        }
        _ => None,
    }
}

fn of_network(tool: &str, path: &str) -> bool {
    matches!(path, "network" | "network_policy" | "secrets.hosts")
        || (tool == "service_start" && path == "published_ports")
}

/// What the contract takes from all other surfaces, and what is worth its
/// words only where breadth is wanted.
fn of_full(tool: &str, path: &str) -> bool {
    matches!(
        (tool, path),
        (_, "network_policy" | "secrets" | "secret_env" | "disk_mib")
            | (_, "hash" | "expected_sha256")
            | ("workspace_list", _)
            | (
                "service_start",
                "restart" | "max_restarts" | "health_interval_seconds"
            )
    )
}

/// Inputs that have to be given because the other way to give them is not
/// offered.
pub fn required(tool: &str) -> &'static [&'static str] {
    match tool {
        "workspace_file_write" => &["text"],
        "workspace_patch_apply" => &["patch"],
        _ => &[],
    }
}

/// Inputs for which the server has a value when none is sent.
pub const FILLED: [&str; 1] = ["environment"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn core_has_no_network_and_no_secrets() {
        let config = config("--network-policy egress");
        for path in [
            "network_policy",
            "secrets",
            "allow_cidrs",
            "backend",
            "allow_host_compat",
        ] {
            assert!(
                withheld(&config, "workspace_create", path).is_some(),
                "{path}"
            );
        }
        assert_eq!(withheld(&config, "vm_run", "network"), None);
        assert_eq!(withheld(&config, "workspace_create", "labels"), None);
    }

    #[test]
    fn the_operator_widens() {
        let has =
            |words: &str, tool: &str, path: &str| withheld(&config(words), tool, path).is_none();
        let full = "--profile workspace-full";
        assert!(has(full, "workspace_create", "secrets"));
        assert!(!has(full, "workspace_create", "network_policy"));
        assert!(!has(full, "vm_create", "allow_host_compat"));
        assert!(has(
            "--profile workspace-full --allow-host-compat",
            "vm_create",
            "allow_host_compat"
        ));
        let egress = "--profile workspace-full --network-policy egress";
        assert!(has(egress, "workspace_create", "network_policy"));
        assert!(!has(egress, "service_start", "published_ports"));
        let all = "--mode cold-start --network-policy egress+published-ports";
        assert!(has(all, "service_start", "published_ports"));
        assert!(!has(all, "service_start", "secret_env"));
        assert_eq!(
            network(&config("--mode inspect --network-policy egress")),
            NetworkPolicy::Off
        );
    }
}
