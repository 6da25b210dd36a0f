//! Advice that can be followed: which flags the command has that runs.
//!
//! Libraries name no flags. The advice of this crate is shared by commands with different flags, and by configuration
//! files; so whatever an error names that its command lacks is explained in a line of its own, see [`notes`].

use std::collections::BTreeSet;
use std::sync::OnceLock;

use clap::Command;
use memorize_run::layer::Layer;
use memorize_run::settings::{Group, Setting};

use crate::args;

/// Commands that are named as the owners of a flag, at most.
const OWNERS: usize = 3;

static HERE: OnceLock<Here> = OnceLock::new();

/// A command and its flags.
#[derive(Debug)]
struct Here {
    name: String,
    flags: BTreeSet<String>,
}

/// Remembers which command runs: its name, and those of the commands below it, as in `data info`.
pub fn enter(path: &[String]) {
    if let Some(command) = descend(&args::command(), path) {
        let here = Here { name: path.join(" "), flags: flags(command) };
        // Once in a process; a later one would be another command's within it.
        let _ = HERE.set(here);
    }
}

/// Whether the command that runs has this flag; without a command, as in a test, it has them all.
pub fn has(flag: &str) -> bool {
    HERE.get().is_none_or(|here| here.flags.contains(flag))
}

/// A line for each flag that a text names and that the command that runs does not have.
pub fn notes(text: &str) -> Vec<String> {
    let Some(here) = HERE.get() else { return Vec::new() };
    let strange: BTreeSet<&str> = mentioned(text).into_iter().filter(|flag| !here.flags.contains(*flag)).collect();
    strange.into_iter().filter_map(|flag| note(flag, &here.name)).collect()
}

/// Explains a flag that a command does not have; nothing if no command has it.
fn note(flag: &str, command: &str) -> Option<String> {
    let all = args::command();
    let mut owners = owners(&all, flag, "");
    if owners.is_empty() {
        return None;
    }
    let key = key_of(flag).map(|key| format!("; in a configuration file it is `{key}`")).unwrap_or_default();
    // Of those with the same settings, `train` is the one that is known.
    if let Some(train) = owners.iter().position(|owner| owner == "train") {
        owners = vec![owners.swap_remove(train)];
    }
    owners.truncate(OWNERS);
    let owners: Vec<String> = owners.iter().map(|owner| format!("`memorize {owner}`")).collect();
    Some(format!("`memorize {command}` has no --{flag}, which is a flag of {}{key}", owners.join(", ")))
}

/// The key of a flag, with its section, if it is one of those that a configuration file has keys for.
fn key_of(flag: &str) -> Option<&'static str> {
    let of_flag = |setting: &&Setting| setting.flag.is_some_and(|own| own.long == flag);
    Layer::settings().into_iter().find(of_flag).map(|setting| setting.path)
}

/// The commands that have a flag.
fn owners(command: &Command, flag: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for below in command.get_subcommands() {
        let path = format!("{path}{}", below.get_name());
        if flags(below).contains(flag) {
            found.push(path.clone());
        }
        found.extend(owners(below, flag, &format!("{path} ")));
    }
    found
}

fn descend<'a>(command: &'a Command, path: &[String]) -> Option<&'a Command> {
    path.iter().try_fold(command, |command, name| command.find_subcommand(name))
}

/// The long names of a command's flags, without the dashes.
fn flags(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_long);
    own.chain(["help", "version"]).map(str::to_owned).collect()
}

/// The flags in a text, without their dashes: not those within backticks or behind a program's name, which are that
/// program's.
fn mentioned(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, part) in line.split('`').enumerate() {
            if at % 2 == 1 {
                continue;
            }
            let own = ["memorize ", "cargo ", "mpirun "].iter().filter_map(|program| part.find(program)).min();
            let part = &part[..own.unwrap_or(part.len())];
            for (start, _) in part.match_indices("--") {
                let before = part[..start].chars().next_back();
                let rest = &part[start + 2..];
                let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
                let flag = &rest[..end.unwrap_or(rest.len())];
                let begins = before.is_none_or(|c| c.is_whitespace() || "(\"'/".contains(c));
                // `--pgd-*` stands for several.
                if begins && flag.starts_with(|c: char| c.is_ascii_lowercase()) && !flag.ends_with('-') {
                    found.push(flag);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
