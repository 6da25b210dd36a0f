//! `memorize solve` and `--optimizer solve`: what the weights that they leave do, by the naive loops of the reference.

use std::fs;
use std::path::PathBuf;

use memorize_kernels::reference::{self, Dense};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    Call, Checkpoint, Numbers, assert_close, backends, column, left, memorize, mnist_folder, number, scratch, summary,
    write_inputs, write_targets,
};

/// Samples and targets on the disk.
struct Problem {
    folder: TempDir,
    x: Dense,
    y: Vec<f64>,
}

impl Problem {
    fn new(n: usize, d: usize) -> Self {
        let mut numbers = Numbers::new((7 * n + d) as u64);
        Self::of(numbers.dense(n, d), numbers.values(n))
    }

    fn of(x: Dense, y: Vec<f64>) -> Self {
        let problem = Self { folder: scratch(), x, y };
        write_inputs(&problem.path("x.npy"), &problem.x);
        write_targets(&problem.path("y.npy"), &problem.y);
        problem
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn solve(&self, arguments: &str) -> Call {
        memorize("solve")
            .and(arguments)
            .with("--inputs", self.path("x.npy"))
            .with("--targets", self.path("y.npy"))
            .with("--out", self.path("w.safetensors"))
    }

    /// f at the weights that were written.
    fn loss(&self) -> f64 {
        let weights = Checkpoint::read(&self.path("w.safetensors"));
        reference::loss(&self.x, &self.y, &weights.w, &weights.a, 0.0)
    }
}

fn json(call: Call) -> Value {
    serde_json::from_str(&call.and("--json").succeeds().stdout).unwrap()
}

#[test]
fn the_weights_memorise_and_the_report_is_theirs() {
    let problem = Problem::new(40, 11);
    for backend in backends() {
        for (dtype, tolerance, agreement) in [("f64", 1e-16, 1e-20), ("f32", 1e-9, 1e-11)] {
            let flags = format!("--dtype {dtype} --stop-below {tolerance} --backend {backend} --overwrite");
            let found = json(problem.solve(&flags));
            assert_eq!(found["verdict"], "memorised", "{found}");
            assert!(number(&found, "loss") <= tolerance && (number(&found, "loss") - problem.loss()).abs() < agreement);
            let (positive, negative) = (number(&found, "positive"), number(&found, "negative"));
            assert!(positive + negative <= 11.0 && number(&found, "neurons") == 2.0 * positive.max(negative));
            let parameters = 11.0 * number(&found, "neurons");
            let reported = ["parameters", "parameters_per_sample"].map(|field| number(&found, field));
            assert_eq!(reported, [parameters, parameters / 40.0]);
            assert!(number(&found, "iterations") > 0.0 && number(&found, "wall_seconds") > 0.0);
            assert_eq!(found["test_mse"], Value::Null);
        }
    }
}

#[test]
fn the_metric_says_which_of_the_solutions_is_found() {
    let problem = Problem::new(40, 11);
    // Coordinates whose lengths differ, and so T is not the identity.
    let x = Dense::from_fn(40, 11, |j, k| problem.x.at(j, k) / (1 + k) as f64);
    let problem = Problem::of(x, problem.y);
    let [data, frobenius] = ["data", "frobenius"].map(|metric| {
        let flags = format!("--dtype f64 --stop-below 1e-16 --overwrite --metric {metric}");
        let found = json(problem.solve(&flags));
        assert_eq!((&found["verdict"], &found["metric"]), (&"memorised".into(), &metric.into()), "{found}");
        let weights = Checkpoint::read(&problem.path("w.safetensors"));
        assert!(problem.loss() < 1.1e-16);
        let (w, a) = (&weights.w, &weights.a);
        let entry = |i: usize, k: usize| (0..a.len()).map(|r| a[r] * w.at(i, r) * w.at(k, r)).sum::<f64>();
        (0..11 * 11).map(|at| entry(at / 11, at % 11).powi(2)).sum::<f64>().sqrt()
    });
    assert!(frobenius < 0.99 * data, "{frobenius} {data}");
    assert!(
        memorize("solve --data synthetic --samples 20 --dim 8").succeeds().stdout.contains("metric              data")
    );
}

#[test]
fn too_many_samples_end_with_the_least_squares_answer_and_say_so() {
    // Every target twice, once with 0 and once with 1: the best output is 1/2, f = 1/16.
    let mut numbers = Numbers::new(5);
    let once = numbers.dense(10, 6);
    let x = Dense::from_fn(20, 6, |j, k| once.at(j / 2, k));
    let twice = Problem::of(x, (0..20).map(|j| f64::from(j % 2)).collect());
    let outcome = twice.solve("--dtype f64").succeeds();
    assert!(outcome.stdout.contains("degenerate") && outcome.stdout.contains("noise"), "{}", outcome.stdout);
    assert_close(twice.loss(), 1.0 / 16.0, 1e-9, "loss");

    let many = Problem::new(50, 3);
    let found = json(many.solve("--dtype f64"));
    assert_eq!(found["verdict"], "least_squares");
    assert!(found["explanation"].as_str().unwrap().contains("d(d+1)/2"), "{found}");
    // Nothing near the solution is better: every change of W raises f.
    let weights = Checkpoint::read(&many.path("w.safetensors"));
    let gradient = reference::gradient(&many.x, &many.y, &weights.w, &weights.a, 0.0);
    assert!(gradient.data.iter().all(|g| g.abs() < 1e-7) && many.loss() > 1e-3, "{gradient:?}");
}

#[test]
fn the_test_set_is_projected_and_evaluated() {
    let call = memorize("solve --data mnist --limit 400 --normalize --pca 30 --noise 0.05 --features-k 60 --json");
    let found: Value = serde_json::from_str(&call.succeeds().stdout).unwrap();
    assert_eq!((number(&found, "d"), number(&found, "k"), number(&found, "n")), (784.0, 60.0, 400.0));
    // With three layers the features are what the trained weights see.
    assert_eq!(number(&found, "parameters"), 60.0 * number(&found, "neurons"));
    assert!(found["verdict"] == "memorised" && number(&found, "test_mse") > number(&found, "mse"), "{found}");
}

#[test]
fn an_experiment_is_solved_and_repeated_bit_for_bit() {
    let folder = scratch();
    let (first, again) = (folder.path().join("first"), folder.path().join("again"));
    let call = memorize("reproduce mnist-2layer-noise --quick --optimizer solve --threads 2");
    let outcome = call.with("--out", &first).env("MEMORIZE_DATA_DIR", mnist_folder().to_str().unwrap()).succeeds();
    assert!(outcome.stdout.contains("mnist-2layer-noise-quick-solve"), "{}", outcome.stdout);
    let found = summary(&first);
    assert!(number(&found, "train_loss") <= 1e-5 && number(&found, "test_mse") < 5.0, "{found}");
    assert_eq!((&found["experiment"], &found["stopped"]), (&"mnist-2layer-noise".into(), &"stop_below".into()));
    let loss = column(&first, "loss");
    assert!(loss.len() as f64 == number(&found, "iterations") + 1.0 && loss.windows(2).all(|pair| pair[1] <= pair[0]));
    memorize("train --threads 1").with("--config", first.join("config.toml")).with("--out", &again).succeeds();
    assert_eq!(left(&first, "checkpoint.safetensors"), left(&again, "checkpoint.safetensors"));
    let mse = |folder| number(&summary(folder), "train_mse").to_bits();
    assert_eq!(mse(&first), mse(&again));
}

#[test]
fn what_the_solver_does_not_read_is_refused() {
    memorize("train --data synthetic --optimizer adam -r 4 --epochs 1 --metric data").refuses(&["--metric", "adam"]);
    memorize("solve --data synthetic --metric neither").refuses(&["data", "frobenius"]);
    memorize("train --data synthetic --optimizer solve --neurons 300").refuses(&["network.neurons", "leave out"]);
    memorize("train --data synthetic --optimizer solve --gamma 0.1").refuses(&["optimizer.gamma", "--gamma"]);
    memorize("train --data synthetic --optimizer solve --init-scale 0.1").refuses(&["network.init_scale"]);
    memorize("train --data synthetic --optimizer solve --lr-decay-every 3").refuses(&["step size"]);
    memorize("train --data synthetic --optimizer gd --solve-rank 3 -r 4 --epochs 1").refuses(&["--optimizer solve"]);
    memorize("solve --data synthetic --rank 0").refuses(&["at least 1", "--solve-rank"]);
    memorize("solve --data synthetic --stop-below 0").refuses(&["run.stop_below"]);
    memorize("solve --data synthetic --iterations 0").refuses(&["run.iterations"]);
    memorize("solve").refuses(&["--inputs FILE", "--data mnist"]);
}

#[test]
fn weights_are_not_written_over_and_not_nowhere() {
    let problem = Problem::new(5, 4);
    fs::write(problem.path("w.safetensors"), "precious").unwrap();
    problem.solve("").refuses(&["already exists", "--overwrite"]);
    assert_eq!(fs::read_to_string(problem.path("w.safetensors")).unwrap(), "precious");
    // A folder that is missing is made; one that cannot be is found before the work.
    memorize("solve --data synthetic").with("--out", problem.path("missing/w.safetensors")).succeeds();
    let nowhere = memorize("solve --data synthetic").with("--out", problem.path("w.safetensors/below"));
    nowhere.refuses(&["cannot write", "w.safetensors/below", "a part of the path is a file"]);
}

#[test]
fn samples_that_are_no_numbers_are_refused_and_large_ones_are_not() {
    let mut x = Numbers::new(1).dense(6, 3);
    *x.at_mut(2, 1) = f64::NAN;
    let mut problem = Problem::of(x, vec![1.0; 6]);
    problem.solve("").refuses(&["row 2, column 1 is NaN"]);
    *problem.x.at_mut(2, 1) = 1e12;
    write_inputs(&problem.path("x.npy"), &problem.x);
    // Large samples among small ones: the small ones count for nothing beside them, but no number overflows.
    for dtype in ["f32", "f64"] {
        problem.solve(&format!("--dtype {dtype} --overwrite")).succeeds();
    }
}
