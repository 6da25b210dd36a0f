//! Watches a run: progress, `metrics.csv`, and the signals that end it early.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use memorize_train as train;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::progress::{Progress, Snapshot};
use crate::run_folder::{FolderError, MetricsWriter, Record, Smoother};

/// Set by SIGINT or SIGTERM; a second one ends the process at once.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system refuses to register a handler.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset and sets it, the second finds it set.
            signal_hook::flag::register_conditional_shutdown(signal, 130, interrupt.0.clone())?;
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// Whether a signal has arrived.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The observer of a run.
pub struct Watch {
    progress: Progress,
    metrics: MetricsWriter,
    smoother: Smoother,
    interrupt: Interrupt,
    started: Instant,
    samples_an_epoch: f64,
    iterations_an_epoch: f64,
    spent: Option<f64>,
    records: Vec<Record>,
    failure: Option<FolderError>,
}

impl Watch {
    /// Starts the clock.
    pub fn new(
        progress: Progress,
        metrics: MetricsWriter,
        interrupt: Interrupt,
        samples_an_epoch: usize,
        iterations_an_epoch: u64,
    ) -> Self {
        Self {
            progress,
            metrics,
            smoother: Smoother::default(),
            interrupt,
            started: Instant::now(),
            samples_an_epoch: samples_an_epoch as f64,
            iterations_an_epoch: iterations_an_epoch as f64,
            spent: None,
            records: Vec::new(),
            failure: None,
        }
    }

    /// Ends the display and the file. Returns the records and the seconds of training.
    ///
    /// # Errors
    /// If a record could not be written, now or earlier.
    pub fn finish(mut self) -> Result<(Vec<Record>, f64), FolderError> {
        let seconds = self.started.elapsed().as_secs_f64();
        self.progress.finish();
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.metrics.finish()?;
        Ok((self.records, seconds))
    }
}

impl train::Observer for Watch {
    fn record(&mut self, record: &train::Record) {
        let elapsed = self.started.elapsed();
        let record_out = Record {
            iteration: record.iteration,
            epoch: self.spent.take().unwrap_or(record.iteration as f64 / self.iterations_an_epoch),
            loss: record.loss,
            smoothed_loss: self.smoother.push(record.loss),
            learning_rate: record.learning_rate,
            seconds: elapsed.as_secs_f64(),
        };
        self.progress.update(&Snapshot {
            iteration: record_out.iteration,
            epoch: record_out.epoch,
            loss: record_out.loss,
            smoothed_loss: record_out.smoothed_loss,
            learning_rate: record_out.learning_rate,
            samples_seen: (record_out.epoch * self.samples_an_epoch).round() as u64,
            elapsed,
        });
        if let Err(failure) = self.metrics.write(&record_out) {
            self.failure.get_or_insert(failure);
        }
        self.records.push(record_out);
    }

    fn spent(&mut self, passes: f64) {
        self.spent = Some(passes);
    }

    fn keep_going(&mut self) -> bool {
        self.failure.is_none() && !self.interrupt.is_set()
    }

    fn note(&mut self, note: &str) {
        self.progress.note(note);
    }
}
