//! `prepare`, `demo` and `doctor --probe` on real guests.

use crate::machine::{ENVIRONMENT, Place, text};

fn json(place: &Place, arguments: &[&str]) -> serde_json::Value {
    let output = place.pyro(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stdout)))
}

#[test]
fn a_prepared_machine_is_warm_until_something_changes() {
    let place = Place::new();
    let first = json(&place, &["prepare", "--force", "--json"]);
    assert_eq!(
        (
            first["prepared"].as_bool(),
            first["reused"].as_bool(),
            first["executed"].as_bool()
        ),
        (Some(true), Some(false), Some(true))
    );
    let again = json(&place, &["prepare", "--json"]);
    assert_eq!(
        (
            again["prepared"].as_bool(),
            again["reused"].as_bool(),
            again["status"].as_str()
        ),
        (Some(true), Some(true), Some("warm"))
    );
    assert_eq!(
        json(&place, &["doctor", "--json"])["daily_loop"]["status"],
        "warm"
    );

    let network = json(&place, &["prepare", "--network", "--json"]);
    assert_eq!(
        (
            network["network_requested"].as_bool(),
            network["network_prepared"].as_bool()
        ),
        (Some(true), Some(true)),
        "{network}"
    );
    let again = json(&place, &["prepare", "--network", "--json"]);
    assert_eq!(
        (
            again["reused"].as_bool(),
            again["network_prepared"].as_bool()
        ),
        (Some(true), Some(true)),
        "{again}"
    );

    let manifest = first["manifest_path"].as_str().unwrap();
    let edited = std::fs::read_to_string(manifest)
        .unwrap()
        .replace("\"agent\": \"", "\"agent\": \"0");
    std::fs::write(manifest, edited).unwrap();
    let stale = json(&place, &["doctor", "--json"]);
    assert_eq!(stale["daily_loop"]["status"], "stale");
    assert!(
        stale["daily_loop"]["reason"]
            .as_str()
            .unwrap()
            .contains("the agent was"),
        "{stale}"
    );
    std::fs::remove_file(manifest).unwrap();
    assert_eq!(
        json(&place, &["doctor", "--json"])["daily_loop"]["status"],
        "cold"
    );
}

#[test]
fn the_probe_and_the_demo_run_a_real_guest() {
    let place = Place::new();
    let report = json(&place, &["doctor", "--probe", "--json"]);
    assert_eq!(report["probe"]["ok"], true, "{report}");
    let demo = json(&place, &["demo"]);
    assert_eq!(
        (demo["environment"].as_str(), demo["exit_code"].as_i64()),
        (Some(ENVIRONMENT), Some(0))
    );
    assert!(
        demo["stdout"]
            .as_str()
            .unwrap()
            .starts_with("git version 2.")
    );
}
