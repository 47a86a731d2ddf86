//! A day's work from end to end, as a person or a chat host does it.
//!
//! Owns: the one test that is the same on every backend; what it uses is
//! looked at closely in the neighbours.

use super::Desk;
use crate::machine::host;

const REPOSITORY: &str = r#"
    git init -q -b main .; mkdir src
    printf '#!/bin/sh\necho $(($1 - $2))\n' > src/add; chmod 755 src/add
    printf 'test "$(src/add 2 3)" = 5 && echo passed\n' > check.sh
    printf 'old\n' > notes; ln -s src/add link; git add .
    git -c user.name=a -c user.email=a@b commit -qm first"#;

const PATCH: &str = "--- a/src/add\n+++ b/src/add\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo $(($1 - $2))\n+echo $(($1 + $2))\n";

#[test]
fn from_a_failing_test_to_a_patch_taken_home() {
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    host(&repository, REPOSITORY);
    let from = repository.display().to_string();

    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "day",
        "--mem-mib",
        "512",
        "--seed-path",
        &from,
    ]);
    assert_eq!(made["workspace_seed"]["mode"], "directory");
    let (_, code) = desk.ask(&["exec", "day", "--", "sh", "check.sh"]);
    assert_eq!(code, 1);
    desk.done(&["patch", "apply", "day", "--patch", PATCH]);
    assert_eq!(desk.sh("day", "sh check.sh"), "passed\n");
    desk.sh(
        "day",
        "echo tool > /usr/local/bin/tool; git rm -q notes; echo new > made; chmod 755 made",
    );

    // The host's tree, with git and the patch, becomes the guest's.
    let patch = dir.path().join("day.patch");
    let output = patch.display().to_string();
    desk.done(&["export", "day", "--patch", "--output", &output]);
    host(
        &repository,
        "git apply --check ../day.patch; git apply ../day.patch; sh check.sh",
    );
    let exported = dir.path().join("exported").display().to_string();
    desk.done(&["export", "day", ".", "--output", &exported]);
    host(
        dir.path(),
        "diff -r --no-dereference -x .git repository exported; test -x exported/made",
    );
    let diff = desk.done(&["diff", "day"]);
    assert_eq!(
        (
            &diff["summary"]["added"],
            &diff["summary"]["modified"],
            &diff["summary"]["deleted"]
        ),
        (&1.into(), &1.into(), &1.into()),
        "{diff}"
    );

    // Broken, back, and all the way back.
    desk.done(&["snapshot", "create", "day", "good"]);
    desk.sh("day", "rm -rf src .git /usr/local/bin/tool");
    desk.done(&["reset", "day", "--snapshot", "good"]);
    assert_eq!(
        desk.sh("day", "sh check.sh; cat /usr/local/bin/tool"),
        "passed\ntool\n"
    );
    desk.done(&["stop", "day"]);
    let read = desk.done(&["disk", "read", "day", "src/add"]);
    assert!(
        read["content"].as_str().unwrap().contains("$1 + $2"),
        "{read}"
    );
    let summary = desk.done(&["summary", "day"]);
    assert_eq!(summary["snapshots"]["named_count"], 1, "{summary}");
    desk.done(&["start", "day"]);
    assert_eq!(
        desk.sh("day", "git status --porcelain | sort"),
        " M src/add\n?? made\nD  notes\n"
    );
    let reset = desk.done(&["reset", "day"]);
    assert_eq!(reset["workspace_reset"]["kind"], "baseline");
    assert_eq!(desk.done(&["diff", "day"])["changed"], false);
    assert_eq!(
        desk.sh("day", "git status --porcelain; ls /usr/local/bin"),
        ""
    );
    assert_eq!(desk.done(&["snapshot", "list", "day"])["count"], 2);
    desk.done(&["delete", "day"]);
}
