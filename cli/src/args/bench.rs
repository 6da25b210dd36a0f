//! `memorize bench`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_analysis::plot::PictureFile;
use memorize_benches::Shape;
use memorize_run::config::Dtype;

use super::{COMPUTE, ComputeArgs, choice};

/// `memorize bench`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(mut_arg("run.route", |arg| arg.hide(true)), mut_arg("run.threads", |arg| arg.help(THREADS)))]
pub struct BenchArgs {
    /// Only the best instruction set and f32, with fewer repetitions
    #[arg(long)]
    pub quick: bool,
    /// Only measurements whose line contains TEXT, as in `adam-step` or `f64 native`
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Measure every pass at this shape instead of the paper's
    #[arg(long, value_name = "NxDxR", value_parser = shape)]
    pub shape: Option<Shape>,
    /// Only this type of numbers [default: both]
    #[arg(long, value_name = "TYPE", value_parser = choice::<Dtype>(), help_heading = COMPUTE)]
    pub dtype: Option<Dtype>,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object
    #[arg(long, help_heading = "Output", conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV, a row a measurement
    #[arg(long, help_heading = "Output")]
    pub csv: bool,
    /// Measure how the passes scale with threads instead, and compute it for more threads than there are
    #[arg(long, conflicts_with_all = ["csv", "plot", "compare"])]
    pub scaling: bool,
    /// Draw a roofline plot, an SVG or a PNG by the file's extension
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub plot: Option<PictureFile>,
    /// Replace the file that --plot names
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Compare with the JSON of an earlier benchmark and name what got slower beyond the noise
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub compare: Option<PathBuf>,
}

const THREADS: &str = "Threads that a pass may use [default: one for each core]";

const EXAMPLES: &str = "\
Measures the peak of multiply-adds and the memory's bandwidth first, then every pass with every
backend, type and instruction set. Each is compared with a naive reference before it is timed.
Flops are those that a pass needs, symmetry used; medians of both, the peak's measured beside each
pass, for a shared machine does not keep its speed. In the plot a pass stands at its share of that
peak. A pass whose data stay in the caches can be above the roofline, which is drawn for main memory.

--scaling times every pass on 1, 2, 3, ... threads up to those of this machine. For 8 to 128 threads
it cuts the pass for so many, times every piece on one thread, and computes when all would be done if
each piece began as soon as a thread is free and what it waits for is done.

Examples:
  memorize bench --quick
  memorize bench --json > before.json
  memorize bench --compare before.json
  memorize bench --plot roofline.svg
  memorize bench --scaling --filter adam-step
  memorize bench --filter adam-step --isa avx2 --threads 1";

/// Reads `60000x784x3000`.
fn shape(text: &str) -> Result<Shape, String> {
    let sizes: Vec<usize> = text
        .split('x')
        .map(|size| size.parse().ok().filter(|&size| size > 0))
        .collect::<Option<_>>()
        .ok_or("sizes are whole numbers above 0, as in 60000x784x3000")?;
    match sizes[..] {
        [n, d, r] if r % 2 == 0 => Ok(Shape { n, d, r }),
        [_, _, _] => Err("the number of neurons, the third size, must be even".to_owned()),
        _ => Err("three sizes are needed: samples x width x neurons, as in 60000x784x3000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_three_sizes() {
        assert_eq!(shape("60000x784x3000"), Ok(Shape { n: 60_000, d: 784, r: 3000 }));
        for wrong in ["", "1x2", "1x2x3x4", "0x2x4", "axbxc", "1x2x-4", "1x2x3"] {
            assert!(shape(wrong).is_err(), "{wrong}");
        }
    }
}
