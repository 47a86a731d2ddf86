//! Tests of the store: installs made of small files, no building.

use super::build::Built;
use super::locks::Partial;
use super::*;
use crate::events::NoEvents;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAME: &str = "debian:12-base";
const OTHER: &str = "debian:12";

struct Cache {
    folder: tempfile::TempDir,
    environments: Environments,
}

impl Cache {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let layout = Layout {
            cache: folder.path().join("cache"),
            state: folder.path().join("state"),
        };
        Self {
            environments: Environments::new(&layout),
            folder,
        }
    }

    fn layout(&self) -> &Layout {
        &self.environments.layout
    }

    /// An install whose kernels are shared with every other one.
    fn install(&self, name: &str, rootfs: &str) {
        let recipe = catalog::find(name).expect("known");
        let cancel = Cancel::default();
        let partial = Partial::make(self.layout(), &recipe.file_name(), &cancel).expect("partial");
        for (file, text) in [
            (installs::ROOTFS, rootfs),
            (installs::KERNEL, "elf"),
            (installs::KERNEL_BZIMAGE, "bz"),
            (installs::MODULES, "cpio"),
        ] {
            fs::write(partial.path.join(file), text).expect("write");
        }
        let built = Built {
            guest_kernel: GuestKernel::Debian,
            kernel_release: "6.1".to_owned(),
            kernel_package: "linux".to_owned(),
            kernel_package_version: "1".to_owned(),
            packages: BTreeMap::new(),
        };
        self.environments
            .keep(recipe, built, &partial, &cancel)
            .expect("kept");
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        let recipe = catalog::find(name).expect("known");
        installs::folder(self.layout(), recipe).join(file)
    }

    /// The image behind a file of an install.
    fn image(&self, name: &str, file: &str) -> PathBuf {
        fs::canonicalize(self.file(name, file)).expect("exists")
    }

    fn everything(&self) -> Vec<String> {
        fn walk(path: &Path, found: &mut Vec<String>) {
            for path in locks::entries(path).expect("readable") {
                found.push(path.display().to_string());
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found
    }
}

fn overwrite(path: &Path, text: &str) {
    // file times move in steps of some milliseconds
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("chmod");
    fs::write(path, text).expect("write");
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result.expect_err("refused").code
}

#[test]
fn an_empty_cache_lists_everything_and_creates_nothing() {
    let cache = Cache::new();
    let list = cache.environments.list().expect("lists");
    assert_eq!(list.environments.len(), 3);
    assert!(list.environments.iter().all(|e| !e.installed));
    let absent = code(cache.environments.open(NAME));
    assert_eq!(absent, "environment_not_installed");
    assert_eq!(
        code(cache.environments.verify(NAME)),
        "environment_not_installed"
    );
    assert_eq!(code(cache.environments.inspect("x")), "unknown_environment");
    assert_eq!(cache.environments.prune(&[]).expect("prunes").count, 0);
    assert!(cache.everything().is_empty());
}

#[test]
fn an_install_opens_is_listed_and_pulls_from_the_cache() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    let open = cache.environments.open(NAME).expect("opens");
    assert_eq!(fs::read(&open.rootfs.path).expect("read"), b"root");
    assert_eq!(open.kernel_release, "6.1");
    let mode = open
        .rootfs
        .file
        .metadata()
        .expect("stat")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o444);
    let info = cache.environments.inspect(NAME).expect("known");
    assert!(info.installed && info.install_manifest.is_some());
    let before = cache.everything();
    let pulled = cache.environments.pull(NAME, &NoEvents, &Cancel::default());
    let pulled = pulled.expect("pulls");
    assert_eq!(pulled.source, "cache");
    assert_eq!(fs::read(pulled.kernel_image).expect("read"), b"elf");
    assert_eq!(cache.everything(), before, "nothing was written");
    assert_eq!(
        cache.environments.verify(NAME).expect("whole").files.len(),
        4
    );
    assert!(
        !before.iter().any(|path| path.contains(locks::PARTIAL)),
        "{before:?}"
    );
}

#[test]
fn folders_are_private() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    let layout = cache.layout();
    for folder in [
        layout.cache.clone(),
        layout.images(),
        layout.locks(),
        layout.environments(),
        cache.file(NAME, ""),
    ] {
        let mode = fs::metadata(&folder).expect("stat").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[test]
fn every_damage_is_found_by_open_and_named() {
    type Harm = fn(&Cache);
    let harms: [(&str, Harm); 7] = [
        ("rootfs.ext4 has another size", |c| {
            overwrite(&c.image(NAME, installs::ROOTFS), "shorter or longer");
        }),
        ("vmlinux was touched", |c| {
            overwrite(&c.image(NAME, installs::KERNEL), "xyz");
        }),
        ("vmlinuz is missing", |c| {
            fs::remove_file(c.image(NAME, installs::KERNEL_BZIMAGE)).expect("remove");
        }),
        ("modules.cpio is not the link", |c| {
            fs::remove_file(c.file(NAME, installs::MODULES)).expect("remove");
        }),
        ("environment.json cannot be used", |c| {
            fs::write(c.file(NAME, installs::MANIFEST), "{\"name\":").expect("write");
        }),
        ("environment.json cannot be used", |c| {
            let path = c.file(NAME, installs::MANIFEST);
            let text = fs::read_to_string(&path).expect("read");
            let digest = c.image(NAME, installs::ROOTFS);
            let digest = digest.file_name().expect("name").to_str().expect("hex");
            fs::write(path, text.replace(digest, "../../../etc/passwd")).expect("write");
        }),
        ("environment.json is that of", |c| {
            let text = fs::read_to_string(c.file(NAME, installs::MANIFEST)).expect("read");
            let other = text.replace("\"debian:12-base\"", "\"debian:12\"");
            fs::write(c.file(NAME, installs::MANIFEST), other).expect("write");
        }),
    ];
    for (named, harm) in harms {
        let cache = Cache::new();
        cache.install(NAME, "root");
        harm(&cache);
        for error in [
            cache.environments.open(NAME).expect_err("damaged"),
            cache.environments.verify(NAME).expect_err("damaged"),
        ] {
            assert_eq!(error.code, "damaged_environment");
            assert!(
                error.message.contains(named),
                "{error} does not say {named}"
            );
            assert_eq!(
                error.hint.as_deref(),
                Some("`pyro env pull debian:12-base` repairs it")
            );
        }
        assert!(!cache.environments.inspect(NAME).expect("known").installed);
    }
}

#[test]
fn a_moved_cache_is_taken_over_without_building() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    // new inodes, same bytes: what a restored backup looks like
    for path in locks::entries(&cache.layout().images()).expect("readable") {
        let bytes = fs::read(&path).expect("read");
        fs::remove_file(&path).expect("remove");
        fs::write(&path, bytes).expect("write");
    }
    fs::remove_file(cache.file(NAME, installs::KERNEL)).expect("remove");
    assert_eq!(code(cache.environments.open(NAME)), "damaged_environment");
    let pulled = cache.environments.pull(NAME, &NoEvents, &Cancel::default());
    assert_eq!(pulled.expect("pulls").source, "cache");
    cache.environments.open(NAME).expect("opens again");
}

#[test]
fn a_repaired_shared_image_is_right_for_all_that_name_it() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    cache.install(OTHER, "other root");
    assert_eq!(
        cache.image(NAME, installs::KERNEL),
        cache.image(OTHER, installs::KERNEL),
        "shared"
    );
    overwrite(&cache.image(NAME, installs::KERNEL), "bad");
    cache.install(NAME, "root");
    cache.environments.verify(NAME).expect("repaired");
    cache.environments.verify(OTHER).expect("repaired with it");
}

#[test]
fn installing_again_replaces_the_old_install() {
    let cache = Cache::new();
    cache.install(NAME, "old");
    let old = cache.environments.open(NAME).expect("opens");
    cache.install(NAME, "new");
    let new = cache.environments.open(NAME).expect("opens");
    assert_eq!(fs::read(&new.rootfs.path).expect("read"), b"new");
    let refused = cache.environments.prune(&[]).expect_err("old is open");
    assert_eq!(refused.code, "images_in_use");
    assert!(old.rootfs.path.exists(), "nothing was removed");
    drop(old);
    let pruned = cache.environments.prune(&[]).expect("prunes");
    assert_eq!((pruned.count, pruned.deleted_images.len()), (0, 1));
    assert!(pruned.freed_bytes > 0);
    cache.environments.verify(NAME).expect("the new one stays");
}

#[test]
fn prune_removes_what_the_contract_says_and_keeps_the_rest() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    cache.install(OTHER, "other root");
    overwrite(&cache.file(OTHER, installs::MANIFEST), "[]");
    let parent = cache.layout().environments();
    for folder in ["debian_12-0.9.0", "unknown-1.0.0", ".partial-x"] {
        fs::create_dir(parent.join(folder)).expect("mkdir");
    }
    fs::write(cache.layout().images().join("rubbish"), "x").expect("write");
    let pruned = cache.environments.prune(&[]).expect("prunes");
    let names = ["debian_12-0.9.0", "debian_12-1.0.0", "unknown-1.0.0"];
    assert_eq!(
        pruned.deleted_environment_dirs,
        names.map(|name| parent.join(name).display().to_string())
    );
    assert_eq!((pruned.count, pruned.deleted_images.len()), (3, 2));
    assert!(!parent.join(".partial-x").exists());
    cache.environments.verify(NAME).expect("kept");
}

#[test]
fn prune_names_the_holders_and_removes_nothing() {
    let cache = Cache::new();
    cache.install(NAME, "root");
    let rootfs = cache.image(NAME, installs::ROOTFS);
    fs::remove_file(cache.file(NAME, installs::MANIFEST)).expect("remove");
    let holder = |digest: &str, name: &str| Holder {
        digest: digest.to_owned(),
        name: name.to_owned(),
    };
    let digest = rootfs.file_name().expect("name").to_str().expect("hex");
    let holders = [
        holder(digest, "workspace b"),
        holder(digest, "workspace a"),
        holder("of no image", "workspace c"),
    ];
    let before = cache.everything();
    let error = cache.environments.prune(&holders).expect_err("held");
    assert_eq!(error.code, "images_in_use");
    assert!(
        error.message.contains("by workspace a, workspace b;"),
        "{error}"
    );
    assert_eq!(cache.everything(), before);
    let pruned = cache.environments.prune(&holders[2..]).expect("prunes");
    assert_eq!(pruned.deleted_images.len(), 4);
}

#[test]
fn a_live_partial_folder_stays_and_a_dead_one_is_swept() {
    let cache = Cache::new();
    let cancel = Cancel::default();
    let live = Partial::make(cache.layout(), "x", &cancel).expect("made");
    let dead = cache.layout().environments().join(".partial-dead");
    fs::create_dir_all(dead.join("work/tree")).expect("mkdir");
    let second = Partial::make(cache.layout(), "y", &cancel).expect("made");
    assert!(live.path.exists() && !dead.exists());
    cache.environments.prune(&[]).expect("prunes");
    assert!(live.path.exists() && second.path.exists());
    let path = live.path.clone();
    drop(live);
    assert!(!path.exists(), "gone when dropped");
}

#[test]
fn the_second_pull_waits_says_so_and_finds_it_installed() {
    struct Notices(std::sync::mpsc::Sender<String>);
    impl EventSink for Notices {
        fn event(&self, event: Event) {
            if let Event::Notice(text) = event {
                self.0.send(text).expect("listening");
            }
        }
    }
    let cache = Cache::new();
    let recipe = catalog::find(NAME).expect("known");
    let cancel = Cancel::default();
    let first = Lock::take(cache.layout(), &recipe.file_name(), None, &cancel).expect("free");
    let (sender, notices) = std::sync::mpsc::channel();
    let events = Notices(sender);
    let second = cache.environments.clone();
    let pulled = std::thread::scope(|scope| {
        let pull = scope.spawn(|| second.pull(NAME, &events, &Cancel::default()));
        assert!(notices.recv().expect("a notice").contains("waiting"));
        cache.install(NAME, "root");
        drop(first);
        pull.join().expect("no panic")
    });
    assert_eq!(pulled.expect("pulls").source, "cache");
    assert!(notices.try_recv().is_err(), "said once");
}

#[test]
fn waiting_for_another_install_can_be_cancelled() {
    let cache = Cache::new();
    let recipe = catalog::find(NAME).expect("known");
    let cancel = Cancel::default();
    let _first = Lock::take(cache.layout(), &recipe.file_name(), None, &cancel).expect("free");
    cancel.cancel();
    assert_eq!(
        code(cache.environments.pull(NAME, &NoEvents, &cancel)),
        "cancelled"
    );
}
