//! What a host decides by: whether to ask before a call, whether to show a
//! tool at once, how long a result may be.
//!
//! Codex runs without asking what only reads, and what destroys nothing in a
//! closed world; so each hint has to be true and none may be over-careful. A
//! guest is thrown away and the user's files are not in it: a command there
//! destroys nothing of the user's. The world is open where a guest has a
//! network.
//!
//! Owns: annotations and `_meta`. Refuses: what an operation does, which the
//! table says.

use super::narrow;
use crate::config::Config;
use pyro::network::NetworkPolicy;
use pyro::surface::{Profile, Surface};
use pyro::{Effect, Row};
use rmcp::model::{MetaObject, ToolAnnotations};
use serde_json::json;

/// Tools that run something in a guest.
const RUNS: [&str; 5] = [
    "vm_run",
    "vm_exec",
    "workspace_exec",
    "shell_write",
    "service_start",
];

/// Changes that are the same when made twice.
const IDEMPOTENT: [&str; 6] = [
    "workspace_start",
    "workspace_stop",
    "workspace_update",
    "workspace_reset",
    "service_stop",
    "vm_stop",
];

/// Tools whose results are as long as what they show.
const LONG: [&str; 10] = [
    "vm_run",
    "vm_exec",
    "workspace_exec",
    "workspace_logs",
    "workspace_diff",
    "workspace_file_list",
    "workspace_file_read",
    "workspace_disk_read",
    "shell_read",
    "service_logs",
];

/// Results are cut and paged by this server, so its host need not cut them.
const MOST_RESULT_CHARS: u32 = 200_000;

/// Its annotations.
pub fn annotations(config: &Config, row: &Row) -> ToolAnnotations {
    let reads = row.effect == Effect::Reads;
    // A VM that is deleted after its only command was made for that.
    let destroys = row.effect == Effect::Destroys && row.name != "vm_exec";
    let open = narrow::network(config) != NetworkPolicy::Off && RUNS.contains(&row.name);
    let hints = ToolAnnotations::with_title(title(row.name))
        .read_only(reads)
        .destructive(destroys)
        .open_world(open);
    match IDEMPOTENT.contains(&row.name) {
        true => hints.idempotent(true),
        false => hints,
    }
}

/// `workspace_file_read` as a person reads it.
fn title(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words.replace("Vm ", "VM ")
}

/// What is not in the protocol: hosts that hide tools until they are searched
/// for show the core ones at once.
pub fn meta(name: &str) -> Option<MetaObject> {
    let core = Surface::Profile(Profile::WorkspaceCore);
    let mut meta = MetaObject::new();
    if core.tools().any(|known| known == name) {
        meta.insert("anthropic/alwaysLoad".to_owned(), json!(true));
    }
    if LONG.contains(&name) {
        let most = json!(MOST_RESULT_CHARS);
        meta.insert("anthropic/maxResultSizeChars".to_owned(), most);
    }
    (!meta.is_empty()).then_some(meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn names_in_the_lists_are_tools() {
        for name in RUNS.iter().chain(&IDEMPOTENT).chain(&LONG) {
            assert!(pyro::ops::named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_command_asks_nobody_unless_its_guest_has_a_network() {
        let of = |words: &str, name: &str| {
            let hints = annotations(&config(words), pyro::ops::named(name).unwrap());
            (
                hints.destructive_hint.unwrap(),
                hints.open_world_hint.unwrap(),
            )
        };
        assert_eq!(of("", "workspace_exec"), (false, false));
        assert_eq!(
            of("--network-policy egress", "workspace_exec"),
            (false, true)
        );
        assert_eq!(
            of("--network-policy egress", "workspace_diff"),
            (false, false)
        );
        assert_eq!(
            of("--mode inspect --network-policy egress", "workspace_exec"),
            (false, false)
        );
        assert_eq!(of("", "workspace_delete"), (true, false));
        assert_eq!(of("", "vm_exec"), (false, false));
    }

    #[test]
    fn titles_are_words() {
        assert_eq!(title("workspace_file_read"), "Workspace file read");
        assert_eq!(title("vm_run"), "VM run");
    }
}
