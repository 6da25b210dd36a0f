//! `memorize eval`: what it prints and writes, against the naive loops of the reference.

use std::fs;
use std::path::PathBuf;

use memorize_data::source::{write_idx, write_npy};
use memorize_data::{ElementType, Table};
use memorize_kernels::Isa;
use memorize_kernels::reference::{self, Dense};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    Call, Checkpoint, Numbers, Tensor, assert_close, backends, features, left, memorize, normalized, number,
    safetensors, scratch, signs, summary, write_inputs, write_targets, write_weights,
};

/// A two-layer problem on the disk.
struct Problem {
    folder: TempDir,
    x: Dense,
    y: Vec<f64>,
    w: Dense,
    a: Vec<f64>,
}

impl Problem {
    /// Sizes next to those of tiles, so that there are edges.
    fn new(n: usize, d: usize, r: usize) -> Self {
        let mut numbers = Numbers::new((n * d * r) as u64);
        let (x, y, w) = (numbers.dense(n, d), numbers.values(n), numbers.dense(d, r));
        let problem = Self { folder: scratch(), x, y, w, a: signs(r) };
        write_inputs(&problem.path("x.npy"), &problem.x);
        write_targets(&problem.path("y.npy"), &problem.y);
        write_weights(&problem.path("w.safetensors"), &problem.w, &problem.a);
        problem
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn eval(&self) -> Call {
        memorize("eval")
            .with("--weights", self.path("w.safetensors"))
            .with("--inputs", self.path("x.npy"))
            .with("--targets", self.path("y.npy"))
    }

    fn loss(&self, gamma: f64) -> f64 {
        reference::loss(&self.x, &self.y, &self.w, &self.a, gamma)
    }

    fn gradient(&self, gamma: f64) -> Dense {
        reference::gradient(&self.x, &self.y, &self.w, &self.a, gamma)
    }
}

fn norm(matrix: &Dense) -> f64 {
    matrix.data.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The one JSON object that a call prints.
fn json(call: Call) -> Value {
    let stdout = call.and("--json").succeeds().stdout;
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    let value: Value = serde_json::from_str(&stdout).unwrap();
    assert!(value.is_object(), "{value}");
    value
}

#[test]
fn loss_and_gradient_are_those_of_the_reference_whatever_computes_them() {
    let mut ways: Vec<String> = Isa::available().iter().map(|isa| format!("--isa {}", isa.name())).collect();
    ways.extend(backends().iter().map(|backend| format!("--backend {backend}")));
    for (n, d, r) in [(1, 1, 2), (7, 5, 6), (65, 33, 26), (131, 24, 50)] {
        let problem = Problem::new(n, d, r);
        let (loss, gradient) = (problem.loss(0.0), norm(&problem.gradient(0.0)));
        for (dtype, tolerance) in [("f64", 1e-10), ("f32", 1e-5)] {
            for route in ["neuron", "gram"] {
                for how in &ways {
                    let what = format!("--dtype {dtype} --route {route} {how}");
                    let found = json(problem.eval().and(&what));
                    let what = format!("{what} n {n} d {d} r {r}");
                    assert_close(number(&found, "loss"), loss, tolerance, &what);
                    assert_close(number(&found, "mse"), 4.0 * loss, tolerance, &what);
                    assert_close(number(&found, "gradient_norm"), gradient, tolerance, &what);
                    assert_eq!((&found["n"], &found["d"], &found["r"]), (&n.into(), &d.into(), &r.into()));
                    assert_eq!(
                        (&found["computed_with"]["route"], &found["computed_with"]["dtype"]),
                        (&route.into(), &dtype.into())
                    );
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_written_as_the_paper_lays_it_out() {
    let problem = Problem::new(40, 9, 14);
    for (dtype, element, tolerance) in [("f64", ElementType::F64, 1e-12), ("f32", ElementType::F32, 1e-5)] {
        for route in ["neuron", "gram"] {
            let out = problem.path(&format!("g-{dtype}-{route}.npy"));
            problem
                .eval()
                .and(&format!("--gamma 0.25 --dtype {dtype} --route {route}"))
                .with("--gradient-out", &out)
                .succeeds();
            let table = Table::open(&out).unwrap();
            assert_eq!((table.dims(), table.element_type()), (&[9, 14][..], element));
            let expected = problem.gradient(0.25);
            let scale = norm(&expected);
            for i in 0..9 {
                for l in 0..14 {
                    let error = (table.value(i, l) - expected.at(i, l)).abs();
                    assert!(error <= tolerance * scale, "{dtype} {route} ({i}, {l}): off by {error:e}");
                }
            }
        }
    }
}

#[test]
fn the_regulariser_joins_the_value_and_the_gradient_but_not_the_loss() {
    let problem = Problem::new(20, 6, 8);
    let found = json(problem.eval().and("--gamma 0.5"));
    assert_close(number(&found, "loss"), problem.loss(0.0), 1e-12, "loss");
    assert_close(number(&found, "regularized_loss"), problem.loss(0.5), 1e-12, "regularized_loss");
    assert_close(number(&found, "gradient_norm"), norm(&problem.gradient(0.5)), 1e-12, "gradient_norm");
}

#[test]
fn people_are_told_the_loss_in_words() {
    let problem = Problem::new(1234, 3, 4);
    let stdout = problem.eval().succeeds().stdout;
    for words in ["loss f(W)", "MSE (4f)", "gradient norm", "d = 3, r = 4", "1,234", "f64"] {
        assert!(stdout.contains(words), "no {words:?} in:\n{stdout}");
    }
    let loss = stdout.lines().find_map(|line| line.strip_prefix("loss f(W)")).unwrap().trim();
    assert_close(loss.parse().unwrap(), problem.loss(0.0), 5e-3, "three digits of the loss");
}

#[test]
fn normalised_samples_have_length_one() {
    let mut problem = Problem::new(30, 8, 6);
    let raw = problem.loss(0.0);
    problem.x = normalized(&problem.x);
    let found = json(problem.eval().and("--normalize"));
    assert_close(number(&found, "loss"), problem.loss(0.0), 1e-12, "loss");
    assert_close(number(&found, "gradient_norm"), norm(&problem.gradient(0.0)), 1e-12, "gradient_norm");
    assert!((raw - problem.loss(0.0)).abs() > 1e-3 * raw, "it makes a difference");
}

#[test]
fn three_layers_are_evaluated_on_their_features() {
    let (n, d, k, r, p) = (25, 7, 11, 6, 3);
    let mut problem = Problem::new(n, d, r);
    let mut numbers = Numbers::new(77);
    let (layer, w) = (numbers.dense(k, d), numbers.dense(k, r));
    let tensors: [Tensor<'_>; 3] =
        [("R", vec![k, d], &layer.data), ("W", vec![k, r], &w.data), ("a", vec![r], &problem.a)];
    fs::write(problem.path("w.safetensors"), safetensors(&tensors, &[("p", "3")])).unwrap();
    (problem.x, problem.w) = (features(&problem.x, &layer, p), w);
    for route in ["neuron", "gram"] {
        let found = json(problem.eval().and(&format!("--route {route}")));
        assert_eq!((&found["d"], &found["k"], &found["r"]), (&d.into(), &k.into(), &r.into()));
        assert_close(number(&found, "loss"), problem.loss(0.0), 1e-10, "loss");
        assert_close(number(&found, "gradient_norm"), norm(&problem.gradient(0.0)), 1e-10, "gradient_norm");
    }
    // The gradient is that of the trained layer, k x r.
    let out = problem.path("g.npy");
    problem.eval().with("--gradient-out", &out).succeeds();
    assert_eq!(Table::open(&out).unwrap().dims(), [k, r]);
}

#[test]
fn idx_files_of_bytes_are_read_as_numbers() {
    let mut problem = Problem::new(18, 12, 4);
    let pixels: Vec<f64> = problem.x.data.iter().map(|value| (value * 127.0 + 128.0).floor()).collect();
    let labels: Vec<f64> = (0..18).map(|i| f64::from(i % 10)).collect();
    let (x, y) = (problem.path("images-idx3-ubyte"), problem.path("labels-idx1-ubyte"));
    write_idx(&x, ElementType::U8, &[18, 3, 4], &pixels).unwrap();
    write_idx(&y, ElementType::U8, &[18], &labels).unwrap();
    (problem.x.data, problem.y) = (pixels, labels);
    let call = memorize("eval").with("--weights", problem.path("w.safetensors"));
    let found = json(call.with("--inputs", &x).with("--targets", &y));
    assert_close(number(&found, "loss"), problem.loss(0.0), 1e-12, "loss");
    assert_close(number(&found, "gradient_norm"), norm(&problem.gradient(0.0)), 1e-12, "gradient_norm");
}

#[test]
fn single_precision_files_hold_the_same_numbers() {
    let problem = Problem::new(10, 5, 4);
    let before = json(problem.eval());
    write_npy(&problem.path("x.npy"), ElementType::F32, &[10, 5], &problem.x.data).unwrap();
    write_npy(&problem.path("y.npy"), ElementType::F32, &[10, 1], &problem.y).unwrap();
    assert_eq!(before["loss"], json(problem.eval())["loss"]);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let problem = Problem::new(700, 20, 10);
    for route in ["neuron", "gram"] {
        let [one, two] = ["1", "2"].map(|threads| {
            let out = problem.path("g.npy");
            let call = problem.eval().and(&format!("--route {route} --threads {threads} --overwrite"));
            (json(call.with("--gradient-out", &out))["loss"].clone(), left(problem.folder.path(), "g.npy"))
        });
        assert!(one == two, "{route}");
    }
}

#[test]
fn a_runs_checkpoint_evaluates_to_the_runs_loss() {
    let problem = Problem::new(50, 8, 2);
    let train = |name: &str, more: &str| {
        let out = problem.path(name);
        memorize("train -r 12 --epochs 20 --batch 10 --lr 0.01 --normalize --dtype f64 --quiet")
            .and(more)
            .with("--inputs", problem.path("x.npy"))
            .with("--targets", problem.path("y.npy"))
            .with("--out", &out)
            .succeeds();
        out
    };
    for (name, more) in
        [("two", ""), ("three", "--features-k 9"), ("pca", "--pca 5"), ("all", "--pca 5 --features-k 9")]
    {
        let run = train(name, more);
        let call = memorize("eval --normalize").with("--weights", run.join("checkpoint.safetensors"));
        let found = json(call.with("--inputs", problem.path("x.npy")).with("--targets", problem.path("y.npy")));
        assert_close(number(&found, "loss"), number(&summary(&run), "train_loss"), 1e-10, name);
        assert_eq!((&found["d"], &found["r"]), (&8.into(), &12.into()));
        assert_eq!(Checkpoint::of(&run).w.cols, 12);
    }
}
