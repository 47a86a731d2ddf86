//! Commands and events in the order of their beginning.
//!
//! Owns: one list of both, and how much of what a command wrote is on the page.

use super::Page;
use super::markup::Markup;
use super::words::{count, date_and_time, duration, size};
use crate::workspaces::journal::Entry;
use crate::workspaces::payloads::{CommandState, LogStream};
use crate::workspaces::summary::build::{beginning, failed};
use crate::workspaces::summary::payloads::{Done, ReviewEvent};

/// Most rows; the older ones are left out.
const ROWS: usize = 300;
/// Most commands that failed and are open at first, the last ones.
const OPEN: usize = 3;
/// Most characters of a command where it is one of many, and of one that is open.
const SHORT_CHARS: usize = 200;
const COMMAND_CHARS: usize = 20_000;

enum Row<'a> {
    Command(&'a Entry),
    Event(&'a ReviewEvent),
}

impl Row<'_> {
    fn at(&self) -> f64 {
        match self {
            Self::Command(entry) => entry.started_at,
            Self::Event(event) => event.recorded_at,
        }
    }
}

pub fn log(out: &mut Markup, page: &Page) {
    let session = page.session;
    let commands = session.commands.iter().map(Row::Command);
    let events = session.history.events.iter().map(Row::Event);
    let mut rows: Vec<_> = commands.chain(events).collect();
    rows.sort_by(|one, other| one.at().total_cmp(&other.at()));
    out.raw("<section>\n<h2>What was done");
    out.raw("<span>in order</span></h2>\n");
    if rows.is_empty() {
        out.raw("<p class=\"note\">Nothing since the session began.</p>\n");
    }
    let left_out = rows.len().saturating_sub(ROWS);
    let history = &session.history;
    for (number, what) in [
        (left_out as u64, "are not on the page"),
        (history.dropped_count, "are not on record any more"),
        (
            history.unreadable_count + session.unreadable_commands,
            "cannot be read",
        ),
    ] {
        if number > 0 {
            out.raw("<p class=\"note warn\">")
                .text(&format!("Of these, {number} {what}."))
                .raw("</p>\n");
        }
    }
    let failures = session.commands.iter().filter(|entry| failed(entry));
    let open: Vec<u64> = failures
        .rev()
        .take(OPEN)
        .map(|entry| entry.sequence)
        .collect();
    out.raw("<ol class=\"log\">\n");
    let mut day = String::new();
    for row in &rows[left_out..] {
        let (date, time) = date_and_time(row.at());
        if date != day {
            out.raw("<li class=\"day\">").text(&date).raw("</li>\n");
            day = date;
        }
        match row {
            Row::Command(entry) => command(out, page, entry, &time, open.contains(&entry.sequence)),
            Row::Event(event) => {
                out.raw("<li><div class=\"row\"><span class=\"time\">")
                    .text(&time);
                out.raw("</span>");
                self::event(out, &event.done);
                out.raw("</div></li>\n");
            }
        }
    }
    out.raw("</ol>\n</section>\n");
}

fn command(out: &mut Markup, page: &Page, entry: &Entry, time: &str, open: bool) {
    let now = page.made_at;
    out.raw("<li><details")
        .attribute("id", &format!("c{}", entry.sequence))
        .raw(if open { " open" } else { "" })
        .raw("><summary><span class=\"right\">")
        .text(&duration(entry.duration_ms(now)))
        .raw("</span><span class=\"time\">")
        .text(time)
        .raw("</span>");
    ended(out, entry);
    out.raw(" <span class=\"dim\">#")
        .text(&entry.sequence.to_string())
        .raw("</span> <code>")
        .text(&beginning(&entry.command, SHORT_CHARS))
        .raw("</code></summary>\n");
    if entry.command.chars().nth(SHORT_CHARS).is_some() {
        out.raw("<p class=\"stream\">command</p><pre>\n")
            .text(&beginning(&entry.command, COMMAND_CHARS))
            .raw("</pre>\n");
    }
    if let Some(error) = entry.ended.as_ref().and_then(|ended| ended.error.as_ref()) {
        out.raw("<p class=\"dim\">").text(error).raw("</p>\n");
    }
    let mut silent = true;
    for (stream, name) in [
        (LogStream::Stdout, "standard output"),
        (LogStream::Stderr, "standard error"),
    ] {
        let total_bytes = entry.written(stream).total_bytes;
        if total_bytes == 0 {
            continue;
        }
        silent = false;
        let written = (page.written)(entry, stream);
        out.raw("<p class=\"stream\">")
            .text(&format!("{name}, {}", size(total_bytes)));
        if written.truncated || written.total_bytes < total_bytes {
            out.text("; only its beginning and end are here");
        }
        if written.lossy {
            out.text("; not all of it is text");
        }
        out.raw("</p><pre")
            .raw(if stream == LogStream::Stderr {
                " class=\"err\""
            } else {
                ""
            })
            // A first newline would be taken for none.
            .raw(">\n")
            .text(&written.text)
            .raw("</pre>\n");
    }
    if silent {
        out.raw("<p class=\"dim\">It wrote nothing.</p>\n");
    }
    out.raw("</details></li>\n");
}

fn ended(out: &mut Markup, entry: &Entry) {
    let ended = entry.ended.as_ref();
    let (class, what) = match (entry.state(), ended.and_then(|ended| ended.exit_code)) {
        (CommandState::Running, _) => ("tag warn", "running".to_owned()),
        (CommandState::Exited, Some(0)) => ("tag good", "exit 0".to_owned()),
        (CommandState::Exited, Some(_)) if ended.is_some_and(|ended| ended.timed_out) => {
            ("tag bad", "timed out".to_owned())
        }
        (_, Some(code)) => ("tag bad", format!("exit {code}")),
        (CommandState::Cancelled, None) => ("tag warn", "cancelled".to_owned()),
        (CommandState::Stopped, None) => ("tag bad", "stopped".to_owned()),
        (CommandState::Lost, None) => ("tag bad", "lost".to_owned()),
        (CommandState::Exited | CommandState::Failed, None) => ("tag bad", "failed".to_owned()),
    };
    out.raw("<span")
        .attribute("class", class)
        .raw(">")
        .text(&what)
        .raw("</span>");
}

fn event(out: &mut Markup, done: &Done) {
    let mut say = |what: &str, name: &str, rest: &str| {
        out.raw("<span class=\"tag\">")
            .text(what)
            .raw("</span> <code>");
        out.text(name).raw("</code> ").text(rest);
    };
    match done {
        Done::FileWrite {
            path,
            size_bytes,
            created,
            ..
        } => {
            let how = if *created { "new" } else { "replaced" };
            say("write", path, &format!("{how}, {}", size(*size_bytes)));
        }
        Done::PatchApply {
            total,
            added,
            modified,
            deleted,
            paths,
        } => {
            let more = if *total > paths.len() as u64 {
                ", …"
            } else {
                ""
            };
            let rest = format!(
                "{}: {added} added, {modified} modified, {deleted} deleted",
                count(*total, "file")
            );
            say("patch", &(paths.join(", ") + more), &rest);
        }
        Done::SyncPush {
            source_path,
            destination,
            entry_count,
            bytes_written,
            deleted_count,
            ..
        } => {
            let entries = if *entry_count == 1 {
                "1 entry".to_owned()
            } else {
                format!("{entry_count} entries")
            };
            let rest = format!(
                "into {destination}: {entries}, {}, {deleted_count} deleted",
                size(*bytes_written)
            );
            say("sync", source_path, &rest);
        }
        Done::Export {
            workspace_path,
            output_path,
            patch,
            bytes_written,
            ..
        } => {
            let what = if *patch { "export patch" } else { "export" };
            let rest = format!("to {output_path}, {}", size(*bytes_written));
            say(what, workspace_path, &rest);
        }
        Done::SnapshotCreate {
            snapshot_name,
            bytes_written,
        } => say(
            "snapshot",
            snapshot_name,
            &format!("made, {} on this host", size(*bytes_written)),
        ),
        Done::ServiceStart {
            service_name,
            state,
            ..
        } => say(
            "service",
            service_name,
            &format!("started: {}", state.as_str()),
        ),
        Done::ServiceStop {
            service_name,
            state,
            exit_code,
            ..
        } => {
            let code = exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
            say(
                "service",
                service_name,
                &format!("{}{code}", state.as_str()),
            );
        }
        Done::SnapshotDelete { snapshot_name } => say("snapshot", snapshot_name, "removed"),
    }
}
