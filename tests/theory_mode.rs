//! `memorize train --optimizer pgd --theory`: Theorem 4 from the data to the loss that it promises.

use std::fs;

use memorize_kernels::reference::{self, Dense};

use crate::common::{
    Checkpoint, Numbers, assert_close, memorize, number, scratch, summary, write_inputs, write_targets,
};

const THEORY: &str = "train --optimizer pgd --theory";
/// f(0) = 0.041.
const SMALL: &str = "--data synthetic --samples 3 --dim 2 --normalize --theory-epsilon 0.03";

#[test]
fn the_promise_is_kept_and_repeated_from_the_file() {
    let folder = scratch();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let said = memorize(THEORY).and(SMALL).with("--out", &first).succeeds();
    for word in ["f(W*) <= 0.0300", "sigma_min = 0.315, measured", "gamma = ", "rho = ", "t_thres = ", "at least"] {
        assert!(said.stderr.contains(word), "no {word} in {}", said.stderr);
    }
    assert!(said.stdout.contains("f(W) <= epsilon = 0.0300"), "{}", said.stdout);

    let found = summary(&first);
    let theory = &found["theory"];
    assert_eq!((found["stopped"].as_str(), theory["reached"].as_bool()), (Some("returned"), Some(true)));
    assert!(number(theory, "loss_at_zero") > 0.03 && number(&found, "train_loss") <= 0.03);
    let iterations = number(&found, "iterations");
    assert!(iterations >= number(theory, "iterations_at_least"));
    assert!(iterations <= number(theory, "iterations_at_most"));
    assert_eq!((found["r"].as_u64(), theory["warnings"].as_array().map(Vec::len)), (Some(6), Some(0)));

    let listed = memorize("runs --json").with_bare(folder.path()).succeeds().stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(&listed["runs"][0]["summary"]["theory"], theory);

    memorize("train").with("--config", first.join("config.toml")).with("--out", &second).succeeds();
    let weights = |folder: &std::path::Path| fs::read(folder.join("checkpoint.safetensors")).unwrap();
    assert_eq!(weights(&first), weights(&second));
}

#[test]
fn the_loss_is_that_of_the_weights_and_the_constants_those_of_the_data() {
    let folder = scratch();
    let x = Dense::from_fn(2, 3, |j, a| [[0.9, 0.1, -0.2], [-0.3, 0.8, 0.4]][j][a]);
    let y = [1.5, -2.0];
    write_inputs(&folder.path().join("x.npy"), &x);
    write_targets(&folder.path().join("y.npy"), &y);
    let out = folder.path().join("run");
    memorize(THEORY)
        .and("--theory-epsilon 0.5 --theory-delta 0.01 --theory-c 0.5 -r 10")
        .with("--inputs", folder.path().join("x.npy"))
        .with("--targets", folder.path().join("y.npy"))
        .with("--out", &out)
        .succeeds();
    let found = summary(&out);
    let theory = &found["theory"];
    let weights = Checkpoint::read(&out.join("checkpoint.safetensors"));
    let loss = reference::loss(&x, &y, &weights.w, &weights.a, 0.0);
    assert_eq!(weights.a.len(), 10);
    assert!(loss <= 0.5);
    assert_close(number(&found, "train_loss"), loss, 1e-12, "f");
    // K = [[s, t], [t, u]] of squared inner products has sigma^2 as its smaller eigenvalue.
    let k = |i: usize, j: usize| (0..3).map(|a| x.at(i, a) * x.at(j, a)).sum::<f64>().powi(2);
    let (mean, half) = ((k(0, 0) + k(1, 1)) / 2.0, (k(0, 0) - k(1, 1)) / 2.0);
    let sigma = (mean - half.hypot(k(0, 1))).sqrt();
    assert_close(number(theory, "sigma_min"), sigma, 1e-10, "sigma_min");
    assert_close(number(theory, "gamma"), (sigma * sigma * 0.5 / 6.0).sqrt(), 1e-10, "gamma");
    assert_close(number(theory, "loss_at_zero"), 6.25 / 8.0, 1e-12, "f(0)");
    assert_close(number(theory, "eta"), 0.5 / number(theory, "l"), 1e-12, "eta");
}

#[test]
fn a_run_without_hope_is_refused_with_its_length() {
    let large = "--data synthetic --samples 300 --dim 100 --normalize";
    memorize(THEORY).and(large).and("--theory-epsilon 1e-3").refuses(&[
        "at least",
        "iterations",
        "sigma_min = ",
        "hopeless",
        "--theory-force",
        "larger --theory-epsilon",
    ]);
    // More samples than are decomposed: the bound by the shortest sample is enough to say so.
    memorize(THEORY)
        .and("--data synthetic --samples 3000 --dim 100 --normalize --theory-epsilon 1e-3")
        .refuses(&["sigma_min <= min ||x_j||^2", "hopeless"]);
    let folder = scratch();
    let out = folder.path().join("forced");
    memorize(THEORY)
        .and(large)
        .and("--theory-epsilon 1e-3 --theory-force --iterations 3")
        .with("--out", &out)
        .succeeds();
    let found = summary(&out);
    assert_eq!((found["stopped"].as_str(), found["iterations"].as_u64()), (Some("completed"), Some(3)));
    assert_eq!(found["theory"]["reached"].as_bool(), Some(false));
}

/// All of MNIST is refused before anything is decomposed, and a part of it starts when told to, after the estimate.
#[test]
fn mnist_is_hopeless() {
    let mnist = "--data mnist --normalize --noise 0.01 --theory-epsilon 1e-3";
    memorize(THEORY).and(mnist).refuses(&["Theorem 4 needs at least", "iterations here", "hopeless", "--theory-force"]);
    let folder = scratch();
    let forced = memorize(THEORY).and(mnist).and("--limit 200 --pca 30 --theory-force --iterations 2");
    let said = forced.with("--out", folder.path().join("run")).succeeds().stderr;
    let (estimate, start) = (said.find("iterations: at least"), said.find("iteration 0"));
    assert!(estimate.is_some() && estimate < start, "{said}");
}

#[test]
fn data_that_the_theorem_does_not_speak_of_are_refused() {
    memorize(THEORY)
        .and("--data synthetic --samples 4 --dim 2 --theory-epsilon 0.1")
        .refuses(&["4 samples of width 2 are more than d(d+1)/2 = 3"]);
    memorize(THEORY).and(SMALL).and("--theory-sigma-min 1.5").refuses(&["never above the smallest ||x_j||^2"]);
    memorize(THEORY).and(SMALL).and("-r 4").refuses(&["fewer than the 2d+2 = 6"]);
    let folder = scratch();
    let row = Numbers::new(1).values(3);
    write_inputs(&folder.path().join("x.npy"), &Dense::from_fn(2, 3, |_, a| row[a]));
    for (targets, words) in [([1.0, 2.0], "degenerate"), ([0.0, 0.0], "degenerate")] {
        write_targets(&folder.path().join("y.npy"), &targets);
        memorize(THEORY)
            .and("--theory-epsilon 0.1")
            .with("--inputs", folder.path().join("x.npy"))
            .with("--targets", folder.path().join("y.npy"))
            .refuses(&[words]);
    }
}

#[test]
fn what_the_theorem_decides_is_not_asked() {
    for flags in ["--lr 0.1", "--gamma 0.1", "--init-scale 0.1", "--epochs 3", "--stop-below 0.1", "--dtype f32"] {
        let flag = flags.split_whitespace().next().unwrap();
        memorize(THEORY).and(SMALL).and(flags).refuses(&[flag]);
    }
    let thresholds = "--pgd-radius 1 --pgd-g-threshold 1 --pgd-f-threshold 1 --pgd-t-threshold 1";
    memorize(THEORY).and(SMALL).and(thresholds).refuses(&["--pgd-*"]);
    memorize("train --optimizer gd --theory").and(SMALL).and("-r 6 --iterations 5").refuses(&["--optimizer pgd only"]);
    memorize(THEORY).and("--data synthetic").refuses(&["--theory-epsilon"]);
}

/// Theorems 5 and 6: Theorem 4 of the random features.
#[test]
fn three_layers_keep_the_promise_too() {
    let data = "--data synthetic --normalize --theory-epsilon 0.05";
    for (problem, k, p) in [
        ("--samples 1 --dim 2 --seed 3 --noise 0.1 --features-k 2 --features-sigma 0.7", 2, 2),
        ("--samples 2 --dim 2 --seed 8 --features-k 3 --features-p 1 --features-sigma 0.7", 3, 1),
    ] {
        let folder = scratch();
        let out = folder.path().join("run");
        let said = memorize(THEORY).and(data).and(problem).with("--out", &out).succeeds().stderr;
        for words in [format!("z = (Rx)^{p}"), format!("k = {k}, r = {}", 2 * k + 2)] {
            assert!(said.contains(&words), "no {words} in {said}");
        }
        let found = summary(&out);
        assert_eq!((found["stopped"].as_str(), found["k"].as_u64()), (Some("returned"), Some(k)));
        assert!(found["theory"]["reached"] == true && number(&found, "train_loss") <= 0.05);
        assert!(number(&found["theory"], "loss_at_zero") > 0.05);
        // sigma_min is that of the features.
        let looked = memorize("condition --json").and(data).and(problem).succeeds().stdout;
        let looked: serde_json::Value = serde_json::from_str(&looked).unwrap();
        assert_close(number(&found["theory"], "sigma_min"), number(&looked, "sigma_min"), 1e-9, "sigma_min");
        assert_eq!(looked["theorem6"]["lemma19_holds"], true);
    }
}
