//! `memorize sweep`: many runs of one file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::args::SweepArgs;
use crate::exit::{CliError, WithHint};
use crate::layer::text_of;
use crate::page::{self, Focus};
use crate::report;
use crate::run::already::Already;
use crate::run::note_environment;
use crate::run::watch::Interrupt;
use crate::run_folder::{Existing, FolderError, FoundRun, SWEEP_CSV, write_atomically};
use crate::sweep::{Ended, Job, Member, Plan, Row, csv, run, text};
use crate::threads;

/// The folder of the page.
const REPORT: &str = "report";

/// Runs what a file asks for, some runs at a time, each as `memorize train` or `memorize resume` would, and makes a table and a page of
/// what came out.
///
/// # Errors
/// Bad input if the file or one of its runs is wrong, or a folder holds another run: all are checked before the first one begins. A
/// failed run if any fails, after the others have ended.
pub fn sweep(arguments: &SweepArgs) -> Result<(), CliError> {
    let mut plan = read(&arguments.file)?;
    if arguments.list {
        let lines: String = plan.members.iter().map(|member| format!("{}\n", member.name)).collect();
        return report::print(&lines);
    }
    plan.members.iter_mut().for_each(|member| note_environment(&mut member.config));
    let out = arguments.folder();
    let folders: Vec<PathBuf> = plan.members.iter().map(|member| out.join(&member.name)).collect();
    let there = plan.members.iter().zip(&folders);
    let there = there.map(|(member, folder)| Already::of(&member.config, folder, Existing::Refuse, true, true));
    let there: Vec<Already> = there.collect::<Result<_, _>>()?;
    page::check(&out.join(REPORT))?;
    fs::create_dir_all(&out).map_err(|source| FolderError::Unusable { path: out.clone(), source })?;

    let at_a_time = arguments.jobs.map_or(plan.jobs, usize::from);
    let threads = arguments.threads.map_or_else(threads::default_count, usize::from);
    let threads = (threads / at_a_time).max(1);
    let configs = tempfile::tempdir_in(&out)
        .context("cannot make a folder for the configurations")
        .map_err(CliError::RunFailed)?;
    let left: Vec<usize> = (0..there.len()).filter(|&at| !matches!(there[at], Already::Over(_))).collect();
    let common = common_arguments(arguments, threads);
    let job = |&at: &usize| job(&plan.members[at], &there[at], &folders[at], configs.path(), &common);
    let jobs: Vec<Job> = left.iter().map(job).collect::<Result<_, _>>()?;
    if left.len() < there.len() && !arguments.quiet {
        eprintln!("{} of {} runs are complete already", there.len() - left.len(), there.len());
    }

    let rows = there.iter().zip(&folders).map(|(there, folder)| first_row(there, folder));
    let rows: Mutex<Vec<Row>> = Mutex::new(rows.collect());
    let rows_now = || rows.lock().unwrap_or_else(PoisonError::into_inner);
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let over = |job: usize, ended: &Ended| {
        let (at, mut rows) = (left[job], rows_now());
        rows[at] = Row::read(&folders[at], ended.clone());
        if !arguments.quiet {
            let left = rows.iter().filter(|row| row.ended == Ended::NotBegun).count();
            eprintln!("{}: {}  ({left} to go)", plan.members[at].name, rows[at].line());
        }
        // What a killed sweep leaves; the last one is written with the errors looked at.
        let _ = write_table(&out, &plan, &rows);
    };
    let note = |note: &str| {
        if !arguments.quiet {
            eprintln!("note: {note}");
        }
    };
    run(&jobs, at_a_time, &interrupt, &over, &note);
    write_table(&out, &plan, &rows_now())?;
    conclude(&out, &plan, &rows_now(), &interrupt)
}

/// The file's plan.
fn read(path: &Path) -> Result<Plan, CliError> {
    Plan::in_file(path, &text_of(path)?).map_err(|error| {
        CliError::BadInput(anyhow::Error::new(error).hint("`memorize sweep --help` shows such a file"))
    })
}

/// Arguments that every run has.
fn common_arguments(arguments: &SweepArgs, threads: usize) -> Vec<OsString> {
    let mut common = vec!["--quiet".into(), "--threads".into(), threads.to_string().into()];
    if let Some(folder) = &arguments.tensorboard {
        common.extend(["--tensorboard".into(), folder.into()]);
    }
    common
}

/// What makes the rest of a run, or all of it. A run that is new finds its configuration in the folder `configs`.
fn job(member: &Member, there: &Already, folder: &Path, configs: &Path, common: &[OsString]) -> Result<Job, CliError> {
    let mut arguments: Vec<OsString> = match there {
        Already::Over(_) | Already::Stopped => vec!["resume".into(), folder.into()],
        Already::Nothing => {
            let config = configs.join(format!("{}.toml", member.name));
            write_atomically(&config, member.config.to_toml()?.as_bytes())?;
            vec!["train".into(), "--config".into(), config.into(), "--out".into(), folder.into()]
        }
    };
    arguments.extend_from_slice(common);
    Ok(Job { arguments, log: log_of(folder) })
}

/// Where what a run says goes: beside its folder.
fn log_of(folder: &Path) -> PathBuf {
    let mut log = folder.as_os_str().to_owned();
    log.push(".log");
    log.into()
}

fn first_row(there: &Already, folder: &Path) -> Row {
    match there {
        Already::Over(_) => Row::read(folder, Ended::Done),
        Already::Stopped | Already::Nothing => Row { ended: Ended::NotBegun, found: None },
    }
}

fn write_table(out: &Path, plan: &Plan, rows: &[Row]) -> Result<(), CliError> {
    let table = csv(plan, rows).map_err(CliError::run_failed)?;
    Ok(write_atomically(&out.join(SWEEP_CSV), &table)?)
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
    report::print(&format!("\ntable: {}\n", out.join(SWEEP_CSV).display()))?;
    if !found.is_empty() {
        let problems: Vec<String> = failed.iter().map(|name| format!("{name} failed")).collect();
        let index = page::write(&out.join(REPORT), &found, &problems, Focus::Results)?;
        report::print(&format!("report: {}\n", index.display()))?;
    }
    if interrupt.is_set() {
        return Err(CliError::Interrupted);
    }
    let Some(first) = failed.first() else { return Ok(()) };
    let log = log_of(&out.join(first));
    let error = anyhow::anyhow!("{} of {} runs failed, {first} the first", failed.len(), rows.len());
    Err(CliError::RunFailed(error.hint(format!(
        "what it said is in {}; the same command again goes on with what is not complete",
        log.display()
    ))))
}
