//! What changed: all paths, then the patch of each.
//!
//! Owns: which patches are open, and how much of them is on the page.

use super::Page;
use super::markup::Markup;
use super::patch::{self, Line};
use super::words::{count, size};
use crate::artifact::ArtifactType;
use crate::diff::{Entry, Status};
use crate::workspaces::summary::build::beginning;

/// Most lines of all patches, of one, and of one that is open at first; most
/// of those that are open at first.
const LINES: usize = 20_000;
const FILE_LINES: usize = 3000;
const OPEN_FILE_LINES: usize = 300;
const OPEN_LINES: usize = 3000;
/// Most characters of a line.
const LINE_CHARS: usize = 2000;
/// Most paths.
const PATHS: usize = 1000;
/// Parts of a bar.
const BAR: usize = 10;

pub fn changes(out: &mut Markup, page: &Page) {
    out.raw("<section>\n<h2>Changes");
    let changes = match &page.session.changes {
        Ok(changes) => changes,
        Err(reason) => {
            out.raw("</h2>\n<p class=\"note warn\">Not known: ")
                .text(reason)
                .raw("</p>\n</section>\n");
            return;
        }
    };
    let entries = &changes.diff.entries;
    let sum = |of: fn(&Entry) -> Option<usize>| entries.iter().filter_map(of).sum();
    let total: (usize, usize) = (
        sum(|entry| entry.lines_added),
        sum(|entry| entry.lines_deleted),
    );
    if !entries.is_empty() {
        out.raw("<span>").text(&count(entries.len() as u64, "path"));
        out.raw(" ");
        lines(out, Some(total.0), Some(total.1));
        out.raw("</span>");
    }
    out.raw("</h2>\n");
    if entries.is_empty() {
        out.raw(
            "<p class=\"note\">Nothing differs from what the workspace was created with.</p>\n",
        );
    } else {
        table(out, entries);
        patches(out, page, entries);
    }
    if changes.cut {
        out.raw("<p class=\"note warn\">There are more changes than can be told.</p>\n");
    }
    if changes.git_skipped > 0 {
        out.raw("<p class=\"dim\"><code>.git</code> was touched and is not compared.</p>\n");
    }
    out.raw("</section>\n");
}

fn lines(out: &mut Markup, added: Option<usize>, deleted: Option<usize>) {
    for (class, sign, number) in [("plus", "+", added), ("minus", "−", deleted)] {
        if let Some(number) = number {
            out.raw("<span")
                .attribute("class", class)
                .raw(">")
                .text(&format!("{sign}{number}"))
                .raw("</span> ");
        }
    }
}

/// How much changed.
fn extent(out: &mut Markup, entry: &Entry) {
    match entry.lines_added.zip(entry.lines_deleted) {
        Some(number) if number != (0, 0) => lines(out, Some(number.0), Some(number.1)),
        _ => drop(
            out.raw("<span class=\"dim\">")
                .text(kind(entry))
                .raw("</span>"),
        ),
    }
}

fn table(out: &mut Markup, entries: &[Entry]) {
    let of = |entry: &Entry| entry.lines_added.unwrap_or(0) + entry.lines_deleted.unwrap_or(0);
    let most = entries.iter().map(of).max().unwrap_or_default().max(BAR);
    out.raw("<table class=\"stat\">\n");
    for (number, entry) in entries.iter().take(PATHS).enumerate() {
        out.raw("<tr><td>");
        tag(out, entry.status);
        out.raw("</td><td><a class=\"name\"")
            .attribute("href", &format!("#f{number}"))
            .raw("><code>")
            .text(&entry.path)
            .raw("</code></a></td><td>");
        extent(out, entry);
        out.raw("</td><td>");
        for (class, number) in [("bar a", entry.lines_added), ("bar d", entry.lines_deleted)] {
            let parts = number.map_or(0, |number| (number * BAR).div_ceil(most));
            if parts > 0 {
                // A width is an attribute of style, which the policy allows.
                out.raw("<span")
                    .attribute("class", class)
                    .attribute("style", &format!("width:{}rem", parts as f32 * 0.4))
                    .raw("></span>");
            }
        }
        out.raw("</td></tr>\n");
    }
    out.raw("</table>\n");
    if entries.len() > PATHS {
        let more = count((entries.len() - PATHS) as u64, "path");
        out.raw("<p class=\"note warn\">")
            .text(&more)
            .raw(" more are not shown.</p>\n");
    }
}

fn tag(out: &mut Markup, status: Status) {
    let (class, letter, name) = match status {
        Status::Added => ("tag good", "A", "added"),
        Status::Modified => ("tag", "M", "modified"),
        Status::Deleted => ("tag bad", "D", "deleted"),
        Status::TypeChanged => ("tag warn", "T", "type changed"),
    };
    out.raw("<span")
        .attribute("class", class)
        .attribute("title", name)
        .raw(">")
        .text(letter)
        .raw("</span>");
}

fn kind(entry: &Entry) -> &'static str {
    match entry.artifact_type {
        ArtifactType::Directory => "directory",
        ArtifactType::Symlink => "link",
        ArtifactType::Other => "special file",
        ArtifactType::File if entry.binary => "binary",
        ArtifactType::File if entry.old_mode.is_some() => "mode",
        ArtifactType::File if entry.truncated => "too large",
        ArtifactType::File => "empty",
    }
}

fn patches(out: &mut Markup, page: &Page, entries: &[Entry]) {
    let (mut left, mut open_left) = (LINES, OPEN_LINES);
    for (number, entry) in entries.iter().take(PATHS).enumerate() {
        let text = entry.text_patch.as_deref().unwrap_or_default();
        let found: Vec<_> = patch::lines(text)
            .filter(|line| says_something(entry, *line))
            .collect();
        let open = found.len() <= OPEN_FILE_LINES.min(open_left);
        if open {
            open_left -= found.len();
        }
        out.raw("<details class=\"file\"")
            .attribute("id", &format!("f{number}"))
            .raw(if open { " open" } else { "" })
            .raw("><summary><span class=\"right\">");
        extent(out, entry);
        out.raw("</span>");
        tag(out, entry.status);
        out.raw(" <code class=\"name\">")
            .text(&entry.path)
            .raw("</code></summary>\n");
        about(out, entry);
        let shown = found.len().min(FILE_LINES).min(left);
        left -= shown;
        if shown > 0 {
            out.raw("<table class=\"diff\"><col class=\"n o\"><col class=\"n\"><col>\n");
            for line in &found[..shown] {
                row(out, *line);
            }
            out.raw("</table>\n");
        }
        if shown < found.len() {
            out.raw("<p class=\"note warn\">")
                .text(&count((found.len() - shown) as u64, "line"))
                .raw(" of this patch are not on the page: <code>pyro workspace diff ")
                .text(&page.summary.workspace_id)
                .raw(" ")
                .text(&entry.path)
                .raw("</code></p>\n");
        }
        out.raw("</details>\n");
    }
}

/// What no line of a patch says.
fn about(out: &mut Markup, entry: &Entry) {
    let bytes = size(entry.size_bytes);
    let what = match entry.artifact_type {
        ArtifactType::Directory => Some("An empty directory.".to_owned()),
        ArtifactType::Other => Some("A special file.".to_owned()),
        ArtifactType::Symlink => Some("A link; its target is shown as its text.".to_owned()),
        ArtifactType::File if entry.binary => Some(format!("Binary, {bytes}.")),
        ArtifactType::File if entry.truncated => {
            Some(format!("Too large to be compared here, {bytes}."))
        }
        ArtifactType::File => None,
    };
    let modes = entry.old_mode.as_ref().zip(entry.new_mode.as_ref());
    for said in [what, modes.map(|(old, new)| format!("Mode {old} → {new}."))]
        .into_iter()
        .flatten()
    {
        out.raw("<p class=\"dim\">").text(&said).raw("</p>\n");
    }
}

/// Modes that changed have a sentence of their own, most of the others are
/// the usual one, and no target of a link ends its line.
fn says_something(entry: &Entry, line: Line) -> bool {
    let known = ["old mode ", "new mode ", "deleted file mode "];
    match line {
        Line::About(text) => {
            entry.status == Status::TypeChanged
                || !(text == "new file mode 100644"
                    || text == "new file mode 120000"
                    || known.iter().any(|word| text.starts_with(word)))
        }
        Line::NoNewline => entry.artifact_type != ArtifactType::Symlink,
        _ => true,
    }
}

fn row(out: &mut Markup, line: Line) {
    let wide = |out: &mut Markup, class: &str, text: &str| {
        out.raw("<tr")
            .attribute("class", class)
            .raw("><td class=\"none\"></td><td class=\"none\"></td><td>")
            .text(&beginning(text, LINE_CHARS))
            .raw("</td></tr>\n");
    };
    let sides = |out: &mut Markup, class: &str, old: Option<u64>, new: Option<u64>, text: &str| {
        out.raw("<tr").attribute("class", class).raw(">");
        for number in [old, new] {
            match number {
                Some(number) => out
                    .raw("<td")
                    .attribute("data-n", &number.to_string())
                    .raw("></td>"),
                None => out.raw("<td class=\"none\"></td>"),
            };
        }
        out.raw("<td>")
            .text(&beginning(text, LINE_CHARS))
            .raw("</td></tr>\n");
    };
    match line {
        Line::About(text) => wide(out, "m", text),
        Line::Hunk(text) => wide(out, "h", text),
        Line::NoNewline => wide(out, "m", "no newline at the end of the file"),
        Line::Same(old, new, text) => sides(out, "s", Some(old), Some(new), text),
        Line::Deleted(old, text) => sides(out, "d", Some(old), None, text),
        Line::Added(new, text) => sides(out, "a", None, Some(new), text),
    }
}
