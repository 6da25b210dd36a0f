//! `memorize report` and `memorize compare`: what runs have left, on a page.

use std::path::PathBuf;

use memorize_analysis::comparison::Comparison;
use memorize_analysis::found::{FoundRun, NoRun, distinguish};
use memorize_analysis::page::{self, Focus};
use memorize_data::Shown;
use memorize_run::error::Error;

use crate::args::{CompareArgs, ReportArgs};
use crate::say::{self, print, print_exact};

/// Writes a page about runs.
///
/// # Errors
/// Bad input if none of the folders has a run in it, or the page cannot be put where it should. One that has none among
/// others that do is warned of, on the page too.
pub fn report(arguments: &ReportArgs) -> Result<(), Error> {
    let (mut runs, problems) = read(&arguments.runs, 1)?;
    distinguish(&mut runs);
    let index = page::write(&arguments.out, arguments.overwrite, &runs, &problems, Focus::Results)?;
    let noun = if runs.len() == 1 { "run" } else { "runs" };
    print(&format!("{} {noun}: {}\n", runs.len(), index.shown()))
}

/// Prints in what runs differ, and writes a page with their curves over each other.
///
/// # Errors
/// As [`report`], but two of the folders must have a run if one has none: what is left would be compared with nothing.
pub fn compare(arguments: &CompareArgs) -> Result<(), Error> {
    let (mut runs, problems) = read(&arguments.runs, 2)?;
    // As they are: JSON has the folders, too.
    let json = say::json("compare", None, &Comparison::of(&runs));
    distinguish(&mut runs);
    let index = page::write(&arguments.out, arguments.overwrite, &runs, &problems, Focus::Differences)?;
    if arguments.json {
        return print_exact(&json);
    }
    print(&format!("{}curves: {}\n", Comparison::of(&runs).text(), index.shown()))
}

/// The runs in folders, and what is wrong with folders that have none; an error if that leaves fewer runs than are
/// needed.
fn read(folders: &[PathBuf], at_least: usize) -> Result<(Vec<FoundRun>, Vec<String>), Error> {
    let (mut runs, mut refused): (Vec<FoundRun>, Vec<NoRun>) = (Vec::new(), Vec::new());
    for folder in folders {
        match FoundRun::read(folder) {
            Ok(run) => runs.push(run),
            Err(error) => refused.push(error),
        }
    }
    if runs.len() < at_least
        && let Some(first) = refused.pop()
    {
        return Err(first.into());
    }
    let of_runs =
        runs.iter().flat_map(|run| run.problems.iter().map(|problem| format!("{}: {problem}", run.folder.shown())));
    let problems: Vec<String> = refused.iter().map(ToString::to_string).collect();
    for problem in problems.iter().cloned().chain(of_runs) {
        say::tell(&format!("warning: {problem}"));
    }
    Ok((runs, problems))
}
