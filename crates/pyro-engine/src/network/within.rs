//! Whether a guest's network is surely no more than an operator allows.
//!
//! Owns: that comparison; what it cannot prove is more. Pure, so `registries`
//! is told only by the same word. Refuses: deciding what to do about it.

use super::{NetworkPolicy, NetworkSpec};
use pyro_gateway::namespace::ranges::Range;

impl NetworkSpec {
    /// What of it is more than `most`, as a sentence; none when nothing is.
    ///
    /// Without any rule a guest reaches every public address. A name leads to
    /// public addresses only, so any list of names is less than that; a range
    /// opens a private one, so it has to be in one that is allowed.
    #[must_use]
    pub fn beyond(&self, most: &Self) -> Option<String> {
        if self.policy > most.policy {
            let (is, most) = (self.policy.as_str(), most.policy.as_str());
            return Some(format!("the network policy {is} is more than {most}"));
        }
        if self.policy == NetworkPolicy::Off {
            return None;
        }
        let (asked, most) = (&self.rules, &most.rules);
        if !asked.is_limited() && most.is_limited() {
            return Some("every public address is more than the names and ranges listed".into());
        }
        let domain = asked.allow_domains.iter().find(|entry| {
            most.is_limited()
                && !most
                    .allow_domains
                    .iter()
                    .any(|allowed| covers(allowed, entry))
        });
        if let Some(entry) = domain {
            return Some(format!("the name {entry} is not among those listed"));
        }
        let range = asked
            .allow_cidrs
            .iter()
            .find(|entry| !most.allow_cidrs.iter().any(|allowed| holds(allowed, entry)));
        range.map(|entry| format!("the range {entry} is in none of those listed"))
    }
}

/// Whether all that `asked` lets pass is let pass by `allowed`.
fn covers(allowed: &str, asked: &str) -> bool {
    let (allowed, asked) = (allowed.to_ascii_lowercase(), asked.to_ascii_lowercase());
    if allowed == asked {
        return true;
    }
    // A port makes it another rule: these let 80 and 443 pass.
    let Some(above) = allowed
        .strip_prefix('*')
        .filter(|above| !above.contains(':'))
    else {
        return false;
    };
    let name = asked.strip_prefix("*.").unwrap_or(&asked);
    let below = name
        .strip_suffix(above)
        .is_some_and(|front| !front.is_empty());
    below && !name.contains([':', '*'])
}

fn holds(allowed: &str, asked: &str) -> bool {
    match (allowed.parse::<Range>(), asked.parse()) {
        (Ok(allowed), Ok(asked)) => allowed.contains(&asked),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::rules;
    use proptest::prelude::*;

    fn spec(policy: NetworkPolicy, domains: &[&str], cidrs: &[&str]) -> NetworkSpec {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        NetworkSpec {
            policy,
            rules: rules(owned(domains), owned(cidrs)),
        }
    }

    fn is_within(asked: (&[&str], &[&str]), most: (&[&str], &[&str])) -> bool {
        let of = |(domains, cidrs)| spec(NetworkPolicy::Egress, domains, cidrs);
        of(asked).beyond(&of(most)).is_none()
    }

    #[test]
    fn a_policy_is_lowered_and_not_raised() {
        for (one, asked) in NetworkPolicy::ALL.iter().enumerate() {
            for (other, most) in NetworkPolicy::ALL.iter().enumerate() {
                let more = spec(*asked, &[], &[]).beyond(&spec(*most, &[], &[]));
                assert_eq!(more.is_some(), one > other, "{asked:?} {most:?}");
            }
        }
    }

    #[test]
    fn lists_are_narrowed_and_not_widened() {
        let all: (&[&str], &[&str]) = (&[], &[]);
        let listed: (&[&str], &[&str]) = (&["*.a.example", "b.example:8443"], &["10.1.0.0/16"]);
        for asked in [
            (&["x.a.example"][..], &[][..]),
            (&["*.x.A.example", "b.example:8443"], &["10.1.2.0/24"]),
            (&[], &["10.1.2.3"]),
            listed,
        ] {
            assert!(is_within(asked, listed), "{asked:?}");
        }
        for asked in [
            all,
            (&["a.example"], &[]),
            (&["b.example"], &[]),
            (&["x.a.example:22"], &[]),
            (&["xa.example"], &[]),
            (&["*.example"], &[]),
            (&[], &["10.0.0.0/8"]),
            (&[], &["10.1.0.0/33"]),
            (&[], &["::/0"]),
        ] {
            assert!(!is_within(asked, listed), "{asked:?}");
        }
        assert!(
            is_within((&["any.example"], &[]), all),
            "a name is less than everything"
        );
        assert!(
            !is_within((&[], &["10.0.0.0/8"]), all),
            "a range opens a private one"
        );
        assert!(!is_within((&["any.example"], &[]), (&[], &["10.0.0.0/8"])));
    }

    proptest! {
        #[test]
        fn what_is_below_a_listed_name_is_covered_and_what_ends_alike_is_not(
            front in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", name in "[a-z]{1,8}\\.[a-z]{2,6}",
        ) {
            let (allowed, exact) = (format!("*.{name}"), format!("{front}.{name}"));
            let (all_below, ends_alike) = (format!("*.{exact}"), format!("{front}{name}"));
            prop_assert!(covers(&allowed, &exact) && covers(&allowed, &all_below));
            prop_assert!(!covers(&allowed, &ends_alike) && !covers(&allowed, &name));
            prop_assert!(!covers(&exact, &allowed));
        }

        #[test]
        fn text_that_is_no_range_holds_none(text in "\\PC{0,20}") {
            prop_assert!(!holds(&text, "::1/128"));
            let wrong = format!("{text}x");
            prop_assert!(!holds("0.0.0.0/0", &wrong));
        }
    }
}
