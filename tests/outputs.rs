//! Files that commands are told to write: where they may go, what happens to what is there, and who says so when.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use memorize_data::Table;
use tempfile::TempDir;

use crate::common::{Call, Numbers, PROGRAM, memorize, scratch, signs, write_inputs, write_targets, write_weights};

/// A folder with samples, targets and weights.
fn ground() -> TempDir {
    let root = scratch();
    let mut numbers = Numbers::new(5);
    write_inputs(&root.path().join("x.npy"), &numbers.dense(20, 4));
    write_targets(&root.path().join("y.npy"), &numbers.values(20));
    write_weights(&root.path().join("w.st"), &numbers.dense(4, 6), &signs(6));
    root
}

/// A call that writes to the path that it is given.
type Writer = Box<dyn Fn(&Path) -> Call>;

/// Every command that writes a file of a name that is given, with that flag, and its inputs.
fn writers(root: &Path) -> Vec<(&'static str, Writer)> {
    let at = |name: &str| root.join(name);
    let (x, y, w) = (at("x.npy"), at("y.npy"), at("w.st"));
    let data = {
        let (x, y) = (x.clone(), y.clone());
        move |call: Call| call.with("--inputs", &x).with("--targets", &y)
    };
    let (solve, eval, race) = (data.clone(), data.clone(), data);
    let x2 = x.clone();
    vec![
        ("w", Box::new(move |out: &Path| solve(memorize("solve --quiet --normalize")).with("--out", out))),
        ("g.npy", Box::new(move |out: &Path| eval(memorize("eval").with("--weights", &w)).with("--gradient-out", out))),
        (
            "c.csv",
            Box::new(move |out: &Path| {
                race(memorize("race --quiet --normalize --optimizer gd --passes 3")).with("--curves", out)
            }),
        ),
        ("x2.npy", Box::new(move |out: &Path| memorize("data convert --format npy").with("--", &x).with_bare(out))),
        (
            "s.npy",
            Box::new(move |out: &Path| {
                memorize("data sample --rows 3 --format npy").with("--out", out).with("--", &x2)
            }),
        ),
    ]
}

#[test]
fn a_file_is_replaced_only_when_asked_for_and_keeps_links_and_permissions() {
    let root = ground();
    for (name, write) in writers(root.path()) {
        let (target, link) = (root.path().join(format!("real-{name}")), root.path().join(name));
        fs::write(&target, "precious").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &link).unwrap();
        let refused = write(&link).refuses(&["already exists", "--overwrite", name]);
        assert!(!refused.stderr.contains(".memorize-"), "{}", refused.stderr);
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        write(&link).and_first("--overwrite").succeeds();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{name}");
        assert_ne!(fs::read(&target).unwrap(), b"precious", "{name}");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o640, "{name}");
    }
}

#[test]
fn folders_that_are_missing_are_made_and_places_that_cannot_be_had_are_named_as_given() {
    let root = ground();
    for (name, write) in writers(root.path()) {
        let out = root.path().join("new").join(name).join(name);
        write(&out).succeeds();
        assert!(fs::metadata(&out).unwrap().len() > 0, "{name}");
        let below = root.path().join("x.npy/below");
        let refused = write(&below).refuses(&["cannot write", "x.npy/below", "a file where a folder is needed"]);
        assert!(!refused.stderr.contains(".memorize-"), "{}", refused.stderr);
        write(root.path()).refuses(&["is a folder"]);
    }
}

#[test]
fn an_input_is_never_an_output() {
    let root = ground();
    let (x, alias) = (root.path().join("x.npy"), root.path().join("alias.npy"));
    symlink("x.npy", &alias).unwrap();
    let before = fs::read(&x).unwrap();
    for (name, write) in writers(root.path()) {
        for input in [&x, &alias] {
            let said = write(input).and_first("--overwrite").refuses(&["is one of the inputs", "name another file"]);
            assert_eq!(fs::read(&x).unwrap(), before, "{name}: {}", said.stderr);
        }
    }
    let both = memorize("data sample --rows 3").with("--out", root.path().join("a.npy"));
    both.with("--targets-out", root.path().join("./a.npy"))
        .with("--targets", root.path().join("y.npy"))
        .with("--", &x)
        .refuses(&["are the same file"]);
}

#[test]
fn a_device_stays_one() {
    let root = ground();
    for (_, write) in writers(root.path()) {
        write(Path::new("/dev/null")).succeeds();
        let full = write(Path::new("/dev/full")).run();
        assert_eq!(full.code, Some(1), "{}", full.stderr);
        assert!(full.stderr.contains("/dev/full") && full.stderr.contains("make space"), "{}", full.stderr);
    }
}

#[test]
fn a_result_on_the_standard_output_is_nothing_but_the_result() {
    let root = ground();
    let x = root.path().join("x.npy");
    for (how, file) in [("> ", "file.npy"), ("| cat > ", "piped.npy")] {
        let script = format!("{PROGRAM} data convert {} /dev/stdout --format npy {how}{file}", x.display());
        let shell = Command::new("sh").args(["-c", &script]).current_dir(root.path()).stderr(Stdio::piped()).output();
        let said = String::from_utf8(shell.unwrap().stderr).unwrap();
        assert!(said.contains("20 x 4"), "{said}");
        assert_eq!(fs::read(root.path().join(file)).unwrap(), fs::read(&x).unwrap(), "{how}");
    }
}

#[test]
fn two_files_that_belong_together_are_there_both_or_neither() {
    let root = ground();
    let at = |name: &str| root.path().join(name);
    let sample = |out: &str, targets: &Path| {
        let call = memorize("data sample --rows 5 --format npy").with("--out", at(out)).with("--targets-out", targets);
        call.with("--targets", at("y.npy")).with("--", at("x.npy"))
    };
    sample("a.npy", Path::new("/dev/full")).fails(1, &["/dev/full"]);
    assert!(!at("a.npy").exists());
    sample("a.npy", &at("x.npy/no")).refuses(&["x.npy/no"]);
    // Numbers that do not exist in the type asked for.
    let call = memorize("data sample --rows 5 --type u8").with("--out", at("a.npy")).with("--targets-out", at("b.npy"));
    call.with("--targets", at("y.npy")).with("--", at("x.npy")).refuses(&["u8"]);
    assert!(!at("a.npy").exists() && !at("b.npy").exists());
    sample("a.npy", &at("b.npy")).succeeds();
    let rows = [at("a.npy"), at("b.npy")].map(|path| Table::open(&path).unwrap().rows());
    assert_eq!(rows, [5, 5]);
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".memorize-")), "{left:?}");
}

#[test]
fn a_runs_folder_keeps_its_links_and_is_refused_with_what_is_no_file() {
    let root = ground();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("run")).unwrap();
    fs::create_dir(at("disk")).unwrap();
    for name in ["checkpoint.safetensors", "metrics.csv", "summary.json"] {
        fs::write(at("disk").join(name), "old").unwrap();
        symlink(at("disk").join(name), at("run").join(name)).unwrap();
    }
    let train = || {
        let call = memorize("train --quiet --normalize -r 4 --epochs 1 --overwrite").with("--out", at("run"));
        call.with("--inputs", at("x.npy")).with("--targets", at("y.npy"))
    };
    train().succeeds();
    for name in ["checkpoint.safetensors", "metrics.csv", "summary.json"] {
        assert!(fs::symlink_metadata(at("run").join(name)).unwrap().is_symlink(), "{name}");
        assert_ne!(fs::read(at("disk").join(name)).unwrap(), b"old", "{name}");
    }
    fs::create_dir_all(at("run/failed.json")).unwrap();
    train().refuses(&["failed.json", "no regular file", "remove it"]);
    let below = memorize("train --data synthetic -r 4 --epochs 1").with("--out", at("x.npy/run"));
    below.refuses(&["x.npy/run", "--out DIR"]);
}
