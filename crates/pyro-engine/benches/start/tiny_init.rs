//! The least init there can be: says `ready` on the console and waits.
//!
//! Owns: its machine code inside the smallest ELF a kernel executes.

/// `write(1, "ready\n", 6)`, then `pause()` for ever.
const CODE: &[u8] = &[
    0xb8, 1, 0, 0, 0, // mov eax, 1
    0xbf, 1, 0, 0, 0, // mov edi, 1
    0x48, 0x8d, 0x35, 16, 0, 0, 0, // lea rsi, [rip + 16]
    0xba, 6, 0, 0, 0, // mov edx, 6
    0x0f, 0x05, // syscall
    0xb8, 34, 0, 0, 0, // mov eax, 34
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // jmp back to mov eax, 34
    b'r', b'e', b'a', b'd', b'y', b'\n',
];

pub fn program() -> Vec<u8> {
    let base = 0x40_0000u64;
    let length = (120 + CODE.len()) as u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    for half in [2u16, 62] {
        elf.extend(half.to_le_bytes()); // executable, x86-64
    }
    elf.extend(1u32.to_le_bytes());
    for word in [base + 120, 64, 0] {
        elf.extend(word.to_le_bytes()); // entry, program headers, sections
    }
    elf.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1u32.to_le_bytes()); // one segment to load
    elf.extend(5u32.to_le_bytes()); // readable, executable
    for word in [0, base, base, length, length, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(CODE);
    elf
}
