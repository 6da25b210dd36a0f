//! The table, the JSON object and the CSV of a benchmark.

use memorize_analysis::text::{Align, table};
use memorize_benches::machine::MachineInfo;
use memorize_benches::report::{BenchReport, Measurement};
use memorize_benches::scaling::{Scaling, ScalingReport};
use memorize_run::error::Error;
use memorize_run::units::{measured, number, percent, threads};

use crate::say;

/// Headings of the columns.
const LEGEND: &str = "\
+-: half of the runs are this close to the median. GB/s: bytes that have to move at least once.
of peak: of the multiply-adds of that instruction set, type and number of threads, measured beside the pass.
of roofline: the least time by that peak, by memory's reads alone or by all that moves, over the median; above 100 % if
the operands stay in cache.
";

/// The report for a person: the machine, its limits, a line a measurement.
pub fn text(report: &BenchReport) -> String {
    let peaks: Vec<String> =
        report.peak_gflops.iter().map(|(dtype, peak)| format!("{dtype} {} GFLOP/s", number(*peak))).collect();
    let header = [
        "pass",
        "n x d x r",
        "type",
        "backend",
        "isa",
        "threads",
        "median",
        "+-",
        "GFLOP/s",
        "GB/s",
        "of peak",
        "of roofline",
    ];
    let rows: Vec<[String; 12]> =
        std::iter::once(header.map(str::to_owned)).chain(report.results.iter().map(row)).collect();
    use Align::{Left, Right};
    let align = [Left, Left, Left, Left, Left, Right, Right, Right, Right, Right, Right, Right];
    let memory = memory(report.bandwidth_gbs, report.read_bandwidth_gbs);
    let limits = format!("peak {}; {memory}", peaks.join(", "));
    format!("{}\n{}\n{LEGEND}", head(&report.machine, &limits), table(&rows, &align))
}

/// What memory gives.
fn memory(update: f64, read: f64) -> String {
    format!("memory {} GB/s (reads alone {} GB/s)", number(update), number(read))
}

/// The machine, with its limits.
fn head(machine: &MachineInfo, limits: &str) -> String {
    let blas = machine.blas.as_ref().map(|blas| format!("blas: {blas}\n")).unwrap_or_default();
    let MachineInfo { cpu, caches, compiler, commit, .. } = machine;
    let (threads, caches) = (threads(machine.threads), caches.join(", "));
    format!("{cpu}, {threads}, {caches}\n{limits}\n{blas}{compiler}, commit {commit}\n")
}

/// Headings of the table of `--scaling`.
const LEGEND_OF_SCALING: &str = "\
speed-up: times faster than one thread; efficiency: that for each thread.
from trace: every piece timed on one thread and given to so many as they come free; what handing it over costs, and what
threads take from each other in caches and memory, is not in it.
GB/s: bytes that have to move at least once, which the memory of such a machine must give.
memory allows: the most that the speed-up could be with the memory of this machine.
";

/// The report on threads for a person.
pub fn scaling(report: &ScalingReport) -> String {
    let header =
        ["pass", "n x d x r", "type", "threads", "", "time", "speed-up", "efficiency", "GB/s", "memory allows"];
    let row = |found: &Scaling| {
        [
            found.pass.clone(),
            found.shape.clone(),
            found.dtype.clone(),
            found.threads.to_string(),
            found.kind.name().to_owned(),
            measured(found.seconds),
            format!("{:.2}", found.speedup),
            format!("{:.2}", found.efficiency),
            number(found.gbs),
            number(found.speedup_of_bandwidth),
        ]
    };
    let rows: Vec<[String; 10]> =
        std::iter::once(header.map(str::to_owned)).chain(report.scaling.iter().map(row)).collect();
    use Align::{Left, Right};
    let align = [Left, Left, Left, Right, Left, Right, Right, Right, Right, Right];
    let limits = memory(report.bandwidth_gbs, report.read_bandwidth_gbs);
    format!("{}\n{}\n{LEGEND_OF_SCALING}", head(&report.machine, &limits), table(&rows, &align))
}

fn row(result: &Measurement) -> [String; 12] {
    [
        result.pass.clone(),
        result.shape.clone(),
        result.dtype.clone(),
        result.backend.clone(),
        result.isa.clone(),
        result.threads.to_string(),
        measured(result.seconds),
        format!("{:.1} %", 100.0 * result.spread_seconds / result.seconds),
        number(result.gflops),
        number(result.gbs),
        percent(result.fraction_of_peak),
        percent(result.fraction_of_roofline),
    ]
}

/// One JSON object, on one line.
pub fn json(report: &BenchReport) -> String {
    say::json("bench", None, report)
}

/// A header and a row a measurement.
///
/// # Errors
/// Never in practice: it writes to memory.
pub fn csv(report: &BenchReport) -> Result<String, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for result in &report.results {
        writer.serialize(result).map_err(Error::run_failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::run_failed(error.into_error()))?;
    String::from_utf8(bytes).map_err(Error::run_failed)
}
