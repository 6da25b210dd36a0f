//! Progress for programs: one JSON object per line. Numbers that are not finite are `null`.

use std::path::Path;

use memorize_run::error::Error;
use memorize_run::events::Start;
use memorize_run::run_folder::{StopReason, Summary};
use memorize_run::units::{scientific, thousands};
use serde::Serialize;

/// A line. Its field `event` says which.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line<'a> {
    /// A run begins.
    Start(&'a Start<'a>),
    /// Something to know, in words.
    Note {
        /// The words.
        text: &'a str,
    },
    /// How far the run is.
    Progress(Now),
    /// The step size follows its schedule.
    LearningRate {
        /// Steps done.
        iteration: u64,
        /// Passes over the training set done.
        epoch: f64,
        /// The step size so far.
        from: f64,
        /// The step size from here on.
        to: f64,
    },
    /// A checkpoint is on the disk.
    Checkpoint {
        /// Steps done.
        iteration: u64,
        /// Seconds of training in this process.
        seconds: f64,
    },
    /// A signal asks the run to end.
    Signal {
        /// Seconds of training in this process.
        seconds: f64,
    },
    /// A run has ended, or could not begin.
    End(End<'a>),
    /// The error that ends the program. Only the same in words comes after it.
    Error {
        /// What went wrong.
        error: &'a str,
        /// What to do about it; absent = `error` says so itself.
        hint: Option<&'a str>,
        /// The exit code.
        code: u8,
    },
}

/// A line with the name of its run.
#[derive(Serialize)]
struct Named<'a> {
    #[serde(flatten)]
    event: &'a Line<'a>,
    name: &'a str,
}

impl Line<'_> {
    /// The line, without its end.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("structs with string keys are always JSON")
    }

    /// The same with the name of the run that it is about. The line that begins a run has it anyway.
    pub fn to_json_of(&self, name: &str) -> String {
        match self {
            Self::Start(_) => self.to_json(),
            event => serde_json::to_string(&Named { event, name }).expect("structs with string keys are always JSON"),
        }
    }

    /// The event in words; nothing for events that are shown in another way.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::LearningRate { iteration, from, to, .. } => {
                Some(format!("iteration {}: lr {} -> {}", thousands(*iteration), scientific(*from), scientific(*to)))
            }
            Self::Checkpoint { iteration, .. } => {
                Some(format!("iteration {}: checkpoint written", thousands(*iteration)))
            }
            Self::Signal { .. } => Some("a signal: the run ends after this iteration".to_owned()),
            Self::Start(_) | Self::Note { .. } | Self::Progress(_) | Self::End(_) | Self::Error { .. } => None,
        }
    }
}

/// How far a run is.
#[derive(Debug, Serialize)]
pub struct Now {
    /// Steps done.
    pub iteration: u64,
    /// Passes over the training set done.
    pub epoch: f64,
    /// The loss f of this step, of its batch.
    pub loss: f64,
    /// The moving mean of it.
    pub smoothed_loss: f64,
    /// The step size; absent = the algorithm has none.
    pub learning_rate: Option<f64>,
    /// Samples trained on for each second, by this process.
    pub samples_per_second: Option<u64>,
    /// Seconds until the end at this pace; absent = unknown.
    pub seconds_left: Option<f64>,
    /// Seconds of training in this process.
    pub seconds: f64,
}

/// How a run ended, with the keys of its `summary.json`. Values that a failed run does not have are absent.
#[derive(Debug, Serialize)]
pub struct End<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// Why it ended, or `failed`.
    pub stopped: Reason,
    /// The steps done.
    pub iterations: Option<u64>,
    /// The loss f over the whole training set.
    pub train_loss: Option<f64>,
    /// 4 f.
    pub train_mse: Option<f64>,
    /// Mean squared error on the test set.
    pub test_mse: Option<f64>,
    /// Seconds from start to end, over all processes of the run.
    pub wall_seconds: Option<f64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The run failed or could not begin.
    Failed,
    /// It came to a summary.
    #[serde(untagged)]
    Stopped(StopReason),
}

impl<'a> End<'a> {
    /// Of a run in this folder.
    pub fn of(folder: &'a Path, summary: Option<&Summary>, error: Option<&Error>) -> Self {
        Self {
            folder,
            stopped: summary.map_or(Reason::Failed, |summary| Reason::Stopped(summary.stopped)),
            iterations: summary.map(|summary| summary.iterations),
            train_loss: summary.map(|summary| summary.train_loss),
            train_mse: summary.map(|summary| summary.train_mse),
            test_mse: summary.and_then(|summary| summary.test_mse),
            wall_seconds: summary.map(|summary| summary.wall_seconds),
            error: error.map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(event: &Line<'_>) -> Value {
        let line = event.to_json();
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn what_is_not_finite_is_null_and_words_are_escaped() {
        let rate = Line::LearningRate { iteration: 3, epoch: f64::NAN, from: f64::INFINITY, to: 0.5 };
        assert_eq!(
            parsed(&rate),
            json!({"event": "learning_rate", "iteration": 3, "epoch": null, "from": null, "to": 0.5})
        );
        assert_eq!(parsed(&Line::Note { text: "a \"b\"\nc" })["text"], "a \"b\"\nc");
    }

    #[test]
    fn a_failure_is_an_end_too() {
        let error = Error::run_failed(anyhow::anyhow!("the disk is full"));
        let end = parsed(&Line::End(End::of(Path::new("runs/a"), None, Some(&error))));
        assert_eq!((&end["stopped"], &end["error"]), (&"failed".into(), &"the disk is full".into()));
        assert_eq!((&end["folder"], &end["train_loss"]), (&"runs/a".into(), &Value::Null));
    }
}
