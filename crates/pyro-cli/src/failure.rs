//! The one way a product error leaves the program.
//!
//! Owns: exactly one `error:` and one `hint:` line on stderr, or the JSON
//! object on stdout, and exit code 125. Refuses: usage errors, which are the
//! parser's (2), and the guest's codes.

use crate::output::Stream;
use crate::render;
use pyro::{Cancel, Error, Kind};
use serde_json::json;

/// Exit code of every product error; `env` and `docker run` use it likewise,
/// so that it is seldom a guest's.
pub const EXIT_CODE: u8 = 125;

/// Shows it and returns the exit code.
pub fn show(error: &Error, json: bool) -> u8 {
    let message = one_line(&error.message);
    let hint = one_line(error.hint.as_deref().unwrap_or_else(|| usual_hint(error)));
    // A failing write has no place left where it could be told.
    let never = Cancel::default();
    let _ = if json {
        let object = json!({
            "ok": false,
            "error": message,
            "error_kind": error.code,
            "hint": hint,
        });
        Stream::Stdout.write(render::json(&object).as_bytes(), &never)
    } else {
        let lines = format!("error: {message}\nhint: {hint}\n");
        Stream::Stderr.write(lines.as_bytes(), &never)
    };
    EXIT_CODE
}

/// The next step where the engine named none.
fn usual_hint(error: &Error) -> &'static str {
    match (error.code, error.kind) {
        ("cancelled", _) => "run the same command again",
        (_, Kind::Invalid) => "see `pyro --help`",
        (_, Kind::Runtime) => "see `pyro doctor`",
    }
}

/// Messages carry paths and other programs' words: neither may start a line
/// or speak to the terminal.
fn one_line(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_message_is_one_harmless_line() {
        assert_eq!(one_line("a\nhint: b\x1b[31m\n"), "a hint: b [31m");
    }
}
