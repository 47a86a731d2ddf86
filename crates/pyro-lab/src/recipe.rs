//! What the lab's root file system is made of.
//!
//! Owns: the package list with the reason for each. Refuses: being an
//! environment; it is in no catalog and in a cache of its own.

use pyro_engine::environments::Recipe;

/// The lab's root file system and kernel.
pub const LAB: Recipe = Recipe {
    name: "pyro-lab",
    version: "1",
    description: "The machine in which Firecracker and QEMU run on emulated SVM.",
    distribution: "debian",
    distribution_version: "12",
    suite: "bookworm",
    // Has kvm, kvm-amd, tun, vhost_vsock and nf_tables as modules.
    kernel_package: "linux-image-cloud-amd64",
    default_packages: &[
        "e2fsprogs",       // pyro formats scratch images
        "git",             // seeds come out of repositories
        "iproute2",        // an outside, and networks of guests
        "nftables",        // network policies
        "passt",           // the uplink of guests
        "python3",         // the Python package's tests
        "qemu-system-x86", // the other backend, with KVM
        "uidmap",          // user namespaces of the ordinary user
    ],
    extra_packages: &[],
    compatibility: "this checkout",
    tree_mib: 2048,
    image_mib: 1024,
};
