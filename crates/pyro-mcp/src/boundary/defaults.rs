//! What a request begins with where a model said nothing.
//!
//! ```text
//!   environment   the model's, else --environment, else the mode's, else debian:12
//!   /workspace    seed_path of the model, else the project of the server, else empty
//!                 seed_path "": empty, also where there is a project
//! ```
//!
//! Owns: filling it in. Refuses: what only an operator gives (`operators`).

use super::{given, takes};
use crate::config::Config;
use pyro::Row;
use pyro::project::ProjectSource;
use rmcp::model::JsonObject;

pub fn fill(config: &Config, row: &Row, request: &mut JsonObject) {
    if takes(row, "environment") && given(request, "environment").is_none() {
        request.insert("environment".into(), config.environment.clone().into());
    }
    if takes(row, "project_path") {
        begin(config, request);
    }
    if given(request, "seed_path").is_some_and(|seed| seed == "") {
        request.remove("seed_path");
    }
}

pub(super) fn begin(config: &Config, request: &mut JsonObject) {
    if given(request, "seed_path").is_some() {
        return;
    }
    match &config.project {
        None => {}
        Some(ProjectSource::Path { root, .. }) => {
            let root = root.display().to_string();
            request.insert("project_path".into(), root.into());
        }
        Some(ProjectSource::Url { url, reference }) => {
            request.insert("repo_url".into(), url.clone().into());
            if let Some(reference) = reference {
                request.insert("repo_ref".into(), reference.clone().into());
            }
        }
    }
}
