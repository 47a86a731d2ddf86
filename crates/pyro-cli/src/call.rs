//! One operation, from parsed words to an exit code.
//!
//! ```text
//! parse --> Pyro::from_env --> Row::call --> result on stdout --> exit code
//!   |            |                |              |
//!   2           125         125, 128 + n     141 (nobody reads)
//! ```
//!
//! Owns: the order of these steps. Refuses: formats (render) and messages
//! (failure).

use crate::output::{self, Ended, Stream};
use crate::{failure, render, signals, sink::Sink, tree, usage};
use clap::ArgMatches;
use pyro::{Cancel, Context, Error, Pyro, Row};
use rustix::termios::tcgetpgrp;
use serde_json::Value;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// A person's terminal on a shell.
const ATTACH: &str = "shell_attach";

pub fn call(row: &Row, matches: &ArgMatches) -> u8 {
    let json = matches.get_flag(tree::JSON);
    let only = row.only.filter(|_| matches.get_flag(tree::ONLY));
    let request = match (row.parse)(matches) {
        Ok(request) => request,
        Err(error) => return usage(&error),
    };
    let cancel = Cancel::default();
    let received = signals::receive(&cancel);
    // demo is a JSON command by contract: its output is not streamed either.
    // What attach streams is the screen of the person who waits for its JSON.
    let quiet = json && row.name != ATTACH || only.is_some() || row.name == "demo";
    let sink = Sink::new(quiet, &cancel);
    let outcome = Pyro::from_env().and_then(|pyro| {
        let context = Context {
            events: &sink,
            cancel: &cancel,
            stdin: stdin(),
        };
        (row.call)(&pyro, request.clone(), &context)
    });
    sink.finish();
    let exit_code = match (sink.ended(), outcome) {
        (Some(Ended::Pipe), _) => output::BROKEN_PIPE,
        (Some(ended @ Ended::Failed(..)), _) => failure::show(&ended.into_error(), json),
        (_, Err(error)) => failure::show(&error, json),
        (_, Ok(response)) => {
            let text = match only {
                Some((_, field)) => render::only(&response, field),
                None => render::result(row.name, json, &response, &sink),
            };
            match Stream::Stdout.write(text.as_bytes(), &cancel) {
                // What a result has streamed counts as well.
                Ok(()) if sink.ended() == Some(Ended::Pipe) => output::BROKEN_PIPE,
                Ok(()) => exit_code(row, &request, &response, json),
                Err(Ended::Pipe) => output::BROKEN_PIPE,
                Err(ended) => failure::show(&ended.into_error(), json),
            }
        }
    };
    received.exit_code().unwrap_or(exit_code)
}

/// What the guest's command reads: whatever pyro itself reads, in both output
/// formats. A terminal too, so that `pyro run debian:12 -- cat` or an
/// interpreter behaves as it does on the host; without it they would see the
/// end of input at once and seem broken. In the background a terminal is
/// left alone: reading it would stop the whole job. A closed stdin is
/// /dev/null by the time main runs.
fn stdin() -> Option<File> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() && tcgetpgrp(&stdin) != Ok(rustix::process::getpgrp()) {
        return None;
    }
    stdin.as_fd().try_clone_to_owned().ok().map(File::from)
}

fn exit_code(row: &Row, request: &Value, response: &Value, json: bool) -> u8 {
    if let Some(code) = render::service_exit_code(request, response) {
        return code;
    }
    // A shell's code is no outcome of reading it, or of closing it.
    let is_told = row.name.starts_with("shell_") && row.name != ATTACH;
    if let Some(code) = response["exit_code"].as_i64().filter(|_| !is_told) {
        // Eight bits are all a parent sees.
        return u8::try_from(code & 0xff).unwrap_or(failure::EXIT_CODE);
    }
    // Whoever cancels a command gets what was asked for.
    if let Some(why) = render::no_exit_code(response).filter(|_| request["cancel"] != true) {
        if !json {
            let error = Error::runtime("no_exit_code", why)
                .hint("what it wrote is kept: see pyro workspace logs; run it again");
            failure::show(&error, json);
        }
        return failure::EXIT_CODE;
    }
    let issues = response["issues"].as_array().map_or(0, Vec::len);
    if request["strict"] != true || issues == 0 {
        return 0;
    }
    if !json {
        let error = Error::runtime("issues", format!("doctor found {issues} issues"))
            .hint("each issue above names its remedy");
        failure::show(&error, json);
    }
    failure::EXIT_CODE
}
