//! Whether hardware virtualization looks usable.
//!
//! Owns: existence, permission, processor flags. Refuses: proof; /dev/kvm
//! opens and even makes VMs on hosts where a guest then crawls and dies, so
//! only a boot proves it.

use super::report::Kvm;
use rustix::fs::{Access, access};
use std::path::Path;

pub fn look() -> Kvm {
    look_at(
        Path::new("/dev/kvm"),
        &std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default(),
    )
}

fn look_at(device: &Path, cpuinfo: &str) -> Kvm {
    let exists = device.exists();
    let readable = access(device, Access::READ_OK).is_ok();
    let writable = access(device, Access::WRITE_OK).is_ok();
    let cpu_flags = cpu_flags(cpuinfo);
    let reason = if cpu_flags.is_empty() {
        Some("the processor shows neither vmx nor svm".to_owned())
    } else if !exists {
        Some(format!("{} does not exist", device.display()))
    } else if !readable || !writable {
        Some(format!(
            "this user may not read and write {} (its group is kvm on most systems)",
            device.display()
        ))
    } else {
        None
    };
    Kvm {
        exists,
        readable,
        writable,
        cpu_flags,
        usable: reason.is_none(),
        proven: None,
        reason,
    }
}

fn cpu_flags(cpuinfo: &str) -> Vec<String> {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter(|word| matches!(*word, "vmx" | "svm"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::look_at;
    use std::path::Path;

    const WITH: &str = "processor : 0\nflags : fpu svm sse\n";

    #[test]
    fn a_device_without_processor_flags_is_not_usable() {
        let kvm = look_at(Path::new("/dev/null"), "flags : fpu sse\n");
        assert!(kvm.exists && kvm.readable && kvm.writable && !kvm.usable);
        assert!(kvm.reason.unwrap().contains("vmx"));
    }

    #[test]
    fn flags_without_a_device_are_not_usable() {
        let kvm = look_at(Path::new("/nonexistent/kvm"), WITH);
        assert!(!kvm.usable);
        assert_eq!(kvm.reason.unwrap(), "/nonexistent/kvm does not exist");
    }

    #[test]
    fn both_together_are_usable() {
        let kvm = look_at(Path::new("/dev/null"), WITH);
        assert!(kvm.usable);
        assert_eq!(kvm.cpu_flags, ["svm"]);
        assert_eq!(kvm.proven, None, "looking proves nothing");
    }
}
