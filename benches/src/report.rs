//! A benchmark of this machine: its limits first, then every pass beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use memorize_kernels::{Backend, Element, Engine, Isa, Par};
use memorize_run::blas;
use memorize_run::config::{Backend as BackendChoice, Dtype};
use memorize_run::error::Error;
use memorize_run::units;
use serde::{Deserialize, Serialize};

use crate::machine::MachineInfo;
use crate::peak::Bandwidth;
use crate::{Effort, Shape, Timing, Workload, check, median, peak, time};

/// Bytes that bandwidth is measured over: well beyond any cache.
pub(crate) const STREAM_BYTES: usize = 512 << 20;

/// Everything measured, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// What was measured on.
    pub machine: MachineInfo,
    /// Peak of fused multiply-adds by type, best instruction set, all threads, GFLOP/s; the median of what was measured
    /// at first and beside every pass that could use all of it.
    pub peak_gflops: BTreeMap<String, f64>,
    /// Streaming update of memory, reads and writes counted, GB/s.
    pub bandwidth_gbs: f64,
    /// Reading of memory alone, GB/s; 0 in files from before it was measured.
    #[serde(default)]
    pub read_bandwidth_gbs: f64,
    /// One entry a measurement.
    pub results: Vec<Measurement>,
}

/// One pass on one backend, type and instruction set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The pass.
    pub pass: String,
    /// n x d x r.
    pub shape: String,
    /// Whose matrix products.
    pub backend: String,
    /// Element type.
    pub dtype: String,
    /// Instruction set.
    pub isa: String,
    /// Threads that the pass could use.
    pub threads: usize,
    /// Median time of a run.
    pub seconds: f64,
    /// Half of the runs lie within this distance of the median.
    pub spread_seconds: f64,
    /// Fastest run.
    pub fastest_seconds: f64,
    /// Slowest run.
    pub slowest_seconds: f64,
    /// Runs measured.
    pub runs: usize,
    /// Flops that the pass needs (symmetry used) over the median time.
    pub gflops: f64,
    /// Bytes that must move at least once over the median time.
    pub gbs: f64,
    /// `gflops` over the peak of this instruction set, type and number of threads, as it was right before and after.
    pub fraction_of_peak: f64,
    /// `gflops` over what the peak and the bandwidths allow together. Beside a pass without a matrix product the
    /// bandwidths were measured again.
    pub fraction_of_roofline: f64,
    /// Largest difference from the reference on a small problem, relative to the largest element.
    pub error: f64,
}

/// What a measurement is of: two that agree in all of it can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The pass.
    pub pass: String,
    /// n x d x r.
    pub shape: String,
    /// Type of the numbers.
    pub dtype: String,
    /// Whose matrix products.
    pub backend: String,
    /// Instruction set.
    pub isa: String,
    /// Threads.
    pub threads: usize,
}

impl Subject {
    /// What was measured.
    pub fn of(result: &Measurement) -> Self {
        let Measurement { pass, shape, dtype, backend, isa, threads, .. } = result.clone();
        Self { pass, shape, dtype, backend, isa, threads }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, shape, dtype, backend, isa, threads } = self;
        write!(f, "{pass} {shape} {dtype} {backend} {isa} on {}", units::threads(*threads))
    }
}

/// A measurement to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) workload: Workload,
    pub(crate) shape: Shape,
    pub(crate) engine: Engine,
    pub(crate) dtype: Dtype,
}

impl Case {
    fn subject(&self) -> Subject {
        let Self { workload, shape, engine, dtype } = self;
        Subject {
            pass: workload.name().to_owned(),
            shape: shape.to_string(),
            dtype: dtype.to_string(),
            backend: engine.backend.name().to_owned(),
            isa: engine.isa.name().to_owned(),
            threads: if engine.par == Par::Seq { 1 } else { rayon::current_num_threads() },
        }
    }
}

/// What is to be measured.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only the best instruction set and f32, with fewer repetitions.
    pub quick: bool,
    /// Only measurements whose line contains this.
    pub filter: Option<String>,
    /// The shape of every pass; absent = the paper's.
    pub shape: Option<Shape>,
    /// Only this type of numbers; absent = both.
    pub dtype: Option<Dtype>,
    /// Only this backend; absent = all.
    pub backend: Option<BackendChoice>,
    /// Whether only the engine's own instruction set is measured.
    pub one_isa: bool,
}

/// Measures what is selected on the current thread pool, telling `progress` what is being measured. `check` is shown
/// what that will be, and may refuse it.
///
/// # Errors
/// Bad input if nothing is selected, and what `check` says; a failed run if a pass gives wrong results.
pub fn run(
    selection: &Selection,
    best: Engine,
    check: impl FnOnce(&[Subject]) -> Result<(), Error>,
    mut progress: impl FnMut(&str),
) -> Result<BenchReport, Error> {
    let cases = cases(selection, best);
    if cases.is_empty() {
        return Err(nothing_left(&Workload::ALL));
    }
    check(&cases.iter().map(Case::subject).collect::<Vec<_>>())?;
    let repetitions = if selection.quick { 5 } else { 15 };
    progress("the machine's limits");
    let limits = Limits::new(best, repetitions);
    let mut peaks = [(Dtype::F32, limits.peaks::<f32>(&best)), (Dtype::F64, limits.peaks::<f64>(&best))];
    let mut results = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let Case { workload, shape, engine, dtype } = case;
        let Engine { backend, isa, .. } = engine;
        progress(&format!("{}/{}: {} {shape} {dtype} {backend} {isa}", i + 1, cases.len(), workload.name()));
        let (measured, peaks_beside) = match dtype {
            Dtype::F32 => measure::<f32>(case, selection.quick, &limits)?,
            Dtype::F64 => measure::<f64>(case, selection.quick, &limits)?,
        };
        if *isa == best.isa && engine.par == best.par {
            let of_type = peaks.iter_mut().filter(|(other, _)| other == dtype);
            of_type.for_each(|(_, peaks)| peaks.extend_from_slice(&peaks_beside));
        }
        results.push(measured);
    }
    Ok(BenchReport {
        machine: MachineInfo::of(&best),
        peak_gflops: peaks.into_iter().map(|(dtype, peaks)| (dtype.to_string(), median(&mut { peaks }))).collect(),
        bandwidth_gbs: limits.bandwidth.update / 1e9,
        read_bandwidth_gbs: limits.bandwidth.read / 1e9,
        results,
    })
}

fn nothing_left(all: &[Workload]) -> Error {
    let names = all.iter().map(|workload| workload.name()).collect::<Vec<_>>().join(", ");
    Error::bad_input(anyhow::anyhow!("nothing to measure is left by the filters; the passes are {names}"))
}

/// What is selected of the passes that use threads: with the native backend and one instruction set, in f32 unless
/// another type is named.
pub(crate) fn of_threads(selection: &Selection, best: Engine) -> Result<Vec<Case>, Error> {
    let backend = Some(BackendChoice::Native);
    let one = Selection { quick: true, backend, one_isa: true, ..selection.clone() };
    let cases: Vec<Case> = cases(&one, best).into_iter().filter(|case| case.engine.par != Par::Seq).collect();
    if cases.is_empty() {
        let mut all = Workload::ALL.to_vec();
        all.retain(|&workload| workload != Workload::SmallGradient);
        return Err(nothing_left(&all));
    }
    Ok(cases)
}

fn cases(selection: &Selection, best: Engine) -> Vec<Case> {
    let wanted = |text: &str| selection.filter.as_ref().is_none_or(|filter| text.contains(filter.as_str()));
    let mut cases = Vec::new();
    for workload in Workload::ALL {
        for dtype in [Dtype::F32, Dtype::F64] {
            for (backend, isa) in engines(selection, best.isa) {
                if backend != Backend::Native && !workload.multiplies() {
                    continue;
                }
                // A problem of microseconds is one thread's.
                let alone = workload == Workload::SmallGradient || blas::one_at_a_time(backend);
                let par = if alone { Par::Seq } else { best.par };
                let engine = Engine { isa, backend, par };
                let shape = selection.shape.unwrap_or_else(|| shape(workload, isa));
                let named = selection.dtype.map_or(!selection.quick || dtype == Dtype::F32, |only| only == dtype);
                let text = format!("{} {shape} {dtype} {backend} {isa}", workload.name());
                if named && wanted(&text) {
                    cases.push(Case { workload, shape, engine, dtype });
                }
            }
        }
    }
    cases
}

/// Backends with the instruction sets that make a difference to them.
fn engines(selection: &Selection, best: Isa) -> Vec<(Backend, Isa)> {
    let backends = Backend::ALL
        .iter()
        .copied()
        .filter(|backend| selection.backend.is_none_or(|only| only.to_string() == backend.name()));
    let one = selection.quick || selection.one_isa;
    let isas = if one { vec![best] } else { Isa::available() };
    let isas = |backend| if backend == Backend::Native { isas.clone() } else { vec![best] };
    backends.flat_map(|backend| isas(backend).into_iter().map(move |isa| (backend, isa))).collect()
}

/// The paper's shape; a sixteenth of the samples where there are no vector registers to speak of.
fn shape(workload: Workload, isa: Isa) -> Shape {
    let shape = workload.shape();
    let slow = isa.name() == "scalar" && shape.n > 1000;
    Shape { n: if slow { shape.n / 16 } else { shape.n }, ..shape }
}

/// A measurement, and the peaks that were measured before and after it.
fn measure<T: Element>(case: &Case, quick: bool, limits: &Limits) -> Result<(Measurement, Vec<f64>), Error> {
    let Case { workload, shape, engine, .. } = *case;
    let error = check::<T>(workload, &engine).map_err(Error::run_failed)?;
    let effort = if quick {
        Effort { time: Duration::from_millis(300), at_least: 3, at_most: 200 }
    } else {
        Effort { time: Duration::from_millis(1500), at_least: 7, at_most: 2000 }
    };
    // Beside the pass, and not while its inputs are in memory.
    let bandwidth = limits.bandwidth_beside(workload);
    let work = workload.prepare::<T>(engine, shape);
    let peaks = limits.peaks::<T>(&engine);
    let Timing { median: seconds, fastest, slowest, spread, runs } = time(effort, work);
    let bandwidth = bandwidth.mean(limits.bandwidth_beside(workload));
    let mut peaks = [peaks, limits.peaks::<T>(&engine)].concat();
    let peak = median(&mut peaks);
    let (flops, traffic) = (workload.flops(shape), workload.traffic(shape, size_of::<T>()));
    let gflops = flops / seconds / 1e9;
    let Subject { pass, shape, dtype, backend, isa, threads } = case.subject();
    let measured = Measurement {
        pass,
        shape,
        backend,
        dtype,
        isa,
        threads,
        seconds,
        spread_seconds: spread,
        fastest_seconds: fastest,
        slowest_seconds: slowest,
        runs,
        gflops,
        gbs: traffic.total() / seconds / 1e9,
        fraction_of_peak: gflops / peak,
        fraction_of_roofline: (flops / peak / 1e9).max(bandwidth.seconds(traffic)) / seconds,
        error,
    };
    Ok((measured, peaks))
}

/// The machine's limits. A machine that is shared does not keep its speed, so the peak is measured again beside every
/// pass, and the bandwidth beside those that have no matrix product: they wait for memory.
struct Limits {
    engine: Engine,
    bandwidth: Bandwidth,
    repetitions: usize,
}

impl Limits {
    fn new(best: Engine, repetitions: usize) -> Self {
        let bandwidth = Bandwidth::measure(&best, STREAM_BYTES, repetitions.min(7));
        Self { engine: best, bandwidth, repetitions }
    }

    /// The current bandwidth, for passes that wait for memory.
    fn bandwidth_beside(&self, workload: Workload) -> Bandwidth {
        if workload.multiplies() { self.bandwidth } else { Bandwidth::measure(&self.engine, STREAM_BYTES, 3) }
    }

    /// GFLOP/s of fused multiply-adds with an engine's instruction set and threads, several times.
    fn peaks<T: Element>(&self, engine: &Engine) -> Vec<f64> {
        (0..self.repetitions).map(|_| peak::flops_per_second::<T>(engine, 1) / 1e9).collect()
    }
}
