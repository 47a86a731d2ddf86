//! Lines for a person who reads the serial log, or for the launcher's stderr.
//!
//! Owns: writing them so that a full or closed console never fails or stops
//! the agent. Refuses: anything a program should parse; that goes over the link.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

static CONSOLE: OnceLock<File> = OnceLock::new();

/// Opens the guest's console. Called once `/dev` is there, and kept open
/// because the name is gone after the change of root.
pub fn open() {
    if let Ok(file) = File::options().write(true).open("/dev/console") {
        let _ = CONSOLE.set(file);
    }
}

/// Writes one line to the guest's console, or to stderr where there is none.
pub fn line(text: &str) {
    match CONSOLE.get() {
        Some(mut file) => {
            let _ = file.write_all(format!("pyro: {text}\r\n").as_bytes());
        }
        None => stderr(text),
    }
}

/// Writes one line to stderr; a closed pipe is not an error here, since there
/// is nobody left to tell.
pub fn stderr(text: &str) {
    let _ = std::io::stderr().write_all(format!("pyro-agent: {text}\n").as_bytes());
}
