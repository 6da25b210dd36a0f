//! The runs of a sweep, some at a time, each a process of its own: one that crashes or is killed takes no other with
//! it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use memorize_data::output::Lock;

use super::log::{self, Log};
use crate::error::{Error, INTERRUPTED};
use crate::interrupt::{Interrupt, PARENT};

/// How often a run is asked whether it is over.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Arguments of the program.
    pub arguments: Vec<OsString>,
    /// The run's folder.
    pub folder: PathBuf,
}

impl Job {
    fn log(&self) -> Log {
        Log::beside(&self.folder)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Done,
    /// It was told to stop, and can be gone on with.
    Interrupted,
    /// It was not begun.
    NotBegun,
    /// Another process makes it, and who that is.
    Elsewhere(String),
    /// Not well, and why: the first line of what it said.
    Failed(String),
}

/// Does in this process what arguments of the program ask for. An error comes with the words that the program would
/// say.
pub type InThisProcess = fn(&[OsString], &Interrupt) -> Result<(), (Error, String)>;

/// Runs all jobs, `at_a_time` of them, in their order, each in a process of its own, or `here` where the system starts
/// none; `over` is told of each as it ends, and `note` what the system did not give. After a signal no more are begun,
/// and those that run are told once to stop.
pub fn run(
    jobs: &[Job],
    at_a_time: usize,
    interrupt: &Interrupt,
    here: InThisProcess,
    over: &(impl Fn(usize, &Ended) + Sync),
    note: &dyn Fn(&str),
) -> Vec<Ended> {
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(vec![Ended::NotBegun; jobs.len()]);
    let refused = Mutex::new(Vec::new());
    let conclude = |at: usize, end: Ended| {
        over(at, &end);
        ended.lock().unwrap_or_else(PoisonError::into_inner)[at] = end;
    };
    let work = || {
        while !interrupt.is_set() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return };
            match begin(job) {
                // The system has no process left: fewer runs at a time, the others when this one is over.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    refused.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                    return;
                }
                child => conclude(at, one(job, child, interrupt)),
            }
        }
    };
    thread::scope(|scope| {
        // This thread works, too, so that there is one even where the system starts no other.
        let others = 1..at_a_time.min(jobs.len());
        others.take_while(|_| thread::Builder::new().spawn_scoped(scope, work).is_ok()).count();
        work();
    });
    let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
    let left = refused.into_iter().chain(next.into_inner()..jobs.len());
    let mut told = false;
    for at in left {
        if interrupt.is_set() {
            break;
        }
        match begin(&jobs[at]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !std::mem::replace(&mut told, true) {
                    note(&format!(
                        "the system starts no more processes ({error}): the runs that are left are made in this one"
                    ));
                }
                conclude(at, in_this_process(&jobs[at], here, interrupt));
            }
            child => conclude(at, one(&jobs[at], child, interrupt)),
        }
    }
    ended.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A run in this process, where the system starts no other: what ends it may end the sweep, which goes on when it is
/// called again.
fn in_this_process(job: &Job, here: InThisProcess, interrupt: &Interrupt) -> Ended {
    match here(&job.arguments, interrupt) {
        Ok(()) => {
            job.log().remove();
            Ended::Done
        }
        Err((Error::Interrupted, _)) => Ended::Interrupted,
        Err((error, said)) => failed(job, &said, || error.to_string()),
    }
}

fn one(job: &Job, child: io::Result<(Child, File)>, interrupt: &Interrupt) -> Ended {
    let ended = child.and_then(|(mut child, said)| wait(&mut child, interrupt).map(|status| (status, said)));
    match ended {
        Ok((status, _)) if status.success() => {
            job.log().remove();
            Ended::Done
        }
        Ok((status, _)) if was_interrupted(status, interrupt) => Ended::Interrupted,
        Ok((status, mut said)) => failed(job, &log::said(&mut said), || how(status)),
        Err(error) => Ended::Failed(format!("cannot be run: {error}")),
    }
}

/// A run that has not ended well: because another process has its folder, or else for the reason that it said last.
fn failed(job: &Job, said: &str, silent: impl FnOnce() -> String) -> Ended {
    if let Some(holder) = Lock::holder(&job.folder) {
        return Ended::Elsewhere(holder.to_string());
    }
    job.log().keep(said);
    let error = said.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let last = error.or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
    Ended::Failed(last.map_or_else(silent, str::to_owned))
}

/// Whether a run has left a checkpoint because it was told to stop, by the sweep or by somebody else, or was told
/// before it could listen.
fn was_interrupted(status: ExitStatus, interrupt: &Interrupt) -> bool {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return interrupt.is_set() && signal == libc::SIGTERM;
    }
    let _ = interrupt;
    status.code() == Some(i32::from(INTERRUPTED))
}

/// Starts a run, and the file that it says something to.
fn begin(job: &Job) -> io::Result<(Child, File)> {
    let program = std::env::current_exe()?;
    let said = job.log().open()?;
    let mut command = Command::new(program);
    command.args(&job.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone()?);
    // A group of its own: the terminal's Ctrl-C goes to the sweep, which passes it on once. Twice would end a run
    // without its checkpoint.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // A sweep that is killed takes its runs with it: the next one could not go on with them while they run.
    command.env(PARENT, std::process::id().to_string());
    Ok((command.spawn()?, said))
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> io::Result<ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt.is_set() && !told {
            told = true;
            stop(child)?;
        }
        thread::sleep(PATIENCE);
    }
}

/// Tells a run to write its checkpoint and end.
fn stop(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process};
        match kill_process(Pid::from_child(child), Signal::TERM) {
            // It has just ended.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    }
    #[cfg(not(unix))]
    child.kill()
}

/// How a run ended that said nothing.
fn how(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("ended by signal {signal}");
    }
    status.to_string()
}
