//! `docs/use-cases/repro-fix-loop.md`, step by step.

use crate::chat::id;
use crate::project::{Project, exported};
use crate::site::Site;
use serde_json::json;

const SLUG: &str = "\
#!/bin/sh
# Makes a slug of a title: lower case, one dash between words.
printf '%s' \"$1\" | tr '[:upper:]' '[:lower:]' | tr -c '[:alnum:]' '-'
";

const TEST: &str = "\
#!/bin/sh
set -u
is() { got=$(sh slug.sh \"$1\"); [ \"$got\" = \"$2\" ] || { echo \"FAILED: '$1' is '$got', not '$2'\"; exit 1; }; }
is 'Hello World' hello-world
is 'Hello,  World!' hello-world
echo passed
";

const FIX: &str = "\
diff --git a/slug.sh b/slug.sh
--- a/slug.sh
+++ b/slug.sh
@@ -1,3 +1,3 @@
 #!/bin/sh
 # Makes a slug of a title: lower case, one dash between words.
-printf '%s' \"$1\" | tr '[:upper:]' '[:lower:]' | tr -c '[:alnum:]' '-'
+printf '%s' \"$1\" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' '-' | sed 's/-$//'
";

#[tokio::test]
async fn repro_fix_loop() {
    let site = Site::for_use_case();
    let project = Project::new(&[
        ("slug.sh", SLUG),
        ("test.sh", TEST),
        ("README.md", "# slug\n"),
    ]);
    let chat = site.chat_in("repro-fix", &project.root()).await;
    let test = "sh test.sh";

    let made = chat.create("fix").await;
    let seed = &made["workspace_seed"];
    assert_eq!(seed["origin_kind"], "project_path", "{made}");
    assert_eq!(
        seed["origin_ref"],
        project.root().to_str().unwrap(),
        "{made}"
    );
    let fix = id(&made);

    let (code, out) = chat.exec(fix, test).await;
    assert_eq!(code, 1);
    assert!(out.contains("FAILED: 'Hello,  World!'"), "{out}");

    let search = json!({"workspace_id": fix, "recursive": true, "search": "tr -c"});
    let found = chat.call("workspace_file_list", search).await;
    assert!(found.to_string().contains("slug.sh"), "{found}");
    let read = json!({"workspace_id": fix, "path": "slug.sh"});
    let read = chat.call("workspace_file_read", read).await;
    assert_eq!(read["content"], SLUG);

    chat.patch(fix, FIX).await;
    let (code, out) = chat.exec(fix, test).await;
    assert_eq!((code, out.as_str()), (0, "passed\n"));

    let diff = chat.diff(fix).await;
    assert_eq!(diff["summary"]["total"], 1, "{diff}");
    assert_eq!(diff["entries"][0]["path"], "slug.sh", "{diff}");
    let patch = chat.export_patch(fix, "fix.patch").await;
    assert!(exported(&patch).contains("+printf '%s' \"$1\""));

    let again = chat.reset(fix, "baseline").await;
    assert_eq!(again["reset_count"], 1, "{again}");
    assert_eq!(chat.exec(fix, test).await.0, 1);
    chat.patch(fix, &exported(&patch)).await;
    assert_eq!(chat.exec(fix, test).await.0, 0);

    // The checkout is as it was; the patch is what a person applies to it.
    project.assert_untouched();
    assert_eq!(project.try_host(test).0, Some(1));
    project.host(&format!("git apply {}", patch.display()));
    assert_eq!(project.host(test), "passed\n");

    let wanted = json!({"failing_command": test});
    chat.assert_followed("repro-fix-loop", wanted).await;
    chat.delete(fix).await;
    chat.end().await;
}
