//! The program as several ranks of an MPI job on this machine: every number of them leaves the same bits as one
//! process.

mod differences;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use memorize::session::Session;
use memorize_data::ElementType;
use memorize_data::source::write_npy;
use memorize_kernels::team::Team;
use memorize_run::ranks;
use memorize_run::run::panics::caught;
use memorize_train::checkpoint;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::running::{Running, children};
use crate::common::{
    Numbers, PROGRAM, left, memorize, metrics, mnist_folder, number, scratch, summary, write_inputs, write_targets,
};
use differences::{FEW, Ground, Kind, MORE};

/// `mpirun` with the program and these arguments.
fn mpirun(ranks: usize, arguments: &str) -> Command {
    let mut command = launch(ranks, Path::new(PROGRAM));
    command.args(arguments.split_whitespace());
    command
}

/// `mpirun` with a program, and what a machine with fewer cores than ranks, or a container's root, needs.
fn launch(ranks: usize, program: &Path) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", &ranks.to_string()]).arg(program);
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
    value["wall_seconds"].take();
    for field in ["ranks", "threads"] {
        value["computed_with"][field].take();
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
    let theory = "train --data synthetic --samples 3 --dim 2 --normalize --optimizer pgd --theory --theory-epsilon 0.02 --threads 1";
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

/// Runs jobs of each kind, and prints a table of how they end.
fn differ(kinds: &[&Kind]) {
    let ground = Ground::new();
    let mut complaints = Vec::new();
    for kind in kinds {
        let ended = ground.run(kind);
        let code = ended.code.map_or("hangs".to_owned(), |code| code.to_string());
        let line = ended.said.lines().find(|line| line.starts_with("error: ")).unwrap_or("-");
        println!("{:<40} {code:<5} {line}", kind.name);
        complaints.extend(ended.complaint(kind, &ground.alone));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_rank_that_finds_other_things_than_the_rest_ends_all_before_they_begin() {
    differ(&FEW.iter().collect::<Vec<_>>());
}

/// `cargo test -p memorize --features mpi --test end_to_end -- --ignored --nocapture rank_differences_of_many_kinds`
#[test]
#[ignore = "a minute: the long form of `a_rank_that_finds_other_things_than_the_rest_ends_all_before_they_begin`"]
fn rank_differences_of_many_kinds() {
    differ(&FEW.iter().chain(MORE).collect::<Vec<_>>());
}

/// A run of three ranks, each with files of its own that it reads on every pass and a checkpoint at every step.
fn each_with_its_files() -> (Ground, PathBuf, Running) {
    let ground = Ground::new();
    ground.prepare();
    let arguments =
        differences::TRAIN.replace("--quiet", "--quiet --memory-budget 1 --checkpoint-every 1 --iterations 1000000");
    let run = ground.path().join("run");
    let mut job = Running::spawn(&mut ground.job(&arguments));
    job.wait_for_file(&run.join("checkpoint.safetensors"));
    (ground, run, job)
}

#[test]
fn a_file_that_is_harmed_under_one_rank_ends_all_and_the_checkpoint_stays() {
    for (words, harm) in [
        (
            "X.npy was changed while it was being used",
            (|file, modified| {
                file.write_all(&[0; 128]).unwrap();
                file.set_modified(modified).unwrap();
            }) as fn(&mut File, std::time::SystemTime),
        ),
        // Whole pages are gone: SIGBUS.
        ("made shorter while it was being used", |file, _| file.set_len(4096).unwrap()),
    ] {
        let (ground, run, job) = each_with_its_files();
        let mut file = File::options().write(true).open(ground.of(2).join("X.npy")).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        // Into the rows that the last rank reads.
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(-128)).unwrap();
        let started = Instant::now();
        harm(&mut file, modified);
        let output = job.ends();
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(words), "{:?}: {said}", output.status);
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(checkpoint::load_state(&run.join("checkpoint.safetensors")).unwrap().state.is_some());
        assert!(!run.join("summary.json").exists());
    }
}

#[test]
fn a_file_that_is_touched_under_one_rank_harms_nothing() {
    let (ground, run, mut job) = each_with_its_files();
    let file = ground.of(1).join("X.npy");
    fs::hard_link(&file, ground.of(1).join("link.npy")).unwrap();
    fs::rename(&file, ground.of(1).join("renamed.npy")).unwrap();
    let checkpoint = run.join("checkpoint.safetensors");
    let iteration = || checkpoint::load_state(&checkpoint).unwrap().state.unwrap().iteration;
    let now = iteration();
    job.wait_for("checkpoints", || iteration() > now + 3);
    let output = job.signal("USR1");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
}

/// By which of the ways that there are a rank of `what_a_rank_does` panics: within a run, or not.
const WITHIN_A_RUN: &str = "PANICS_WITHIN_A_RUN";

#[test]
#[ignore = "what each rank does in `a_rank_that_panics_ends_all_at_once`, which starts it by mpirun"]
fn what_a_rank_does() {
    let session = Session::begin();
    let program = || {
        match ranks::team().map(|team| team.rank()) {
            None => return Ok(ExitCode::SUCCESS),
            // One that computes for long, one that panics, and one that waits for both.
            Some(0) => sleep(Duration::from_secs(600)),
            Some(1) if std::env::var_os(WITHIN_A_RUN).is_some() => caught(Path::new("run"), || panic!("a mistake"))?,
            Some(1) => panic!("a mistake"),
            Some(_) => {}
        }
        ranks::wait();
        Ok(ExitCode::SUCCESS)
    };
    assert_eq!(session.run(program), ExitCode::SUCCESS);
}

#[test]
fn a_rank_that_panics_ends_all_at_once() {
    for (within_a_run, code) in [(false, 101), (true, 1)] {
        let mut command = launch(3, &std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "--test-threads", "1", "mpi::what_a_rank_does"]);
        if within_a_run {
            command.env(WITHIN_A_RUN, "1");
        }
        let started = Instant::now();
        let output = Running::spawn(&mut command).ends();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(started.elapsed() < Duration::from_secs(60), "{said}");
        assert!(said.contains("a mistake") && said.contains("note: on rank 1 of 3"), "{said}");
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, usize::from(within_a_run), "{said}");
    }
}
