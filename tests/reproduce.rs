//! Training from the command line: the paper's experiments, what they leave, the same bits again, and learning.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use memorize_data::labels::random_labels;
use memorize_data::perturb::add_noise;
use memorize_data::{Mnist, synthetic};
use memorize_kernels::Isa;
use memorize_kernels::reference::{self, Dense};
use serde_json::Value;

use crate::common::{
    Call, Checkpoint, Numbers, assert_close, backends, column, features, left, memorize, metrics, normalized, number,
    scratch, summary, write_inputs, write_targets,
};

const FILES: [&str; 6] =
    ["config.toml", "metrics.csv", "summary.json", "curve.svg", "curve.png", "checkpoint.safetensors"];

/// An experiment as `--quick` runs it.
struct Quick {
    name: &'static str,
    n: usize,
    d: usize,
    k: Option<usize>,
    r: usize,
    tested: bool,
    paper: &'static str,
}

const fn two_layers(name: &'static str, tested: bool, paper: &'static str) -> Quick {
    Quick { name, n: 2000, d: 784, k: None, r: 256, tested, paper }
}

const fn three_layers(name: &'static str, tested: bool, paper: &'static str) -> Quick {
    Quick { name, n: 2000, d: 100, k: Some(200), r: 256, tested, paper }
}

const QUICK: [Quick; 7] = [
    Quick { name: "synthetic", n: 300, d: 100, k: None, r: 300, tested: false, paper: "goes to 0 quickly" },
    two_layers("mnist-2layer", true, "test MSE 1.21"),
    two_layers("mnist-2layer-noise", true, "geometrically below 1e-5"),
    three_layers("mnist-3layer", true, "very low training error"),
    two_layers("mnist-2layer-random", false, "does not fit well"),
    two_layers("mnist-2layer-noise-random", false, "very high accuracy"),
    three_layers("mnist-3layer-random", false, "similar to mnist-3layer"),
];

/// `reproduce all --quick`, run once for all tests: what it printed, and its folder.
fn all() -> &'static (String, PathBuf) {
    static ALL: OnceLock<(String, PathBuf)> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reproduce-all");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let outcome = memorize("reproduce all --quick --quiet").with("--out", &folder).succeeds();
        (outcome.stdout, folder)
    })
}

/// The folder of one of them.
fn quick(name: &str) -> PathBuf {
    all().1.join(format!("{name}-quick"))
}

/// A training run into a folder of its own.
fn train(out: &Path, arguments: &str) -> Value {
    memorize(&format!("train {arguments} --quiet")).with("--out", out).succeeds();
    summary(out)
}

/// Whether two runs left the same bits: weights and the recorded losses.
#[track_caller]
fn assert_same_run(left_folder: &Path, right_folder: &Path) {
    for name in ["iteration", "epoch", "loss", "smoothed_loss", "learning_rate"] {
        assert_eq!(metrics(left_folder)[name], metrics(right_folder)[name], "column {name}");
    }
    let weights = |folder| left(folder, "checkpoint.safetensors");
    assert!(weights(left_folder) == weights(right_folder), "the weights differ");
}

#[test]
fn every_experiment_leaves_its_files() {
    for experiment in QUICK {
        for file in FILES {
            assert!(!left(&quick(experiment.name), file).is_empty(), "{}: {file}", experiment.name);
        }
        assert_eq!(fs::read_dir(quick(experiment.name)).unwrap().count(), FILES.len(), "nothing else is left");
    }
    assert_eq!(fs::read_dir(&all().1).unwrap().count(), QUICK.len() + 1, "the folders of the runs, and the report");
}

#[test]
fn summaries_hold_what_was_promised() {
    for Quick { name, n, d, k, r, tested, paper } in QUICK {
        let summary = summary(&quick(name));
        assert_eq!(summary["experiment"], name);
        assert_eq!((&summary["n"], &summary["samples"]), (&Value::from(n), &Value::from(n)), "{name}");
        assert_eq!((&summary["d"], &summary["r"]), (&Value::from(d), &Value::from(r)), "{name}");
        assert_eq!(summary["k"], k.map_or(Value::Null, Value::from), "{name}");
        assert_eq!(summary["p"], k.map_or(Value::Null, |_| Value::from(2)), "{name}");
        assert_eq!(summary["parameters"], k.unwrap_or(d) * r, "{name}");
        assert_eq!(number(&summary, "parameters_per_sample"), (k.unwrap_or(d) * r) as f64 / n as f64, "{name}");
        assert_eq!(summary["seed"], 0);
        for field in ["dtype", "isa", "backend", "route", "init", "version"] {
            assert!(summary[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {field}");
        }
        for field in ["epochs", "iterations", "threads", "wall_seconds", "samples_per_second", "init_scale"] {
            assert!(number(&summary, field) > 0.0, "{name}: {field}");
        }
        let (loss, mse) = (number(&summary, "train_loss"), number(&summary, "train_mse"));
        assert!(loss.is_finite() && loss >= 0.0, "{name}: {loss}");
        // Text has every digit, but the reader of JSON may be off in the last.
        assert_close(mse, 4.0 * loss, 1e-15, name);
        assert_eq!(summary["test_mse"].is_number(), tested, "{name}: {}", summary["test_mse"]);
        assert_eq!(summary["sigma_min"].is_number(), name == "synthetic", "{name}");
        assert_eq!(summary["stopped"], "completed");
        assert!(summary["paper"].as_str().unwrap().contains(paper), "{name}");
    }
}

#[test]
fn the_table_names_each_experiment_and_what_the_paper_reports() {
    let (table, rest) = all().0.split_once("\n\n").unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + QUICK.len(), "{}", all().0);
    assert_eq!(rest, format!("report: {}\n", all().1.join("report/index.html").display()));
    assert!(lines[0].contains("the paper"), "{}", lines[0]);
    for (line, experiment) in lines[1..].iter().zip(QUICK) {
        assert_eq!(line.split_whitespace().next(), Some(&*format!("{}-quick", experiment.name)));
        assert!(line.contains(experiment.paper), "{line}");
    }
}

#[test]
fn curves_are_images() {
    for experiment in QUICK {
        let folder = quick(experiment.name);
        let (png, svg) = (left(&folder, "curve.png"), String::from_utf8(left(&folder, "curve.svg")).unwrap());
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"), "{}", experiment.name);
        assert!(svg.starts_with('<') && svg.trim_end().ends_with("</svg>"), "{}", experiment.name);
        // Every element is closed, and something is drawn.
        let elements = svg.matches('<').count() - svg.matches("<?").count() - svg.matches("<!").count();
        let closed = svg.matches("</").count() * 2 + svg.matches("/>").count();
        assert_eq!(elements, closed, "{}", experiment.name);
        assert!(svg.contains("<polyline") || svg.contains("<path"), "{}", experiment.name);
    }
}

#[test]
fn losses_are_recorded_every_five_iterations_and_smoothed_over_twenty_records() {
    for experiment in QUICK {
        let folder = quick(experiment.name);
        let mut header = csv::Reader::from_path(folder.join("metrics.csv")).unwrap();
        let expected = ["iteration", "epoch", "loss", "smoothed_loss", "learning_rate", "seconds"];
        assert_eq!(header.headers().unwrap(), &expected[..]);

        let iterations = column(&folder, "iteration");
        for (i, &iteration) in iterations.iter().enumerate() {
            let last = i + 1 == iterations.len();
            assert!(iteration == 5.0 * i as f64 || last, "{}: record {i} is of {iteration}", experiment.name);
        }
        let done = number(&summary(&folder), "iterations");
        assert!((done - iterations.last().unwrap()).abs() <= 1.0, "{}", experiment.name);

        let (losses, smoothed) = (column(&folder, "loss"), column(&folder, "smoothed_loss"));
        assert!(losses.len() > 20, "{}", experiment.name);
        for (i, &mean) in smoothed.iter().enumerate() {
            let window = &losses[(i + 1).saturating_sub(20)..=i];
            assert_close(mean, window.iter().sum::<f64>() / window.len() as f64, 1e-12, experiment.name);
        }
        assert!(column(&folder, "seconds").is_sorted(), "{}", experiment.name);
    }
}

#[test]
fn the_losses_of_a_full_batch_run_end_with_that_of_its_weights() {
    let root = scratch();
    let folder = root.path().join("run");
    memorize("reproduce synthetic --quick --quiet --epochs 40").with("--out", &folder).succeeds();
    let last = *column(&folder, "loss").last().unwrap();
    assert_close(last, number(&summary(&folder), "train_loss"), 1e-3, "last record");
    // Further on f32 cannot tell the residuals from rounding: the loss at the end is that of the reference on the
    // weights.
    let folder = quick("synthetic");
    let (last, summary) = (*column(&folder, "loss").last().unwrap(), summary(&folder));
    let Checkpoint { w, a, .. } = Checkpoint::of(&folder);
    let [n, d] = ["n", "d"].map(|field| number(&summary, field) as usize);
    let narrow = |x: Dense| Dense { data: x.data.iter().map(|&x| f64::from(x as f32)).collect(), ..x };
    let x = Dense { rows: n, cols: d, data: synthetic::inputs::<f64>(0, n, d).iter().copied().collect() };
    let y: Vec<f64> = synthetic::targets::<f32>(0, n).iter().map(|&y| f64::from(y)).collect();
    let exact = reference::loss(&narrow(normalized(&x)), &y, &w, &a, 0.0);
    assert!(last < 0.5 * exact, "{last:e} {exact:e}");
    // The samples are rounded as the program does it, to a bit.
    assert_close(number(&summary, "train_loss"), exact, 0.2, "the loss at the end");
}

/// The loss of weights on the synthetic data of seed 0, by the naive loops.
fn synthetic_loss(w: &Dense, a: &[f64], n: usize, d: usize) -> f64 {
    let x = Dense { rows: n, cols: d, data: synthetic::inputs::<f64>(0, n, d).iter().copied().collect() };
    reference::loss(&normalized(&x), &synthetic::targets(0, n), w, a, 0.0)
}

#[test]
fn the_loss_of_the_synthetic_run_is_that_of_its_weights() {
    let folder = quick("synthetic");
    let Checkpoint { w, a, features, basis, .. } = Checkpoint::of(&folder);
    assert_eq!((w.rows, w.cols), (100, 300));
    assert_eq!(a, crate::common::signs(300));
    assert!(features.is_none() && basis.is_none());
    // All that is left is the rounding of outputs of size 1 to f32.
    assert!(number(&summary(&folder), "train_loss") < 1e-12);
    assert!(synthetic_loss(&w, &a, 300, 100) < 1e-12);

    // Long before that there is a loss to compare.
    let root = scratch();
    let out = root.path().join("run");
    memorize("reproduce synthetic --quick --epochs 10 --dtype f64 --quiet").with("--out", &out).succeeds();
    let Checkpoint { w, a, .. } = Checkpoint::of(&out);
    let loss = synthetic_loss(&w, &a, 300, 100);
    assert!(loss > 1e-6, "{loss:e}");
    assert_close(number(&summary(&out), "train_loss"), loss, 1e-10, "train_loss");
}

#[test]
fn the_losses_of_mnist_runs_are_those_of_their_weights() {
    let Mnist { train_images, train_labels, .. } = Mnist::open(Some(&crate::common::mnist_folder()), None).unwrap();
    let unit = normalized(&Dense::from_fn(2000, 784, |i, k| train_images.value(i, k)));
    let mut noisy = unit.clone();
    for (i, row) in noisy.data.chunks_mut(784).enumerate() {
        add_noise(Isa::best(), i as u64, 0, 0.01, row);
    }
    let digits: Vec<f64> = (0..2000).map(|i| train_labels.value(i, 0)).collect();
    let random = random_labels(0, 2000);
    let runs = [("mnist-2layer", &unit, &digits), ("mnist-2layer-noise-random", &noisy, &random)];
    for (name, x, y) in runs {
        let Checkpoint { w, a, .. } = Checkpoint::of(&quick(name));
        let loss = reference::loss(x, y, &w, &a, 0.0);
        assert_close(number(&summary(&quick(name)), "train_loss"), loss, 1e-4, name);
    }
}

#[test]
fn the_loss_of_a_three_layer_run_is_that_of_its_weights() {
    let root = scratch();
    let mut numbers = Numbers::new(1);
    let (x, y) = (numbers.dense(60, 7), numbers.values(60));
    let (test_x, test_y) = (numbers.dense(11, 7), numbers.values(11));
    let path = |name: &str| root.path().join(name);
    write_inputs(&path("x.npy"), &x);
    write_targets(&path("y.npy"), &y);
    write_inputs(&path("tx.npy"), &test_x);
    write_targets(&path("ty.npy"), &test_y);
    memorize(
        "train --normalize --pca 4 --noise 0.05 --features-k 13 --features-p 3 --features-sigma 0.5 -r 6 --batch 16",
    )
    .and("--epochs 5 --dtype f64 --quiet")
    .with("--inputs", path("x.npy"))
    .with("--targets", path("y.npy"))
    .with("--test-inputs", path("tx.npy"))
    .with("--test-targets", path("ty.npy"))
    .with("--out", path("run"))
    .succeeds();
    let summary = summary(&path("run"));
    assert_eq!((&summary["d"], &summary["k"], &summary["p"]), (&4.into(), &13.into(), &3.into()));

    let checkpoint = Checkpoint::of(&path("run"));
    let (basis, mean, r) = (checkpoint.basis.unwrap(), checkpoint.mean.unwrap(), checkpoint.features.unwrap());
    assert_eq!((basis.rows, basis.cols, r.rows, r.cols), (4, 7, 13, 4));
    assert_eq!(checkpoint.metadata["p"], "3");
    let unit = normalized(&x);
    for k in 0..7 {
        let average = (0..60).map(|i| unit.at(i, k)).sum::<f64>() / 60.0;
        assert!((mean[k] - average).abs() < 1e-12, "the mean is that of the normalised training set");
    }
    let project = |x: &Dense| {
        let unit = normalized(x);
        Dense::from_fn(x.rows, 4, |i, m| (0..7).map(|k| basis.at(m, k) * (unit.at(i, k) - mean[k])).sum())
    };
    let mut noisy = project(&x);
    for (i, row) in noisy.data.chunks_mut(4).enumerate() {
        add_noise(Isa::best(), i as u64, 0, 0.05, row);
    }
    let loss = reference::loss(&features(&noisy, &r, 3), &y, &checkpoint.w, &checkpoint.a, 0.0);
    assert_close(number(&summary, "train_loss"), loss, 1e-9, "train_loss");
    // The test set is not perturbed.
    let test_z = features(&project(&test_x), &r, 3);
    let test = reference::loss(&test_z, &test_y, &checkpoint.w, &checkpoint.a, 0.0);
    assert_close(number(&summary, "test_mse"), 4.0 * test, 1e-9, "test_mse");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let root = scratch();
    for name in ["synthetic", "mnist-2layer-noise", "mnist-3layer-random"] {
        let run = |threads: &str| {
            let out = root.path().join(format!("{name}-{threads}"));
            memorize(&format!("reproduce {name} --quick --epochs 2 --quiet --threads {threads}"))
                .with("--out", &out)
                .succeeds();
            out
        };
        let (one, two, three) = (run("1"), run("2"), run("3"));
        assert_eq!(summary(&two)["threads"], 2);
        assert_same_run(&one, &two);
        assert_same_run(&one, &three);
        assert_eq!(summary(&one)["train_loss"], summary(&two)["train_loss"]);
    }
}

/// The cores that a process may use are counted before its first experiment pins a thread to one of them.
#[test]
fn pinned_threads_are_as_many_in_each_experiment_and_change_no_bit() {
    let root = scratch();
    let run = |flag: &str| {
        let out = root.path().join(format!("all{flag}"));
        memorize(&format!("reproduce all --quick --epochs 1 --quiet {flag}")).with("--out", &out).succeeds();
        out
    };
    let (free, pinned) = (run(""), run("--pin"));
    let cores = std::thread::available_parallelism().unwrap().get();
    for Quick { name, .. } in QUICK {
        let [free, pinned] = [&free, &pinned].map(|out| out.join(format!("{name}-quick")));
        assert_same_run(&free, &pinned);
        assert_eq!([&free, &pinned].map(|out| summary(out)["threads"].clone()), [cores, cores]);
    }
}

#[test]
fn the_configuration_that_a_run_leaves_repeats_it() {
    let root = scratch();
    for name in ["synthetic", "mnist-2layer-noise-random", "mnist-3layer"] {
        let out = root.path().join(name);
        memorize("train --quiet").with("--config", quick(name).join("config.toml")).with("--out", &out).succeeds();
        assert_same_run(&quick(name), &out);
        assert_eq!(left(&quick(name), "config.toml"), left(&out, "config.toml"));
        assert_eq!(summary(&out)["experiment"], name);
    }
}

#[test]
fn another_seed_is_another_run() {
    let root = scratch();
    let arguments = "--data synthetic --samples 20 --dim 6 -r 8 --iterations 10";
    let [first, again, other] = ["0", "00", "1"].map(|seed| {
        let out = root.path().join(seed);
        train(&out, &format!("{arguments} --seed {seed}"));
        out
    });
    assert_same_run(&first, &again);
    assert_ne!(left(&first, "checkpoint.safetensors"), left(&other, "checkpoint.safetensors"));
    assert_ne!(metrics(&first)["loss"], metrics(&other)["loss"]);
}

/// A short run that uses every stage of the data and a batch that does not divide the samples.
fn noisy(out: &Path, more: &str) -> Call {
    memorize("train --data mnist --limit 300 --normalize --pca 20 --noise 0.05 --features-k 30 -r 40 --batch 64")
        .and("--epochs 6 --lr 0.03 --features-sigma 1")
        .and(more)
        .with("--out", out)
}

#[test]
fn backends_routes_and_instruction_sets_agree() {
    let root = scratch();
    let losses = |name: &str, more: &str| {
        let out = root.path().join(name);
        noisy(&out, more).and("--quiet --record-every 1").succeeds();
        let summary = summary(&out);
        (column(&out, "loss"), number(&summary, "train_loss"), number(&summary, "test_mse"), summary)
    };
    for (dtype, tolerance) in [("f64", 1e-9), ("f32", 1e-3)] {
        let (expected, loss, test, _) = losses(dtype, &format!("--dtype {dtype} --backend native"));
        assert!(loss < expected[0] / 2.0, "enough is learned for a difference to show");
        let mut ways = vec![("route", "neuron".to_owned()), ("route", "gram".to_owned())];
        ways.extend(backends().iter().map(|backend| ("backend", (*backend).to_owned())));
        ways.extend(Isa::available().into_iter().map(|isa| ("isa", isa.name().to_owned())));
        assert!(ways.len() >= 5, "two backends and the scalar instruction set are always there");
        for (field, value) in ways {
            let name = format!("{dtype}-{value}");
            let (found, end, test_end, summary) = losses(&name, &format!("--dtype {dtype} --{field} {value}"));
            assert_eq!((&summary[field], &summary["dtype"]), (&value.as_str().into(), &dtype.into()));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_close(*found, *expected, tolerance, &name);
            }
            assert_close(end, loss, tolerance, &name);
            assert_close(test_end, test, tolerance, &name);
        }
    }
}

#[test]
fn the_environment_chooses_the_instruction_set_and_fails_loudly() {
    let root = scratch();
    let out = root.path().join("run");
    let call = || memorize("train --data synthetic -r 4 --iterations 5 --quiet").with("--out", &out);
    call().env("MEMORIZE_ISA", "nonsense").refuses(&["nonsense", "avx512, avx2, neon, scalar"]);
    assert!(!out.exists());
    call().env("MEMORIZE_ISA", "scalar").succeeds();
    assert_eq!(summary(&out)["isa"], "scalar");
}

#[test]
fn a_small_memory_budget_changes_no_bit() {
    let root = scratch();
    let run = |name: &str, more: &str| {
        let out = root.path().join(name);
        (noisy(&out, more).succeeds().stderr, out)
    };
    let (kept_note, kept) = run("kept", "--memory-budget 1GiB");
    let (streamed_note, streamed) = run("streamed", "--memory-budget 1KiB");
    assert!(kept_note.contains("in memory"), "{kept_note}");
    assert!(streamed_note.contains("made again on every pass"), "{streamed_note}");
    assert_same_run(&kept, &streamed);
    assert_eq!(summary(&kept)["train_loss"], summary(&streamed)["train_loss"]);

    // Full batches take another way through the passes.
    let full = |name: &str, budget: &str| {
        let out = root.path().join(name);
        let arguments = "--data mnist --limit 500 --normalize --noise 0.01 -r 6 --optimizer gd --lr 0.3 --iterations 7";
        train(&out, &format!("{arguments} --memory-budget {budget}"));
        out
    };
    assert_same_run(&full("full-kept", "1GiB"), &full("full-streamed", "1KiB"));
}

#[test]
fn the_loss_falls_on_noisy_images() {
    let folder = quick("mnist-2layer-noise");
    let smoothed = column(&folder, "smoothed_loss");
    let (first, last) = (smoothed[0], *smoothed.last().unwrap());
    assert!(last < first / 5.0, "from {first:e} to {last:e}");
    assert!(number(&summary(&folder), "train_loss") < first / 5.0);
}

/// Trains on tiny synthetic data and wants them memorised.
fn memorises(optimizer: &str) -> Value {
    let root = scratch();
    let out = root.path().join("run");
    let data = "--data synthetic --samples 12 --dim 6 --normalize -r 24 --dtype f64";
    let summary = train(&out, &format!("{data} --optimizer {optimizer}"));
    assert!(number(&summary, "train_loss") < 1e-6, "{}", summary["train_loss"]);
    let Checkpoint { w, a, .. } = Checkpoint::of(&out);
    let loss = synthetic_loss(&w, &a, 12, 6);
    assert!(loss < 1e-6, "{loss:e}");
    summary
}

#[test]
fn gradient_descent_memorises() {
    let summary = memorises("gd --lr 1 --iterations 5000 --stop-below 1e-8");
    assert_eq!(summary["stopped"], "stop_below");
}

#[test]
fn adam_memorises() {
    let summary = memorises("adam --lr 0.01 --batch 5 --epochs 3000 --stop-below 1e-8");
    assert_eq!(summary["stopped"], "stop_below");
}

#[test]
fn stochastic_gradient_descent_memorises() {
    let summary = memorises("sgd --lr 0.3 --batch 5 --epochs 5000 --stop-below 1e-8");
    assert_eq!(summary["stopped"], "stop_below");
}

#[test]
fn perturbed_gradient_descent_leaves_the_saddle_at_zero_and_returns_by_itself() {
    let thresholds = "--pgd-radius 1e-3 --pgd-g-threshold 1e-6 --pgd-f-threshold 1e-9 --pgd-t-threshold 200";
    let summary = memorises(&format!("pgd --lr 1 --iterations 200000 {thresholds}"));
    assert_eq!(summary["stopped"], "returned");
    assert!(summary["init"].as_str().unwrap().contains("W = 0"), "{}", summary["init"]);
}

#[test]
fn the_configuration_that_explains_itself_can_be_run_as_it_is() {
    let folder = scratch();
    let file = folder.path().join("job.toml");
    let printed = memorize("config --default").succeeds().stdout;
    fs::write(&file, &printed).unwrap();
    let out = folder.path().join("run");
    memorize("train --quiet --iterations 3").with("--config", &file).with("--out", &out).succeeds();
    // What `config` prints for the same flags is what the run leaves, but for the scale of the weights, which a run
    // finds out.
    let told = memorize("config --iterations 3").with("--config", &file).succeeds().stdout;
    let left = String::from_utf8(left(&out, "config.toml")).unwrap();
    let left: Vec<&str> = left.lines().filter(|line| !line.starts_with("init_scale")).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), left);
    memorize("config --default --seed 1").refuses(&["--default", "cannot be used with"]);
    memorize("config --neurons 4").refuses(&["--data"]);
}

/// The paper refers to Theorem 4 for the parameters of its synthetic experiment; what they are, and what is done
/// instead.
#[test]
fn the_synthetic_experiment_says_what_theorem_4_would_have_it_do() {
    let found = summary(&quick("synthetic"));
    let instead = found["instead"].as_str().unwrap();
    // sigma = 0.747: gamma = (sigma^2 0.01/(n d))^(1/2), and a step is 1/l.
    let sigma = number(&found, "sigma_min");
    let gamma = (sigma * sigma * 0.01 / 30_000.0).sqrt();
    assert!(instead.contains(&format!("gamma = {gamma:.2e}")), "{instead}");
    for words in
        ["Theorem 4", "W = 0", "6.62e-5", "1.32e10 iterations", "here a random W", "steps of 3", "500 iterations"]
    {
        assert!(instead.contains(words), "no {words} in {instead}");
    }
    assert!(found["init"].as_str().unwrap().contains("W = 0 in Theorem 4"));
    assert!(summary(&quick("mnist-2layer"))["instead"].is_null());
    let page = String::from_utf8(left(&all().1.join("report"), "index.html")).unwrap();
    assert!(page.contains("1.32e10 iterations") && page.contains("or has otherwise"));
}
