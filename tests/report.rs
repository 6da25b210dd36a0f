//! Pages about runs: `reproduce all`, `report` and `compare` from end to end, and folders that are not what they should
//! be. What the page does in a browser is tested by `report_page.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::common::{memorize, number, scratch, summary};

/// Every experiment of the paper, in its order.
const EXPERIMENTS: [&str; 7] = [
    "synthetic",
    "mnist-2layer",
    "mnist-2layer-noise",
    "mnist-3layer",
    "mnist-2layer-random",
    "mnist-2layer-noise-random",
    "mnist-3layer-random",
];

/// A small run in a folder of its own below `root`.
fn train(root: &Path, name: &str, more: &str) -> PathBuf {
    let out = root.join(name);
    let name = name.replace('/', "-");
    memorize(&format!(
        "train --data synthetic --samples 20 --dim 6 -r 8 --optimizer gd --iterations 200 --name {name}"
    ))
    .and(more)
    .and("--quiet")
    .with("--out", &out)
    .succeeds();
    out
}

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("index.html")).unwrap()
}

fn written(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn all_experiments_are_on_a_page_and_are_not_run_twice() {
    let root = scratch();
    let reproduce = |more: &str| memorize("reproduce all --quick --quiet").and(more).with("--out", root.path());
    let weights = |name: &str| written(&root.path().join(format!("{name}-quick/checkpoint.safetensors")));
    let first = reproduce("").succeeds().stdout;
    assert!(first.contains("report/index.html") && !first.contains("skipped"), "{first}");
    let text = page(&root.path().join("report"));
    for name in EXPERIMENTS {
        assert!(text.contains(&format!("{name}-quick</h3>")), "{name}");
        let picture = root.path().join("report/curves").join(format!("{name}-quick"));
        assert!(fs::read(picture.with_extension("png")).unwrap().starts_with(b"\x89PNG"));
        assert!(fs::read_to_string(picture.with_extension("svg")).unwrap().contains("<polyline"));
    }
    // The quick synthetic run is the paper's; the others are smaller.
    assert!(text.contains("1 agrees with the paper") && text.contains("6 have other settings than the paper"));
    assert!(text.contains("memorize reproduce all --quick --quiet --out"), "the command line");

    let before: Vec<SystemTime> = EXPERIMENTS.map(weights).into();
    let spoil = |name: &str, file: &str, from: &str, to: &str| {
        let path = root.path().join(format!("{name}-quick")).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    let again = reproduce("").succeeds().stdout;
    // What says how fast a run is and how often it is kept makes it no other run.
    reproduce("--checkpoint-minutes 5 --checkpoint-every 7 --threads 1 --memory-budget 2GiB").succeeds();
    assert_eq!(EXPERIMENTS.map(weights).to_vec(), before, "nothing ran");
    assert!(
        again.contains("skipped (without their folders they are run again): synthetic-quick, mnist-2layer-quick"),
        "{again}"
    );
    assert_eq!(again.lines().take(8).collect::<Vec<_>>(), first.lines().take(8).collect::<Vec<_>>(), "the same table");

    // One that was interrupted runs again, one whose settings are others is left alone.
    spoil("mnist-3layer", "summary.json", "\"completed\"", "\"interrupted\"");
    let rest = reproduce("").succeeds().stdout;
    assert!(rest.contains("mnist-2layer-noise-quick, mnist-2layer-random-quick"), "one was not skipped: {rest}");
    let now = EXPERIMENTS.map(weights);
    let again: Vec<_> = EXPERIMENTS.iter().zip(before.iter().zip(now)).filter(|(_, (old, new))| *old < new).collect();
    assert!(again.len() == 1 && *again[0].0 == "mnist-3layer", "{again:?}");
    spoil("mnist-3layer", "config.toml", "seed = 0", "seed = 1");
    reproduce("").refuses(&["mnist-3layer-quick holds another run", "run.seed: 1 in config.toml, 0 asked for"]);

    // It is begun anew where that is asked for, and what is complete is left alone.
    reproduce("--overwrite").succeeds();
    let after: Vec<_> = EXPERIMENTS.iter().zip(now.iter().zip(EXPERIMENTS.map(weights))).collect();
    let again: Vec<_> = after.iter().filter(|(_, (now, after))| *now < after).map(|(name, _)| **name).collect();
    assert_eq!(again, ["mnist-3layer"]);
}

#[test]
fn a_series_finds_out_that_its_page_cannot_be_written_before_it_starts() {
    let root = scratch();
    fs::create_dir(root.path().join("report")).unwrap();
    fs::write(root.path().join("report/index.html"), "<p>mine").unwrap();
    let call = memorize("reproduce all --quick --quiet").with("--out", root.path());
    call.refuses(&["report/index.html", "not made by memorize", "--out DIR"]);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(page(&root.path().join("report")), "<p>mine");
}

#[test]
fn any_runs_have_a_page() {
    let root = scratch();
    let runs = [train(root.path(), "one", ""), train(root.path(), "two", "--seed 5")];
    let out = root.path().join("talk");
    let outcome = memorize("report").with("--out", &out).and(&paths(&runs)).succeeds();
    assert_eq!(outcome.stdout, format!("2 runs: {}\n", out.join("index.html").display()));
    assert_eq!(outcome.stderr, "");
    let text = page(&out);
    for part in ["one</h3>", "two</h3>", "0 (one); 5 (two)", "curves/all.svg", "memorize train --data synthetic"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("The paper reports"), "these are no experiments of the paper");
    // The same again replaces it.
    memorize("report").with("--out", &out).and(&paths(&runs[..1])).succeeds();
    assert!(!page(&out).contains("two</h3>"));
}

fn paths(runs: &[PathBuf]) -> String {
    runs.iter().map(|run| run.display().to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_bad_folder_is_told_of_and_does_not_cost_the_page() {
    let root = scratch();
    let good = train(root.path(), "good", "");
    let [empty, cut, text, nan] = ["empty", "cut", "text", "nan"].map(|name| root.path().join(name));
    fs::create_dir(&empty).unwrap();
    for copy in [&cut, &text, &nan] {
        fs::create_dir(copy).unwrap();
        for file in ["config.toml", "metrics.csv", "summary.json"] {
            fs::copy(good.join(file), copy.join(file)).unwrap();
        }
    }
    let whole = fs::read(good.join("summary.json")).unwrap();
    fs::write(cut.join("summary.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(text.join("metrics.csv"), "nothing\nof the kind\n").unwrap();
    let csv = fs::read_to_string(good.join("metrics.csv")).unwrap();
    fs::write(nan.join("metrics.csv"), format!("{csv}205,205.0,NaN,inf,0.1,1.0\n210,21")).unwrap();
    let gone = root.path().join("gone");

    let out = root.path().join("page");
    let all = [good.clone(), empty.clone(), cut, text, nan, gone.clone()];
    let outcome = memorize("report").with("--out", &out).and(&paths(&all)).succeeds();
    assert!(outcome.stdout.starts_with("4 runs: "), "{}", outcome.stdout);
    let page = page(&out);
    for part in [
        "gone is not a folder",
        "empty has nothing of a run",
        "summary.json: EOF while parsing",
        "metrics.csv: no column",
        "metrics.csv: 1 row cut off",
        "metrics.csv: 1 record not above 0 or not finite",
    ] {
        assert!(
            outcome.stderr.lines().any(|line| line.starts_with("warning: ") && line.contains(part)),
            "{part}: {}",
            outcome.stderr
        );
        assert!(page.contains(part), "{part}");
    }
    memorize("report").and(&paths(&[gone, empty])).refuses(&["empty has nothing of a run", "hint: name folders"]);
    memorize("report").refuses(&["<RUN>..."]);
    memorize("compare").and(&paths(&[good])).refuses(&["<RUN>"]);
}

#[test]
fn a_comparison_says_first_what_was_asked_for() {
    let root = scratch();
    let runs = [train(root.path(), "slow", "--lr 0.01"), train(root.path(), "fast", "--lr 0.1")];
    let out = root.path().join("both");
    let outcome = memorize("compare").with("--out", &out).and(&paths(&runs)).succeeds();
    let words: Vec<Vec<&str>> = outcome.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |name: &str| words.iter().position(|row| row.first() == Some(&name)).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(words[row("optimizer.learning_rate")], ["optimizer.learning_rate", "0.01", "0.1"]);
    assert!(row("optimizer.learning_rate") < row("f(W)"));
    assert!(!outcome.stdout.contains("data.samples"), "what is the same is not listed");
    assert!(page(&out).contains("In what the runs differ") && out.join("curves/all.png").exists());

    let outcome = memorize("compare --json").with("--out", &out).and(&paths(&runs)).succeeds();
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let found = value["results"].as_array().unwrap().iter().find(|row| row["key"] == "train_loss").unwrap();
    for (i, run) in runs.iter().enumerate() {
        assert_eq!(found["values"][i].as_f64(), Some(number(&summary(run), "train_loss")));
        assert_eq!(value["runs"][i]["folder"], run.display().to_string());
    }
    let keys: Vec<&str> =
        value["settings"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["optimizer.learning_rate", "run.name"]);
}

#[test]
fn a_run_says_where_it_is_from() {
    let root = scratch();
    let run = train(root.path(), "one", "");
    let provenance = &summary(&run)["provenance"];
    for field in ["cpu", "compiler", "commit"] {
        assert!(provenance[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {provenance}");
    }
    assert!(provenance["cores"].as_u64().is_some_and(|cores| cores > 0));
    let command = provenance["command"].as_str().unwrap();
    assert!(
        command.starts_with("memorize train --data synthetic --samples 20") && command.contains("--out"),
        "{command}"
    );
}

#[test]
fn runs_are_listed_filtered_and_sorted() {
    let root = scratch();
    for (name, rate) in [("slow", "0.01"), ("fast", "0.1"), ("group/none", "0.0001")] {
        train(root.path(), name, &format!("--lr {rate}"));
    }
    fs::create_dir(root.path().join("broken")).unwrap();
    fs::write(root.path().join("broken/summary.json"), "{").unwrap();
    let list = |more: &str| memorize("runs").and(&root.path().display().to_string()).and(more);
    let names = |more: &str| {
        let outcome = list(more).succeeds();
        assert!(outcome.stderr.contains("warning: ") && outcome.stderr.contains("broken"), "{}", outcome.stderr);
        let names = outcome.stdout.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["fast", "group-none", "slow"]);
    assert_eq!(names("--sort train_loss"), ["fast", "slow", "group-none"]);
    assert_eq!(names("--sort learning_rate --reverse --filter learning_rate>0.005"), ["fast", "slow"]);
    assert_eq!(names("--filter state=interrupted"), [""; 0]);
    list("--sort lerning_rate").refuses(&["lerning_rate", "did you mean `learning_rate`?"]);
    memorize("runs").and(&root.path().join("gone").display().to_string()).refuses(&["cannot look through", "hint: "]);
    let value: Value = serde_json::from_str(&list("--json --filter fast").succeeds().stdout).unwrap();
    assert_eq!(value["runs"][0]["config"]["optimizer"]["learning_rate"], 0.1);
    assert_eq!(value["runs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn runs_with_the_same_name_are_told_apart_by_their_folders() {
    let root = scratch();
    let run = train(root.path(), "one", "");
    let copy = root.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for file in ["config.toml", "metrics.csv", "summary.json"] {
        fs::copy(run.join(file), copy.join(file)).unwrap();
    }
    let out = root.path().join("both");
    let both = [run.clone(), copy.clone()];
    let text = memorize("compare").with("--out", &out).and(&paths(&both)).succeeds().stdout;
    for folder in &both {
        let name = format!("one ({})", folder.display());
        assert!(text.contains(&name) && page(&out).contains(&name), "{name}: {text}");
    }
    let json = memorize("compare --json").with("--out", &out).and(&paths(&both)).succeeds().stdout;
    let value: Value = serde_json::from_str(&json).unwrap();
    assert!((0..2).all(|i| value["runs"][i]["name"] == "one"), "JSON has the folders: {json}");
    let report = root.path().join("page");
    memorize("report").with("--out", &report).and(&paths(&both)).succeeds();
    assert!(page(&report).contains(&format!("one ({})", copy.display())));
}
