//! The `memorize` program: arguments in, a command run, an exit code out.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use memorize::args::{Cli, Command};
use memorize::{allocator, commands, exit, fault};

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    fault::listen();
    let outcome = match Cli::parse().command {
        Command::Reproduce(arguments) => commands::reproduce(&arguments),
        Command::Train(arguments) => commands::train(&arguments),
        Command::Resume(arguments) => commands::resume(&arguments),
        Command::Solve(arguments) => commands::solve(&arguments),
        Command::Eval(arguments) => commands::eval(&arguments),
        Command::Certify(arguments) => commands::certify(&arguments),
        Command::Condition(arguments) => commands::condition(&arguments),
        Command::Capacity(arguments) => commands::capacity(&arguments),
        Command::Race(arguments) => commands::race(&arguments),
        Command::Runs(arguments) => commands::runs(&arguments),
        Command::Report(arguments) => commands::report(&arguments),
        Command::Compare(arguments) => commands::compare(&arguments),
        Command::Config(arguments) => commands::config(&arguments),
        Command::Data(arguments) => commands::data(&arguments),
        Command::Bench(arguments) => commands::bench(&arguments),
    };
    exit::conclude(outcome)
}
