//! Input that is wrong, one accident a test: the exit code, the message, and nothing half-written.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{
    Call, Numbers, Tensor, column, memorize, safetensors, scratch, signs, summary, write_inputs, write_targets,
    write_weights,
};
use memorize_data::ElementType;
use memorize_data::source::{write_idx, write_npy};
use tempfile::TempDir;

const N: usize = 12;
const D: usize = 5;
const R: usize = 4;

/// A folder with good inputs, targets and weights, for one of them to be spoilt.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(scratch());
        let mut numbers = Numbers::new(5);
        write_inputs(&ground.path("x.npy"), &numbers.dense(N, D));
        write_targets(&ground.path("y.npy"), &numbers.values(N));
        write_weights(&ground.path("w.safetensors"), &numbers.dense(D, R), &signs(R));
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// A training run on these files into `out`.
    fn train(&self, inputs: &str, targets: &str) -> Call {
        memorize("train -r 4 --iterations 3 --quiet")
            .with("--inputs", self.path(inputs))
            .with("--targets", self.path(targets))
            .with("--out", self.path("out"))
    }

    /// An evaluation of these files that writes its gradient to `g.npy`.
    fn eval(&self, weights: &str, inputs: &str, targets: &str) -> Call {
        memorize("eval")
            .with("--weights", self.path(weights))
            .with("--inputs", self.path(inputs))
            .with("--targets", self.path(targets))
            .with("--gradient-out", self.path("g.npy"))
    }

    /// Training and evaluation refuse these files with `words`, and leave nothing behind.
    #[track_caller]
    fn refuses(&self, inputs: &str, targets: &str, words: &[&str]) {
        let before = self.listing();
        self.train(inputs, targets).refuses(words);
        self.eval("w.safetensors", inputs, targets).refuses(words);
        assert_eq!(self.listing(), before, "nothing is written");
    }

    /// Training and evaluation refuse a file of inputs with these contents, by name.
    #[track_caller]
    fn refuses_inputs(&self, name: &str, bytes: &[u8], words: &[&str]) {
        self.write(name, bytes);
        self.refuses(name, "y.npy", &[&[name], words].concat());
    }

    /// Evaluation refuses a weights file with these contents, by name.
    #[track_caller]
    fn refuses_weights(&self, bytes: &[u8], words: &[&str]) {
        self.write("bad.safetensors", bytes);
        let before = self.listing();
        self.eval("bad.safetensors", "x.npy", "y.npy").refuses(&[&["bad.safetensors"], words].concat());
        assert_eq!(self.listing(), before, "nothing is written");
    }

    /// Training on good data refuses these flags with `words`.
    #[track_caller]
    fn refuses_flags(&self, flags: &str, words: &[&str]) {
        let data = "train --data synthetic --samples 20 --dim 6 --iterations 3 --quiet";
        memorize(data).and(flags).with("--out", self.path("out")).refuses(words);
        assert!(!self.path("out").exists(), "nothing is written");
    }

    fn listing(&self) -> Vec<PathBuf> {
        listing(self.0.path())
    }
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn good_input_is_accepted() {
    let ground = Ground::new();
    ground.train("x.npy", "y.npy").succeeds();
    ground.eval("w.safetensors", "x.npy", "y.npy").succeeds();
    assert!(ground.path("out").exists() && ground.path("g.npy").exists());
}

// ---- IDX

/// An IDX file with this element type and these dimensions.
fn idx(element: u8, dims: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(body);
    bytes
}

const U8: u8 = 0x08;
const F64: u8 = 0x0e;

#[test]
fn an_idx_file_cut_short() {
    let whole = idx(U8, &[N as u32, D as u32], &[1; N * D]);
    let words = ["it is truncated: download or copy it again"];
    Ground::new().refuses_inputs("bad.idx", &whole[..whole.len() - 1], &words);
    Ground::new().refuses_inputs("bad.idx", &whole[..10], &["IDX header", "download or copy it again"]);
    Ground::new().refuses_inputs("bad.idx", b"", &["is empty"]);
}

#[test]
fn an_idx_file_with_something_appended() {
    let bytes = idx(U8, &[N as u32, D as u32], &[1; N * D + 1]);
    Ground::new().refuses_inputs("bad.idx", &bytes, &["something was appended to it, or the header is wrong"]);
}

#[test]
fn a_file_with_another_magic_number() {
    let bytes = [&b"\x7fELF"[..], &[2; 80]].concat();
    Ground::new().refuses_inputs("bad.idx", &bytes, &["neither IDX, .npy nor gzip", "check that it is the right file"]);
}

#[test]
fn an_idx_element_type_that_does_not_exist() {
    let bytes = idx(0x07, &[N as u32, D as u32], &[1; N * D]);
    Ground::new().refuses_inputs("bad.idx", &bytes, &["0x07 does not exist", "known: 08 u8"]);
}

#[test]
fn idx_dimensions_that_overflow() {
    let bytes = idx(F64, &[u32::MAX; 3], &[1; N * D]);
    Ground::new().refuses_inputs("bad.idx", &bytes, &["overflow the address space; the header is damaged"]);
}

#[test]
fn idx_dimensions_that_claim_terabytes() {
    let bytes = idx(U8, &[u32::MAX, 4096], &[1; N * D]);
    Ground::new().refuses_inputs("bad.idx", &bytes, &["4294967295", "it is truncated"]);
}

#[test]
fn idx_dimensions_of_zero() {
    Ground::new().refuses_inputs("bad.idx", &idx(U8, &[0, D as u32], &[]), &["at least one sample is needed"]);
    Ground::new().refuses_inputs("bad.idx", &idx(U8, &[N as u32, 0], &[]), &["at least one a row is needed"]);
}

// ---- .npy

/// A .npy file of version 1.0 with this dictionary as its header.
fn npy(header: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((header.len() + 1) as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend(body);
    bytes
}

#[test]
fn a_npy_file_cut_short() {
    let ground = Ground::new();
    let whole = fs::read(ground.path("x.npy")).unwrap();
    ground.refuses_inputs("bad.npy", &whole[..whole.len() - 3], &["it is truncated: download or copy it again"]);
    ground.refuses_inputs("bad.npy", &whole[..20], &[".npy header takes", "download or copy it again"]);
}

#[test]
fn a_npy_header_that_claims_more_rows_than_there_are() {
    let bytes = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 5), }", &[0; 8 * N * D]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["1000000000000", "it is truncated"]);
    let bytes = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 5), }", &[0; 8]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["overflow the address space"]);
}

#[test]
fn a_npy_header_that_is_no_dictionary() {
    let bytes = npy("[1, 2, 3]", &[0; 8 * N * D]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["bad .npy header", "save it again with numpy.save"]);
}

#[test]
fn a_npy_file_in_fortran_order() {
    let bytes = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (12, 5), }", &[0; 8 * N * D]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["Fortran order", "numpy.ascontiguousarray"]);
}

#[test]
fn a_npy_file_of_complex_numbers() {
    let bytes = npy("{'descr': '<c16', 'fortran_order': False, 'shape': (12, 5), }", &[0; 16 * N * D]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["<c16", "array.astype(numpy.float32)"]);
}

// ---- gzip

#[test]
fn a_web_page_saved_as_a_gzip_file() {
    let page = b"<!DOCTYPE html><html><body>404</body></html>";
    Ground::new().refuses_inputs("bad.gz", page, &["looks like an HTML page, was the download redirected?"]);
}

#[test]
fn a_damaged_gzip_file() {
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist/t10k-labels-idx1-ubyte.gz");
    let mut bytes = fs::read(official).unwrap();
    let middle = bytes.len() / 2;
    Ground::new().refuses_inputs("bad.gz", &bytes[..middle], &["download it again"]);
    bytes[middle] ^= 0x10;
    Ground::new().refuses_inputs("bad.gz", &bytes, &["the gzip stream is damaged", "download it again"]);
}

#[test]
fn a_damaged_copy_of_mnist() {
    let ground = Ground::new();
    let folder = ground.path("mnist");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("train-images-idx3-ubyte.gz"), b"<html>moved</html>").unwrap();
    memorize("reproduce mnist-2layer --quick --quiet")
        .with("--data-dir", &folder)
        .with("--out", ground.path("out"))
        .refuses(&["train-images-idx3-ubyte.gz", "HTML"]);
    assert!(!ground.path("out").exists());
    assert_eq!(listing(&folder).len(), 1, "the user's folder is left alone");
}

// ---- what the files hold

#[test]
fn inputs_and_targets_of_different_counts() {
    let ground = Ground::new();
    write_targets(&ground.path("short.npy"), &[0.5; N - 1]);
    ground.refuses("x.npy", "short.npy", &["x.npy has 12 rows but", "short.npy has 11; each input needs one target"]);
}

#[test]
fn a_test_set_of_another_width() {
    for flags in ["", "--pca 2", "--features-k 3"] {
        let ground = Ground::new();
        write_inputs(&ground.path("wide.npy"), &Numbers::new(1).dense(N, D + 1));
        ground
            .train("x.npy", "y.npy")
            .and(flags)
            .with("--test-inputs", ground.path("wide.npy"))
            .with("--test-targets", ground.path("y.npy"))
            .refuses(&["x.npy has 5 numbers a row but", "wide.npy has 6", "must have the same"]);
        assert!(!ground.path("out").exists());
    }
}

#[test]
fn images_and_labels_swapped() {
    let ground = Ground::new();
    write_idx(&ground.path("images"), ElementType::U8, &[N, 2, 3], &[7.0; N * 6]).unwrap();
    write_idx(&ground.path("labels"), ElementType::U8, &[N], &[1.0; N]).unwrap();
    ground.refuses("labels", "images", &["images: targets must have 1 number a row", "inputs and targets swapped?"]);
}

#[test]
fn a_row_of_zeros_cannot_be_normalised() {
    let ground = Ground::new();
    let mut x = Numbers::new(1).dense(N, D);
    x.data[3 * D..4 * D].fill(0.0);
    write_inputs(&ground.path("zero.npy"), &x);
    let words = ["zero.npy: row 3 is all zeros", "remove it (and its target)"];
    ground.train("zero.npy", "y.npy").and("--normalize").refuses(&words);
    ground.eval("w.safetensors", "zero.npy", "y.npy").and("--normalize").refuses(&words);
    assert!(!ground.path("out").exists() && !ground.path("g.npy").exists());
    ground.eval("w.safetensors", "zero.npy", "y.npy").succeeds();
}

#[test]
fn inputs_that_are_not_finite() {
    for (value, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let ground = Ground::new();
        let mut x = Numbers::new(1).dense(N, D);
        x.data[7 * D + 2] = value;
        write_inputs(&ground.path("bad.npy"), &x);
        let message = format!("bad.npy: the value at row 7, column 2 is {shown}; remove or replace it");
        ground.refuses("bad.npy", "y.npy", &[&message]);
    }
}

#[test]
fn targets_that_are_not_finite() {
    let ground = Ground::new();
    let mut y = vec![0.5; N];
    y[4] = f64::NAN;
    write_targets(&ground.path("bad.npy"), &y);
    ground.refuses("x.npy", "bad.npy", &["bad.npy: the value at row 4, column 0 is NaN; remove or replace it"]);
}

#[test]
fn inputs_too_large_for_single_precision() {
    let ground = Ground::new();
    let mut x = Numbers::new(1).dense(N, D);
    x.data[D] = 1e300;
    write_npy(&ground.path("bad.npy"), ElementType::F64, &[N, D], &x.data).unwrap();
    ground.train("bad.npy", "y.npy").refuses(&["bad.npy: the value at row 1, column 0", "compute in f64"]);
    assert!(!ground.path("out").exists());
}

// ---- weights

#[test]
fn a_weights_file_cut_short() {
    let ground = Ground::new();
    let whole = fs::read(ground.path("w.safetensors")).unwrap();
    ground.refuses_weights(&whole[..whole.len() - 1], &["was it cut short"]);
    ground.refuses_weights(&whole[..5], &["was it cut short"]);
    ground.refuses_weights(b"", &["was it cut short"]);
}

#[test]
fn a_weights_file_with_a_lying_header() {
    let ground = Ground::new();
    let mut huge = vec![0xff; 64];
    huge[7] = 0x7f;
    ground.refuses_weights(&huge, &["not a well-formed safetensors file"]);
    let lying =
        |header: &str, body: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), body].concat();
    let header = r#"{"W":{"dtype":"F64","shape":[4611686018427387904,8],"data_offsets":[0,16]}}"#;
    ground.refuses_weights(&lying(header, &[0; 16]), &["not a well-formed safetensors file"]);
    let header = r#"{"W":{"dtype":"F64","shape":[5,4],"data_offsets":[0,160]}}"#;
    ground.refuses_weights(&lying(header, &[0; 16]), &["not a well-formed safetensors file"]);
}

#[test]
fn weights_that_are_not_finite() {
    let ground = Ground::new();
    for value in [f64::NAN, f64::INFINITY] {
        let mut w = vec![0.5; D * R];
        w[6] = value;
        let tensors: [Tensor<'_>; 2] = [("W", vec![D, R], &w), ("a", vec![R], &signs(R))];
        ground.refuses_weights(&safetensors(&tensors, &[]), &["`W` holds", "element 6", "must be finite"]);
    }
}

#[test]
fn a_safetensors_file_of_another_model() {
    let ground = Ground::new();
    let tensors: [Tensor<'_>; 1] = [("encoder.bias", vec![2], &[1.0, 2.0])];
    ground.refuses_weights(&safetensors(&tensors, &[]), &["no tensor `W` [d, r]", "encoder.bias"]);
}

#[test]
fn weights_and_signs_of_different_counts() {
    let ground = Ground::new();
    let tensors: [Tensor<'_>; 2] = [("W", vec![D, R], &[0.5; D * R]), ("a", vec![2], &[1.0, -1.0])];
    ground.refuses_weights(&safetensors(&tensors, &[]), &["4 columns", "one sign a neuron is needed"]);
}

#[test]
fn random_features_without_their_power() {
    let ground = Ground::new();
    let tensors: [Tensor<'_>; 3] =
        [("W", vec![3, R], &[0.5; 3 * R]), ("a", vec![R], &signs(R)), ("R", vec![3, D], &[0.5; 3 * D])];
    ground.refuses_weights(&safetensors(&tensors, &[]), &["needs the power `p`", "in its metadata"]);
    ground.refuses_weights(&safetensors(&tensors, &[("p", "two")]), &["needs the power `p`"]);
    ground.refuses_weights(&safetensors(&tensors, &[("p", "0")]), &["power p", "from 1 to 64"]);
}

#[test]
fn a_projection_that_does_not_fit_the_layer_behind_it() {
    let ground = Ground::new();
    let projection: [Tensor<'_>; 2] = [("pca.basis", vec![3, D], &[0.5; 3 * D]), ("pca.mean", vec![D], &[0.5; D])];
    let two: [Tensor<'_>; 2] = [("W", vec![D, R], &[0.5; D * R]), ("a", vec![R], &signs(R))];
    let words = ["`pca.basis`", "3", "5"];
    ground.refuses_weights(&safetensors(&[&two[..], &projection].concat(), &[]), &words);
    let three: [Tensor<'_>; 1] = [("R", vec![D, D], &[0.5; D * D])];
    ground.refuses_weights(&safetensors(&[&two[..], &projection, &three].concat(), &[("p", "2")]), &words);
}

#[test]
fn weights_and_inputs_of_different_widths() {
    let ground = Ground::new();
    write_inputs(&ground.path("wide.npy"), &Numbers::new(1).dense(N, D + 1));
    ground.eval("w.safetensors", "wide.npy", "y.npy").refuses(&[
        "wide.npy has 6 values a row",
        "w.safetensors takes 5",
        "hint: give the inputs that the network was made for",
    ]);
    assert!(!ground.path("g.npy").exists());
}

// ---- files that cannot be opened

#[test]
fn files_that_do_not_exist() {
    let ground = Ground::new();
    ground.refuses("gone.npy", "y.npy", &["gone.npy", "check the path"]);
    ground.refuses("x.npy", "gone.npy", &["gone.npy", "check the path"]);
    ground.eval("gone.safetensors", "x.npy", "y.npy").refuses(&["gone.safetensors", "check the path"]);
    let config = ground.path("gone.toml");
    memorize("train").with("--config", config).with("--out", ground.path("out")).refuses(&["gone.toml"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn a_folder_where_a_file_is_needed() {
    let ground = Ground::new();
    fs::create_dir(ground.path("folder")).unwrap();
    ground.refuses("folder", "y.npy", &["folder is a folder, not a file; name the file inside it"]);
    ground.eval("folder", "x.npy", "y.npy").refuses(&["folder"]);
}

// ---- numbers that cannot be run with

#[test]
fn an_odd_number_of_neurons() {
    Ground::new().refuses_flags("-r 7", &["network.neurons = 7", "must be even", "try 8"]);
}

#[test]
fn no_neurons() {
    Ground::new().refuses_flags("-r 0", &["network.neurons = 0", "at least 2 neurons (--neurons)"]);
    Ground::new().refuses_flags("", &["network.neurons is missing", "--neurons R"]);
    Ground::new().refuses_flags("-r -2", &["-2"]);
}

#[test]
fn random_features_of_power_zero() {
    Ground::new().refuses_flags("-r 4 --features-k 3 --features-p 0", &["network.features.p = 0", "--features-p"]);
}

#[test]
fn no_random_features() {
    Ground::new().refuses_flags("-r 4 --features-k 0", &["network.features.k = 0", "leave out --features-k"]);
    Ground::new().refuses_flags("-r 4 --features-p 2", &["network.features.k is missing", "--features-k K"]);
}

#[test]
fn an_empty_batch() {
    Ground::new().refuses_flags("-r 4 --batch 0", &["optimizer.batch = 0", "at least 1 sample, or `full`"]);
}

#[test]
fn step_sizes_that_are_none() {
    for rate in ["0", "-0.1", "nan", "inf"] {
        let words = ["optimizer.learning_rate", "must be a finite number above 0 (--lr)"];
        Ground::new().refuses_flags(&format!("-r 4 --lr {rate}"), &words);
    }
    Ground::new().refuses_flags("-r 4 --lr fast", &["fast", "--lr"]);
}

#[test]
fn a_run_without_an_end() {
    let ground = Ground::new();
    memorize("train --data synthetic -r 4")
        .with("--out", ground.path("out"))
        .refuses(&["--epochs N or --iterations N"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn perturbed_descent_without_all_of_its_thresholds() {
    let all = ["--pgd-radius", "--pgd-g-threshold", "--pgd-f-threshold", "--pgd-t-threshold"];
    Ground::new().refuses_flags("-r 4 --optimizer pgd", &all);
    Ground::new().refuses_flags("-r 4 --optimizer pgd --pgd-radius 0.1", &all);
    let help = memorize("train --help").succeeds().stdout;
    assert!(help.contains("`--optimizer pgd` needs all four"), "{help}");
}

#[test]
fn more_principal_components_than_coordinates() {
    Ground::new().refuses_flags("-r 4 --pca 7", &["7 principal components", "ask for at most 6"]);
}

#[test]
fn sizes_that_no_machine_has_memory_for() {
    let words = ["memory"];
    Ground::new().refuses_flags("-r 4000000000000000000", &words);
    Ground::new().refuses_flags("-r 4 --features-k 4000000000000000000", &words);
    let ground = Ground::new();
    memorize("train --data synthetic -r 4 --iterations 3 --samples 4000000000000000000")
        .with("--out", ground.path("out"))
        .refuses(&words);
    assert!(!ground.path("out").exists());
}

// ---- training that fails

/// A run that diverged: exit code 1, everything that helps to find out why, and no weights.
#[track_caller]
fn assert_diverges(flags: &str) {
    let ground = Ground::new();
    let outcome = memorize("train --data synthetic --samples 20 --dim 6 -r 8 --quiet --record-every 1")
        .and(flags)
        .with("--out", ground.path("out"))
        .fails(1, &["training diverged", "at iteration ", "last finite loss: ", "use a smaller learning rate"]);
    assert!(outcome.stderr.contains("hint: flags of `memorize train`: --lr X, --init-scale X"), "{}", outcome.stderr);
    let out = ground.path("out");
    let losses = column(&out, "loss");
    assert!(!losses.is_empty() && losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let last = format!("last finite loss: {:.6e}", losses.last().unwrap());
    assert!(outcome.stderr.contains(&last), "no {last:?} in:\n{}", outcome.stderr);
    assert!(out.join("config.toml").exists());
    for file in ["checkpoint.safetensors", "summary.json"] {
        assert!(!out.join(file).exists(), "{file}");
    }
}

#[test]
fn a_step_size_that_diverges() {
    assert_diverges("--optimizer gd --lr 1e6 --iterations 1000");
    assert_diverges("--optimizer sgd --batch 7 --lr 1e6 --epochs 1000");
}

#[test]
fn a_step_size_that_diverges_in_the_last_step() {
    assert_diverges("--optimizer gd --lr 1e30 --iterations 1");
    assert_diverges("--optimizer sgd --batch 20 --lr 1e30 --iterations 1");
}

// ---- the output folder

#[test]
fn an_output_folder_with_something_in_it() {
    let ground = Ground::new();
    let out = ground.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("metrics.csv"), "precious").unwrap();
    fs::write(out.join("thesis.tex"), "mine").unwrap();
    let words = ["out already exists and is not empty", "--out DIR", "--overwrite"];
    ground.train("x.npy", "y.npy").refuses(&words);
    memorize("reproduce synthetic --quick --quiet").with("--out", &out).refuses(&words);
    assert_eq!(fs::read_to_string(out.join("metrics.csv")).unwrap(), "precious");
    assert_eq!(listing(&out).len(), 2);

    ground.train("x.npy", "y.npy").and("--overwrite").succeeds();
    assert_eq!(summary(&out)["n"], N);
    assert_eq!(fs::read_to_string(out.join("thesis.tex")).unwrap(), "mine", "only results are replaced");
}

#[test]
fn bad_input_does_not_cost_the_results_of_an_earlier_run() {
    let ground = Ground::new();
    let out = ground.path("out");
    ground.train("x.npy", "y.npy").succeeds();
    let before = fs::read(out.join("summary.json")).unwrap();
    ground.train("gone.npy", "y.npy").and("--overwrite").refuses(&["gone.npy"]);
    ground.train("x.npy", "y.npy").and("--overwrite --pca 99").refuses(&["99"]);
    assert_eq!(fs::read(out.join("summary.json")).unwrap(), before);
    assert!(out.join("checkpoint.safetensors").exists());
}

#[test]
fn a_series_finds_out_that_its_last_folder_is_taken_before_it_starts() {
    let ground = Ground::new();
    let last = ground.path("mnist-3layer-random-quick");
    fs::create_dir(&last).unwrap();
    fs::write(last.join("summary.json"), "precious").unwrap();
    let before = ground.listing();
    memorize("reproduce all --quick --quiet")
        .with("--out", ground.path("."))
        .refuses(&["mnist-3layer-random-quick already exists and is not empty"]);
    assert_eq!(ground.listing(), before);
}

#[test]
fn a_file_in_the_way_of_the_output_folder() {
    let ground = Ground::new();
    ground.write("out", b"mine");
    ground.train("x.npy", "y.npy").refuses(&["out exists and is not a folder", "hint: choose another folder"]);
    ground.train("x.npy", "y.npy").and("--overwrite").refuses(&["out exists and is not a folder"]);
    memorize("train --data synthetic -r 4 --iterations 3 --quiet")
        .with("--out", ground.path("out/below"))
        .refuses(&["below", "--out DIR"]);
    assert_eq!(fs::read(ground.path("out")).unwrap(), b"mine");
}

// ---- names and files of settings

#[test]
fn a_mistyped_experiment() {
    memorize("reproduce mnist-2layer-nois").refuses(&["mnist-2layer-nois", "similar", "'mnist-2layer-noise'"]);
    let outcome = memorize("reproduce xyzzy").refuses(&["possible values", "synthetic", "mnist-3layer-random", "all"]);
    assert!(!outcome.stderr.contains("similar"), "{}", outcome.stderr);
}

#[test]
fn a_mistyped_key_in_a_configuration_file() {
    let ground = Ground::new();
    let text = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 4\n[optimizer]\nleraning_rate = 0.1\n";
    ground.write("my.toml", text.as_bytes());
    memorize("train --iterations 3")
        .with("--config", ground.path("my.toml"))
        .with("--out", ground.path("out"))
        .refuses(&["my.toml", "line 6", "unknown field `leraning_rate`", "did you mean `learning_rate`?"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn a_value_of_the_wrong_type_in_a_configuration_file() {
    let ground = Ground::new();
    ground.write("my.toml", b"[network]\nneurons = \"many\"\n");
    memorize("train --data synthetic --iterations 3")
        .with("--config", ground.path("my.toml"))
        .with("--out", ground.path("out"))
        .refuses(&["my.toml", "line 2", "many"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn data_that_are_named_twice_or_not_at_all() {
    let ground = Ground::new();
    ground.train("x.npy", "y.npy").and("--data mnist").refuses(&["--data", "cannot be used with"]);
    memorize("train -r 4 --iterations 3").with("--out", ground.path("out")).refuses(&["--inputs FILE --targets FILE"]);
    memorize("train -r 4 --iterations 3")
        .with("--inputs", ground.path("x.npy"))
        .with("--out", ground.path("out"))
        .refuses(&["data.targets is missing", "--targets FILE"]);
    assert!(!ground.path("out").exists());
}
