//! Files that are wrong, one accident a test: the exit code, the message, and nothing half-written.

use std::fs;
use std::path::Path;

use memorize_data::ElementType;
use memorize_data::source::{write_idx, write_npy};

use crate::common::ground::{D, Ground, N, R, listing};
use crate::common::{Numbers, Tensor, memorize, safetensors, signs, write_inputs, write_targets};

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
fn a_npy_file_in_fortran_order_cut_short() {
    let bytes = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (12, 5), }", &[0; 8 * N * D - 1]);
    Ground::new().refuses_inputs("bad.npy", &bytes, &["it is truncated: download or copy it again"]);
}

#[test]
fn a_npy_file_of_complex_numbers() {
    let bytes = npy("{'descr': '<c16', 'fortran_order': False, 'shape': (12, 5), }", &[0; 16 * N * D]);
    Ground::new().refuses_inputs(
        "bad.npy",
        &bytes,
        &["<c16", "complex numbers", "numpy.stack([a.real, a.imag], axis=-1)"],
    );
}

#[test]
fn a_gzip_file_with_something_appended() {
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mnist/files/t10k-labels-idx1-ubyte.gz");
    let bytes = [&fs::read(official).unwrap()[..], b"garbage"].concat();
    let whole = format!("7 other bytes follow its {}; cut them off", bytes.len() - 7);
    Ground::new().refuses_inputs("bad.gz", &bytes, &["the gzip stream is whole", &whole]);
}

// ---- gzip

#[test]
fn a_web_page_saved_as_a_gzip_file() {
    let page = b"<!DOCTYPE html><html><body>404</body></html>";
    Ground::new().refuses_inputs("bad.gz", page, &["looks like an HTML page, was the download redirected?"]);
}

#[test]
fn a_damaged_gzip_file() {
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mnist/files/t10k-labels-idx1-ubyte.gz");
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
    ground.refuses_weights(&safetensors(&tensors, &[]), &["4 columns", "save one sign a neuron"]);
}

#[test]
fn random_features_without_their_power() {
    let ground = Ground::new();
    let tensors: [Tensor<'_>; 3] =
        [("W", vec![3, R], &[0.5; 3 * R]), ("a", vec![R], &signs(R)), ("R", vec![3, D], &[0.5; 3 * D])];
    ground.refuses_weights(&safetensors(&tensors, &[]), &["needs the power of the features", "as `p`"]);
    ground.refuses_weights(&safetensors(&tensors, &[("p", "two")]), &["needs the power of the features"]);
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

// ---- paths that are not there

#[test]
fn a_mistyped_path_gets_the_one_that_may_have_been_meant() {
    let root = crate::common::scratch();
    let at = |name: &str| root.path().join(name);
    let run = "train --data synthetic --samples 20 --dim 4 -r 10 --optimizer gd --lr 0.1 --iterations 2 --quiet";
    memorize(run).with("--out", at("runs/small")).succeeds();
    fs::write(at("job.toml"), "").unwrap();
    write_npy(&at("samples.npy"), ElementType::F64, &[3, 4], &[1.0; 12]).unwrap();
    for (call, flag, typed, meant) in [
        ("train --targets y.npy -r 2 --epochs 1", "--inputs", "sample.npy", "samples.npy"),
        ("condition", "--inputs", "sample.npy", "samples.npy"),
        ("data info", "--", "samples.np", "samples.npy"),
        ("train", "--config", "jb.toml", "job.toml"),
        ("sweep", "--", "Job.toml", "job.toml"),
        ("resume", "--", "runs/smal", "runs/small"),
        ("report", "--", "runs/smal", "runs/small"),
        ("runs", "--", "rusn", "runs"),
        ("eval", "--run", "runs/smal", "runs/small/checkpoint.safetensors"),
    ] {
        let outcome = memorize(call).with(flag, at(typed)).refuses(&[typed]);
        let hint = format!("hint: did you mean {}?", at(meant).display());
        assert!(outcome.stderr.lines().any(|line| line == hint), "no {hint:?} in:\n{}", outcome.stderr);
    }
    memorize("data sample mnst --out digits.png").refuses(&["hint: did you mean `mnist`?"]);
    // Where nothing is like it, there is other advice.
    memorize("train").with("--config", at("other")).refuses(&["hint: ", "memorize config --default"]);
    // One run alone has nothing to be compared with.
    memorize("compare").with("--", at("runs/small")).and(at("runs/smal").to_str().unwrap()).refuses(&["did you mean"]);
}
