//! How people find their way: help, completions, pages of the manual.

mod common;

use std::fs;

use common::{left, memorize, scratch};

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
