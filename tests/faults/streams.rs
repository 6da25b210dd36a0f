//! Standard error that cannot be written, a reader who goes away: results are written all the same, and nothing panics.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::common::{PROGRAM, left, memorize, mnist_folder, scratch};

/// What standard error is.
#[derive(Clone, Copy, Debug)]
enum Closed {
    /// A full disk.
    Full,
    /// A pipe that nobody reads.
    Pipe,
}

fn run(arguments: &str, closed: Closed) -> Output {
    let stderr = match closed {
        Closed::Full => Stdio::from(File::options().write(true).open("/dev/full").unwrap()),
        Closed::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer.into()
        }
    };
    let mut command = Command::new(PROGRAM);
    command.args(arguments.split_whitespace()).env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder());
    command.stdout(Stdio::piped()).stderr(stderr).output().unwrap()
}

#[test]
fn nobody_who_listens_ends_nothing() {
    let root = scratch();
    let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let settings = "[data]\nsource = \"synthetic\"\nsamples = 20\ndim = 6\nnormalize = true\n[optimizer]\nkind = \"gd\"\n\
                    [run]\niterations = 30\n[sweep.grid]\nrun.seed = [0, 1]\nnetwork.neurons = [8]\n";
    fs::write(at("sweep.toml"), settings).unwrap();
    fs::create_dir(at("empty")).unwrap();
    memorize("train --quiet --data synthetic --samples 20 --dim 6 --optimizer solve")
        .with("--out", at("run"))
        .succeeds();
    fs::write(format!("{}/summary.json", at("run")), "{").unwrap();
    for closed in [Closed::Full, Closed::Pipe] {
        let out = at(&format!("{closed:?}"));
        let commands = [
            (
                format!(
                    "train --data synthetic --samples 20 --dim 6 --normalize -r 14 --optimizer gd --iterations 30 --out {out}/a"
                ),
                0,
            ),
            (format!("sweep {} --out {out}/sweep", at("sweep.toml")), 0),
            (format!("sweep {} --out {out}/sweep", at("sweep.toml")), 0),
            (format!("runs {} {}", at("run"), at("sweep.toml").replace("sweep.toml", "empty")), 0),
            (format!("report {} {} --out {out}/page", at("run"), at("empty")), 0),
            (format!("compare {} {} --out {out}/both", at("run"), at("run")), 0),
            (format!("resume {}", at("run")), 2),
            (format!("eval --run {}", at("run")), 0),
            ("solve --data synthetic --samples 20 --dim 6".to_owned(), 0),
            ("race --data synthetic --samples 20 --dim 6 --passes 3".to_owned(), 0),
            (format!("capacity --dim 4 --seeds 1 --iterations 20 --out {out}/capacity"), 0),
            ("condition --data synthetic --samples 20 --dim 6".to_owned(), 0),
            (format!("data info {}/checkpoint.safetensors", at("run")), 0),
            ("no-such-command".to_owned(), 2),
        ];
        for (arguments, code) in commands {
            let output = run(&arguments, closed);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{arguments} {closed:?}: {}",
                String::from_utf8_lossy(&output.stdout)
            );
            assert!(code > 0 || !output.stdout.is_empty(), "{arguments} has no results");
        }
        let table = String::from_utf8(left(Path::new(&format!("{out}/sweep")), "sweep.csv")).unwrap();
        assert_eq!(table.matches(",complete,").count(), 2, "{table}");
    }
}

#[test]
fn a_reader_who_goes_away_after_a_line_is_no_error() {
    let root = scratch();
    let run = root.path().join("run");
    memorize("train --quiet --data synthetic --samples 20 --dim 6 --optimizer solve").with("--out", &run).succeeds();
    for command in ["runs", "report --out page --overwrite"] {
        let line = format!(
            "cd '{}'; '{PROGRAM}' {command} run 2>&1 | head -1; exit ${{PIPESTATUS[0]}}",
            root.path().display()
        );
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
