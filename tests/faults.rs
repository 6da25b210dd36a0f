//! Kills, full disks, data files that vanish: nothing is lost, nothing wrong is taken for right.

#![cfg(unix)]

#[path = "faults/commits.rs"]
mod commits;
mod common;
#[path = "faults/doubled.rs"]
mod doubled;
#[path = "faults/hostile.rs"]
mod hostile;
#[path = "faults/kept.rs"]
mod kept;
#[path = "faults/streams.rs"]
mod streams;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use memorize_train::checkpoint;
use tempfile::TempDir;

use common::running::{Running, children};
use common::{Numbers, PROGRAM, left, memorize, metrics, scratch, write_inputs, write_targets};

const CHECKPOINT: &str = "checkpoint.safetensors";

/// Weights and records of two runs are the same.
#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    assert!(left(one, CHECKPOINT) == left(other, CHECKPOINT), "other weights");
    let [one, other] = [one, other].map(|run| {
        let mut metrics = metrics(run);
        metrics.remove("seconds");
        metrics
    });
    assert_eq!(one, other);
}

/// The iteration of a run's newest checkpoint, which must be sound.
#[track_caller]
fn iteration(run: &Path) -> u64 {
    checkpoint::load_state(&run.join(CHECKPOINT)).unwrap().state.expect("the run is over").iteration
}

/// What a run that failed by no fault of the program says.
#[track_caller]
fn assert_failed(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.lines().any(|line| line.starts_with("error: ")) && !stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in:\n{stderr}");
    }
}

#[track_caller]
fn resume(run: &Path) {
    memorize("resume --quiet --checkpoint-every 1000000").and(run.to_str().unwrap()).succeeds();
}

/// Kills a run so often, at moments that a generator chooses, while every step leaves a checkpoint.
fn killed(times: usize, epochs: usize) {
    let root = scratch();
    let [whole, run] = ["whole", "killed"].map(|name| root.path().join(name));
    let arguments = format!(
        "train --quiet --data synthetic --samples 120 --dim 30 --normalize -r 60 --batch 30 --lr 1e-3 --lr-decay-every 100 \
         --epochs {epochs}"
    );
    memorize(&arguments).with("--out", &whole).succeeds();
    let mut numbers = Numbers::new(17);
    let mut running = Running::start(&format!("{arguments} --checkpoint-every 1"), &run);
    running.wait_for_file(&run.join("config.toml"));
    let (mut last, mut while_writing) = (0, 0);
    for kill in 0..times {
        sleep(Duration::from_micros((60_000.0 * (numbers.draw() + 1.0)) as u64));
        let output = running.signal("KILL");
        assert_eq!(output.status.code(), None, "over before kill {kill}: {}", String::from_utf8_lossy(&output.stderr));
        let temporary = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().starts_with('.');
        while_writing += usize::from(fs::read_dir(&run).unwrap().any(temporary));
        if run.join(CHECKPOINT).exists() {
            let now = iteration(&run);
            assert!(now >= last, "iteration {now} after {last}");
            last = now;
        }
        running = Running::resume(&run);
    }
    running.signal("KILL");
    resume(&run);
    assert_same(&whole, &run);
    assert!(fs::read_dir(&run).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with('.')));
    println!(
        "{times} kills, {while_writing} of them while a file was being written, the last checkpoint at iteration {last}"
    );
}

#[test]
fn killed_at_any_moment() {
    killed(5, 2500);
}

/// `cargo test --release --test faults -- --ignored --nocapture killed_fifty_times`
#[test]
#[ignore = "half a minute: the long form of `killed_at_any_moment`"]
fn killed_fifty_times() {
    killed(50, 25_000);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let root = scratch();
    let run = root.path().join("run");
    // A step of 20 GFLOP: what comes within it comes before the first signal is looked at.
    let arguments = "train --data synthetic --samples 20000 --dim 160 -r 1600 --optimizer gd --route neuron --lr 1e-9";
    let mut running = Running::start(&format!("{arguments} --iterations 1000 --record-every 1 --threads 1"), &run);
    let stderr = BufReader::new(running.child().stderr.take().unwrap());
    let first = stderr.lines().find(|line| line.as_ref().unwrap().contains("iteration 0/"));
    assert!(first.is_some(), "the run has ended by itself");
    running.send("INT");
    #[cfg(target_os = "linux")]
    running.wait_until_no_signal_is_pending();
    let output = running.signal("TERM");
    assert_eq!(output.status.code(), Some(130));
    assert!(!run.join("summary.json").exists() && !run.join(CHECKPOINT).exists(), "there was time to tidy up");
}

/// Samples in a file, read again on every pass, and a run over them that leaves a checkpoint every step.
struct Streamed {
    root: TempDir,
    x: PathBuf,
    run: PathBuf,
    arguments: String,
}

impl Streamed {
    fn new(epochs: usize) -> Self {
        let root = scratch();
        let mut numbers = Numbers::new(9);
        let [x, y, run] = ["x.npy", "y.npy", "run"].map(|name| root.path().join(name));
        write_inputs(&x, &numbers.dense(2000, 16));
        write_targets(&y, &numbers.values(2000));
        let files = format!("--inputs {} --targets {}", x.display(), y.display());
        let arguments =
            format!("train --quiet {files} -r 40 --normalize --batch 200 --epochs {epochs} --memory-budget 1");
        Self { root, x, run, arguments }
    }

    fn start(&self) -> Running {
        let mut running = Running::start(&format!("{} --checkpoint-every 1", self.arguments), &self.run);
        running.wait_for_file(&self.run.join(CHECKPOINT));
        running
    }

    /// Compares with a run to which nothing has happened.
    fn assert_same_as_undisturbed(&self) {
        let whole = self.root.path().join("whole");
        memorize(&self.arguments).with("--out", &whole).succeeds();
        assert_same(&whole, &self.run);
    }
}

#[test]
fn a_data_file_that_is_made_shorter() {
    let streamed = Streamed::new(200);
    let bytes = fs::read(&streamed.x).unwrap();
    for (len, words) in [
        // Whole pages are gone: SIGBUS.
        (4096, &["made shorter while it was being used", "SIGBUS", "memorize resume"][..]),
        // The last page is still there, with zeros at its end: found out before anything is written.
        (bytes.len() as u64 - 8, &["x.npy was changed while it was being used"]),
    ] {
        let mut running = if streamed.run.exists() { Running::resume(&streamed.run) } else { streamed.start() };
        let before = iteration(&streamed.run);
        running.wait_for("another step", || iteration(&streamed.run) > before);
        File::options().write(true).open(&streamed.x).unwrap().set_len(len).unwrap();
        assert_failed(&running.ends(), words);
        assert!(iteration(&streamed.run) > 0 && !streamed.run.join("summary.json").exists());
        fs::write(&streamed.x, &bytes).unwrap();
    }
    resume(&streamed.run);
    streamed.assert_same_as_undisturbed();
}

#[test]
fn a_data_file_that_is_written_to() {
    let streamed = Streamed::new(60);
    let bytes = fs::read(&streamed.x).unwrap();
    let running = streamed.start();
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    // In place, as an editor of bytes does it.
    File::options().write(true).open(&streamed.x).unwrap().write_all(&other).unwrap();
    assert_failed(&running.ends(), &["x.npy was changed while it was being used"]);
    let refused = memorize("resume --quiet").and(streamed.run.to_str().unwrap()).run();
    assert!(refused.code == Some(2) && refused.stderr.contains("contents of the training set"), "{}", refused.stderr);
    fs::write(&streamed.x, &bytes).unwrap();
    resume(&streamed.run);
    streamed.assert_same_as_undisturbed();
}

/// As by `cp -p` of another file of the same size, or by what writes in place and sets the time back.
#[test]
fn a_data_file_that_is_written_to_and_has_its_old_time_again() {
    let streamed = Streamed::new(200);
    let bytes = fs::read(&streamed.x).unwrap();
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let write = |contents: &[u8]| {
        let mut file = File::options().write(true).open(&streamed.x).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.write_all(contents).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(fs::metadata(&streamed.x).unwrap().modified().unwrap(), modified);
    };
    let running = streamed.start();
    write(&other);
    assert_failed(&running.ends(), &["x.npy was changed while it was being used"]);
    assert!(iteration(&streamed.run) > 0 && !streamed.run.join("summary.json").exists());
    write(&bytes);
    resume(&streamed.run);
    streamed.assert_same_as_undisturbed();
}

#[test]
fn permissions_names_and_links_of_a_data_file_may_change() {
    let streamed = Streamed::new(200);
    let mut running = streamed.start();
    let [link, renamed] = ["link.npy", "renamed.npy"].map(|name| streamed.root.path().join(name));
    for change in 0..3 {
        let at = iteration(&streamed.run);
        match change {
            0 => fs::set_permissions(&streamed.x, fs::Permissions::from_mode(0o440)).unwrap(),
            1 => fs::hard_link(&streamed.x, &link).unwrap(),
            _ => fs::rename(&streamed.x, &renamed).unwrap(),
        }
        // Each of them is met by a checkpoint of its own.
        running.wait_for("checkpoints", || iteration(&streamed.run) > at + 2);
    }
    let output = running.ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&renamed, &streamed.x).unwrap();
    streamed.assert_same_as_undisturbed();
}

#[test]
fn data_files_that_are_deleted_or_replaced_do_no_harm() {
    let streamed = Streamed::new(20);
    let bytes = fs::read(&streamed.x).unwrap();
    let running = streamed.start();
    fs::remove_file(&streamed.x).unwrap();
    let output = running.ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(&streamed.x, bytes).unwrap();
    streamed.assert_same_as_undisturbed();
}

/// A small file system in memory, unmounted with the test. Only root may have one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(kib: usize) -> Option<Self> {
        let disk = Self(scratch());
        if disk.mount(&format!("size={kib}k")) {
            return Some(disk);
        }
        println!("skipped: a full disk, for want of the right to mount a tmpfs");
        std::mem::forget(disk);
        None
    }

    fn mount(&self, options: &str) -> bool {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).output();
        mounted.is_ok_and(|output| output.status.success())
    }

    fn enlarge(&self) {
        assert!(self.mount("remount,size=64m"));
    }

    /// Fills what is left of the disk until the run ends: each checkpoint that takes another's place leaves some space
    /// again.
    fn fill_until_the_end_of(&self, running: &mut Running) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut file = File::create(&path).unwrap();
        while running.child().try_wait().unwrap().is_none() {
            for piece in [1 << 16, 512] {
                while file.write_all(&vec![0; piece]).is_ok() {}
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

const ON_A_DISK: &str = "train --quiet --data synthetic --samples 120 --dim 30 --normalize -r 60 --batch 30";

/// Whatever cannot be written for want of space, the newest checkpoint stays, and the run goes on once there is space.
#[test]
fn a_disk_that_is_full_when_records_or_checkpoints_are_written() {
    let root = scratch();
    let whole = root.path().join("whole");
    let arguments = format!("{ON_A_DISK} --epochs 1500");
    memorize(&arguments).with("--out", &whole).succeeds();
    // Records come often and checkpoints never again, or the other way round.
    for (flags, file) in [
        ("--checkpoint-every 1000 --record-every 1", "metrics.csv"),
        ("--checkpoint-every 1 --record-every 1000000", CHECKPOINT),
    ] {
        let Some(disk) = SmallDisk::new(2048) else { return };
        let run = disk.0.path().join("run");
        let mut running = Running::start(&format!("{arguments} {flags}"), &run);
        running.wait_for_file(&run.join(CHECKPOINT));
        let filler = disk.fill_until_the_end_of(&mut running);
        assert_failed(&running.ends(), &["cannot write", file, "No space left on device"]);
        let at = iteration(&run);
        assert!(at > 0 && !run.join("summary.json").exists());
        fs::remove_file(filler).unwrap();
        resume(&run);
        let one = Path::new(&whole);
        assert!(left(one, CHECKPOINT) == left(&run, CHECKPOINT), "other weights after {at}");
    }
}

#[test]
fn a_disk_that_is_full_when_the_plot_or_the_weights_are_written() {
    let root = scratch();
    let whole = root.path().join("whole");
    let arguments = format!("{ON_A_DISK} --epochs 50");
    memorize(&arguments).with("--out", &whole).succeeds();
    // curve.png has some 44 KiB, a checkpoint 25 KiB (two while one is written) and the weights alone 8 KiB.
    for (kib, file, checkpoints) in [(84, "curve.png", "--checkpoint-every 150"), (12, CHECKPOINT, "")] {
        let Some(disk) = SmallDisk::new(kib) else { return };
        let run = disk.0.path().join("run");
        let flags = "--record-every 50";
        let running = Running::start(&format!("{arguments} {flags} {checkpoints}"), &run);
        assert_failed(&running.ends(), &["cannot write", file, "No space left on device"]);
        assert!(!run.join("summary.json").exists());
        if !checkpoints.is_empty() {
            assert_eq!(iteration(&run), 150);
        }
        disk.enlarge();
        resume(&run);
        assert!(left(&whole, CHECKPOINT) == left(&run, CHECKPOINT), "other weights");
    }
}

/// Events are a courtesy: where there is no space for them they end, and the run does not.
#[test]
fn a_disk_that_is_full_when_events_are_written() {
    let root = scratch();
    let run = root.path().join("run");
    let Some(disk) = SmallDisk::new(16) else { return };
    let board = disk.0.path().join("board");
    let arguments = format!("{} --epochs 200 --record-every 1", ON_A_DISK.replace("--quiet ", ""));
    let said = memorize(&arguments).with("--out", &run).with("--tensorboard", &board).succeeds().stderr;
    let told: Vec<&str> =
        said.lines().filter(|line| line.starts_with("no more events for TensorBoard: cannot write ")).collect();
    assert!(told.len() == 1 && told[0].contains("No space left on device"), "{said}");
    assert!(run.join("summary.json").exists());
}

/// The same without a file system of one's own: no file may be longer than so many blocks.
#[test]
fn a_limit_on_the_size_of_files() {
    let root = scratch();
    let [whole, run] = ["whole", "run"].map(|name| root.path().join(name));
    let arguments = format!("{ON_A_DISK} --epochs 400 --record-every 1");
    memorize(&arguments).with("--out", &whole).succeeds();
    let limited = format!("ulimit -f 60; exec {PROGRAM} {arguments} --checkpoint-every 10 --out {}", run.display());
    let running = Running::spawn(Command::new("sh").args(["-c", &limited]));
    assert_failed(&running.ends(), &["cannot write", "metrics.csv", "File too large"]);
    assert!(iteration(&run) > 0);
    resume(&run);
    assert_same(&whole, &run);
}

/// Foreseen from the sizes alone, before anything is allocated or written.
#[test]
fn a_run_that_memory_is_too_small_for() {
    let root = scratch();
    let run = root.path().join("run");
    // W alone is 40 GB times the copies that training holds: no machine for tests has that.
    memorize("train --data synthetic --samples 10 --dim 1000 -r 10000000 --optimizer gd --epochs 1")
        .with("--out", &run)
        .refuses(&["memory", "hint: train fewer neurons (--neurons)"]);
    assert!(!run.exists());
}

/// The steps in a run's event files, as a reader has them who drops what a later file starts again.
fn steps(board: &Path) -> Vec<u64> {
    let mut files: Vec<PathBuf> = fs::read_dir(board).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut steps: Vec<u64> = Vec::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut at = 0;
        while let Some(length) = bytes.get(at..at + 8) {
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let Some(data) = bytes.get(at + 12..at + 12 + length) else { break };
            at += length + 16;
            // Field 1 is a double; field 2, if it is not 0, a varint.
            let (mut step, mut shift, mut rest) = (0, 0, &data[9..]);
            if rest.first() == Some(&0x10) {
                rest = &rest[1..];
                while let Some((&byte, after)) = rest.split_first() {
                    (step, shift, rest) = (step | u64::from(byte & 0x7f) << shift, shift + 7, after);
                    if byte < 0x80 {
                        break;
                    }
                }
            }
            match rest.first() {
                Some(0x3a) => steps.retain(|known| *known < step),
                Some(0x2a) if data.windows(10).any(|word| word == b"train/loss") => steps.push(step),
                _ => {}
            }
        }
    }
    steps
}

#[test]
fn event_files_of_a_run_that_is_killed_again_and_again_have_every_record() {
    let root = scratch();
    let [run, board] = ["run", "board"].map(|name| root.path().join(name));
    let arguments = "train --quiet --data synthetic --samples 120 --dim 30 --normalize -r 60 --batch 30 --lr 1e-3 --epochs 10000 \
                     --record-every 3 --checkpoint-every 37";
    let tensorboard = format!("--tensorboard {}", board.display());
    let mut running = Running::start(&format!("{arguments} {tensorboard}"), &run);
    for _ in 0..4 {
        running.wait_for_file(&run.join(CHECKPOINT));
        let before = iteration(&run);
        let further = || {
            checkpoint::load_state(&run.join(CHECKPOINT))
                .unwrap()
                .state
                .is_none_or(|state| state.iteration > before + 300)
        };
        running.wait_for("a later checkpoint", further);
        running.signal("KILL");
        let mut command = Command::new(PROGRAM);
        running = Running::spawn(command.args(["resume", "--quiet", "--tensorboard"]).arg(&board).arg(&run));
    }
    assert_eq!(running.ends().status.code(), Some(0));
    let recorded: Vec<u64> = metrics(&run)["iteration"].iter().map(|step| step.parse().unwrap()).collect();
    assert_eq!(steps(&board.join("run")), recorded);
}
