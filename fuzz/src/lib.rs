//! What is done with the bytes of a file that nobody vouches for: one function a format, which panics where the program
//! has broken a promise. libFuzzer calls them (`fuzz_targets/`), and so does an ordinary test with the corpus
//! (`tests/corpus.rs`).
//!
//! The promises: no panic, no endless loop, no more memory than a constant times the length of the input, a clear
//! refusal or something of which every part can be used, and what is accepted can be written and read back.

pub mod config;
pub mod memory;
pub mod resume;
pub mod tables;
pub mod weights;

/// A function that takes the bytes of a file.
pub type Target = fn(&[u8]);

/// Every target, by the name of its binary and of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("idx", tables::idx),
    ("npy", tables::npy),
    ("gzip", tables::gzip),
    ("safetensors", weights::safetensors),
    ("config", config::config),
];
