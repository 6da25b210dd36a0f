//! Every command of the documentation and of the help, run as a reader would: from the top of a page to its end, in a
//! folder of its own, with what the page shows of the output beside what is printed. `tests/interop.py` has
//! docs/interop.md.
//!
//! A command runs as it stands. What makes it small enough for a test is here: an MNIST of 300 images, found through
//! `MEMORIZE_DATA_DIR`, and the flags of [`SMALLER`]. What cannot run here is in [`NOT_RUN`], with the reason;
//! everything else has to succeed.

#![cfg(unix)]

mod output;
mod page;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{PROGRAM, memorize, scratch};
use output::Numbers;
use page::{Block, Typed};

/// Pages of Markdown that have commands.
const PAGES: [&str; 11] = [
    "README.md",
    "docs/benchmarks.md",
    "docs/checkpoints.md",
    "docs/memory.md",
    "docs/mpi.md",
    "docs/openblas.md",
    "docs/scaling.md",
    "docs/theory.md",
    "docs/tutorial.md",
    "mnist/README.md",
    "fuzz/README.md",
];

/// Commands of the program, by what their examples take: `memorize COMMAND --help` is a page, too.
const TRAINING: [&str; 6] = ["reproduce", "train", "resume", "solve", "race", "sweep"];
const LOOKING: [&str; 8] =
    ["eval", "certify", "condition", "capacity", "data", "data info", "data convert", "data sample"];
const OTHERS: [&str; 7] = ["runs", "report", "compare", "config", "bench", "completions", "man"];

/// Flags that make a command smaller: they take the place of those of the same name, or are added. The first entry
/// counts whose words are in the command.
const SMALLER: [(&str, &str); 19] = [
    // A run of this name may be there, with all its epochs.
    ("reproduce all", "--epochs 2 --overwrite"),
    ("reproduce mnist-2layer-noise --optimizer solve", ""),
    ("reproduce mnist", "--epochs 4"),
    ("train --config job.toml", "--epochs 2"),
    ("--rows 1000000", "--rows 2000"),
    ("--rows 1000 --out images.npy", "--rows 200"),
    ("--rows 2000 --out X.npy", "--rows 200"),
    ("--iterations 40000", "--iterations 3000"),
    ("--data mnist --normalize --noise 0.01 --optimizer negative-curvature", "--epochs 5"),
    ("capacity --dim 60", "--dim 20"),
    // At its documented size, for its table is on the page.
    ("capacity --dim 20 --seeds 2 ", ""),
    ("memorize capacity", "--seeds 1 --iterations 300"),
    ("memorize certify --run runs/synthetic", "--max-products 50"),
    ("-r 3000 --lr-decay-every 15 --epochs 60", "--epochs 5"),
    ("--neurons 3000 --epochs 60", "--epochs 5"),
    ("race --data synthetic", "--passes 50"),
    ("race --data mnist", "--passes 2 --neurons 1570"),
    ("bench --scaling", "--shape 256x20x32 --filter adam-step --quick"),
    ("bench", "--shape 256x20x32 --filter small-gradient --dtype f32 --quick"),
];

/// Commands that are not run, by how they begin, and why.
const NOT_RUN: [(&str, &str); 13] = [
    ("apt-get install", "installs software as root; .ci/run does where it may"),
    ("pip install", "installs software"),
    ("cargo install", "installs software"),
    ("cargo build --release", "builds the program, which is here already; .ci/run builds the features"),
    ("cargo test --workspace", "this is a part of it; .ci/run takes the command from the page"),
    ("cargo test --release --test faults", "many minutes of kills and doubled starts"),
    ("cargo run --release -p memorize-train --example theorem4", "builds the examples, optimised; a minute"),
    ("cargo run --release -p memorize-train --example theorem5", "builds the examples, optimised; two minutes"),
    ("target/release/memorize bench --quick --backend blas", "wants the feature `blas`; tests/blas.rs"),
    ("python benches/peers/compare.py", "an hour, and the peers' packages"),
    ("python benches/out_of_core.py", "a quarter of an hour, and gigabytes"),
    ("fuzz/run", "wants cargo-fuzz; tests/corpus.rs runs the targets on their corpus"),
    ("for f in train-images-idx3-ubyte", "a quarter of a minute for four files whose checksums are compared"),
];

/// Samples and targets of the reader's own.
const OWN: &str = "memorize data sample synthetic --rows 40 --dim 12 --out X.npy --targets-out y.npy";
/// Weights for them.
const WEIGHTS: &str = "memorize solve --inputs X.npy --targets y.npy --normalize --out W.safetensors";
/// A small run that goes by this name.
const RUN: &str =
    "run() { memorize train --data synthetic --samples 12 --dim 6 --normalize -r 14 --epochs 3 --out runs/$1; }; run";
/// The file that the help of `sweep` shows, with shorter runs.
const SIZES: &str = "memorize sweep --help | sed -n '/^  .data.$/,/^Instead/{/^Instead/!p}' | \
    sed 's/^  iterations = 1000$/  iterations = 100/' >sizes.toml";

/// What readers have before they begin, on each page that asks for something.
fn brought(page: &str) -> Vec<String> {
    let runs = |names: &[&str]| names.iter().map(|name| format!("{RUN} {name}")).collect::<Vec<_>>();
    let files = |files: &[&str]| files.iter().map(|&file| file.to_owned()).collect::<Vec<_>>();
    match page {
        "README.md" => [files(&[OWN, SIZES]), runs(&["RUN"])].concat(),
        "docs/mpi.md" => [files(&[OWN]), runs(&["RUN"])].concat(),
        "docs/checkpoints.md" => files(&["memorize config --default >job.toml"]),
        "mnist/README.md" => files(&["cp \"$REPOSITORY\"/mnist/files/* ."]),
        "memorize" => files(&[OWN, SIZES]),
        "memorize train" => [files(&[OWN]), runs(&["mnist-2layer-noise"])].concat(),
        "memorize resume" => runs(&["mnist-2layer-noise"]),
        "memorize solve" | "memorize condition" | "memorize race" => files(&[OWN]),
        "memorize sweep" => files(&[SIZES]),
        "memorize eval" => [
            files(&[OWN, WEIGHTS]),
            files(&["memorize train --inputs X.npy --targets y.npy -r 14 --epochs 3 --out runs/synthetic"]),
        ]
        .concat(),
        "memorize certify" => [files(&[OWN, WEIGHTS]), runs(&["synthetic"])].concat(),
        "memorize data" => files(&["memorize data sample mnist --rows 40 --out X.npy"]),
        "memorize completions" => {
            files(&["mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions"])
        }
        "memorize data info" => [files(&[OWN]), runs(&["synthetic"])].concat(),
        "memorize data convert" => files(&["memorize data sample synthetic --rows 40 --out features.npy"]),
        "memorize runs" => runs(&["a", "../results/b"]),
        "memorize report" => runs(&["synthetic", "mnist-2layer-noise"]),
        "memorize compare" => runs(&["mnist-2layer", "mnist-2layer-noise", "a", "b", "c"]),
        _ => Vec::new(),
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The blocks of a page: a file of the repository, or the help of `memorize COMMAND`.
#[track_caller]
fn blocks(page: &str) -> Vec<Block> {
    match page.strip_prefix("memorize") {
        Some(command) => page::blocks_of_help(page, &memorize(command).and("--help").succeeds().stdout),
        None => page::blocks_of_markdown(page, &fs::read_to_string(repository().join(page)).unwrap()),
    }
}

/// Why a command is not run, if it is not.
fn not_run(command: &Typed) -> Option<&'static str> {
    NOT_RUN.iter().find(|(start, _)| command.text.starts_with(start)).map(|&(_, reason)| reason)
}

fn smaller(command: &Typed) -> &'static str {
    SMALLER.iter().find(|(words, _)| command.text.contains(words)).map_or("", |&(_, flags)| flags)
}

/// A folder with MNIST's four files, short: 300 images to train on and 60 to test with.
fn short_mnist() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = scratch();
        for (name, rows) in [("train", "300"), ("t10k", "60")] {
            let file = |rest: &str| folder.path().join(format!("{name}-{rest}"));
            let call = memorize("data sample mnist").with("--rows", rows).with("--out", file("images-idx3-ubyte"));
            call.with("--targets-out", file("labels-idx1-ubyte")).succeeds();
        }
        folder
    });
    folder.path()
}

/// A reader's shell: a folder, and the program in the PATH under the names that pages call it by.
struct Reader {
    root: TempDir,
}

/// The program with the flags of `$SMALLER`, each but `--quick` with its value, in the place of those of the same name.
const STAND_IN: &str = r#"
kept=()
while [ $# -gt 0 ]; do
    if [[ $1 == -* && " $SMALLER " == *" $1 "* ]]; then [ "$1" = --quick ] || shift; shift; else kept+=("$1"); shift; fi
done
exec "$PROGRAM" "${kept[@]}" $SMALLER
"#;

/// `timeout --preserve-status 2 COMMAND --out runs/long`.
const TIMEOUT: &str = r#"
[ "$1 $2" = "--preserve-status 2" ] || exit 1
"${@:3}" &
until [ -s runs/long/metrics.csv ]; do sleep 0.01; done
kill $!
wait $!
"#;

impl Reader {
    fn new() -> Self {
        let reader = Self { root: scratch() };
        let programs = [
            ("memorize", STAND_IN),
            ("cargo", r#"[ "$1 $2 $3" = "run --release --" ] && shift 3 && exec memorize "$@""#),
            // Stops a run as soon as it has begun, however long it would take.
            ("timeout", TIMEOUT),
            // One process stands for the ranks; tests/mpi.rs has several.
            ("mpirun", r#"[ "$1 $3 $4" = "-n --bind-to none" ] && shift 4 && exec "$@""#),
        ];
        fs::create_dir_all(reader.folder().join("target/release")).unwrap();
        fs::create_dir(reader.path("bin")).unwrap();
        fs::create_dir(reader.path("home")).unwrap();
        for (name, script) in programs {
            let program = reader.path("bin").join(name);
            fs::write(&program, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(reader.path("bin/memorize"), reader.folder().join("target/release/memorize")).unwrap();
        reader
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn folder(&self) -> PathBuf {
        self.path("page")
    }

    /// Runs a command: its exit code and all that it printed.
    fn run(&self, command: &str, smaller: &str) -> (Option<i32>, String) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = assert_cmd::Command::new("bash");
        shell.args(["-o", "pipefail", "-c", &format!("exec 2>&1\n{command}")]).current_dir(self.folder());
        shell.env("PATH", path).env("HOME", self.path("home")).env("PROGRAM", PROGRAM).env("SMALLER", smaller);
        shell.env("MEMORIZE_DATA_DIR", short_mnist()).env_remove("MEMORIZE_ISA").env("REPOSITORY", repository());
        let output = shell.timeout(Duration::from_secs(300)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

/// Runs a page from top to bottom.
#[track_caller]
fn runs(page: &str) {
    let reader = Reader::new();
    for command in brought(page) {
        let (code, printed) = reader.run(&command, "");
        assert_eq!(code, Some(0), "{page}, before it begins: {command}\n{printed}");
    }
    for Block { commands, shown } in blocks(page) {
        let mut all_printed = String::new();
        let mut numbers = Numbers::Close;
        let mut whole = true;
        for (i, command) in commands.iter().enumerate() {
            if not_run(command).is_some() {
                whole = false;
                continue;
            }
            let flags = smaller(command);
            let refused = i + 1 == commands.len() && shown.first().is_some_and(|line| line.starts_with("error: "));
            let (code, printed) = reader.run(&command.text, flags);
            let place = format!("{page}:{}: {}    (smaller: {flags:?})", command.line, command.text);
            assert_eq!(code, Some(if refused { 2 } else { 0 }), "{place}\n{printed}");
            if !flags.is_empty() || command.text.contains("mnist") {
                numbers = Numbers::Free;
            }
            all_printed += &printed;
        }
        let missing = if whole { output::missing(&shown, &all_printed, numbers) } else { None };
        if let Some(line) = missing {
            panic!("{page}:{}: the output has no line like\n{line}\nin\n{all_printed}", commands[0].line);
        }
    }
}

#[test]
fn the_readme_runs() {
    runs("README.md");
}

#[test]
fn the_page_on_benchmarks_runs() {
    runs("docs/benchmarks.md");
}

#[test]
fn the_pages_on_optional_features_run() {
    ["docs/mpi.md", "docs/openblas.md"].into_iter().for_each(runs);
}

#[test]
fn the_page_on_checkpoints_runs() {
    runs("docs/checkpoints.md");
}

#[test]
fn the_page_on_memory_runs() {
    runs("docs/memory.md");
}

#[test]
fn the_page_on_scaling_runs() {
    runs("docs/scaling.md");
}

#[test]
fn the_page_on_theory_runs() {
    runs("docs/theory.md");
}

#[test]
fn the_tutorial_runs() {
    runs("docs/tutorial.md");
}

#[test]
fn the_page_on_mnist_runs() {
    runs("mnist/README.md");
}

#[test]
fn the_page_on_fuzzing_runs() {
    runs("fuzz/README.md");
}

#[test]
fn examples_of_the_first_help_run() {
    runs("memorize");
}

#[test]
fn examples_of_commands_that_train_run() {
    TRAINING.iter().for_each(|command| runs(&format!("memorize {command}")));
}

#[test]
fn examples_of_commands_that_look_at_weights_and_samples_run() {
    LOOKING.iter().for_each(|command| runs(&format!("memorize {command}")));
}

#[test]
fn examples_of_the_other_commands_run() {
    OTHERS.iter().for_each(|command| runs(&format!("memorize {command}")));
}

/// Every page with commands: those above.
fn pages() -> Vec<String> {
    let help = [&TRAINING[..], &LOOKING, &OTHERS].concat();
    let help = help.iter().map(|command| format!("memorize {command}"));
    PAGES.map(str::to_owned).into_iter().chain(["memorize".to_owned()]).chain(help).collect()
}

#[test]
fn no_page_and_no_command_is_forgotten() {
    let documents = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let documents = documents.map(|name| format!("docs/{}", name.to_str().unwrap()));
    let mut found: Vec<String> = documents.filter(|name| name.ends_with(".md") && name != "docs/interop.md").collect();
    found.extend(["README.md", "kernels/ENGINE.md", "mnist/README.md", "fuzz/README.md"].map(str::to_owned));
    found.retain(|page| !blocks(page).is_empty());
    for (of, name) in [("", "memorize"), ("data", "memorize data")] {
        found.push(name.to_owned());
        let help = memorize(of).and("--help").succeeds().stdout;
        let lines = help.lines().take_while(|line| *line != "Options:").filter_map(|line| line.strip_prefix("  "));
        let commands = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
        let commands =
            commands.map(|line| line.split_whitespace().next().unwrap()).filter(|&command| command != "help");
        found.extend(commands.map(|command| format!("{name} {command}")));
    }
    let mut tested = pages();
    found.sort();
    tested.sort();
    found.dedup();
    assert_eq!(found, tested);
}

#[test]
fn every_exception_is_needed_and_what_it_names_exists() {
    let pages = pages();
    let commands: Vec<Typed> = pages.iter().flat_map(|page| blocks(page)).flat_map(|block| block.commands).collect();
    for (start, reason) in NOT_RUN {
        assert!(commands.iter().any(|command| command.text.starts_with(start)), "no page has {start:?}: {reason}");
    }
    for (words, flags) in SMALLER {
        let uses = commands.iter().any(|command| command.text.contains(words) && smaller(command) == flags);
        assert!(uses, "no command has {words:?} ({flags})");
    }
    for command in commands.iter().filter(|command| not_run(command).is_some()) {
        assert_that_what_it_names_exists(&command.text);
    }
}

/// A command that is not run calls scripts that are there, with flags that they know, and tests and examples that are
/// there.
#[track_caller]
fn assert_that_what_it_names_exists(command: &str) {
    let command = command.split(" # ").next().unwrap();
    let words: Vec<&str> = command.split_whitespace().collect();
    let read =
        |path: String| fs::read_to_string(repository().join(&path)).unwrap_or_else(|_| panic!("{command}: no {path}"));
    for (i, word) in words.iter().enumerate() {
        let before = i.checked_sub(1).map_or("", |i| words[i]);
        match before {
            "--test" => assert!(read(format!("tests/{word}.rs")).contains("#[test]")),
            "--example" => assert!(read(format!("train/examples/{word}.rs")).contains("fn main")),
            "--features" => assert!(read("cli/Cargo.toml".to_owned()).contains(&format!("\n{word} = ["))),
            "--nocapture" => {
                let files = ["faults", "faults/commits", "faults/doubled"].map(|name| read(format!("tests/{name}.rs")));
                assert!(files.concat().contains(&format!("fn {word}")), "{word}");
            }
            _ => {}
        }
        if word.ends_with(".py") || word.ends_with(".txt") || word.starts_with("fuzz/") {
            let script = read((*word).to_owned());
            let flags = words[i + 1..].iter().filter(|word| word.starts_with("--"));
            flags.for_each(|flag| assert!(script.contains(flag), "{command}: {word} knows no {flag}"));
        }
    }
}

/// Every Markdown file of the repository, but for what is built or installed.
fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            markdown(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The places that a page links to, in the text or by a name.
fn links(text: &str) -> Vec<&str> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let named = text.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(named.map(|(_, link)| link.trim())).collect()
}

/// What the headings of a page are called in links: in lower case, a dash for a space, no other signs.
fn anchors(text: &str) -> Vec<String> {
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let kept = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
    headings
        .map(|heading| {
            heading.to_lowercase().chars().filter(|&c| kept(c)).map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut pages = Vec::new();
    markdown(&repository(), &mut pages);
    let mut seen = 0;
    for page in pages {
        // What is in brackets in code is no link.
        let text: String = fs::read_to_string(&page).unwrap().split("```").step_by(2).collect();
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            seen += 1;
            assert!(file.exists(), "{}: {link}", page.display());
            if let Some(anchor) = anchor {
                let there = anchors(&fs::read_to_string(&file).unwrap());
                assert!(there.iter().any(|known| known == anchor), "{}: {link} is none of {there:?}", page.display());
            }
        }
        // Names that are used are defined, on pages that have such links.
        let has_names = text.lines().any(|line| line.starts_with('[') && line.contains("]: "));
        for name in text.split("][").skip(1).filter_map(|rest| rest.split_once(']')).map(|(name, _)| name) {
            assert!(!has_names || text.contains(&format!("\n[{name}]: ")), "{}: [{name}]", page.display());
        }
    }
    assert!(seen > 50, "{seen}");
    assert_eq!(links("see [a](b.md#c), ![d](e.png)\n[f]: g.md\n"), ["b.md#c", "e.png", "g.md"]);
    assert_eq!(anchors("# One\n\n## `train`: 2 x 3, so\ntext # no\n"), ["one", "train-2-x-3-so"]);
}
