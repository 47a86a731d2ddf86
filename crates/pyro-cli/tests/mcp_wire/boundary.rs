//! What a model may ask of this host, on the wire of the real server: every
//! refusal comes before any guest is needed, and leaves nothing behind.

use super::host as wire;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A host with a project, an allowed folder and a secret beside them.
struct Host {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in [
            "home/.ssh",
            "home/project/src",
            "home/allowed/r/.git",
            "state",
            "empty",
        ] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("home/.ssh/key"), "the private key").unwrap();
        std::fs::write(root.join("home/project/src/main.c"), "int x;").unwrap();
        std::fs::write(root.join("home/allowed/there"), "").unwrap();
        std::fs::write(root.join("state/own"), "pyro's own").unwrap();
        symlink("../.ssh", root.join("home/project/out")).unwrap();
        Self { folder, root }
    }

    fn at(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    fn serve(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .args(["mcp", "serve"])
            .args(flags)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.root.join("home"))
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.root.join("cache"))
            .env("PYRO_STATE_DIR", self.root.join("state"))
            .env("A_SECRET", "value-of-a-variable")
            .current_dir(self.folder.path().join("empty"));
        command
    }

    fn client(&self, flags: &[&str]) -> wire::Host {
        let (project, allowed) = (self.at("home/project"), self.at("home/allowed"));
        let own = ["--project-path", &project, "--allow-path", &allowed];
        self.connect(&[&own[..], flags].concat())
    }

    fn connect(&self, flags: &[&str]) -> wire::Host {
        let folder = tempfile::tempdir().unwrap();
        wire::Host::of(self.serve(flags), folder).after_handshake()
    }

    /// Names of everything on it, to see that nothing was made.
    fn names(&self) -> Vec<PathBuf> {
        let mut all = vec![self.root.clone()];
        let mut at = 0;
        while at < all.len() {
            if !all[at].is_symlink() && all[at].is_dir() {
                let below = std::fs::read_dir(&all[at]).unwrap();
                let mut below: Vec<_> = below.map(|entry| entry.unwrap().path()).collect();
                all.append(&mut below);
            }
            at += 1;
        }
        all.sort();
        all
    }
}

fn start_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(output.stdout.is_empty(), "no word on stdout");
    let text = String::from_utf8_lossy(&output.stderr);
    for word in words.iter().chain(&["error: ", "hint: "]) {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
}

#[test]
fn what_an_operator_gives_is_checked_at_the_start() {
    let host = Host::new();
    let (file, state) = (host.at("home/allowed/there"), host.at("state"));
    let home = host.at("home");
    for (flags, words) in [
        (
            ["--allow-path", "/none/such"],
            &["--allow-path /none/such"][..],
        ),
        (["--allow-path", &file], &["is no folder"]),
        (["--allow-path", "/"], &["home folder"]),
        (["--allow-path", &home], &["home folder"]),
        (["--allow-path", &state], &["own files"]),
        (
            ["--environment", "debian:99"],
            &["debian:99", "debian:12-build", "--environment"],
        ),
        (["--allow-domain", "a.example"], &["--network-policy"]),
        (["--allow-cidr", "10.0.0.0/8"], &["--network-policy"]),
    ] {
        start_refused(&host.serve(&flags).output().unwrap(), words);
    }
    let names = host.names();
    drop(host.client(&["--environment", "debian:12-build"]));
    assert_eq!(host.names(), names, "a server alone makes nothing");
}

#[test]
fn files_beside_the_roots_are_not_read() {
    let host = Host::new();
    let names = host.names();
    let mut client = host.client(&["--profile", "workspace-full"]);
    let project = host.at("home/project");
    let outside = [&project, "--allow-path", "path_not_allowed"];
    let (key, state) = (host.at("home/.ssh/key"), host.at("state"));
    for path in [
        "/etc",
        "../.ssh",
        "out",
        "/",
        &state,
        "/proc/self/cwd",
        "/proc/1/root",
        "src/../../.ssh",
        "~/.ssh",
    ] {
        client.refused("workspace_create", json!({"seed_path": path}), &outside);
    }
    for path in [&*key, "out/key", "~/.ssh/key", "/etc/passwd"] {
        let secrets = json!({"secrets": [{"name": "A", "file_path": path}]});
        let text = client.refused("workspace_create", secrets, &outside);
        assert!(!text.contains("private key"));
    }
    let env = json!({"secrets": [{"name": "A", "env_var": "A_SECRET"}]});
    let text = client.refused("workspace_create", env, &["env_var"]);
    assert!(!text.contains("value-of-a-variable"));
    let stdin = json!({"secrets": [{"name": "A", "file_path": "-"}]});
    client.refused("workspace_create", stdin, &["protocol"]);
    let missing = json!({"seed_path": "none"});
    client.refused("workspace_create", missing, &["source_missing"]);
    drop(client);
    assert_eq!(host.names(), names, "nothing was made");
}

#[test]
fn a_server_without_a_project_reads_nothing() {
    let host = Host::new();
    let mut client = host.connect(&["--no-project-source"]);
    for path in ["src", "/etc", &host.at("home/project")] {
        let words = ["no project", "--allow-path"];
        client.refused("workspace_create", json!({"seed_path": path}), &words);
    }
}

#[test]
fn outputs_beside_the_roots_are_not_written() {
    let host = Host::new();
    let names = host.names();
    let mut client = host.client(&["--profile", "workspace-full"]);
    let at = |path: &str| host.at(path);
    for (path, word) in [
        ("/etc/cron.d/x".to_owned(), "path_not_allowed"),
        (at("home/.bashrc"), "path_not_allowed"),
        (at("home/project/x"), "path_not_allowed"),
        (at("home/allowed/../x"), "path_not_allowed"),
        (at("home/allowed/opencode.json"), "chat host"),
        (at("home/allowed/sub/.claude/settings.json"), "chat host"),
        (
            at("home/allowed/r/.git/hooks/post-checkout"),
            "output_in_git",
        ),
        (at("home/allowed/r/.GIT/config"), "output_in_git"),
        (at("state/own2"), "path_not_allowed"),
        (at("home/allowed/there"), "output_exists"),
        ("~/x".to_owned(), "path_not_allowed"),
        ("report.txt".to_owned(), "unknown_workspace"),
    ] {
        let export = json!({"workspace_id": "none", "path": "x", "output_path": path});
        client.refused("workspace_export", export, &[word]);
        let disk = json!({"workspace_id": "none", "output_path": path});
        client.refused("workspace_disk_export", disk, &[word]);
    }
    drop(client);
    assert_eq!(host.names(), names, "nothing was made");
}

#[test]
fn what_only_the_operator_says_names_the_flag() {
    let host = Host::new();
    let mut client = host.client(&["--profile", "workspace-full"]);
    let run = |field: &str, value: serde_json::Value| json!({"command": "id", field: value});
    client.refused(
        "vm_run",
        run("allow_host_compat", json!(true)),
        &["--allow-host-compat"],
    );
    client.refused("vm_run", run("network", json!(true)), &["--network-policy"]);
    client.refused("vm_run", run("backend", json!("qemu")), &["operator"]);
    let policy = json!({"network_policy": "egress"});
    client.refused("workspace_create", policy, &["--network-policy"]);
    client.refused(
        "workspace_create",
        json!({"project_path": "/"}),
        &["project_path"],
    );
    let service = json!({
        "workspace_id": "none", "service_name": "web", "command": "true",
        "published_ports": [{"guest_port": 80}],
    });
    client.refused("service_start", service.clone(), &["--network-policy"]);
    drop(client);
    let mut client = host.client(&["--profile", "workspace-full", "--network-policy", "egress"]);
    client.refused("service_start", service, &["egress+published-ports"]);
    let more = json!({"network_policy": "egress+published-ports"});
    client.refused("workspace_create", more, &["egress"]);
    drop(client);
    let mut client = host.client(&["--mode", "inspect", "--network-policy", "egress"]);
    client.refused(
        "workspace_create",
        json!({"network_policy": "egress"}),
        &["network"],
    );
}

#[test]
fn a_project_that_disappears_is_named_with_the_ways_out() {
    let host = Host::new();
    let mut client = host.client(&[]);
    std::fs::remove_dir_all(host.root.join("home/project")).unwrap();
    let project = host.at("home/project");
    let words = ["source_missing", &project, "--project-path", "--repo-url"];
    client.refused("workspace_create", json!({}), &words);
    // The server goes on: the folder may come back.
    std::fs::create_dir_all(host.root.join("home/project")).unwrap();
    assert_eq!(client.done("workspace_list", json!({}))["count"], 0);
}
