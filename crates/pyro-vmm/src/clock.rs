//! The rate of the host's time stamp counter.
//!
//! Owns: measuring it. Under TCG the guest reads the host's counter, but its
//! kernel cannot calibrate it reliably (about 1 boot in 20 hangs), so it is
//! told the rate; a wrong one makes the guest's clock run wrong.

use std::time::{Duration, Instant};

/// The rate is rounded to this many kHz: some 20 ppm at 2.5 GHz, as good as a
/// quartz, and every host boot finds the same figure, on which templates depend.
const ROUNDED_TO_KHZ: u64 = 100;

/// Measures the counter for 60 ms; kHz.
#[must_use]
pub fn measure_tsc_khz() -> u64 {
    let mut samples = [(); 3].map(|()| sample(Duration::from_millis(20)));
    samples.sort_unstable();
    (samples[1] + ROUNDED_TO_KHZ / 2) / ROUNDED_TO_KHZ * ROUNDED_TO_KHZ
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
