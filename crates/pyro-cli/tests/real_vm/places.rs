//! Caches that are read-only, full, or at the end of a long path.

use crate::machine::{Place, product_error, shared_cache, text};

/// Runs a shell line in a mount namespace of its own; none where that is not allowed.
fn in_mount_namespace(place: &Place, setup: &str, arguments: &str) -> Option<std::process::Output> {
    place.in_mount_namespace(&format!("{setup} && exec \"$P\" {arguments}"))
}

#[test]
fn a_read_only_cache_serves_what_is_in_it() {
    let place = Place::new();
    let cache = shared_cache();
    let setup = format!(
        "mount --bind {0} {0} && mount -o remount,bind,ro {0}",
        cache.display()
    );
    let Some(output) = in_mount_namespace(
        &place,
        &setup,
        "run debian:12 --json --mem-mib 700 -- echo read-only",
    ) else {
        return;
    };
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{} {}", text(&output.stdout), text(&output.stderr)));
    assert_eq!(
        (result["stdout"].as_str(), result["start_kind"].as_str()),
        (Some("read-only\n"), Some("cold_boot"))
    );
    let Some(output) = in_mount_namespace(&place, &setup, "env build debian:12-base --json") else {
        return;
    };
    let error = product_error(&output);
    assert!(
        error["error"].as_str().unwrap().contains("ead-only") && error["hint"].as_str().is_some(),
        "{error}"
    );
}

#[test]
fn a_full_cache_is_named_and_left_clean() {
    let place = Place::empty();
    std::fs::create_dir_all(&place.cache).unwrap();
    let setup = format!("mount -t tmpfs -o size=64m tmpfs {}", place.cache.display());
    let after = format!(
        "{setup} && {{ {} env pull debian:12-base --json; code=$?; find {} -name '.partial*' >&2; exit $code; }}; #",
        env!("CARGO_BIN_EXE_pyro"),
        place.cache.display()
    );
    let Some(output) = in_mount_namespace(&place, &after, "") else {
        return;
    };
    let error = product_error(&output);
    assert_eq!(error["error_kind"], "no_space", "{error}");
    assert!(
        !text(&output.stderr).contains(".partial"),
        "left behind: {}",
        text(&output.stderr)
    );
}

#[test]
fn a_seed_that_fills_the_disk_is_named_and_leaves_nothing() {
    let place = Place::new();
    let (state, from) = (place.state(), place.folder.path().join("from"));
    std::fs::create_dir_all(&state).unwrap();
    std::fs::create_dir_all(from.join("d")).unwrap();
    let zeros = std::fs::File::create_new(from.join("d/zeros")).unwrap();
    zeros.set_len(300 << 20).unwrap();
    // The archive is small, what it unpacks to is not; the folder's file is dense.
    let made = "tar -czf a.tgz -C d zeros && head -c 200000000 /dev/urandom > d/zeros";
    assert!(
        std::process::Command::new("sh")
            .args(["-ec", made])
            .current_dir(&from)
            .status()
            .unwrap()
            .success()
    );
    for name in ["a.tgz", "d"] {
        let line = format!(
            "mount -t tmpfs -o size=160m tmpfs {0} && \
             {{ \"$P\" workspace create debian:12 --json --seed-path {1}/{name}; code=$?; \
             find {0} -type f -size +0 >&2; df --output=used {0} >&2; exit $code; }}",
            state.display(),
            from.display(),
        );
        let Some(output) = place.in_mount_namespace(&line) else {
            return;
        };
        let error = product_error(&output);
        assert_eq!(error["error_kind"], "no_space", "{error}");
        assert!(error["hint"].is_string() && error["error"].as_str().unwrap().contains("MiB free"));
        let after = text(&output.stderr);
        let used: u64 = after.lines().last().unwrap().trim().parse().unwrap();
        assert!(!after.contains("baselines") && used < 100, "{after}");
    }
}

#[test]
fn a_full_disk_under_the_guest_ends_it_with_the_reason() {
    let place = Place::new();
    let scratch = shared_cache().join(".scratch");
    let setup = format!("mount -t tmpfs -o size=24m tmpfs {}", scratch.display());
    let Some(output) = in_mount_namespace(
        &place,
        &setup,
        "run debian:12 --json -- sh -c 'head -c 200000000 /dev/urandom > /root/big; sync; echo $?'",
    ) else {
        return;
    };
    let error = product_error(&output);
    assert_eq!(error["error_kind"], "guest_halted", "{error}");
    assert!(
        error["error"].as_str().unwrap().contains("disk is full"),
        "{error}"
    );
}

#[test]
fn paths_longer_than_a_socket_name_work() {
    let place = Place::new();
    let long = place
        .folder
        .path()
        .join("a-rather-long-folder-name-for-a-socket".repeat(5));
    std::fs::create_dir_all(&long).unwrap();
    let cache = long.join("cache");
    std::os::unix::fs::symlink(shared_cache(), &cache).unwrap();
    let output = place
        .run("echo far away")
        .env("PYRO_ENVIRONMENT_CACHE_DIR", &cache)
        .env("PYRO_STATE_DIR", long.join("state"))
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stdout),
        "far away\n",
        "{}",
        text(&output.stderr)
    );
}
