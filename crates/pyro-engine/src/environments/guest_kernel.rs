//! Which kernel an environment boots.
//!
//! Owns: the choices and their names, on every door and in the manifest.
//! Refuses: building one ([`super::build`], [`super::minimal`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernel of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestKernel {
    /// The distribution's own cloud kernel with all its modules.
    #[default]
    Debian,
    /// Linux from the distribution's source package with pyro's own, small
    /// configuration; everything built in.
    Minimal,
}

impl GuestKernel {
    /// Every choice with its name.
    pub const NAMED: [(&'static str, Self); 2] =
        [("debian", Self::Debian), ("minimal", Self::Minimal)];

    /// The choice called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::NAMED.iter().find(|(known, _)| *known == name);
        known.map(|(_, kernel)| *kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for (name, kernel) in GuestKernel::NAMED {
            let json = serde_json::to_value(kernel).expect("serializes");
            assert_eq!(json, name);
            assert_eq!(GuestKernel::named(name), Some(kernel));
        }
        assert_eq!(GuestKernel::named("Debian"), None);
    }
}
