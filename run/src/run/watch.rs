//! Watches a run: progress, `metrics.csv`, and the signals that end it early.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use memorize_train::{self as train, State};
#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGUSR1};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::keeper::Keeper;
use super::memory;
use crate::error::{Error, INTERRUPTED};
use crate::events::{Event, Listener, Snapshot};
#[cfg(unix)]
use crate::fault;
use crate::ranks;
use crate::run_folder::{MetricsWriter, Record, Smoother};

/// What people end a program with.
#[cfg(unix)]
const FROM_PEOPLE: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];
#[cfg(not(unix))]
const FROM_PEOPLE: [i32; 2] = [SIGINT, SIGTERM];

/// What terminals, batch systems and the kernel end it with.
#[cfg(unix)]
const FROM_SYSTEMS: [i32; 3] = [SIGHUP, SIGUSR1, libc::SIGXCPU];

/// The variable that tells a run of a sweep which process the sweep is.
pub const PARENT: &str = "MEMORIZE_SWEEP_PROCESS";

/// Set by a signal that asks a run to end.
///
/// People send SIGINT, SIGTERM and SIGQUIT, and a second of them ends the process at once. The others come from the system and from batch
/// systems, more than once and before others: SIGHUP when a terminal is closed or a connection lost, SIGUSR1 some time before a job's
/// time is up, SIGXCPU every second once the processor time of `ulimit -t` is used up. They never end a process at once.
///
/// A process that a launcher of MPI jobs has started, alone or as one of many, is often told the same twice, by the launcher and by a batch
/// system, so a second signal is no other than the first there. Open MPI's `mpirun` passes SIGUSR1 on, and kills soon after a SIGTERM.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// Whether a signal ends the process at once: nothing is there yet that would be lost.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// What listens to signals, if anything does.
static LISTENING: OnceLock<Interrupt> = OnceLock::new();

/// Runs what asks nobody whether to go on (a decomposition, of which nothing is worth keeping before it is whole): a signal meanwhile
/// ends the process at once, with the exit code of an interruption.
pub fn ends_at_once<R>(work: impl FnOnce() -> R) -> R {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            end_at_once(false);
        }
    }
    let _guard = Guard;
    end_at_once(true);
    work()
}

/// Says whether a signal ends the process at once from now on. One that nobody has asked for yet does so now.
pub fn end_at_once(yes: bool) {
    AT_ONCE.store(yes, Ordering::SeqCst);
    if yes && LISTENING.get().is_some_and(Interrupt::has_arrived) {
        std::process::exit(INTERRUPTED.into());
    }
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system refuses to register a handler.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let _ = LISTENING.set(interrupt.clone());
        for signal in FROM_PEOPLE {
            signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED.into(), AT_ONCE.clone())?;
        }
        let asked = Arc::new(AtomicBool::new(false));
        for signal in FROM_PEOPLE {
            if !ranks::is_launched() {
                // In this order: the first signal finds the flag unset and sets it, the second finds it set.
                signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), asked.clone())?;
                signal_hook::flag::register(signal, asked.clone())?;
            }
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        #[cfg(unix)]
        for signal in FROM_SYSTEMS {
            // `nohup` has it ignored, so that a run outlives its terminal.
            if !fault::is_ignored(signal) {
                signal_hook::flag::register(signal, interrupt.0.clone())?;
            }
        }
        interrupt.follow_parent();
        Ok(interrupt)
    }

    /// A run of a sweep is told to stop when the sweep is killed.
    fn follow_parent(&self) {
        #[cfg(target_os = "linux")]
        if let Some(parent) = std::env::var(PARENT).ok().and_then(|text| text.parse::<i32>().ok()) {
            use rustix::process::{Signal, getppid, set_parent_process_death_signal};
            // One that may come more than once: the threads of the sweep end one after the other, each of them a parent for a moment.
            let told = set_parent_process_death_signal(Some(Signal::USR1));
            // It may have been killed before that.
            if told.is_ok() && getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether a signal has arrived on any rank. All ranks must ask at the same time.
    pub fn is_set(&self) -> bool {
        let [set] = ranks::any([self.has_arrived()]);
        set
    }

    /// Whether a signal has arrived here.
    fn has_arrived(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

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

/// What a run has left when it is over.
pub struct Watched {
    /// Every record, of earlier processes too.
    pub records: Vec<Record>,
    /// Seconds of training in this process.
    pub seconds: f64,
    /// The iteration of the newest checkpoint that this process has written.
    pub checkpoint: Option<u64>,
    /// What has become of the file with the records, if somebody has changed it.
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
            self.listener.hear(&Event::Signal { elapsed: self.started.elapsed().as_secs_f64() });
        }
        !self.failing && !self.stopping
    }

    fn checkpoint(&mut self, iteration: u64, state: &dyn Fn() -> State) {
        if !self.failing && (self.stopping || self.due || self.keeper.is_due(iteration)) {
            let kept = self.keep(&state());
            if kept.is_ok() {
                let elapsed = self.started.elapsed().as_secs_f64();
                self.listener.hear(&Event::Checkpoint { step: iteration, elapsed });
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
