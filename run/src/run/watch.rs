//! Watches a run: whoever listens, `metrics.csv`, and the signals that end it early.

use std::time::Instant;

use memorize_train::{self as train, State};

use super::keeper::Keeper;
use super::memory;
use crate::error::Error;
use crate::events::{Event, Listener, Snapshot};
use crate::interrupt::{Interrupt, end_at_once};
use crate::ranks;
use crate::run_folder::{MetricsWriter, Record, Smoother};

/// The observer of a run.
pub struct Watch<'a> {
    listener: &'a mut dyn Listener,
    /// On the rank that writes.
    metrics: Option<MetricsWriter>,
    smoother: Smoother,
    interrupt: Interrupt,
    started: Instant,
    samples_an_epoch: f64,
    iterations_an_epoch: f64,
    spent: Option<f64>,
    records: Vec<Record>,
    keeper: Keeper,
    resumed: Option<State>,
    stopping: bool,
    /// Whether a rank could not write.
    failing: bool,
    /// Whether it is time for a checkpoint.
    due: bool,
    failure: Option<Error>,
}

/// Results of the watch when a run is over.
pub struct Watched {
    /// Every record, of earlier processes too.
    pub records: Vec<Record>,
    /// Seconds of training in this process.
    pub seconds: f64,
    /// The iteration of the newest checkpoint that this process has written.
    pub checkpoint: Option<u64>,
    /// A warning, if somebody has changed the file with the records.
    pub warning: Option<String>,
}

impl<'a> Watch<'a> {
    /// Starts the clock.
    pub fn new(
        listener: &'a mut dyn Listener,
        metrics: Option<MetricsWriter>,
        interrupt: Interrupt,
        samples_an_epoch: usize,
        iterations_an_epoch: u64,
        keeper: Keeper,
    ) -> Self {
        Self {
            listener,
            metrics,
            smoother: Smoother::default(),
            interrupt,
            started: Instant::now(),
            samples_an_epoch: samples_an_epoch as f64,
            iterations_an_epoch: iterations_an_epoch as f64,
            spent: None,
            records: Vec::new(),
            keeper,
            resumed: None,
            stopping: false,
            failing: false,
            due: false,
            failure: None,
        }
    }

    /// Goes on from a state, if there is one, that was reached after these records.
    pub fn resume(mut self, state: Option<State>, records: Vec<Record>) -> Self {
        self.smoother = Smoother::after(records.iter().map(|record| record.loss));
        // The file has fewer digits.
        let epoch = |iteration: u64| iteration as f64 / self.iterations_an_epoch;
        self.records = records.into_iter().map(|record| Record { epoch: epoch(record.iteration), ..record }).collect();
        self.listener.hear(&Event::Before(&self.records));
        self.resumed = state;
        self
    }

    /// Ends the display and the file.
    ///
    /// # Errors
    /// If a record or a checkpoint could not be written, now or earlier.
    pub fn finish(self) -> Result<Watched, Error> {
        let seconds = self.started.elapsed().as_secs_f64();
        self.listener.hear(&Event::Trained);
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Self { metrics, records, listener, keeper, .. } = self;
        let found = metrics.map_or(Ok(None), |metrics| metrics.finish(&records))?;
        found.iter().for_each(|found| listener.note(&format!("warning: {found}")));
        Ok(Watched { records, seconds, checkpoint: keeper.newest, warning: found })
    }

    fn fail(&mut self, outcome: Result<(), Error>) {
        if let Err(failure) = outcome {
            self.failure.get_or_insert(failure);
        }
    }

    fn keep(&mut self, state: &State) -> Result<(), Error> {
        let metrics_bytes = self.metrics.as_mut().map_or(Ok(0), MetricsWriter::sync)?;
        self.listener.hear(&Event::Keeping);
        self.keeper.save(state, self.started.elapsed().as_secs_f64(), metrics_bytes)
    }
}

impl train::Observer for Watch<'_> {
    fn record(&mut self, record: &train::Record) {
        let elapsed = self.started.elapsed();
        let record_out = Record {
            iteration: record.iteration,
            epoch: self.spent.take().unwrap_or(record.iteration as f64 / self.iterations_an_epoch),
            loss: record.loss,
            smoothed_loss: self.smoother.push(record.loss),
            learning_rate: record.learning_rate,
            seconds: self.keeper.before().seconds + elapsed.as_secs_f64(),
        };
        self.listener.hear(&Event::Record(&Snapshot {
            iteration: record_out.iteration,
            epoch: record_out.epoch,
            loss: record_out.loss,
            smoothed_loss: record_out.smoothed_loss,
            learning_rate: record_out.learning_rate,
            samples_seen: (record_out.epoch * self.samples_an_epoch).round() as u64,
            elapsed,
        }));
        if let Some(metrics) = &mut self.metrics {
            let written = metrics.write(&record_out).map_err(Error::from);
            self.fail(written);
        }
        self.records.push(record_out);
    }

    fn spent(&mut self, passes: f64) {
        self.spent = Some(passes);
    }

    fn resume(&mut self) -> Option<State> {
        self.resumed.take()
    }

    fn keep_going(&mut self) -> bool {
        let here = [self.interrupt.has_arrived(), self.failure.is_some(), self.keeper.is_time()];
        let known = self.stopping;
        [self.stopping, self.failing, self.due] = ranks::any(here);
        if self.stopping && !known {
            self.listener.hear(&Event::Signal { seconds: self.started.elapsed().as_secs_f64() });
        }
        !self.failing && !self.stopping
    }

    fn checkpoint(&mut self, iteration: u64, state: &dyn Fn() -> State) {
        if !self.failing && (self.stopping || self.due || self.keeper.is_due(iteration)) {
            let kept = self.keep(&state());
            if kept.is_ok() {
                let seconds = self.started.elapsed().as_secs_f64();
                self.listener.hear(&Event::Checkpoint { iteration, seconds });
            }
            self.fail(kept);
        }
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        let [none] = ranks::any([!memory::has_room(bytes)]);
        !none
    }

    fn note(&mut self, note: &str) {
        self.listener.note(note);
    }

    fn busy(&mut self, busy: bool) {
        end_at_once(busy);
    }
}
