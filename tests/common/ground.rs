//! Good input, for one file or flag of it to be spoilt.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Call, Numbers, memorize, scratch, signs, write_inputs, write_targets, write_weights};

/// Samples of the good inputs.
pub const N: usize = 12;
/// Their width.
pub const D: usize = 5;
/// Neurons of the good weights.
pub const R: usize = 4;

/// A folder with good inputs, targets and weights, for one of them to be spoilt.
pub struct Ground(TempDir);

impl Ground {
    /// All of them, good.
    pub fn new() -> Self {
        let ground = Self(scratch());
        let mut numbers = Numbers::new(5);
        write_inputs(&ground.path("x.npy"), &numbers.dense(N, D));
        write_targets(&ground.path("y.npy"), &numbers.values(N));
        write_weights(&ground.path("w.safetensors"), &numbers.dense(D, R), &signs(R));
        ground
    }

    /// Where a file of this name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with these contents.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// A training run on these files into `out`.
    pub fn train(&self, inputs: &str, targets: &str) -> Call {
        memorize("train -r 4 --iterations 3 --quiet")
            .with("--inputs", self.path(inputs))
            .with("--targets", self.path(targets))
            .with("--out", self.path("out"))
    }

    /// An evaluation of these files that writes its gradient to `g.npy`.
    pub fn eval(&self, weights: &str, inputs: &str, targets: &str) -> Call {
        memorize("eval")
            .with("--weights", self.path(weights))
            .with("--inputs", self.path(inputs))
            .with("--targets", self.path(targets))
            .with("--gradient-out", self.path("g.npy"))
    }

    /// Training and evaluation refuse these files with `words`, and leave nothing behind.
    #[track_caller]
    pub fn refuses(&self, inputs: &str, targets: &str, words: &[&str]) {
        let before = self.listing();
        self.train(inputs, targets).refuses(words);
        self.eval("w.safetensors", inputs, targets).refuses(words);
        assert_eq!(self.listing(), before, "nothing is written");
    }

    /// Training and evaluation refuse a file of inputs with these contents, by name.
    #[track_caller]
    pub fn refuses_inputs(&self, name: &str, bytes: &[u8], words: &[&str]) {
        self.write(name, bytes);
        self.refuses(name, "y.npy", &[&[name], words].concat());
    }

    /// Evaluation refuses a weights file with these contents, by name.
    #[track_caller]
    pub fn refuses_weights(&self, bytes: &[u8], words: &[&str]) {
        self.write("bad.safetensors", bytes);
        let before = self.listing();
        self.eval("bad.safetensors", "x.npy", "y.npy").refuses(&[&["bad.safetensors"], words].concat());
        assert_eq!(self.listing(), before, "nothing is written");
    }

    /// Training on good data refuses these flags with `words`.
    #[track_caller]
    pub fn refuses_flags(&self, flags: &str, words: &[&str]) {
        let data = "train --data synthetic --samples 20 --dim 6 --iterations 3 --quiet";
        memorize(data).and(flags).with("--out", self.path("out")).refuses(words);
        assert!(!self.path("out").exists(), "nothing is written");
    }

    /// What is in the folder.
    pub fn listing(&self) -> Vec<PathBuf> {
        listing(self.0.path())
    }
}

/// The files in a folder, sorted.
pub fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
