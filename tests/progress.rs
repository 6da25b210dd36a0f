//! What a run says while it runs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{memorize, metrics, number, scratch, summary};

/// Twenty steps, the step size halved after ten, two checkpoints.
const SMALL: &str = "train --data synthetic --samples 40 --dim 8 --normalize -r 12 --optimizer adam --lr 0.01 --batch 20 \
                     --epochs 10 --lr-decay-every 5 --checkpoint-every 8";

/// The objects in JSON lines, and the name of each.
fn events(text: &str) -> (Vec<Value>, Vec<String>) {
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = text.lines().map(parse).collect();
    let names = lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    (lines, names)
}

fn the<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// The end says what the summary says.
fn assert_end(end: &Value, out: &Path, reason: &str) {
    let summary = summary(out);
    assert_eq!((&end["event"], &end["stopped"]), (&"end".into(), &reason.into()));
    assert_eq!(end["folder"].as_str(), out.to_str());
    for key in ["train_loss", "train_mse", "iterations", "wall_seconds"] {
        assert_eq!(number(end, key), number(&summary, key), "{key}");
    }
}

#[test]
fn a_run_is_told_in_json_from_start_to_end() {
    let root = scratch();
    let out = root.path().join("run");
    let said = memorize(SMALL).and("--log-format json").with("--out", &out).succeeds();
    let (lines, names) = events(&said.stderr);
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("start", "end"), "{names:?}");
    let start = &lines[0];
    for (field, value) in
        [("n", 40.0), ("d", 8.0), ("r", 12.0), ("iterations", 20.0), ("epochs", 10.0), ("iteration", 0.0)]
    {
        assert_eq!(number(start, field), value, "{field}");
    }
    assert_eq!((&start["dtype"], &start["optimizer"], &start["batch"]), (&"f32".into(), &"adam".into(), &20.into()));
    assert!(number(start, "memory") > 0.0 && start["folder"].as_str() == out.to_str());
    assert_end(&lines[lines.len() - 1], &out, "completed");

    let progress = the(&lines, "progress");
    assert!(progress.len() >= 2, "the first and the last step");
    assert!(
        progress.iter().all(|now| number(now, "loss") > 0.0 && now["seconds"].is_number() && now["epoch"].is_number())
    );
    let steps: Vec<f64> = the(&lines, "checkpoint").iter().map(|event| number(event, "iteration")).collect();
    assert_eq!(steps, [8.0, 16.0]);
    let formats = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md")).unwrap();
    let (_, table) = formats.split_once("| event | keys |").unwrap();
    for line in &lines {
        let row = format!("| `{}` | ", line["event"].as_str().unwrap());
        let row = table.lines().find(|text| text.starts_with(&row)).unwrap_or_else(|| panic!("no row: {row}"));
        for key in line.as_object().unwrap().keys().filter(|key| !["event", "name"].contains(&key.as_str())) {
            assert!(row.contains(&format!("`{key}`")), "docs/formats.md lacks {key} of {row}");
        }
    }
    let [rate] = the(&lines, "learning_rate")[..] else { panic!("{names:?}") };
    assert_eq!(
        (number(rate, "from"), number(rate, "to")),
        (0.01, number(progress[progress.len() - 1], "learning_rate"))
    );

    // There is nothing to do any more.
    let again = memorize("resume --log-format json").with("--", &out).succeeds();
    assert_eq!(again.stderr, "");
}

#[test]
fn a_run_that_fails_has_an_end_with_the_reason() {
    let root = scratch();
    let out = root.path().join("run");
    let data = "train --data synthetic --samples 40 --dim 8 --normalize -r 12";
    let call = memorize(data).and("--optimizer gd --lr 1e9 --iterations 50 --log-format json");
    let said = call.with("--out", &out).fails(1, &["error: "]).stderr;
    let json: Vec<&str> = said.lines().filter(|line| line.starts_with('{')).collect();
    let (lines, names) = events(&json.join("\n"));
    assert_eq!(
        (names[0].as_str(), &names[names.len() - 2..]),
        ("start", &["end".to_owned(), "error".to_owned()][..]),
        "{names:?}"
    );
    assert!(lines[..lines.len() - 1].iter().all(|line| line["name"] == "synthetic-r12-gd"), "{lines:?}");
    let end = &lines[lines.len() - 2];
    assert_eq!((&end["stopped"], &end["train_loss"]), (&"failed".into(), &Value::Null));
    assert_eq!((&lines[lines.len() - 1]["error"], &lines[lines.len() - 1]["code"]), (&end["error"], &1.into()));
    let listed = memorize("runs --json").with("--", root.path()).succeeds().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["runs"][0]["state"], &listed["runs"][0]["error"]), (&"failed".into(), &end["error"]));
    let error = end["error"].as_str().unwrap();
    assert!(said.contains(&format!("error: {}", error.lines().next().unwrap())), "{said}");
}

#[test]
fn what_is_wrong_before_a_run_begins_is_told_in_json_too() {
    let root = scratch();
    let out = root.path().join("full");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "").unwrap();
    let gone = root.path().join("gone");
    for (call, words) in [
        (memorize(SMALL).and("--log-format json").with("--out", &out), "is not empty"),
        (
            memorize("train --data synthetic --epochs 1 --log-format=json --neurons 3").with("--out", &gone),
            "must be even",
        ),
        (memorize("train --data synthetic --lern 3 --log-format json"), "--lern"),
        (memorize("resume --log-format json").with("--", &gone), "gone is not the folder of a run"),
        (memorize("reproduce nothing --log-format json"), "nothing"),
    ] {
        let said = call.run();
        let json: Vec<&str> = said.stderr.lines().filter(|line| line.starts_with('{')).collect();
        let (lines, names) = events(&json.join("\n"));
        assert_eq!((said.code, names.last().map(String::as_str)), (Some(2), Some("error")), "{}", said.stderr);
        let error = &lines[lines.len() - 1];
        assert!(error["error"].as_str().unwrap().contains(words) && error["code"] == 2, "{error}");
        assert!(said.stderr.lines().any(|line| line.starts_with("error: ")), "in words, too: {}", said.stderr);
    }
    assert!(!memorize("train --lern 3").run().stderr.contains('{'));
}

#[cfg(unix)]
#[test]
fn a_signal_is_told() {
    use crate::common::running::Running;

    let root = scratch();
    let out = root.path().join("run");
    let data = "train --data synthetic --samples 50 --dim 10 --normalize -r 20 --optimizer gd --lr 0.01";
    let mut run =
        Running::start(&format!("{data} --iterations 1000000000000 --record-every 1000 --log-format json"), &out);
    run.wait_for_records(&out.join("metrics.csv"));
    let output = run.signal("TERM");
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The word that ends every interrupted command comes after the run.
    let (lines, names) = events(stderr.strip_suffix("interrupted\n").unwrap());
    // The last record is told now if it has not been when it came.
    let end: Vec<&str> = names.iter().skip_while(|name| *name != "signal").map(String::as_str).collect();
    assert!(end == ["signal", "checkpoint", "progress", "end"] || end == ["signal", "checkpoint", "end"], "{names:?}");
    assert_end(&lines[lines.len() - 1], &out, "interrupted");
}

#[test]
fn details_are_told_when_asked_for_and_the_results_are_the_same() {
    let root = scratch();
    let (out, plain) = (root.path().join("run"), root.path().join("plain"));
    let said = memorize(SMALL).and("--verbose --threads 2").with("--out", &out).succeeds().stderr;
    let brief = memorize(SMALL).and("--threads 2").with("--out", &plain).succeeds().stderr;
    let parts = [
        "kernels: instruction set ",
        "threads 2",
        "SHA-256 ",
        "96 parameters",
        "copies of W ",
        "iterations an epoch: 2",
    ];
    let events =
        ["checkpoints: after every 8 steps", "iteration 8: checkpoint written", "iteration 10: lr 1.00e-2 -> "];
    for words in parts.iter().chain(&events).chain(&["time: ", "to evaluate"]) {
        assert!(said.contains(words) && !brief.contains(words), "{words:?} in:\n{said}\nor in:\n{brief}");
    }
    assert_eq!(number(&summary(&out), "train_loss"), number(&summary(&plain), "train_loss"));
    memorize(SMALL).and("--verbose --quiet").refuses(&["--verbose", "--quiet"]);
}

#[test]
fn without_a_terminal_there_is_no_chart_but_a_word_about_it() {
    let root = scratch();
    let said = memorize(SMALL).and("--live").with("--out", root.path().join("run")).succeeds().stderr;
    assert_eq!(said.lines().filter(|line| line.starts_with("no chart (--live)")).count(), 1, "{said}");
    assert!(said.contains("epoch 0.0/10") && !said.contains('┤') && !said.contains('\u{1b}'), "{said}");
    let out = root.path().join("json");
    let (lines, _) = events(&memorize(SMALL).and("--live --log-format json").with("--out", &out).succeeds().stderr);
    assert!(the(&lines, "note").iter().any(|note| note["text"].as_str().unwrap().starts_with("no chart (--live)")));
    assert_end(&lines[lines.len() - 1], &out, "completed");
    memorize(SMALL).and("--live --quiet").refuses(&["--live", "--quiet"]);
}

/// The files for TensorBoard in a folder, in the order of their names.
fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(found.iter().all(|path| path.to_str().unwrap().contains("events.out.tfevents.")), "{found:?}");
    found.sort();
    found
}

/// The records of such a file: a length, four bytes, so many bytes, four bytes.
fn event_records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        found.push(bytes[at + 12..at + 12 + length].to_vec());
        at += length + 16;
    }
    assert_eq!(at, bytes.len(), "a whole number of records");
    found
}

fn holds(record: &[u8], word: &str) -> bool {
    record.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn tensorboard_gets_an_event_for_every_record_and_the_results() {
    let root = scratch();
    let (out, plain, board) = (root.path().join("run"), root.path().join("plain"), root.path().join("board"));
    memorize(SMALL).and("--quiet").with("--out", &out).with("--tensorboard", &board).succeeds();
    memorize(SMALL).and("--quiet").with("--out", &plain).succeeds();
    let [file] = &event_files(&board.join("run"))[..] else { panic!("one process, one file") };
    let records = event_records(file);
    assert!(holds(&records[0], "brain.Event:2"));
    assert_eq!(records.len(), metrics(&out)["loss"].len() + 3, "the version, a start, every record, the results");
    for word in ["train/loss", "train/epoch", "train/learning_rate"] {
        assert!(records[2..records.len() - 1].iter().all(|record| holds(record, word)), "{word}");
    }
    assert!(["result/f", "result/mse"].iter().all(|word| holds(records.last().unwrap(), word)));
    assert_eq!(
        crate::common::left(&out, "checkpoint.safetensors"),
        crate::common::left(&plain, "checkpoint.safetensors")
    );

    // A folder that is a file is refused before anything is done.
    let (file, never) = (root.path().join("file"), root.path().join("never"));
    fs::write(&file, "").unwrap();
    let call = memorize(SMALL).with("--out", &never).with("--tensorboard", &file);
    call.refuses(&["cannot write events to", "hint: choose a folder", "--tensorboard DIR"]);
    assert!(!never.exists());
}
