//! What is said on the way, and how.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use memorize_run::ranks;

use crate::console::{Mode, Voice};

/// What is said on the way, and at the end.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct LogArgs {
    /// No progress on the screen
    #[arg(long, short)]
    pub quiet: bool,
    /// How progress is written to standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Say more: kernels, data, memory by its parts, checkpoints as they are written, seconds of each phase
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Draw the loss while it falls, above the bar; on a terminal
    #[arg(long, conflicts_with = "quiet")]
    pub live: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    pub json: bool,
    /// Write event files for TensorBoard, too, to DIR/RUN (the name of the run's folder): loss, learning rate,
    /// samples/s
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tensorboard: Option<PathBuf>,
}

/// How progress is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A bar on a terminal, else plain lines
    #[default]
    Text,
    /// One JSON object per line, for batch systems; its field `event` says what it is: start, note, progress,
    /// learning_rate, checkpoint, signal, end, error; and of which run: name. The error that ends the program follows
    /// in words, too
    Json,
}

impl LogArgs {
    /// How that is shown by this process. Says so if there is no terminal for a chart.
    pub fn voice(&self) -> Voice {
        let mode = match (Mode::detect(self.quiet), self.log_format) {
            (Mode::Bar { .. } | Mode::Lines, LogFormat::Json) => Mode::Json,
            (Mode::Bar { colour, .. }, LogFormat::Text) => Mode::Bar { colour, live: self.live },
            (mode, _) => mode,
        };
        if self.live && !matches!(mode, Mode::Bar { .. }) {
            mode.tell("no chart (--live): it is drawn on a terminal, in text");
        }
        let tensorboard = self.tensorboard.clone().filter(|_| ranks::is_first());
        Voice { mode, verbose: self.verbose, tensorboard }
    }
}

/// Whether the command line asks for JSON, as far as that can be seen without knowing the rest of it: it may be wrong
/// somewhere else.
pub fn asks_for_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut before = OsString::new();
    for argument in arguments {
        if argument == "--" {
            return false;
        }
        if argument == "--log-format=json" || (before == "--log-format" && argument == "json") {
            return true;
        }
        before = argument;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_seen_among_whatever_else() {
        let seen = |line: &str| asks_for_json(line.split(' ').map(OsString::from));
        assert!(seen("memorize train --lern 3 --log-format json") && seen("memorize --log-format=json"));
        assert!(!seen("memorize train --log-format text json") && !seen("memorize resume -- --log-format json"));
    }
}
