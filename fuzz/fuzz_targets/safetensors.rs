#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use memorize_fuzz::{memory, weights};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fuzz_target!(|bytes: &[u8]| weights::safetensors(bytes));

// A file begins with the length of its header. Two changes in three are made to the header, whose length is then put
// right; half of them put a number that is likely to be wrong in the place of another.
fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = weights::parts(&bytes[..size]).filter(|_| seed % 3 > 0).and_then(|(header, data)| {
        let room = max_size.checked_sub(size_of::<u64>() + data.len()).filter(|&room| room >= header.len())?;
        if seed % 3 == 1 {
            return Some(weights::joined(&weights::with_another_number(header, seed as usize / 3), data));
        }
        let mut header = header.to_vec();
        let length = header.len();
        header.resize(room, 0);
        let length = fuzzer_mutate(&mut header, length, room);
        Some(weights::joined(&header[..length], data))
    });
    let Some(file) = changed.filter(|file| file.len() <= max_size) else {
        return fuzzer_mutate(bytes, size, max_size);
    };
    bytes[..file.len()].copy_from_slice(&file);
    file.len()
});
