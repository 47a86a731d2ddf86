//! A tar archive of a guest: members, their maps, their bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyro_proto::tar::Reader;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut read = 0;
    while let Ok(Some(member)) = reader.next_member() {
        let mut buffer = [0; 512];
        let mut end = 0;
        while let Ok(Some((offset, count))) = reader.data(&mut buffer) {
            assert!(count > 0 && offset >= end, "pieces go forwards");
            end = offset + count as u64;
            read += count;
        }
        assert!(end <= member.size, "no byte behind the end");
    }
    assert!(read <= bytes.len());
});
