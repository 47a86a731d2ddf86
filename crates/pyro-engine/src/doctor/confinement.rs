//! How a VMM started by this user is confined, and why no better.
//!
//! Owns: the judgement, a pure function of a few facts, in step with what
//! pyro-vmm tries in turn. Refuses: trying it; a VM's own report says what was
//! in force for that VM.
//!
//! ```text
//!               root and jailer   root               namespaces        neither
//! firecracker   jailer            root_namespaces    user_namespaces   not started
//! qemu          root_namespaces   root_namespaces    user_namespaces   lifeline_only
//! ```

use super::report::{CgroupLimits, Confinement, ConfinementLevel, UserNamespaces};
use pyro_vmm::confine::Level;
use rustix::thread::{CapabilitySet, capabilities};

/// What the judgement rests on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Whether this process is root.
    pub root: bool,
    /// Whether root may make namespaces; in a container it often may not.
    pub may_administer: bool,
    /// What the test of user namespaces showed.
    pub user_namespaces: &'a UserNamespaces,
    /// Whether Firecracker's jailer was found.
    pub jailer: bool,
    /// Why there are no control groups; none when there are.
    pub no_cgroups: Option<&'a str>,
}

/// Asks the system for what is not known yet, and judges.
pub fn look(user_namespaces: &UserNamespaces, jailer: bool) -> Confinement {
    let no_cgroups = pyro_vmm::confine::survey_cgroups();
    judge(&Facts {
        root: rustix::process::geteuid().is_root(),
        may_administer: capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN)),
        user_namespaces,
        jailer,
        no_cgroups: no_cgroups.as_deref(),
    })
}

fn judge(facts: &Facts) -> Confinement {
    Confinement {
        firecracker: firecracker(facts),
        qemu: qemu(facts),
        cgroup_limits: CgroupLimits {
            active: facts.no_cgroups.is_none(),
            reason: facts.no_cgroups.map_or_else(
                || "each VMM has a control group of its own".to_owned(),
                str::to_owned,
            ),
        },
    }
}

fn firecracker(facts: &Facts) -> ConfinementLevel {
    if !(facts.root && facts.may_administer) {
        return namespaces(facts).unwrap_or_else(|why| ConfinementLevel {
            level: None,
            reason: format!("Firecracker is not started without namespaces: {why}"),
        });
    }
    if facts.jailer {
        at(Level::Jailer, "this user is root and the jailer was found")
    } else {
        at(
            Level::RootNamespaces,
            "this user is root; no jailer was found, which `pyro setup firecracker` installs too",
        )
    }
}

fn qemu(facts: &Facts) -> ConfinementLevel {
    if facts.root && facts.may_administer {
        return at(Level::RootNamespaces, "this user is root");
    }
    namespaces(facts)
        .unwrap_or_else(|why| at(Level::LifelineOnly, &format!("no namespaces: {why}")))
}

/// The level of an ordinary user, or why namespaces cannot be had.
fn namespaces(facts: &Facts) -> Result<ConfinementLevel, String> {
    let why = if facts.root {
        "root may not make namespaces here (it lacks CAP_SYS_ADMIN)"
    } else {
        "this user is not root"
    };
    if facts.user_namespaces.usable {
        let reason = format!("user namespaces are usable; {why}");
        return Ok(at(Level::UserNamespaces, &reason));
    }
    let unusable = facts.user_namespaces.reason.as_deref();
    let unusable = unusable.unwrap_or("they were refused");
    Err(format!(
        "{why}, and user namespaces are not usable: {unusable}"
    ))
}

fn at(level: Level, reason: &str) -> ConfinementLevel {
    ConfinementLevel {
        level: Some(level.as_str().to_owned()),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(root: bool, may_administer: bool, usable: bool, jailer: bool) -> [String; 2] {
        let user_namespaces = UserNamespaces {
            usable,
            reason: (!usable).then(|| "Operation not permitted".to_owned()),
        };
        let judged = judge(&Facts {
            root,
            may_administer,
            user_namespaces: &user_namespaces,
            jailer,
            no_cgroups: None,
        });
        [judged.firecracker, judged.qemu].map(|found| {
            assert!(!found.reason.is_empty());
            if found
                .level
                .as_deref()
                .is_none_or(|level| level == "lifeline_only")
            {
                assert!(
                    found.reason.contains("Operation not permitted"),
                    "{found:?}"
                );
            }
            found.level.unwrap_or_else(|| "none".to_owned())
        })
    }

    #[test]
    fn the_table_above() {
        let root = |jailer| levels(true, true, true, jailer);
        assert_eq!(root(true), ["jailer", "root_namespaces"]);
        assert_eq!(root(false), ["root_namespaces", "root_namespaces"]);
        // What a user may not do does not bother root.
        assert_eq!(levels(true, true, false, true), root(true));
        let user = ["user_namespaces", "user_namespaces"];
        assert_eq!(levels(false, false, true, true), user);
        assert_eq!(levels(true, false, true, true), user, "root in a container");
        let neither = ["none", "lifeline_only"];
        assert_eq!(levels(false, false, false, true), neither);
        assert_eq!(levels(true, false, false, true), neither);
    }

    #[test]
    fn control_groups_say_why_not() {
        let user_namespaces = UserNamespaces {
            usable: true,
            reason: None,
        };
        let limits = |no_cgroups| {
            judge(&Facts {
                root: true,
                may_administer: true,
                user_namespaces: &user_namespaces,
                jailer: true,
                no_cgroups,
            })
            .cgroup_limits
        };
        assert!(limits(None).active);
        let without = limits(Some("only root makes control groups"));
        assert!(!without.active && without.reason == "only root makes control groups");
    }
}
