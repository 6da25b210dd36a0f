//! `memorize sweep`: many runs of one file.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memorize_analysis::found::FoundRun;
use memorize_analysis::page::{self, Focus};
use memorize_analysis::sweep::{Row, csv, is_table, text};
use memorize_data::output::{self, Holder, Lock};
use memorize_data::{Output, Shown, small};
use memorize_run::error::{Error, WithHint};
use memorize_run::interrupt::Interrupt;
use memorize_run::layer::text_of;
use memorize_run::ranks::threads;
use memorize_run::run::already::Already;
use memorize_run::run::note_environment;
use memorize_run::run_folder::{
    CONFIG, Existing, FolderError, SWEEP_CSV, StopReason, lock, remove_leftovers, write_atomically,
};
use memorize_run::sweep::{Ended, Job, Log, Member, Plan, run};
use memorize_run::threads::default_count;

use super::in_this_process;
use crate::args::SweepArgs;
use crate::say;

/// The folder of the page.
const REPORT: &str = "report";

/// Longest first line of a table, in bytes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Runs what a file asks for, some runs at a time, each as `memorize train` or `memorize resume` would, and makes a
/// table and a page of what came out.
///
/// # Errors
/// Bad input if the file or one of its runs is wrong, or a folder holds another run: all are checked before the first
/// one begins. A failed run if any fails, or cannot be begun, after the others have ended.
pub fn sweep(arguments: &SweepArgs) -> Result<(), Error> {
    let mut plan = read(&arguments.file)?;
    if arguments.list {
        let lines: String = plan.members.iter().map(|member| format!("{}\n", member.name)).collect();
        return say::print(&lines);
    }
    plan.members.iter_mut().for_each(|member| note_environment(&mut member.config));
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let out = arguments.folder();
    let is_new = !out.exists();
    let unusable = |source| FolderError::Unusable { path: out.clone(), source };
    fs::create_dir_all(&out).map_err(unusable)?;
    let outcome = lock(&out).map_err(Error::from).and_then(|_lock| make(&plan, arguments, &out, &interrupt));
    if is_new && matches!(outcome, Err(Error::BadInput(_))) {
        // Nothing has come of it: it goes, if there is nothing in it.
        let _ = fs::remove_dir(&out);
    }
    outcome
}

/// Makes the runs of a plan in a folder whose lock is held.
fn make(plan: &Plan, arguments: &SweepArgs, out: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    let folders: Vec<PathBuf> = plan.members.iter().map(|member| out.join(&member.name)).collect();
    let existing = Existing::from_flag(arguments.overwrite);
    let note = |note: &str| {
        if !arguments.quiet {
            say::tell(&format!("note: {note}"));
        }
    };
    let begun = Instant::now();
    let there = plan.members.iter().zip(&folders).map(|(member, folder)| {
        let patience = PATIENCE.saturating_sub(begun.elapsed());
        if interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        look(member, folder, existing, patience, &note)
    });
    let there: Vec<There> = there.collect::<Result<_, _>>()?;
    let table =
        Output::new(&out.join(SWEEP_CSV), arguments.overwrite || is_ours(&out.join(SWEEP_CSV)), [&*arguments.file])?;
    page::check(&out.join(REPORT), arguments.overwrite)?;
    let left = remove_leftovers(out)?;

    let at_a_time = arguments.jobs.map_or(plan.jobs, usize::from);
    let threads = arguments.threads.map(usize::from).or_else(threads).unwrap_or_else(default_count);
    let threads = (threads / at_a_time).max(1);
    let configs = tempfile::Builder::new().prefix(output::TEMPORARY).tempdir_in(out);
    let configs =
        configs.map_err(|error| FolderError::Unusable { path: out.to_owned(), source: error.kind().into() })?;
    let common = common_arguments(arguments, threads);
    let mut rows: Vec<Row> = there.iter().zip(&folders).map(|(there, folder)| first_row(there, folder)).collect();
    let (mut waiting, mut jobs) = (Vec::new(), Vec::new());
    for (at, there) in there.iter().enumerate() {
        let There::May(already @ (Already::Nothing | Already::Stopped)) = there else { continue };
        match job(&plan.members[at], already, &folders[at], configs.path(), arguments.overwrite, &common) {
            Ok(job) => {
                waiting.push(at);
                jobs.push(job);
            }
            // It does not stop the others.
            Err(error) => rows[at].ended = Ended::Failed(error.to_string()),
        }
    }
    let complete = rows.iter().filter(|row| row.ended == Ended::Done).count();
    left.iter().for_each(|line| note(line));
    if complete > 0 && !arguments.quiet {
        say::tell(&format!("{complete} of {} runs are complete already", there.len()));
    }

    let rows: Mutex<Vec<Row>> = Mutex::new(rows);
    let rows_now = || rows.lock().unwrap_or_else(PoisonError::into_inner);
    let over = |job: usize, ended: &Ended| {
        let (at, mut rows) = (waiting[job], rows_now());
        rows[at] = Row::read(&folders[at], ended.clone());
        if !arguments.quiet {
            let left = rows.iter().filter(|row| row.ended == Ended::NotBegun).count();
            say::tell(&format!("{}: {}  ({left} to go)", plan.members[at].name, rows[at].line()));
        }
        // What a killed sweep leaves; the last one is written with the errors looked at.
        let _ = write_table(&table, plan, &rows);
    };
    run(&jobs, at_a_time, interrupt, in_this_process, &over, &note);
    write_table(&table, plan, &rows_now())?;
    conclude(out, arguments.overwrite, plan, &rows_now(), interrupt)
}

/// State of a member, or why it cannot be run at all.
enum There {
    May(Already),
    Elsewhere(Holder),
    Cannot(Error),
}

/// How long runs are waited for that another process is just ending, such as those of a sweep that was killed: it takes
/// them with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for a member. That another run has its folder is a mistake in the file or the folder's name, found before
/// anything is run; a folder that cannot be made is that member's alone.
fn look(
    member: &Member,
    folder: &Path,
    existing: Existing,
    patience: Duration,
    note: &dyn Fn(&str),
) -> Result<There, Error> {
    if let Some(holder) = Lock::holder_after(folder, patience) {
        return Ok(There::Elsewhere(holder));
    }
    let varied: Vec<&str> = member.varied.iter().map(|(key, _)| key.as_str()).collect();
    match Already::of(&member.config, folder, existing, true, true, &varied, note) {
        Ok(already) => Ok(There::May(already)),
        Err(error) if folder.join(CONFIG).exists() => Err(error),
        Err(error) => Ok(There::Cannot(error)),
    }
}

/// Whether a table is there that a sweep has left.
fn is_ours(table: &Path) -> bool {
    small::open_regular(table).is_ok_and(|file| {
        let mut begin = Vec::new();
        file.take(LONGEST_HEADER).read_to_end(&mut begin).is_ok() && is_table(&begin)
    })
}

/// The file's plan.
fn read(path: &Path) -> Result<Plan, Error> {
    Plan::in_file(path, &text_of(path)?)
        .map_err(|error| Error::BadInput(anyhow::Error::new(error).hint("`memorize sweep --help` shows such a file")))
}

/// Arguments that every run has.
fn common_arguments(arguments: &SweepArgs, threads: usize) -> Vec<OsString> {
    let mut common = vec!["--quiet".into(), "--threads".into(), threads.to_string().into()];
    if let Some(folder) = &arguments.tensorboard {
        common.extend(["--tensorboard".into(), folder.into()]);
    }
    common
}

/// The command that makes the rest of a run, or all of it. A new run finds its configuration in the folder `configs`.
fn job(
    member: &Member,
    there: &Already,
    folder: &Path,
    configs: &Path,
    overwrite: bool,
    common: &[OsString],
) -> Result<Job, Error> {
    let mut arguments: Vec<OsString> = match there {
        Already::Over(_) | Already::Stopped => vec!["resume".into(), folder.into()],
        Already::Nothing => {
            let config = configs.join(format!("{}.toml", member.name));
            write_atomically(&config, member.config.to_toml()?.as_bytes())?;
            let again = overwrite.then(|| "--overwrite".into());
            let train = ["train".into(), "--config".into(), config.into(), "--out".into(), folder.into()];
            train.into_iter().chain(again).collect()
        }
    };
    arguments.extend_from_slice(common);
    Ok(Job { arguments, folder: folder.to_owned() })
}

fn first_row(there: &There, folder: &Path) -> Row {
    match there {
        There::May(Already::Over(summary)) if summary.stopped == StopReason::Stalled => {
            Row::read(folder, Ended::Failed("the run did not get anywhere".to_owned()))
        }
        There::May(Already::Over(_)) => Row::read(folder, Ended::Done),
        There::May(_) => Row { ended: Ended::NotBegun, found: None },
        There::Elsewhere(holder) => Row::read(folder, Ended::Elsewhere(holder.to_string())),
        There::Cannot(error) => Row { ended: Ended::Failed(error.to_string()), found: None },
    }
}

fn write_table(table: &Output, plan: &Plan, rows: &[Row]) -> Result<(), Error> {
    let text = csv(plan, rows).map_err(Error::run_failed)?;
    // It is written anew as each run ends.
    output::write_atomically(table.path(), |file| file.write_all(&text)).map_err(|source| table.failed(source).into())
}

/// Prints the table, writes the page, and says how it all ended.
fn conclude(out: &Path, overwrite: bool, plan: &Plan, rows: &[Row], interrupt: &Interrupt) -> Result<(), Error> {
    say::print(&text(plan, rows))?;
    let failed: Vec<&str> = plan
        .members
        .iter()
        .zip(rows)
        .filter(|(_, row)| matches!(row.ended, Ended::Failed(_)))
        .map(|(member, _)| member.name.as_str())
        .collect();
    let found: Vec<FoundRun> = rows.iter().filter_map(|row| row.found.clone()).collect();
    say::print(&format!("\ntable: {}\n", out.join(SWEEP_CSV).shown()))?;
    if !found.is_empty() {
        let problems: Vec<String> = failed.iter().map(|name| format!("{name} failed")).collect();
        let index = page::write(&out.join(REPORT), overwrite, &found, &problems, Focus::Results)?;
        say::print(&format!("report: {}\n", index.shown()))?;
    }
    if interrupt.is_set() {
        return Err(Error::Interrupted);
    }
    let Some(first) = failed.first() else {
        // One that somebody else has told to stop can be gone on with, like all of them.
        if rows.iter().any(|row| row.ended == Ended::Interrupted) {
            return Err(Error::Interrupted);
        }
        let elsewhere = rows.iter().filter(|row| matches!(row.ended, Ended::Elsewhere(_))).count();
        if elsewhere > 0 {
            let error = anyhow::anyhow!("{elsewhere} of {} runs are made by another process", rows.len());
            return Err(Error::RunFailed(
                error.hint("the same command again, once it has ended, has them in its table"),
            ));
        }
        return Ok(());
    };
    let log = Log::beside(&out.join(first));
    let error = anyhow::anyhow!("{} of {} runs failed, {first} the first", failed.len(), rows.len());
    let said = log.path().map(|log| format!("what it said is in {}; ", log.shown())).unwrap_or_default();
    Err(Error::RunFailed(error.hint(format!("{said}the same command again goes on with what is not complete"))))
}
