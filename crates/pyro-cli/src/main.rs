//! The program `pyro`: parses, calls the facade, renders, and decides nothing.
//!
//! ```text
//! words -> tree (from the operation table) -> call -> Row::call -> render
//!                                              ^ events: sink, signals: Cancel
//! ```
//!
//! Owns: exit codes, the two output formats, signals, the terminal.
//! Refuses: knowing what an operation does; a flag that is not in the table
//! does not exist, `--json` and the hidden generators excepted.

mod call;
mod colour;
mod failure;
mod generators;
mod logs;
mod output;
mod render;
mod signals;
mod sink;
mod tree;

use clap::FromArgMatches;
use output::{Ended, Stream};
use std::process::ExitCode;

fn main() -> ExitCode {
    logs::start();
    ExitCode::from(enter(std::env::args_os()))
}

fn enter(words: impl Iterator<Item = std::ffi::OsString>) -> u8 {
    let matches = match tree::tree().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    match tree::chosen(&matches) {
        tree::Chosen::Row(row, matches) => call::call(row, matches),
        tree::Chosen::Completions(matches) => generators::completions(matches),
        tree::Chosen::Man(matches) => generators::man(matches),
        tree::Chosen::McpServe(matches) => serve(matches),
        tree::Chosen::McpTools(matches) => tools(matches),
        tree::Chosen::Supervise(id) => supervise(id),
        tree::Chosen::Gateway(socket) => gateway(socket),
    }
}

/// Nothing but frames on stdout; why it could not begin is on stderr.
fn serve(matches: &clap::ArgMatches) -> u8 {
    let args = match pyro_mcp::ServeArgs::from_arg_matches(matches) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    match pyro_mcp::serve(args) {
        Ok(code) => code,
        Err(error) => failure::show(&error, false),
    }
}

/// What the tools of a server cost.
fn tools(matches: &clap::ArgMatches) -> u8 {
    let args = match pyro_mcp::ToolsArgs::from_arg_matches(matches) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let text = pyro_mcp::costs(&args).map(|costs| match args.json {
        true => render::json(&costs),
        false => render::tool_costs(&serde_json::json!(costs)),
    });
    match text {
        Ok(text) => match Stream::Stdout.write(text.as_bytes(), &pyro::Cancel::default()) {
            Ok(()) => 0,
            Err(Ended::Pipe) => output::BROKEN_PIPE,
            Err(ended) => failure::show(&ended.into_error(), args.json),
        },
        Err(error) => failure::show(&error, args.json),
    }
}

/// Its stderr is a file that the client shows when this fails at once.
fn supervise(id: &str) -> u8 {
    match pyro::Layout::from_env().and_then(|layout| pyro::supervise(&layout, id)) {
        Ok(()) => 0,
        Err(error) => failure::show(&error, false),
    }
}

/// Why it ended is said on its socket, too.
fn gateway(socket: i32) -> u8 {
    match pyro::gateway(socket) {
        Ok(()) => 0,
        Err(reason) => {
            let _ =
                Stream::Stderr.write(format!("{reason}\n").as_bytes(), &pyro::Cancel::default());
            125
        }
    }
}

/// What the parser has to say: help and version are results, the rest is 2.
fn usage(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let stream = if error.use_stderr() {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    match stream.write(text.as_bytes(), &pyro::Cancel::default()) {
        Err(Ended::Pipe) if !error.use_stderr() => output::BROKEN_PIPE,
        _ => u8::try_from(error.exit_code()).unwrap_or(2),
    }
}
