//! The readers of files on files that lie: the corpus of the fuzz targets, and changes of every file in it.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use fuzz::weights::{self, with_another_number};
use fuzz::{TARGETS, Target, memory, tables};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Changes of each file.
const CHANGES: usize = 500;

/// Bytes that are wrong more often than others.
const LIKELY: &[u8] = b"\x00\x01\x02\x7f\x80\xff0919,:'\"[]{}()-=.#\n ";

/// The file with a few bytes changed, removed, repeated or taken from another file.
fn changed(file: &[u8], other: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..1 + rng.next_u32() % 3 {
        let mut below = |n: usize| rng.next_u64() as usize % n.max(1);
        let at = below(bytes.len());
        let length = below(bytes.len() - at).min(below(64));
        match below(6) {
            0 if !bytes.is_empty() => bytes[at] = LIKELY[below(LIKELY.len())],
            1 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => bytes.extend_from_within(at..at + length),
            _ => {
                let from = below(other.len());
                bytes.splice(at..at + length, other[from..].iter().take(below(64)).copied());
            }
        }
    }
    bytes
}

/// A change that reaches behind checksums and lengths, where the format has them.
fn changed_inside(target: &str, file: &[u8], other: &[u8], rng: &mut TestRng) -> Option<Vec<u8>> {
    const MOST: usize = 1 << 16;
    match target {
        "gzip" => {
            Some(tables::compress(&changed(&tables::expanded(file, MOST)?, &tables::expanded(other, MOST)?, rng)))
        }
        "safetensors" => {
            let (header, data) = weights::parts(file)?;
            let header = match rng.next_u32() % 2 {
                0 => with_another_number(header, rng.next_u32() as usize),
                _ => changed(header, weights::parts(other)?.0, rng),
            };
            Some(weights::joined(&header, data))
        }
        _ => None,
    }
}

fn run(name: &str, target: Target, what: &str, bytes: &[u8]) {
    if catch_unwind(|| target(bytes)).is_err() {
        panic!("{name}: {what} breaks a promise (the message stands above): {}", bytes.escape_ascii());
    }
}

#[test]
fn no_file_breaks_a_promise_of_those_who_read_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name}: {} files", files.len());
        let contents: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        for (file, bytes) in files.iter().zip(&contents) {
            run(name, target, &file.display().to_string(), bytes);
            for change in 0..CHANGES {
                let other = &contents[rng.next_u32() as usize % contents.len()];
                let inside = if change % 2 == 0 { changed_inside(name, bytes, other, &mut rng) } else { None };
                let bytes = inside.unwrap_or_else(|| changed(bytes, other, &mut rng));
                run(name, target, &format!("change {change} of {}", file.display()), &bytes);
            }
        }
    }
}
