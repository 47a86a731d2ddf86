//! `pyro host connect`, `doctor` and `repair` beside the real hosts: what they
//! write is what each host reads, and nothing else of a person's settings
//! changes.

use crate::hosts::Host;
use crate::model::{Model, Next};
use crate::place::Place;
use serde_json::Value;
use std::fs;

const OPTIONS: [&str; 3] = ["--mode", "repro-fix", "--json"];

fn host_command(place: &Place, words: &[&str]) -> Value {
    let words = [&["host"], words, &OPTIONS].concat();
    serde_json::from_str(&place.pyro(&words, 60).stdout()).unwrap()
}

/// What the doctor says of a host.
fn report(place: &Place, host: Host) -> Value {
    let report = host_command(place, &["doctor"]);
    let hosts = report["hosts"].as_array().unwrap().iter();
    let mut own = hosts.filter(|one| one["host"] == host.name());
    own.next().unwrap().clone()
}

/// That `after` is `before` with one piece put in.
fn only_grew(before: &str, after: &str) {
    let same = |(a, b): &(char, char)| a == b;
    let start = before.chars().zip(after.chars()).take_while(same).count();
    let backwards = before.chars().rev().zip(after.chars().rev());
    let end = backwards.take_while(same).count();
    assert!(
        start + end >= before.chars().count(),
        "{before}\n--->\n{after}"
    );
}

fn is_known_checked_and_mended(host: Host) {
    let model = Model::start(host.api(), |_| Next::End);
    let place = Place::new().behind(&model.url());
    let settings = host.settings(&place);
    let read = || fs::read_to_string(&settings).unwrap();
    let mine = host.write_settings(&place, &model);
    assert_eq!(report(&place, host)["status"], "missing");

    let connected = host_command(&place, &["connect", host.name()]);
    assert_eq!(connected["changed"], true, "{connected}");
    assert_eq!(connected["config_path"], settings.to_str().unwrap());
    let written = read();
    only_grew(&mine, &written);
    let backup = connected["backup_path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), mine);
    let checked = report(&place, host);
    assert_eq!(checked["status"], "ok", "{checked}");
    let again = host_command(&place, &["connect", host.name()]);
    assert_eq!(again["changed"], false, "{again}");
    assert_eq!(read(), written);

    // The host's own commands know the server and the one that was there.
    let listed = host.listed(&place);
    assert!(
        listed.contains("pyro") && listed.contains("other"),
        "{listed}"
    );

    // Somebody edits the entry.
    fs::write(&settings, written.replace("repro-fix", "inspect")).unwrap();
    let drifted = report(&place, host);
    assert_eq!(drifted["status"], "drifted", "{drifted}");
    let details = drifted["details"].as_str().unwrap();
    assert!(
        details.contains("inspect") && details.contains("repro-fix"),
        "{details}"
    );
    host_command(&place, &["repair", host.name()]);
    assert_eq!(report(&place, host)["status"], "ok");
    assert_eq!(read(), written);
    place.nothing_is_left();
}

#[test]
fn claude_code_knows_it() {
    is_known_checked_and_mended(Host::ClaudeCode);
}

#[test]
fn codex_knows_it() {
    is_known_checked_and_mended(Host::Codex);
}

#[test]
fn opencode_knows_it() {
    is_known_checked_and_mended(Host::OpenCode);
}
