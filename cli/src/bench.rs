//! The table, the JSON object and the CSV of a benchmark.

use memorize_analysis::text::{Align, table};
use memorize_benches::report::{BenchReport, Measurement};
use memorize_run::error::Error;
use memorize_run::units::{measured, number, percent, threads};

use crate::say;

/// Headings of the columns.
const LEGEND: &str = "\
+-: half of the runs are this close to the median. GB/s: bytes that have to move at least once.
of peak: of the multiply-adds of that instruction set, type and number of threads, measured beside the pass.
of roofline: of that, or of what memory can feed, if that is less; above 100 % if the operands stay in cache.
";

/// The report for a person: the machine, its limits, a line a measurement.
pub fn text(report: &BenchReport) -> String {
    let machine = &report.machine;
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
    let blas = machine.blas.as_ref().map(|blas| format!("blas: {blas}\n")).unwrap_or_default();
    format!(
        "{}, {}, {}\npeak {}; memory {} GB/s\n{blas}{}, commit {}\n\n{}\n{LEGEND}",
        machine.cpu,
        threads(machine.threads),
        machine.caches.join(", "),
        peaks.join(", "),
        number(report.bandwidth_gbs),
        machine.compiler,
        machine.commit,
        table(&rows, &align)
    )
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
