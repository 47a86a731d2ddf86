//! Inspector on the command line, in both eras of the protocol; `--strict`
//! fails on a schema that some host could not take.

use crate::place::Place;
use pyro::surface::Surface;
use serde_json::Value;

const ERAS: [&str; 2] = ["legacy", "modern"];

/// What it prints; it succeeds.
fn inspect(place: &Place, era: &str, options: &[&str], asked: &[&str]) -> (Value, String) {
    let mut command = place.command("mcp-inspector");
    command
        .args([
            "--cli",
            "--quiet",
            "--format",
            "json",
            "--protocol-era",
            era,
        ])
        .args(asked)
        .args([env!("CARGO_BIN_EXE_pyro"), "mcp", "serve"])
        .args(options);
    let ended = place.run(command, 60);
    let report = ended.stderr.clone();
    let printed = ended.stdout();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    (printed["result"].clone(), report)
}

/// The flag that makes a server offer it.
fn flag(surface: Surface) -> &'static str {
    match surface {
        Surface::Profile(_) => "--profile",
        Surface::Mode(_) => "--mode",
    }
}

#[test]
fn schemas_of_every_surface_are_portable() {
    let place = Place::new();
    for surface in Surface::ALL {
        for era in ERAS {
            let options = [flag(surface), surface.name()];
            let asked = ["--strict", "--method", "tools/list"];
            let (list, report) = inspect(&place, era, &options, &asked);
            let tools = list["tools"].as_array().unwrap().iter();
            let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
            assert_eq!(names, surface.tools().collect::<Vec<_>>(), "{era}");
            let errors = report.lines().filter(|line| line.starts_with("Error: "));
            assert_eq!(errors.collect::<Vec<_>>(), Vec::<&str>::new());
        }
    }
}

#[test]
fn a_call_is_answered_in_both_eras() {
    let place = Place::new();
    for era in ERAS {
        let asked = [
            "--method",
            "tools/call",
            "--tool-name",
            "workspace_list",
            "--tool-args-json",
            "{}",
        ];
        let (result, _) = inspect(&place, era, &[], &asked);
        assert_eq!(result["structuredContent"]["count"], 0, "{era}: {result}");
    }
}
