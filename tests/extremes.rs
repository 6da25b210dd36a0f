//! Samples far from the origin, of any scale, and far fewer than they have numbers each.

use std::fs;
use std::path::{Path, PathBuf};

use memorize_data::ElementType;
use memorize_data::source::write_npy;
use memorize_kernels::reference::{self, Dense};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    Call, Checkpoint, Numbers, assert_close, left, memorize, number, scratch, signs, summary, write_inputs,
    write_targets, write_weights,
};

/// Samples and targets on the disk.
struct Files(TempDir);

impl Files {
    fn new(x: &Dense, y: &[f64]) -> Self {
        let files = Self(scratch());
        write_inputs(&files.path("x.npy"), x);
        write_targets(&files.path("y.npy"), y);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn call(&self, arguments: &str) -> Call {
        memorize(arguments).with("--inputs", self.path("x.npy")).with("--targets", self.path("y.npy"))
    }

    fn train(&self, arguments: &str, out: &str) -> (Value, Checkpoint) {
        let folder = self.path(out);
        self.call(&format!("train --quiet {arguments}")).with("--out", &folder).succeeds();
        (summary(&folder), Checkpoint::of(&folder))
    }
}

fn json(call: Call) -> Value {
    serde_json::from_str(&call.and("--json").succeeds().stdout).unwrap()
}

fn problem(n: usize, d: usize) -> (Dense, Vec<f64>) {
    let mut numbers = Numbers::new((11 * n + d) as u64);
    (numbers.dense(n, d), numbers.values(n))
}

/// Every number plus `offset`, as multiples of 1/1024 so that f64 loses nothing of them.
fn far(x: &Dense, offset: f64) -> Dense {
    Dense::from_fn(x.rows, x.cols, |j, k| (x.at(j, k) * 1024.0).round() / 1024.0 + offset)
}

#[test]
fn principal_components_and_training_on_them_do_not_depend_on_the_offset() {
    let (x, y) = problem(60, 7);
    for dtype in ["f32", "f64"] {
        let runs = [0.0, 1e6, 1e8].map(|offset| {
            let files = Files::new(&far(&x, offset), &y);
            let test = [("--test-inputs", files.path("x.npy")), ("--test-targets", files.path("y.npy"))];
            let train = |budget: &str, out: &str| {
                let flags = format!("train -q --pca 3 -r 4 --iterations 5 --lr 1e-3 --dtype {dtype} {budget}");
                let call = test.iter().fold(files.call(&flags), |call, (flag, path)| call.with(flag, path));
                call.with("--out", files.path(out)).succeeds();
                summary(&files.path(out))
            };
            let found = train("--memory-budget 1GiB", "run");
            // The test set is the training set, and goes the same way.
            assert_close(number(&found, "test_mse"), number(&found, "train_mse"), 1e-6, "test_mse");
            let streamed = train("--memory-budget 1", "streamed");
            assert_eq!(number(&streamed, "train_loss").to_bits(), number(&found, "train_loss").to_bits());
            let [kept, streamed] = ["run", "streamed"].map(|out| left(&files.path(out), "checkpoint.safetensors"));
            assert!(kept == streamed, "other weights when streamed");
            // The mean in the weights file has the digits that the samples need.
            let again = json(memorize("eval").with("--run", files.path("run")));
            assert_close(number(&again, "loss"), number(&found, "train_loss"), 1e-6, "loss of the stored weights");
            let stored = Checkpoint::of(&files.path("run"));
            assert!(stored.mean.unwrap().iter().all(|mean| (mean - offset).abs() < 1.0));
            (number(&found, "train_loss"), stored.basis.unwrap())
        });
        let (loss, basis) = &runs[0];
        for (other, same) in &runs[1..] {
            assert_close(*other, *loss, if dtype == "f32" { 1e-5 } else { 1e-7 }, "train_loss");
            same.data.iter().zip(&basis.data).for_each(|(found, exact)| assert!((found - exact).abs() < 1e-6));
        }
    }
}

#[test]
fn two_points_far_away_have_the_direction_between_them() {
    for (offset, dtype) in [(1e8, "f32"), (1e8, "f64"), (1e12, "f64")] {
        let x = Dense { rows: 2, cols: 2, data: vec![offset + 1.0, offset, offset, offset + 1.0] };
        let files = Files::new(&x, &[1.0, 2.0]);
        let (_, stored) = files.train(&format!("--pca 1 -r 2 --iterations 1 --lr 1e-4 --dtype {dtype}"), "run");
        let basis = stored.basis.unwrap().data;
        assert!((basis[0].abs() - 0.5f64.sqrt()).abs() < 1e-7 && (basis[0] + basis[1]).abs() < 1e-7, "{basis:?}");
    }
}

#[test]
fn the_deviation_of_a_table_does_not_depend_on_its_offset() {
    let (x, _) = problem(50, 4);
    let deviation = |offset: f64| {
        let files = Files::new(&far(&x, offset), &[0.0; 50]);
        let found = memorize(&format!("data info --json {}", files.path("x.npy").display())).succeeds();
        number(&serde_json::from_str::<Value>(&found.stdout).unwrap()["files"][0], "standard_deviation")
    };
    let exact = deviation(0.0);
    [1e6, 1e8, 1e10].into_iter().for_each(|offset| assert_close(deviation(offset), exact, 1e-7, "deviation"));
}

#[test]
fn components_beyond_what_the_samples_span_are_refused() {
    let (x, y) = problem(6, 40);
    Files::new(&x, &y).call("train -q --pca 7 -r 2 --iterations 1").refuses(&["6 samples", "--pca 6"]);
}

#[test]
fn samples_of_any_scale_are_memorised_in_either_type() {
    for (n, d) in [(30, 9), (12, 40)] {
        let (x, y) = problem(n, d);
        for scale in [1e-30, 1e-10, 1e-5, 1.0, 1e5, 1e10, 1e30] {
            for (dtype, tolerance) in [("f32", 1e-8), ("f64", 1e-18)] {
                let files = Files(scratch());
                let values: Vec<f64> = x.data.iter().map(|value| value * scale).collect();
                let element = if dtype == "f32" { ElementType::F32 } else { ElementType::F64 };
                write_npy(&files.path("x.npy"), element, &[n, d], &values).unwrap();
                write_targets(&files.path("y.npy"), &y);
                let flags = format!("solve --dtype {dtype} --stop-below {tolerance}");
                let found = json(files.call(&flags).with("--out", files.path("w.safetensors")));
                assert_eq!(found["verdict"], "memorised", "{scale:e} {dtype}: {found}");
                assert!(number(&found, "positive") + number(&found, "negative") <= n.min(d) as f64);
                // At scale 1, by the naive loops, from the numbers that are in the two files.
                let rounded = |value: f64| if dtype == "f32" { f64::from(value as f32) } else { value };
                let same =
                    Dense { rows: n, cols: d, data: values.iter().map(|value| rounded(*value) / scale).collect() };
                let Checkpoint { mut w, a, .. } = Checkpoint::read(&files.path("w.safetensors"));
                w.data.iter_mut().for_each(|w| *w *= scale);
                let targets: Vec<f64> = y.iter().map(|y| rounded(*y)).collect();
                let loss = reference::loss(&same, &targets, &w, &a, 0.0);
                assert!(loss <= 2.0 * tolerance, "{scale:e} {dtype} {n} x {d}: {loss:e}");
                // The same as a run, and what other commands make of the weights.
                let (run, _) =
                    files.train(&format!("--optimizer solve --dtype {dtype} --stop-below {tolerance}"), "run");
                assert!(number(&run, "train_loss") <= 2.0 * tolerance, "{scale:e} {dtype}: {run}");
                let again =
                    json(files.call(&format!("eval --dtype {dtype}")).with("--weights", files.path("w.safetensors")));
                assert!(number(&again, "loss") <= 2.0 * tolerance, "{scale:e} {dtype}: {again}");
            }
        }
    }
}

#[test]
fn samples_that_are_all_zero_and_weights_that_cannot_be_held_are_said_so() {
    let zeros = Files::new(&Dense::from_fn(5, 3, |_, _| 0.0), &[1.0; 5]);
    zeros.call("solve -q").refuses(&["all samples are zero"]);
    zeros.call("train -q --optimizer solve").with("--out", zeros.path("run")).refuses(&["all samples are zero"]);
    let (x, y) = problem(12, 40);
    let tiny = Files::new(&Dense::from_fn(12, 40, |j, k| 1e-40 * x.at(j, k)), &y);
    tiny.call("solve -q").refuses(&["f32 cannot hold", "compute in f64", "--dtype f64"]);
    tiny.call("solve -q --dtype f64").succeeds();
}

#[test]
fn few_wide_samples_have_as_many_eigenvalues_and_the_sigma_min_of_a_small_matrix() {
    let (n, d) = (30, 2000);
    let (x, y) = problem(n, d);
    let files = Files::new(&x, &y);
    for dtype in ["f32", "f64"] {
        let found = json(files.call(&format!("solve --dtype {dtype} --stop-below 1e-9")));
        assert_eq!(
            (&found["verdict"], number(&found, "positive") + number(&found, "negative")),
            (&"memorised".into(), 30.0)
        );
    }
    let dense = json(files.call("condition"));
    let iterative = json(files.call("condition --iterative"));
    assert_eq!((&dense["verdict"], number(&dense, "d")), (&"general_position".into(), 2000.0));
    let error = number(&iterative, "sigma_min_residual") + 1e-9 * number(&dense, "sigma_min");
    assert!((number(&iterative, "sigma_min") - number(&dense, "sigma_min")).abs() <= error, "{iterative}");
    let trace: f64 = (0..n).map(|j| (0..d).map(|k| x.at(j, k).powi(2)).sum::<f64>().powi(2)).sum();
    let [least, most] = ["sigma_min", "sigma_max"].map(|name| number(&dense, name));
    assert!(least.powi(2) <= trace / n as f64 && trace / n as f64 <= most.powi(2) && most.powi(2) <= trace);
}

/// What is there of a certificate whether samples are wide or not.
#[test]
fn a_certificate_of_few_wide_samples_is_that_of_the_reference() {
    let (n, d, r) = (7, 25, 4);
    let (x, y) = problem(n, d);
    let files = Files::new(&x, &y);
    let mut numbers = Numbers::new(5);
    let (w, a) = (numbers.dense(d, r), signs(r));
    write_weights(&files.path("w.safetensors"), &w, &a);
    let found = json(files.call("certify").with("--weights", files.path("w.safetensors")));
    assert_close(number(&found, "loss"), reference::loss(&x, &y, &w, &a, 0.0), 1e-12, "loss");
    let gradient = reference::gradient(&x, &y, &w, &a, 0.0);
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    assert_close(number(&found, "gradient_norm"), norm(&gradient.data), 1e-12, "gradient_norm");
    // The smallest eigenvalue of the whole Hessian, by power iteration on c - H.
    let outer = |j: usize| {
        let length: f64 = (0..d).map(|k| x.at(j, k).powi(2)).sum();
        let inner = |i: usize| (0..d).map(|k| w.at(k, i) * x.at(j, k)).sum::<f64>().powi(2);
        length * (0..r).map(inner).sum::<f64>()
    };
    let shift = number(&found, "m_norm") + 2.0 / n as f64 * (0..n).map(outer).sum::<f64>();
    let mut v = numbers.dense(d, r);
    let mut smallest = 0.0;
    for _ in 0..60_000 {
        let product = reference::hessian_vector(&x, &y, &w, &a, 0.0, &v);
        smallest = product.data.iter().zip(&v.data).map(|(hv, v)| hv * v).sum::<f64>() / norm(&v.data).powi(2);
        v.data.iter_mut().zip(&product.data).for_each(|(v, hv)| *v = shift * *v - hv);
        let length = norm(&v.data);
        v.data.iter_mut().for_each(|v| *v /= length);
    }
    assert_close(number(&found, "lambda_min_hessian"), smallest, 1e-5, "lambda_min");
    assert_eq!((number(&found, "n"), number(&found, "d"), number(&found, "r")), (7.0, 25.0, 4.0));
}

#[test]
fn wide_samples_train_by_the_neuron_route_and_the_gram_route_is_refused_with_it_named() {
    let (n, d) = (20, 60_000);
    let files = Files(scratch());
    let mut numbers = Numbers::new(3);
    write_npy(&files.path("x.npy"), ElementType::F32, &[n, d], &numbers.values(n * d)).unwrap();
    write_targets(&files.path("y.npy"), &numbers.values(n));
    for flags in
        ["--route neuron --batch 8 --lr 1e-5 --epochs 1", "--lr 1e-5 --epochs 1", "--optimizer gd --lr 0.01 --epochs 1"]
    {
        let (found, _) = files.train(&format!("--normalize -r 4 --overwrite {flags}"), "run");
        assert_eq!(found["route"], "neuron");
    }
    files.train("--normalize -r 4 --overwrite --pca 5 --epochs 1", "run");
    // 60,000 x 60,000 numbers eight times over: more than any machine that runs tests has to give.
    files
        .call("train --normalize -r 4 --route gram --epochs 1 -q")
        .with("--out", files.path("gram"))
        .refuses(&["--route neuron", "60000 x 60000"]);
    assert!(!files.path("gram").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn commands_that_do_not_fit_in_memory_say_so_before_they_begin() {
    let (n, d) = (50, 20_000);
    let files = Files(scratch());
    let mut numbers = Numbers::new(4);
    write_npy(&files.path("x.npy"), ElementType::F32, &[n, d], &numbers.values(n * d)).unwrap();
    write_targets(&files.path("y.npy"), &numbers.values(n));
    write_weights(&files.path("w.safetensors"), &numbers.dense(d, 4), &signs(4));
    let limited = |kib: u32, arguments: &str| {
        let files = files.0.path().display();
        let command = format!(
            "ulimit -v {kib}; exec {} {arguments} --inputs {files}/x.npy --targets {files}/y.npy",
            crate::common::PROGRAM
        );
        std::process::Command::new("bash").args(["-c", &command]).output().unwrap()
    };
    let weights = format!("certify --json --weights {}", files.path("w.safetensors").display());
    for arguments in ["solve -q --normalize --json --threads 2", &format!("{weights} --threads 2")] {
        let output = limited(3_000_000, arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    }
    // In as many dimensions as samples there is no span to work in.
    let (n, d) = (6000, 6000);
    write_npy(&files.path("x.npy"), ElementType::U8, &[n, d], &vec![1.0; n * d]).unwrap();
    write_targets(&files.path("y.npy"), &vec![1.0; n]);
    let output = limited(1_500_000, "solve -q --threads 2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("MiB of memory are available"), "{said}");
}

#[test]
fn the_budget_changes_no_bit_of_a_search_or_refuses_it() {
    let (x, y) = problem(600, 40);
    let files = Files::new(&x, &y);
    let out = files.path("w.safetensors");
    let solved = |budget: &str| {
        files.call(&format!("solve -q --overwrite {budget}")).with("--out", &out).succeeds();
        fs::read(Path::new(&out)).unwrap()
    };
    let looked = |budget: &str| {
        let found = json(files.call(&format!("condition --iterative -q {budget}")));
        ["sigma_min", "sigma_max", "rank"].map(|name| number(&found, name).to_bits())
    };
    let (weights, values) = (solved(""), looked(""));
    for budget in ["--memory-budget 4GiB", "--memory-budget 12MiB"] {
        assert_eq!((solved(budget), looked(budget)), (weights.clone(), values), "{budget}");
    }
    for command in ["solve -q", "condition --iterative -q", "train -q --optimizer solve"] {
        let words = ["preconditioner", "--memory-budget 100KiB", "--rank"];
        files.call(&format!("{command} --memory-budget 100KiB")).with("--limit", "600").refuses(&words);
    }
}
