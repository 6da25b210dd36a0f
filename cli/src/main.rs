//! The `memorize` program: arguments in, a command run, an exit code out.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use memorize::args::{self, Cli, Command};
use memorize::exit::CliError;
use memorize::ranks::{self, Session, one_only};
use memorize::{allocator, commands, fault};

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    fault::listen();
    Session::begin().run(|| match args::parse() {
        Ok(Cli { command }) => run(command).map(|()| ExitCode::SUCCESS),
        Err(refused) => {
            // Help and version are refusals, too. Nobody is left to tell when the output is closed.
            if ranks::is_first() {
                let _ = refused.print();
            }
            Ok(u8::try_from(refused.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
    })
}

fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Train(arguments) => commands::train(&arguments),
        Command::Resume(arguments) => commands::resume(&arguments),
        Command::Solve(arguments) => commands::solve(&arguments),
        Command::Eval(arguments) => commands::eval(&arguments),
        Command::Condition(arguments) => commands::condition(&arguments),
        Command::Reproduce(arguments) => one_only("reproduce").and_then(|()| commands::reproduce(&arguments)),
        Command::Certify(arguments) => one_only("certify").and_then(|()| commands::certify(&arguments)),
        Command::Capacity(arguments) => one_only("capacity").and_then(|()| commands::capacity(&arguments)),
        Command::Race(arguments) => one_only("race").and_then(|()| commands::race(&arguments)),
        Command::Runs(arguments) => one_only("runs").and_then(|()| commands::runs(&arguments)),
        Command::Report(arguments) => one_only("report").and_then(|()| commands::report(&arguments)),
        Command::Compare(arguments) => one_only("compare").and_then(|()| commands::compare(&arguments)),
        Command::Config(arguments) => one_only("config").and_then(|()| commands::config(&arguments)),
        Command::Data(arguments) => one_only("data").and_then(|()| commands::data(&arguments)),
        Command::Completions(arguments) => one_only("completions").and_then(|()| commands::completions(&arguments)),
        Command::Man(arguments) => one_only("man").and_then(|()| commands::man(&arguments)),
        Command::Bench(arguments) => one_only("bench").and_then(|()| commands::bench(&arguments)),
    }
}
