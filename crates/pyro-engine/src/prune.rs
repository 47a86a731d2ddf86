//! What may be deleted from the cache, over all who use it.
//!
//! Owns: the order. A template of images that no install names any more can
//! never be used again, so it goes first; what then still holds an image
//! makes the prune of environments refuse, naming it.

use crate::environments::Pruned;
use crate::error::Result;
use crate::start::Templates;
use crate::{Environments, Layout};

/// Deletes what nothing needs.
///
/// # Errors
/// `in_use`, naming the holders; `io`.
pub fn prune(layout: &Layout, environments: &Environments) -> Result<Pruned> {
    let templates = Templates::new(layout);
    let mut needed = Vec::new();
    for environment in environments.list()?.environments {
        // One that is not installed or damaged needs nothing.
        if let Ok(installed) = environments.open(&environment.name) {
            let images = [installed.rootfs, installed.kernel, installed.modules];
            needed.extend(images.map(|image| image.digest));
        }
    }
    templates.forget_where(|info| info.images.iter().any(|digest| !needed.contains(digest)));
    environments.prune(&templates.holders())
}
