//! What a real browser makes of a page.

use super::Desk;
use crate::machine::text;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The page's elements; none, with the reason printed, where there is no browser.
pub fn dom(desk: &Desk, url: &str) -> Option<String> {
    Some(text(&run(desk, url, "--dump-dom")?.stdout))
}

/// The page as PNG, in the test's folder.
pub fn picture(desk: &Desk, url: &str) -> Option<Vec<u8>> {
    let path = desk.place.folder.path().join("page.png");
    run(desk, url, &format!("--screenshot={}", path.display()))?;
    Some(std::fs::read(path).unwrap())
}

fn run(desk: &Desk, url: &str, wanted: &str) -> Option<Output> {
    let Some(program) = program() else {
        eprintln!("skipped: no chromium on PATH to look at {url} with");
        return None;
    };
    let folder = desk.place.folder.path();
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--hide-scrollbars", "--window-size=640,360", wanted])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("browser").display()
        ))
        .arg(url)
        .env("HOME", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(output)
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| programs.map(|program| folder.join(program)))
        .find(|program| program.is_file())
}
