//! Sweeps: many runs of one file, whatever becomes of each.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::{Checkpoint, left, memorize, number, scratch, summary};

/// A file with this sweep over a small set of samples, and a folder for the runs.
fn sweep(section: &str) -> (TempDir, PathBuf, PathBuf) {
    let root = scratch();
    let file = root.path().join("sizes.toml");
    write(&file, section);
    let out = root.path().join("out");
    (root, file, out)
}

fn write(file: &Path, section: &str) {
    let settings = "[data]\nsource = \"synthetic\"\nsamples = 20\ndim = 6\nnormalize = true\n\
                    [optimizer]\nkind = \"gd\"\n[run]\niterations = 30\n";
    fs::write(file, format!("{settings}{section}")).unwrap();
}

/// The table's rows: name, state, and the rest of the line.
fn rows(out: &Path) -> Vec<Vec<String>> {
    let table = left(out, "sweep.csv");
    let mut reader = csv::Reader::from_reader(&table[..]);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

const GRID: &str = "[sweep]\njobs = 2\n[sweep.grid]\nnetwork.neurons = [4, 8]\nrun.seed = [0, 1]\n";

#[test]
fn a_grid_gives_runs_like_any_other_a_table_and_a_page() {
    let (root, file, out) = sweep(GRID);
    let done = memorize("sweep").with("--out", &out).with("--", &file).succeeds();
    for name in ["neurons=4,seed=0", "neurons=4,seed=1", "neurons=8,seed=0", "neurons=8,seed=1"] {
        assert!(done.stdout.contains(name), "{}", done.stdout);
        assert_eq!(summary(&out.join(name))["name"], name);
        assert!(!out.join(format!("{name}.log")).exists());
    }
    let rows = rows(&out);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2][..4], ["neurons=8,seed=0", "complete", "8", "0"]);
    let loss: f64 = rows[2][4].parse().unwrap();
    assert_eq!(loss, number(&summary(&out.join("neurons=8,seed=0")), "train_loss"));
    assert!(String::from_utf8(left(&out.join("report"), "index.html")).unwrap().contains("neurons=8,seed=1"));

    // The folder above the runs is none, and says what it is.
    let words = [&format!("{} is the folder of a sweep; name its runs: ", out.display())];
    memorize("report").with("--out", root.path().join("page")).with("--", &out).refuses(&words.map(String::as_str));

    // Any of them is the run that `train` makes of its configuration.
    let (config, alone) = (out.join("neurons=8,seed=1/config.toml"), root.path().join("alone"));
    memorize("train --quiet").with("--config", config).with("--out", &alone).succeeds();
    assert_eq!(Checkpoint::of(&alone).w.data, Checkpoint::of(&out.join("neurons=8,seed=1")).w.data);
}

#[test]
fn the_same_command_again_runs_only_what_is_new() {
    let (_root, file, out) = sweep(GRID);
    // What the environment decides is a setting like others: the runs' configurations have it, the file's do not.
    let again = || memorize("sweep").with("--out", &out).with("--", &file).env("MEMORIZE_ISA", "scalar");
    again().succeeds();
    let first = left(&out.join("neurons=4,seed=0"), "summary.json");
    assert!(again().succeeds().stderr.contains("4 of 4 runs are complete already"));
    write(&file, &GRID.replace("[0, 1]", "[0, 1, 2]"));
    assert!(again().succeeds().stderr.contains("4 of 6 runs are complete already"));
    assert_eq!(left(&out.join("neurons=4,seed=0"), "summary.json"), first, "it was not run again");
    assert_eq!(rows(&out).len(), 6);
    // A folder that has another run under the name is not taken for it.
    write(&file, &format!("gamma = 0.5\n{GRID}").replacen("gamma", "stop_below", 1));
    again().refuses(&["holds another run", "run.stop_below"]);
}

#[test]
fn a_run_that_fails_does_not_stop_the_others() {
    let (_root, file, out) = sweep("[sweep.grid]\noptimizer.learning_rate = [1e9, 0.1]\nnetwork.neurons = [4]\n");
    let words =
        ["1 of 2 runs failed", "neurons=4,learning_rate=1000000000.0", ".log", "the same command again", "diverged"];
    let failed = memorize("sweep").with("--out", &out).with("--", &file).run();
    assert_eq!(failed.code, Some(1));
    assert!(words.iter().all(|word| failed.stderr.contains(word)), "{}", failed.stderr);
    let rows = rows(&out);
    assert_eq!((rows[0][1].as_str(), rows[1][1].as_str()), ("failed", "complete"));
    assert!(rows[0].last().unwrap().contains("diverged") && rows[1].last().unwrap().is_empty());
    assert!(!left(&out, "neurons=4,learning_rate=1000000000.0.log").is_empty());
    assert!(out.join("report/index.html").exists());
}

#[test]
fn members_with_long_names_or_names_alike_are_all_run_and_one_that_cannot_be_does_not_stop_the_others() {
    let (root, file, out) = sweep("");
    let long = root.path().join("d".repeat(125)).join("d".repeat(125));
    fs::create_dir_all(&long).unwrap();
    let [one, two, three] = [root.path().join("a b.npy"), root.path().join("a_b.npy"), long.join("x.npy")];
    let mut numbers = crate::common::Numbers::new(2);
    for path in [&one, &two, &three] {
        crate::common::write_inputs(path, &numbers.dense(20, 4));
    }
    crate::common::write_targets(&root.path().join("y.npy"), &numbers.values(20));
    let text = |inputs: &[&PathBuf]| {
        format!(
            "[data]\nsource = \"files\"\ntargets = \"y.npy\"\n[network]\nneurons = 4\n[run]\niterations = 3\n\
             [sweep.grid]\ndata.inputs = {inputs:?}\n"
        )
    };
    fs::write(&file, text(&[&one, &two, &three])).unwrap();
    memorize("sweep").with("--out", &out).with("--", &file).succeeds();
    let rows = rows(&out);
    let losses: std::collections::HashSet<String> = rows.iter().map(|row| row[3].clone()).collect();
    assert!(rows.iter().all(|row| row[1] == "complete") && losses.len() == 3, "{rows:?}");

    // A member's name may have been another's, of other data.
    let short = |inputs: &str| text(&[]).replace("= []", &format!("= [\"{inputs}\"]"));
    let again = root.path().join("again");
    fs::write(&file, short("a b.npy")).unwrap();
    memorize("sweep").with("--out", &again).with("--", &file).succeeds();
    fs::write(&file, short("a_b.npy")).unwrap();
    memorize("sweep").with("--out", &again).with("--", &file).refuses(&["holds another run", "data.inputs"]);
    memorize("sweep --overwrite").with("--out", &again).with("--", &file).succeeds();

    // A file in the way of one.
    let blocked = root.path().join("blocked");
    fs::create_dir(&blocked).unwrap();
    fs::write(blocked.join("inputs=a_b.npy"), "mine").unwrap();
    fs::write(&file, short("a_b.npy\", \"a-b.npy")).unwrap();
    fs::copy(&two, root.path().join("a-b.npy")).unwrap();
    let failed = memorize("sweep").with("--out", &blocked).with("--", &file).run();
    assert!(failed.code == Some(1) && failed.stderr.contains("1 of 2 runs failed"), "{}", failed.stderr);
    let states: Vec<String> = self::rows(&blocked).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(states, ["failed", "complete"]);
    assert_eq!(fs::read_to_string(blocked.join("inputs=a_b.npy")).unwrap(), "mine");
}

#[test]
fn a_file_that_is_wrong_anywhere_runs_nothing() {
    let (_root, file, out) = sweep("[sweep.grid]\nnetwork.neurons = [4, 5]\n");
    let call = || memorize("sweep").with("--out", &out).with("--", &file);
    call().refuses(&["neurons=5", "must be even", "hint: "]);
    write(&file, "[sweep.grd]\n");
    call().refuses(&["sizes.toml", "line 10", "grd", "did you mean `grid`?"]);
    memorize("sweep --list no-such-file.toml").refuses(&["no-such-file.toml"]);
    assert!(!out.exists());
    write(&file, GRID);
    assert_eq!(memorize("sweep --list").with("--", &file).succeeds().stdout.lines().count(), 4);
    assert!(!out.exists());
}

#[cfg(unix)]
#[test]
fn a_signal_stops_every_run_with_a_checkpoint_and_the_next_sweep_goes_on() {
    use crate::common::running::{Running, hangups_are_ignored};

    let (root, file, out) = sweep("[sweep]\njobs = 2\n[sweep.grid]\nnetwork.neurons = [4, 8, 10]\n");
    let long = fs::read_to_string(&file).unwrap().replace("iterations = 30", "iterations = 300000\nrecord_every = 100");
    fs::write(&file, long).unwrap();
    let mut running = Running::start(&format!("sweep {}", file.display()), &out);
    running.wait_for_records(&out.join("neurons=4/metrics.csv"));
    running.wait_for_records(&out.join("neurons=8/metrics.csv"));
    assert_eq!(running.signal(if hangups_are_ignored() { "TERM" } else { "HUP" }).status.code(), Some(130));
    let states: Vec<String> = rows(&out).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(states, ["interrupted", "interrupted", "not begun"]);
    assert_eq!(summary(&out.join("neurons=8"))["stopped"], "interrupted");
    assert!(Checkpoint::of(&out.join("neurons=4")).w.data.iter().all(|value| value.is_finite()));

    memorize("sweep").with("--out", &out).with("--", &file).succeeds();
    assert!(rows(&out).iter().all(|row| row[1] == "complete"));
    // Stopped and gone on with, to the bits of one that never was.
    let (config, alone) = (out.join("neurons=8/config.toml"), root.path().join("alone"));
    memorize("train --quiet").with("--config", config).with("--out", &alone).succeeds();
    assert_eq!(Checkpoint::of(&alone).w.data, Checkpoint::of(&out.join("neurons=8")).w.data);
}

#[cfg(target_os = "linux")]
#[test]
fn a_sweep_that_is_killed_takes_its_runs_with_it_and_a_run_that_is_stopped_alone_is_no_failure() {
    use crate::common::running::Running;

    let (_root, file, out) = sweep("[sweep.grid]\nnetwork.neurons = [4]\n");
    let long =
        fs::read_to_string(&file).unwrap().replace("iterations = 30", "iterations = 3000000\nrecord_every = 100");
    fs::write(&file, &long).unwrap();
    let member = out.join("neurons=4");
    let start = || Running::start(&format!("sweep {}", file.display()), &out);
    let mut running = start();
    running.wait_for_records(&member.join("metrics.csv"));
    running.signal("KILL");
    let started = std::time::Instant::now();
    while !member.join("summary.json").exists() {
        assert!(started.elapsed().as_secs() < 60, "the run goes on without its sweep");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(summary(&member)["stopped"], "interrupted");

    let mut running = start();
    running.wait_for("the run to go on", || !member.join("summary.json").exists());
    let checkpoint = fs::metadata(member.join("metrics.csv")).unwrap().len();
    running.wait_for("records", || fs::metadata(member.join("metrics.csv")).unwrap().len() > checkpoint + 100);
    let [child] = crate::common::running::children(running.child().id())[..] else { panic!("one run at a time") };
    assert!(std::process::Command::new("kill").args(["-s", "USR1", &child.to_string()]).status().unwrap().success());
    let ended = running.ends();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(rows(&out)[0][1], "interrupted");
}
