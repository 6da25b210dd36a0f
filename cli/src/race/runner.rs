//! Watches one optimiser: passes and time at every loss, the losses that were to be reached, and the end of its patience.

use std::time::{Duration, Instant};

use memorize_run::config::{OptimizerKind, RaceConfig};
use memorize_run::interrupt::Interrupt;
use memorize_run::units::{number, thousands};
use memorize_train::{self as train, Observer};

use super::Mark;
use crate::console::Progress;

/// Shortest time between two lines about the same optimiser.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A loss of the whole training set on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Steps done.
    pub iteration: u64,
    /// Passes done.
    pub passes: f64,
    /// Seconds since its start.
    pub seconds: f64,
    /// f.
    pub loss: f64,
}

/// The observer of one optimiser.
pub struct Runner {
    kind: OptimizerKind,
    budget: f64,
    progress: Progress,
    interrupt: Interrupt,
    started: Instant,
    shown: Duration,
    /// Passes before the first iteration.
    before: f64,
    iterations_a_pass: f64,
    /// Whether what is recorded is the loss of a batch.
    records_batches: bool,
    spent: Option<f64>,
    passes: f64,
    records: Vec<Recorded>,
    marks: Vec<Mark>,
}

impl Runner {
    /// Starts the clock.
    pub fn new(kind: OptimizerKind, config: &RaceConfig, progress: Progress, interrupt: Interrupt) -> Self {
        let marks = config.losses.iter().map(|&loss| Mark { loss, passes: None, seconds: None }).collect();
        Self {
            kind,
            budget: config.passes() as f64,
            progress,
            interrupt,
            started: Instant::now(),
            shown: Duration::ZERO,
            before: 0.0,
            iterations_a_pass: 1.0,
            records_batches: false,
            spent: None,
            passes: 0.0,
            records: Vec::new(),
            marks,
        }
    }

    /// Counts so many passes as done before the first iteration.
    pub fn begin_with(&mut self, passes: f64) {
        self.before = passes;
    }

    /// An iteration is one of so many batches; their losses are not those looked for.
    pub fn batches(&mut self, an_epoch: u64) {
        (self.iterations_a_pass, self.records_batches) = (an_epoch as f64, true);
    }

    /// What was recorded, what was reached, and the display for the next.
    pub fn finish(self) -> (Vec<Recorded>, Vec<Mark>, Progress) {
        (self.records, self.marks, self.progress)
    }

    /// Takes the loss of the whole training set after so many iterations.
    fn take(&mut self, iteration: u64, loss: f64) {
        let done = self.spent.take().unwrap_or(iteration as f64 / self.iterations_a_pass);
        self.passes = self.before + done;
        let elapsed = self.started.elapsed();
        let (passes, seconds) = (self.passes, elapsed.as_secs_f64());
        self.records.push(Recorded { iteration, passes, seconds, loss });
        for mark in self.marks.iter_mut().filter(|mark| mark.passes.is_none() && loss <= mark.loss) {
            (mark.passes, mark.seconds) = (Some(passes), Some(seconds));
        }
        if elapsed.saturating_sub(self.shown) >= LINE_EVERY {
            self.shown = elapsed;
            let line = format!(
                "{}: {} passes of {}, loss {}",
                self.kind,
                thousands(passes as u64),
                thousands(self.budget as u64),
                number(loss)
            );
            self.progress.note(&line);
        }
    }
}

impl Observer for Runner {
    fn record(&mut self, record: &train::Record) {
        if !self.records_batches {
            self.take(record.iteration, record.loss);
        }
    }

    fn whole(&mut self, record: &train::Record) {
        self.take(record.iteration, record.loss);
    }

    fn spent(&mut self, passes: f64) {
        self.spent = Some(passes);
    }

    fn keep_going(&mut self) -> bool {
        self.passes < self.budget && !self.interrupt.is_set()
    }
}
