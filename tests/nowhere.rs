//! Runs that go nowhere: they fail, and what is known beforehand is said before the first step.

use std::path::Path;

use memorize_kernels::reference::Dense;

use crate::common::*;

/// Samples with entries of size `scale`, and targets of size 1, as X.npy and y.npy.
fn data(folder: &Path, n: usize, d: usize, scale: f64) {
    let mut numbers = Numbers::new(7);
    let x = numbers.dense(n, d);
    write_inputs(&folder.join("X.npy"), &Dense { data: x.data.iter().map(|x| x * scale).collect(), ..x });
    write_targets(&folder.join("y.npy"), &numbers.values(n));
}

fn train(folder: &Path, arguments: &str) -> Call {
    memorize("train --quiet --overwrite")
        .and(arguments)
        .with("--inputs", folder.join("X.npy"))
        .with("--targets", folder.join("y.npy"))
        .with("--out", folder.join("run"))
}

#[test]
fn raw_pixels_behind_squared_features_overflow_and_the_first_step_is_refused() {
    let folder = scratch();
    let call = "train --data mnist --limit 300 --features-k 100 --neurons 64 --epochs 2";
    let outcome = memorize(call).with("--out", folder.path().join("run")).fails(
        1,
        &[
            "warning: the first outputs are far larger than the targets",
            "overflow f32 at iteration 0",
            "no step was taken yet",
        ],
    );
    let hint = outcome.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
    assert!(hint.contains("--normalize") && hint.contains("--dtype f64"), "{hint}");
    for file in ["summary.json", "checkpoint.safetensors"] {
        assert!(!folder.path().join("run").join(file).exists(), "{file}");
    }
    memorize(call).and("--normalize --quiet").with("--out", folder.path().join("normalized")).succeeds();
}

#[test]
fn samples_so_small_that_no_weight_changes_are_no_success() {
    let folder = scratch();
    data(folder.path(), 40, 6, 1e-10);
    for optimizer in ["adam", "gd", "sgd", "accelerated"] {
        let outcome = train(folder.path(), &format!("-r 16 --iterations 20 --optimizer {optimizer}")).run();
        assert_eq!(outcome.code, Some(1), "{optimizer}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("did not get anywhere") && outcome.stderr.contains("--normalize"),
            "{}",
            outcome.stderr
        );
        let summary = summary(&folder.path().join("run"));
        assert_eq!(summary["stopped"], "stalled", "{optimizer}");
        assert_eq!(number(&summary, "train_loss"), number(&summary, "start_loss"), "{optimizer}");
    }
    // With a line search the size of the samples does not matter.
    train(folder.path(), "-r 16 --iterations 200 --optimizer negative-curvature --limit 20").succeeds();
    let summary = summary(&folder.path().join("run"));
    assert!(number(&summary, "train_loss") < 1e-2 * number(&summary, "start_loss"), "{summary}");
}

#[test]
fn numbers_beyond_the_type_are_a_divergence_whatever_the_optimiser() {
    let folder = scratch();
    let optimizers = ["adam", "gd", "sgd", "accelerated", "negative-curvature"];
    for (scale, dtype) in [(1e12, "f32"), (1e80, "f64")] {
        data(folder.path(), 40, 6, scale);
        for optimizer in optimizers {
            let flags = format!("-r 16 --iterations 20 --dtype {dtype} --optimizer {optimizer}");
            let call = train(folder.path(), &flags);
            call.fails(1, &["training diverged", "hint: flags of `memorize train`: --normalize"]);
            assert!(!folder.path().join("run/summary.json").exists());
        }
    }
}

#[test]
fn a_width_that_cannot_hold_the_samples_is_told_before_and_after() {
    let folder = scratch();
    data(folder.path(), 500, 20, 1.0);
    let call = memorize("train -r 60 --normalize --epochs 2")
        .with("--inputs", folder.path().join("X.npy"))
        .with("--targets", folder.path().join("y.npy"))
        .with("--out", folder.path().join("run"));
    let outcome = call.succeeds();
    let told = "this network can memorise 210 samples in general position (d(d+1)/2 with d = 20) and there are 500";
    for said in [&outcome.stderr, &outcome.stdout] {
        assert!(said.contains(told) && said.contains("--features-k 32 or more"), "{said}");
    }
    let warnings = summary(&folder.path().join("run"))["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().starts_with(told), "{warnings}");
    train(folder.path(), "-r 60 --normalize --epochs 200 --lr 0.01 --features-k 40 --features-sigma 0.5").succeeds();
    let summary = summary(&folder.path().join("run"));
    assert_eq!(summary["warnings"], serde_json::json!([]));
}

#[test]
fn an_error_above_the_variance_of_the_targets_is_told() {
    let folder = scratch();
    data(folder.path(), 60, 12, 100.0);
    let outcome = train(folder.path(), "-r 24 --iterations 3").succeeds();
    let summary = summary(&folder.path().join("run"));
    let (mse, variance) = (number(&summary, "train_mse"), number(&summary, "target_variance"));
    let mut numbers = Numbers::new(7);
    numbers.dense(60, 12);
    let y = numbers.values(60);
    let mean = y.iter().sum::<f64>() / 60.0;
    assert_close(variance, y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / 60.0, 1e-6, "variance of the targets");
    assert!(mse > variance, "{mse} {variance}");
    assert!(outcome.stdout.contains("above the variance of the targets"), "{}", outcome.stdout);
}

#[test]
fn weights_are_looked_at_on_samples_that_are_prepared_as_for_training() {
    let folder = scratch();
    data(folder.path(), 60, 12, 100.0);
    train(folder.path(), "-r 24 --normalize --iterations 50").succeeds();
    let trained = summary(&folder.path().join("run"));
    let eval = |arguments: &str| {
        memorize("eval --json")
            .and(arguments)
            .with("--inputs", folder.path().join("X.npy"))
            .with("--targets", folder.path().join("y.npy"))
            .with("--weights", folder.path().join("run/checkpoint.safetensors"))
    };
    let loss = |outcome: &Outcome| number(&serde_json::from_str(&outcome.stdout).unwrap(), "loss");
    let raw = eval("").succeeds();
    assert!(raw.stderr.contains("scaled to length 1"), "{}", raw.stderr);
    let normalized = eval("--normalize").succeeds();
    assert_eq!(normalized.stderr, "");
    assert_eq!(loss(&raw), loss(&normalized));
    assert_close(loss(&raw), number(&trained, "train_loss"), 1e-5, "the loss of the run");
    let certified = memorize("certify --json")
        .with("--inputs", folder.path().join("X.npy"))
        .with("--targets", folder.path().join("y.npy"))
        .with("--weights", folder.path().join("run/checkpoint.safetensors"))
        .succeeds();
    assert_close(loss(&certified), loss(&raw), 1e-5, "the loss that is certified");

    // Trained on samples as they are: scaling them is refused.
    train(folder.path(), "-r 24 --iterations 3 --init-scale 1e-3 --lr 1e-5").succeeds();
    eval("").succeeds();
    eval("--normalize").refuses(&["not scaled to length 1", "leave --normalize out"]);
}

#[test]
fn a_loss_beyond_the_type_is_no_result() {
    let folder = scratch();
    data(folder.path(), 12, 5, 1e30);
    let mut numbers = Numbers::new(3);
    write_weights(&folder.path().join("w.safetensors"), &numbers.dense(5, 4), &signs(4));
    let eval = |arguments: &str| {
        memorize("eval --json")
            .and(arguments)
            .with("--inputs", folder.path().join("X.npy"))
            .with("--targets", folder.path().join("y.npy"))
            .with("--weights", folder.path().join("w.safetensors"))
    };
    eval("--dtype f32").refuses(&["in f32", "--dtype f64"]);
    eval("--dtype f64").succeeds();
}
