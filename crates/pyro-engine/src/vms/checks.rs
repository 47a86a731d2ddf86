//! What a request must keep, checked in one place for every door.
//!
//! Owns: ranges and the sentences about them.

use super::payloads::{MEM_MIB_RANGE, TTL_SECONDS_RANGE, VCPU_COUNT_RANGE, VmSpec};
use crate::error::{Error, Result};
use std::fmt::Display;
use std::ops::RangeInclusive;

pub(crate) fn size(vcpu_count: u32, mem_mib: u32) -> Result<()> {
    within("vcpu_count", vcpu_count, &VCPU_COUNT_RANGE)?;
    within("mem_mib", mem_mib, &MEM_MIB_RANGE)
}

pub(super) fn spec(spec: &VmSpec) -> Result<()> {
    size(spec.vcpu_count, spec.mem_mib)?;
    within("ttl_seconds", spec.ttl_seconds, &TTL_SECONDS_RANGE)?;
    spec.network.clone().checked().map(drop)
}

/// A command's deadline is at least a second.
pub(crate) fn timeout(timeout_seconds: u64) -> Result<()> {
    if timeout_seconds > 0 {
        return Ok(());
    }
    Err(
        Error::invalid("out_of_range", "timeout_seconds is 0, it must be above 0")
            .hint("give --timeout-seconds 1 or more"),
    )
}

pub(crate) fn command(command: &str) -> Result<()> {
    if command.trim().is_empty() {
        return Err(Error::invalid("empty_command", "the command is empty")
            .hint("put the command after --, for example: pyro run debian:12 -- git --version"));
    }
    if command.contains('\0') {
        return Err(
            Error::invalid("invalid_command", "the command contains a NUL character")
                .hint("pass binary data through standard input"),
        );
    }
    Ok(())
}

pub(crate) fn within<T: PartialOrd + Display + Copy>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    Err(Error::invalid(
        "out_of_range",
        format!("{name} is {value}, it must be {least} to {most}"),
    )
    .hint(format!(
        "give --{} a value from {least} to {most}",
        name.replace('_', "-")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_each_range_are_inside() {
        for (value, good) in [(0, false), (1, true), (8, true), (9, false)] {
            assert_eq!(
                within("vcpu_count", value, &VCPU_COUNT_RANGE).is_ok(),
                good,
                "{value}"
            );
        }
        let error = within("mem_mib", 100, &MEM_MIB_RANGE).unwrap_err();
        assert_eq!(error.message, "mem_mib is 100, it must be 256 to 32768");
        assert!(timeout(0).is_err() && timeout(1).is_ok());
    }
}
