//! `memorize sweep`: many runs of one file.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::settings::COMPUTE;

/// `memorize sweep`
#[derive(Args, Debug)]
#[command(after_help = SWEEP_EXAMPLES)]
pub struct SweepArgs {
    /// The sweep: a configuration file with a section for what varies
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Folder for the runs, the table and the page [default: runs/FILE without its ending]
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Begin anew what is not complete, and replace what else is in its place; complete runs are left alone
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Print the runs, and run none
    #[arg(long, help_heading = "Output")]
    pub list: bool,
    /// No line for each run as it ends
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Write event files for TensorBoard, too, to DIR/RUN for each run
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub tensorboard: Option<PathBuf>,
    /// Runs at a time [default: sweep.jobs of the file, else 1]
    #[arg(long, short, value_name = "N", help_heading = COMPUTE, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Threads, shared out among the runs at a time; the results do not depend on it [default: one for each core]
    #[arg(long, short, value_name = "N", help_heading = COMPUTE, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

impl SweepArgs {
    /// `--out`, or `runs/<file without its ending>`.
    pub fn folder(&self) -> PathBuf {
        let name = self.file.file_stem().unwrap_or(self.file.as_os_str());
        self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }
}

const SWEEP_EXAMPLES: &str = "\
The file is a configuration file (`memorize config --default` explains every key) and says what varies:

  [data]
  source = \"synthetic\"
  normalize = true

  [optimizer]
  kind = \"gd\"

  [run]
  iterations = 1000

  [sweep]
  jobs = 2                              # runs at a time

  [sweep.grid]                          # every combination of these
  network.neurons = [100, 200, 300]
  optimizer.learning_rate = [1.0, 3.0]

Instead of lists, or beside them, [[sweep.list]] has sets of settings that belong together:

  [[sweep.list]]
  optimizer.kind = \"adam\"
  optimizer.learning_rate = 0.003

Each run has a folder of its own below DIR, as `memorize train` makes it. One that fails does not stop
the others; what it said is in its .log. The same command again skips what is complete and goes on with
the rest. DIR/sweep.csv has a row for each run, DIR/report/index.html the curves.

Examples:
  memorize sweep sizes.toml --list
  memorize sweep sizes.toml
  memorize sweep sizes.toml --jobs 4 --out results/sizes";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use memorize_run::sweep::Plan;

    #[test]
    fn the_file_of_the_help_is_a_sweep_with_either_kind_of_section() {
        let (grid, list) = SWEEP_EXAMPLES.split_once("Instead of lists").unwrap();
        let toml = |text: &str| -> String {
            let lines = text.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with("  "));
            lines.flat_map(|line| [line.trim(), "\n"]).collect()
        };
        let grid = Plan::in_file(Path::new("sizes.toml"), &toml(grid)).unwrap();
        assert_eq!((grid.jobs, grid.members.len()), (2, 6));
        let base = "data.source = \"synthetic\"\nnetwork.neurons = 4\nrun.epochs = 1\n";
        let list = Plan::in_file(Path::new("sizes.toml"), &format!("{base}{}", toml(list))).unwrap();
        assert_eq!(list.members[0].name, "kind=adam,learning_rate=0.003");
    }
}
