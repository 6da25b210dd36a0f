//! Keeps a run's checkpoints: when one is due, and what it says about the run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use memorize_kernels::Element;
use memorize_train::checkpoint::Frame;
use memorize_train::{Network, State};
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Sources};
use super::machine::Machine;
use crate::config::RunSection;
use crate::error::Error;
use crate::ranks;

/// Description of the run in its checkpoint, as JSON in the file's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What has to be the same for a run to go on.
    #[serde(flatten)]
    pub identity: Identity,
    /// Seconds of training before the checkpoint, over all processes.
    pub seconds: f64,
    /// Seconds of everything before the checkpoint, over all processes.
    pub wall_seconds: f64,
    /// Bytes of `metrics.csv` with the records of earlier iterations.
    pub metrics_bytes: u64,
}

/// What decides the bits of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this program.
    pub version: String,
    /// The text of `config.toml`.
    pub config: String,
    /// SHA-256 of the training set.
    pub data: String,
    /// Instruction set that ran.
    pub isa: String,
    /// The library behind the backend `blas`.
    pub blas: Option<String>,
}

impl Identity {
    /// Of a run with this configuration, on this machine.
    pub fn new(config: String, data: &str, machine: &Machine) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            data: data.to_owned(),
            isa: machine.engine.isa.name().to_owned(),
            blas: machine.blas.as_ref().map(ToString::to_string),
        }
    }
}

/// Work of the processes before this one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Before {
    /// Iterations.
    pub iterations: u64,
    /// Training.
    pub seconds: f64,
    /// Everything.
    pub wall_seconds: f64,
}

/// Writes the checkpoints of a run.
pub struct Keeper {
    path: PathBuf,
    frame: Frame,
    identity: Identity,
    sources: Sources,
    before: Before,
    started: Instant,
    every: Option<u64>,
    within: Option<Duration>,
    last: (u64, Instant),
    /// The iteration of the newest checkpoint that this process has written.
    pub newest: Option<u64>,
}

impl Keeper {
    /// For a run of `network` on `dataset` whose process `started` then.
    pub fn new<T: Element>(
        path: PathBuf,
        run: &RunSection,
        (dataset, network): (&Dataset<T>, &Network<T>),
        identity: Identity,
        before: Before,
        started: Instant,
    ) -> Self {
        let within = Duration::try_from_secs_f64(60.0 * run.checkpoint_minutes).ok();
        Self {
            path,
            frame: Frame::new(&dataset.weights(network.clone())),
            identity,
            sources: dataset.sources.clone(),
            before,
            started,
            every: run.checkpoint_every,
            within: within.filter(|within| !within.is_zero()),
            last: (before.iterations, Instant::now()),
            newest: None,
        }
    }

    /// Work of the processes before this one.
    pub fn before(&self) -> Before {
        self.before
    }

    /// Whether so many iterations were done since the last checkpoint that there is to be another before this one.
    pub fn is_due(&self, iteration: u64) -> bool {
        self.every.is_some_and(|every| iteration - self.last.0 >= every)
    }

    /// Whether so much time has passed.
    pub fn is_time(&self) -> bool {
        self.within.is_some_and(|within| self.last.1.elapsed() >= within)
    }

    /// Writes a checkpoint after so many seconds of training in this process, if this is the rank that writes. The
    /// records before it must be on the disk.
    ///
    /// # Errors
    /// A failed run if the file cannot be written, or a data file has changed: the checkpoint before it is then
    /// untouched.
    pub fn save(&mut self, state: &State, seconds: f64, metrics_bytes: u64) -> Result<(), Error> {
        self.sources.check_unchanged()?;
        if let Some(name) = state.not_finite() {
            return Err(Error::run_failed(anyhow::anyhow!(
                "training diverged: `{name}` is not finite at iteration {}, and there is nothing to go on with; the checkpoint before \
                 it, if there is one, is as it was",
                state.iteration
            )));
        }
        let about = About {
            identity: self.identity.clone(),
            seconds: self.before.seconds + seconds,
            wall_seconds: self.before.wall_seconds + self.started.elapsed().as_secs_f64(),
            metrics_bytes,
        };
        let about = serde_json::to_string(&about).expect("a struct with string keys is always JSON");
        if ranks::is_first() {
            self.frame.save(&self.path, state, &about).map_err(Error::run_failed)?;
        }
        self.last = (state.iteration, Instant::now());
        self.newest = Some(state.iteration);
        Ok(())
    }
}
