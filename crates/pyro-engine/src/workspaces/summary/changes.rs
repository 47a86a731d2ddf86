//! The changes of a workspace whose guest runs.
//!
//! Owns: when they are not looked at, and for how long. Refuses: failing: a
//! summary without them is worth having.

use crate::diff::Diff;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::redact::Redactor;
use crate::workspaces::files::diff::{compare, tree, with_lines};
use crate::workspaces::payloads::{Workspace, WorkspaceState};
use crate::workspaces::reach::unasked;
use crate::workspaces::store::Folder;
use crate::workspaces::supervisor::client::Session;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How long a guest may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What changed, with its text.
pub struct Changes {
    pub diff: Diff,
    /// Whether there are more than can be told.
    pub cut: bool,
    pub git_skipped: u64,
}

impl Changes {
    /// Without secrets.
    ///
    /// # Errors
    /// `encode`.
    pub fn redacted(self, redactor: &Redactor) -> Result<Self> {
        let (diff, _) = redactor.result(self.diff)?;
        Ok(Self { diff, ..self })
    }
}

/// What changed, or why nobody knows.
///
/// # Errors
/// `cancelled`.
pub fn changes(
    folder: &Folder,
    workspace: &Workspace,
    cancel: &Cancel,
) -> Result<Result<Changes, String>> {
    let unavailable = match workspace.state {
        WorkspaceState::Started => None,
        WorkspaceState::Stopped => Some("is stopped"),
        WorkspaceState::Creating => Some("is being made"),
    };
    let reason = |how: &str| {
        let next = match unasked(workspace) {
            Some(_) => "the next command starts it".to_owned(),
            None => format!("pyro workspace start {}", folder.id),
        };
        Ok(Err(format!(
            "the workspace {how}, and its files are compared by its guest; {next}"
        )))
    };
    if let Some(how) = unavailable {
        return reason(how);
    }
    let asked = Session::connect(folder).and_then(|session| {
        session
            .map(|session| within(TIMEOUT, cancel, |cancel| ask(&session, cancel)))
            .transpose()
    });
    match asked {
        Ok(Some(changes)) => Ok(Ok(changes)),
        Ok(None) => reason("is just being stopped"),
        Err(error) if cancel.is_cancelled() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn ask(session: &Session, cancel: &Cancel) -> Result<Changes> {
    let tree = tree(Vec::new());
    let compared = session.files(cancel, |link| compare(link, &tree))?;
    let mut diff = compared.diff();
    with_lines(&mut diff, &compared.stat());
    Ok(Changes {
        diff,
        cut: compared.done.truncated,
        git_skipped: compared.done.git_skipped,
    })
}

/// Cancels the work, too, when it takes too long.
fn within<T>(
    most: Duration,
    cancel: &Cancel,
    work: impl FnOnce(&Cancel) -> Result<T>,
) -> Result<T> {
    let bounded = Cancel::default();
    let passed_on = bounded.clone();
    let _passed_on = cancel.on_cancel(move || passed_on.cancel());
    let (done, waits) = channel::<()>();
    let ends = bounded.clone();
    let clock = std::thread::spawn(move || {
        let late = waits.recv_timeout(most) == Err(RecvTimeoutError::Timeout);
        if late {
            ends.cancel();
        }
        late
    });
    let worked = work(&bounded);
    drop(done);
    match (worked, clock.join()) {
        (Err(_), Ok(true)) if !cancel.is_cancelled() => Err(Error::runtime(
            "timeout",
            format!("the comparison took longer than {} s", most.as_secs()),
        )),
        (worked, _) => worked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn wait(cancel: &Cancel) -> Result<()> {
        while !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::runtime("cancelled", "cancelled"))
    }

    #[test]
    fn work_is_bounded_and_can_be_cancelled() {
        let began = Instant::now();
        let long = Duration::from_secs(100);
        let none = Cancel::default();
        assert_eq!(within(long, &none, |_| Ok(7)).unwrap(), 7);
        let late = within(Duration::from_millis(5), &none, wait).unwrap_err();
        assert_eq!(late.code, "timeout");
        let asked = Cancel::default();
        asked.cancel();
        assert_eq!(within(long, &asked, wait).unwrap_err().code, "cancelled");
        assert!(!none.is_cancelled() && began.elapsed() < long);
    }
}
