//! `memorize capacity`: the threshold of Theorem 1 in what it prints and leaves.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Outcome, backends, left, memorize, number, scratch, summary};

/// d = 6: 21 samples are the capacity.
const SMALL: &str = "capacity --dim 6 --ratios 0.5,1.5 --seeds 2 --iterations 5000";

/// A row of `capacity.csv`: the cell of a column.
struct Rows {
    names: Vec<String>,
    cells: Vec<Vec<String>>,
}

impl Rows {
    fn of(folder: &Path) -> Self {
        let bytes = left(folder, "capacity.csv");
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
        Self { names, cells: reader.records().map(|record| row(record.unwrap())).collect() }
    }

    fn text(&self, row: usize, column: &str) -> &str {
        let at = self.names.iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"));
        &self.cells[row][at]
    }

    fn number(&self, row: usize, column: &str) -> f64 {
        self.text(row, column).parse().unwrap_or_else(|_| panic!("{column} is {}", self.text(row, column)))
    }
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn the_loss_is_the_tolerance_below_the_capacity_and_the_least_squares_loss_above() {
    let folder = scratch();
    for backend in backends() {
        let out = folder.path().join(backend);
        memorize(SMALL).and("--optimizer solve,adam,gd --backend").and(backend).with("--out", &out).succeeds();
        let rows = Rows::of(&out);
        assert_eq!(rows.cells.len(), 2 * 2 * 3);
        for row in 0..rows.cells.len() {
            let number = |column| rows.number(row, column);
            let (n, loss, least) = (number("n"), number("loss"), number("least_squares_loss"));
            assert_eq!((number("d"), number("capacity"), number("ratio")), (6.0, 21.0, n / 21.0));
            assert_eq!(number("parameters"), 6.0 * number("r"));
            assert_eq!(number("parameters_per_sample"), number("parameters") / n);
            assert_eq!(number("seed"), ((row / 3) % 2) as f64);
            let optimizer = rows.text(row, "optimizer");
            assert_eq!(optimizer, ["solve", "adam", "gd"][row % 3]);
            assert!(if optimizer == "solve" { number("r") <= 12.0 } else { number("r") == 14.0 });
            assert!(number("iterations") > 0.0 && number("iterations") <= 5000.0);
            if n < 21.0 {
                assert_eq!((n, rows.text(row, "ended")), (11.0, "memorised"));
                assert!(loss <= 1e-10 && least <= 1e-10 && number("predicted_loss") == 0.0, "{loss:e}");
            } else {
                assert_eq!((n, rows.text(row, "ended")), (32.0, "least_squares"));
                assert!(least > 1e-3 && loss >= least * (1.0 - 1e-9) && loss <= 1.001 * least, "{loss} {least}");
                // f(0) = E y^2/4 = 1/12.
                assert!((number("predicted_loss") - (1.0 - 21.0 / 32.0) / 12.0).abs() < 1e-15);
            }
        }
    }
}

#[test]
fn a_training_set_is_the_one_that_train_and_solve_make() {
    let folder = scratch();
    let out = folder.path().join("run");
    memorize("capacity --dim 6 --ratios 1.5 --seeds 1 --seed 7 --optimizer solve").with("--out", &out).succeeds();
    let flags =
        "solve --data synthetic --samples 32 --dim 6 --normalize --seed 7 --dtype f64 --stop-below 1e-10 --json";
    let alone = json(&memorize(flags).succeeds());
    let rows = Rows::of(&out);
    assert_eq!((rows.number(0, "loss"), rows.number(0, "r")), (number(&alone, "loss"), number(&alone, "neurons")));
}

#[test]
fn the_folder_has_everything_and_the_json_is_its_summary() {
    let folder = scratch();
    let out = folder.path().join("run");
    let outcome = memorize(SMALL).and("--json").with("--out", &out).succeeds();
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (1, ""));
    let found = json(&outcome);
    let mut expected = found.clone();
    // The file has no header, but for the version, and what it was computed with stands among the others.
    let own = expected.as_object_mut().unwrap();
    let Value::Object(computed_with) = own.remove("computed_with").unwrap() else { panic!("{found}") };
    ["schema", "command"].iter().for_each(|key| assert!(own.remove(*key).is_some(), "{key}"));
    own.extend(computed_with);
    assert_eq!(expected, summary(&out));
    for (field, value) in [("d", 6.0), ("capacity", 21.0), ("neurons", 14.0), ("seeds", 2.0), ("stop_below", 1e-10)] {
        assert_eq!(number(&found, field), value, "{field}");
    }
    assert_eq!((&found["interrupted"], &found["learning_rate"]), (&Value::Bool(false), &Value::Null));
    let points = found["points"].as_array().unwrap();
    let which: Vec<(&str, f64)> =
        points.iter().map(|point| (point["optimizer"].as_str().unwrap(), number(point, "n"))).collect();
    assert_eq!(which, [("solve", 11.0), ("solve", 32.0), ("adam", 11.0), ("adam", 32.0)]);
    for point in points {
        let memorised = if number(point, "n") < 21.0 { 2.0 } else { 0.0 };
        assert_eq!((number(point, "finished"), number(point, "memorised")), (2.0, memorised));
        let [low, loss, high] = ["loss_min", "loss", "loss_max"].map(|field| number(point, field));
        assert!(low <= loss && loss <= high);
        for field in ["least_squares_loss", "predicted_loss", "iterations", "parameters", "parameters_per_sample"] {
            assert!(point[field].is_number(), "{field}");
        }
    }
    let svg = String::from_utf8(left(&out, "capacity.svg")).unwrap();
    for text in ["<svg", "capacity d(d+1)/2 = 21", "memorised: f", "loss f(W)", "Adam", "expected least squares loss"] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(left(&out, "capacity.png").starts_with(b"\x89PNG"));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "no temporary file is left behind");
}

#[test]
fn the_table_has_a_line_a_point_and_progress_goes_to_standard_error() {
    let folder = scratch();
    let outcome = memorize(SMALL).with("--out", folder.path().join("run")).succeeds();
    let lines = |word: &str| outcome.stdout.lines().filter(|line| line.trim_start().starts_with(word)).count();
    assert_eq!((lines("solve "), lines("adam ")), (2, 2), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("2 of 2") && outcome.stdout.contains("0 of 2"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("d(d+1)/2 = 21 samples") && outcome.stdout.contains("parameters/n"));
    let sets = outcome.stderr.lines().filter(|line| line.contains("of the capacity), seed")).count();
    assert_eq!(sets, 4, "{}", outcome.stderr);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let folder = scratch();
    let rows = |threads: &str, dtype: &str| {
        let out = folder.path().join(format!("{threads}-{dtype}"));
        let call = memorize("capacity --dim 5 --ratios 0.5,0.9,1.1 --seeds 3 --iterations 300 --quiet --threads");
        let outcome = call.and(threads).and("--dtype").and(dtype).with("--out", &out).succeeds();
        assert_eq!(outcome.stderr, "");
        left(&out, "capacity.csv")
    };
    for dtype in ["f32", "f64"] {
        let one = rows("1", dtype);
        assert_eq!(String::from_utf8(one.clone()).unwrap().lines().count(), 1 + 3 * 3 * 2);
        assert!(one == rows("3", dtype), "{dtype}");
    }
}

#[test]
fn too_few_neurons_and_iterations_are_said_to_be_too_few() {
    let folder = scratch();
    let out = folder.path().join("run");
    let few = "capacity --dim 6 --ratios 0.9 --seeds 1 --neurons 4 --iterations 50 --optimizer adam --lr 0.02 --json";
    let found = json(&memorize(few).with("--out", &out).succeeds());
    let notes = found["notes"].to_string();
    assert!(notes.contains("fewer than 2d = 12") && notes.contains("adam used all of its 50 iterations"), "{notes}");
    assert_eq!((number(&found["points"][0], "memorised"), number(&found, "learning_rate")), (0.0, 0.02));
    assert_eq!(Rows::of(&out).text(0, "ended"), "budget");
    // The least squares loss is the solver's all the same.
    assert!(Rows::of(&out).number(0, "least_squares_loss") <= 1e-10);
}

#[test]
fn results_are_not_written_over_unless_asked_to() {
    let folder = scratch();
    fs::write(folder.path().join("capacity.csv"), "precious").unwrap();
    fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
    memorize(SMALL).with("--out", folder.path()).refuses(&["not empty", "--overwrite"]);
    assert_eq!(left(folder.path(), "capacity.csv"), b"precious");
    memorize(SMALL).and("--overwrite").with("--out", folder.path()).succeeds();
    assert_eq!(Rows::of(folder.path()).cells.len(), 8);
    assert_eq!(left(folder.path(), "thesis.tex"), b"mine");
}

#[test]
fn what_cannot_be_run_is_refused_and_leaves_no_folder() {
    let folder = scratch();
    let out = folder.path().join("run");
    let refused = |arguments: &str, words: &[&str]| {
        memorize("capacity").and(arguments).with("--out", &out).refuses(words);
        assert!(!out.exists(), "{arguments}");
    };
    refused("--dim 0", &["dim = 0", "at least 1"]);
    refused("--neurons 7", &["neurons = 7", "even"]);
    refused("--neurons 0", &["neurons = 0", "even"]);
    refused("--ratios 0.5,-1", &["ratios = -1", "above 0"]);
    refused("--ratios nan", &["ratios = NaN", "--ratios"]);
    refused("--ratios 0.5,", &["--ratios"]);
    refused("--seeds 0", &["seeds = 0"]);
    refused("--seed 18446744073709551615", &["seed = ", "--seed"]);
    refused("--iterations 0", &["iterations = 0"]);
    refused("--stop-below 0", &["stop_below = 0", "--stop-below"]);
    refused("--lr 0 --optimizer gd", &["learning rate = 0", "--lr"]);
    refused("--lr 0.1 --optimizer adam,gd", &["different step sizes"]);
    refused("--lr 0.1 --optimizer solve", &["no step size"]);
    refused("--optimizer pgd", &["pgd", "solve", "adam", "gd"]);
    refused("--threads 0", &["threads = 0"]);
    refused("--dim 5 --ratios 1e300", &["memory", "--ratios"]);
    refused("--dim 18446744073709551615", &["memory", "--dim"]);
}

#[test]
fn descent_that_diverges_says_which_flag_to_turn() {
    let folder = scratch();
    let call = memorize("capacity --dim 4 --ratios 0.5 --seeds 1 --optimizer gd --lr 1e6 --quiet");
    call.with("--out", folder.path().join("run")).fails(1, &["diverged", "--lr"]);
}
