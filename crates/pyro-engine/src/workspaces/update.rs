//! Changing a workspace's name and labels. Pure.

use super::names;
use super::record::Record;
use super::supervisor::wire::Update;
use super::unix_now;
use crate::error::{Error, Result};

/// Changes `record` as wanted.
///
/// # Errors
/// `invalid_name`, `invalid_label`, `conflict` (a name given and cleared),
/// `nothing_changes`.
pub fn apply(record: &mut Record, wanted: &Update) -> Result<()> {
    if wanted.name.is_some() && wanted.clear_name {
        return Err(
            Error::invalid("conflict", "a name cannot be given and cleared at once")
                .hint("give --name or --clear-name"),
        );
    }
    let before = (record.name.clone(), record.labels.clone());
    if wanted.clear_name {
        record.name = None;
    }
    if let Some(name) = &wanted.name {
        record.name = Some(names::name(name)?);
    }
    for key in &wanted.clear_labels {
        record.labels.remove(&names::label_key(key)?);
    }
    record.labels.extend(names::labels(&wanted.labels)?);
    if before == (record.name.clone(), record.labels.clone()) {
        return Err(Error::invalid(
            "nothing_changes",
            format!(
                "the update of workspace {} changes nothing",
                record.workspace_id
            ),
        )
        .hint("give --name, --clear-name, --label or --clear-label"));
    }
    record.last_activity_at = unix_now();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn labels_are_added_and_removed_and_nothing_is_an_error() {
        let mut one = record("00000000000a", Some("old"));
        let labels = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let update = Update {
            name: Some(" new ".into()),
            labels: labels.clone(),
            ..Update::default()
        };
        apply(&mut one, &update).unwrap();
        assert_eq!((one.name.as_deref(), &one.labels), (Some("new"), &labels));
        assert_eq!(
            apply(&mut one, &update).unwrap_err().code,
            "nothing_changes"
        );
        let clear = Update {
            clear_name: true,
            clear_labels: vec!["k".into()],
            ..Update::default()
        };
        apply(&mut one, &clear).unwrap();
        assert_eq!((one.name.clone(), one.labels.len()), (None, 0));
        let both = Update {
            name: Some("a".into()),
            clear_name: true,
            ..Update::default()
        };
        assert_eq!(apply(&mut one, &both).unwrap_err().code, "conflict");
    }
}
