//! Signals that ask a run to end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGUSR1};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::INTERRUPTED;
#[cfg(unix)]
use crate::fault;
use crate::ranks;

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
/// People send SIGINT, SIGTERM and SIGQUIT, and a second of them ends the process at once. The others come from the
/// system and from batch systems, more than once and before others: SIGHUP when a terminal is closed or a connection
/// lost, SIGUSR1 some time before a job's time is up, SIGXCPU every second once the processor time of `ulimit -t` is
/// used up. They never end a process at once.
///
/// A process that a launcher of MPI jobs has started, alone or as one of many, is often told the same twice, by the
/// launcher and by a batch system, so a second signal is no other than the first there. Open MPI's `mpirun` passes
/// SIGUSR1 on, and kills soon after a SIGTERM.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// Whether a signal ends the process at once: nothing is there yet that would be lost.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// The listener for signals, if there is one.
static LISTENING: OnceLock<Interrupt> = OnceLock::new();

/// Runs what asks nobody whether to go on (a decomposition, of which nothing is worth keeping before it is whole): a
/// signal meanwhile ends the process at once, with the exit code of an interruption.
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
            // One that may come more than once: the threads of the sweep end one after the other, each of them a parent
            // for a moment.
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
    pub fn has_arrived(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
