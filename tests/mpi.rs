//! The program as several ranks of an MPI job on this machine: every number of them leaves the same bits as one process.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::running::{Running, children};
use common::{
    Numbers, PROGRAM, left, memorize, metrics, mnist_folder, number, scratch, summary, write_inputs, write_targets,
};
use memorize_data::ElementType;
use memorize_data::source::write_npy;
use memorize_train::checkpoint;
use serde_json::Value;
use tempfile::TempDir;

/// `mpirun` with the program and these arguments, and what a machine with fewer cores than ranks, or a container's root, needs.
fn mpirun(ranks: usize, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", &ranks.to_string(), PROGRAM]).args(arguments.split_whitespace());
    command.env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder());
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"] {
        command.env(name, "1");
    }
    command.env("OMPI_MCA_hwloc_base_binding_policy", "none").env("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
    command
}

/// Runs it to its end.
fn run(ranks: usize, arguments: &str) -> Output {
    mpirun(ranks, arguments).output().unwrap()
}

#[track_caller]
fn succeeds(ranks: usize, arguments: &str) -> String {
    let output = run(ranks, arguments);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    stdout
}

#[track_caller]
fn fails(ranks: usize, arguments: &str, code: i32, words: &[&str]) -> String {
    let output = run(ranks, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    assert_eq!(text(&output.stdout), "", "results of a failed command");
    said
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// 2,300 samples of width 12 in files.
fn files(root: &Path) -> (PathBuf, PathBuf) {
    let (inputs, targets) = (root.join("X.npy"), root.join("y.npy"));
    let mut numbers = Numbers::new(3);
    write_inputs(&inputs, &numbers.dense(2300, 12));
    write_targets(&targets, &numbers.values(2300));
    (inputs, targets)
}

/// The weights and the records that `arguments` lead to are the same for one process and for several ranks.
#[track_caller]
fn same_run(arguments: &str) {
    let root = scratch();
    let alone = root.path().join("alone");
    memorize(arguments).with("--out", &alone).succeeds();
    for ranks in [1, 2, 3, 4] {
        let out = root.path().join(format!("{ranks}"));
        succeeds(ranks, &format!("{arguments} --threads 1 --out {}", out.display()));
        assert_same(&alone, &out, ranks);
    }
}

#[track_caller]
fn assert_same(alone: &Path, out: &Path, ranks: usize) {
    assert!(left(alone, "checkpoint.safetensors") == left(out, "checkpoint.safetensors"), "{ranks} ranks");
    let [mut one, mut other] = [alone, out].map(metrics);
    one.remove("seconds");
    other.remove("seconds");
    assert_eq!(one, other, "{ranks} ranks");
    let [one, other] = [alone, out].map(summary);
    assert_eq!(number(&other, "ranks"), ranks as f64);
    for field in
        ["n", "train_loss", "train_mse", "test_mse", "iterations", "epochs", "stopped", "escapes", "perturbations"]
    {
        assert_eq!(one[field], other[field], "{field}, {ranks} ranks");
    }
}

#[test]
fn full_batches_leave_the_bits_of_one_process() {
    same_run(
        "train --quiet --data synthetic --samples 2300 --dim 12 --normalize -r 40 --optimizer gd --lr 0.5 --iterations 12",
    );
    same_run(
        "train --quiet --data synthetic --samples 2300 --dim 12 --dtype f64 -r 40 --optimizer negative-curvature --iterations 6",
    );
    let thresholds = "--pgd-radius 1 --pgd-g-threshold 1 --pgd-f-threshold 1e-9 --pgd-t-threshold 3";
    same_run(&format!(
        "train --quiet --data synthetic --samples 2300 --dim 12 -r 40 --optimizer pgd --lr 3 --iterations 9 {thresholds}"
    ));
}

#[test]
fn mini_batches_leave_the_bits_of_one_process() {
    let mnist = "train --quiet --data mnist --limit 1500 --normalize --noise 0.01";
    same_run(&format!("{mnist} --pca 30 -r 200 --features-k 60 --epochs 1 --stop-below 1e-9"));
    same_run(&format!("{mnist} -r 130 --random-labels --batch 600 --route gram --dtype f64 --epochs 1"));
}

/// The values in the JSON of a command, without those that say how it was computed.
fn values(json: &str) -> Value {
    let mut value: Value = serde_json::from_str(json).unwrap();
    for field in ["ranks", "threads", "wall_seconds"] {
        value[field].take();
    }
    value
}

#[test]
fn solve_eval_and_condition_find_what_one_process_finds() {
    let root = scratch();
    let (inputs, targets) = files(root.path());
    let data = format!("--inputs {} --targets {}", inputs.display(), targets.display());
    let weights = |ranks: usize| root.path().join(format!("W{ranks}.safetensors"));
    let solve = |ranks| format!("solve --json {data} --rank 50 --threads 1 --out {}", weights(ranks).display());
    let eval = format!("eval --json {data} --threads 1 --weights {}", weights(0).display());
    let condition =
        "condition --json --data mnist --limit 1100 --normalize --noise 0.1 --rank 100 --max-products 12 --threads 1";
    let alone = [solve(0).as_str(), &eval, condition].map(|arguments| values(&memorize(arguments).succeeds().stdout));
    for ranks in [2, 3] {
        let found = [solve(ranks).as_str(), &eval, condition].map(|arguments| values(&succeeds(ranks, arguments)));
        assert_eq!(alone, found, "{ranks} ranks");
        assert!(fs::read(weights(0)).unwrap() == fs::read(weights(ranks)).unwrap(), "{ranks} ranks");
    }
}

const LONG: &str =
    "train --quiet --data synthetic --samples 2300 --dim 12 --normalize -r 150 --route neuron --batch 100 --epochs 60";

/// A run of three ranks that takes a checkpoint at every step, and is at work.
fn at_work() -> (TempDir, PathBuf, Running) {
    let root = scratch();
    let out = root.path().join("run");
    let mut command = mpirun(3, &format!("{LONG} --checkpoint-every 1 --threads 1"));
    let mut job = Running::spawn(command.arg("--out").arg(&out));
    job.wait_for_file(&out.join("checkpoint.safetensors"));
    (root, out, job)
}

fn send(signal: &str, process: u32) {
    assert!(Command::new("kill").args(["-s", signal, &process.to_string()]).status().unwrap().success());
}

/// Goes on with a run that was stopped, with so many ranks, to the bits of one process that never was.
#[track_caller]
fn goes_on(out: &Path, ranks: usize) {
    let state = checkpoint::load_state(&out.join("checkpoint.safetensors")).unwrap().state;
    assert!(state.is_some(), "the run was over before it could be stopped");
    let whole = out.with_file_name("whole");
    memorize(LONG).with("--out", &whole).succeeds();
    succeeds(ranks, &format!("resume --quiet --threads 1 --checkpoint-every 1000000 {}", out.display()));
    assert_same(&whole, out, ranks);
}

#[test]
fn a_rank_that_is_killed_ends_the_job_and_the_run_goes_on_from_its_checkpoint() {
    let (_root, out, mut job) = at_work();
    let ranks = children(job.child().id());
    assert_eq!(ranks.len(), 3);
    send("KILL", ranks[2]);
    let output = job.ends();
    assert!(!output.status.success(), "{}", text(&output.stderr));
    assert!(!out.join("summary.json").exists());
    goes_on(&out, 2);
}

#[test]
fn a_signal_to_one_rank_stops_all_at_the_same_iteration() {
    for signal in ["TERM", "USR1"] {
        let (_root, out, mut job) = at_work();
        let ranks = children(job.child().id());
        send(signal, ranks[1]);
        // A batch system and a launcher may both tell a rank.
        send(signal, ranks[1]);
        let output = job.ends();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert_eq!(said.lines().filter(|line| *line == "interrupted").count(), 1, "{said}");
        assert_eq!(summary(&out)["stopped"], "interrupted");
        goes_on(&out, 4);
    }
}

#[test]
fn one_rank_listens_to_what_a_batch_system_sends_as_many_do() {
    for ranks in [1, 2] {
        let root = scratch();
        let out = root.path().join("run");
        let endless = LONG.replace("--epochs 60", "--epochs 1000000");
        let mut job = Running::spawn(mpirun(ranks, &format!("{endless} --threads 1")).arg("--out").arg(&out));
        job.wait_for_records(&out.join("metrics.csv"));
        // To the launcher, which passes it on, and again.
        job.send("USR1");
        let output = job.signal("USR1");
        assert_eq!(output.status.code(), Some(130), "{ranks} ranks: {}", text(&output.stderr));
        assert_eq!(summary(&out)["stopped"], "interrupted");
        assert!(checkpoint::load_state(&out.join("checkpoint.safetensors")).unwrap().state.is_some(), "{ranks} ranks");
    }
}

#[test]
fn what_is_wrong_is_said_once() {
    let root = scratch();
    let (inputs, targets) = files(root.path());
    let out = root.path().join("run");
    let train = format!("train --quiet -r 4 --epochs 1 --threads 1 --out {}", out.display());
    // A value that the last rank alone has.
    let mut numbers = Numbers::new(3).values(2300 * 12);
    numbers[2290 * 12 + 5] = f64::NAN;
    let wrong = root.path().join("wrong.npy");
    write_npy(&wrong, ElementType::F64, &[2300, 12], &numbers).unwrap();
    let data = |inputs: &Path| format!("--inputs {} --targets {}", inputs.display(), targets.display());
    let said = fails(3, &format!("{train} {}", data(&wrong)), 2, &["wrong.npy", "row 2290", "note: on rank 2 of 3"]);
    assert!(!out.exists(), "{said}");
    // What every rank finds out, what rank 0 alone does, and what cannot be done.
    fails(3, &format!("{train} {}", data(&root.path().join("none.npy"))), 2, &["none.npy"]);
    fails(2, &format!("{train} {} --lr 1e30 --optimizer gd --iterations 5", data(&inputs)), 1, &["diverged"]);
    fails(2, &format!("{train} {}", data(&inputs)), 2, &["already exists and is not empty"]);
    fails(2, "train --data synthetic --lern 3", 2, &["--lern"]);
    fails(2, "certify --run nowhere", 2, &["certify works in one process", "without mpirun"]);
    let theory =
        "train --data synthetic --samples 3 --dim 2 --normalize --optimizer pgd --theory --epsilon 0.02 --threads 1";
    fails(2, &format!("{theory} --out {}", root.path().join("theory").display()), 2, &["Theorem 4", "one process"]);
    assert!(succeeds(3, "--version").starts_with("memorize "));
}

#[test]
fn ranks_that_were_asked_for_different_things_do_nothing() {
    let mut command = mpirun(1, "eval --run one");
    command.args([":", "-n", "1", PROGRAM, "eval", "--run", "another"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("asked for different things"), "{}", text(&output.stderr));
}
