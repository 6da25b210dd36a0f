//! `memorize condition`: what it says of samples whose singular values are known, or whose position is.

use std::path::PathBuf;

use memorize_kernels::reference::Dense;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Call, Numbers, assert_close, backends, memorize, number, scratch, write_inputs, write_targets};

/// Samples on the disk.
struct Samples(TempDir);

impl Samples {
    fn new(x: &Dense) -> Self {
        let folder = scratch();
        write_inputs(&folder.path().join("x.npy"), x);
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn condition(&self, arguments: &str) -> Call {
        memorize("condition").and(arguments).with("--inputs", self.path("x.npy"))
    }

    fn json(&self, arguments: &str) -> Value {
        json(self.condition(arguments))
    }
}

fn json(call: Call) -> Value {
    let outcome = call.and("--json").succeeds();
    assert_eq!(outcome.stderr, "", "progress beside JSON");
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn random(n: usize, d: usize) -> Dense {
    Numbers::new((3 * n + d) as u64).dense(n, d)
}

#[test]
fn two_samples_at_an_angle() {
    // K = [[1, c^2], [c^2, 1]] has the eigenvalues 1 +- c^2, and either sample is sqrt(1 - c^4) away from the other.
    let c: f64 = 0.8;
    let samples = Samples::new(&Dense { rows: 2, cols: 2, data: vec![1.0, 0.0, c, 0.6] });
    for flags in ["", "--iterative"] {
        let found = samples.json(flags);
        assert_close(number(&found, "sigma_min"), (1.0 - c * c).sqrt(), 1e-12, "sigma_min");
        assert_close(number(&found, "sigma_max"), (1.0 + c * c).sqrt(), 1e-12, "sigma_max");
        let condition = ((1.0 + c * c) / (1.0 - c * c)).sqrt();
        assert_close(number(&found, "condition_number"), condition, 1e-12, "condition number");
        assert_eq!((&found["verdict"], number(&found, "capacity")), (&"general_position".into(), 3.0));
    }
    let dense = samples.json("");
    let distance = (1.0 - c.powi(4)).sqrt();
    assert_close(number(&dense, "leave_one_out"), distance, 1e-12, "distance");
    assert_close(number(&dense, "lemma8_lower"), distance / 2f64.sqrt(), 1e-12, "Lemma 8");
    assert_eq!((&dense["method"], &dense["rank"]), (&"dense".into(), &Value::Null));
    let iterative = samples.json("--iterative");
    assert_eq!((&iterative["method"], &iterative["leave_one_out"]), (&"iterative".into(), &Value::Null));
    assert!(number(&iterative, "leave_one_out_below") >= distance && number(&iterative, "products") > 2.0);
}

#[test]
fn the_iteration_agrees_with_the_decomposition_on_every_backend_and_number_of_threads() {
    let samples = Samples::new(&random(150, 24));
    let dense = samples.json("--normalize");
    let exact = number(&dense, "sigma_min");
    assert!(number(&dense, "sigma_min_residual") < 1e-12);
    for backend in backends() {
        let flags = format!("--normalize --iterative --rank 40 --tolerance 1e-3 --backend {backend}");
        let found = samples.json(&flags);
        let (sigma, residual) = (number(&found, "sigma_min"), number(&found, "sigma_min_residual"));
        assert!((sigma - exact).abs() <= residual && residual <= 1e-3 * sigma, "{sigma} {residual} {exact}");
        assert!(number(&found, "sigma_min_below") >= exact && found["sigma_min_converged"] == true, "{found}");
        let again = samples.json(&format!("{flags} --threads 1"));
        assert_eq!(number(&again, "sigma_min").to_bits(), sigma.to_bits());
    }
}

#[test]
fn theorem_4_needs_targets_and_has_its_constants() {
    let samples = Samples::new(&Dense { rows: 2, cols: 2, data: vec![1.0, 0.0, 0.0, 1.0] });
    let without = samples.json("");
    assert_eq!((&without["theorem4"], &without["target_bound"]), (&Value::Null, &Value::Null));
    assert!(without["notes"].to_string().contains("--targets"), "{without}");
    write_targets(&samples.path("y.npy"), &[2.0, -2.0]);
    let found = json(samples.condition("--theory-epsilon 0.25").with("--targets", samples.path("y.npy")));
    assert_eq!((number(&found, "target_bound"), number(&found, "input_bound")), (2.0, 1.0));
    // sigma = 1, n d = 4: gamma = (1/16)^(1/2); f(0) = 8/8 = 1: l = 3 * 4/gamma + 2 + gamma.
    let constants = &found["theorem4"];
    assert_close(number(constants, "gamma"), 0.25, 1e-9, "gamma");
    assert_close(number(constants, "l"), 50.25, 1e-9, "l");
    assert_close(number(constants, "c"), 12.0, 1e-9, "C");
    assert!(number(constants, "iterations_order") > 1e6, "{constants}");
    assert_eq!(number(&found["theorem1"], "neurons"), 6.0);
    assert_eq!((number(&found["theorem5"], "features"), number(&found["theorem5"], "neurons")), (4.0, 10.0));
}

#[test]
fn degenerate_sets_are_told_why_and_noise_helps() {
    let mut x = random(8, 5);
    for k in 0..5 {
        *x.at_mut(6, k) = -x.at(2, k);
    }
    let samples = Samples::new(&x);
    let outcome = samples.condition("").succeeds();
    assert!(outcome.stdout.contains("samples 2 and 6") && outcome.stdout.contains("--noise"), "{}", outcome.stdout);
    let found = samples.json("");
    assert_eq!((&found["verdict"], number(&found, "sigma_min")), (&"degenerate".into(), 0.0));
    assert_eq!((&found["condition_number"], &found["random_bound"]), (&Value::Null, &Value::Null));
    let noisy = samples.json("--noise 0.1");
    assert_eq!(noisy["verdict"], "general_position");
    let bound = number(&noisy["random_bound"], "bound");
    assert!(bound > 0.0 && bound <= number(&noisy, "sigma_min") && noisy["random_bound"]["over"] == "noise");

    let many = Samples::new(&random(7, 3)).json("");
    assert_eq!((&many["verdict"], &many["method"]), (&"degenerate".into(), &"exact".into()));
    assert!(many["explanation"].as_str().unwrap().contains("more than the 6"), "{many}");
}

#[test]
fn what_cannot_be_told_from_zero_has_no_value() {
    // Parallel, and not equal: only rounding tells them apart.
    let x = random(20, 8);
    let parallel = Dense::from_fn(20, 8, |j, k| if j == 19 { x.at(4, k) / 3.0 } else { x.at(j, k) });
    let samples = Samples::new(&parallel);
    for flags in ["", "--iterative"] {
        let found = samples.json(flags);
        assert_eq!((&found["verdict"], &found["sigma_min"]), (&"numerically_degenerate".into(), &Value::Null));
        assert!(number(&found, "sigma_min_below") < 1e-6, "{found}");
        let text = samples.condition(flags).succeeds().stdout;
        assert!(text.contains("cannot be told from 0") && text.contains("sigma_min            < "), "{text}");
    }
}

#[test]
fn a_search_that_ends_early_says_so() {
    let samples = Samples::new(&random(200, 24));
    let found = samples.json("--iterative --rank 2 --max-products 5 --tolerance 1e-6");
    assert_eq!((&found["verdict"], &found["sigma_min_converged"]), (&"undecided".into(), &false.into()));
    assert!(found["notes"].to_string().contains("--max-products"), "{found}");
    let exact = number(&samples.json(""), "sigma_min");
    assert!(number(&found, "sigma_min_below") >= exact && number(&found, "sigma_min_residual") > 0.0);
}

#[test]
fn three_layers_are_looked_at_through_their_features() {
    let samples = Samples::new(&random(40, 4));
    assert_eq!(samples.json("")["verdict"], "degenerate");
    let found = samples.json("--features-k 14 --noise 0.05");
    assert_eq!((number(&found, "d"), number(&found, "k"), number(&found, "p")), (4.0, 14.0, 2.0));
    assert_eq!((number(&found, "capacity"), number(&found["theorem1"], "neurons")), (105.0, 30.0));
    // Forms of degree 4 in 4 variables: 35 of them, and 40 samples.
    assert_eq!(found["verdict"], "numerically_degenerate", "{found}");
    let fewer = samples.json("--features-k 14 --noise 0.05 --limit 25");
    let bound = number(&fewer["random_bound"], "bound");
    assert!(fewer["verdict"] == "general_position" && bound > 0.0 && bound <= number(&fewer, "sigma_min"), "{fewer}");
    let fixed = samples.json("--features-k 25 --limit 25");
    assert_eq!(fixed["random_bound"]["over"], "random features");
    assert!(number(&fixed["random_bound"], "bound") <= number(&fixed, "sigma_min"));
    let few = samples.json("--features-k 14 --limit 25");
    assert!(few["random_bound"].is_null() && few["notes"].to_string().contains("as many features"), "{few}");
}

#[test]
fn mnist_with_noise_is_in_general_position() {
    let found = json(memorize("condition --data mnist --limit 400 --normalize --noise 0.01"));
    assert_eq!((&found["verdict"], &found["method"]), (&"general_position".into(), &"iterative".into()));
    assert_eq!((number(&found, "d"), number(&found, "capacity")), (784.0, 307_720.0));
    assert!(number(&found, "sigma_min") > 0.1 && number(&found, "sigma_min") < 1.0, "{found}");
    assert!(number(&found, "target_bound") == 9.0 && found["theorem4"].is_object());
}

#[test]
fn what_is_proved_is_below_what_is_measured_on_every_backend_and_number_of_threads() {
    let samples = Samples::new(&random(300, 30));
    let exact = number(&samples.json(""), "sigma_min");
    assert!(samples.json("")["proved"].is_null());
    for backend in backends() {
        let found = samples.json(&format!("--prove --backend {backend}"));
        let proved = &found["proved"];
        let bound = number(proved, "bound");
        assert!(bound <= exact && bound > 0.98 * exact && proved["reason"].is_null(), "{found}");
        assert!(number(proved, "bytes") > 4.0 * 300.0 * 300.0 && number(proved, "factorizations") == 1.0, "{found}");
        let one = samples.json(&format!("--prove --threads 1 --backend {backend}"));
        assert_eq!(number(&one["proved"], "bound").to_bits(), bound.to_bits());
    }
    let text = samples.condition("--prove --iterative --tolerance 1e-3").succeeds().stdout;
    let line = text.lines().find(|line| line.starts_with("proved  ")).unwrap();
    let printed: f64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(printed <= exact && printed > 0.9 * exact && line.contains("sigma_min >="), "{text}");
    assert!(!text.contains("likely and not proved"), "{text}");
}

#[test]
fn nothing_is_proved_of_degenerate_samples() {
    let x = random(20, 8);
    let repeated = Dense::from_fn(20, 8, |j, k| if j == 19 { -x.at(4, k) } else { x.at(j, k) });
    let parallel = Dense::from_fn(20, 8, |j, k| if j == 19 { x.at(4, k) / 3.0 } else { x.at(j, k) });
    for (samples, why) in [(repeated, "is 0, exactly"), (parallel, "cannot be told"), (random(7, 3), "is 0, exactly")] {
        let samples = Samples::new(&samples);
        let found = samples.json("--prove");
        assert!(found["proved"]["bound"].is_null() && found["verdict"] != "general_position", "{found}");
        assert!(found["proved"]["reason"].as_str().unwrap().contains(why), "{found}");
        let text = samples.condition("--prove").succeeds().stdout;
        assert!(text.contains("not proved           sigma_min "), "{text}");
    }
}

#[test]
fn a_proof_that_there_is_no_room_for_is_refused() {
    let samples = Samples::new(&random(300, 30));
    samples.condition("--prove --memory-budget 1MiB").refuses(&["--prove", "--memory-budget", "--limit"]);
    let mnist =
        memorize("condition --data mnist --normalize --noise 0.01 --prove --memory-budget 3GiB --max-products 2");
    mnist.refuses(&["the proof for 60,000 samples (--prove)", "13", "--memory-budget"]);
    samples.condition("--prove --power 4").refuses(&["--power", "--prove"]);
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    memorize("condition").refuses(&["--inputs FILE", "--data mnist"]);
    memorize("condition --data synthetic --seed 9223372036854775808").refuses(&["--seed", "at most"]);
    memorize("race --data synthetic --seed 9223372036854775808").refuses(&["--seed", "at most"]);
    memorize("condition --data synthetic --tolerance 2").refuses(&["tolerance", "between 0 and 1"]);
    memorize("condition --data synthetic --theory-delta 1").refuses(&["delta", "probability"]);
    memorize("condition --data synthetic --theory-epsilon 0").refuses(&["epsilon"]);
    memorize("condition --data synthetic --max-products 1").refuses(&["max-products", "at least 2"]);
    memorize("condition --data synthetic --rank 0").refuses(&["rank"]);
    memorize("condition --data synthetic --route gram").refuses(&["--route"]);
    memorize("condition --data synthetic --features-p 2").refuses(&["--features-k"]);
    let samples = Samples::new(&random(4, 3));
    samples.condition("").with("--test-inputs", samples.path("x.npy")).refuses(&["test set"]);
    let mut x = random(6, 3);
    *x.at_mut(2, 1) = f64::NAN;
    Samples::new(&x).condition("").refuses(&["row 2, column 1 is NaN"]);
    *x.at_mut(2, 1) = 1e200;
    Samples::new(&x).condition("").refuses(&["1.0e200", "scale the samples"]);
}

/// The least singular value of [x_1^(tensor q), ...]: of the n x n matrix of inner products to the power q, by Jacobi's
/// rotations.
fn least_of_powers(x: &Dense, q: i32) -> f64 {
    let n = x.rows;
    let dot = |i: usize, j: usize| (0..x.cols).map(|k| x.at(i, k) * x.at(j, k)).sum::<f64>();
    let mut a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| dot(i, j).powi(q)).collect()).collect();
    for _ in 0..30 {
        for (p, r) in (0..n).flat_map(|p| (p + 1..n).map(move |r| (p, r))) {
            if a[p][r] == 0.0 {
                continue;
            }
            let angle = 0.5 * (2.0 * a[p][r]).atan2(a[p][p] - a[r][r]);
            let (s, c) = angle.sin_cos();
            for k in 0..n {
                (a[k][p], a[k][r]) = (c * a[k][p] + s * a[k][r], c * a[k][r] - s * a[k][p]);
            }
            for k in 0..n {
                (a[p][k], a[r][k]) = (c * a[p][k] + s * a[r][k], c * a[r][k] - s * a[p][k]);
            }
        }
    }
    (0..n).map(|i| a[i][i]).fold(f64::INFINITY, f64::min).sqrt()
}

#[test]
fn tensor_powers_of_a_higher_order_are_looked_at() {
    let x = random(25, 4);
    let samples = Samples::new(&x);
    // D_4^2 = 10 is too little for 25 samples, D_4^4 = 35 is not.
    assert_eq!(samples.json("")["verdict"], "degenerate");
    assert_eq!(samples.json("--power 2")["sigma_max"], samples.json("")["sigma_max"]);
    for q in [4, 6] {
        let exact = least_of_powers(&x, q);
        let dense = samples.json(&format!("--power {q}"));
        assert_close(number(&dense, "sigma_min"), exact, 1e-8, "sigma_min");
        assert_eq!((number(&dense, "power"), &dense["verdict"]), (f64::from(q), &"general_position".into()));
        assert!([&dense["theorem1"], &dense["theorem4"], &dense["theorem5"]].iter().all(|theorem| theorem.is_null()));
        let iterative = samples.json(&format!("--power {q} --iterative --tolerance 1e-3"));
        let (found, residual) = (number(&iterative, "sigma_min"), number(&iterative, "sigma_min_residual"));
        assert!((found - exact).abs() <= residual + 1e-9 * exact && residual < 1e-2 * exact, "{found} {exact}");
    }
    assert_eq!(number(&samples.json("--power 4"), "capacity"), 35.0);
    let text = samples.condition("--power 4").succeeds().stdout;
    assert!(text.contains("x_1^(tensor 4)") && text.contains("= 35 tensor powers"), "{text}");
    for power in ["0", "3", "66"] {
        samples.condition(&format!("--power {power}")).refuses(&["must be even", "--power"]);
    }
    let far = Dense::from_fn(25, 4, |j, k| 1e-90 * x.at(j, k));
    Samples::new(&far).condition("--power 4").refuses(&["order 4", "--normalize", "--power"]);
}

#[test]
fn theorem_6_has_its_sizes_bounds_and_lemmas() {
    // D_3^2 = 6: 24 features are p^2 D_d^p.
    let x = random(10, 3);
    let samples = Samples::new(&x);
    let found = samples.json("--features-k 24 --features-sigma 0.8 --theory-delta 0.2");
    let theorem = &found["theorem6"];
    for (key, value) in [
        ("order", 4.0),
        ("dimension", 6.0),
        ("powers_dimension", 15.0),
        ("features_above", 12.0),
        ("features_of_order", 24.0),
        ("samples_scale", 81.0 / 24.0),
        ("lemma13_least", 40f64.sqrt()),
        ("lemma13_most", 15.0 / 36.0),
    ] {
        assert_close(number(theorem, key), value, 1e-12, key);
    }
    for (key, value) in [("is_above", true), ("is_of_order", true), ("lemma13_holds", false), ("lemma19_holds", true)] {
        assert_eq!(theorem[key], value, "{key}");
    }
    let powers = least_of_powers(&x, 4);
    assert_close(number(theorem, "powers_sigma_min"), powers, 1e-7, "sigma_min(X_4)");
    let (q, bound) = (number(theorem, "q_sigma_min"), number(theorem, "lemma19_bound"));
    assert!(q > 0.0 && (bound - q * q * powers).abs() < 1e-6 * bound && bound <= number(&found, "sigma_min"));
    let norm = |j: usize| (0..3).map(|k| x.at(j, k).powi(2)).sum::<f64>().sqrt();
    let longest = (0..10).map(norm).fold(0.0, f64::max);
    let expected = 24f64.sqrt() * (0.8 * longest).powi(2) * 2.0 * (2.0 * 240.0 / 0.2f64).ln();
    assert_close(number(theorem, "norm_bound"), expected, 1e-12, "Lemma 20");
    assert!(theorem["norm_holds"] == true && number(&found, "input_bound") < expected && theorem["norm_lemma"] == 20);

    // With noise the bound is of what the samples were before it.
    let noisy = samples.json("--features-k 5 --noise 0.1 --theory-delta 0.2");
    let theorem = &noisy["theorem6"];
    let radius = longest + 0.1 * (3f64.sqrt() + (2.0 * 100f64.ln()).sqrt());
    let expected = 5f64.sqrt() * (0.15 * radius).powi(2) * 2.0 * 1000f64.ln();
    assert_close(number(theorem, "norm_bound"), expected, 1e-12, "Lemma 14");
    assert!(theorem["norm_lemma"] == 14 && theorem["is_above"] == false && theorem["lemma19_holds"] == true);
    // Five features are fewer than D_3^2 = 6.
    assert_eq!((number(theorem, "q_sigma_min"), number(theorem, "lemma19_bound")), (0.0, 0.0));

    let text = samples.condition("--features-k 5").succeeds().stdout;
    for words in ["k = 5 is not", "less than D_d^2 = 6", "does not hold", "Lemma 19", "Lemma 20", "d^4/4! = 3.38"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert!(samples.json("--limit 5")["theorem6"].is_null());
}
