//! What the end-to-end tests share: running the program, making small data, reading what a run leaves.

#![allow(dead_code, reason = "every test binary compiles this module and uses its own part of it")]

pub mod ground;
pub mod running;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memorize_data::source::write_npy;
use memorize_data::{ElementType, digest};
use memorize_kernels::Backend;
use memorize_kernels::reference::Dense;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_memorize");

/// A run that takes longer than this hangs; it is ended so that the test can say so.
const HANG: Duration = Duration::from_secs(300);

/// A folder that vanishes with the test.
pub fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Where all tests have the MNIST files expanded, away from the user's own cache.
pub fn mnist_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mnist")
}

/// The names of the backends that the program under test was built with.
pub fn backends() -> Vec<&'static str> {
    Backend::ALL.iter().map(|backend| backend.name()).collect()
}

/// A call of the program that has not been made yet.
pub struct Call(assert_cmd::Command);

/// The program with these arguments, separated by blanks; the caller's settings do not reach it.
pub fn memorize(arguments: &str) -> Call {
    let mut command = assert_cmd::Command::new(PROGRAM);
    command.args(arguments.split_whitespace());
    command.env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder()).timeout(HANG);
    Call(command)
}

impl Call {
    /// A flag with a value that may hold blanks: a path.
    pub fn with(mut self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.arg(flag).arg(value);
        self
    }

    /// An argument that may hold blanks.
    pub fn with_bare(mut self, value: impl AsRef<OsStr>) -> Self {
        self.0.arg(value);
        self
    }

    /// A flag that goes before what is there already, behind the command's name: what follows `--` is no flag.
    pub fn and_first(self, flag: &str) -> Self {
        let all: Vec<_> = self.0.get_args().map(OsStr::to_owned).collect();
        let commands = all.iter().take_while(|argument| !argument.as_encoded_bytes().starts_with(b"-")).count();
        let mut call = memorize("");
        call.0.args(&all[..commands]).arg(flag).args(&all[commands..]);
        call
    }

    /// The folder that it runs in.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// More arguments, separated by blanks.
    pub fn and(mut self, arguments: &str) -> Self {
        self.0.args(arguments.split_whitespace());
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs the program to its end.
    pub fn run(mut self) -> Outcome {
        let output = self.0.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs the program, which must succeed.
    #[track_caller]
    pub fn succeeds(self) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Runs the program, which must refuse its input: exit code 2 and a message that has all of `words`.
    #[track_caller]
    pub fn refuses(self, words: &[&str]) -> Outcome {
        self.fails(2, words)
    }

    /// Runs the program, which must end with this code and a message that has all of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Outcome {
        let outcome = self.run();
        let said = &outcome.stderr;
        assert_eq!(outcome.code, Some(code), "{}{said}", outcome.stdout);
        assert!(said.lines().any(|line| line.starts_with("error: ")), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(has_a_next_step(said), "what to do about it is not said:\n{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in:\n{said}");
        }
        assert_eq!(outcome.stdout, "", "results of a failed command");
        outcome
    }
}

/// Whether an error says what to do: in a line of its own, behind a semicolon, by what a value must be, or by a flag's
/// name.
pub fn has_a_next_step(said: &str) -> bool {
    ["hint: ", "; ", " must be ", " --", "(--", "'--help'", "did you mean", "expected "]
        .iter()
        .any(|mark| said.contains(mark))
}

/// What a call of the program came to.
pub struct Outcome {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Numbers in [-1, 1) from a linear congruential generator.
pub struct Numbers(u64);

impl Numbers {
    /// The sequence with this number.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// That many numbers that f32 can hold, so that a file of either type holds the same.
    pub fn values(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| f64::from(self.draw() as f32)).collect()
    }

    /// A rows x cols matrix of them.
    pub fn dense(&mut self, rows: usize, cols: usize) -> Dense {
        Dense { rows, cols, data: self.values(rows * cols) }
    }
}

/// Writes inputs as f64 .npy.
pub fn write_inputs(path: &Path, x: &Dense) {
    write_npy(path, ElementType::F64, &[x.rows, x.cols], &x.data).unwrap();
}

/// Writes targets as f64 .npy.
pub fn write_targets(path: &Path, y: &[f64]) {
    write_npy(path, ElementType::F64, &[y.len()], y).unwrap();
}

/// The signs of r neurons: +1 for the first half, -1 for the second.
pub fn signs(r: usize) -> Vec<f64> {
    (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect()
}

/// A tensor to be written in f64: name, shape, values.
pub type Tensor<'a> = (&'a str, Vec<usize>, &'a [f64]);

/// A safetensors file with these tensors and metadata, as bytes.
pub fn safetensors(tensors: &[Tensor<'_>], metadata: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (*name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
    let metadata: HashMap<String, String> = metadata.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// Writes a two-layer weights file.
pub fn write_weights(path: &Path, w: &Dense, a: &[f64]) {
    let tensors = [("W", vec![w.rows, w.cols], &w.data[..]), ("a", vec![a.len()], a)];
    fs::write(path, safetensors(&tensors, &[])).unwrap();
}

/// A weights file as it is on the disk, read without the program's own reader.
pub struct Checkpoint {
    /// W, d x r.
    pub w: Dense,
    /// a, r.
    pub a: Vec<f64>,
    /// R, k x d.
    pub features: Option<Dense>,
    /// The projection's basis, m x d.
    pub basis: Option<Dense>,
    /// The projection's mean, d.
    pub mean: Option<Vec<f64>>,
    /// The file's metadata.
    pub metadata: HashMap<String, String>,
}

impl Checkpoint {
    /// Reads a run's checkpoint.
    pub fn of(folder: &Path) -> Self {
        Self::read(&folder.join("checkpoint.safetensors"))
    }

    /// Reads a weights file.
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let values = |name: &str| {
            let tensor = tensors.tensor(name).ok()?;
            let values: Vec<f64> = match tensor.dtype() {
                Dtype::F32 => {
                    let number = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()));
                    tensor.data().chunks(4).map(number).collect()
                }
                Dtype::F64 => {
                    tensor.data().chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
                }
                other => panic!("{name} holds {other:?}"),
            };
            Some((tensor.shape().to_vec(), values))
        };
        let matrix = |name| {
            let (shape, data) = values(name)?;
            let &[rows, cols] = &shape[..] else { panic!("{name} has shape {shape:?}") };
            Some(Dense { rows, cols, data })
        };
        Self {
            w: matrix("W").unwrap(),
            a: values("a").unwrap().1,
            features: matrix("R"),
            basis: matrix("pca.basis"),
            mean: values("pca.mean").map(|(_, values)| values),
            metadata: metadata.metadata().clone().unwrap_or_default(),
        }
    }
}

/// The bytes of a file that a run has left.
pub fn left(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A run's `summary.json`.
pub fn summary(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&left(folder, "summary.json")).unwrap()
}

/// The summary's digests of the files beside it, which must be right.
#[track_caller]
pub fn digest_of_files(folder: &Path) {
    let summary = summary(folder);
    let files = summary["files"].as_object().unwrap();
    assert!(files.contains_key("checkpoint.safetensors") && files.contains_key("config.toml"), "{files:?}");
    for (name, file) in files {
        let (bytes, sha256) = digest::of_file(&folder.join(name)).unwrap();
        assert_eq!((file["bytes"].as_u64(), file["sha256"].as_str()), (Some(bytes), Some(&*sha256)), "{name}");
    }
}

/// A number in a JSON object.
#[track_caller]
pub fn number(value: &serde_json::Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or_else(|| panic!("{field} is {}", value[field]))
}

/// The columns of a run's `metrics.csv` by name. Numbers stay text, so that equal text means equal bits.
pub fn metrics(folder: &Path) -> HashMap<String, Vec<String>> {
    let bytes = left(folder, "metrics.csv");
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns: HashMap<String, Vec<String>> = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for row in reader.records() {
        for (name, cell) in names.iter().zip(row.unwrap().iter()) {
            columns.get_mut(name).unwrap().push(cell.to_owned());
        }
    }
    columns
}

/// A column of a run's `metrics.csv` as numbers.
pub fn column(folder: &Path, name: &str) -> Vec<f64> {
    metrics(folder)[name].iter().map(|cell| cell.parse().unwrap()).collect()
}

/// Rows divided by their norms.
pub fn normalized(x: &Dense) -> Dense {
    let norm = |i: usize| (0..x.cols).map(|k| x.at(i, k).powi(2)).sum::<f64>().sqrt();
    Dense::from_fn(x.rows, x.cols, |i, k| x.at(i, k) / norm(i))
}

/// Random features z_j = (R x_j)^p.
pub fn features(x: &Dense, r: &Dense, p: i32) -> Dense {
    Dense::from_fn(x.rows, r.rows, |j, f| (0..x.cols).map(|k| r.at(f, k) * x.at(j, k)).sum::<f64>().powi(p))
}

/// Whether two numbers agree to a relative tolerance.
#[track_caller]
pub fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error <= tolerance * expected.abs(), "{what}: {found:e} instead of {expected:e}");
}
