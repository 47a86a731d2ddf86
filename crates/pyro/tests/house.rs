//! House rules that fail the build.
//!
//! Owns: rules about files as text. Refuses: what rustfmt, clippy and the
//! workspace's lints already say.

use std::path::{Path, PathBuf};

const MOST_LINES: usize = 500;
const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "common", "helpers", "helper", "manager", "misc", "inner",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file below, without what cargo, git and Python make.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !["target", ".git", "__pycache__", ".venv"]
                .iter()
                .any(|made| name == *made)
            {
                files(&entry.path(), found);
            }
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join("crates"), &mut found);
    let sources: Vec<_> = found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(sources.len() > 20, "looked in the wrong place");
    sources
}

/// Fails once, naming every offender.
fn none(rule: &str, offenders: impl Iterator<Item = String>) {
    let offenders: Vec<_> = offenders.collect();
    assert!(offenders.is_empty(), "{rule}:\n{}", offenders.join("\n"));
}

fn places(sources: &[(PathBuf, String)], bad: impl Fn(&str) -> bool) -> Vec<String> {
    sources
        .iter()
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| bad(line))
                .map(|(number, _)| format!("{}:{}", path.display(), number + 1))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let silent = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"));
    none(
        "a file opens with //!",
        silent.map(|(path, _)| path.display().to_string()),
    );
}

#[test]
fn no_file_is_a_giant() {
    let long = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > MOST_LINES);
    none(
        "a file has at most 500 lines",
        long.map(|(path, _)| path.display().to_string()),
    );
}

#[test]
fn names_say_something() {
    let vague = sources().into_iter().filter(|(path, _)| {
        path.strip_prefix(root())
            .unwrap()
            .with_extension("")
            .components()
            .any(|part| EMPTY_NAMES.iter().any(|name| part.as_os_str() == *name))
    });
    none(
        "a name says what is inside",
        vague.map(|(path, _)| path.display().to_string()),
    );
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, or this line would find itself.
    let words = [
        concat!("#[", "ignore"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let later = places(&sources(), |line| {
        words.iter().any(|word| line.contains(word))
    });
    none("no ignored test and no stub", later.into_iter());
}

#[test]
fn no_registry_is_named() {
    let hosts = [
        concat!("docker", ".io"),
        concat!("ghcr", ".io"),
        concat!("quay", ".io"),
        concat!("gcr", ".io"),
        concat!("pkg", ".dev"),
        concat!("registry.k8s", ".io"),
        concat!("public.ecr", ".aws"),
        concat!("mcr.microsoft", ".com"),
    ];
    let mut found = Vec::new();
    files(&root(), &mut found);
    // Cargo.lock names the crates' own index.
    let texts: Vec<_> = found
        .into_iter()
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
        .collect();
    let named = places(&texts, |line| hosts.iter().any(|host| line.contains(host)));
    none("no file names a registry's host", named.into_iter());
}
