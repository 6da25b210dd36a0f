//! The command line as a whole: its commands by what they are for, and what was typed.

use std::ffi::OsString;
use std::fmt::Write;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::Cli;

/// Every command in one group.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Train", &["reproduce", "train", "resume", "solve", "race", "sweep"]),
    ("Look at weights and samples", &["eval", "certify", "condition", "capacity", "data"]),
    ("Look at runs", &["runs", "report", "compare"]),
    ("The program", &["config", "bench", "completions", "man", "help"]),
];

/// Columns of a command's name.
const NAME: usize = 13;

/// The program's command line, its commands in groups.
pub fn command() -> Command {
    let command = Cli::command();
    let mut text = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(text, "{heading}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print this message, or the help of a command".to_owned());
            let _ = writeln!(text, "  {name:<NAME$}{about}");
        }
        text.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}Options:\n{{options}}{{after-help}}"
    ))
}

/// What was typed, with the names of its command and of the one below it, as in `data info`.
///
/// # Errors
/// If it is no command of the program, or asks for help or the version: the error is what to print.
pub fn parse(typed: impl IntoIterator<Item = OsString>) -> Result<(Vec<String>, Cli), Error> {
    let typed: Vec<OsString> = typed.into_iter().collect();
    let matches = command().try_get_matches_from(&typed).map_err(|error| by_todays_name(error, &typed))?;
    let below = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand());
    let path = below.map(|(name, _)| name.to_owned()).collect();
    Ok((path, Cli::from_arg_matches(&matches)?))
}

/// The error, which proposes a flag by its name of today where the nearest one is a name from earlier versions.
fn by_todays_name(mut error: Error, typed: &[OsString]) -> Error {
    let Some(ContextValue::String(nearest)) = error.get(ContextKind::SuggestedArg) else { return error };
    let top = command();
    let mut here = &top;
    for word in typed.iter().skip(1).filter_map(|word| word.to_str()) {
        here = here.find_subcommand(word).unwrap_or(here);
    }
    let is_old = |argument: &&Arg| {
        let names = argument.get_all_aliases().unwrap_or_default();
        names.iter().any(|old| nearest.strip_prefix("--") == Some(old))
    };
    if let Some(name) = here.get_arguments().find(is_old).and_then(Arg::get_long) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{name}")));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut listed: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| *names).copied().filter(|&n| n != "help").collect();
        listed.sort_unstable();
        let cli = Cli::command();
        let mut there: Vec<&str> = cli.get_subcommands().map(Command::get_name).collect();
        there.sort_unstable();
        assert_eq!(listed, there);
        assert!(listed.iter().all(|name| name.len() < NAME));
    }

    /// Commands, and flags of theirs that had another name.
    const RENAMED: [(&str, &str, &str); 9] = [
        ("train --data mnist", "--beta1=0.8", "--adam-beta1=0.8"),
        ("train --data mnist", "--beta2=0.8", "--adam-beta2=0.8"),
        ("train --data mnist", "--epsilon=0.1", "--theory-epsilon=0.1"),
        ("train --data mnist", "--delta=0.2", "--theory-delta=0.2"),
        ("train --data mnist", "--c=0.5", "--theory-c=0.5"),
        ("condition --data mnist", "--epsilon=0.1", "--theory-epsilon=0.1"),
        ("condition --data mnist", "--delta=0.2", "--theory-delta=0.2"),
        ("solve --data mnist", "--tolerance=1e-3", "--stop-below=1e-3"),
        ("capacity", "--tolerance=1e-3", "--stop-below=1e-3"),
    ];

    fn typed(line: &str) -> Vec<OsString> {
        std::iter::once("memorize").chain(line.split_whitespace()).map(OsString::from).collect()
    }

    #[test]
    fn earlier_names_are_understood_and_not_shown() {
        for (command, old, new) in RENAMED {
            let read = |flag: &str| {
                let (_, cli) = parse(typed(&format!("{command} {flag}"))).unwrap();
                format!("{cli:?}")
            };
            assert_eq!(read(old), read(new), "{command}: {old}");
            let help = parse(typed(&format!("{command} --help"))).unwrap_err().to_string();
            let shown = |flag: &str| help.contains(&format!(" {} ", flag.split('=').next().unwrap()));
            assert!(shown(new) && !shown(old), "{command} --help: {old}, {new}");
        }
    }

    #[test]
    fn a_mistyped_earlier_name_gets_todays_as_a_tip() {
        for (command, old, new) in RENAMED {
            let (old, new) = (old.split('=').next().unwrap(), new.split('=').next().unwrap());
            let error = parse(typed(&format!("{command} {old}x=1"))).unwrap_err().to_string();
            assert!(!error.contains(&format!("'{old}'")), "{command} {old}: {error}");
            if old.len() > "--c".len() {
                assert!(error.contains(&format!("'{new}'")), "{command} {old}: {error}");
            }
        }
        let error = parse(typed("condition --data mnist --tolerence 1")).unwrap_err().to_string();
        assert!(error.contains("'--tolerance'"), "{error}");
    }
}
