//! Two measurements in turns.
//!
//! Owns: medians, 95th percentiles and the ratio of medians. Each measurement
//! starts on a machine that has put away what the one before left: ending a
//! machine goes on in the kernel (namespaces, memory) when its process is gone.

use std::time::Duration;

pub const HEADING: &str = "| what | N | median ms | p95 ms | baseline | median ms | p95 ms | ratio | aim |\n|---|---|---|---|---|---|---|---|---|";

/// Some clean-up waits for two RCU grace periods.
const SETTLE: Duration = Duration::from_millis(500);

pub struct Pair {
    ours: Vec<Duration>,
    base: Vec<Duration>,
}

impl Pair {
    pub fn measure(
        rounds: usize,
        mut ours: impl FnMut() -> Duration,
        mut base: impl FnMut() -> Duration,
    ) -> Self {
        let mut ours = || {
            std::thread::sleep(SETTLE);
            ours()
        };
        let mut base = || {
            std::thread::sleep(SETTLE);
            base()
        };
        // The first of each warms caches and is not counted.
        ours();
        base();
        let mut pair = Self {
            ours: Vec::new(),
            base: Vec::new(),
        };
        for _ in 0..rounds {
            pair.ours.push(ours());
            pair.base.push(base());
        }
        pair.ours.sort_unstable();
        pair.base.sort_unstable();
        pair
    }

    pub fn row(&self, what: &str, baseline: &str, aim: &str) -> String {
        format!(
            "| {what} | {} | {:.1} | {:.1} | {baseline} | {:.1} | {:.1} | {:.2} | {aim} |",
            self.ours.len(),
            at(&self.ours, 50),
            at(&self.ours, 95),
            at(&self.base, 50),
            at(&self.base, 95),
            at(&self.ours, 50) / at(&self.base, 50),
        )
    }
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted[index].as_secs_f64() * 1000.0
}
