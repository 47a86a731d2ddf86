//! A text that is given, or stands in a file of this host.
//!
//! Owns: that it is exactly one of both, and how the file is read.

use crate::host_paths::HostPaths;
use crate::{Error, Result};
use std::io::Read;

/// One byte more than any text that is allowed: the operation says the limit.
const MOST_BYTES: u64 = (1 << 20) + 1;

/// The text of `--<what>` or `--<what>-file`.
///
/// # Errors
/// `conflict` for both or none; `source_missing`, `source_kind`, `source_io`
/// naming the file; `path_not_allowed`.
pub fn read(
    host: &HostPaths,
    what: &str,
    text: Option<String>,
    file: Option<String>,
) -> Result<String> {
    match (text, file) {
        (Some(text), None) => Ok(text),
        (None, Some(file)) => of_file(host, &file),
        (Some(_), Some(_)) | (None, None) => Err(Error::invalid(
            "conflict",
            format!("exactly one of {what} and {what}_file is needed"),
        )
        .hint(format!("give --{what} or --{what}-file"))),
    }
}

fn of_file(host: &HostPaths, named: &str) -> Result<String> {
    const HINT: &str = "name a UTF-8 text file of this host";
    let failed =
        |code, why: String| Error::invalid(code, format!("cannot read {named}: {why}")).hint(HINT);
    let file = host.open(named).map_err(|error| error.or_hint(HINT))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(failed("source_kind", "it is a directory".into()));
    }
    let mut text = String::new();
    file.take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| failed("source_io", error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::HostPaths::Anywhere;

    #[test]
    fn exactly_one_of_both() {
        let some = || Some("x".to_owned());
        let read = |text, file| super::read(&Anywhere, "text", text, file);
        assert_eq!(read(some(), None).unwrap(), "x");
        for (text, file) in [(some(), some()), (None, None)] {
            assert_eq!(read(text, file).unwrap_err().code, "conflict");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("binary");
        std::fs::write(&binary, [0xff]).unwrap();
        let path = |path: &std::path::Path| Some(path.display().to_string());
        for (file, code) in [
            (path(&folder.path().join("none")), "source_missing"),
            (path(folder.path()), "source_kind"),
            (path(&binary), "source_io"),
        ] {
            let error = super::read(&Anywhere, "text", None, file.clone()).unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.message.contains(&file.unwrap()));
        }
    }
}
