#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use memorize_fuzz::{memory, tables};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fuzz_target!(|bytes: &[u8]| tables::gzip(bytes));

// A changed byte of a compressed file is a wrong checksum. So two changes in three are made to what is in it.
fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let (Some(mut contents), 1..) = (tables::expanded(&bytes[..size], max_size), seed % 3) else {
        return fuzzer_mutate(bytes, size, max_size);
    };
    let length = contents.len();
    contents.resize(max_size, 0);
    let length = fuzzer_mutate(&mut contents, length, max_size);
    let compressed = tables::compress(&contents[..length]);
    let size = compressed.len().min(max_size);
    bytes[..size].copy_from_slice(&compressed[..size]);
    size
});
