//! `memorize certify`: what it prints, against the naive loops of the reference.

use std::fs;
use std::path::PathBuf;

use memorize_kernels::reference::{self, Dense};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    Call, Numbers, Tensor, assert_close, features, memorize, number, safetensors, scratch, signs, write_inputs,
    write_targets, write_weights,
};

/// A network and samples on the disk.
struct Problem {
    folder: TempDir,
    x: Dense,
    y: Vec<f64>,
    w: Dense,
    a: Vec<f64>,
}

impl Problem {
    fn new(n: usize, d: usize, r: usize) -> Self {
        let mut numbers = Numbers::new((n * d + r) as u64);
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

    fn certify(&self) -> Call {
        memorize("certify")
            .with("--weights", self.path("w.safetensors"))
            .with("--inputs", self.path("x.npy"))
            .with("--targets", self.path("y.npy"))
    }

    fn moment(&self) -> Dense {
        reference::moment(&self.x, &reference::residuals(&self.x, &self.y, &self.w, &self.a))
    }

    /// What holds of every certificate: loss, gradient, norm of M, and lambda_min between -||M||_2 and the Ritz value.
    fn check(&self, found: &Value) {
        assert_close(number(found, "loss"), reference::loss(&self.x, &self.y, &self.w, &self.a, 0.0), 1e-12, "loss");
        let gradient = reference::gradient(&self.x, &self.y, &self.w, &self.a, 0.0);
        let norm = gradient.data.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert_close(number(found, "gradient_norm"), norm, 1e-12, "gradient_norm");
        assert_close(number(found, "m_norm"), spectral_norm(&self.moment()), 1e-9, "m_norm");
        assert!(number(found, "lambda_min_hessian") >= -number(found, "m_norm") * (1.0 + 1e-12), "{found}");
    }
}

/// ||M||_2 by the power method on M^2.
fn spectral_norm(m: &Dense) -> f64 {
    let times = |v: &[f64]| -> Vec<f64> { (0..m.rows).map(|i| (0..m.cols).map(|k| m.at(i, k) * v[k]).sum()).collect() };
    let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut v: Vec<f64> = (0..m.rows).map(|i| 1.0 + i as f64 / 7.0).collect();
    let mut norm = 0.0;
    for _ in 0..20_000 {
        let next = times(&times(&v));
        norm = (length(&next) / length(&v)).sqrt();
        let scale = length(&next);
        v = next.iter().map(|v| v / scale).collect();
    }
    norm
}

/// The one JSON object that a call prints.
fn json(call: Call) -> Value {
    let stdout = call.and("--json").succeeds().stdout;
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn wide_networks_get_lemma_3_lemma_1_and_an_eigensolver_that_agrees() {
    for (n, d, r) in [(9, 4, 10), (30, 8, 18), (1, 1, 4), (20, 6, 30)] {
        let problem = Problem::new(n, d, r);
        let found = json(problem.certify());
        problem.check(&found);
        let (norm, iterative) = (number(&found, "m_norm"), number(&found, "lambda_min_hessian"));
        assert_eq!(number(&found, "lambda_min_lemma3"), -norm);
        assert_close(number(&found, "lemma3_direction"), -norm, 1e-12, "lemma3_direction");
        assert!((iterative + norm).abs() <= number(&found, "lambda_min_residual") + 1e-12 * norm, "{found}");
        assert_eq!((&found["lambda_min_converged"], &found["lemma1_holds"]), (&true.into(), &true.into()));
        let sigma = number(&found, "sigma_min");
        let bound = (n * d) as f64 * norm * norm / (4.0 * sigma * sigma);
        assert_close(number(&found, "lemma1_bound"), bound, 1e-12, "lemma1_bound");
        let epsilon = number(&found, "gradient_norm").max(norm * norm / number(&found, "rho"));
        assert_close(number(&found, "epsilon"), epsilon, 1e-12, "epsilon");
        assert_eq!((&found["sigma_min_source"], &found["notes"]), (&"computed".into(), &Value::Array(vec![])));
    }
}

#[test]
fn narrow_networks_get_nulls_and_the_reason() {
    let problem = Problem::new(20, 6, 12);
    let found = json(problem.certify());
    problem.check(&found);
    for field in ["lambda_min_lemma3", "lemma3_direction", "lemma1_bound", "lemma1_holds"] {
        assert_eq!(found[field], Value::Null, "{field}");
    }
    assert!(found["notes"][0].as_str().unwrap().contains("2d+2 = 14 neurons for inputs of width 6; here r = 12"));
    assert!(number(&found, "sigma_min") > 0.0);
}

#[test]
fn three_layers_are_certified_on_their_features() {
    let (n, d, k, r) = (25, 7, 8, 18);
    let mut problem = Problem::new(n, d, r);
    let mut numbers = Numbers::new(77);
    let (layer, w) = (numbers.dense(k, d), numbers.dense(k, r));
    let tensors: [Tensor<'_>; 3] =
        [("R", vec![k, d], &layer.data), ("W", vec![k, r], &w.data), ("a", vec![r], &problem.a)];
    fs::write(problem.path("w.safetensors"), safetensors(&tensors, &[("p", "2")])).unwrap();
    (problem.x, problem.w) = (features(&problem.x, &layer, 2), w);
    let found = json(problem.certify());
    problem.check(&found);
    assert_eq!((&found["d"], &found["k"], &found["r"]), (&d.into(), &k.into(), &r.into()));
    assert_eq!(number(&found, "lambda_min_lemma3"), -number(&found, "m_norm"));
    assert_eq!(found["lemma1_holds"], true);
}

#[test]
fn a_given_sigma_min_is_used_and_degenerate_samples_are_named() {
    // More samples than d(d+1)/2 = 6.
    let problem = Problem::new(7, 3, 8);
    let found = json(problem.certify());
    assert_eq!((&found["lemma1_bound"], number(&found, "sigma_min")), (&Value::Null, 0.0));
    assert!(found["notes"][0].as_str().unwrap().contains("not in general position"));
    let found = json(problem.certify().and("--sigma-min 0.5"));
    assert_eq!((&found["sigma_min"], &found["sigma_min_source"]), (&0.5.into(), &"given".into()));
    let norm = number(&found, "m_norm");
    assert_close(number(&found, "lemma1_bound"), 21.0 * norm * norm, 1e-12, "lemma1_bound");
}

#[test]
fn the_text_says_what_each_number_means() {
    let stdout = Problem::new(9, 4, 10).certify().succeeds().stdout;
    let what = ["loss f(W)", "gradient norm", "||M||_2", "lambda_min, Lemma 3", "lambda_min, iterative", "sigma_min"];
    for name in what.into_iter().chain(["Lemma 1's bound", "rho", "epsilon", "it holds", "computed with"]) {
        assert!(stdout.contains(name), "no {name:?} in:\n{stdout}");
    }
    let stdout = Problem::new(9, 4, 8).certify().succeeds().stdout;
    assert!(stdout.lines().any(|line| line.starts_with("lambda_min, Lemma 3") && line.contains(" - ")), "{stdout}");
    assert!(stdout.contains("note: Lemmas 1 and 3 need r >= 2d+2 = 10"), "{stdout}");
}

#[test]
fn an_eigensolver_that_is_cut_short_says_so() {
    let problem = Problem::new(30, 8, 18);
    let found = json(problem.certify().and("--max-products 3"));
    assert_eq!((&found["lambda_min_converged"], &found["hessian_products"]), (&false.into(), &3.into()));
    assert!(found["notes"][0].as_str().unwrap().contains("--max-products"));
    assert!(number(&found, "lambda_min_residual") > 1e-6);
}

/// A run with these arguments in a folder of its own, and its summary.
fn trained(arguments: &str) -> (TempDir, Value) {
    let folder = scratch();
    memorize("train --quiet --overwrite").and(arguments).with("--out", folder.path()).succeeds();
    let summary = fs::read_to_string(folder.path().join("summary.json")).unwrap();
    (folder, serde_json::from_str(&summary).unwrap())
}

#[test]
fn a_run_is_looked_at_on_its_own_training_set() {
    let two =
        "--data synthetic --samples 25 --dim 6 --normalize --noise 0.1 --seed 4 -r 14 --optimizer gd --iterations 30";
    let three = "--data mnist --limit 200 --normalize --pca 9 --noise 0.05 --random-labels --seed 3 --features-k 8 -r 18 \
                 --batch 50 --epochs 3";
    for how in [two, three] {
        let (folder, summary) = trained(how);
        let found = json(memorize("certify").with("--run", folder.path()));
        let loss = number(&summary, "train_loss");
        assert_close(number(&found, "loss"), loss, 1e-5, "loss");
        assert_eq!((&found["n"], &found["k"], &found["r"]), (&summary["n"], &summary["k"], &summary["r"]));
        assert_eq!(number(&found, "lambda_min_lemma3"), -number(&found, "m_norm"));
        let evaluated = json(memorize("eval").with("--run", folder.path()));
        assert_close(number(&evaluated, "loss"), number(&found, "loss"), 1e-12, "loss by eval");
        // Other weights on the same samples.
        let weights = folder.path().join("checkpoint.safetensors");
        let again = json(memorize("eval").with("--run", folder.path()).with("--weights", weights));
        assert_eq!(again, evaluated);
    }
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = scratch();
    memorize("certify").with("--run", folder.path()).refuses(&["checkpoint.safetensors"]);
    let problem = Problem::new(9, 4, 10);
    fs::copy(problem.path("w.safetensors"), folder.path().join("checkpoint.safetensors")).unwrap();
    memorize("certify").with("--run", folder.path()).refuses(&["config.toml"]);
    problem.certify().with("--run", folder.path()).refuses(&["--run", "cannot be used with"]);
    let (run, _) = trained("--data synthetic --samples 9 --dim 5 -r 4 --lr 0.01 --optimizer gd --iterations 2");
    let other = memorize("eval").with("--run", run.path()).with("--weights", problem.path("w.safetensors"));
    other.refuses(&["the training set of", "has 5 values a row", "takes 4"]);
}

#[test]
fn threads_do_not_change_a_bit_and_routes_and_backends_only_roundings() {
    let problem = Problem::new(300, 10, 24);
    let [one, two] = ["1", "2"].map(|threads| {
        let mut found = json(problem.certify().and(&format!("--threads {threads}")));
        found["computed_with"]["threads"] = Value::Null;
        found
    });
    assert_eq!(one, two);
    for how in ["--route neuron", "--route gram", "--backend matrixmultiply", "--isa scalar", "--seed 3"] {
        let found = json(problem.certify().and(how));
        for field in ["loss", "gradient_norm", "m_norm", "lambda_min_hessian"] {
            assert_close(number(&found, field), number(&one, field), 1e-9, &format!("{how}: {field}"));
        }
    }
}

#[test]
fn wrong_input_is_refused_with_the_reason() {
    let problem = Problem::new(9, 4, 10);
    problem.certify().and("--sigma-min -1").refuses(&["sigma-min = -1", "above 0"]);
    problem.certify().and("--max-products 0").refuses(&["max-products = 0"]);
    write_inputs(&problem.path("x.npy"), &Numbers::new(1).dense(9, 5));
    problem.certify().refuses(&["x.npy has 5 values a row", "takes 4", "hint: "]);
    write_inputs(&problem.path("x.npy"), &Numbers::new(1).dense(8, 4));
    problem.certify().refuses(&["8", "9"]);
    fs::remove_file(problem.path("x.npy")).unwrap();
    problem.certify().refuses(&["x.npy"]);
    fs::remove_file(problem.path("w.safetensors")).unwrap();
    problem.certify().refuses(&["cannot read", "w.safetensors"]);
}
