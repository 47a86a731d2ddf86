//! Ctrl-C, TERM and HUP.
//!
//! ```text
//!   first signal --> Cancel is set, the operation unwinds, exit 128 + n
//!   second one ----> the process ends here and now with 128 + n
//! ```
//!
//! Owns: the thread that receives them. Refuses: cleaning up; operations do,
//! and what they cannot the kernel does (a VM ends with the process).

use pyro::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Receives signals until the process ends.
pub struct Received(Arc<AtomicI32>);

impl Received {
    /// Exit code after a signal, when one came.
    pub fn exit_code(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }
}

/// Makes the first signal cancel. Without threads or handlers, signals do
/// what they do by default, which ends the process too.
pub fn receive(cancel: &Cancel) -> Received {
    let first = Arc::new(AtomicI32::new(0));
    let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |text| ignored(&text));
    // nohup and a shell's background jobs ignore signals on purpose.
    let heeded = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0);
    if let Ok(mut signals) = Signals::new(heeded) {
        let (cancel, first) = (cancel.clone(), Arc::clone(&first));
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let earlier = first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                match earlier {
                    Ok(_) => cancel.cancel(),
                    Err(_) => {
                        pyro::workspaces::shells::restore_terminal();
                        signal_hook::low_level::exit(128 + signal);
                    }
                }
            }
        });
    }
    Received(first)
}

/// Bit n-1 is set for each ignored signal n.
fn ignored(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored("Name:\tx\n"), 0);
    }
}
