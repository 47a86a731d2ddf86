//! What a workspace begins with when it begins with a project.

use super::Desk;
use crate::machine::host;

const GIT: &str = "git -c user.name=a -c user.email=a@b";

#[test]
fn a_project_is_its_tracked_files_in_a_repository_of_its_own() {
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    host(
        dir.path(),
        &format!(
            "git init -q .; mkdir -p src/deep ignored; echo ignored > .gitignore; printf '* text=auto\\n*.dos eol=crlf\\n' > .gitattributes
             printf '#!/bin/sh\\necho ran\\n' > run; chmod 755 run; ln -s run link; printf 'a\\r\\n' > x.dos
             for i in $(seq 400); do echo $i > src/deep/$i; done; git add -A 2>/dev/null; {GIT} commit -qm first
             echo second >> src/deep/7; rm src/deep/8; echo secret > untracked; echo secret > ignored/x"
        ),
    );
    let root = dir.path().canonicalize().unwrap().display().to_string();
    let inside = format!("{root}/src");
    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "p",
        "--mem-mib",
        "512",
        "--project-path",
        &inside,
    ]);
    let seed = &made["workspace_seed"];
    assert_eq!(seed["origin_kind"], "project_path", "{seed}");
    assert_eq!(seed["origin_ref"], root.as_str());
    assert_eq!(seed["tracked_only"], true);
    // One was edited; the other has line endings that the index has not.
    assert_eq!(seed["modified"], 2);
    assert_eq!(seed["skipped_kinds"]["deleted"], 1);
    let head = host(dir.path(), "git rev-parse HEAD");
    assert_eq!(seed["repo_commit"], head.trim());

    assert_eq!(
        desk.sh("p", "git status --porcelain; git log --format=%s | wc -l; ./link; tail -n 1 src/deep/7; ls -A; find . ! -user root"),
        "1\nran\nsecond\n.git\n.gitattributes\n.gitignore\nlink\nrun\nsrc\nx.dos\n"
    );
    // Nothing was read again: the times in the index are those in the guest.
    assert_eq!(
        desk.sh("p", "git diff-files; git update-index --refresh"),
        ""
    );
    assert_eq!(
        desk.sh(
            "p",
            "echo more >> src/deep/9; git diff --stat | tail -n 1; git diff | tail -n 1"
        ),
        " 1 file changed, 1 insertion(+)\n+more\n"
    );
    desk.sh(
        "p",
        "git -c user.name=a -c user.email=a@b commit -qam inside",
    );
    let diff = desk.done(&["diff", "p"]);
    assert_eq!(diff["summary"]["total"], 1, "{diff}");
    desk.done(&["delete", "p"]);

    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "c",
        "--mem-mib",
        "512",
        "--repo-url",
        &root,
    ]);
    let seed = &made["workspace_seed"];
    assert_eq!(seed["origin_kind"], "repo_url", "{seed}");
    assert_eq!(seed["repo_commit"], head.trim());
    assert_eq!(
        desk.sh(
            "c",
            "git status --porcelain; cat src/deep/7 src/deep/8; ls -A | wc -l"
        ),
        "7\n8\n7\n"
    );
    desk.done(&["delete", "c"]);
}
