//! The rate of the host's time stamp counter.
//!
//! Owns: measuring it. Under TCG the guest reads the host's counter, but its
//! kernel cannot calibrate it reliably (about 1 boot in 20 hangs), so it is
//! told the rate; a wrong one makes the guest's clock run wrong.

use std::time::{Duration, Instant};

/// Measures the counter for 20 ms; kHz.
///
/// The error is that of two clock reads, some 10 ppm; the caller keeps the
/// figure for the whole host boot, because a template depends on it.
#[must_use]
pub fn measure_tsc_khz() -> u64 {
    let best = (0..3)
        .map(|_| sample(Duration::from_millis(20)))
        .collect::<Vec<_>>();
    let mut sorted = best;
    sorted.sort_unstable();
    sorted[1]
}

fn sample(length: Duration) -> u64 {
    let (ticks, started) = (ticks(), Instant::now());
    std::thread::sleep(length);
    let (more, elapsed) = (self::ticks(), started.elapsed());
    let nanos = elapsed.as_nanos().max(1);
    u64::try_from(u128::from(more.wrapping_sub(ticks)) * 1_000_000 / nanos).unwrap_or(0)
}

#[allow(unsafe_code)]
fn ticks() -> u64 {
    // SAFETY: rdtsc reads a register and exists on every x86_64 processor.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_measurements_agree() {
        let (first, second) = (super::measure_tsc_khz(), super::measure_tsc_khz());
        assert!(
            first.abs_diff(second) * 100 < first,
            "{first} kHz, {second} kHz"
        );
    }
}
