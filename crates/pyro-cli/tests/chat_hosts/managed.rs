//! What pyro says of administrators' files is what Claude Code does with them:
//! the real program, with a `/etc` that only it sees.

use crate::installed;
use crate::managed_cases::{CASES, Case, MOST_TELLING};
use crate::place::Place;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Lists its servers in a private `/etc`, and whether that started pyro's.
fn starts(place: &Place, root: &Path) -> Option<bool> {
    let bin = root.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let (program, mark) = (bin.join("pyro"), root.join("started"));
    fs::write(&program, format!("#!/bin/sh\n: >{}\n", mark.display())).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let folders = [bin].into_iter();
    let path = installed::path();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    let mut command = place.command("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let script =
        "mount -t tmpfs none /etc && cp -R \"$0\"/. /etc && echo >&2 mounted && exec \"$@\"";
    command
        .args(["sh", "-c", script])
        .arg(root.join("etc"))
        .args(["claude", "mcp", "list"])
        .env("PATH", path)
        .env("HOME", root.join("home"))
        .current_dir(root.join("project"));
    let ended = place.run(command, 60);
    if !ended.stderr.contains("mounted") {
        println!("skipped: no private /etc here: {}", ended.stderr);
        return None;
    }
    Some(mark.exists())
}

#[test]
fn claude_code_does_what_pyro_says() {
    let place = Place::new();
    for Case {
        files,
        starts: expected,
    } in &CASES[..MOST_TELLING]
    {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let entry = r#"{"mcpServers": {"pyro": {"command": "pyro", "args": ["mcp", "serve"]}}}"#;
        let own = [
            ("home/.claude.json", entry),
            ("etc/empty", ""),
            ("project/.git/x", ""),
        ];
        for (path, text) in own.iter().chain(*files) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let Some(found) = starts(&place, &root) else {
            return;
        };
        assert_eq!(found, *expected, "{files:?}");
    }
}
