//! What a running optimiser tells its caller, and how the caller stops it, keeps its state and lets it go on.

use crate::state::State;

/// One record of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Updates done before this loss was measured.
    pub iteration: u64,
    /// f: of the batch that the next update uses, or of the whole set in full-batch training.
    pub loss: f64,
    /// Learning rate of the next update.
    pub learning_rate: f64,
}

/// Watches a run.
pub trait Observer {
    /// Called every `record_every` iterations, and at the last one of the budget.
    fn record(&mut self, record: &Record);

    /// Called before a record with the passes over the training set done so far, by optimisers whose iterations are not
    /// each one batch.
    fn spent(&mut self, _passes: f64) {}

    /// Called with f over the whole training set where an optimiser that records the losses of batches has looked at
    /// it: once an epoch, if it may end at a loss.
    fn whole(&mut self, _record: &Record) {}
    /// Asked once, before the first iteration: the state to go on from instead of the weights that were given. It is
    /// what the same optimiser, with the same problem and settings, has handed to [`Observer::checkpoint`].
    fn resume(&mut self) -> Option<State> {
        None
    }

    /// Asked before every iteration; `false` stops the run with [`StopReason::Interrupted`].
    fn keep_going(&mut self) -> bool {
        true
    }

    /// Called after [`Observer::keep_going`], whatever it said, with the iteration that is about to be done and a way
    /// to the state. The records of earlier iterations have been made, this one's has not.
    fn checkpoint(&mut self, _iteration: u64, _state: &dyn Fn() -> State) {}

    /// Asked before a computation keeps so many bytes more, whose number nobody knew before it began; `false` ends it
    /// with [`TrainError::NoRoom`](crate::TrainError::NoRoom).
    fn has_room(&mut self, _bytes: u64) -> bool {
        true
    }

    /// Called for events that a log should hold: a perturbation, an escape, a planner's choice.
    fn note(&mut self, _: &str) {}

    /// Called with `true` before a computation that asks nobody whether to go on and before which there is nothing that
    /// would be lost: whoever waits for an interruption may end the process meanwhile. With `false` after it.
    fn busy(&mut self, _: bool) {}
}

/// Whether to do iteration `t`, after the observer had its chance to keep the state before it.
pub(crate) fn goes_on(observer: &mut dyn Observer, t: u64, state: &dyn Fn() -> State) -> bool {
    let goes_on = observer.keep_going();
    observer.checkpoint(t, state);
    goes_on
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn record(&mut self, _: &Record) {}
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All iterations were done.
    Budget,
    /// The loss fell below the one asked for.
    Target,
    /// The algorithm returned by its own rule.
    Returned,
    /// The observer said stop.
    Interrupted,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Updates done.
    pub iterations: u64,
    /// Passes over the data, the last one perhaps in part.
    pub epochs: f64,
    /// Why it ended.
    pub reason: StopReason,
}
