//! Settings that are wrong, one accident a test: numbers, names, folders; the exit code, the message, and nothing
//! half-written.

use std::fs;

use crate::common::ground::{Ground, N, listing};
use crate::common::{column, memorize, summary};

// ---- numbers that cannot be run with

#[test]
fn an_odd_number_of_neurons() {
    Ground::new().refuses_flags("-r 7", &["network.neurons = 7", "must be even", "try 8"]);
}

#[test]
fn no_neurons() {
    Ground::new().refuses_flags("-r 0", &["network.neurons = 0", "at least 2 neurons (--neurons)"]);
    Ground::new().refuses_flags("", &["network.neurons is missing", "--neurons R"]);
    Ground::new().refuses_flags("-r -2", &["-2"]);
}

#[test]
fn random_features_of_power_zero() {
    Ground::new().refuses_flags("-r 4 --features-k 3 --features-p 0", &["network.features.p = 0", "--features-p"]);
}

#[test]
fn no_random_features() {
    Ground::new().refuses_flags("-r 4 --features-k 0", &["network.features.k = 0", "leave out --features-k"]);
    Ground::new().refuses_flags("-r 4 --features-p 2", &["network.features.k is missing", "--features-k K"]);
}

#[test]
fn an_empty_batch() {
    Ground::new().refuses_flags("-r 4 --batch 0", &["optimizer.batch = 0", "at least 1 sample, or `full`"]);
}

#[test]
fn step_sizes_that_are_none() {
    for rate in ["0", "-0.1", "nan", "inf"] {
        let words = ["optimizer.learning_rate", "must be a finite number above 0 (--lr)"];
        Ground::new().refuses_flags(&format!("-r 4 --lr {rate}"), &words);
    }
    Ground::new().refuses_flags("-r 4 --lr fast", &["fast", "--lr"]);
}

#[test]
fn a_run_without_an_end() {
    let ground = Ground::new();
    memorize("train --data synthetic -r 4")
        .with("--out", ground.path("out"))
        .refuses(&["--epochs N or --iterations N"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn perturbed_descent_without_all_of_its_thresholds() {
    let all = ["--pgd-radius", "--pgd-g-threshold", "--pgd-f-threshold", "--pgd-t-threshold"];
    Ground::new().refuses_flags("-r 4 --optimizer pgd", &all);
    Ground::new().refuses_flags("-r 4 --optimizer pgd --pgd-radius 0.1", &all);
    let help = memorize("train --help").succeeds().stdout;
    assert!(help.contains("`--optimizer pgd` needs all four"), "{help}");
}

#[test]
fn more_principal_components_than_coordinates() {
    Ground::new().refuses_flags("-r 4 --pca 7", &["7 principal components", "ask for at most 6"]);
}

#[test]
fn sizes_that_no_machine_has_memory_for() {
    let words = ["memory"];
    Ground::new().refuses_flags("-r 4000000000000000000", &words);
    Ground::new().refuses_flags("-r 4 --features-k 4000000000000000000", &words);
    let ground = Ground::new();
    memorize("train --data synthetic -r 4 --iterations 3 --samples 4000000000000000000")
        .with("--out", ground.path("out"))
        .refuses(&words);
    assert!(!ground.path("out").exists());
}

// ---- training that fails

/// A run that diverged: exit code 1, everything that helps to find out why, and no weights.
#[track_caller]
fn assert_diverges(flags: &str) {
    let ground = Ground::new();
    let outcome = memorize("train --data synthetic --samples 20 --dim 6 -r 8 --quiet --record-every 1")
        .and(flags)
        .with("--out", ground.path("out"))
        .fails(1, &["training diverged", "at iteration ", "last finite loss: ", "use a smaller learning rate"]);
    assert!(outcome.stderr.contains("hint: flags of `memorize train`: --lr X, --init-scale X"), "{}", outcome.stderr);
    let out = ground.path("out");
    let losses = column(&out, "loss");
    assert!(!losses.is_empty() && losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let last = format!("last finite loss: {:.6e}", losses.last().unwrap());
    assert!(outcome.stderr.contains(&last), "no {last:?} in:\n{}", outcome.stderr);
    assert!(out.join("config.toml").exists());
    for file in ["checkpoint.safetensors", "summary.json"] {
        assert!(!out.join(file).exists(), "{file}");
    }
}

#[test]
fn a_step_size_that_diverges() {
    assert_diverges("--optimizer gd --lr 1e6 --iterations 1000");
    assert_diverges("--optimizer sgd --batch 7 --lr 1e6 --epochs 1000");
}

#[test]
fn a_step_size_that_diverges_in_the_last_step() {
    assert_diverges("--optimizer gd --lr 1e30 --iterations 1");
    assert_diverges("--optimizer sgd --batch 20 --lr 1e30 --iterations 1");
}

// ---- the output folder

#[test]
fn an_output_folder_with_something_in_it() {
    let ground = Ground::new();
    let out = ground.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("metrics.csv"), "precious").unwrap();
    fs::write(out.join("thesis.tex"), "mine").unwrap();
    let words = ["out already exists and is not empty", "--out DIR", "--overwrite"];
    ground.train("x.npy", "y.npy").refuses(&words);
    memorize("reproduce synthetic --quick --quiet").with("--out", &out).refuses(&words);
    assert_eq!(fs::read_to_string(out.join("metrics.csv")).unwrap(), "precious");
    assert_eq!(listing(&out).len(), 2);

    ground.train("x.npy", "y.npy").and("--overwrite").succeeds();
    assert_eq!(summary(&out)["n"], N);
    assert_eq!(fs::read_to_string(out.join("thesis.tex")).unwrap(), "mine", "only results are replaced");
}

#[test]
fn bad_input_does_not_cost_the_results_of_an_earlier_run() {
    let ground = Ground::new();
    let out = ground.path("out");
    ground.train("x.npy", "y.npy").succeeds();
    let before = fs::read(out.join("summary.json")).unwrap();
    ground.train("gone.npy", "y.npy").and("--overwrite").refuses(&["gone.npy"]);
    ground.train("x.npy", "y.npy").and("--overwrite --pca 99").refuses(&["99"]);
    assert_eq!(fs::read(out.join("summary.json")).unwrap(), before);
    assert!(out.join("checkpoint.safetensors").exists());
}

#[test]
fn a_series_finds_out_that_its_last_folder_is_taken_before_it_starts() {
    let ground = Ground::new();
    let last = ground.path("mnist-3layer-random-quick");
    fs::create_dir(&last).unwrap();
    fs::write(last.join("summary.json"), "precious").unwrap();
    let before = ground.listing();
    memorize("reproduce all --quick --quiet")
        .with("--out", ground.path("."))
        .refuses(&["mnist-3layer-random-quick already exists and is not empty"]);
    assert_eq!(ground.listing(), before);
}

#[test]
fn a_file_in_the_way_of_the_output_folder() {
    let ground = Ground::new();
    ground.write("out", b"mine");
    ground.train("x.npy", "y.npy").refuses(&["out exists and is not a folder", "hint: choose another folder"]);
    ground.train("x.npy", "y.npy").and("--overwrite").refuses(&["out exists and is not a folder"]);
    memorize("train --data synthetic -r 4 --iterations 3 --quiet")
        .with("--out", ground.path("out/below"))
        .refuses(&["below", "--out DIR"]);
    assert_eq!(fs::read(ground.path("out")).unwrap(), b"mine");
}

// ---- names and files of settings

#[test]
fn a_mistyped_experiment() {
    memorize("reproduce mnist-2layer-nois").refuses(&["mnist-2layer-nois", "similar", "'mnist-2layer-noise'"]);
    let outcome = memorize("reproduce xyzzy").refuses(&["possible values", "synthetic", "mnist-3layer-random", "all"]);
    assert!(!outcome.stderr.contains("similar"), "{}", outcome.stderr);
}

#[test]
fn a_mistyped_key_in_a_configuration_file() {
    let ground = Ground::new();
    let text = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 4\n[optimizer]\nleraning_rate = 0.1\n";
    ground.write("my.toml", text.as_bytes());
    memorize("train --iterations 3")
        .with("--config", ground.path("my.toml"))
        .with("--out", ground.path("out"))
        .refuses(&["my.toml", "line 6", "unknown field `leraning_rate`", "did you mean `learning_rate`?"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn a_value_of_the_wrong_type_in_a_configuration_file() {
    let ground = Ground::new();
    ground.write("my.toml", b"[network]\nneurons = \"many\"\n");
    memorize("train --data synthetic --iterations 3")
        .with("--config", ground.path("my.toml"))
        .with("--out", ground.path("out"))
        .refuses(&["my.toml", "line 2", "many"]);
    assert!(!ground.path("out").exists());
}

#[test]
fn data_that_are_named_twice_or_not_at_all() {
    let ground = Ground::new();
    ground
        .train("x.npy", "y.npy")
        .and("--data mnist")
        .refuses(&["data.inputs", "not read when data.source is mnist; leave out --inputs"]);
    memorize("train -r 4 --iterations 3").with("--out", ground.path("out")).refuses(&["--inputs FILE --targets FILE"]);
    memorize("train -r 4 --iterations 3")
        .with("--inputs", ground.path("x.npy"))
        .with("--out", ground.path("out"))
        .refuses(&["data.targets is missing", "--targets FILE"]);
    assert!(!ground.path("out").exists());
}
