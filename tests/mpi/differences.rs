//! Ranks that were asked for the same and find other things: each has a folder of its own with files of the same names,
//! and one of them is harmed in one rank's folder.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use memorize_data::ElementType;
use memorize_data::source::{write_idx, write_npy};
use tempfile::TempDir;

use super::{launch, text};
use crate::common::{Numbers, PROGRAM, memorize, scratch};

/// Ranks of each job; the last is the one that differs.
const RANKS: usize = 3;

/// Seconds after which a job hangs.
const HANGS: &str = "60";

const SAMPLES: usize = 2300;
const TESTED: usize = 1700;
const WIDTH: usize = 12;

/// What a rank runs in its folder.
pub const TRAIN: &str = "train --quiet --config config.toml --threads 1 --out ../run";
const MNIST: &str = "train --quiet --data mnist -r 4 --epochs 1 --threads 1 --out ../run";
const EVAL: &str = "eval --inputs X.npy --targets y.npy --weights done/checkpoint.safetensors --threads 1";
const EVAL_OF_RUN: &str = "eval --run done --weights done/checkpoint.safetensors --threads 1";
const SOLVE: &str = "solve --inputs X.npy --targets y.npy --rank 30 --threads 1 --out ../W.safetensors";
const CONDITION: &str = "condition --inputs X.npy --rank 50 --max-products 5 --threads 1";

/// A way in which one rank may differ, and what is said of it; nothing if it does no harm.
pub struct Kind {
    pub name: &'static str,
    arguments: &'static str,
    harm: fn(&Path),
    said: Option<&'static str>,
}

const fn kind(name: &'static str, arguments: &'static str, said: &'static str, harm: fn(&Path)) -> Kind {
    Kind { name, arguments, harm, said: Some(said) }
}

const fn harmless(name: &'static str, arguments: &'static str, harm: fn(&Path)) -> Kind {
    Kind { name, arguments, harm, said: None }
}

/// Those that every run of the tests looks at.
pub const FEW: &[Kind] = &[
    kind("seed", TRAIN, "rank 2 has another run.seed: 4, rank 0 has 3", |f| edit(f, "seed = 3", "seed = 4")),
    kind("iterations", TRAIN, "rank 2 has another run.iterations: 9, rank 0 has 6", |f| {
        edit(f, "iterations = 6", "iterations = 9")
    }),
    kind("a sample", TRAIN, "rank 2 has another number than rank 0 in row 2290, column 5", |f| {
        put(f, "X.npy", 2290 * WIDTH + 5)
    }),
    kind("a target", TRAIN, "rank 2 has another number than rank 0 in row 2291, column 0", |f| put(f, "y.npy", 2291)),
    kind("a test target", TRAIN, "rank 2 has another number than rank 0 in row 1690, column 0", |f| {
        put(f, "t.npy", 1690)
    }),
    kind("f4 for f8", TRAIN, "another header of the training samples: f32 little-endian, 2300 x 12", |f| {
        write_npy(&f.join("X.npy"), ElementType::F32, &[SAMPLES, WIDTH], &values("X.npy")).unwrap();
    }),
    kind("fewer rows", TRAIN, "another header of the training samples: f64 little-endian, 2290 x 12", |f| {
        write(f, "X.npy", &[2290, WIDTH]);
        write(f, "y.npy", &[2290]);
    }),
    kind("fewer columns", TRAIN, "another header of the training samples: f64 little-endian, 2300 x 11", |f| {
        write(f, "X.npy", &[SAMPLES, 11]);
        write(f, "T.npy", &[TESTED, 11]);
    }),
    kind("a file that is not there", TRAIN, "rank2/y.npy", |f| fs::remove_file(f.join("y.npy")).unwrap()),
    kind("weights", EVAL, "rank 2 has another SHA-256 of the weights", |f| {
        fs::copy(f.join("other/checkpoint.safetensors"), f.join("done/checkpoint.safetensors")).unwrap();
    }),
    harmless("files that are compressed", TRAIN, |f| {
        assert!(Command::new("gzip").arg(f.join("X.npy")).status().unwrap().success());
        fs::rename(f.join("X.npy.gz"), f.join("X.npy")).unwrap();
    }),
];

/// All others.
pub const MORE: &[Kind] = &[
    harmless("nothing", TRAIN, |_| {}),
    harmless("names of the files", TRAIN, |f| {
        fs::rename(f.join("X.npy"), f.join("Z.npy")).unwrap();
        edit(f, "X.npy", "Z.npy");
    }),
    harmless("threads", "train --quiet --config config.toml --out ../run", |f| {
        edit(f, "seed = 3", "seed = 3\nthreads = 1")
    }),
    harmless("another folder with the same MNIST", MNIST, |f| {
        fs::write(f.join("environment"), "export MEMORIZE_DATA_DIR=$PWD/cache").unwrap();
    }),
    kind("learning rate", TRAIN, "another optimizer.learning_rate: 0.2, rank 0 has 0.1", |f| {
        edit(f, "learning_rate = 0.1", "learning_rate = 0.2")
    }),
    kind("several settings", TRAIN, "another network.neurons: 6, rank 0 has 4; another run.dtype: \"f64\"", |f| {
        edit(f, "neurons = 4", "neurons = 6");
        edit(f, "seed = 3", "seed = 3\ndtype = \"f64\"");
    }),
    kind("normalize", TRAIN, "another data.normalize: true, rank 0 has false", |f| {
        edit(f, "[network]", "normalize = true\n[network]")
    }),
    kind("no test set", TRAIN, "rank 2 has another header of the test samples: none", |f| {
        edit(f, "test_inputs = \"T.npy\"\ntest_targets = \"t.npy\"\n", "")
    }),
    kind("a test sample", TRAIN, "rank 2 has another number than rank 0 in row 1690, column 3", |f| {
        put(f, "T.npy", 1690 * WIDTH + 3)
    }),
    kind("f4 targets", TRAIN, "another header of the training targets: f32 little-endian, 2300", |f| {
        write_npy(&f.join("y.npy"), ElementType::F32, &[SAMPLES], &values("y.npy")[..SAMPLES]).unwrap();
    }),
    kind("byte order", TRAIN, "another header of the training samples: f64 big-endian, 2300 x 12", |f| {
        write_idx(&f.join("X.npy"), ElementType::F64, &[SAMPLES, WIDTH], &values("X.npy")).unwrap();
    }),
    kind("a column of targets", TRAIN, "another header of the training targets: f64 little-endian, 2300 x 1", |f| {
        write(f, "y.npy", &[SAMPLES, 1])
    }),
    kind("fewer test rows", TRAIN, "another header of the test samples: f64 little-endian, 1600 x 12", |f| {
        write(f, "T.npy", &[1600, WIDTH]);
        write(f, "t.npy", &[1600]);
    }),
    kind("rows and targets that do not fit", TRAIN, "note: on rank 2 of 3", |f| write(f, "y.npy", &[2290])),
    kind("not finite", TRAIN, "rank 2 has another number than rank 0 in row 2292, column 1", |f| {
        let mut values = values("X.npy");
        values[2292 * WIDTH + 1] = f64::NAN;
        write_npy(&f.join("X.npy"), ElementType::F64, &[SAMPLES, WIDTH], &values).unwrap();
    }),
    kind("a file cut short", TRAIN, "X.npy", |f| {
        let file = fs::File::options().write(true).open(f.join("X.npy")).unwrap();
        file.set_len(5000).unwrap();
    }),
    kind("a folder for a file", TRAIN, "X.npy is a folder, not a file", |f| {
        fs::remove_file(f.join("X.npy")).unwrap();
        fs::create_dir(f.join("X.npy")).unwrap();
    }),
    kind("no configuration", TRAIN, "config.toml", |f| fs::remove_file(f.join("config.toml")).unwrap()),
    kind("a configuration that is none", TRAIN, "note: on rank 2 of 3", |f| edit(f, "[network]", "[network")),
    kind("instruction set", TRAIN, "rank 2 has another run.isa: \"scalar\", rank 0 has none", |f| {
        fs::write(f.join("environment"), "export MEMORIZE_ISA=scalar").unwrap();
    }),
    kind("no instruction set", TRAIN, "`nonsense` is not an instruction set", |f| {
        fs::write(f.join("environment"), "export MEMORIZE_ISA=nonsense").unwrap();
    }),
    kind("instruction set of eval", EVAL, "rank 2 has another instruction set: scalar", |f| {
        fs::write(f.join("environment"), "export MEMORIZE_ISA=scalar").unwrap();
    }),
    kind("another data set for MNIST", MNIST, "another header of the test samples: u8 big-endian, 5 x 28 x 28", |f| {
        let cache = f.join("cache");
        fs::create_dir(&cache).unwrap();
        for (name, rows) in [("train", 40), ("t10k", 5)] {
            let file = |what| cache.join(format!("{name}-{what}-ubyte"));
            write_idx(&file("images-idx3"), ElementType::U8, &[rows, 28, 28], &vec![1.0; rows * 784]).unwrap();
            write_idx(&file("labels-idx1"), ElementType::U8, &[rows], &vec![1.0; rows]).unwrap();
        }
        fs::write(f.join("environment"), "export MEMORIZE_DATA_DIR=$PWD/cache").unwrap();
    }),
    kind("a sample of solve", SOLVE, "in row 2290, column 5", |f| put(f, "X.npy", 2290 * WIDTH + 5)),
    kind("a sample of condition", CONDITION, "in row 2290, column 5", |f| put(f, "X.npy", 2290 * WIDTH + 5)),
    kind("rows of condition", CONDITION, "another header of the training samples", |f| {
        write(f, "X.npy", &[2290, WIDTH])
    }),
    kind("a target of eval", EVAL, "in row 2291, column 0", |f| put(f, "y.npy", 2291)),
    kind("the run of eval", EVAL_OF_RUN, "rank 2 has another data.limit: 2000, rank 0 has none", |f| {
        edit_in(&f.join("done/config.toml"), "[network]", "limit = 2000\n[network]")
    }),
    kind("damaged weights", EVAL, "damaged", |f| put(f, "done/checkpoint.safetensors", 3)),
    kind("no weights", EVAL, "note: on rank 2 of 3", |f| {
        fs::remove_file(f.join("done/checkpoint.safetensors")).unwrap()
    }),
];

/// How a job has ended.
pub struct Ended {
    /// None if it hung.
    pub code: Option<i32>,
    pub said: String,
    /// The weights that it left.
    pub weights: Option<Vec<u8>>,
}

impl Ended {
    /// What is wrong with how a job with this difference has ended, if anything is.
    pub fn complaint(&self, kind: &Kind, alone: &[u8]) -> Option<String> {
        let errors = self.said.lines().filter(|line| line.starts_with("error: ")).count();
        let wrong = match kind.said {
            _ if self.code.is_none() => "it hangs",
            _ if self.said.contains("panicked") => "it panics",
            Some(_) if self.code != Some(2) => "another exit code",
            Some(_) if errors != 1 => "not one error",
            Some(words) if !self.said.contains(words) => "other words",
            Some(_) if self.weights.is_some() => "it has left weights",
            None if self.code != Some(0) => "it fails",
            None if kind.arguments == TRAIN && self.weights.as_deref() != Some(alone) => "other weights",
            _ => return None,
        };
        Some(format!("{}: {wrong}: {:?}\n{}", kind.name, self.code, self.said))
    }
}

/// The folders of all ranks.
pub struct Ground {
    root: TempDir,
    /// The weights that one process finds.
    pub alone: Vec<u8>,
}

impl Ground {
    pub fn new() -> Self {
        let root = scratch();
        let model = root.path().join("model");
        fs::create_dir(&model).unwrap();
        for (name, dims) in
            [("X.npy", &[SAMPLES, WIDTH][..]), ("y.npy", &[SAMPLES]), ("T.npy", &[TESTED, WIDTH]), ("t.npy", &[TESTED])]
        {
            write(&model, name, dims);
        }
        let config = "[data]\nsource = \"files\"\ninputs = \"X.npy\"\ntargets = \"y.npy\"\ntest_inputs = \"T.npy\"\n\
            test_targets = \"t.npy\"\n[network]\nneurons = 4\n[optimizer]\nkind = \"gd\"\nlearning_rate = 0.1\n\
            [run]\niterations = 6\nseed = 3\n";
        fs::write(model.join("config.toml"), config).unwrap();
        fs::write(model.join("environment"), "").unwrap();
        memorize("train --quiet --config config.toml --out done").within(&model).succeeds();
        memorize("train --quiet --config config.toml --seed 5 --out other").within(&model).succeeds();
        let alone = fs::read(model.join("done/checkpoint.safetensors")).unwrap();
        Self { root, alone }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The folder of a rank.
    pub fn of(&self, rank: usize) -> PathBuf {
        self.path().join(format!("rank{rank}"))
    }

    /// Gives every rank the same files, in a folder of its own.
    pub fn prepare(&self) {
        for rank in 0..RANKS {
            let _ = fs::remove_dir_all(self.of(rank));
            let copied = Command::new("cp").arg("-r").arg(self.path().join("model")).arg(self.of(rank)).status();
            assert!(copied.unwrap().success());
        }
        let _ = fs::remove_dir_all(self.path().join("run"));
        let _ = fs::remove_file(self.path().join("W.safetensors"));
    }

    /// The job in which each rank runs the program in its folder.
    pub fn job(&self, arguments: &str) -> Command {
        let mut command = launch(RANKS, Path::new("sh"));
        let script = "cd \"$0/rank$OMPI_COMM_WORLD_RANK\" && . ./environment && exec \"$@\"";
        command.args(["-c", script]).arg(self.path()).arg(PROGRAM).args(arguments.split_whitespace());
        command
    }

    /// Runs a job in which the last rank differs.
    pub fn run(&self, kind: &Kind) -> Ended {
        self.prepare();
        (kind.harm)(&self.of(RANKS - 1));
        let job = self.job(kind.arguments);
        let mut limited = Command::new("timeout");
        limited.args(["-k", "5", HANGS]).arg(job.get_program()).args(job.get_args());
        job.get_envs().for_each(|(name, value)| {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        });
        let output = limited.output().unwrap();
        let code = output.status.code().filter(|&code| code != 124 && code != 137);
        let said = format!("{}{}", text(&output.stderr), output.status.signal().map_or("", |_| "killed\n"));
        let left = [self.path().join("run/checkpoint.safetensors"), self.path().join("W.safetensors")];
        Ended { code, said, weights: left.iter().find_map(|path| fs::read(path).ok()) }
    }
}

/// The numbers of a file.
fn values(name: &str) -> Vec<f64> {
    Numbers::new(name.bytes().map(u64::from).sum()).values(SAMPLES * WIDTH)
}

/// Writes as many of them as there are.
fn write(folder: &Path, name: &str, dims: &[usize]) {
    write_npy(&folder.join(name), ElementType::F64, dims, &values(name)[..dims.iter().product()]).unwrap();
}

/// Makes one number of a file another one: an f64 of an .npy file, or an f32 before the end of another.
fn put(folder: &Path, name: &str, number: usize) {
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let at = if name.ends_with(".npy") { header + 8 * number } else { bytes.len() - 4 * number };
    bytes[at + 1] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Changes the configuration of a rank.
fn edit(folder: &Path, from: &str, to: &str) {
    edit_in(&folder.join("config.toml"), from, to);
}

fn edit_in(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} in\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}
