//! Tests of the store of compiled kernels and of progress: nothing is compiled.

use super::super::{images, locks::Lock};
use super::*;
use crate::events::Event;
use std::sync::Mutex;

const VERSIONS: &str = "binutils 2.40-2\ngcc-12 12.2.0-14\nlinux-source-6.1 6.1.192-2\n";

struct Site {
    folder: tempfile::TempDir,
    layout: Layout,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let layout = Layout {
            cache: folder.path().join("cache"),
            state: folder.path().join("state"),
        };
        for folder in [layout.images(), folder.path().join("partial")] {
            crate::layout::make_private_dir(&folder).expect("made");
        }
        Self { folder, layout }
    }

    fn partial(&self) -> std::path::PathBuf {
        self.folder.path().join("partial")
    }

    /// A kernel as a build leaves it, recorded and stored.
    fn compile(&self) -> MinimalKernel {
        let kernel = MinimalKernel {
            release: "6.1.192-pyro".to_owned(),
            package: SOURCE.to_owned(),
            package_version: "6.1.192-2".to_owned(),
        };
        let cancel = Cancel::default();
        let vmlinuz = self.partial().join("vmlinuz");
        std::fs::write(&vmlinuz, "bzImage").expect("write");
        std::fs::write(self.partial().join(MODULES_BUILTIN), "kernel/a.ko\n").expect("write");
        let kept = record::keep(
            &self.layout,
            &key(VERSIONS),
            &self.partial(),
            "vmlinuz",
            VERSIONS,
            &kernel,
            &cancel,
        );
        kept.expect("kept");
        let digest = images::digest(&vmlinuz, &cancel).expect("read");
        images::store(&self.layout, &vmlinuz, digest, &cancel).expect("stored");
        std::fs::remove_file(self.partial().join(MODULES_BUILTIN)).expect("remove");
        kernel
    }

    fn find(&self, versions: &str) -> Option<MinimalKernel> {
        let cancel = Cancel::default();
        let partial = self.partial();
        record::find(&self.layout, &key(versions), &partial, "vmlinuz", &cancel).expect("looks")
    }

    fn image(&self) -> std::path::PathBuf {
        super::super::locks::entries(&self.layout.images()).expect("readable")[0].clone()
    }

    fn record(&self) -> std::path::PathBuf {
        self.layout
            .kernels()
            .join(format!("{}.json", key(VERSIONS)))
    }
}

fn overwrite(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("chmod");
    std::fs::write(path, text).expect("write");
}

#[test]
fn a_compiled_kernel_is_found_with_its_files_by_the_same_versions_only() {
    let site = Site::new();
    assert_eq!(site.find(VERSIONS), None);
    let kernel = site.compile();
    assert_eq!(site.find(VERSIONS), Some(kernel));
    let read = |name: &str| std::fs::read_to_string(site.partial().join(name)).expect("read");
    assert_eq!(read("vmlinuz"), "bzImage");
    assert_eq!(read(MODULES_BUILTIN), "kernel/a.ko\n");
    for other in ["12.2.0-14", "2.40-2", "6.1.192-2"] {
        assert_eq!(site.find(&VERSIONS.replace(other, "9")), None, "{other}");
    }
}

#[test]
fn what_is_damaged_is_compiled_again() {
    type Harm = fn(&Site);
    let harms: [Harm; 5] = [
        |site| overwrite(&site.image(), "bzimage"),
        |site| std::fs::remove_file(site.image()).expect("remove"),
        |site| overwrite(&site.record(), "{\"kernel\":"),
        |site| {
            let text = std::fs::read_to_string(site.record()).expect("read");
            overwrite(&site.record(), &text.replace("6.1.192-pyro", "../../etc"));
        },
        |site| {
            let text = std::fs::read_to_string(site.record()).expect("read");
            let digest = site.image();
            let digest = digest.file_name().expect("name").to_str().expect("hex");
            overwrite(&site.record(), &text.replace(digest, "../../../etc/passwd"));
        },
    ];
    for harm in harms {
        let site = Site::new();
        let kernel = site.compile();
        harm(&site);
        assert_eq!(site.find(VERSIONS), None);
        assert_eq!(site.compile(), kernel);
        assert_eq!(site.find(VERSIONS), Some(kernel));
    }
}

#[test]
fn a_record_goes_with_its_image() {
    let site = Site::new();
    sweep(&site.layout).expect("nothing there yet");
    site.compile();
    let _store = Lock::store(&site.layout, &Cancel::default()).expect("free");
    sweep(&site.layout).expect("sweeps");
    assert!(site.record().exists());
    std::fs::remove_file(site.image()).expect("remove");
    std::fs::write(site.layout.kernels().join("rubbish"), "x").expect("write");
    sweep(&site.layout).expect("sweeps");
    let left = super::super::locks::entries(&site.layout.kernels()).expect("readable");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_release_is_no_path() {
    assert!(is_release("6.1.192-pyro"));
    for bad in ["", "-6", "../6", "6/..", "6 1", "6\n"] {
        assert!(!is_release(bad), "{bad:?}");
    }
}

#[test]
fn percent_only_grows_and_ends_with_the_release() {
    struct Percents(Mutex<Vec<u64>>);
    impl EventSink for Percents {
        fn event(&self, event: Event) {
            if let Event::Progress { done, .. } = event {
                self.0.lock().expect("not poisoned").push(done);
            }
        }
    }
    let seen = Percents(Mutex::default());
    let mut progress = Progress::new("x", &seen);
    progress.line("  CC      too/early.o");
    for line in [
        "noise",
        "pyro: step unpack",
        "pyro: config",
        "pyro: step unpack",
    ] {
        progress.line(line);
    }
    for _ in 0..3000 {
        progress.line("  CC      kernel/fork.o");
    }
    progress.line("pyro: release 6.1.192-pyro");
    progress.finished();
    assert_eq!(progress.release(), "6.1.192-pyro");
    let seen = seen.0.lock().expect("not poisoned");
    assert!(
        seen.is_sorted() && seen.starts_with(&[0, 15, 20, 21]),
        "{seen:?}"
    );
    assert_eq!(seen[seen.len() - 2..], [99, 100]);
}
