//! What errors advise, against the flags that there are.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn names(text: &str) -> Vec<&str> {
    mentioned(text)
}

#[test]
fn flags_are_found_where_they_are_meant_for_this_command() {
    assert_eq!(
        names("give --inputs FILE (--lr), or --threads=2; --features-k"),
        ["inputs", "lr", "threads", "features-k"]
    );
    assert_eq!(names("all of the --pgd-* flags, a -- b, 1--2, --Xyz"), Vec::<&str>::new());
    assert_eq!(names("see `memorize train --help`, or --quiet"), ["quiet"]);
    assert_eq!(names("start over: memorize train --config C --out D"), Vec::<&str>::new());
    assert_eq!(names("cargo build --release\n--out DIR"), ["out"]);
}

#[test]
fn a_flag_of_another_command_is_explained() {
    let all = args::command();
    assert_eq!(flags(descend(&all, &["data".into(), "info".into()]).unwrap()).len(), 3);
    assert_eq!(
        note("neurons", "sweep").unwrap(),
        "`memorize sweep` has no --neurons, which is a flag of `memorize train`; in a configuration file it is \
         `network.neurons`"
    );
    assert_eq!(key_of("lr"), Some("optimizer.learning_rate"));
    assert_eq!(key_of("accelerated-gamma"), Some("optimizer.accelerated.gamma"));
    assert_eq!(
        note("resample", "train").unwrap(),
        "`memorize train` has no --resample, which is a flag of `memorize data sample`"
    );
    assert_eq!(note("xyzzy", "train"), None);
}

/// The sources of a crate, but for its tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The text of every string literal in a file, but for its tests and its comments.
fn literals(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    strings(&code.map(|line| format!("{line}\n")).collect::<String>())
}

/// The string literals in a piece of code, with lines that go on put together.
fn strings(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some(start) = rest.find('"') {
        let quoted_character = rest[..start].ends_with('\'') && rest[start + 1..].starts_with('\'');
        rest = &rest[start + 1..];
        if quoted_character {
            continue;
        }
        let (mut text, mut characters) = (String::new(), rest.char_indices());
        let mut end = rest.len();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, '\n')) => {
                        let gap = rest[at + 2..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
                        for _ in 0..gap {
                            characters.next();
                        }
                    }
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c)) => text.push(c),
                    None => {}
                },
                c => text.push(c),
            }
        }
        found.push(text);
        rest = &rest[end..];
    }
    found
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

#[test]
fn string_literals_are_found() {
    let code = "error(\"give \\\n   --inputs \\\"F\\\"\"); let c = '\"'; x(\"--lr\")";
    assert_eq!(strings(code), ["give --inputs \"F\"", "--lr"]);
}

/// Libraries do not know which command calls them.
#[test]
fn no_library_names_a_flag() {
    for name in ["kernels", "data", "train"] {
        let files = files(&sources(name));
        let literals: Vec<_> =
            files.iter().flat_map(|file| literals(file).into_iter().map(move |text| (file, text))).collect();
        assert!(literals.len() > 50, "{name}");
        for (file, text) in literals {
            assert_eq!(mentioned(&text), Vec::<&str>::new(), "{}: {text}", file.display());
        }
    }
}

/// The commands that reach the code of a file: those of the first entry whose path it begins with; all of them for the
/// rest, which is shared, and where [`notes`] explains what one of them lacks.
const REACHED_BY: [(&str, &[&str]); 33] = [
    ("cli/commands/bench", &["bench"]),
    ("cli/commands/capacity", &["capacity"]),
    ("cli/commands/certify", &["certify"]),
    ("cli/commands/condition", &["condition"]),
    ("cli/commands/eval", &["eval"]),
    ("cli/commands/race", &["race"]),
    ("cli/commands/reproduce", &["reproduce"]),
    ("cli/commands/resume", &["resume"]),
    ("cli/commands/runs", &["runs"]),
    ("cli/commands/solve", &["solve"]),
    ("cli/commands/stored", &["eval", "certify"]),
    ("cli/commands/sweep", &["train"]),
    ("cli/commands/train", &["train"]),
    ("cli/args/", &[]),
    ("run/settings/", &["train"]),
    ("run/layer", &["train"]),
    ("cli/bench", &["bench"]),
    ("cli/capacity", &["capacity"]),
    ("run/capacity", &["capacity"]),
    ("cli/condition/", &["condition"]),
    ("run/config/capacity", &["capacity"]),
    ("run/config/certificate", &["certify"]),
    ("run/config/condition", &["condition"]),
    ("run/config/evaluation", &["eval"]),
    ("run/config/race", &["race"]),
    ("analysis/page/", &["report", "compare"]),
    ("analysis/bench", &["bench"]),
    ("benches/", &["bench"]),
    ("cli/race/", &["race"]),
    ("run/run_folder", &["train"]),
    ("cli/tables/sample", &["data sample"]),
    ("cli/tables/picture", &["data sample"]),
    ("cli/tables/", &["data convert", "data sample"]),
];

/// Every flag that a message of the program names is one of a command that says it.
#[test]
fn every_flag_that_is_named_is_one_of_the_commands_that_name_it() {
    let all = args::command();
    let of = |name: &str| {
        let path: Vec<String> = name.split(' ').map(str::to_owned).collect();
        flags(descend(&all, &path).unwrap())
    };
    let mut seen = 0;
    let crates = ["run", "analysis", "benches", "cli"].map(|name| (name, sources(name)));
    let files = crates.iter().flat_map(|(name, root)| {
        let place = move |file: &Path| format!("{name}/{}", file.strip_prefix(root).unwrap().display());
        files(root).into_iter().map(move |file| (place(&file), file))
    });
    let files: Vec<(String, PathBuf)> = files.collect();
    for (start, _) in REACHED_BY {
        assert!(files.iter().any(|(place, _)| place.starts_with(start)), "there is nothing in {start}");
    }
    for (place, text) in
        files.iter().flat_map(|(place, file)| literals(file).into_iter().map(move |text| (place, text)))
    {
        let commands = REACHED_BY.iter().find(|(start, _)| place.starts_with(start)).map(|(_, commands)| *commands);
        for flag in mentioned(&text) {
            let anywhere = !owners(&all, flag, "").is_empty();
            let here = match commands {
                Some([]) | None => anywhere,
                Some(commands) => commands.iter().all(|name| of(name).contains(flag)),
            };
            assert!(here, "{place}: --{flag} in {text:?}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}
