//! The host boundary of the MCP server on real guests: what a model takes out
//! and brings in, and a workspace that has more network than its server.

use super::serve;
use crate::machine::text;
use crate::workspaces::Desk;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn exports_land_in_their_folder_and_outlive_the_workspace() {
    let desk = Desk::new();
    let root = desk.place.folder.path().canonicalize().unwrap();
    let (project, allowed) = (root.join("project"), root.join("allowed"));
    for folder in [&project.join("src"), &allowed] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(project.join("src/main.c"), "int x;\n").unwrap();
    let shown = |path: &Path| path.display().to_string();
    let flags = [
        "--project-path",
        &shown(&project),
        "--allow-path",
        &shown(&allowed),
    ];
    let mut client = serve(&desk.place, &flags);
    let made = client.done(
        "workspace_create",
        json!({"seed_path": "src", "mem_mib": 512}),
    );
    assert!(
        made.get("metadata").is_none() && made.get("tap_name").is_none(),
        "{made}"
    );
    let id = made["workspace_id"].as_str().unwrap().to_owned();
    let exports = root.join("state/exports").join(&id);

    let export =
        |output: &str| json!({"workspace_id": id, "path": "main.c", "output_path": output});
    let told = client.done("workspace_export", export("out/main.c"));
    assert_eq!(told["output_path"], shown(&exports.join("out/main.c")));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&exports.join("out/main.c")), "int x;\n");
    client.refused("workspace_export", export("out/main.c"), &["output_exists"]);
    client.refused(
        "workspace_export",
        export("../main.c"),
        &["path_not_allowed"],
    );
    client.done(
        "workspace_export",
        export(&shown(&allowed.join("a/main.c"))),
    );
    assert_eq!(read(&allowed.join("a/main.c")), "int x;\n");

    let push = |source: &str| json!({"workspace_id": id, "source_path": source, "dest": "more"});
    client.done("workspace_sync_push", push("src"));
    client.refused("workspace_sync_push", push("/etc"), &["path_not_allowed"]);
    let seen = client.done(
        "workspace_file_read",
        json!({"workspace_id": id, "path": "more/main.c"}),
    );
    assert_eq!(seen["content"], "int x;\n");

    client.done("workspace_delete", json!({"workspace_id": id}));
    assert_eq!(read(&exports.join("out/main.c")), "int x;\n");
    let rehearsed = desk.done(&["prune", "--older-than", "0s", "--dry-run"]);
    assert_eq!(rehearsed["deleted_export_ids"], json!([id]));
    assert!(exports.exists());
    let pruned = desk.done(&["prune", "--older-than", "0s"]);
    assert_eq!(pruned["deleted_export_ids"], json!([id]));
    assert!(!exports.exists() && allowed.join("a/main.c").exists());
}

#[test]
fn a_workspace_with_more_network_than_the_server_runs_nothing() {
    let desk = Desk::new();
    let report = desk.place.pyro(&["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_str(&text(&report.stdout)).unwrap();
    if report["networking"]["usable"] != true {
        eprintln!("skipped: {}", report["networking"]["reason"]);
        return;
    }
    let words = [
        "create",
        "debian:12",
        "--mem-mib",
        "512",
        "--network-policy",
        "egress",
    ];
    let made = desk.done(&words);
    let id = made["workspace_id"].as_str().unwrap();
    let exec = json!({"workspace_id": id, "command": "true"});
    let mut lower = serve(&desk.place, &["--no-project-source"]);
    lower.refused(
        "workspace_exec",
        exec.clone(),
        &["not_allowed", "--network-policy"],
    );
    lower.done("workspace_status", json!({"workspace_id": id}));
    drop(lower);
    let egress = ["--no-project-source", "--network-policy", "egress"];
    let mut same = serve(&desk.place, &egress);
    assert_eq!(same.done("workspace_exec", exec.clone())["exit_code"], 0);
    drop(same);
    let listed = [&egress[..], &["--allow-domain", "a.example"]].concat();
    let mut listed = serve(&desk.place, &listed);
    listed.refused(
        "workspace_exec",
        exec,
        &["not_allowed", "every public address"],
    );
}
