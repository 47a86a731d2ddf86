//! What changed since the seed, on real overlays.
//!
//! Owns: an agent in a mount namespace with a seeded workspace, and reading
//! its answer. Refuses: random trees; see the neighbour.
//!
//! ```text
//!   lower --\
//!            overlay --> merged     changed by shell lines of the agent
//!   scratch/workspace/upper --/
//! ```

#![allow(clippy::print_stderr)] // a test that is skipped says why

mod histories;

use crate::host::{Agent, SOON, agent_with, finish};
use crate::workspace::{path, workspace};
use pyro_proto::messages::diff::{DiffTree, SpecialKind, TreeChange, TreeDiffed, TreeSide};
use pyro_proto::messages::{Failed, Reply, Request};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// As the guest mounts it.
const OPTIONS: &str = "redirect_dir=on,index=off,metacopy=off,xino=auto";

struct Seeded {
    agent: Agent,
    folder: tempfile::TempDir,
}

/// None, with the reason printed, where nobody may mount an overlay.
fn seeded(plant: impl FnOnce(&Path)) -> Option<Seeded> {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "lower",
        "merged",
        "scratch/workspace/upper",
        "scratch/workspace/work",
    ] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    plant(&folder.path().join("lower"));
    let here = folder.path().display();
    let layers = format!(
        "lowerdir={here}/lower,upperdir={here}/scratch/workspace/upper,workdir={here}/scratch/workspace/work"
    );
    let mount = format!("mount -t overlay overlay -o {layers},{OPTIONS} {here}/merged");
    let probe = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", &mount])
        .output()
        .unwrap();
    if !probe.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&probe.stderr));
        return None;
    }
    let line = format!("{mount} && exec \"$@\"");
    let before = ["unshare", "-m", "sh", "-c", &line, "sh"];
    let agent = agent_with(&before, &format!("--seeded {here}"));
    Some(Seeded { agent, folder })
}

fn everything() -> DiffTree {
    DiffTree {
        paths: Vec::new(),
        limit: 100_000,
        max_side_bytes: 1 << 20,
        max_growth_bytes: 256 << 10,
        max_total_bytes: 32 << 20,
    }
}

/// A change with its contents.
type Told = (TreeChange, [Vec<u8>; 2]);

fn told(bytes: &[u8]) -> Vec<Told> {
    let (mut rest, mut told) = (bytes, Vec::new());
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let change: TreeChange = serde_json::from_slice(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        let mut take = |side: &Option<TreeSide>| match side {
            Some(TreeSide::File { size, .. }) if change.sent => {
                let (bytes, after) = rest.split_at(*size as usize);
                rest = after;
                bytes.to_vec()
            }
            _ => Vec::new(),
        };
        let contents = [take(&change.old), take(&change.new)];
        told.push((change, contents));
    }
    told
}

fn ask(agent: &Agent, wanted: DiffTree) -> Result<(Vec<Told>, TreeDiffed), Failed> {
    let done = finish(&agent.ask(&Request::DiffTree(wanted)));
    match done.reply {
        Reply::TreeDiffed(reply) => {
            let told = told(&done.stdout);
            assert_eq!(told.len() as u64, reply.changes);
            Ok((told, reply))
        }
        Reply::Failed(failed) => Err(failed),
        other => panic!("{other:?}"),
    }
}

/// One word per change: `+a` added, `-a` deleted, `~a` both.
fn words(told: &[Told]) -> Vec<String> {
    let word = |(change, _): &Told| {
        let sign = match (&change.old, &change.new) {
            (None, Some(_)) => '+',
            (Some(_), None) => '-',
            (Some(_), Some(_)) => '~',
            (None, None) => '?',
        };
        format!("{sign}{}", change.path)
    };
    told.iter().map(word).collect()
}

impl Seeded {
    fn sh(&self, line: &str) {
        let done = self.agent.sh(&format!(
            "cd {}/merged && {line}",
            self.folder.path().display()
        ));
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.exited().exit_code, 0, "{line}: {stderr}");
    }

    fn diff(&self) -> (Vec<Told>, TreeDiffed) {
        ask(&self.agent, everything()).unwrap()
    }

    fn words(&self) -> Vec<String> {
        words(&self.diff().0)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_kind_of_change_is_told_and_nothing_else() {
    let Some(at) = seeded(|lower| {
        for name in [
            "edit", "touch", "back", "mode", "gone", "d/one", "d/two", "type", "same",
        ] {
            put(lower, name, format!("{name}\n"));
        }
        put(lower, "t/x", "x");
        put(lower, "last/one", "1");
        put(lower, "odd \n\u{e4}", "");
        std::fs::create_dir(lower.join("hollow")).unwrap();
        std::fs::create_dir(lower.join("empty")).unwrap();
        std::os::unix::fs::symlink("edit", lower.join("link")).unwrap();
        std::fs::hard_link(lower.join("same"), lower.join("twin")).unwrap();
    }) else {
        return;
    };
    assert_eq!(
        at.diff().1,
        TreeDiffed {
            looked_at: 0,
            ..TreeDiffed::default()
        }
    );
    at.sh(
        "touch touch && chmod 600 back && chmod 644 back && cat twin > /dev/null && chown 7 same",
    );
    at.sh("rm -r d && mkdir d && printf 'd/one\\n' > d/one && printf 'd/two\\n' > d/two");
    assert_eq!(at.words(), [""; 0], "the same again is no change");
    at.sh(
        "echo more >> edit; chmod 755 mode; rm gone; rm type; mkdir type; rm last/one; rmdir empty",
    );
    at.sh("ln -sfn other link; mkfifo fifo; mkdir new; touch hollow/in; rm -r t; echo t > t; echo 2 >> twin");
    at.sh("printf a > \"$(printf 'raw\\377')\"; mv 'odd \nä' 'odd 2'; mkdir n && printf x > n/x && ln n/x n/y");
    let (changes, _) = at.diff();
    assert_eq!(
        words(&changes),
        [
            "~edit",
            "-empty",
            "+fifo",
            "-gone",
            "+hollow/in",
            "-last/one",
            "~link",
            "~mode",
            "+n/x",
            "+n/y",
            "+new",
            "-odd %0Aä",
            "+odd 2",
            "+raw%FF",
            "+t",
            "-t/x",
            "~twin",
            "~type",
        ]
    );
    let find = |name: &str| {
        changes
            .iter()
            .find(|(change, _)| change.path == path(name))
            .unwrap()
    };
    let (change, contents) = find("edit");
    assert!(change.sent && contents[0] == b"edit\n" && contents[1] == b"edit\nmore\n");
    let (change, contents) = find("mode");
    assert!(
        change.same && !change.sent && contents[0].is_empty(),
        "{change:?}"
    );
    let sides = |name: &str| {
        let (change, _) = find(name);
        (change.old.clone(), change.new.clone())
    };
    let link = |target: &str| {
        Some(TreeSide::Symlink {
            target: path(target),
        })
    };
    assert_eq!(sides("link"), (link("edit"), link("other")));
    assert_eq!(sides("type").1, Some(TreeSide::Folder));
    assert_eq!(
        sides("fifo").1,
        Some(TreeSide::Special {
            what: SpecialKind::Fifo
        })
    );
    assert_eq!(find("n/y").1[1], b"x");
}

#[test]
fn a_renamed_folder_is_gone_there_and_new_here() {
    let Some(at) = seeded(|lower| {
        put(lower, "src/deep/a", "a");
        put(lower, "src/b", "b");
        put(lower, "two/deep/a", "other");
        put(lower, "two/only", "2");
    }) else {
        return;
    };
    at.sh("mv src moved && echo c >> moved/b");
    assert_eq!(
        at.words(),
        ["+moved/b", "+moved/deep/a", "-src/b", "-src/deep/a"]
    );
    at.sh("mv moved src && printf b > src/b");
    assert_eq!(at.words(), [""; 0]);
    // One in the place of the other, a folder out of it moved up.
    at.sh("mv two old && mv src two && mv two/deep . && mkdir -p old/x/y");
    assert_eq!(
        at.words(),
        [
            "+deep/a",
            "+old/deep/a",
            "+old/only",
            "+old/x/y",
            "-src/b",
            "-src/deep/a",
            "+two/b",
            "-two/deep/a",
            "-two/only"
        ]
    );
    let only = |paths: &[&str]| {
        let wanted = DiffTree {
            paths: paths.iter().map(path).collect(),
            ..everything()
        };
        words(&ask(&at.agent, wanted).unwrap().0)
    };
    assert_eq!(
        only(&["src/deep", "two/b", "two/only"]),
        ["-src/deep/a", "+two/b", "-two/only"]
    );
    assert_eq!(only(&["old/x"]), ["+old/x/y"]);
    let wanted = DiffTree {
        paths: vec![path("nowhere/x")],
        ..everything()
    };
    assert_eq!(ask(&at.agent, wanted).unwrap_err().code, "not_found");
}

#[test]
fn only_what_was_touched_is_looked_at() {
    let Some(at) = seeded(|lower| {
        for folder in 0..40 {
            for file in 0..50 {
                put(lower, &format!("d{folder}/f{file}"), "x");
            }
        }
    }) else {
        return;
    };
    at.sh("echo a >> d3/f1; rm d4/f2; touch d5/new");
    let (changes, reply) = at.diff();
    assert_eq!(words(&changes), ["~d3/f1", "-d4/f2", "+d5/new"]);
    assert!(reply.looked_at < 10, "{reply:?}");
    let wanted = DiffTree {
        paths: vec![path("d7")],
        ..everything()
    };
    assert!(ask(&at.agent, wanted).unwrap().1.looked_at < 3);
}

#[test]
fn a_layer_made_by_hand_is_read_as_the_kernel_does() {
    // Opaque, redirect and whiteouts as another tool may write them.
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let line = format!(
        "cd {here} && mkdir -p lower/a lower/b lower/c/in lower/g/.git scratch/workspace/upper scratch/workspace/work merged \
         && echo 1 > lower/a/1 && echo 0 > lower/a/0 && echo 2 > lower/b/2 && echo 3 > lower/c/in/3 && touch lower/g/.git/x \
         && cd scratch/workspace/upper && mkdir a b n g g/.git && echo 1 > a/1 && mknod b/2 c 0 0 && mknod c c 0 0 && mknod none c 0 0 && touch g/.git/y \
         && python3 -c 'import os; os.setxattr(\"a\", \"trusted.overlay.opaque\", b\"y\"); os.setxattr(\"n\", \"trusted.overlay.redirect\", b\"/c/in\")'"
    );
    let planted = std::process::Command::new("sh")
        .args(["-e", "-c", &line])
        .output()
        .unwrap();
    if !planted.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&planted.stderr));
        return;
    }
    let mount = format!(
        "mount -t overlay overlay -o lowerdir={here}/lower,upperdir={here}/scratch/workspace/upper,workdir={here}/scratch/workspace/work,{OPTIONS} {here}/merged && exec \"$@\""
    );
    let agent = agent_with(
        &["unshare", "-m", "sh", "-c", &mount, "sh"],
        &format!("--seeded {here}"),
    );
    let (changes, reply) = ask(&agent, everything()).unwrap();
    assert_eq!(words(&changes), ["-a/0", "-b/2", "-c/in/3", "+n/3"]);
    assert_eq!(reply.git_skipped, 1);
}

#[test]
fn an_unseeded_workspace_is_all_new() {
    let at = workspace();
    assert_eq!(
        ask(&at.agent, everything()).unwrap(),
        (Vec::new(), TreeDiffed::default())
    );
    at.put("a/b", "text");
    at.put("a/.git/config", "x");
    at.put(".git", "gitdir: elsewhere");
    at.put("large", vec![b'x'; 2 << 20]);
    at.put("zero", vec![0; 2 << 20]);
    std::fs::create_dir(at.at("e")).unwrap();
    let (changes, reply) = ask(&at.agent, everything()).unwrap();
    assert_eq!(words(&changes), ["+a/b", "+e", "+large", "+zero"]);
    assert_eq!((reply.git_skipped, reply.truncated), (2, false));
    let binary = |at: usize| match &changes[at].0.new {
        Some(TreeSide::File { binary, .. }) => (changes[at].0.sent, *binary),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (binary(0), binary(2), binary(3)),
        ((true, false), (false, false), (false, true))
    );

    let (changes, reply) = ask(
        &at.agent,
        DiffTree {
            limit: 2,
            ..everything()
        },
    )
    .unwrap();
    assert_eq!((changes.len(), reply.truncated), (2, true));
    let (_, reply) = ask(
        &at.agent,
        DiffTree {
            limit: 4,
            ..everything()
        },
    )
    .unwrap();
    assert!(!reply.truncated);
    let wanted = DiffTree {
        max_total_bytes: 3,
        ..everything()
    };
    let (changes, _) = ask(&at.agent, wanted).unwrap();
    assert!(changes.iter().all(|(change, _)| !change.sent));
    for bad in [
        DiffTree {
            limit: 0,
            ..everything()
        },
        DiffTree {
            paths: vec![path("../x")],
            ..everything()
        },
        DiffTree {
            paths: vec![path(".git/hooks")],
            ..everything()
        },
        DiffTree {
            paths: vec![path("a"); 257],
            ..everything()
        },
    ] {
        assert_eq!(ask(&at.agent, bad).unwrap_err().code, "bad_request");
    }
}

#[test]
fn a_tree_that_changes_all_the_time_is_told_somehow_and_soon() {
    let at = workspace();
    for number in 0..300 {
        at.put(&format!("d{}/f{number}", number % 7), "x".repeat(number));
    }
    let root = at.at("");
    let line = format!(
        "cd {} && while :; do for n in 1 2 3; do rm -rf d$n; ln -s /etc d$n; echo $n >> d4/f4; rm d$n; mkdir -p d$n/x/y; echo a > d$n/f; done; done",
        root.display()
    );
    let churn = at.agent.start(crate::host::exec(&line));
    let begun = Instant::now();
    for _ in 0..30 {
        match ask(&at.agent, everything()) {
            Ok((changes, _)) => {
                for (change, _) in changes {
                    let inside = change.path.to_string();
                    assert!(!inside.contains("passwd"), "{inside}");
                }
            }
            Err(failed) => assert!(
                ["changed", "not_found"].contains(&&*failed.code),
                "{failed:?}"
            ),
        }
    }
    assert!(begun.elapsed() < SOON);
    churn.abort();
}

#[test]
fn deep_and_many_are_bounded() {
    let Some(at) = seeded(|lower| {
        for number in 0..3000 {
            put(lower, &format!("many/{number:04}-{}", "n".repeat(150)), "");
        }
        let mut deep = lower.to_path_buf();
        for _ in 0..150 {
            deep.push("dddd");
        }
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("f"), "x").unwrap();
    }) else {
        return;
    };
    at.sh("mv many more && mv dddd eeee && mv more many");
    let (changes, reply) = at.diff();
    assert_eq!((changes.len(), reply.truncated), (2, false), "{reply:?}");
    at.sh(r#"python3 -c 'import os
for _ in range(17): os.mkdir("n" * 250); os.chdir("n" * 250)
open("f", "w").close()'"#);
    let (_, reply) = at.diff();
    assert!(reply.truncated, "a path no request could name");
}
