//! Two processes that are told to write the same at the same time: one does, the other leaves everything alone and says
//! who it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::common::{Numbers, summary};
use super::common::{PROGRAM, digest_of_files, left, memorize, mnist_folder, scratch, write_inputs, write_targets};

/// What two commands make, told apart.
struct Contest {
    /// Arguments of both, `OUT` in the place of what they write.
    commands: [String; 2],
    /// What is there before, by the first of these, made anew each time.
    before: Option<String>,
    /// What is taken away of it again.
    without: &'static [&'static str],
    /// The results to compare, below what is written; empty = what is written is a file.
    results: &'static [&'static str],
}

fn arguments(command: &str, out: &Path) -> Vec<String> {
    command.split_whitespace().map(|word| word.replace("OUT", out.to_str().unwrap())).collect()
}

fn start(command: &str, out: &Path) -> Child {
    let mut process = Command::new(PROGRAM);
    process.args(arguments(command, out)).env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder());
    process.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(command: &str, out: &Path) {
    let output = start(command, out).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// How often the first won, the second, and both one after the other.
type Outcomes = [usize; 3];

impl Contest {
    fn result(&self, out: &Path) -> Vec<Vec<u8>> {
        match self.results {
            [] => vec![fs::read(out).unwrap()],
            files => files.iter().map(|file| left(out, file)).collect(),
        }
    }

    fn prepare(&self, out: &Path) {
        self.before.iter().for_each(|before| run(before, out));
        self.without.iter().for_each(|file| fs::remove_file(out.join(file)).unwrap());
    }

    fn held(&self, times: usize) -> Outcomes {
        let root = scratch();
        let place = |name: &str| root.path().join(name);
        let alone: Vec<_> = [0, 1]
            .map(|i| {
                let out = place(&format!("alone{i}.npy"));
                self.prepare(&out);
                run(&self.commands[i], &out);
                self.result(&out)
            })
            .into();
        assert!(alone[0] != alone[1] || self.commands[0] == self.commands[1], "they cannot be told apart");
        let mut outcomes = [0; 3];
        for time in 0..times {
            let out = place(&format!("both{time}.npy"));
            self.prepare(&out);
            let both = [0, 1].map(|i| start(&self.commands[(i + time) % 2], &out));
            let ended = both.map(|process| process.wait_with_output().unwrap());
            let said = ended.each_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            let codes = ended.each_ref().map(|output| output.status.code());
            let won: Vec<usize> = (0..2).filter(|&i| codes[i] == Some(0)).map(|i| (i + time) % 2).collect();
            assert!(!won.is_empty(), "{codes:?}\n{}\n{}", said[0], said[1]);
            for (code, said) in codes.iter().zip(&said).filter(|(code, _)| **code != Some(0)) {
                let told =
                    ["is writing", "already exists", "holds another run", "in the meantime", "not the folder of a run"];
                assert!(matches!(code, Some(1 | 2)) && told.iter().any(|told| said.contains(told)), "{code:?}: {said}");
                assert!(!said.contains("panicked"), "{said}");
            }
            let found = self.result(&out);
            let of: Vec<usize> = won.iter().copied().filter(|&i| found == alone[i]).collect();
            assert!(!of.is_empty(), "the results of {won:?} are neither's, in {}", out.display());
            if self.results.contains(&"checkpoint.safetensors") {
                digest_of_files(&out);
                let config = String::from_utf8(left(&out, "config.toml")).unwrap();
                let seed = summary(&out)["seed"].clone();
                assert!(config.contains(&format!("seed = {seed}")), "{config}");
            }
            for folder in [&out, root.path()].into_iter().filter(|folder| folder.is_dir()) {
                let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".memorize");
                assert!(!fs::read_dir(folder).unwrap().any(|entry| hidden(&entry.unwrap())), "{}", folder.display());
            }
            outcomes[if won.len() == 2 { 2 } else { of[0] }] += 1;
            if out.is_dir() { fs::remove_dir_all(&out).unwrap() } else { fs::remove_file(&out).unwrap() }
        }
        outcomes
    }
}

/// Samples, targets and weights in files of a folder.
fn files(root: &Path) -> [PathBuf; 3] {
    let [x, y, weights] = ["x.npy", "y.npy", "weights.safetensors"].map(|name| root.join(name));
    let mut numbers = Numbers::new(5);
    write_inputs(&x, &numbers.dense(60, 8));
    write_targets(&y, &numbers.values(60));
    let solve = format!("solve --quiet --inputs {} --targets {} --normalize", x.display(), y.display());
    memorize(&solve).with("--out", &weights).succeeds();
    [x, y, weights]
}

fn contests(root: &Path) -> Vec<(&'static str, Contest)> {
    const RUN: &str = "--data synthetic --samples 60 --dim 10 --normalize -r 20 --threads 1";
    const WEIGHTS: &[&str] = &["checkpoint.safetensors"];
    let seeds = |command: String| [0, 1].map(|seed| format!("{command} --seed {seed}"));
    let train = format!("train --quiet {RUN} --batch 20 --epochs 20 --checkpoint-every 7 --out OUT");
    let [x, y, weights] = files(root);
    let data = format!("--inputs {} --targets {}", x.display(), y.display());
    let eval = format!("eval --weights {} {data} --gradient-out OUT", weights.display());
    let capacity = "capacity --quiet --seeds 1 --iterations 50 --threads 1 --out OUT";
    let sweep = |epochs: u32| {
        let file = root.join(format!("sweep{epochs}.toml"));
        let settings =
            "[data]\nsource = \"synthetic\"\nsamples = 60\ndim = 10\nnormalize = true\n[network]\nneurons = 20\n";
        let varied = "[sweep.grid]\noptimizer.learning_rate = [1e-3, 2e-3]\n";
        fs::write(&file, format!("{settings}[run]\nepochs = {epochs}\n{varied}")).unwrap();
        format!("sweep --quiet {} --threads 1 --out OUT", file.display())
    };
    let contest = |commands, results| Contest { commands, before: None, without: &[], results };
    vec![
        ("train", contest(seeds(train.clone()), WEIGHTS)),
        (
            "train --overwrite",
            Contest {
                commands: seeds(format!("{train} --overwrite")),
                before: Some(train.clone()),
                without: &[],
                results: WEIGHTS,
            },
        ),
        (
            "resume without a checkpoint",
            Contest {
                commands: ["resume --quiet OUT"; 2].map(str::to_owned),
                before: Some(train.clone()),
                without: &["summary.json", "checkpoint.safetensors"],
                results: WEIGHTS,
            },
        ),
        (
            "train --optimizer solve",
            contest(
                seeds("train --quiet --data synthetic --samples 60 --dim 10 --normalize --threads 1 --optimizer solve --out OUT".to_owned()),
                WEIGHTS,
            ),
        ),
        ("capacity", contest([5, 9].map(|d| format!("{capacity} --dim {d}")), &["capacity.csv"])),
        (
            "capacity --overwrite",
            Contest {
                commands: [5, 9].map(|d| format!("{capacity} --dim {d} --overwrite")),
                before: Some(format!("{capacity} --dim 5")),
                without: &[],
                results: &["capacity.csv"],
            },
        ),
        (
            "solve",
            contest(["--normalize", "--limit 30"].map(|flag| format!("solve --quiet {data} {flag} --out OUT")), &[]),
        ),
        ("eval --gradient-out", contest([0.0, 1.0].map(|gamma| format!("{eval} --gamma {gamma}")), &[])),
        (
            "eval --gradient-out --overwrite",
            Contest {
                commands: [0.0, 1.0].map(|gamma| format!("{eval} --gamma {gamma} --overwrite")),
                before: Some(format!("{eval} --gamma 2")),
                without: &[],
                results: &[],
            },
        ),
        ("data sample", contest(seeds(format!("data sample {} --rows 20 --out OUT", x.display())), &[])),
        ("sweep", contest([5, 6].map(sweep), &["learning_rate=0.001/checkpoint.safetensors"])),
    ]
}

fn all(times: usize) {
    let root = scratch();
    for (name, contest) in contests(root.path()) {
        let [first, second, both] = contest.held(times);
        println!(
            "{name}: {times} doubled starts, {first} to the first, {second} to the second, {both} one after the other; none mixed"
        );
    }
}

#[test]
fn two_at_once_leave_the_results_of_one() {
    all(4);
}

/// `cargo test --release --test faults -- --ignored --nocapture three_hundred_doubled_starts`
#[test]
#[ignore = "many minutes: the long form of `two_at_once_leave_the_results_of_one`"]
fn three_hundred_doubled_starts() {
    all(300);
}

/// Settings of runs that do not end.
const ENDLESS: &str =
    "[data]\nsource = \"synthetic\"\nsamples = 60\ndim = 10\n[network]\nneurons = 20\n[run]\nepochs = 1000000000\n";

/// A file for `memorize sweep` with two of them, and the folder for what comes of it.
fn endless_sweep(root: &Path) -> [PathBuf; 2] {
    let [file, out] = ["sweep.toml", "out"].map(|name| root.join(name));
    fs::write(&file, format!("{ENDLESS}[sweep.grid]\nrun.seed = [0, 1]\n")).unwrap();
    [file, out]
}

#[test]
fn a_sweep_beside_another_says_who_makes_the_runs() {
    let root = scratch();
    let [file, out] = endless_sweep(root.path());
    let mut first = super::Running::spawn(Command::new(PROGRAM).arg("sweep").arg(&file).arg("--out").arg(&out));
    first.wait_for_file(&out.join("seed=0/metrics.csv"));
    let words = ["is writing the results in", "memorize sweep"];
    memorize("sweep").with("--out", &out).with("--", &file).refuses(&words);
    // Killed, it takes its runs with it, and the next one waits for that.
    first.signal("KILL");
    let mut second = super::Running::spawn(Command::new(PROGRAM).arg("sweep").arg(&file).arg("--out").arg(&out));
    let process = second.child().id();
    second.wait_for("a run", || !super::children(process).is_empty());
    second.wait_for_file(&out.join("seed=0/.memorize-lock"));
    let ended = second.signal("INT");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.code() == Some(130) && !said.contains("failed") && !said.contains("elsewhere"), "{said}");
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    assert!(!fs::read_dir(&out).unwrap().any(|entry| hidden(&entry.unwrap())), "a killed sweep's files are left");
}

#[test]
fn a_run_of_a_sweep_that_another_process_makes_has_not_failed() {
    let root = scratch();
    let [file, out] = endless_sweep(root.path());
    let mut first = super::Running::spawn(Command::new(PROGRAM).arg("sweep").arg(&file).arg("--out").arg(&out));
    first.wait_for_file(&out.join("seed=0/metrics.csv"));
    first.signal("INT");
    // Somebody goes on with one of them by hand, while the other is to end soon.
    let mut other = super::Running::resume(&out.join("seed=0"));
    other.wait_for_file(&out.join("seed=0/.memorize-lock"));
    fs::write(&file, format!("{ENDLESS}[sweep]\njobs = 1\n[[sweep.list]]\nrun.seed = 0\n")).unwrap();
    let ended = memorize("sweep").with("--out", &out).with("--", &file).run();
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let table = String::from_utf8(left(&out, "sweep.csv")).unwrap();
    assert!(
        table.contains("seed=0,elsewhere") && table.contains("memorize resume") && !table.contains("failed"),
        "{table}"
    );
    assert!(ended.stderr.contains("made by another process"), "{}", ended.stderr);
    other.signal("INT");
}
