//! A summary as one page, for a reviewer with a browser and nothing else.
//!
//! ```text
//!   header   outcome, counts, facts
//!   changes  (changes.rs)  paths with their lines, then the patch of each, patch.rs
//!   log      (log.rs)      commands with what they wrote, and events, in order
//! ```
//!
//! Owns: what is on it. It is one file: no script, nothing is loaded, and a
//! policy in it forbids both. Refuses: unbounded pages, and text that acts as
//! markup (markup.rs).

mod changes;
mod log;
mod markup;
mod patch;
#[cfg(test)]
mod tests;
mod words;

use super::build::{Session, beginning, failed};
use super::payloads::WorkspaceSummary;
use crate::guest::Output;
use crate::workspaces::journal;
use crate::workspaces::payloads::{LogStream, StopReason, WorkspaceState};
use markup::Markup;
use words::{count, moment};

/// Everything that stands on a page.
pub struct Page<'a> {
    pub summary: &'a WorkspaceSummary,
    pub session: &'a Session,
    /// Beginning and end of what a command wrote.
    pub written: &'a dyn Fn(&journal::Entry, LogStream) -> Output,
    /// Unix time in seconds.
    pub made_at: f64,
}

/// The page as HTML.
pub fn html(page: &Page) -> String {
    let mut out = Markup::default();
    out.raw(concat!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
    ));
    out.text(title(page.summary))
        .raw(" – pyro review</title>\n<style>\n")
        .raw(include_str!("style.css"))
        .raw("</style>\n</head>\n<body>\n");
    header(&mut out, page);
    out.raw("<main>\n");
    changes::changes(&mut out, page);
    log::log(&mut out, page);
    out.raw("</main>\n");
    footer(&mut out, page);
    out.raw("</body>\n</html>\n");
    out.finish()
}

fn title(summary: &WorkspaceSummary) -> &str {
    summary.name.as_deref().unwrap_or(&summary.workspace_id)
}

fn header(out: &mut Markup, page: &Page) {
    let summary = page.summary;
    out.raw("<header>\n<p class=\"kind\">Workspace review</p>\n<h1>")
        .text(title(summary));
    if summary.name.is_some() {
        out.raw("<code>").text(&summary.workspace_id).raw("</code>");
    }
    out.raw("</h1>\n");
    outcome(out, page);
    tiles(out, page);
    facts(out, page);
    out.raw("</header>\n");
}

fn outcome(out: &mut Markup, page: &Page) {
    let outcome = &page.summary.outcome;
    let last = outcome.last_command.as_ref();
    let (class, how) = match last.map(|last| last.exit_code) {
        Some(Some(0)) => ("outcome good", "The last command succeeded: ".to_owned()),
        Some(Some(code)) => (
            "outcome bad",
            format!("The last command failed with exit code {code}: "),
        ),
        Some(None) => (
            "outcome bad",
            "The last command ended without an exit code: ".to_owned(),
        ),
        None => ("outcome", "No command has ended.".to_owned()),
    };
    out.raw("<div")
        .attribute("class", class)
        .raw("><p>")
        .text(&how);
    if let Some(last) = last {
        out.raw("<code>")
            .text(&beginning(&last.command, 300))
            .raw("</code>");
    }
    out.raw("</p>");
    if let Some(error) = &outcome.last_error {
        out.raw("<p>Its machine: ").text(error).raw("</p>");
    }
    failures(out, page);
    out.raw("</div>\n");
}

/// Links to those that failed.
fn failures(out: &mut Markup, page: &Page) {
    const MOST: usize = 20;
    let failures: Vec<_> = page
        .session
        .commands
        .iter()
        .filter(|entry| failed(entry))
        .collect();
    if failures.is_empty() {
        return;
    }
    out.raw("<p>Failed:");
    for entry in failures.iter().rev().take(MOST).rev() {
        let number = entry.sequence.to_string();
        out.raw(" <a")
            .attribute("href", &format!("#c{number}"))
            .raw(">#")
            .text(&number)
            .raw("</a>");
    }
    if failures.len() > MOST {
        out.text(&format!(" and {} before", failures.len() - MOST));
    }
    out.raw("</p>");
}

fn tiles(out: &mut Markup, page: &Page) {
    let summary = page.summary;
    out.raw("<ul class=\"tiles\">\n");
    let mut tile = |number: String, what: &str| {
        out.raw("<li><b>").text(&number).raw("</b><span>");
        out.text(what).raw("</span></li>\n");
    };
    let commands = &summary.commands;
    let mut what = if commands.total == 1 {
        "command"
    } else {
        "commands"
    }
    .to_owned();
    for (number, how) in [(commands.failed, "failed"), (commands.running, "running")] {
        if number > 0 {
            what.push_str(&format!(", {number} {how}"));
        }
    }
    tile(commands.total.to_string(), &what);
    match &summary.changes.summary {
        Some(changed) => tile(
            changed.total.to_string(),
            &format!(
                "changed: {} added, {} modified, {} deleted",
                changed.added,
                changed.modified + changed.type_changed,
                changed.deleted
            ),
        ),
        None => tile("?".to_owned(), "changed: not known"),
    }
    tile(
        summary.edits.total.to_string(),
        "edits: writes, patches, syncs",
    );
    let exports = summary.outcome.export_count;
    tile(
        exports.to_string(),
        if exports == 1 { "export" } else { "exports" },
    );
    let kept = summary.snapshots.named_count;
    tile(
        kept.to_string(),
        if kept == 1 {
            "snapshot kept"
        } else {
            "snapshots kept"
        },
    );
    out.raw("</ul>\n");
}

fn why(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Requested => "somebody stopped it",
        StopReason::Idle => "nobody used it",
        StopReason::GuestGone => "its guest ended",
        StopReason::SupervisorGone => "its supervisor ended",
        StopReason::StartFailed => "it did not start",
    }
}

fn facts(out: &mut Markup, page: &Page) {
    let summary = page.summary;
    let workspace = &page.session.workspace;
    out.raw("<dl>\n");
    let mut fact = |name: &'static str, value: &str| {
        if !value.is_empty() {
            out.raw("<dt>").raw(name).raw("</dt><dd>");
            out.text(value).raw("</dd>\n");
        }
    };
    let version = summary.environment_version.as_deref().unwrap_or_default();
    fact(
        "Environment",
        format!("{} {version}", summary.environment).trim(),
    );
    let state = match (summary.state, summary.stop_reason) {
        (WorkspaceState::Started, _) => "started".to_owned(),
        (WorkspaceState::Creating, _) => "being made".to_owned(),
        (WorkspaceState::Stopped, None) => "stopped".to_owned(),
        (WorkspaceState::Stopped, Some(reason)) => format!("stopped ({})", why(reason)),
    };
    fact("State", &state);
    let began = match summary.outcome.reset_count {
        0 => "created".to_owned(),
        resets => format!("reset, {}", count(resets, "reset")),
    };
    let session = format!("since {} ({began})", moment(summary.session_started_at));
    fact("Session", &session);
    fact("Last activity", &moment(summary.last_activity_at));
    fact("Seed", summary.seed_path.as_deref().unwrap_or_default());
    let labels: Vec<_> = summary
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    fact("Labels", &labels.join(", "));
    let backend = workspace.backend.as_deref().unwrap_or_default();
    let machine = format!(
        "{}, {} MiB{}{backend}",
        count(workspace.vcpu_count.into(), "vCPU"),
        workspace.mem_mib,
        if backend.is_empty() { "" } else { ", " },
    );
    fact("Machine", &machine);
    let services = summary.services.current.iter();
    let services: Vec<_> = services
        .map(|service| format!("{} {}", service.service_name, service.state.as_str()))
        .collect();
    fact("Services", &services.join(", "));
    fact("Network", &workspace.network_policy);
    out.raw("</dl>\n");
}

fn footer(out: &mut Markup, page: &Page) {
    out.raw("<footer>\n<p>Made by pyro ")
        .text(env!("CARGO_PKG_VERSION"))
        .raw(" at ")
        .text(&moment(page.made_at))
        .raw(
            ". Times are UTC. The page runs nothing and loads nothing. Characters that cannot be seen, or that \
             change the direction of text, are shown by name: <span class=\"odd\">ESC</span>, \
             <span class=\"odd\">U+202E</span>.</p>\n</footer>\n",
        );
}
