//! The process among its ranks: how it begins, how it ends, and that all end alike.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use memorize_kernels::team::Team;
use memorize_ranks::{Failed, Ranks, fail, meet};
use memorize_run::error::{Error, INTERRUPTED};
use memorize_run::ranks::{self, Connection};

use crate::exit;
use crate::say;

/// Holds the connection to the other ranks until the program ends.
pub struct Session {
    _connection: Connection,
}

impl Session {
    /// Finds the other ranks, if a launcher has started this process as one of several.
    pub fn begin() -> Self {
        let (connection, warning) = ranks::connect();
        warning.iter().for_each(|warning| say::tell(warning));
        Self { _connection: connection }
    }

    /// Runs the program, prints its error if there is one, on the rank that has met it, and gives the exit code that is
    /// the same on every rank.
    pub fn run(self, program: impl FnOnce() -> Result<ExitCode, Error>) -> ExitCode {
        let Some(team) = ranks::team() else {
            return program().unwrap_or_else(|error| exit::conclude(Err(error)));
        };
        let code = Self::run_with(team, program);
        // A launcher ends all as soon as one ends with an error: not before it was told.
        let _ = catch_unwind(AssertUnwindSafe(|| meet(team)));
        code
    }

    fn run_with(team: &Ranks, program: impl FnOnce() -> Result<ExitCode, Error>) -> ExitCode {
        let whole = || {
            ranks::meet_the_others()?;
            program()
        };
        // After an unwinding only the team is looked at, which has not changed.
        let outcome = match catch_unwind(AssertUnwindSafe(whole)) {
            Ok(outcome) => outcome,
            Err(payload) => match Failed::of(&*payload) {
                Some(failed) => return ExitCode::from(failed.code),
                // Where and why has been said.
                None => end_all(team, PANICKED),
            },
        };
        let (code, error) = match outcome {
            Ok(code) => (code, None),
            Err(Error::Interrupted) => (ExitCode::from(INTERRUPTED), Some(Error::Interrupted)),
            Err(error) if error.is_panic() => {
                let code = error.code();
                exit::conclude(Err(error));
                end_all(team, code)
            }
            Err(error) => {
                let failed = fail(team, error.code());
                if failed.rank == team.rank() {
                    exit::conclude(Err(error));
                    if failed.rank > 0 {
                        say_where(team);
                    }
                }
                return ExitCode::from(failed.code);
            }
        };
        // Nobody has failed if all of them come here.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| meet(team))) {
            return Failed::of(&*payload).map_or(ExitCode::FAILURE, |failed| ExitCode::from(failed.code));
        }
        if let Some(error) = error.filter(|_| ranks::is_first()) {
            exit::conclude(Err(error));
        }
        code
    }
}

/// Exit code of a program that panics.
const PANICKED: u8 = 101;

fn say_where(team: &dyn Team) {
    say::tell(&format!("note: on rank {} of {}", team.rank(), team.ranks()));
}

/// Ends all ranks now, whatever they are doing: it may be minutes until they listen, or they may wait for what never
/// comes.
fn end_all(team: &dyn Team, code: u8) -> ! {
    say_where(team);
    ranks::abort(code)
}
