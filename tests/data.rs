//! `memorize data`: what is in files, and files made of others.

use std::fs;

use memorize_data::source::{write_idx, write_npy};
use memorize_data::{ElementType, Table, synthetic};
use serde_json::{Value, json};

use crate::common::{Numbers, left, memorize, scratch, write_inputs, write_targets};

fn info(path: &std::path::Path) -> Value {
    let told = memorize(&format!("data info --json {}", path.display())).succeeds();
    let all: Value = serde_json::from_str(&told.stdout).unwrap();
    all["files"][0].clone()
}

#[test]
fn info_tells_what_is_in_a_table() {
    let folder = scratch();
    let path = folder.path().join("x.npy");
    write_npy(&path, ElementType::F32, &[3, 2], &[1.0, -2.0, 0.0, 0.0, 1.0, -2.0]).unwrap();
    let found = info(&path);
    let expected = json!({
        "format": ".npy", "compressed": false, "type": "f32", "dims": [3, 2], "rows": 3, "row_len": 2, "bytes": 24,
        "min": -2.0, "max": 1.0, "zeros": 2, "not_finite": 0, "zero_rows": 1, "repeated_rows": 1, "values": null,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&found[key], value, "{key}");
    }
    let text = memorize(&format!("data info {}", path.display())).succeeds().stdout;
    for words in ["3 of 2 numbers", "-2 to 1", "they cannot be normalised", "not in general position"] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
}

#[test]
fn info_counts_the_digits_of_mnist() {
    let told = memorize("data info mnist --json").succeeds();
    let found: Value = serde_json::from_str(&told.stdout).unwrap();
    let files = &found["files"];
    let shapes = json!([[60000, 28, 28], [60000], [10000, 28, 28], [10000]]);
    for (file, shape) in files.as_array().unwrap().iter().zip(shapes.as_array().unwrap()) {
        assert_eq!(&file["dims"], shape);
    }
    assert_eq!(files[1]["values"][9], json!([9.0, 5949]));
    // As published.
    assert_eq!(files[3]["sha256"], "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2");
}

#[test]
fn info_lists_the_tensors_of_weights() {
    let folder = scratch();
    let run = folder.path().join("run");
    memorize(
        "train --data synthetic --samples 20 --dim 5 --normalize -r 12 --optimizer gd --lr 1 --iterations 3 --quiet",
    )
    .with("--out", &run)
    .succeeds();
    let found = info(&run.join("checkpoint.safetensors"));
    assert_eq!(found["format"], "safetensors");
    let w = found["tensors"].as_array().unwrap().iter().find(|tensor| tensor["name"] == "W").unwrap();
    assert_eq!((&w["shape"], &w["type"]), (&json!([5, 12]), &json!("f32")));
}

#[test]
fn convert_there_and_back_gives_the_same_numbers() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    let pixels: Vec<f64> = (0..4 * 6).map(|i| f64::from(i * 11 % 256)).collect();
    write_idx(&path("a.idx"), ElementType::U8, &[4, 2, 3], &pixels).unwrap();
    let convert = |from: &str, to: &str, flags: &str| {
        let (from, to) = (path(from), path(to));
        memorize(&format!("data convert {} {} {flags}", from.display(), to.display()))
    };
    convert("a.idx", "b.npy", "--type f64").succeeds();
    let table = Table::open(&path("b.npy")).unwrap();
    assert_eq!((table.dims(), table.element_type()), (&[4, 2, 3][..], ElementType::F64));
    convert("b.npy", "c", "--type u8 --format idx").succeeds();
    assert_eq!(left(folder.path(), "a.idx"), left(folder.path(), "c"));
    convert("b.npy", "c", "--type u8 --format idx").refuses(&["already exists", "--overwrite"]);
    convert("b.npy", "d.dat", "").refuses(&["does not say which format", "--format npy"]);
    write_npy(&path("half.npy"), ElementType::F64, &[2, 2], &[1.0, 2.0, 0.5, 3.0]).unwrap();
    convert("half.npy", "e.idx", "--type u8").refuses(&["0.5", "u8"]);
    assert!(!path("e.idx").exists());
    let nothing_else = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(nothing_else, 4, "a temporary file was left");
}

#[test]
fn samples_hold_rows_with_their_own_targets() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    let mut x = Numbers::new(3).dense(30, 4);
    // The first number of a row is its target.
    let y: Vec<f64> = (0..30).map(f64::from).collect();
    x.data.chunks_mut(4).zip(&y).for_each(|(row, &y)| row[0] = y);
    write_inputs(&path("x.npy"), &x);
    write_targets(&path("y.npy"), &y);
    let sample = |name: &str, flags: &str| {
        memorize(&format!("data sample {} --targets {} {flags}", path("x.npy").display(), path("y.npy").display()))
            .with("--out", path(&format!("{name}-x.idx")))
            .with("--targets-out", path(&format!("{name}-y.npy")))
    };
    let rows = |name: &str| -> Vec<f64> {
        let (x, y) = (Table::open(&path(&format!("{name}-x.idx"))), Table::open(&path(&format!("{name}-y.npy"))));
        let (x, y) = (x.unwrap(), y.unwrap());
        assert_eq!(x.rows(), y.rows());
        (0..x.rows()).map(|i| (x.value(i, 0), y.value(i, 0))).map(|(x, y)| (assert_eq!(x, y), y).1).collect()
    };
    sample("few", "--rows 10 --seed 1").succeeds();
    sample("all", "--seed 1").succeeds();
    sample("many", "--rows 100 --resample").succeeds();
    let (few, mut all, many) = (rows("few"), rows("all"), rows("many"));
    assert_eq!((few.len(), all.len(), many.len()), (10, 30, 100));
    assert_eq!(few[..], all[..10]);
    all.sort_by(f64::total_cmp);
    assert_eq!(all, y);
    sample("more", "--rows 31").refuses(&["31 rows were asked for", "has 30", "--resample"]);
}

#[test]
fn the_synthetic_set_in_a_file_is_the_one_that_training_sees() {
    let folder = scratch();
    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    memorize("data sample synthetic --rows 7 --dim 3 --seed 5").with("--out", &x).with("--targets-out", &y).succeeds();
    let (x, y) = (Table::open(&x).unwrap(), Table::open(&y).unwrap());
    let (inputs, targets) = synthetic::tables(5, 7, 3).unwrap();
    for i in 0..7 {
        assert!((0..3).all(|j| x.value(i, j) == inputs.value(i, j)));
        assert_eq!(y.value(i, 0), targets.value(i, 0));
    }
}

#[test]
fn a_picture_is_a_png() {
    let folder = scratch();
    memorize("data sample mnist --rows 5").with("--out", folder.path().join("digits.png")).succeeds();
    assert!(left(folder.path(), "digits.png").starts_with(b"\x89PNG"));
    write_npy(&folder.path().join("x.npy"), ElementType::F32, &[2, 3], &[0.0; 6]).unwrap();
    let x = folder.path().join("x.npy");
    let picture = memorize(&format!("data sample {}", x.display())).with("--out", folder.path().join("no.png"));
    picture.refuses(&["no images", "--out FILE.npy"]);
}

#[test]
fn what_does_not_go_together_is_refused_with_advice() {
    let folder = scratch();
    let out = folder.path().join("x.npy");
    let sample = |arguments: &str| memorize(&format!("data sample {arguments}")).with("--out", &out);
    sample("mnist --rows 3 --dim 4").refuses(&["--dim", "synthetic"]);
    sample("synthetic --resample").refuses(&["made and not drawn from"]);
    sample("mnist --rows 0").refuses(&["no rows"]);
    memorize("data info synthetic").refuses(&["made, not read", "data sample synthetic"]);
    memorize("data info nowhere.npy").refuses(&["cannot open nowhere.npy"]);
}
