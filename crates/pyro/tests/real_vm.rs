//! The life of a one-shot VM through the operation table, as a door with JSON
//! sees it, on a real guest.
//!
//! Uses the test cache of the program's own tests.

use pyro::{Context, Layout, Pyro};
use serde_json::{Value, json};
use std::path::Path;

fn call(pyro: &Pyro, name: &str, request: Value) -> Result<Value, pyro::Error> {
    let row = pyro::ops::TABLE
        .iter()
        .find(|row| row.name == name)
        .unwrap();
    (row.call)(pyro, request, &Context::quiet())
}

#[test]
fn create_start_stop_start_exec_delete() {
    let state = tempfile::tempdir().unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("test-cache");
    let pyro = Pyro::new(Layout {
        cache,
        state: state.path().to_owned(),
    });
    let made = call(
        &pyro,
        "vm_create",
        json!({"environment": "debian:12", "mem_mib": 512, "ttl_seconds": 60}),
    )
    .unwrap();
    assert_eq!(
        (made["state"].as_str(), made["execution_mode"].as_str()),
        (Some("created"), Some("pending"))
    );
    let id = json!({"vm_id": made["vm_id"]});
    let exec = |command: &str| {
        call(
            &pyro,
            "vm_exec",
            json!({"vm_id": made["vm_id"], "command": command}),
        )
    };

    assert_eq!(
        call(&pyro, "vm_start", id.clone()).unwrap()["state"],
        "started"
    );
    assert_eq!(
        call(&pyro, "vm_start", id.clone()).unwrap_err().code,
        "wrong_state"
    );
    assert_eq!(
        call(&pyro, "vm_reap_expired", json!({})).unwrap()["count"],
        0,
        "it was used just now"
    );
    assert_eq!(
        call(&pyro, "vm_stop", id.clone()).unwrap()["state"],
        "stopped"
    );
    assert_eq!(exec("true").unwrap_err().code, "wrong_state");
    call(&pyro, "vm_start", id.clone()).unwrap();
    let status = call(&pyro, "vm_status", id.clone()).unwrap();
    assert_eq!(
        (
            status["backend"].as_str(),
            status["environment_version"].as_str()
        ),
        (Some("qemu"), Some("1.0.0"))
    );
    let confinement = status["metadata"]["confinement"].as_str().unwrap();
    assert!(confinement.ends_with("_namespaces"), "{confinement}");
    assert_eq!(
        call(&pyro, "vm_network_info", id.clone()).unwrap()["network_enabled"],
        false
    );
    let result = exec("echo $((6 * 7))").unwrap();
    assert_eq!(
        (result["stdout"].as_str(), result["exit_code"].as_i64()),
        (Some("42\n"), Some(0))
    );
    assert_eq!(result["cleanup"]["reason"], "post_exec_cleanup");
    assert_eq!(call(&pyro, "vm_status", id).unwrap_err().code, "unknown_vm");

    let other = call(&pyro, "vm_create", json!({"environment": "debian:12"})).unwrap();
    let gone = call(&pyro, "vm_delete", json!({"vm_id": other["vm_id"]})).unwrap();
    assert_eq!(gone["reason"], "explicit_delete");
}
