#![no_main]

use libfuzzer_sys::fuzz_target;
use memorize_fuzz::{memory, tables};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fuzz_target!(|bytes: &[u8]| tables::npy(bytes));
