//! A program for tests: a real x86_64 executable that prints one text, so that
//! a setup can be tried to its end without a Firecracker. The tests of the
//! program `pyro` include this file, too.

/// Prints `text` and ends with 0, whatever its arguments are.
pub fn program(text: &str) -> Vec<u8> {
    const BASE: u32 = 0x0040_0000;
    /// Of the two headers; the code follows.
    const HEADERS: u32 = 64 + 56;
    const CODE: u32 = 33;
    let text_at = (BASE + HEADERS + CODE).to_le_bytes();
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.push(0xbe); // mov esi, text
    code.extend(text_at);
    code.push(0xba); // mov edx, length
    code.extend(length);
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0x90, 0x90]); // nop
    assert_eq!(code.len(), CODE as usize);

    let size = u64::from(HEADERS + CODE) + text.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]); // an executable for x86_64
    elf.extend(u64::from(BASE + HEADERS).to_le_bytes()); // entry
    elf.extend(64_u64.to_le_bytes()); // program headers
    elf.extend([0; 12]); // no section headers, no flags
    elf.extend([64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]); // sizes and counts
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]); // load, read and execute
    for word in [0, u64::from(BASE), u64::from(BASE), size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    assert_eq!(elf.len(), HEADERS as usize);
    elf.extend(code);
    elf.extend(text.as_bytes());
    elf
}
