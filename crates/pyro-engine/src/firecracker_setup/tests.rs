//! Setups to their end, with programs made up for it.

use super::archive_tests::{tarball, wheel};
use super::made_up::program;
use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

struct Site {
    folder: tempfile::TempDir,
    layout: Layout,
    heard: Heard,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            layout: Layout {
                cache: folder.path().join("cache"),
                state: folder.path().join("state"),
            },
            folder,
            heard: Heard::default(),
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn install(&self, wanted: &Wanted) -> Result<FirecrackerSetup> {
        install(&self.layout, wanted, &self.heard, &Cancel::default())
    }

    /// Vouches for the file by its checksum.
    fn vouch(&self, name: &str, bytes: &[u8]) -> Wanted {
        Wanted {
            from: Some(self.file(name, bytes).display().to_string()),
            sha256: Some(sha256(bytes)),
            force: false,
        }
    }

    fn refused(&self, wanted: &Wanted) -> Error {
        let error = self.install(wanted).unwrap_err();
        assert!(error.hint.is_some(), "{error}");
        assert_eq!(self.left(), 0, "{error}: something was left behind");
        error
    }

    /// Entries beside the install.
    fn left(&self) -> usize {
        let root = self.layout.cache.join(".firecracker");
        std::fs::read_dir(root).map_or(0, |entries| {
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.filter(|name| name != "linux-x86_64").count()
        })
    }

    fn notices(&self) -> Vec<String> {
        let mut heard = self.heard.0.lock().unwrap();
        let notices = heard.drain(..).filter_map(|event| match event {
            // This machine's own Firecracker is not what is tested.
            Event::Notice(text) if !text.contains("comes first") => Some(text),
            _ => None,
        });
        notices.collect()
    }
}

fn release(version: &str) -> Vec<u8> {
    let firecracker = program(&format!("Firecracker v{version}\n"));
    tarball(&[
        (&format!("r/firecracker-v{version}-x86_64"), &firecracker),
        (&format!("r/jailer-v{version}-x86_64"), &program("Jailer\n")),
    ])
}

#[test]
fn a_release_the_user_vouches_for_is_installed_once() {
    let site = Site::new();
    let bytes = release("1.13.2");
    let mut wanted = site.vouch("fc.tgz", &bytes);
    let first = site.install(&wanted).unwrap();
    assert_eq!(
        (&first.version[..], first.already_installed),
        ("1.13.2", false)
    );
    assert_eq!(first.source, *wanted.from.as_ref().unwrap());
    assert_eq!(first.source_sha256, sha256(&bytes));
    for path in [&first.path, first.jailer_path.as_ref().unwrap()] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "{path}");
    }
    let binary = FirecrackerBinary::at(Path::new(&first.path)).unwrap();
    assert_eq!(binary.supported_version().unwrap().to_string(), "1.13.2");
    assert!(
        binary
            .jailer
            .unwrap()
            .ends_with(".firecracker/linux-x86_64/jailer")
    );
    let names = std::fs::read_dir(site.layout.firecracker()).unwrap();
    assert_eq!(names.count(), 3, "the two programs and source.json");

    // The same again, even when the source is gone.
    std::fs::remove_file(wanted.from.as_ref().unwrap()).unwrap();
    let second = site.install(&wanted).unwrap();
    let expected = FirecrackerSetup {
        already_installed: true,
        ..first
    };
    assert_eq!(second, expected);

    wanted = site.vouch("other.tgz", &release("1.14.0"));
    wanted.force = true;
    let third = site.install(&wanted).unwrap();
    assert_eq!(
        (&third.version[..], third.already_installed),
        ("1.14.0", false)
    );
    assert_eq!((site.left(), site.notices().len()), (0, 0));
}

#[test]
fn a_changed_install_is_noticed_and_mended() {
    let site = Site::new();
    let wanted = site.vouch("fc.tgz", &release("1.13.2"));
    let installed = PathBuf::from(site.install(&wanted).unwrap().path);
    let folder = installed.parent().unwrap().to_owned();
    let damage: [(&str, &dyn Fn()); 5] = [
        ("firecracker has other content", &|| {
            std::fs::write(&installed, "other").unwrap();
        }),
        ("jailer does not exist", &|| {
            std::fs::remove_file(folder.join("jailer")).unwrap();
        }),
        ("source.json cannot be used", &|| {
            std::fs::write(folder.join("source.json"), "{}").unwrap();
        }),
        ("firecracker is not executable", &|| {
            std::fs::set_permissions(&installed, PermissionsExt::from_mode(0o644)).unwrap();
        }),
        ("source.json cannot be used", &|| {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::write(&folder, "a file where the folder was").unwrap();
        }),
    ];
    for (why, change) in damage {
        change();
        let mended = site.install(&wanted).unwrap();
        assert!(!mended.already_installed);
        let notices = site.notices();
        assert!(notices.iter().any(|text| text.contains(why)), "{notices:?}");
        assert!(site.install(&wanted).unwrap().already_installed);
        assert_eq!(site.left(), 0);
    }
}

#[test]
fn a_checksum_that_differs_names_both() {
    let site = Site::new();
    let bytes = release("1.13.2");
    let mut wanted = site.vouch("fc.tgz", &bytes);
    wanted.sha256 = Some("AB".repeat(32));
    let error = site.refused(&wanted);
    assert_eq!(error.code, "checksum_differs");
    assert!(error.message.contains(&sha256(&bytes)), "{error}");
    assert!(error.message.contains(&"ab".repeat(32)), "{error}");

    wanted.sha256 = None;
    let error = site.refused(&wanted);
    assert_eq!(error.code, "checksum_differs");
    let ours = sha256(&program("Firecracker v1.13.2\n"));
    assert!(error.message.contains(&ours), "{error}");
    assert!(
        error.message.contains(releases::RELEASES[0].firecracker),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("--sha256"));

    wanted.sha256 = Some("abc".to_owned());
    assert_eq!(site.refused(&wanted).code, "bad_checksum");
}

#[test]
fn what_cannot_be_installed_says_why() {
    let site = Site::new();
    let code = |name: &str, bytes: &[u8]| site.refused(&site.vouch(name, bytes)).code;
    assert_eq!(code("old", &program("Firecracker v1.9.0\n")), "vmm_version");
    assert_eq!(
        code("new", &program("Firecracker v1.16.0\n")),
        "vmm_version"
    );
    assert_eq!(code("echo", &program("hello\n")), "vmm_unusable");
    assert_eq!(code("script", b"#!/bin/sh\n"), "bad_archive");
    assert_eq!(code("empty.whl", &wheel(&[("a.py", b"")])), "bad_archive");
    let whole = release("1.13.2");
    assert_eq!(code("short.tgz", &whole[..whole.len() / 2]), "bad_archive");
    let mut arm = program("Firecracker v1.13.2\n");
    arm[18] = 183;
    assert_eq!(code("arm", &arm), "wrong_processor");
    let from = |from: PathBuf| Wanted {
        from: Some(from.display().to_string()),
        ..Wanted::default()
    };
    let root = site.folder.path();
    assert_eq!(
        site.refused(&from(root.join("absent"))).code,
        "missing_source"
    );
    assert_eq!(site.refused(&from(root.to_owned())).code, "missing_source");
    assert!(!site.layout.firecracker().exists(), "nothing was installed");
}

#[test]
fn an_unknown_jailer_beside_a_program_is_left_out() {
    let site = Site::new();
    let wanted = site.vouch("bin/firecracker", &program("Firecracker v1.13.2\n"));
    site.file("bin/jailer", &program("Jailer\n"));
    let installed = site.install(&wanted).unwrap();
    assert_eq!(installed.jailer_path, None);
    let notices = site.notices();
    assert!(notices[0].contains("bin/jailer is left out"), "{notices:?}");
}

#[test]
fn setups_at_the_same_time_take_turns() {
    let site = Site::new();
    let mut wanted = site.vouch("fc.tgz", &release("1.13.2"));
    wanted.force = true;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| site.install(&wanted)))
            .collect();
        for setup in running {
            assert!(!setup.join().unwrap().unwrap().already_installed);
        }
    });
    wanted.force = false;
    assert!(site.install(&wanted).unwrap().already_installed);
    assert_eq!(site.left(), 0);
}

#[test]
fn what_a_killed_setup_left_is_swept_and_prune_keeps_the_install() {
    let site = Site::new();
    let stale = site.layout.cache.join(".firecracker/.partial-x/wheels");
    std::fs::create_dir_all(&stale).unwrap();
    let wanted = site.vouch("fc.tgz", &release("1.13.2"));
    site.install(&wanted).unwrap();
    assert_eq!(site.left(), 0);
    let environments = crate::Environments::new(&site.layout);
    crate::prune::prune(&site.layout, &environments).unwrap();
    assert!(site.install(&wanted).unwrap().already_installed);
}

#[test]
fn a_cancelled_setup_leaves_nothing() {
    let site = Site::new();
    let wanted = site.vouch("fc.tgz", &release("1.13.2"));
    let cancel = Cancel::default();
    cancel.cancel();
    let error = install(&site.layout, &wanted, &site.heard, &cancel).unwrap_err();
    assert_eq!((error.code, site.left()), ("cancelled", 0));
    assert!(!site.layout.firecracker().exists());
}
