//! A directory's names in the order of their bytes, within bounded memory.
//!
//! Owns: the smallest names after a given one, as many as the budget holds.
//! Refuses: to hold all names of a huge directory; the rest is read again
//! from the kernel when these are used up.
//!
//! ```text
//!   getdents ---> names > `after` and < `bound`
//!                   above the budget: sort, drop the upper half, lower `bound`
//! ```

use rustix::fd::OwnedFd;
use rustix::fs::Dir;
use std::io;

/// Sorted names, taken from the front.
pub struct Names {
    bytes: Vec<u8>,
    spans: Vec<(u32, u16)>,
    next: usize,
    complete: bool,
}

impl Names {
    /// Reads the names after `after` (all for an empty one).
    pub fn read(folder: &OwnedFd, after: &[u8], budget_bytes: usize) -> io::Result<Self> {
        let mut names = Self {
            bytes: Vec::new(),
            spans: Vec::new(),
            next: 0,
            complete: true,
        };
        let mut bound: Option<Vec<u8>> = None;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..")
                || (!after.is_empty() && name <= after)
                || bound.as_deref().is_some_and(|bound| name > bound)
            {
                continue;
            }
            names.push(name);
            if names.held_bytes() > budget_bytes && names.spans.len() > 1 {
                names.sort();
                names.keep(0, names.spans.len() / 2);
                bound = names.spans.last().map(|span| names.at(*span).to_vec());
            }
        }
        names.sort();
        Ok(names)
    }

    fn push(&mut self, name: &[u8]) {
        let span = (self.bytes.len() as u32, name.len() as u16);
        self.spans.push(span);
        self.bytes.extend_from_slice(name);
    }

    fn at(&self, (start, length): (u32, u16)) -> &[u8] {
        &self.bytes[start as usize..start as usize + usize::from(length)]
    }

    fn sort(&mut self) {
        let mut spans = std::mem::take(&mut self.spans);
        spans.sort_unstable_by(|a, b| self.at(*a).cmp(self.at(*b)));
        // A directory that changes meanwhile may show a name twice.
        spans.dedup_by(|a, b| self.at(*a) == self.at(*b));
        self.spans = spans;
    }

    /// Keeps `count` names from `from` on.
    fn keep(&mut self, from: usize, count: usize) {
        let end = self.spans.len().min(from + count);
        self.complete &= end == self.spans.len();
        let kept = Self {
            bytes: Vec::new(),
            spans: Vec::new(),
            next: 0,
            complete: self.complete,
        };
        let old = std::mem::replace(self, kept);
        for span in &old.spans[from..end] {
            self.push(old.at(*span));
        }
    }

    /// Bytes of memory.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<(u32, u16)>()
    }

    /// Forgets all but the next few.
    pub fn shrink(&mut self, count: usize) {
        self.keep(self.next, count);
    }

    /// Whether the directory has no others after these.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// The next name.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let span = *self.spans.get(self.next)?;
        self.next += 1;
        Some(self.at(span).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_come_in_order_whatever_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let mut wanted: Vec<Vec<u8>> = (0..500)
            .map(|n: u32| format!("{:x}", n.wrapping_mul(2_654_435_761)).into_bytes())
            .collect();
        for name in &wanted {
            let name = std::str::from_utf8(name).unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        wanted.sort();
        let fd = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        for budget in [1, 100, 3000, 1 << 20] {
            let (mut found, mut rounds) = (Vec::<Vec<u8>>::new(), 0);
            loop {
                let after = found.last().cloned().unwrap_or_default();
                let mut names = Names::read(&fd, &after, budget).unwrap();
                assert!(names.held_bytes() <= budget.max(64));
                rounds += 1;
                names.shrink(100);
                while let Some(name) = names.take() {
                    found.push(name);
                }
                if names.complete() {
                    break;
                }
            }
            assert_eq!(found, wanted);
            assert!(rounds >= 5);
        }
    }
}
