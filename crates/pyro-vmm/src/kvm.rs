//! Whether this host's KVM may be tried.
//!
//! Owns: the cheap checks. Opening `/dev/kvm` proves nothing: a host without
//! vmx and svm may have it all the same and then crawls and dies. Only a
//! boot proves it; the engine remembers that for the host boot.

use std::path::Path;

/// What is known without booting anything.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KvmSurvey {
    /// `/dev/kvm` exists.
    pub exists: bool,
    /// This user may read it.
    pub readable: bool,
    /// This user may write it.
    pub writable: bool,
    /// `vmx`, `svm` or none in /proc/cpuinfo.
    pub cpu_flag: Option<String>,
    /// Why it cannot be tried; none when it can.
    pub reason: Option<String>,
}

/// Looks; starts nothing.
#[must_use]
pub fn survey() -> KvmSurvey {
    let device = Path::new("/dev/kvm");
    let allowed = |access| rustix::fs::access(device, access).is_ok();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    judge(
        device.exists(),
        allowed(rustix::fs::Access::READ_OK),
        allowed(rustix::fs::Access::WRITE_OK),
        cpu_flag(&cpuinfo),
        &group_of(device),
    )
}

/// The name of the group that may open the device.
fn group_of(device: &Path) -> String {
    let Ok(stat) = rustix::fs::stat(device) else {
        return "kvm".into();
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    group_named(&groups, stat.st_gid)
}

fn group_named(groups: &str, gid: u32) -> String {
    let gid = gid.to_string();
    groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&gid.as_str()))
        .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
        .unwrap_or(gid)
}

fn cpu_flag(cpuinfo: &str) -> Option<String> {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"))?;
    ["vmx", "svm"]
        .into_iter()
        .find(|flag| flags.split_whitespace().any(|word| word == *flag))
        .map(str::to_owned)
}

fn judge(
    exists: bool,
    readable: bool,
    writable: bool,
    cpu_flag: Option<String>,
    group: &str,
) -> KvmSurvey {
    let reason = if !exists {
        Some("/dev/kvm does not exist".to_owned())
    } else if cpu_flag.is_none() {
        Some(
            "the processor shows neither vmx nor svm, so /dev/kvm cannot run a guest here"
                .to_owned(),
        )
    } else if !readable || !writable {
        Some(format!(
            "this user may not read and write /dev/kvm, which belongs to the group {group} (usermod -aG {group} USER, then log in again)"
        ))
    } else {
        None
    };
    KvmSurvey {
        exists,
        readable,
        writable,
        cpu_flag,
        reason,
    }
}

/// Model and flags of the processor: a state frozen under KVM holds them.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| {
            [
                "vendor_id",
                "cpu family",
                "model",
                "stepping",
                "microcode",
                "flags",
            ]
            .iter()
            .any(|key| line.starts_with(key))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_processor_support_is_not_tried() {
        assert!(
            judge(true, true, true, None, "kvm")
                .reason
                .unwrap()
                .contains("neither vmx nor svm")
        );
        assert!(
            judge(true, true, true, Some("svm".into()), "kvm")
                .reason
                .is_none()
        );
        assert!(
            judge(false, false, false, Some("vmx".into()), "kvm")
                .reason
                .unwrap()
                .contains("does not exist")
        );
        assert!(
            judge(true, false, false, Some("vmx".into()), "virt")
                .reason
                .unwrap()
                .contains("the group virt")
        );
    }

    #[test]
    fn a_group_is_named_or_numbered() {
        let groups = "root:x:0:\nkvm:x:108:me\n";
        assert_eq!(group_named(groups, 108), "kvm");
        assert_eq!(group_named(groups, 109), "109");
    }

    #[test]
    fn flags_are_whole_words() {
        assert_eq!(cpu_flag("flags\t: fpu vmx sse"), Some("vmx".into()));
        assert_eq!(cpu_flag("flags\t: fpu vmxoff avx\nbugs\t: svm"), None);
    }
}
