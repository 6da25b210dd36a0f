//! The list of commands in `memorize --help`, by what they are for.

use std::fmt::Write;

use clap::{Command, CommandFactory, FromArgMatches};

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
pub fn parse() -> Result<(Vec<String>, Cli), clap::Error> {
    let matches = command().try_get_matches()?;
    let below = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand());
    let path = below.map(|(name, _)| name.to_owned()).collect();
    Ok((path, Cli::from_arg_matches(&matches)?))
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
}
