//! What happens in a run, as whoever listens hears of it: a console, a log, TensorBoard.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::config::{Backend, Batch, Dtype, OptimizerKind, Route};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::run_folder::{Record, Summary};

/// Hears what happens in runs, one after the other.
pub trait Listener: Send {
    /// Makes sure, before anything is written, that what will be heard of the run in this folder can be kept.
    ///
    /// # Errors
    /// Bad input if it cannot.
    fn check(&self, run: &Path) -> Result<(), Error>;

    /// A run has made this folder its own, or goes on in it.
    ///
    /// # Errors
    /// Bad input if what will be heard of it cannot be kept.
    fn begin(&mut self, run: &Path) -> Result<(), Error>;

    /// Something has happened. Cheap enough for every record of the loss.
    fn hear(&mut self, event: &Event<'_>);

    /// Hears something to know, in words.
    fn note(&mut self, text: &str) {
        self.hear(&Event::Note(text));
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Listener for Deaf {
    fn check(&self, _: &Path) -> Result<(), Error> {
        Ok(())
    }

    fn begin(&mut self, _: &Path) -> Result<(), Error> {
        Ok(())
    }

    fn hear(&mut self, _: &Event<'_>) {}
}

/// The pictures of a training curve: the name of each file and its contents.
pub type Pictures = Vec<(&'static str, Vec<u8>)>;

/// What is drawn of a run.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// The run's name.
    pub name: &'a str,
    /// The paper's result, if the run is one of its experiments.
    pub paper: Option<&'a str>,
    /// f(W) over the whole training set at the end; absent = not known.
    pub loss: Option<f64>,
    /// Every record of the loss.
    pub records: &'a [Record],
}

/// Draws the curve that a run leaves in its folder.
pub type Draw = fn(&Curve<'_>) -> Result<Pictures, Error>;

/// The services that a run uses: a listener, a function that draws, and a signal to end.
pub struct Host {
    /// Who hears what happens.
    pub listener: Box<dyn Listener>,
    /// Draws the curve that the run leaves in its folder.
    pub draw: Draw,
    /// Whether the run is to end.
    pub interrupt: Interrupt,
}

impl Default for Host {
    /// Nobody listens, nothing is drawn, and nobody asks for an end.
    fn default() -> Self {
        Self { listener: Box::new(Deaf), draw: |_| Ok(Vec::new()), interrupt: Interrupt::default() }
    }
}

/// Something that has happened in a run. Those between its start and its end are in this order.
#[derive(Debug)]
pub enum Event<'a> {
    /// A run begins, or goes on.
    Start(Start<'a>),
    /// Something to know, in words.
    Note(&'a str),
    /// Something to know for those who want to understand what happens.
    Detail(&'a str),
    /// What earlier processes of the run have recorded.
    Before(&'a [Record]),
    /// The loss was recorded.
    Record(&'a Snapshot),
    /// A checkpoint will be written: it will say that whatever was heard until now has happened.
    Keeping,
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
    /// The last step is done. The evaluation follows.
    Trained,
    /// What the run came to.
    Result(&'a Summary),
    /// The run has ended, or could not begin.
    End {
        /// Its name.
        name: &'a str,
        /// Its folder.
        run: &'a Path,
        /// What came out; absent = nothing.
        summary: Option<&'a Summary>,
        /// What went wrong; absent = nothing.
        error: Option<&'a Error>,
    },
}

/// What a run sets out to do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Start<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// Version of this program.
    pub version: &'static str,
    /// Name of the run.
    pub name: &'a str,
    /// Samples.
    pub n: usize,
    /// Width of a sample as the trained layer sees it.
    pub d: usize,
    /// Neurons.
    pub r: usize,
    /// Type of the numbers.
    pub dtype: Dtype,
    /// Bytes that training takes besides the samples, at most.
    pub memory: u64,
    /// The algorithm.
    pub optimizer: OptimizerKind,
    /// Its first step size.
    pub learning_rate: f64,
    /// Samples of an iteration.
    pub batch: Batch,
    /// Seed of every random number.
    pub seed: u64,
    /// Implementation of the passes.
    pub backend: Backend,
    /// Instruction set.
    pub isa: &'static str,
    /// Threads of each rank.
    pub threads: usize,
    /// Processes.
    pub ranks: usize,
    /// How output and gradient are computed.
    pub route: Route,
    /// How far it will go.
    #[serde(flatten)]
    pub plan: Plan,
}

/// How far a run will go; unknown ends are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Iteration at which the run ends.
    pub iterations: Option<u64>,
    /// Epoch at which the run ends.
    pub epochs: Option<u64>,
    /// Iterations that were done before this process, by the run that it resumes.
    #[serde(rename = "iteration")]
    pub iterations_before: u64,
    /// Samples that were seen before this process.
    #[serde(skip)]
    pub samples_before: u64,
    /// Whether the step size follows a schedule, so that each change of it is worth telling.
    #[serde(skip)]
    pub decays: bool,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Steps done.
    pub iteration: u64,
    /// Passes over the training set done, with the fraction of the current one.
    pub epoch: f64,
    /// The loss f of this iteration.
    pub loss: f64,
    /// The moving mean of the loss: the loss of one mini-batch jumps.
    pub smoothed_loss: f64,
    /// The step size in use; 0 = the algorithm has none.
    pub learning_rate: f64,
    /// Samples trained on, repeats counted.
    pub samples_seen: u64,
    /// Time since this process began to train.
    pub elapsed: Duration,
}
