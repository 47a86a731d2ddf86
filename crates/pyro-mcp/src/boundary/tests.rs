//! What each limit lets pass, and what it says when it does not.

use super::*;
use crate::config::tests::config;
use pyro::Error;
use pyro::project::ProjectSource;
use pyro::surface::Surface;
use serde_json::json;

fn row(name: &str) -> &'static Row {
    pyro::ops::named(name).unwrap()
}

fn asked(words: &str, tool: &str, request: Value) -> Result<Value> {
    let Value::Object(request) = request else {
        panic!("a request is an object");
    };
    admit(&config(words), row(tool), request)
}

fn refused(words: &str, tool: &str, request: Value) -> Error {
    asked(words, tool, request.clone()).expect_err(&format!("{tool} {request} is refused"))
}

#[test]
fn the_environment_is_the_models_else_the_operators() {
    let name = |words: &str, request: Value| {
        asked(words, "workspace_create", request).unwrap()["environment"].clone()
    };
    let own = "--environment debian:12-base";
    assert_eq!(name(own, json!({})), "debian:12-base");
    assert_eq!(name(own, json!({"environment": null})), "debian:12-base");
    assert_eq!(name(own, json!({"environment": "debian:12"})), "debian:12");
    assert_eq!(name("", json!({})), "debian:12");
    assert_eq!(name("--mode cold-start", json!({})), "debian:12-build");
    let run = asked(own, "vm_run", json!({"command": "true"})).unwrap();
    assert_eq!(run["environment"], "debian:12-base");
}

#[test]
fn what_only_an_operator_says_is_refused_with_a_way_out() {
    let full = "--profile workspace-full";
    for (tool, request) in [
        ("vm_run", json!({"command": "true", "backend": "qemu"})),
        ("workspace_create", json!({"backend": "auto"})),
        ("workspace_create", json!({"project_path": "/"})),
        ("workspace_create", json!({"repo_url": "file:///"})),
        (
            "vm_run",
            json!({"command": "true", "allow_host_compat": true}),
        ),
        ("vm_create", json!({"allow_host_compat": "yes"})),
        (
            "workspace_create",
            json!({"secrets": [{"name": "A", "env_var": "HOME"}]}),
        ),
        (
            "workspace_create",
            json!({"secrets": [{"name": "A", "file_path": "-"}]}),
        ),
    ] {
        let error = refused(full, tool, request);
        assert_eq!(error.code, "not_allowed");
        assert!(error.hint.is_some(), "{error}");
    }
    let error = refused(full, "vm_create", json!({"allow_host_compat": true}));
    assert!(error.message.contains("--allow-host-compat"), "{error}");
    let allowed = "--profile workspace-full --allow-host-compat";
    for wish in [json!({"allow_host_compat": true}), json!({})] {
        let request = asked(allowed, "vm_create", wish.clone()).unwrap();
        assert_eq!(
            request["allow_host_compat"],
            wish["allow_host_compat"] == true
        );
    }
    let secret = json!({"secrets": [{"name": "A", "value": "very secret"}]});
    assert!(asked(full, "workspace_create", secret).is_ok());
}

#[test]
fn a_refusal_shows_no_value_of_a_secret() {
    let request = json!({"secrets": [{"name": "A", "value": "very secret", "env_var": "B"}]});
    let error = refused("", "workspace_create", request);
    assert!(!format!("{error:?}").contains("very secret"));
}

#[test]
fn a_workspace_gets_the_ceiling_and_never_more() {
    let policy = |words: &str, request: Value| {
        asked(words, "workspace_create", request).map(|request| request["network_policy"].clone())
    };
    assert_eq!(policy("", json!({})).unwrap(), "off");
    assert_eq!(
        policy("--network-policy egress", json!({})).unwrap(),
        "egress"
    );
    let inspect = "--mode inspect --network-policy egress";
    assert_eq!(policy(inspect, json!({})).unwrap(), "off");
    let full = "--profile workspace-full --network-policy egress";
    assert_eq!(
        policy(full, json!({"network_policy": "off"})).unwrap(),
        "off"
    );
    for (words, wish) in [
        ("", "egress"),
        (inspect, "egress"),
        (full, "egress+published-ports"),
    ] {
        let error = policy(words, json!({"network_policy": wish})).unwrap_err();
        assert_eq!(error.code, "not_allowed");
        assert!(error.hint.unwrap().contains("--network-policy"));
    }
    let error = policy(full, json!({"network_policy": "all"})).unwrap_err();
    assert_eq!(error.code, "invalid_request");
}

#[test]
fn one_shot_vms_have_a_network_when_they_ask_and_may() {
    let run = |words: &str, request: Value| asked(words, "vm_run", request);
    let asks = || json!({"command": "true", "network": true});
    assert_eq!(run("", asks()).unwrap_err().code, "not_allowed");
    let granted = run("--network-policy egress --allow-domain a.example", asks()).unwrap();
    assert_eq!(granted["allow_domains"], json!(["a.example"]));
    let without = run(
        "--network-policy egress --allow-domain a.example",
        json!({"command": "true"}),
    );
    assert_eq!(
        without.unwrap()["allow_domains"],
        json!([]),
        "no network, no rules"
    );
}

#[test]
fn the_operators_lists_always_apply() {
    let words = "--network-policy egress --allow-domain *.a.example --allow-cidr 10.1.0.0/16";
    let made = |request: Value| asked(words, "workspace_create", request);
    let request = made(json!({})).unwrap();
    assert_eq!(request["allow_domains"], json!(["*.a.example"]));
    assert_eq!(request["allow_cidrs"], json!(["10.1.0.0/16"]));
    let less = made(json!({"allow_domains": ["x.a.example"]})).unwrap();
    assert_eq!(less["allow_domains"], json!(["x.a.example"]));
    assert_eq!(less["allow_cidrs"], json!([]));
    for more in [
        json!({"allow_domains": ["b.example"]}),
        json!({"allow_cidrs": ["10.0.0.0/8"]}),
        json!({"allow_domains": ["x.a.example", "*.example"]}),
    ] {
        assert_eq!(made(more).unwrap_err().code, "not_allowed");
    }
}

#[test]
fn ports_are_published_only_where_the_operator_lets_them() {
    let request = json!({
        "workspace_id": "none", "service_name": "web", "command": "true",
        "published_ports": [{"guest_port": 80}],
    });
    for words in [
        "--mode cold-start",
        "--mode cold-start --network-policy egress",
    ] {
        let error = refused(words, "service_start", request.clone());
        assert_eq!(error.code, "not_allowed");
        assert!(error.message.contains("egress+published-ports"), "{error}");
    }
    let words = "--mode cold-start --network-policy egress+published-ports";
    let error = refused(words, "service_start", request);
    assert_eq!(
        error.code, "unknown_workspace",
        "then it depends on the workspace"
    );
}

#[test]
fn a_workspace_begins_with_the_seed_else_the_project() {
    let begins = |project: Option<ProjectSource>, request: Value| {
        let mut config = config("");
        config.project = project;
        let mut request = request.as_object().unwrap().clone();
        defaults::begin(&config, &mut request);
        defaults::fill(&config, row("workspace_create"), &mut request);
        request
    };
    let path = || {
        Some(ProjectSource::Path {
            root: "/p".into(),
            tracked: true,
        })
    };
    let clone = Some(ProjectSource::Url {
        url: "https://example.org/r".into(),
        reference: Some("main".into()),
    });
    let request = begins(path(), json!({"seed_path": "src"}));
    assert!(request["seed_path"] == "src" && !request.contains_key("project_path"));
    let request = begins(path(), json!({"seed_path": ""}));
    assert!(!request.contains_key("seed_path") && !request.contains_key("project_path"));
    assert_eq!(
        begins(path(), json!({"seed_path": null}))["project_path"],
        "/p"
    );
    let request = begins(clone, json!({}));
    assert_eq!(request["repo_url"], "https://example.org/r");
    assert_eq!(request["repo_ref"], "main");
    assert!(!begins(None, json!({})).contains_key("project_path"));
}

/// A field that names a file of the host goes through `host_paths`, or no
/// model gives it. Whoever adds one has to put it into one of these lists.
#[test]
fn every_field_that_looks_like_a_path_is_known() {
    let of_the_guest = ["path", "paths", "dest", "cwd", "ready_file"];
    let of_the_host = [
        "seed_path",
        "source_path",
        "output_path",
        "text_file",
        "patch_file",
        "html",
        "secrets",
    ];
    let of_the_operator = ["project_path", "repo_url", "repo_ref"];
    let words = [
        "path", "file", "dir", "folder", "html", "output", "source", "dest", "root", "cwd",
        "secrets", "repo",
    ];
    let known = [&of_the_guest[..], &of_the_host, &of_the_operator].concat();
    let tools = Surface::ALL.into_iter().flat_map(Surface::tools);
    for name in tools {
        let schema = (row(name).request_schema)().to_value();
        let fields = schema["properties"].as_object().into_iter().flatten();
        for (field, _) in fields {
            let looks = words.iter().any(|word| field.contains(word));
            assert!(!looks || known.contains(&field.as_str()), "{name}: {field}");
        }
    }
}

#[test]
fn what_is_hidden_is_gone_at_any_depth_and_labels_stay() {
    let response = json!({
        "workspace_id": "a", "metadata": {"x": "/cache"}, "output_path": "/out",
        "labels": {"metadata": "mine"},
        "result": [{"name": "debian:12", "install_dir": "/c", "deep": {"tap_name": "t"}}],
    });
    let shown = shown(row("workspace_status"), response);
    assert_eq!(
        shown,
        json!({
            "workspace_id": "a", "output_path": "/out", "labels": {"metadata": "mine"},
            "result": [{"name": "debian:12", "deep": {}}],
        })
    );
}

#[test]
fn hidden_names_are_names_of_responses() {
    let mut all = String::new();
    for name in Surface::ALL.into_iter().flat_map(Surface::tools) {
        all += &(row(name).response_schema)().to_value().to_string();
    }
    for name in HIDDEN {
        assert!(
            all.contains(&format!("\"{name}\"")),
            "{name} is in no response"
        );
    }
}
