//! What the minimal kernel's configuration must contain.
//!
//! Owns: reading `kernel.config` and comparing it with the configuration that
//! came out: Kconfig drops, without a word, what it does not know and what
//! depends on something that is off.
//! Refuses: running Kconfig.

use std::collections::BTreeMap;

/// The committed configuration.
pub const TEXT: &str = include_str!("kernel.config");

/// Every wanted symbol that is not as wanted in `config`, with what it is.
pub fn unmet(wanted: &str, config: &str) -> Vec<String> {
    let found = symbols(config);
    symbols(wanted)
        .into_iter()
        .filter_map(|(name, wanted)| {
            // a symbol that is not mentioned is off
            let found = found.get(name).copied().unwrap_or("n");
            (found != wanted).then(|| format!("{name}={wanted} (it is {found})"))
        })
        .collect()
}

/// `CONFIG_A=y` and `# CONFIG_A is not set`, which is `n`; the last one counts.
fn symbols(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(symbol).collect()
}

fn symbol(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let off = line
        .strip_prefix("# ")
        .and_then(|rest| rest.strip_suffix(" is not set"));
    let (name, value) = match off {
        Some(name) => (name, "n"),
        None => line.split_once('=')?,
    };
    name.starts_with("CONFIG_").then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_as_wanted_is_named_with_what_it_is() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=\"x=1\"\n# CONFIG_D is not set\n";
        let good = "CONFIG_A=y\nCONFIG_C=\"x=1\"\n";
        assert!(unmet(wanted, good).is_empty());
        assert_eq!(
            unmet(
                wanted,
                "# CONFIG_A is not set\nCONFIG_B=m\nCONFIG_C=\"x\"\nCONFIG_D=y\n"
            ),
            [
                "CONFIG_A=y (it is n)",
                "CONFIG_B=n (it is m)",
                "CONFIG_C=\"x=1\" (it is \"x\")",
                "CONFIG_D=n (it is y)",
            ]
        );
    }

    #[test]
    fn the_committed_text_is_symbols_and_comments_each_symbol_once() {
        let mut seen = std::collections::BTreeSet::new();
        for line in TEXT.lines().filter(|line| !line.is_empty()) {
            match symbol(line) {
                Some((name, value)) => {
                    assert!(seen.insert(name), "{name} twice");
                    let plain = matches!(value, "y" | "n")
                        || value.parse::<u32>().is_ok()
                        || value.starts_with('"');
                    assert!(plain, "{line}: nothing can load a module");
                }
                None => assert!(line.starts_with('#'), "neither: {line}"),
            }
        }
        assert_eq!(unmet(TEXT, TEXT), Vec::<String>::new());
        assert_eq!(unmet(TEXT, "").len(), seen.len() - 1, "one is `n`");
    }

    #[test]
    fn the_committed_text_has_what_pyro_and_its_guests_need() {
        let symbols = symbols(TEXT);
        for name in [
            "ACPI",
            "PCI",
            "PVH",
            "KVM_GUEST",
            "VIRTIO_MMIO",
            "VIRTIO_BLK",
            "VIRTIO_CONSOLE",
            "HW_RANDOM_VIRTIO",
            "VIRTIO_VSOCKETS",
            "VIRTIO_NET",
            "VMGENID",
            "EXT4_FS",
            "OVERLAY_FS",
            "DEVTMPFS",
            "BLK_DEV_INITRD",
            "MEMCG",
            "CGROUP_PIDS",
            "CGROUP_BPF",
            "USER_NS",
            "SECCOMP",
            "IPV6",
            "NF_TABLES",
            "TUN",
            "FUSE_FS",
            "IO_URING",
            "FANOTIFY",
        ] {
            assert_eq!(
                symbols.get(format!("CONFIG_{name}").as_str()),
                Some(&"y"),
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = unmet(TEXT, &text);
            let _ = unmet(&text, TEXT);
        }
    }
}
