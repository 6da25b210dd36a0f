//! How people find their way: help, completions, pages of the manual.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{left, memorize, scratch, summary};

#[test]
fn help_lists_every_command_by_what_it_is_for() {
    let help = memorize("--help").succeeds().stdout;
    for heading in ["Train:", "Look at weights and samples:", "Look at runs:", "The program:", "Options:", "Examples:"]
    {
        assert!(help.lines().any(|line| line == heading), "no {heading:?} in:\n{help}");
    }
    assert!(help.contains("  reproduce    Run an experiment of the paper"), "{help}");
    memorize("reproduc synthetic").refuses(&["reproduce"]);
}

#[test]
fn shells_learn_commands_and_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = memorize(&format!("completions {shell}")).succeeds().stdout;
        for word in ["memorize", "condition", "checkpoint-minutes"] {
            assert!(script.contains(word), "{shell}: no {word:?}");
        }
    }
    memorize("completions tcsh").refuses(&["bash", "zsh"]);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = scratch();
    let pages = folder.path().join("man1");
    memorize("man").with("--", &pages).succeeds();
    for page in ["memorize.1", "memorize-train.1", "memorize-data-sample.1"] {
        assert!(String::from_utf8(left(&pages, page)).unwrap().contains(".TH"), "{page}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    memorize("man").with("--", &file).refuses(&["cannot write", "file/memorize"]);
    memorize("man").with("--", &pages).refuses(&["already exists", "--overwrite"]);
    memorize("man --overwrite").with("--", &pages).succeeds();
}

/// The keys of a JSON value, those of what is in it too.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_formats_name_every_key_of_json() {
    let formats = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md")).unwrap();
    // A setting's path names the sections that it is in.
    let named = |key: &str| ["`KEY", ".KEY`", ".KEY."].iter().any(|form| formats.contains(&form.replace("KEY", key)));
    let root = scratch();
    let run = root.path().join("run");
    let data = "--data synthetic --samples 12 --dim 4 --normalize";
    memorize(&format!("train {data} -r 10 --epochs 3 --quiet")).with("--out", &run).succeeds();
    for call in [
        &format!("train {data} -r 10 --epochs 3 --quiet --out PAGE-train"),
        "resume RUN",
        "reproduce synthetic --quick --quiet --out PAGE-reproduce",
        "runs RUN",
        "data info mnist RUN/checkpoint.safetensors",
        "bench --quick --filter adam-step --shape 50x6x4 --backend native",
        "bench --scaling --quick --filter adam-step --shape 50x6x4",
        "eval --run RUN",
        "certify --run RUN",
        "compare RUN RUN --out PAGE",
        &format!("condition {data} --noise 0.05"),
        &format!("condition {data} --features-k 11"),
        &format!("solve {data}"),
        &format!("race {data} --passes 3"),
        "capacity --dim 3 --seeds 1 --iterations 9 --ratios 0.5 --out PAGE-capacity",
    ] {
        let place = |text: &str, word: &str, path: &Path| text.replace(word, &path.display().to_string());
        let typed = place(&place(call, "RUN", &run), "PAGE", &root.path().join("page"));
        let outcome = memorize(&format!("{typed} --json")).succeeds();
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let command = if call.starts_with("data") { "data info" } else { call.split(' ').next().unwrap() };
        let header = format!(
            "{{\"schema\":1,\"version\":\"{}\",\"command\":\"{command}\",\"computed_with\":",
            env!("CARGO_PKG_VERSION")
        );
        assert!(outcome.stdout.starts_with(&header) && outcome.stdout.lines().count() == 1, "{}", outcome.stdout);
        let computes = !["runs", "data", "compare", "bench"].iter().any(|command| call.starts_with(command));
        assert_eq!(found["computed_with"].is_object(), computes, "{call}");
        if ["train", "resume"].contains(&command) {
            assert_eq!(found["summary"], summary(Path::new(found["folder"].as_str().unwrap())), "{call}");
        }
        let value = found;
        let mut found = BTreeSet::new();
        keys(&value, &mut found);
        assert!(found.len() > 3, "{call}");
        let missing: Vec<&String> = found.iter().filter(|key| !named(key)).collect();
        assert!(missing.is_empty(), "docs/formats.md lacks {missing:?} of {call}");
    }
}
