//! Folders of runs with something else in the place of their files: nothing hangs, nothing takes all memory, nothing
//! panics.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::common::{PROGRAM, memorize, mnist_folder, scratch};

/// What a command came to within half a minute and 2 GB.
fn bounded(arguments: &[&str]) -> (Option<i32>, String) {
    let line = "ulimit -v 2000000; exec \"$0\" \"$@\"";
    let mut command = assert_cmd::Command::new("bash");
    command.args(["-c", line, PROGRAM]).args(arguments).env("MEMORIZE_DATA_DIR", mnist_folder());
    let output = command.timeout(Duration::from_secs(30)).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_devices_and_endless_files_in_the_place_of_a_runs() {
    let root = scratch();
    let [good, page] = ["good", "page"].map(|name| root.path().join(name));
    memorize("train --quiet --data synthetic --samples 20 --dim 6 --optimizer solve").with("--out", &good).succeeds();
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 6] = [
        ("a pipe", pipe),
        ("zeros without end", |path| symlink("/dev/zero", path).unwrap()),
        ("a terabyte", |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap()),
        ("a folder", |path| fs::create_dir(path).unwrap()),
        ("a line without end", |path| fs::write(path, vec![b'7'; 50 << 20]).unwrap()),
        ("brackets", |path| fs::write(path, vec![b'['; 1 << 20]).unwrap()),
    ];
    for file in ["config.toml", "summary.json", "metrics.csv", "checkpoint.safetensors", "failed.json"] {
        for (what, spoil) in &spoils {
            let run = root.path().join("spoiled");
            fs::create_dir(&run).unwrap();
            for entry in fs::read_dir(&good).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), run.join(entry.file_name())).unwrap();
            }
            let _ = fs::remove_file(run.join(file));
            spoil(&run.join(file));
            let [run_text, page_text] = [&run, &page].map(|path| path.to_str().unwrap());
            let weights = run.join("checkpoint.safetensors");
            for arguments in [
                &["runs", run_text][..],
                &["report", run_text, "--out", page_text, "--overwrite"],
                &["resume", run_text],
                &["eval", "--run", run_text],
                &["data", "info", weights.to_str().unwrap()],
                &["train", "--config", run.join("config.toml").to_str().unwrap(), "--out", page_text],
            ] {
                // One who names a pipe as the configuration is waited for.
                if arguments[0] == "train" && *what == "a pipe" {
                    continue;
                }
                let (code, said) = bounded(arguments);
                assert!(matches!(code, Some(0..=2)), "{what} as {file}: {arguments:?} ended with {code:?}: {said}");
                assert!(!said.contains("panicked"), "{what} as {file}: {arguments:?}: {said}");
            }
            fs::remove_dir_all(&run).unwrap();
        }
    }
}

#[test]
fn a_name_of_any_length_is_listed() {
    let root = scratch();
    let run = root.path().join("run");
    memorize("train --quiet --data synthetic --samples 20 --dim 6 --optimizer solve").with("--out", &run).succeeds();
    let text = fs::read_to_string(run.join("summary.json")).unwrap();
    let mut summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    summary["name"] = "n".repeat(70_000).into();
    summary["isa"] = "i".repeat(70_000).into();
    summary["paper"] = "p".repeat(70_000).into();
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    for arguments in ["runs", "compare --overwrite", "report --overwrite"] {
        let page = root.path().join("page");
        let call = memorize(arguments).with_bare(&run);
        let call = if arguments == "runs" { call } else { call.with_bare(&run).with("--out", &page) };
        let outcome = call.succeeds();
        assert!(outcome.stdout.lines().all(|line| line.len() < 4096), "{arguments}");
    }
}

#[test]
fn nothing_from_outside_commands_the_terminal() {
    const ESCAPE: &str = "\u{1b}[31mred\u{1b}[0m\u{7}";
    let root = scratch();
    let clean = |outcome: &super::common::Outcome, what: &str| {
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{what}: {said:?}");
    };
    // Names of tensors, and metadata.
    let file = root.path().join("tensors.safetensors");
    let name = ESCAPE.replace('\u{1b}', "\\u001b").replace('\u{7}', "\\u0007");
    let header = format!(
        "{{\"__metadata__\":{{\"{name}\":\"{name}\"}},\"{name}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}"
    );
    let mut out = fs::File::create(&file).unwrap();
    out.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    out.write_all(header.as_bytes()).unwrap();
    out.write_all(&[0; 4]).unwrap();
    clean(&memorize("data info").with_bare(&file).run(), "tensors");
    clean(&memorize("eval").with("--weights", &file).with("--inputs", &file).run(), "weights");
    // The header of an array.
    let npy = root.path().join("a.npy");
    let text = format!("{{'descr': '{ESCAPE}', 'fortran_order': False, 'shape': (1,), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    fs::write(&npy, bytes).unwrap();
    clean(&memorize("data info").with_bare(&npy).run(), "an array");
    clean(
        &memorize("train -r 2 --epochs 1").with("--inputs", &npy).with("--out", root.path().join("x")).run(),
        "an array",
    );
    // Lines of a configuration.
    let config = root.path().join("job.toml");
    for text in
        [format!("[run]\nname = {ESCAPE}\n"), format!("[run]\n\"{ESCAPE}\" = 1\n"), format!("# {ESCAPE}\n[[[\n")]
    {
        fs::write(&config, text).unwrap();
        clean(
            &memorize("train").with("--config", &config).with("--out", root.path().join("x")).run(),
            "a configuration",
        );
    }
    // Folders, and what summaries say.
    let run = root.path().join(format!("run{ESCAPE}"));
    clean(
        &memorize("train --data synthetic --samples 20 --dim 6 --optimizer solve").with("--out", &run).succeeds(),
        "a folder",
    );
    let text = fs::read_to_string(run.join("summary.json")).unwrap();
    let mut summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    for field in ["name", "isa", "init", "paper", "instead", "version"] {
        summary[field] = ESCAPE.into();
    }
    summary["warnings"] = vec![ESCAPE].into();
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    fs::write(run.join("failed.json"), format!("{{\"error\": \"{name}\", \"code\": 1, \"version\": \"\"}}")).unwrap();
    for command in ["runs", "report --out page", "compare --out page", "resume"] {
        let command = command.replace("page", root.path().join("page").to_str().unwrap());
        let call = memorize(&command).with_bare(&run);
        clean(&if command.starts_with("compare") { call.with_bare(&run) } else { call }.run(), &command);
    }
}
