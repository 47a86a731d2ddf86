//! The whole path to a chat on another environment than the default: doctor,
//! prepare, run, serve, and a project with a compiler.

use crate::chat::id;
use crate::project::Project;
use crate::site::Site;
use serde_json::json;

const CMAKE: &str = "\
cmake_minimum_required(VERSION 3.20)
project(sum C)
add_library(sum sum.c)
add_executable(check check.c)
target_link_libraries(check sum)
enable_testing()
add_test(NAME sums COMMAND check)
";

const CHECK: &str = "int sum(int, int);\nint main(void) { return sum(2, 3) == 5 ? 0 : 1; }\n";

const FIX: &str = "--- a/sum.c\n+++ b/sum.c\n@@ -1 +1 @@\n\
    -int sum(int a, int b) { return a - b; }\n+int sum(int a, int b) { return a + b; }\n";

/// Builds the environment where no cache has it, some two minutes.
#[tokio::test]
async fn real_build_chat_path() {
    let site = Site::with("debian:12-build".to_owned());
    let doctor = site.json(&["doctor", "--environment", &site.environment]);
    assert_eq!(doctor["runtime_ok"], true, "{doctor}");
    let prepared = site.json(&["prepare", &site.environment]);
    assert_eq!(prepared["prepared"], true, "{prepared}");
    let words = ["run", &site.environment, "--", "cc", "--version"];
    assert!(site.pyro(&words).status().unwrap().success());

    let project = Project::new(&[
        ("CMakeLists.txt", CMAKE),
        ("sum.c", "int sum(int a, int b) { return a - b; }\n"),
        ("check.c", CHECK),
        (".gitignore", "build/\n"),
    ]);
    // Without --environment: the mode recommends this one.
    let root = project.root();
    let flags = [
        "--mode",
        "cold-start",
        "--project-path",
        root.to_str().unwrap(),
    ];
    let chat = site.chat(&flags).await;
    let made = chat.create("cold").await;
    assert_eq!(made["environment"], "debian:12-build", "{made}");
    chat.delete(id(&made)).await;
    chat.end().await;

    let chat = site.chat_in("repro-fix", &root).await;
    let made = chat.create("build").await;
    let build = id(&made);
    let (code, out) = chat
        .exec(build, "cmake -B build . && cmake --build build")
        .await;
    assert_eq!(code, 0, "{out}");
    let test = "ctest --test-dir build --output-on-failure";
    assert_ne!(chat.exec(build, test).await.0, 0);
    chat.patch(build, FIX).await;
    let again = format!("cmake --build build && {test}");
    let (code, out) = chat.exec(build, &again).await;
    assert!(code == 0 && out.contains("100% tests passed"), "{out}");
    let out = chat.export(build, "build/check", "check").await;
    assert!(std::fs::read(out).unwrap().starts_with(b"\x7fELF"));
    let list = chat.call("workspace_list", json!({})).await;
    assert_eq!(list["count"], 1, "{list}");
    chat.delete(build).await;
    project.assert_untouched();
    chat.end().await;
}
