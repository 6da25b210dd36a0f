//! `memorize train` with the optimisers that leave saddle points by momentum and along negative curvature.

use std::fs;

use crate::common::{assert_close, column, left, memorize, number, scratch, summary};

const SMALL: &str = "train --quiet --data synthetic --samples 20 --dim 8 --normalize --dtype f64 --record-every 1";

#[test]
fn accelerated_descent_memorises_with_few_flags_and_again_from_its_file() {
    let folder = scratch();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let flags = "--optimizer accelerated --lr 0.3 -r 18 --iterations 20000 --stop-below 1e-12";
    let said = memorize(SMALL).and(flags).with("--out", &first).succeeds();
    assert!(said.stdout.contains("steps along negative curvature"), "{}", said.stdout);
    let found = summary(&first);
    assert_eq!((found["stopped"].as_str(), found["perturbations"].as_u64()), (Some("stop_below"), Some(0)));
    assert!(number(&found, "train_loss") <= 1e-12 && found["escapes"].is_u64());
    let losses = column(&first, "loss");
    assert_close(*losses.last().unwrap(), number(&found, "train_loss"), 1e-9, "the loss that ended the run");
    memorize("train --quiet").with("--config", first.join("config.toml")).with("--out", &second).succeeds();
    assert!(left(&first, "checkpoint.safetensors") == left(&second, "checkpoint.safetensors"));
}

#[test]
fn accelerated_descent_leaves_the_saddle_zero() {
    let folder = scratch();
    let flags =
        "--optimizer accelerated --lr 0.3 -r 18 --init-scale 0 --iterations 20000 --stop-below 1e-3 --gamma 1e-6";
    memorize(SMALL).and(flags).with("--out", folder.path().join("run")).succeeds();
    let found = summary(&folder.path().join("run"));
    assert_eq!((found["stopped"].as_str(), found["perturbations"].as_u64()), (Some("stop_below"), Some(1)));
    assert!(found["init"].as_str().unwrap().contains("saddle point"));
}

#[test]
fn negative_curvature_needs_neither_neurons_nor_a_step_size() {
    let folder = scratch();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let flags = "--optimizer negative-curvature --init-scale 0 --epochs 2000 --stop-below 1e-12";
    memorize(SMALL).and(flags).with("--out", &first).succeeds();
    let found = summary(&first);
    assert_eq!((found["r"].as_u64(), found["stopped"].as_str()), (Some(18), Some("stop_below")));
    assert!(number(&found, "escapes") >= 1.0 && found["perturbations"].is_null());
    assert!(number(&found, "train_loss") <= 1e-12);
    let (losses, epochs) = (column(&first, "loss"), column(&first, "epoch"));
    assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "every step is to the lowest point of a line");
    // An iteration is a weighted Gram matrix and two quadratic forms.
    assert_eq!((epochs[0], epochs[1]), (0.5, 2.0));
    assert!(number(&found, "epochs") > number(&found, "iterations"));
    let text = fs::read_to_string(first.join("config.toml")).unwrap();
    assert!(text.contains("[optimizer.negative_curvature]") && !text.contains("learning_rate"), "{text}");
    memorize("train --quiet").with("--config", first.join("config.toml")).with("--out", &second).succeeds();
    assert!(left(&first, "checkpoint.safetensors") == left(&second, "checkpoint.safetensors"));
}

#[test]
fn negative_curvature_returns_where_little_of_it_is_left() {
    let folder = scratch();
    let flags = "--optimizer negative-curvature --curvature-tolerance 1e-4 --epochs 2000";
    memorize(SMALL).and(flags).with("--out", folder.path().join("run")).succeeds();
    let found = summary(&folder.path().join("run"));
    assert_eq!(found["stopped"].as_str(), Some("returned"));
    let run = folder.path().join("run");
    let outcome = memorize("certify --json").with("--run", &run).succeeds();
    let certificate: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(number(&certificate, "m_norm") <= 1e-4 && certificate["lemma1_holds"].as_bool() == Some(true));
}

#[test]
fn what_they_cannot_do_is_refused() {
    let with = |flags: &str| memorize(SMALL).and(flags).and("--iterations 5");
    with("--optimizer negative-curvature -r 16").refuses(&["16 neurons are fewer than the 2d+2 = 18"]);
    with("--optimizer negative-curvature --lr 0.1").refuses(&["leave out --lr"]);
    with("--optimizer gd -r 18 --accelerated-theta 0.5").refuses(&["--optimizer accelerated only, not by gd"]);
    with("--optimizer gd -r 18 --curvature-tolerance 0.5").refuses(&["--optimizer negative-curvature only"]);
    with("--optimizer gd -r 18 --init-scale 0").refuses(&["saddle point"]);
    with("--optimizer accelerated -r 18 --batch 5").refuses(&["sees the whole training set"]);
}

#[test]
fn descents_in_the_metric_of_the_samples_memorise_and_their_weights_are_for_the_samples() {
    let root = scratch();
    let (x, y) = (root.path().join("x.npy"), root.path().join("y.npy"));
    memorize("data sample synthetic --rows 20 --dim 8").with("--out", &x).with("--targets-out", &y).succeeds();
    for (at, flags) in [
        "--optimizer gd --lr 0.3 -r 18 --iterations 20000",
        "--optimizer accelerated --lr 0.3 -r 18 --iterations 20000",
        "--optimizer negative-curvature --epochs 2000",
    ]
    .into_iter()
    .enumerate()
    {
        let [data, frobenius] = ["data", "frobenius"].map(|metric| {
            let run = root.path().join(format!("{metric}{at}"));
            memorize(SMALL).and(flags).and("--stop-below 1e-12 --metric").and(metric).with("--out", &run).succeeds();
            let found = summary(&run);
            assert_eq!(found["stopped"].as_str(), Some("stop_below"), "{flags} {metric}: {found}");
            assert!(number(&found, "train_loss") <= 1.01e-12, "{flags} {metric}: {found}");
            // What others see in the weights.
            let weights = run.join("checkpoint.safetensors");
            let said = memorize("eval --json --normalize").with("--inputs", &x).with("--targets", &y);
            let said = said.with("--weights", weights).succeeds();
            let evaluated: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
            assert_close(number(&evaluated, "loss"), number(&found, "train_loss"), 1e-3, "the loss of the file");
            column(&run, "loss")
        });
        assert_ne!(data[1], frobenius[1], "{flags}");
    }
    let with = |flags: &str| memorize(SMALL).and(flags).with("--out", root.path().join("none"));
    with("--optimizer gd -r 18 --epochs 1 --metric data --gamma 0.1").refuses(&["--gamma", "--metric"]);
    with("--optimizer sgd -r 18 --epochs 1 --metric data").refuses(&["--metric", "sgd"]);
}
