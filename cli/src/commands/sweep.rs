//! `memorize sweep`: many runs of one file.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;

use crate::args::SweepArgs;
use crate::config::ConfigError;
use crate::exit::{CliError, WithHint};
use crate::layer::LONGEST;
use crate::page::{self, Focus};
use crate::report;
use crate::run::already::Already;
use crate::run::watch::Interrupt;
use crate::run_folder::{Existing, FolderError, FoundRun, write_atomically};
use crate::sweep::{Ended, Job, Plan, Row, csv, run, text};

/// The table.
const TABLE: &str = "sweep.csv";
/// The folder of the page.
const REPORT: &str = "report";

/// Runs what a file asks for, some runs at a time, each as `memorize train` or `memorize resume` would, and makes a table and a page of
/// what came out.
///
/// # Errors
/// Bad input if the file or one of its runs is wrong, or a folder holds another run: all are checked before the first one begins. A
/// failed run if any fails, after the others have ended.
pub fn sweep(arguments: &SweepArgs) -> Result<(), CliError> {
    let plan = read(&arguments.file)?;
    if arguments.list {
        let lines: String = plan.members.iter().map(|member| format!("{}\n", member.name)).collect();
        return report::print(&lines);
    }
    let out = arguments.folder();
    let folders: Vec<PathBuf> = plan.members.iter().map(|member| out.join(&member.name)).collect();
    let starts = plan.members.iter().zip(&folders);
    let starts = starts.map(|(member, folder)| Already::of(&member.config, folder, Existing::Refuse, true, true));
    let starts: Vec<Already> = starts.collect::<Result<_, _>>()?;
    page::check(&out.join(REPORT))?;
    fs::create_dir_all(&out).map_err(|source| FolderError::Unusable { path: out.clone(), source })?;

    let at_a_time = arguments.jobs.map_or(plan.jobs, usize::from);
    let threads = arguments.threads.map_or_else(rayon::current_num_threads, usize::from);
    let threads = (threads / at_a_time).max(1);
    let configs = tempfile::tempdir_in(&out)
        .context("cannot make a folder for the configurations")
        .map_err(CliError::RunFailed)?;
    let (mut jobs, mut numbers) = (Vec::new(), Vec::new());
    for (at, start) in starts.iter().enumerate() {
        let folder = &folders[at];
        let log = out.join(format!("{}.log", plan.members[at].name));
        let mut words: Vec<std::ffi::OsString> = match start {
            Already::Over(_) => continue,
            Already::Stopped => vec!["resume".into(), folder.into()],
            Already::Nothing => {
                let config = configs.path().join(format!("{at}.toml"));
                write_atomically(&config, plan.members[at].config.to_toml()?.as_bytes())?;
                vec!["train".into(), "--config".into(), config.into(), "--out".into(), folder.into()]
            }
        };
        words.extend(["--quiet".into(), "--threads".into(), threads.to_string().into()]);
        jobs.push(Job { arguments: words, log });
        numbers.push(at);
    }
    let skipped = plan.members.len() - jobs.len();
    if skipped > 0 && !arguments.quiet {
        eprintln!("{skipped} of {} runs are complete already", plan.members.len());
    }

    let rows: Vec<Row> = starts.iter().zip(&folders).map(|(start, folder)| first_row(start, folder)).collect();
    let rows = Mutex::new(rows);
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let over = |job: usize, ended: &Ended| {
        let at = numbers[job];
        let mut rows = rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rows[at] = Row::read(&folders[at], ended.clone());
        if !arguments.quiet {
            let left = rows.iter().filter(|row| row.ended == Ended::NotBegun).count();
            eprintln!("{}: {}  ({left} to go)", plan.members[at].name, rows[at].line());
        }
        // What a killed sweep leaves; the last one is written with the errors looked at.
        let _ = write_table(&out, &plan, &rows);
    };
    run(&jobs, at_a_time, &interrupt, &over);
    let rows = rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    write_table(&out, &plan, &rows)?;
    conclude(&out, &plan, &rows, &interrupt)
}

/// The file's plan. No more is read than a configuration may have.
fn read(path: &Path) -> Result<Plan, CliError> {
    let mut content = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST as u64 + 1).read_to_string(&mut content))
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Plan::in_file(path, &content).map_err(|error| {
        CliError::BadInput(anyhow::Error::new(error).hint("`memorize sweep --help` shows such a file"))
    })
}

fn first_row(start: &Already, folder: &Path) -> Row {
    match start {
        Already::Over(_) => Row::read(folder, Ended::Done),
        Already::Stopped | Already::Nothing => Row { ended: Ended::NotBegun, found: None },
    }
}

fn write_table(out: &Path, plan: &Plan, rows: &[Row]) -> Result<(), CliError> {
    let table = csv(plan, rows).map_err(CliError::run_failed)?;
    Ok(write_atomically(&out.join(TABLE), &table)?)
}

/// Prints the table, writes the page, and says how it all ended.
fn conclude(out: &Path, plan: &Plan, rows: &[Row], interrupt: &Interrupt) -> Result<(), CliError> {
    report::print(&text(plan, rows))?;
    let failed: Vec<&str> = plan
        .members
        .iter()
        .zip(rows)
        .filter(|(_, row)| matches!(row.ended, Ended::Failed(_)))
        .map(|(member, _)| member.name.as_str())
        .collect();
    let found: Vec<FoundRun> = rows.iter().filter_map(|row| row.found.clone()).collect();
    report::print(&format!("\ntable: {}\n", out.join(TABLE).display()))?;
    if !found.is_empty() {
        let problems: Vec<String> = failed.iter().map(|name| format!("{name} failed")).collect();
        let index = page::write(&out.join(REPORT), &found, &problems, Focus::Results)?;
        report::print(&format!("report: {}\n", index.display()))?;
    }
    if interrupt.is_set() {
        return Err(CliError::Interrupted);
    }
    let Some(first) = failed.first() else { return Ok(()) };
    let log = out.join(format!("{first}.log"));
    let error = anyhow::anyhow!("{} of {} runs failed, {first} the first", failed.len(), rows.len());
    Err(CliError::RunFailed(error.hint(format!(
        "what it said is in {}; the same command again goes on with what is not complete",
        log.display()
    ))))
}
