//! The page with what a guest and a caller may say at their worst.

use super::*;
use crate::artifact::ArtifactType;
use crate::diff::{Change, Content, Side, diff, stat};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::events::{Done, History, ReviewEvent};
use crate::workspaces::files::diff::with_lines;
use crate::workspaces::journal::{Ended, Entry, Written};
use crate::workspaces::payloads::CommandState;
use crate::workspaces::summary::build;
use crate::workspaces::summary::changes::Changes;
use proptest::prelude::*;

fn command(sequence: u64, text: &str, code: Option<i32>) -> Entry {
    let written = Written {
        total_bytes: 9,
        kept_bytes: 9,
    };
    let state = code.map_or(CommandState::Lost, |_| CommandState::Exited);
    Entry {
        sequence,
        command: text.to_owned(),
        cwd: "/workspace".into(),
        execution_mode: ExecutionMode::GuestSerial,
        started_at: 100.0,
        stdout: written,
        stderr: written,
        ended: Some(Ended {
            at: 101.0,
            state,
            exit_code: code,
            signal: None,
            timed_out: false,
            duration_ms: 1000,
            error: code.is_none().then(|| text.to_owned()),
        }),
    }
}

/// A session in which everything that has a text has this one.
fn session(said: &str) -> Session {
    let mut record = crate::workspaces::tests::record("00000000000a", Some("demo"));
    record.name = Some(said.to_owned());
    record.labels.insert(said.to_owned(), said.to_owned());
    record.last_error = Some(said.to_owned());
    record.seed.seed_path = Some(said.to_owned());
    let store = crate::workspaces::store::Store::new(&crate::Layout {
        cache: "/nowhere".into(),
        state: "/nowhere".into(),
    });
    let workspace = crate::workspaces::view::workspace(&record, &store.folder("x"), None);
    let text = || said.to_owned();
    let events = [
        Done::FileWrite {
            path: text(),
            size_bytes: 1,
            sha256: text(),
            created: true,
        },
        Done::PatchApply {
            total: 2,
            added: 1,
            modified: 1,
            deleted: 0,
            paths: vec![text()],
        },
        Done::SyncPush {
            mode: text(),
            source_path: text(),
            destination: text(),
            entry_count: 1,
            bytes_written: 1,
            deleted_count: 0,
        },
        Done::Export {
            workspace_path: text(),
            output_path: text(),
            artifact_type: ArtifactType::File,
            patch: false,
            bytes_written: 1,
        },
        Done::SnapshotCreate {
            snapshot_name: text(),
            bytes_written: 1,
        },
        Done::SnapshotDelete {
            snapshot_name: text(),
        },
    ];
    let file = |content: String, mode| {
        let content = Content::Bytes(content.into_bytes());
        Some(Side::File { content, mode })
    };
    let path = |suffix: &str| format!("{}{suffix}", said.replace(['\0', '\n'], "")).into_bytes();
    let changes = [
        Change {
            path: path("new"),
            old: None,
            new: file(format!("{said}\n"), 0o755),
        },
        Change {
            path: path("old"),
            old: file(format!("same\n{said}"), 0o644),
            new: file("same\n".to_owned(), 0o600),
        },
        Change {
            path: path("type"),
            old: file(said.to_owned(), 0o644),
            new: Some(Side::Symlink {
                target: said.as_bytes().to_vec(),
            }),
        },
        Change {
            path: path("folder"),
            old: None,
            new: Some(Side::Folder),
        },
        Change {
            path: path("binary"),
            old: None,
            new: file("\0".to_owned(), 0o644),
        },
    ];
    let mut made = diff(&changes);
    with_lines(&mut made, &stat(&changes));
    let event = |done| ReviewEvent {
        recorded_at: 100.5,
        done,
    };
    Session {
        services: Vec::new(),
        workspace,
        commands: vec![command(1, said, Some(0)), command(2, said, None)],
        unreadable_commands: 3,
        history: History {
            events: events.map(event).into(),
            ..History::default()
        },
        named_count: 1,
        changes: Ok(Changes {
            diff: made,
            cut: true,
            git_skipped: 1,
        }),
    }
}

fn page_of(session: &Session, said: &str) -> String {
    let mut summary = build::summary(session);
    summary.environment = said.to_owned();
    summary.environment_version = Some(said.to_owned());
    html(&Page {
        summary: &summary,
        session,
        written: &|_, _| Output {
            text: said.to_owned(),
            total_bytes: 9,
            truncated: true,
            lossy: true,
        },
        made_at: 102.0,
    })
}

/// Every tag as `name attribute attribute`, values left out; and the values
/// of what could lead away.
fn tags(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut links) = (Vec::new(), Vec::new());
    for after in html.split('<').skip(1) {
        let (tag, _) = after.split_once('>').expect("a tag ends");
        let mut words = vec![tag.split(' ').next().unwrap().to_owned()];
        for (place, part) in tag
            .split('"')
            .enumerate()
            .filter(|(place, _)| place % 2 == 0)
        {
            let names = part.split_whitespace().skip(usize::from(place == 0));
            for name in names {
                words.push(name.trim_end_matches('=').to_owned());
                if name == "href=" || name == "src=" {
                    links.push(tag.split('"').nth(place + 1).unwrap().to_owned());
                }
            }
        }
        tags.push(words.join(" "));
    }
    (tags, links)
}

const KNOWN: [&str; 53] = [
    "!DOCTYPE html",
    "html lang",
    "head",
    "meta charset",
    "meta http-equiv content",
    "meta name content",
    "title",
    "/title",
    "style",
    "/style",
    "/head",
    "body",
    "header",
    "p class",
    "/p",
    "h1",
    "/h1",
    "code",
    "/code",
    "div class",
    "p",
    "a href",
    "/a",
    "/div",
    "ul class",
    "li",
    "b",
    "/b",
    "span",
    "/span",
    "/li",
    "/ul",
    "dl",
    "dt",
    "/dt",
    "dd",
    "/dd",
    "/dl",
    "/header",
    "main",
    "section",
    "h2",
    "/h2",
    "table class",
    "tr",
    "td",
    "span class title",
    "a class href",
    "span class",
    "span class style",
    "/td",
    "/tr",
    "/table",
];
const KNOWN_BELOW: [&str; 25] = [
    "details class id open",
    "details class id",
    "summary",
    "code class",
    "/summary",
    "col class",
    "col",
    "tr class",
    "td data-n",
    "td class",
    "/details",
    "/section",
    "ol class",
    "li class",
    "details id open",
    "details id",
    "pre",
    "pre class",
    "/pre",
    "/ol",
    "/main",
    "footer",
    "/footer",
    "/body",
    "/html",
];

fn check(page: &str) {
    let (tags, links) = tags(page);
    for tag in tags {
        let known = KNOWN.contains(&tag.as_str()) || KNOWN_BELOW.contains(&tag.as_str());
        assert!(known, "{tag:?} in\n{page}");
    }
    assert!(links.iter().all(|link| link.starts_with('#')), "{links:?}");
}

const HOSTILE: &str = "</pre></code></td></table><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' &lt;\u{202e}\u{1b}[2J";

#[test]
fn hostile_words_are_words() {
    let page = page_of(&session(HOSTILE), HOSTILE);
    check(&page);
    assert!(!page.contains("<script") && !page.contains("<img"));
    // Name, label twice, error, seed, environment twice, commands, events, patches ...
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;";
    assert!(page.matches(shown).count() > 25, "{page}");
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
    assert!(page.contains(
        "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'"
    ));
}

#[test]
fn a_page_says_what_it_shows() {
    let page = page_of(&session("word"), "word");
    for part in [
        "<title>word – pyro review</title>",
        "No command has ended.",
        "<a href=\"#c2\">#2</a>",
        "id=\"c2\" open",
        "<tr class=\"d\"><td data-n=\"2\"></td><td class=\"none\"></td><td>word</td></tr>",
        "<tr class=\"a\"><td class=\"none\"></td><td data-n=\"1\"></td><td>word</td></tr>",
        "Mode 0644 → 0600.",
        "An empty directory.",
        "Binary, 1 byte.",
        "new file mode 100755",
        "no newline at the end of the file",
        "only its beginning and end are here; not all of it is text",
        "There are more changes than can be told.",
        "to word, 1 byte",
        ">snapshot kept<",
        "1970-01-01",
        "Of these, 3 cannot be read.",
    ] {
        assert!(page.contains(part), "{part:?} in\n{page}");
    }
}

#[test]
fn without_changes_the_reason_is_there() {
    let mut session = session("word");
    session.changes = Err("it is <stopped>".to_owned());
    let page = page_of(&session, "word");
    assert!(page.contains("Not known: it is &lt;stopped&gt;"), "{page}");
    assert!(page.contains("id=\"c2\""), "the rest is there");
}

#[test]
fn a_page_has_a_bound() {
    let mut long = session("word");
    let lines: String = (0..30_000).map(|number| format!("{number}\n")).collect();
    let changes: Vec<_> = (0..20)
        .map(|number| Change {
            path: format!("f{number}").into_bytes(),
            old: None,
            new: Some(Side::File {
                content: Content::Bytes(lines.clone().into_bytes()),
                mode: 0o644,
            }),
        })
        .collect();
    let mut made = diff(&changes);
    with_lines(&mut made, &stat(&changes));
    long.changes = Ok(Changes {
        diff: made,
        cut: false,
        git_skipped: 0,
    });
    long.commands = (1..2000)
        .map(|number| command(number, &"x".repeat(50_000), Some(1)))
        .collect();
    let page = page_of(&long, "word");
    assert!(page.len() < 12 << 20, "{}", page.len());
    assert!(page.matches("<tr class=\"a\">").count() <= 20_000);
    assert!(page.contains("of this patch are not on the page"));
    assert!(
        page.contains("Of these, 1705 are not on the page."),
        "{}",
        &page[page.len() - 3000..]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_said_the_page_keeps_its_form(
        said in prop_oneof![any::<String>(), "[<>&'\"/= a-z\n\r\u{0}\u{202e}]{0,40}", "(<script|</pre>|-->|]]>|\" on|'>|&#|\n@@ -1 \\+1 @@\n){0,8}"]
    ) {
        check(&page_of(&session(&said), &said));
    }
}
