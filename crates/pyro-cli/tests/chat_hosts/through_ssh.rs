//! A host that starts pyro on another machine, as `pyro host connect --ssh`
//! told it to: the real Claude Code, the real ssh, a real sshd.

use crate::far_machine::FarMachine;
use crate::hosts::Host;
use crate::model::{Model, Next};
use crate::place::Place;
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn claude_code_works_with_it() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let host = Host::ClaudeCode;
    let model = Model::start(host.api(), move |results| match results.len() {
        0 => host.call("workspace_list", json!({})),
        _ => Next::End,
    });
    // ssh is found as the person's own PATH has it.
    let place = Place::new()
        .behind(&model.url())
        .first_on_path(machine.path("near/bin"));
    host.write_settings(&place, &model);
    host.connect(&place, &["--ssh", "box", "--mode", "repro-fix"]);
    let doctor = place.pyro(&["host", "doctor"], 60).stdout();
    assert!(doctor.contains("claude starts this server"), "{doctor}");
    host.ask(&place, &model, 60).stdout();
    assert_eq!(model.received()[0].field("count"), 0);
    // Nothing of it began here.
    assert!(!place.home().join("state/workspaces").exists());
    place.nothing_is_left();
    let began = Instant::now();
    while !machine.processes().is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "pyro is left over there"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
