//! Seeds, diffs and snapshots beside what they must not cost more than.

use crate::Desk;
use crate::pairs::Pair;

/// 20,000 files, 200 MB, two levels of folders.
const TREE: &str = r#"
    python3 - <<'P'
import os, random
r = random.Random(1)
for d in range(200):
    p = f"tree/d{d // 20}/s{d}"; os.makedirs(p)
    for f in range(100):
        with open(f"{p}/f{f}", "wb") as out: out.write(r.randbytes(r.randint(1, 20000)))
P
    mkdir few; cp tree/d0/s0/f1? tree/d0/s0/f2? few
    find tree few -exec touch -d @1700000000 {} +
    # Older than what may still change within one tick of the clock.
    sleep 3"#;
/// In both trees, three changes.
const CHANGES: &str =
    "f=$(find . -type f | sort | head -n 2); for x in $f; do echo more >> $x; done; echo new > new";

pub fn rows(desk: &Desk) {
    desk.host(TREE);
    let tree = desk.path("tree").display().to_string();
    let few = desk.path("few").display().to_string();
    let begin = |name: &str, from: &[&str]| {
        let words = ["create", "debian:12", "--name", name, "--mem-mib", "512"];
        desk.pyro(&[&words[..], from].concat())
    };
    let create = |name: &str, seed: Option<&str>| match seed {
        Some(seed) => begin(name, &["--seed-path", seed]),
        None => begin(name, &[]),
    };
    let made = |seed: Option<&str>| {
        let time = create("made", seed);
        desk.pyro(&["delete", "made"]);
        time
    };
    let fresh = Pair::measure(
        desk.rounds,
        || {
            desk.host("rm -rf state/baselines");
            made(Some(&tree))
        },
        || {
            desk.host("rm -f a.tar b.tar");
            made(None) + desk.host("tar -cf a.tar tree && cp a.tar b.tar")
        },
    );
    desk.show(&fresh.row(
        "create from a new seed of 20,000 files, 200 MB",
        "create without a seed, tar of it, copy of the archive",
        "ratio at most 2",
    ));
    let known = Pair::measure(desk.rounds, || made(Some(&tree)), || made(None));
    desk.show(&known.row(
        "create from a known seed of 20,000 files",
        "create without a seed",
        "at most 100 ms more",
    ));

    desk.host("cp -a tree project; cd project; git init -q .; git add -A; sleep 3");
    let project = desk.path("project").display().to_string();
    let tracked = || {
        let time = begin("made", &["--project-path", &project]);
        desk.pyro(&["delete", "made"]);
        time
    };
    let fresh = Pair::measure(
        desk.rounds,
        || {
            desk.host("rm -rf state/baselines");
            tracked()
        },
        || {
            desk.host("rm -rf state/baselines");
            made(Some(&tree))
        },
    );
    desk.show(&fresh.row(
        "create from a new project of 20,000 tracked files, 200 MB",
        "create from a new seed of the same files",
        "ratio at most 3: its commit is hashed, deflated and written as well",
    ));
    made(Some(&tree));
    tracked();
    let known = Pair::measure(desk.rounds, tracked, || made(Some(&tree)));
    desk.show(&known.row(
        "create from a known project of 20,000 tracked files",
        "create from a known seed of the same files",
        "at most 200 ms more: git lists its files",
    ));

    create("many", Some(&tree));
    create("few", Some(&few));
    for name in ["many", "few"] {
        desk.guest(name, CHANGES);
    }
    let diff = Pair::measure(
        desk.rounds * 3,
        || desk.pyro(&["diff", "many"]),
        || desk.pyro(&["diff", "few"]),
    );
    desk.show(&diff.row(
        "diff of 3 changes in 20,000 files",
        "the same in 20 files",
        "ratio at most 2",
    ));
    desk.pyro(&["delete", "many"]);

    let small = Pair::measure(
        desk.rounds,
        || snapshot(desk),
        || desk.host("cp --sparse=always state/workspaces/*/scratch.ext4 copy; rm copy"),
    );
    desk.show(&small.row("snapshot after 3 changes", "cp of the disk", ""));
    desk.guest("few", "head -c 64M /dev/urandom > big; sync");
    let large = Pair::measure(
        desk.rounds,
        || snapshot(desk),
        || desk.host("cp --sparse=always state/workspaces/*/scratch.ext4 copy; rm copy"),
    );
    desk.show(&large.row(
        "snapshot after 64 MiB more",
        "cp of the disk",
        "as the bytes",
    ));
    desk.pyro(&["delete", "few"]);
}

fn snapshot(desk: &Desk) -> std::time::Duration {
    let time = desk.pyro(&["snapshot", "create", "few", "s"]);
    desk.pyro(&["snapshot", "delete", "few", "s"]);
    time
}
