//! `memorize report` and `memorize compare`: pages about runs.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// `memorize report`
#[derive(Args, Debug)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct ReportArgs {
    /// Folders of the runs, such as runs/*
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Folder for the page and its pictures
    #[arg(long, short, value_name = "DIR", default_value = "report", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Replace a page and pictures that `memorize` has not made; its own are replaced anyway
    #[arg(long)]
    pub overwrite: bool,
}

const REPORT_EXAMPLES: &str = "\
The page is DIR/index.html: one file that needs no network. It has the curves, what the paper
reports beside what came out, all numbers, settings, machine and command lines. DIR/curves has
each curve as SVG and PNG. `memorize reproduce all` makes the same page.

Examples:
  memorize report runs/synthetic runs/mnist-2layer-noise
  memorize report runs/* --out talk";

/// `memorize compare`
#[derive(Args, Debug)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct CompareArgs {
    /// Folders of the runs, two at least
    #[arg(value_name = "RUN", required = true, num_args = 2.., value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Folder for the page with the curves over each other
    #[arg(long, short, value_name = "DIR", default_value = "comparison", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Replace a page and pictures that `memorize` has not made; its own are replaced anyway
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const COMPARE_EXAMPLES: &str = "\
Prints the settings in which the runs differ, then in what machine and program differ, then the
results. The curves over each other: DIR/index.html, DIR/curves/all.svg and all.png.

Examples:
  memorize compare runs/mnist-2layer runs/mnist-2layer-noise
  memorize compare runs/a runs/b runs/c --json --out abc";
