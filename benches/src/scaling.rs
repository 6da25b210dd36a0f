//! How the passes scale: measured on the threads that there are, and computed from a trace for more.

use std::time::Instant;

use memorize_kernels::parallel::{Task, trace};
use memorize_kernels::{Element, Engine, Par};
use memorize_run::config::Dtype;
use memorize_run::error::Error;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use crate::machine::MachineInfo;
use crate::peak::Bandwidth;
use crate::report::{Case, STREAM_BYTES, Selection, of_threads};
use crate::schedule::fraction;
use crate::{check, median};

/// Threads that the trace is scheduled on.
pub const TRACED: [usize; 5] = [8, 16, 32, 64, 128];

/// Traces of a round, which are kept until their medians are taken.
const TRACES_MAX: usize = 9;

/// Work that one measurement takes at least, in seconds: passes shorter than that are repeated.
const LONG_ENOUGH: f64 = 0.05;

/// Everything measured, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScalingReport {
    /// What was measured on.
    pub machine: MachineInfo,
    /// Streaming update of memory, reads and writes counted, all threads, GB/s.
    pub bandwidth_gbs: f64,
    /// Reading of memory alone, all threads, GB/s.
    pub read_bandwidth_gbs: f64,
    /// One entry for each pass and number of threads.
    pub scaling: Vec<Scaling>,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Timed on so many threads.
    #[serde(rename = "measured")]
    Measured,
    /// Computed: every piece of the pass, cut for so many threads and timed on one, given to the threads as they come
    /// free.
    #[serde(rename = "from trace")]
    FromTrace,
}

impl Kind {
    /// The name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::FromTrace => "from trace",
        }
    }
}

/// A pass on a number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// The pass.
    pub pass: String,
    /// n x d x r.
    pub shape: String,
    /// Element type.
    pub dtype: String,
    /// Instruction set.
    pub isa: String,
    /// Threads.
    pub threads: usize,
    /// Time of a run: the median on one thread over `speedup`.
    pub seconds: f64,
    /// How much faster than one thread: measured, the median over rounds in which both were.
    pub speedup: f64,
    /// `speedup` over `threads`.
    pub efficiency: f64,
    /// Measured, or from a trace.
    pub kind: Kind,
    /// Bytes that must move at least once over `seconds`: what the memory of such a machine has to give.
    pub gbs: f64,
    /// The most that `speedup` could be with this machine's memory: the time of one thread over the least that memory
    /// allows.
    pub speedup_of_bandwidth: f64,
}

/// Measures the selected passes with the native backend, telling `progress` what is being measured.
///
/// # Errors
/// Bad input if nothing is selected; a failed run if a pass gives wrong results or threads cannot be started.
pub fn run(selection: &Selection, best: Engine, mut progress: impl FnMut(&str)) -> Result<ScalingReport, Error> {
    let cases = of_threads(selection, Engine { par: Par::POOL, ..best })?;
    let there = rayon::current_num_threads();
    let bandwidth = Bandwidth::measure(&best, STREAM_BYTES, 5);
    let pools =
        measured_threads(there).into_iter().map(|threads| ThreadPoolBuilder::new().num_threads(threads).build());
    let pools: Vec<ThreadPool> = pools.collect::<Result<_, _>>().map_err(Error::run_failed)?;
    let rounds = if selection.quick { 3 } else { 7 };
    let mut scaling = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        progress(&format!("{}/{}: {} {}", i + 1, cases.len(), case.workload.name(), case.shape));
        scaling.extend(match case.dtype {
            Dtype::F32 => measure::<f32>(case, rounds, &pools, bandwidth)?,
            Dtype::F64 => measure::<f64>(case, rounds, &pools, bandwidth)?,
        });
    }
    let (bandwidth_gbs, read_bandwidth_gbs) = (bandwidth.update / 1e9, bandwidth.read / 1e9);
    Ok(ScalingReport { machine: MachineInfo::of(&best), bandwidth_gbs, read_bandwidth_gbs, scaling })
}

/// The numbers of threads that are measured: all up to eight, then powers of two, and as many as there are.
fn measured_threads(there: usize) -> Vec<usize> {
    (1..=there).filter(|&threads| threads <= 8 || threads.is_power_of_two() || threads == there).collect()
}

/// The numbers of threads that a trace is scheduled on: two as well, to compare it with what was measured.
fn traced_threads(there: usize) -> Vec<usize> {
    let compared = (there >= 2).then_some(2);
    compared.into_iter().chain(TRACED).collect()
}

fn measure<T: Element>(
    case: &Case,
    rounds: usize,
    pools: &[ThreadPool],
    bandwidth: Bandwidth,
) -> Result<Vec<Scaling>, Error> {
    let Case { workload, shape, engine, .. } = *case;
    check::<T>(workload, &engine).map_err(Error::run_failed)?;
    let mut work = workload.prepare::<T>(engine, shape);
    timed(&pools[0], 1, &mut work);
    let repeated = (LONG_ENOUGH / timed(&pools[0], 1, &mut work)).ceil().max(1.0) as usize;
    let traced_runs = repeated.min(TRACES_MAX);
    let traced = traced_threads(pools.iter().map(ThreadPool::current_num_threads).max().unwrap_or(1));
    let mut seconds = vec![Vec::new(); pools.len()];
    let mut traces = vec![Vec::new(); traced.len()];
    // In each round every number of threads, so that a machine that changes its speed changes all of them.
    for _ in 0..rounds {
        for (pool, seconds) in pools.iter().zip(&mut seconds) {
            seconds.push(timed(pool, repeated, &mut work));
        }
        for (&threads, traces) in traced.iter().zip(&mut traces) {
            traces.extend((0..traced_runs).map(|_| trace(threads, &mut work).1));
        }
    }
    let traffic = workload.traffic(shape, size_of::<T>());
    let one = median(&mut seconds[0].clone());
    let result = |threads: usize, kind, speedup: f64| Scaling {
        pass: workload.name().to_owned(),
        shape: shape.to_string(),
        dtype: case.dtype.to_string(),
        isa: engine.isa.name().to_owned(),
        threads,
        seconds: one / speedup,
        speedup,
        efficiency: speedup / threads as f64,
        kind,
        gbs: traffic.total() * speedup / one / 1e9,
        speedup_of_bandwidth: one / bandwidth.seconds(traffic),
    };
    let measured = pools.iter().zip(&seconds).map(|(pool, times)| {
        let speedup = median(&mut seconds[0].iter().zip(times).map(|(one, time)| one / time).collect::<Vec<_>>());
        result(pool.current_num_threads(), Kind::Measured, speedup)
    });
    let computed = traced.iter().zip(&traces).map(|(&threads, traces)| {
        // Cut into more pieces, the work on one thread is a little more than it was.
        let more = |(one, traces): (&f64, &[Task])| mean(traces) / one;
        let more = median(&mut seconds[0].iter().zip(traces.chunks(traced_runs)).map(more).collect::<Vec<_>>());
        result(threads, Kind::FromTrace, 1.0 / (more * fraction(traces, threads)))
    });
    Ok(measured.chain(computed).collect())
}

/// The mean time of traced work on one thread, in seconds.
fn mean(traces: &[Task]) -> f64 {
    traces.iter().map(|trace| trace.work().as_secs_f64()).sum::<f64>() / traces.len() as f64
}

/// The time of a run in a pool, in seconds: the mean of some.
fn timed(pool: &ThreadPool, repeated: usize, work: &mut (dyn FnMut() + Send)) -> f64 {
    let start = Instant::now();
    pool.install(|| (0..repeated).for_each(|_| work()));
    start.elapsed().as_secs_f64() / repeated as f64
}
