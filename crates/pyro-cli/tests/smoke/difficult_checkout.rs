//! A checkout as developers have it: ignored, generated, unreadable and huge
//! files, sockets, loops, half-deleted work. Only what Git tracks is taken.

use crate::chat::{Chat, id};
use crate::project::Project;
use crate::site::Site;
use serde_json::json;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

/// Files that would hang, fail or fill a disk if anybody read them.
fn litter(project: &Project) -> UnixListener {
    let root = project.root();
    project.host("mkfifo pipe build/pipe && truncate -s 400G build/huge core");
    project.host(
        "mkdir -p node_modules/a/b && for n in $(seq 3000); do echo $n > node_modules/a/b/$n; done",
    );
    symlink("..", root.join("build/loop")).unwrap();
    symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    for path in ["private", "build/private"] {
        let path = root.join(path);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("key"), "nobody reads this\n").unwrap();
        for each in [path.join("key"), path] {
            std::fs::set_permissions(each, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
    }
    UnixListener::bind(root.join("build/socket")).unwrap()
}

/// Where root looks the litter could be read: without these two capabilities
/// it has an ordinary user's eyes.
const WITHOUT_OVERRIDE: [&str; 3] = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
];

#[tokio::test]
async fn difficult_checkout() {
    let site = Site::for_use_case();
    let project = Project::new(&[
        (".gitignore", "build/\nnode_modules/\n*.log\n"),
        ("main.sh", "echo committed\n"),
        ("deleted.sh", "echo deleted\n"),
        ("build/.keep", ""),
        ("tracked link", ""),
    ]);
    project.host("git add -f build/.keep; git rm -q --cached 'tracked link'; rm 'tracked link'");
    symlink("main.sh", project.root().join("tracked link")).unwrap();
    project.host("git add -A && git commit -qm more");
    let socket = litter(&project);
    project.write("main.sh", "echo edited\n");
    project.write("untracked.sh", "echo untracked\n");
    std::fs::remove_file(project.root().join("deleted.sh")).unwrap();
    let key = project.root().join("private/key");

    let root = project.root();
    let mut words = vec!["mcp", "serve", "--mode", "repro-fix", "--project-path"];
    words.extend([root.to_str().unwrap(), "--environment", &site.environment]);
    let chat = if std::fs::read(&key).is_ok() {
        let mut program = WITHOUT_OVERRIDE.to_vec();
        program.push(env!("CARGO_BIN_EXE_pyro"));
        let blind = site
            .command(&WITHOUT_OVERRIDE, &["cat", key.to_str().unwrap()])
            .output();
        assert!(!blind.unwrap().status.success(), "the litter can be read");
        Chat::with(site.command(&program, &words)).await
    } else {
        Chat::with(site.pyro(&words)).await
    };

    let made = chat.create("difficult").await;
    let seed = &made["workspace_seed"];
    assert_eq!(seed["origin_kind"], "project_path", "{made}");
    assert_eq!(seed["tracked_only"], true, "{made}");
    assert_eq!(seed["skipped_kinds"]["deleted"], 1, "{made}");
    assert_eq!(seed["modified"], 1, "{made}");
    let difficult = id(&made);

    let (code, files) = chat
        .exec(
            difficult,
            "find . -path ./.git -prune -o -type f -print -o -type l -print | sort",
        )
        .await;
    assert_eq!(code, 0, "{files}");
    let files: Vec<_> = files.lines().collect();
    assert_eq!(
        files,
        [
            "./.gitignore",
            "./build/.keep",
            "./main.sh",
            "./tracked link"
        ]
    );
    // As it is in the work tree, not as it was committed.
    assert_eq!(
        chat.exec(difficult, "sh 'tracked link'").await,
        (0, "edited\n".to_owned())
    );
    // Git takes it for a repository of its own.
    assert_eq!(
        chat.exec(
            difficult,
            "git status --porcelain && git log --oneline | wc -l"
        )
        .await
        .0,
        0
    );
    let diff = chat.diff(difficult).await;
    assert_eq!(diff["changed"], false, "{diff}");
    let asked = json!({"workspace_id": difficult});
    let status = chat.call("workspace_status", asked).await;
    assert_eq!(
        status["workspace_seed"]["origin_ref"],
        root.to_str().unwrap(),
        "{status}"
    );
    chat.delete(difficult).await;
    chat.end().await;
    drop(socket);
}
