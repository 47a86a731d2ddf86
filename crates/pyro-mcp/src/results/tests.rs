//! Results of each kind as hosts get them, and their size.

use super::shorten::{cut, shorten, size, text_size};
use super::window::{MOST_BYTES, PAGE_BYTES, USUAL_BYTES};
use super::*;
use crate::config::tests::config;
use proptest::prelude::*;
use pyro::ops;

fn made(name: &str, given: Value, response: Value) -> (Value, String) {
    let row = ops::named(name).unwrap();
    let Value::Object(fields) = given.clone() else {
        panic!("{given}")
    };
    let window = Window::of(row, &fields, (row.complete)(given).unwrap());
    let result = success(&config(""), row, &window, response, Vec::new());
    let text = result.content[0].as_text().unwrap().text.clone();
    (result.structured_content.unwrap(), text)
}

fn exec(stdout: &str, stderr: &str) -> Value {
    json!({
        "workspace_id": "0123456789ab", "environment": "debian:12", "environment_version": "1",
        "sequence": 3, "command_id": "c0-3", "state": "exited", "running": false,
        "command": "make", "cwd": "/workspace", "stdout": stdout, "stderr": stderr,
        "stdout_bytes": stdout.len(), "stderr_bytes": stderr.len(),
        "stdout_truncated": false, "stderr_truncated": false, "lossy": false,
        "exit_code": 2, "signal": null, "timed_out": false, "error": null,
        "duration_ms": 1234, "execution_mode": "guest_serial",
    })
}

fn ask() -> Value {
    json!({ "workspace_id": "demo", "command": "make" })
}

#[test]
fn a_command_reads_well() {
    let (value, text) = made("workspace_exec", ask(), exec("one\n", "oh no\n"));
    let mut expected = exec("one\n", "oh no\n");
    let fields = expected.as_object_mut().unwrap();
    fields.retain(|_, value| !value.is_null());
    assert_eq!(value, expected);
    assert_eq!(
        text,
        "exit code 2, 1.2 s, stdout 4 bytes, stderr 6 bytes\ncommand_id c0-3, sequence 3, workspace_id 0123456789ab\n--- stdout\none\n--- stderr\noh no\n"
    );
}

/// The call in a sentence that tells how to go on.
fn told_call(text: &str, tool: &str) -> Value {
    let at = text
        .find(&format!("{tool} {{"))
        .unwrap_or_else(|| panic!("{text}"));
    let arguments = &text[at + tool.len() + 1..];
    let mut values = serde_json::Deserializer::from_str(arguments).into_iter::<Value>();
    values.next().unwrap().unwrap()
}

#[test]
fn a_long_output_keeps_both_ends_and_tells_the_call_for_the_rest() {
    let lines: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    let (value, text) = made("workspace_exec", ask(), exec(&lines, "error: the end\n"));
    assert!(size(&value) <= USUAL_BYTES, "{}", size(&value));
    for form in [value["stdout"].as_str().unwrap(), &text] {
        assert!(form.contains("line 0\n") && form.contains("line 19999\n"));
        let next = told_call(form, "workspace_logs");
        let offset = usize::try_from(next["offset"].as_u64().unwrap()).unwrap();
        let shown = &form[form.find("line 0\n").unwrap()..];
        assert!(shown.starts_with(&lines[..offset]) && !shown.starts_with(&lines[..=offset]));
        assert_eq!(
            (&next["sequence"], &next["stream"]),
            (&json!(3), &json!("stdout"))
        );
        (ops::named("workspace_logs").unwrap().complete)(next).unwrap();
    }
    assert_eq!(value["stderr"], "error: the end\n");
}

#[test]
fn what_is_left_out_is_counted_of_all_that_was_written() {
    let mut response = exec(&"x".repeat(20_000), "");
    response["stdout_bytes"] = json!(150_000_000);
    let (value, _) = made("workspace_exec", ask(), response);
    let shown = value["stdout"].as_str().unwrap();
    let left_out = 150_000_000 - shown.matches('x').count();
    assert!(
        shown.contains(&format!("[... {left_out} of 150000000 bytes")),
        "{shown}"
    );
}

#[test]
fn newlines_count_twice_as_codex_shows_them() {
    let (value, _) = made("workspace_exec", ask(), exec(&"\n".repeat(9000), ""));
    assert!(value.to_string().len() <= USUAL_BYTES);
}

/// Reads as the engine does: between two characters, secrets replaced.
fn content(file: &[u8], request: &Value) -> Value {
    let number = |name: &str| request[name].as_u64().map(|n| usize::try_from(n).unwrap());
    let (first, last) = (number("first_line"), number("last_line"));
    let ends: Vec<usize> = (0..file.len()).filter(|at| file[*at] == b'\n').collect();
    let line = |number: usize| match number {
        0 => 0,
        number => ends.get(number - 1).map_or(file.len(), |at| at + 1),
    };
    let from = match (first, last) {
        (None, None) => number("offset").unwrap().min(file.len()),
        (first, _) => line(first.unwrap_or(1) - 1),
    };
    let most = last.map_or(file.len(), line);
    let mut to = most.min(from + number("max_bytes").unwrap());
    let is_begun = |to: usize| to < file.len() && file[to] & 0xc0 == 0x80;
    while to > from + 4 && is_begun(to) && std::str::from_utf8(&file[from..to]).is_err() {
        to -= 1;
    }
    let text = String::from_utf8_lossy(&file[from..to]);
    let secrets = text.matches("key!").count();
    json!({
        "workspace_id": "0123456789ab", "path": "/workspace/a.txt", "size_bytes": file.len(),
        "max_bytes": request["max_bytes"], "offset": from, "truncated": to < file.len(),
        "next_offset": (to < file.len()).then_some(to), "total_lines": null, "sha256": null,
        "content": text.replace("key!", "[REDACTED]"), "redacted": secrets,
        "execution_mode": "guest_serial",
    })
}

/// A read as it is made for a model, twice where the first does not fit.
fn read(file: &[u8], given: &Value) -> Value {
    let row = ops::named("workspace_file_read").unwrap();
    let complete = (row.complete)(given.clone()).unwrap();
    let window = Window::of(row, given.as_object().unwrap(), complete);
    let mut response = content(file, &window.request);
    if let Some(smaller) = window.fitted(row, &response) {
        response = content(file, &smaller.request);
        assert!(smaller.fitted(row, &response).is_none());
    }
    let result = success(&config(""), row, &window, response, Vec::new());
    let value = result.structured_content.unwrap();
    assert!(size(&value) <= window.bytes, "{}", size(&value));
    let text = &result.content[0].as_text().unwrap().text;
    for notice in value["notices"].as_array().into_iter().flatten() {
        assert!(text.contains(notice.as_str().unwrap()));
    }
    value
}

/// All pages from the first request on, put together.
fn pages(file: &[u8], mut request: Value) -> (String, usize) {
    let (mut all, mut count) = (String::new(), 0);
    loop {
        let value = read(file, &request);
        all += value["content"].as_str().unwrap();
        count += 1;
        assert!(count < 2_000, "no end");
        let Some(notice) = value["notices"][0].as_str() else {
            return (all, count);
        };
        let next = told_call(notice, "workspace_file_read");
        assert_ne!(next, request);
        request = next;
    }
}

#[test]
fn a_file_is_read_page_by_page_without_a_gap() {
    let file: String = (0..3000).map(|n| format!("\"quoted\" {n}\n")).collect();
    let ask = json!({ "workspace_id": "demo", "path": "a.txt" });
    let (read, count) = pages(file.as_bytes(), ask);
    assert!(read == file && count > 3);
}

#[test]
fn a_line_longer_than_a_page_is_read_on_by_bytes() {
    let file = format!("one\n{}\nthree\n", "y".repeat(20_000));
    let ask = json!({ "workspace_id": "demo", "path": "a.txt", "first_line": 2, "last_line": 2 });
    let (read, _) = pages(file.as_bytes(), ask);
    assert_eq!(read, file[4..]);
}

#[test]
fn lines_that_were_asked_for_are_not_said_to_go_on() {
    let file: String = (1..=900).map(|n| format!("line {n}\n")).collect();
    let ask = json!({ "workspace_id": "demo", "path": "a", "first_line": 10, "last_line": 20 });
    let value = self::read(file.as_bytes(), &ask);
    assert_eq!(value["content"].as_str().unwrap().lines().count(), 11);
    assert!(value["notices"].is_null() && value["truncated"] == true);
}

#[test]
fn a_list_that_is_not_whole_says_so_in_both_forms() {
    let response = json!({ "path": "/workspace", "entries": [], "truncated": true });
    let ask = json!({ "workspace_id": "demo" });
    let (value, text) = made("workspace_file_list", ask, response);
    let told = value["notices"][0].as_str().unwrap();
    assert!(told.contains("path, or search") && text.matches(told).count() == 1);
}

#[test]
fn what_a_terminal_looks_like_is_read_in_smaller_parts() {
    let response = json!({
        "workspace_id": "0123456789ab", "shell_id": "5", "cursor": 7, "next_cursor": 7000,
        "output": "wide \u{20ac} ".repeat(2_000), "truncated": false, "plain": true, "state": "running",
    });
    let ask = json!({ "workspace_id": "demo", "shell_id": "5", "cursor": 7, "plain": true });
    let (value, text) = made("shell_read", ask, response);
    assert!(size(&value) <= USUAL_BYTES, "{}", size(&value));
    let next = told_call(&text, "shell_read");
    assert_eq!(
        (&next["cursor"], &next["max_chars"]),
        (&json!(7), &json!(3500))
    );
    (ops::named("shell_read").unwrap().complete)(next).unwrap();
}

#[test]
fn without_null_a_result_says_the_same_in_less() {
    let (value, text) = made("workspace_exec", ask(), exec("", ""));
    assert!(!value.to_string().contains("null") && value["stderr"] == "");
    assert!(!text.contains("null"), "{text}");
    let response =
        json!({ "count": 1, "workspaces": [{ "name": null, "labels": {}, "a": [null] }] });
    let (value, _) = made("workspace_list", json!({}), response);
    let expected = json!({ "count": 1, "workspaces": [{ "labels": {}, "a": [null] }] });
    assert_eq!(value, expected);
}

#[test]
fn an_explicit_size_is_respected_up_to_what_hosts_show() {
    let row = ops::named("workspace_file_read").unwrap();
    let window = |given: Value| {
        let complete = (row.complete)(given.clone()).unwrap();
        Window::of(row, given.as_object().unwrap(), complete)
    };
    let asked = |max: u64| json!({ "workspace_id": "demo", "path": "a", "max_bytes": max });
    let usual = window(json!({ "workspace_id": "demo", "path": "a" }));
    assert_eq!(usual.request["max_bytes"], PAGE_BYTES);
    // Also of the page after it, whose call names the size.
    assert_eq!(usual.bytes, USUAL_BYTES);
    assert_eq!(window(asked(PAGE_BYTES)).bytes, USUAL_BYTES);
    assert_eq!(window(asked(20_000)).request["max_bytes"], 20_000);
    let most = window(asked(1 << 20));
    assert_eq!(most.request["max_bytes"], MOST_BYTES);
    assert!(most.notes[0].contains("lowered") && most.bytes < 50_000);
}

#[test]
fn a_long_wait_is_lowered_and_said() {
    let row = ops::named("workspace_exec").unwrap();
    let given = json!({ "workspace_id": "d", "command": "x", "wait_seconds": 300 });
    let window = Window::of(
        row,
        given.as_object().unwrap(),
        (row.complete)(given.clone()).unwrap(),
    );
    assert_eq!(window.request["wait_seconds"], 45);
    let result = success(&config(""), row, &window, exec("", ""), Vec::new());
    let value = result.structured_content.unwrap();
    assert!(value["notices"][0].as_str().unwrap().contains("45"));
    assert!(
        result.content[0]
            .as_text()
            .unwrap()
            .text
            .contains("note: wait_seconds 300")
    );
}

#[test]
fn a_patch_is_cut_between_files_and_the_others_are_named() {
    let section = |n: usize| {
        format!(
            "diff --git a/f{n} b/f{n}\n--- a/f{n}\n+++ b/f{n}\n{}",
            "+line\n".repeat(200)
        )
    };
    let patch: String = (0..30).map(section).collect();
    let entries: Vec<Value> = (0..30)
        .map(|n| json!({ "path": format!("f{n}"), "status": "modified", "artifact_type": "file", "text_patch": section(n) }))
        .collect();
    let response = json!({
        "workspace_id": "0123456789ab", "changed": true, "summary": { "total": 30 },
        "entries": entries, "patch": patch, "git_skipped": 0, "stat": null, "names": null, "redacted": 0,
    });
    let (value, text) = made(
        "workspace_diff",
        json!({ "workspace_id": "demo" }),
        response,
    );
    assert!(size(&value) <= USUAL_BYTES, "{}", size(&value));
    let kept = value["patch"].as_str().unwrap();
    assert!(patch.starts_with(kept) && patch[kept.len()..].starts_with("diff --git "));
    let next = told_call(&text, "workspace_diff");
    assert!(!kept.contains(&format!("b/{}", next["paths"][0].as_str().unwrap())));
}

#[test]
fn of_files_that_are_gone_the_paths_are_told_and_never_the_same_call() {
    let cut = |name: &dyn Fn(usize) -> String| {
        let lines = "-line\n-- a/not-a-path\n".repeat(100);
        let section = |n: usize| {
            let old = name(n);
            format!(
                "diff --git a/x b/x\ndeleted file mode 100644\n--- {old}\n+++ /dev/null\n@@ -1,200 +0,0 @@\n{lines}"
            )
        };
        let patch: String = (0..30).map(section).collect();
        let response = json!({
            "workspace_id": "0123456789ab", "changed": true, "summary": { "total": 30 },
            "entries": [], "patch": patch, "git_skipped": 0, "redacted": 0,
        });
        made(
            "workspace_diff",
            json!({ "workspace_id": "demo" }),
            response,
        )
        .1
    };
    let next = told_call(&cut(&|n| format!("a/gone{n}")), "workspace_diff");
    let paths = next["paths"].as_array().unwrap();
    let is_gone = |path: &Value| path.as_str().unwrap().starts_with("gone");
    assert!(paths.len() == 5 && paths.iter().all(is_gone), "{next}");
    let quoted = cut(&|n| format!("\"a/\\303{n}\""));
    assert!(
        quoted.contains("the others by path; workspace_export"),
        "{quoted}"
    );
}

#[test]
fn of_many_commands_the_last_are_shown() {
    let entry = |n: u64| {
        let mut entry = exec(&format!("output of {n}\n").repeat(50), "");
        entry["sequence"] = json!(n);
        entry
    };
    let response = json!({
        "workspace_id": "0123456789ab", "count": 300,
        "entries": (1..=300).map(entry).collect::<Vec<_>>(), "page": null,
    });
    let (value, _) = made(
        "workspace_logs",
        json!({ "workspace_id": "demo" }),
        response,
    );
    assert!(size(&value) <= USUAL_BYTES, "{}", size(&value));
    let entries = value["entries"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["sequence"], 300);
    assert!(
        value["notices"][0]
            .as_str()
            .unwrap()
            .starts_with("entries: only the last")
    );
}

#[test]
fn an_error_has_code_and_next_step_and_no_structure() {
    let result = failure_of(
        "workspace_exec",
        &Error::runtime("busy", "a\nb").hint("wait"),
    );
    assert!(result.is_error == Some(true) && result.structured_content.is_none());
    assert_eq!(
        result.content[0].as_text().unwrap().text,
        "Error executing tool workspace_exec: a b\ncode: busy\nnext: wait"
    );
}

/// JSON with texts of any length.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        ("\\PC{1,8}\n{0,3}", 1..2000usize)
            .prop_map(|(text, times)| Value::from(text.repeat(times))),
    ];
    leaf.prop_recursive(4, 60, 12, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..12).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inside, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_of_any_file_leave_nothing_out(
        parts in prop::collection::vec(
            (prop_oneof![
                Just(b"\n".to_vec()), Just("\u{20ac}\u{1f600}".into()), Just(vec![0xff, 0xfe]),
                Just(b"key! ".to_vec()), Just(vec![0, 1, b'"']), Just(b"word ".to_vec()),
                Just("\u{fffd}".into()), prop::collection::vec(any::<u8>(), 0..9),
            ], 1..900usize), 1..12,
        ),
        max_bytes in prop::option::of(8..20_000u64),
        by_lines in any::<bool>(),
    ) {
        let file: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
        let mut ask = json!({ "workspace_id": "demo", "path": "a.txt" });
        if let Some(max_bytes) = max_bytes.filter(|most| *most > file.len() as u64 / 500) {
            ask["max_bytes"] = json!(max_bytes);
        }
        if by_lines {
            ask["first_line"] = json!(1);
        }
        // A page may begin within a secret or a broken character; then only
        // lengths of it are other than those of the whole.
        let whole = content(&file, &json!({ "offset": 0, "max_bytes": file.len() }));
        let (read, _) = pages(&file, ask);
        let letters = |text: &str| {
            text.replace("[REDACTED]", "").chars().filter(|c| !"key!\u{fffd}".contains(*c)).collect::<String>()
        };
        prop_assert_eq!(letters(&read), letters(whole["content"].as_str().unwrap()));
    }

    #[test]
    fn sizes_are_those_of_json(value in any_json()) {
        // A comma more than there are may be counted for each list and object.
        let exact = value.to_string().len();
        prop_assert!(size(&value) >= exact);
        if let Some(text) = value.as_str() {
            prop_assert_eq!(text_size(text), exact);
        }
    }

    #[test]
    fn a_cut_fits_and_keeps_both_ends(
            chars in prop::collection::vec(prop_oneof![any::<char>(), Just('\n'), Just('"')], 400..900),
            room in 150usize..500,
        ) {
        let text: String = chars.into_iter().collect();
        prop_assume!(text_size(&text) > room);
        let cut = cut(&text, room, 0, |_| None);
        prop_assert!(text_size(&cut) <= room, "{} {room}", text_size(&cut));
        let (head, rest) = cut.split_once("[... ").unwrap();
        let tail = rest.split_once(" ...]").unwrap().1;
        prop_assert!(text.starts_with(head.strip_suffix('\n').unwrap_or(head)));
        prop_assert!(text.ends_with(tail.strip_prefix('\n').unwrap_or(tail)));
    }

    #[test]
    fn any_response_keeps_its_shape(mut value in any_json()) {
        fn kinds(before: &Value, after: &Value) -> bool {
            match (before, after) {
                (Value::Object(before), Value::Object(after)) => {
                    before.len() == after.len()
                        && before.iter().all(|(key, value)| kinds(value, &after[key]))
                }
                (Value::Array(before), Value::Array(after)) => after.len() <= before.len(),
                (Value::String(_), Value::String(_)) => true,
                (before, after) => before == after,
            }
        }
        let before = value.clone();
        shorten("any", &mut value, 4000, &|_, _, _, _| None);
        prop_assert!(kinds(&before, &value));
        let _ = text::of("any", &value);
    }
}
