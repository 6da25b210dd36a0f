//! Interrupted runs leave what they have.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use memorize_data::ElementType;
use memorize_data::source::write_npy;

use crate::common::running::{Running, hangups_are_ignored};
use crate::common::{Checkpoint, column, left, memorize, number, scratch, summary, write_targets};

/// What is in a run's folder after it was interrupted with exit code 130.
fn assert_interrupted(output: &Output, run: &Path) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(!stderr.contains("panicked") && stderr.lines().any(|line| line == "interrupted"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains(": interrupted after") && stdout.contains("memorize resume "), "{stdout}");

    let summary = summary(run);
    assert_eq!(summary["stopped"], "interrupted");
    assert!(number(&summary, "train_loss").is_finite());
    let iterations = column(run, "iteration");
    assert!(iterations.len() > 30 && *iterations.last().unwrap() <= number(&summary, "iterations"));
    let Checkpoint { w, a, .. } = Checkpoint::of(run);
    assert_eq!(w.cols, a.len());
    assert!(w.data.iter().all(|value| value.is_finite()));
    for file in ["config.toml", "curve.svg", "curve.png"] {
        assert!(!left(run, file).is_empty(), "{file}");
    }
}

/// A run that would take for ever.
fn interrupt(optimizer: &str, signal: &str) -> (tempfile::TempDir, PathBuf) {
    let root = scratch();
    let out = root.path().join("run");
    let data = "train --data synthetic --samples 50 --dim 10 --normalize -r 20";
    let mut run = Running::start(&format!("{data} --iterations 1000000000000 {optimizer}"), &out);
    run.wait_for_records(&out.join("metrics.csv"));
    let output = run.signal(signal);
    assert_interrupted(&output, &out);
    (root, out)
}

#[test]
fn an_interrupt_ends_gradient_descent_with_a_checkpoint() {
    let (_root, out) = interrupt("--optimizer gd --lr 0.01 --record-every 1000", "INT");
    // The run can be repeated as far as it went, to the same bits.
    let iterations = number(&summary(&out), "iterations");
    let again = out.with_file_name("again");
    memorize(&format!("train --quiet --iterations {iterations}"))
        .with("--config", out.join("config.toml"))
        .with("--out", &again)
        .succeeds();
    assert_eq!(Checkpoint::of(&out).w.data, Checkpoint::of(&again).w.data);
}

#[test]
fn a_polite_kill_ends_mini_batches_with_a_checkpoint() {
    interrupt("--optimizer adam --lr 1e-4 --batch 20 --record-every 1000", "TERM");
}

#[test]
fn an_interrupt_ends_perturbed_descent_with_a_checkpoint() {
    let thresholds = "--pgd-radius 1e-3 --pgd-g-threshold 1e-30 --pgd-f-threshold 1e-30 --pgd-t-threshold 1000000000";
    interrupt(&format!("--optimizer pgd --lr 1e-6 --record-every 1000 {thresholds}"), "INT");
}

#[test]
fn whatever_terminals_and_batch_systems_send_ends_a_run_with_a_checkpoint() {
    for signal in ["HUP", "USR1", "XCPU", "QUIT"] {
        if signal == "HUP" && hangups_are_ignored() {
            println!("skipped: SIGHUP, which is ignored here");
            continue;
        }
        interrupt("--optimizer gd --lr 0.01 --record-every 1000", signal);
    }
}

#[test]
fn a_batch_system_may_say_it_more_than_once() {
    let root = scratch();
    let out = root.path().join("run");
    // A step of many milliseconds: all come before the first is looked at.
    let arguments = "train --data synthetic --samples 6000 --dim 100 -r 1000 --optimizer gd --route neuron --lr 1e-9 \
                     --iterations 1000000 --record-every 1";
    let mut run = Running::start(arguments, &out);
    run.wait_for_file(&out.join("metrics.csv"));
    for signal in ["USR1", "XCPU", "USR1", "HUP", "XCPU"] {
        run.send(signal);
    }
    let output = run.signal("TERM");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(summary(&out)["stopped"], "interrupted");
    assert!(out.join("checkpoint.safetensors").exists());
}

#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let root = scratch();
    let out = root.path().join("run");
    let arguments = "train --data synthetic --samples 50 --dim 10 --normalize -r 20 --optimizer gd --lr 0.01 --record-every 1000 \
                     --iterations 1000000000000";
    // As nohup starts it.
    let script = format!("trap '' HUP; exec {} {arguments} --out {}", crate::common::PROGRAM, out.display());
    let mut run = Running::spawn(std::process::Command::new("sh").args(["-c", &script]));
    run.wait_for_records(&out.join("metrics.csv"));
    run.send("HUP");
    // The last line may be half there.
    let records = || left(&out, "metrics.csv").iter().filter(|&&byte| byte == b'\n').count();
    let before = records();
    run.wait_for("more records", || records() > before + 32);
    assert_interrupted(&run.signal("USR1"), &out);
}

#[test]
fn an_interrupt_ends_the_whole_series_of_experiments() {
    let root = scratch();
    let mut series = Running::start("reproduce all --epochs 100000000", root.path());
    let first = root.path().join("synthetic");
    series.wait_for_records(&first.join("metrics.csv"));
    assert_interrupted(&series.signal("TERM"), &first);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "no other experiment was started");
}

#[test]
fn an_interrupt_is_the_reason_even_where_nothing_can_be_printed() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let root = scratch();
    let arguments = "reproduce synthetic --epochs 100000000 --json --out";
    let mut command = std::process::Command::new(crate::common::PROGRAM);
    let mut run = Running::printing_to(command.args(arguments.split(' ')).arg(root.path().join("run")), full.into());
    run.wait_for_records(&root.path().join("run/metrics.csv"));
    let output = run.signal("TERM");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(summary(&root.path().join("run"))["stopped"], "interrupted");
}

#[test]
fn an_interrupt_ends_the_training_sets_and_leaves_those_that_were_finished() {
    let root = scratch();
    let out = root.path().join("run");
    // A quarter of the capacity takes no time and leaves 32 rows, all of it takes Adam for ever.
    let flags = "--dim 8 --ratios 0.25,1 --seeds 16 --stop-below 1e-20 --iterations 1000000000000";
    let mut sets = Running::start(&format!("capacity {flags} --threads 2"), &out);
    sets.wait_for_records(&out.join("capacity.csv"));
    let output = sets.signal("USR1");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(!stderr.contains("panicked") && stderr.lines().any(|line| line == "interrupted"), "{stderr}");
    assert!(stdout.contains("16 of 16") && stdout.contains("note: interrupted"), "{stdout}");
    let found = summary(&out);
    assert_eq!((&found["interrupted"], number(&found["points"][0], "finished")), (&true.into(), 16.0));
    let rows = String::from_utf8(left(&out, "capacity.csv")).unwrap();
    assert!(
        rows.ends_with('\n') && rows.lines().filter(|row| row.contains(",adam,memorised,")).count() >= 16,
        "{rows}"
    );
    assert!(!left(&out, "capacity.svg").is_empty() && !left(&out, "capacity.png").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_ends_a_long_decomposition_before_there_is_anything_to_keep() {
    let root = scratch();
    let (n, d) = (3000, 3500);
    let numbers: Vec<f64> = (0..n * d).map(|i| f64::from(i as u32 % 251) + f64::from(i as u32 / 7 % 83)).collect();
    write_npy(&root.path().join("x.npy"), ElementType::I16, &[n, d], &numbers).unwrap();
    write_targets(&root.path().join("y.npy"), &vec![1.0; n]);
    let out = root.path().join("run");
    let files = format!("--inputs {0}/x.npy --targets {0}/y.npy", root.path().display());
    // Minutes of singular values before the first iteration.
    let mut run = Running::start(&format!("train {files} --pca 2000 -r 4 --iterations 1"), &out);
    run.wait_until_it_catches_interrupts();
    let output = run.signal("INT");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!out.exists());
}
