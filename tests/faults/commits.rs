//! Processes that are killed at a call of the system that gives a file its name, takes one away or writes to one, by
//! strace's fault injection: whatever is there afterwards is gone on with to the same bits, or says that it is complete
//! and is.

use std::path::Path;
use std::process::{Command, Output};

use super::common::{PROGRAM, digest_of_files, left, memorize, mnist_folder, scratch};

/// What gives names, and takes them away.
const RENAMES: &str = "rename,renameat,renameat2";
/// What changes anything on the disk.
const CHANGES: &str =
    "rename,renameat,renameat2,unlink,unlinkat,openat,write,ftruncate,fsync,fdatasync,mkdir,flock,linkat";

/// Whether processes can be traced here; says so if not.
pub fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("left out: strace is not there, or may not trace");
    }
    can
}

/// The program, killed at the given call of these, counted in each thread.
fn killed_at(calls: &str, number: usize, arguments: &str) -> Output {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=KILL:when={number}"), PROGRAM]);
    command.args(arguments.split_whitespace()).env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder());
    command.output().unwrap()
}

/// Nothing of a process that was killed is left in a folder.
#[track_caller]
fn assert_tidy(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} in {}", folder.display());
    }
}

/// A command that leaves runs, and what makes the rest of them.
struct Made<'a> {
    /// Without `--out`.
    command: &'a str,
    /// The runs, below the folder.
    runs: &'a [&'a str],
    /// Whether the same command again makes the rest; if not, `resume` does once there is a configuration.
    group: bool,
}

impl Made<'_> {
    fn again(&self, out: &Path) {
        let there = out.join(self.runs[0]).join("config.toml").exists();
        if self.group || !there {
            memorize(self.command).with("--out", out).succeeds();
        } else {
            memorize("resume --quiet").with_bare(out).succeeds();
        }
    }

    /// Kills it at every so many calls until it is through, and returns how many kills that took.
    fn killed(&self, calls: &str, step: usize) -> usize {
        let root = scratch();
        let whole = root.path().join("whole");
        let command = self.command.replace("PARENT", root.path().to_str().unwrap());
        let made = Made { command: &command, runs: self.runs, group: self.group };
        memorize(&command).with("--out", &whole).succeeds();
        let mut kills = 0;
        for number in (1..).step_by(step) {
            let out = root.path().join(format!("killed{number}"));
            let ended = killed_at(calls, number, &format!("{command} --out {}", out.display()));
            // A run of a sweep that was killed is one that failed.
            if ended.status.success() {
                break;
            }
            kills += 1;
            made.again(&out);
            for run in self.runs {
                let [killed, undisturbed] = [&out, &whole].map(|out| out.join(run));
                assert!(
                    left(&killed, "checkpoint.safetensors") == left(&undisturbed, "checkpoint.safetensors"),
                    "{number}"
                );
                digest_of_files(&killed);
                assert_tidy(&killed);
            }
            assert_tidy(&out);
            let again = memorize(&command).with("--out", &out).run();
            assert!(again.code == Some(if self.group { 0 } else { 2 }), "{}", again.stderr);
            std::fs::remove_dir_all(&out).unwrap();
        }
        kills
    }
}

/// A command that replaces files, in the place of `OUT`.
struct Replaced<'a> {
    command: &'a str,
    files: &'a [&'a str],
}

impl Replaced<'_> {
    /// Kills it at every call until it is through, and returns how many kills that took: each file is there all the
    /// time, the old one or the new one.
    fn killed(&self, root: &Path) -> usize {
        let command = |out: &Path| {
            let folders = [("ROOT", root), ("OUT", out)];
            folders
                .iter()
                .fold(self.command.to_owned(), |text, (name, path)| text.replace(name, path.to_str().unwrap()))
        };
        let [whole, killed] = ["whole", "killed"].map(|name| root.join(name));
        let put_back = |folder: &Path| {
            std::fs::create_dir_all(folder).unwrap();
            self.files.iter().for_each(|file| std::fs::write(folder.join(file), "before").unwrap());
        };
        put_back(&whole);
        memorize(&command(&whole)).succeeds();
        let mut kills = 0;
        for number in 1.. {
            put_back(&killed);
            let ended = killed_at(CHANGES, number, &command(&killed));
            if ended.status.success() {
                break;
            }
            kills += 1;
            for file in self.files {
                let found = left(&killed, file);
                assert!(found == b"before" || found == left(&whole, file), "{}, call {number}: {file}", self.command);
            }
            memorize(&command(&killed)).succeeds();
            self.files.iter().for_each(|file| assert!(left(&killed, file) == left(&whole, file), "{file}"));
            assert_tidy(&killed);
        }
        [whole, killed].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
        kills
    }
}

/// Commands whose files are the same each time.
const REPLACED: [Replaced; 4] = [
    Replaced {
        command: "data sample synthetic --rows 40 --dim 5 --out OUT/X.npy --targets-out OUT/y.npy --overwrite",
        files: &["X.npy", "y.npy"],
    },
    Replaced { command: "data convert ROOT/X.npy OUT/X.idx --type f64 --overwrite", files: &["X.idx"] },
    Replaced {
        command: "solve --quiet --data synthetic --samples 60 --dim 10 --normalize --out OUT/W.safetensors --overwrite",
        files: &["W.safetensors"],
    },
    Replaced { command: "eval --run ROOT/run --gradient-out OUT/G.npy --overwrite", files: &["G.npy"] },
];

/// What these commands read.
fn inputs_of_replaced(root: &Path) {
    memorize("data sample synthetic --rows 40 --dim 5").with("--out", root.join("X.npy")).succeeds();
    memorize(&train(20)).with("--out", root.join("run")).succeeds();
}

const RUN: &str = "--data synthetic --samples 60 --dim 10 --normalize -r 20 --threads 1";

/// A run with a checkpoint after so many steps of 60.
fn train(every: u64) -> String {
    format!("train --quiet {RUN} --batch 20 --epochs 20 --checkpoint-every {every}")
}

/// Two such runs, from a file in this folder.
fn sweep(folder: &Path, every: u64) -> String {
    let file = folder.join("sweep.toml");
    let settings = format!(
        "[data]\nsource = \"synthetic\"\nsamples = 60\ndim = 10\nnormalize = true\n[network]\nneurons = 20\n\
         [optimizer]\nbatch = 20\n[run]\nepochs = 20\ncheckpoint_every = {every}\n[sweep.grid]\nrun.seed = [0, 1]\n"
    );
    std::fs::write(&file, settings).unwrap();
    format!("sweep --quiet {} --threads 1", file.display())
}

#[test]
fn a_run_that_is_killed_while_its_files_get_their_names() {
    if can_trace() {
        // With events, too, which then have the run's own folder.
        for command in [train(20), format!("{} --tensorboard PARENT", train(20))] {
            let kills = Made { command: &command, runs: &[""], group: false }.killed(RENAMES, 1);
            assert!(kills >= 5, "{kills}");
        }
    }
}

#[test]
fn a_series_of_experiments_that_is_killed_while_files_get_their_names() {
    if !can_trace() {
        return;
    }
    let root = scratch();
    let command = sweep(root.path(), 20);
    let made = Made { command: &command, runs: &["seed=0", "seed=1"], group: true };
    let kills = made.killed(RENAMES, 1);
    assert!(kills >= 5, "{kills}");
}

#[test]
fn a_command_that_is_killed_while_it_replaces_files() {
    if can_trace() {
        let root = scratch();
        inputs_of_replaced(root.path());
        let kills: usize = REPLACED.iter().map(|made| made.killed(root.path())).sum();
        assert!(kills >= 20, "{kills}");
    }
}

/// `cargo test --release --test faults -- --ignored --nocapture killed_at_a_thousand_calls`
#[test]
#[ignore = "many minutes: the long form of the tests above"]
fn killed_at_a_thousand_calls() {
    if !can_trace() {
        return;
    }
    let root = scratch();
    let (many, sweep) = (train(1), sweep(root.path(), 1));
    let solve = format!("train --quiet {} --optimizer solve", RUN.replace("-r 20", ""));
    let quick = "reproduce all --quick --quiet --threads 1".to_owned();
    let paper = ["synthetic-quick", "mnist-2layer-quick", "mnist-2layer-noise-quick", "mnist-3layer-quick"];
    let mut all = 0;
    for (command, runs, group, step) in [
        (&many, &[""][..], false, 1),
        (&solve, &[""][..], false, 1),
        (&sweep, &["seed=0", "seed=1"][..], true, 1),
        (&quick, &paper[..], true, 40),
    ] {
        let kills = Made { command, runs, group }.killed(CHANGES, step);
        println!("{kills} kills of `{command}`: nothing lost, the same bits");
        all += kills;
    }
    inputs_of_replaced(root.path());
    for made in REPLACED {
        let kills = made.killed(root.path());
        println!("{kills} kills of `{}`: the old files or the new ones", made.command);
        all += kills;
    }
    println!("{all} kills in all");
    assert!(all >= 1000, "{all}");
}
