//! Takes the ELF kernel out of a distribution's bzImage: Firecracker boots
//! nothing else, and QEMU starts it faster.
//!
//! Owns: the boot header, the LZ4 legacy frames, their bounds.
//! Refuses: other compressions (named in the error), sizes beyond
//! [`MAX_KERNEL`]. The bytes are untrusted: every offset is checked, memory
//! grows with what was really unpacked.
//!
//! ```text
//! 0x1f1 setup_sects   0x202 "HdrS"   0x248 payload_offset   0x24c payload_length
//! payload at (setup_sects + 1) * 512 + payload_offset:
//!   02 21 4c 18 | size32 block | size32 block | ... | size32 of the ELF
//! ```

use std::borrow::Cow;

/// Largest kernel that is unpacked; Debian's are about 70 MB.
pub const MAX_KERNEL: usize = 256 << 20;
const MAX_BLOCK: usize = 8 << 20;
/// LZ4's own bound for a block that does not compress.
const MAX_PACKED_BLOCK: usize = MAX_BLOCK + MAX_BLOCK / 255 + 16;
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
const ELF: [u8; 4] = *b"\x7fELF";

/// Why no ELF kernel came out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KernelError {
    /// Neither ELF nor bzImage.
    #[error("neither an ELF file nor a bzImage")]
    NotAKernel,
    /// An ELF file for another machine.
    #[error("an ELF file, but not a 64-bit x86 kernel")]
    OtherMachine,
    /// Cut off, or an offset that points outside.
    #[error("the kernel image is cut off or damaged: {0}")]
    Damaged(&'static str),
    /// Compressed with something else than LZ4.
    #[error("the kernel is compressed with {0}; only lz4 is supported")]
    Compression(&'static str),
    /// Larger than [`MAX_KERNEL`].
    #[error("the kernel says it is {0} bytes, which is too large")]
    TooLarge(usize),
}

/// The ELF kernel inside `image`; `image` itself when it is one.
///
/// # Errors
/// See [`KernelError`].
pub fn elf(image: &[u8]) -> Result<Cow<'_, [u8]>, KernelError> {
    if image.starts_with(&ELF) {
        check_machine(image)?;
        return Ok(Cow::Borrowed(image));
    }
    let unpacked = unpack(payload(image)?)?;
    check_machine(&unpacked)?;
    Ok(Cow::Owned(unpacked))
}

fn check_machine(elf: &[u8]) -> Result<(), KernelError> {
    // 64-bit, little endian; e_machine 62 is x86-64
    let right = elf.starts_with(&ELF)
        && elf.get(4..6) == Some(&[2, 1])
        && elf.get(18..20) == Some(&[62, 0])
        && elf.len() >= 64;
    right.then_some(()).ok_or(KernelError::OtherMachine)
}

fn payload(image: &[u8]) -> Result<&[u8], KernelError> {
    if image.get(0x1fe..0x200) != Some(&[0x55, 0xaa]) || image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(KernelError::NotAKernel);
    }
    let version = image.get(0x206..0x208).ok_or(KernelError::NotAKernel)?;
    if u16::from_le_bytes([version[0], version[1]]) < 0x208 {
        return Err(KernelError::Damaged("boot protocol before 2.08"));
    }
    // a zero means four, for the oldest boot loaders
    let sectors = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let header_cut = KernelError::Damaged("boot header");
    let (Some(offset), Some(length)) = (u32_at(image, 0x248), u32_at(image, 0x24c)) else {
        return Err(header_cut);
    };
    ((sectors + 1) * 512)
        .checked_add(offset)
        .and_then(|start| Some((start, start.checked_add(length)?)))
        .and_then(|(start, end)| image.get(start..end))
        .ok_or(KernelError::Damaged("payload outside the file"))
}

fn unpack(payload: &[u8]) -> Result<Vec<u8>, KernelError> {
    if !payload.starts_with(&LZ4_LEGACY) {
        return Err(KernelError::Compression(compression(payload)));
    }
    let cut = KernelError::Damaged("compressed data cut off");
    let end = payload.len().checked_sub(4).filter(|end| *end >= 4);
    let Some(end) = end else { return Err(cut) };
    let size = u32_at(payload, end).unwrap_or(usize::MAX);
    if size > MAX_KERNEL {
        return Err(KernelError::TooLarge(size));
    }
    let mut out = Vec::new();
    let mut block = vec![0; MAX_BLOCK.min(size)];
    let mut rest = &payload[4..end];
    while !rest.is_empty() {
        let packed = u32_at(rest, 0).ok_or(KernelError::Damaged("block size cut off"))?;
        rest = &rest[4..];
        if packed == u32::from_le_bytes(LZ4_LEGACY) as usize {
            continue; // frames may follow each other
        }
        if packed > MAX_PACKED_BLOCK || packed > rest.len() {
            return Err(KernelError::Damaged("block larger than the payload"));
        }
        let unpacked = lz4_flex::block::decompress_into(&rest[..packed], &mut block)
            .map_err(|_| KernelError::Damaged("block does not unpack"))?;
        if out.len() + unpacked > size {
            return Err(KernelError::Damaged("more data than declared"));
        }
        out.extend_from_slice(&block[..unpacked]);
        rest = &rest[packed..];
    }
    if out.len() == size {
        Ok(out)
    } else {
        Err(KernelError::Damaged("less data than declared"))
    }
}

fn compression(payload: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"\xfd7zXZ", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\x89LZO", "lzo"),
        (b"\x5d\x00\x00", "lzma"),
    ];
    KNOWN
        .iter()
        .find(|(magic, _)| payload.starts_with(magic))
        .map_or("an unknown method", |(_, name)| name)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    let bytes = bytes.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tiny_elf(length: usize) -> Vec<u8> {
        let mut elf = vec![7; length.max(64)];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&[62, 0]);
        elf
    }

    fn bzimage(payload: &[u8], setup_sects: u8, length: u32) -> Vec<u8> {
        let sectors = if setup_sects == 0 { 4 } else { setup_sects };
        let mut image = vec![0; (usize::from(sectors) + 1) * 512 + 16];
        image[0x1f1] = setup_sects;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    fn lz4(data: &[u8], declared: u32) -> Vec<u8> {
        let mut payload = LZ4_LEGACY.to_vec();
        for chunk in data.chunks(MAX_BLOCK) {
            let packed = lz4_flex::block::compress(chunk);
            payload.extend_from_slice(&u32::try_from(packed.len()).expect("small").to_le_bytes());
            payload.extend_from_slice(&packed);
        }
        payload.extend_from_slice(&declared.to_le_bytes());
        payload
    }

    fn packed(data: &[u8]) -> Vec<u8> {
        lz4(data, u32::try_from(data.len()).expect("small"))
    }

    fn image(payload: &[u8]) -> Vec<u8> {
        bzimage(payload, 27, u32::try_from(payload.len()).expect("small"))
    }

    #[test]
    fn an_elf_comes_back_from_one_and_from_two_blocks() {
        for length in [64, 5000, MAX_BLOCK + 77] {
            let kernel = tiny_elf(length);
            assert_eq!(elf(&image(&packed(&kernel))).expect("unpacks"), kernel);
        }
    }

    #[test]
    fn zero_setup_sectors_mean_four() {
        let payload = packed(&tiny_elf(100));
        let length = u32::try_from(payload.len()).expect("small");
        assert_eq!(
            elf(&bzimage(&payload, 0, length)).expect("unpacks"),
            tiny_elf(100)
        );
    }

    #[test]
    fn an_elf_stays_itself_and_another_machine_is_refused() {
        let mut kernel = tiny_elf(64);
        assert!(matches!(elf(&kernel).expect("elf"), Cow::Borrowed(_)));
        kernel[18] = 183; // arm64
        assert_eq!(elf(&kernel), Err(KernelError::OtherMachine));
    }

    #[test]
    fn damage_is_told_apart() {
        let kernel = tiny_elf(5000);
        let good = packed(&kernel);
        assert_eq!(elf(b"hello"), Err(KernelError::NotAKernel));
        assert_eq!(
            elf(&image(&lz4(&kernel, 4999))),
            Err(KernelError::Damaged("block does not unpack"))
        );
        assert_eq!(
            elf(&image(&lz4(&kernel, 5001))),
            Err(KernelError::Damaged("less data than declared"))
        );
        assert_eq!(
            elf(&image(&lz4(&kernel, u32::MAX))),
            Err(KernelError::TooLarge(u32::MAX as usize))
        );
        assert_eq!(
            elf(&bzimage(&good, 27, 1 << 30)),
            Err(KernelError::Damaged("payload outside the file"))
        );
        assert_eq!(
            elf(&image(b"\x28\xb5\x2f\xfd0123")),
            Err(KernelError::Compression("zstd"))
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = elf(&bytes);
        }

        #[test]
        fn arbitrary_payloads_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600), sects in any::<u8>(),
            length in any::<u32>(),
        ) {
            let _ = elf(&bzimage(&bytes, sects, length));
            let mut framed = LZ4_LEGACY.to_vec();
            framed.extend_from_slice(&bytes);
            framed.extend_from_slice(&4096_u32.to_le_bytes());
            let _ = elf(&image(&framed));
        }

        #[test]
        fn one_flipped_byte_never_panics(at in 0..1000_usize, value in any::<u8>()) {
            let mut bytes = image(&packed(&tiny_elf(5000)));
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = elf(&bytes);
        }
    }
}
