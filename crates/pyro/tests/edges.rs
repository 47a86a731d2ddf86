//! Which crate may use which: the one-way edges of ARCHITECTURE.md.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeSet;

const ALLOWED: [(&str, &str); 10] = [
    ("pyro-cli", "pyro"),
    ("pyro-cli", "pyro-mcp"),
    ("pyro-mcp", "pyro"),
    ("pyro", "pyro-engine"),
    ("pyro-engine", "pyro-vmm"),
    ("pyro-engine", "pyro-proto"),
    ("pyro-engine", "pyro-gateway"),
    ("pyro-agent", "pyro-proto"),
    // The developers' lab boots a machine as the engine does; nothing uses it.
    ("pyro-lab", "pyro-engine"),
    ("pyro-lab", "pyro-vmm"),
];

#[test]
fn crates_depend_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let members: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let edge = (package.name.as_str(), dependency.name.as_str());
            if members.contains(edge.1) {
                assert!(
                    ALLOWED.contains(&edge),
                    "{} may not use {} ({})",
                    edge.0,
                    edge.1,
                    dependency.kind
                );
                if dependency.kind == DependencyKind::Normal {
                    seen.insert(edge);
                }
            }
        }
    }
    assert!(
        seen.contains(&("pyro-cli", "pyro")),
        "no edge was seen at all: {members:?}"
    );
}
