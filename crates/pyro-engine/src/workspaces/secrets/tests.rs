//! What a secret may be, and what is left of one that may not.

use super::*;
use crate::Layout;
use crate::host_paths::HostPaths;
use crate::workspaces::tests::record;

fn read(wanted: &[NewSecret]) -> Result<Vec<Material>> {
    super::read(&HostPaths::Anywhere, wanted)
}

fn given(name: &str, value: &[u8]) -> NewSecret {
    NewSecret {
        name: name.into(),
        source: Source::Value(value.to_vec()),
        hosts: Vec::new(),
    }
}

fn of_file(name: &str, path: &std::path::Path) -> NewSecret {
    NewSecret {
        name: name.into(),
        source: Source::File(path.display().to_string()),
        hosts: Vec::new(),
    }
}

#[test]
fn values_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    let long = vec![0xff; MAX_SECRET_BYTES];
    for value in [&b"x"[..], b" two\nlines \n", b"\0\xff", &long] {
        std::fs::write(&path, value).unwrap();
        let read = read(&[of_file("B", &path), given("A", value)]).unwrap();
        let shown: Vec<_> = read
            .iter()
            .map(|one| (one.secret.name.as_str(), one.secret.source_kind))
            .collect();
        assert_eq!(shown, [("A", SourceKind::Literal), ("B", SourceKind::File)]);
        assert!(read.iter().all(|one| one.value == value));
    }
}

#[test]
fn what_cannot_be_a_secret_is_named_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let unset = NewSecret {
        name: "A".into(),
        source: Source::Variable("PYRO_TEST_NO_SUCH_VARIABLE".into()),
        hosts: Vec::new(),
    };
    let too_long = vec![b'v'; MAX_SECRET_BYTES + 1];
    let half = vec![b'v'; MAX_SECRET_BYTES];
    let too_much: Vec<_> = (0..9).map(|n| given(&format!("N{n}"), &half)).collect();
    for (wanted, code) in [
        (vec![given("", b"vvvv")], "invalid_secret"),
        (vec![given("1A", b"vvvv")], "invalid_secret"),
        (vec![given("../A", b"vvvv")], "invalid_secret"),
        (vec![given("A B", b"vvvv")], "invalid_secret"),
        (vec![given(&"A".repeat(65), b"vvvv")], "invalid_secret"),
        (vec![given("A", b"")], "invalid_secret"),
        (vec![given("A", &too_long)], "invalid_secret"),
        (
            vec![given("A", b"vvvv"), given("A", b"w")],
            "invalid_secret",
        ),
        (too_much, "invalid_secret"),
        (vec![unset], "invalid_secret"),
        (
            vec![of_file("A", &folder.path().join("none"))],
            "source_missing",
        ),
        (vec![of_file("A", folder.path())], "source_kind"),
        (vec![of_file("A", &fifo)], "source_kind"),
    ] {
        let error = read(&wanted).err().expect("it is refused");
        assert_eq!(error.code, code, "{error}");
        assert_eq!(error.to_string().find("vvvv"), None, "{error}");
    }
}

#[test]
fn only_their_owner_can_read_them_and_a_lost_one_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = crate::workspaces::store::Store::new(&Layout {
        cache: dir.path().join("cache"),
        state: dir.path().join("state"),
    });
    let materials = read(&[given("KEY", b"\0\x01"), given("TOKEN", b"abcdef")]).unwrap();
    let mut record = record("00000000000a", None);
    record.secrets = materials.iter().map(|one| one.secret.clone()).collect();
    let folder = store.create(&record).unwrap();
    super::store(&folder, &materials).unwrap();
    let mode = |path: &str| {
        let found = std::fs::metadata(folder.file(path)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode("secrets"), 0o700);
    assert_eq!(mode("secrets/TOKEN.secret"), 0o600);
    let text = std::fs::read_to_string(folder.file("workspace.json")).unwrap();
    assert!(text.contains("TOKEN") && !text.contains("abcdef"));
    let secrets = Secrets::load(&folder, &folder.load().unwrap()).unwrap();
    assert_eq!(secrets.redactor().text("is abcdef"), "is [REDACTED]");
    assert_eq!(secrets.named([1].into_iter()), ["TOKEN"]);
    std::fs::remove_file(folder.file("secrets/KEY.secret")).unwrap();
    let error = Secrets::load(&folder, &record)
        .err()
        .expect("it is missing");
    assert_eq!(error.code, "secret_missing");
    assert!(error.message.contains("KEY.secret"));
}

#[test]
fn a_mapping_is_checked() {
    let secrets = Secrets::new(BTreeMap::from([
        ("A".to_owned(), b"text\n".to_vec()),
        ("B".to_owned(), b"a\0b".to_vec()),
        ("C".to_owned(), b"\xff".to_vec()),
    ]));
    let map = |pairs: &[(&str, &str)]| {
        let wanted: Vec<_> = pairs
            .iter()
            .map(|(secret, env_var)| SecretEnv {
                secret: (*secret).to_owned(),
                env_var: (*env_var).to_owned(),
            })
            .collect();
        secrets.environment(&wanted).map_err(|error| error.code)
    };
    let expected = BTreeMap::from([("X".to_owned(), "text\n".to_owned())]);
    assert_eq!(map(&[("A", "X")]), Ok(expected));
    assert_eq!(map(&[("A", "X"), ("A", "Y")]), Err("invalid_secret_env"));
    assert_eq!(map(&[("A", "X"), ("B", "X")]), Err("invalid_secret_env"));
    assert_eq!(map(&[("A", "X=Y")]), Err("invalid_secret_env"));
    assert_eq!(map(&[("NONE", "X")]), Err("unknown_secret"));
    assert_eq!(map(&[("B", "X")]), Err("secret_no_text"));
    assert_eq!(map(&[("C", "X")]), Err("secret_no_text"));
}
