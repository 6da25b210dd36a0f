//! The `memorize` program: arguments in, a command run, an exit code out.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::process::ExitCode;

use memorize::args::{self, Cli, Command};
use memorize::session::Session;
use memorize::{advice, commands, exit};
use memorize_data::shown::printable;
use memorize_run::error::{BAD_INPUT, Error};
use memorize_run::ranks::{self, one_only};
use memorize_run::{allocator, fault};

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    fault::listen();
    if args::asks_for_json(std::env::args_os()) {
        exit::tell_json();
    }
    Session::begin().run(|| match args::parse(std::env::args_os()) {
        Ok((path, Cli { command })) => {
            advice::enter(&path);
            run(&path[0], command).map(|()| ExitCode::SUCCESS)
        }
        Err(refused) => {
            // Help and version are refusals, too. Nobody is left to tell when the output is closed.
            if ranks::is_first() {
                if refused.use_stderr() {
                    let said = refused.to_string();
                    exit::send_error(said.trim().trim_start_matches("error: "), None, BAD_INPUT);
                }
                let _ = if std::env::args_os().any(|argument| argument.to_string_lossy().contains(char::is_control)) {
                    // What was typed stands in it.
                    writeln!(std::io::stderr(), "{}", printable(&refused.to_string()))
                } else {
                    refused.print()
                };
            }
            Ok(u8::try_from(refused.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
    })
}

fn run(name: &str, command: Command) -> Result<(), Error> {
    if !command.is_shared() {
        one_only(name)?;
    }
    match command {
        Command::Train(arguments) => commands::train(&arguments),
        Command::Resume(arguments) => commands::resume(&arguments),
        Command::Solve(arguments) => commands::solve(&arguments),
        Command::Eval(arguments) => commands::eval(&arguments),
        Command::Condition(arguments) => commands::condition(&arguments),
        Command::Reproduce(arguments) => commands::reproduce(&arguments),
        Command::Certify(arguments) => commands::certify(&arguments),
        Command::Capacity(arguments) => commands::capacity(&arguments),
        Command::Race(arguments) => commands::race(&arguments),
        Command::Sweep(arguments) => commands::sweep(&arguments),
        Command::Runs(arguments) => commands::runs(&arguments),
        Command::Report(arguments) => commands::report(&arguments),
        Command::Compare(arguments) => commands::compare(&arguments),
        Command::Config(arguments) => commands::config(&arguments),
        Command::Data(arguments) => commands::data(&arguments),
        Command::Completions(arguments) => commands::completions(&arguments),
        Command::Man(arguments) => commands::man(&arguments),
        Command::Bench(arguments) => commands::bench(&arguments),
    }
}
