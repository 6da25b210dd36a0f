//! Runs that were stopped go on, and end as if they had never been.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use memorize_train::checkpoint;
use tempfile::TempDir;

use crate::common::running::Running;
use crate::common::{
    Checkpoint, Numbers, left, memorize, metrics, number, scratch, summary, write_inputs, write_targets,
};

const SYNTHETIC: &str = "train --quiet --data synthetic --samples 90 --dim 20 --normalize -r 42";

/// Everything but the times of two runs is the same.
#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    assert!(left(one, "checkpoint.safetensors") == left(other, "checkpoint.safetensors"), "other weights");
    let [mut one_metrics, mut other_metrics] = [one, other].map(metrics);
    for metrics in [&mut one_metrics, &mut other_metrics] {
        let seconds: Vec<f64> = metrics.remove("seconds").unwrap().iter().map(|cell| cell.parse().unwrap()).collect();
        assert!(seconds.is_sorted());
    }
    assert_eq!(one_metrics, other_metrics);
    let [one_summary, other_summary] = [one, other].map(|run| {
        let mut summary = summary(run);
        for field in ["wall_seconds", "samples_per_second", "threads", "name"] {
            summary[field].take();
        }
        // The command that ended the run.
        summary["provenance"]["command"].take();
        // They hold some of those fields, too.
        for file in ["config.toml", "metrics.csv"] {
            summary["files"][file]["bytes"].take();
            summary["files"][file]["sha256"].take();
        }
        summary
    });
    assert_eq!(one_summary, other_summary);
    assert!(left(one, "curve.svg") == left(other, "curve.svg"), "other curves");
}

/// Starts a run that takes a checkpoint every step, interrupts it somewhere, and leaves it in `stopped`.
fn stop(arguments: &str, stopped: &Path, signal: &str) {
    let mut run = Running::start(&format!("{arguments} --checkpoint-every 1"), stopped);
    run.wait_for_file(&stopped.join("checkpoint.safetensors"));
    run.signal(signal);
    let found = checkpoint::load_state(&stopped.join("checkpoint.safetensors")).unwrap();
    assert!(found.state.is_some(), "the run was over before it could be stopped");
}

/// A run that is never stopped, and one that is stopped and goes on.
fn goes_on(arguments: &str, signal: &str) -> (TempDir, PathBuf) {
    let root = scratch();
    let [whole, stopped] = ["whole", "stopped"].map(|name| root.path().join(name));
    memorize(arguments).with("--out", &whole).succeeds();
    stop(arguments, &stopped, signal);
    memorize("resume --quiet --threads 1 --checkpoint-every 50").and(stopped.to_str().unwrap()).succeeds();
    assert_same(&whole, &stopped);
    (root, stopped)
}

#[test]
fn adam_after_a_kill() {
    goes_on(&format!("{SYNTHETIC} --batch 16 --lr-decay-every 20 --epochs 60"), "KILL");
}

#[test]
fn adam_by_the_gram_route_in_f64_after_a_polite_kill() {
    goes_on(&format!("{SYNTHETIC} --batch 50 --route gram --dtype f64 --gamma 1e-4 --epochs 150"), "TERM");
}

#[test]
fn descents_in_the_metric_of_the_samples() {
    let set = format!("{SYNTHETIC} --metric data");
    goes_on(&format!("{set} --optimizer gd --lr 0.5 --epochs 400"), "KILL");
    let (_root, run) = goes_on(&format!("{set} --optimizer accelerated --lr 0.5 --epochs 400"), "TERM");
    assert!(!String::from_utf8_lossy(&left(&run, "checkpoint.safetensors")).contains("state.moved"), "of the end");
    goes_on(&format!("{set} --optimizer negative-curvature --epochs 300"), "INT");
}

#[test]
fn what_is_left_of_a_descent_in_a_metric_is_a_network_for_the_samples() {
    let root = scratch();
    let stopped = root.path().join("run");
    stop(&format!("{SYNTHETIC} --metric data --optimizer gd --lr 0.5 --epochs 4000"), &stopped, "TERM");
    // The file of a run that was stopped is read by others as it is: a loss on its way down, not that of W'.
    let weights = stopped.join("checkpoint.safetensors");
    let (x, y) = (root.path().join("x.npy"), root.path().join("y.npy"));
    memorize("data sample synthetic --rows 90 --dim 20").with("--out", &x).with("--targets-out", &y).succeeds();
    let evaluated = memorize("eval --json --normalize").with("--inputs", &x).with("--targets", &y);
    let evaluated = evaluated.with("--weights", &weights);
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated.succeeds().stdout).unwrap();
    let recorded: Vec<f64> = metrics(&stopped)["loss"].iter().map(|cell| cell.parse().unwrap()).collect();
    let loss = number(&evaluated, "loss");
    assert!(loss <= recorded[recorded.len() - 1] * 1.01 && loss > 0.0, "{loss} {recorded:?}");
}

#[test]
fn adam_on_full_batches_after_an_interrupt() {
    goes_on(&format!("{SYNTHETIC} --batch full --iterations 300"), "INT");
}

#[test]
fn sgd_and_gradient_descent_after_a_kill() {
    goes_on(&format!("{SYNTHETIC} --optimizer sgd --batch 16 --lr 0.05 --epochs 60"), "KILL");
    goes_on(&format!("{SYNTHETIC} --optimizer gd --lr 0.5 --iterations 300"), "KILL");
}

#[test]
fn perturbed_descent_after_an_interrupt() {
    let thresholds = "--pgd-radius 1e-3 --pgd-g-threshold 1e-3 --pgd-f-threshold 1e-9 --pgd-t-threshold 40";
    goes_on(&format!("{SYNTHETIC} --optimizer pgd --lr 0.5 --iterations 400 {thresholds}"), "INT");
}

#[test]
fn theorem_4_in_the_loops_for_tiny_problems() {
    let (_root, run) = goes_on(
        "train --quiet --data synthetic --samples 3 --dim 2 --normalize --optimizer pgd --theory --theory-epsilon 0.1 \
         --checkpoint-minutes 0",
        "KILL",
    );
    assert_eq!(summary(&run)["theory"]["reached"], true);
}

#[test]
fn three_layers_behind_a_projection_streamed_from_files_and_stopped_twice() {
    let root = scratch();
    let mut numbers = Numbers::new(3);
    let [x, y] = ["x.npy", "y.npy"].map(|name| root.path().join(name));
    write_inputs(&x, &numbers.dense(90, 24));
    write_targets(&y, &numbers.values(90));
    let files = format!("--inputs {} --targets {}", x.display(), y.display());
    let network = "--normalize --pca 12 --noise 0.05 --features-k 30 -r 40 --batch 16 --epochs 60";
    let [whole, stopped] = ["whole", "stopped"].map(|name| root.path().join(name));
    memorize(&format!("train --quiet {files} {network} --memory-budget 1GiB")).with("--out", &whole).succeeds();
    stop(&format!("train --quiet {files} {network} --memory-budget 1"), &stopped, "KILL");
    let first = checkpoint::load_state(&stopped.join("checkpoint.safetensors")).unwrap().state.unwrap().iteration;
    let mut again = Running::resume(&stopped);
    again.wait_for_records(&stopped.join("metrics.csv"));
    again.signal("INT");
    let second = checkpoint::load_state(&stopped.join("checkpoint.safetensors")).unwrap().state.unwrap().iteration;
    assert!(first < second, "{first} {second}");
    assert_eq!(summary(&stopped)["stopped"], "interrupted");
    // The files may move, as long as their contents are the same.
    let moved = root.path().join("moved.npy");
    fs::rename(&x, &moved).unwrap();
    let config = fs::read_to_string(stopped.join("config.toml")).unwrap();
    fs::write(stopped.join("config.toml"), config.replace("x.npy", "moved.npy")).unwrap();
    memorize("resume --quiet").and(stopped.to_str().unwrap()).succeeds();
    assert_same(&whole, &stopped);
}

#[test]
fn the_newest_checkpoint_is_a_weights_file() {
    let root = scratch();
    let run = root.path().join("run");
    stop(&format!("{SYNTHETIC} --epochs 1000"), &run, "INT");
    let Checkpoint { w, a, metadata, .. } = Checkpoint::of(&run);
    assert_eq!((w.rows, w.cols, a.len()), (20, 42, 42));
    assert_eq!(metadata["iteration"].parse::<f64>().unwrap(), number(&summary(&run), "iterations"));
    let found = memorize("eval --json").with("--run", &run).succeeds();
    let loss = number(&serde_json::from_str(&found.stdout).unwrap(), "loss");
    assert!((loss - number(&summary(&run), "train_loss")).abs() < 1e-4 * loss);
}

#[test]
fn a_run_that_is_over_or_has_no_checkpoint() {
    let root = scratch();
    let run = root.path().join("run");
    let arguments = format!("{SYNTHETIC} --epochs 3");
    memorize(&arguments).with("--out", &run).succeeds();
    let weights = left(&run, "checkpoint.safetensors");
    let said = memorize("resume").and(run.to_str().unwrap()).succeeds().stdout;
    assert!(said.contains("is finished: completed after 3 iterations"), "{said}");
    // As it is when a run is killed early: config.toml comes first.
    for file in ["checkpoint.safetensors", "summary.json", "metrics.csv"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let said = memorize("resume").and(run.to_str().unwrap()).succeeds().stderr;
    assert!(said.contains("starts over: it was stopped before its first checkpoint"), "{said}");
    assert!(left(&run, "checkpoint.safetensors") == weights);
    memorize("resume").and(root.path().to_str().unwrap()).refuses(&["not the folder of a run", "config.toml"]);
}

#[test]
fn an_interrupted_solver_starts_over() {
    let root = scratch();
    let run = root.path().join("run");
    memorize("train --quiet --data synthetic --samples 50 --dim 12 --normalize --optimizer solve")
        .with("--out", &run)
        .succeeds();
    let weights = left(&run, "checkpoint.safetensors");
    let text = fs::read_to_string(run.join("summary.json")).unwrap();
    let stopped = text.replace("\"stop_below\"", "\"interrupted\"");
    assert_ne!(stopped, text);
    fs::write(run.join("summary.json"), stopped).unwrap();
    let said = memorize("resume").and(run.to_str().unwrap()).succeeds().stderr;
    assert!(said.contains("starts over: its optimiser keeps no state"), "{said}");
    assert!(left(&run, "checkpoint.safetensors") == weights);
}

/// Everything that a checkpoint does not fit to is named, and nothing is touched.
#[test]
fn what_differs_is_named() {
    let root = scratch();
    let mut numbers = Numbers::new(5);
    let [x, y] = ["x.npy", "y.npy"].map(|name| root.path().join(name));
    let samples = numbers.dense(40, 8);
    write_inputs(&x, &samples);
    write_targets(&y, &numbers.values(40));
    let run = root.path().join("run");
    let files = format!("--inputs {} --targets {}", x.display(), y.display());
    stop(&format!("train --quiet {files} -r 20 --lr 1e-3 --epochs 100000 --isa scalar"), &run, "INT");
    let folder = run.to_str().unwrap();
    let all = || ["config.toml", "metrics.csv", "checkpoint.safetensors", "summary.json"].map(|name| left(&run, name));
    let before = all();
    let refused = |words: &[&str]| {
        memorize("resume --quiet").and(folder).refuses(words);
    };

    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let changed = config.replace("learning_rate = 0.001", "learning_rate = 0.002").replace("seed = 0", "seed = 1");
    fs::write(run.join("config.toml"), changed.replace("isa = \"scalar\"\n", "")).unwrap();
    refused(&[
        "checkpoint is of another run",
        "optimizer.learning_rate: 0.001 in the checkpoint, 0.002 now",
        "run.seed: 0 in the checkpoint, 1 now",
        "run.isa: \"scalar\" in the checkpoint, none now",
        "hint: put back what was changed",
    ]);
    fs::write(run.join("config.toml"), &config).unwrap();

    let mut other = samples.clone();
    other.data[7] += 1.0;
    write_inputs(&x, &other);
    refused(&["contents of the training set: SHA-256 ", " in the checkpoint, SHA-256 "]);
    write_inputs(&x, &samples);

    let path = run.join("checkpoint.safetensors");
    let good = fs::read(&path).unwrap();
    let text = |bytes: &[u8], from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
    };
    fs::write(&path, text(&good, "\\\"version\\\":\\\"0", "\\\"version\\\":\\\"9")).unwrap();
    refused(&["damaged"]);
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, &damaged).unwrap();
    refused(&["damaged", "hint: start over"]);
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    refused(&["cut short"]);
    fs::write(&path, &good).unwrap();

    let rows = left(&run, "metrics.csv");
    fs::write(run.join("metrics.csv"), &rows[..rows.len() / 2]).unwrap();
    refused(&["metrics.csv", "the rows before the checkpoint are"]);
    fs::write(run.join("metrics.csv"), String::from_utf8(rows.clone()).unwrap().replacen("\n0,", "\nx,", 1)).unwrap();
    refused(&["metrics.csv", "line 2 is not a record"]);
    fs::remove_file(run.join("metrics.csv")).unwrap();
    refused(&["metrics.csv", "it is gone"]);
    fs::write(run.join("metrics.csv"), &rows).unwrap();

    let after = all();
    assert!(before[..3] == after[..3], "a refusal changes nothing");
}

#[test]
fn another_version_is_refused() {
    let root = scratch();
    let run = root.path().join("run");
    stop(&format!("{SYNTHETIC} --epochs 100000"), &run, "KILL");
    let path = run.join("checkpoint.safetensors");
    let found = checkpoint::load_state(&path).unwrap();
    let weights = checkpoint::load::<f32>(&path).unwrap();
    let about = found.about.replace("\"version\":\"", "\"version\":\"9");
    checkpoint::Frame::new(&weights).save(&path, &found.state.unwrap(), &about).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let difference = format!("version of the program: 9{version} in the checkpoint, {version} now");
    memorize("resume --quiet").and(run.to_str().unwrap()).refuses(&[&difference]);
}

#[test]
fn a_run_that_is_still_running_is_left_alone() {
    let root = scratch();
    let run = root.path().join("run");
    let mut running = Running::start(&format!("{SYNTHETIC} --epochs 1000000000 --checkpoint-every 1"), &run);
    running.wait_for_file(&run.join("checkpoint.safetensors"));
    memorize("resume --quiet").and(run.to_str().unwrap()).refuses(&["is writing the results"]);
    memorize(&format!("{SYNTHETIC} --epochs 1 --overwrite"))
        .with("--out", &run)
        .refuses(&["is writing the results", "memorize train"]);
    assert_eq!(running.signal("INT").status.code(), Some(130));
}

#[test]
fn a_series_of_experiments_goes_on() {
    let root = scratch();
    let [whole, stopped] = ["whole", "stopped"].map(|name| root.path().join(name));
    memorize("reproduce synthetic --quick --quiet").with("--out", &whole).succeeds();
    let mut run = Running::start("reproduce synthetic --quick --checkpoint-every 1", &stopped);
    run.wait_for_file(&stopped.join("checkpoint.safetensors"));
    run.signal("KILL");
    memorize("reproduce synthetic --quick --quiet").with("--out", &stopped).refuses(&["memorize resume"]);
    memorize("reproduce synthetic --quiet --resume")
        .with("--out", &stopped)
        .refuses(&["holds another run", "run.iterations"]);
    memorize("reproduce synthetic --quick --quiet --resume").with("--out", &stopped).succeeds();
    assert_same(&whole, &stopped);
    let again = memorize("reproduce synthetic --quick --quiet --resume").with("--out", &stopped).succeeds();
    assert!(again.stdout.contains("is finished"), "{}", again.stdout);
}
