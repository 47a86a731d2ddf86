//! The guest's wall clock and random pool.
//!
//! Owns: stepping the one and feeding the other. Refuses: to slew; a clock
//! that is off by more than half a second belongs to a machine that slept.

use rustix::fd::AsFd;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::io::{self, ErrorKind};

/// A clock closer than this to the host's is left alone, since the request's
/// own way here takes time too.
const TOLERANCE_NS: u128 = 500_000_000;
const SECOND_NS: i128 = 1_000_000_000;

/// Steps the clock to the host's when it is off by more than the tolerance.
pub fn step(unix_ns: u64) -> io::Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let now_ns = i128::from(now.tv_sec) * SECOND_NS + i128::from(now.tv_nsec);
    if (i128::from(unix_ns) - now_ns).unsigned_abs() <= TOLERANCE_NS {
        return Ok(());
    }
    let wanted = Timespec {
        tv_sec: (i128::from(unix_ns) / SECOND_NS) as i64,
        tv_nsec: (i128::from(unix_ns) % SECOND_NS) as i64,
    };
    Ok(clock_settime(ClockId::Realtime, wanted)?)
}

/// Credits the bytes written as `hex` to the kernel's pool and reseeds, so
/// that clones of one template part ways at once.
pub fn seed(hex: &str) -> io::Result<()> {
    let bytes = decode(hex).ok_or(ErrorKind::InvalidInput)?;
    let random = std::fs::File::open("/dev/urandom")?;
    crate::sys::add_entropy(random.as_fd(), &bytes)
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    (pairs.remainder().is_empty() && !digits.is_empty())
        .then(|| pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn only_whole_bytes_of_hex_are_entropy() {
        assert_eq!(decode("00fFa5"), Some(vec![0, 255, 165]));
        for bad in ["", "0", "0g", "abc", "é0"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
