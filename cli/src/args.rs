//! The command line, as typed. Its meaning is decided in [`layer`](memorize_run::layer) and
//! [`config`](memorize_run::config).

mod bench;
mod capacity;
mod certify;
mod condition;
mod config;
mod data;
mod flags;
mod help;
mod log;
mod race;
mod report;
mod resume;
mod runs;
mod shell;
mod solve;
mod stored;
mod sweep;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use memorize_run::config::{ConfigError, Dtype, EvalConfig, RunConfig};
use memorize_run::experiments::{Experiment, Scale};
use memorize_run::layer::{Layer, seeded};
use memorize_run::settings::{COMPUTE, Effect, RunLayer, Section};

pub use bench::BenchArgs;
pub use capacity::CapacityArgs;
pub use certify::CertifyArgs;
pub use condition::ConditionArgs;
pub use config::ConfigArgs;
pub use data::{ConvertArgs, DataArgs, DataCommand, InfoArgs, MNIST, SYNTHETIC, SampleArgs, Source, WrittenArgs};
pub use flags::{All, Compute, Flags, GoingOn, Keys, Looked, Raced, Reproduced, Solved, choice};
pub use help::{command, parse};
pub use log::{LogArgs, LogFormat, asks_for_json};
pub use race::RaceArgs;
pub use report::{CompareArgs, ReportArgs};
pub use resume::ResumeArgs;
pub use runs::RunsArgs;
pub use shell::{CompletionsArgs, ManArgs};
pub use solve::SolveArgs;
pub use stored::StoredArgs;
pub use sweep::SweepArgs;

/// Train quadratic networks that memorise their training data, on CPUs.
///
/// Reproduces the experiments of "Mildly Overparametrized Neural Nets Can Memorize Training Data Efficiently"
/// (Ge, Wang, Zhao), trains such networks on other data, and evaluates stored weights.
#[derive(Parser, Debug)]
#[command(name = "memorize", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  memorize reproduce synthetic                    the smallest experiment, seconds
  memorize reproduce mnist-2layer-noise --quick   a small version of a large one, seconds
  memorize reproduce all                          every experiment of the paper at full scale
  memorize train --data mnist --normalize --noise 0.01 --neurons 3000 --epochs 60
  memorize resume runs/mnist-2layer-noise         goes on with a run that was stopped
  memorize solve --inputs X.npy --targets y.npy --normalize --out W.safetensors
  memorize eval --weights W.safetensors --inputs X.npy --targets y.npy --normalize
  memorize certify --weights W.safetensors --inputs X.npy --targets y.npy --normalize
  memorize condition --inputs X.npy --normalize   are the samples in general position?
  memorize capacity                               the threshold of Theorem 1, seconds
  memorize race --data synthetic --normalize      which optimiser is the fastest?
  memorize sweep sizes.toml                       a grid of settings, each a run of its own
  memorize runs --sort train_loss                 what there is
  memorize report runs/*                          a page about runs: report/index.html
  memorize compare runs/mnist-2layer runs/mnist-2layer-noise
  memorize config --default > job.toml            a configuration file to start from
  memorize data info X.npy                        what is in a file
  memorize bench --quick                          throughput of the passes on this machine

Exit codes: 0 done, 1 the run failed, 2 bad arguments or input, 130 interrupted.";

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run an experiment of the paper and compare with what it reports
    Reproduce(Box<ReproduceArgs>),
    /// Train a network on your own data, MNIST or synthetic data
    Train(Box<TrainArgs>),
    /// Go on with a run that was stopped, to the same bits as if it had not been
    Resume(ResumeArgs),
    /// Memorise without descent: solve for the network, as a linear system
    Solve(Box<SolveArgs>),
    /// Compute loss, error and gradient of stored weights
    Eval(EvalArgs),
    /// Say how far stored weights are from a second-order stationary point, and what follows for the loss
    Certify(CertifyArgs),
    /// Say whether samples are in general position, so that a network can memorise any targets
    Condition(Box<ConditionArgs>),
    /// Show how many random samples a network memorises: the threshold d(d+1)/2 of Theorem 1
    Capacity(CapacityArgs),
    /// Count the passes over the data that each optimiser takes to a loss
    Race(Box<RaceArgs>),
    /// Run a file's grid of settings, some runs at a time
    Sweep(SweepArgs),
    /// List runs, filtered and sorted
    Runs(RunsArgs),
    /// Make a page about runs: curves, numbers, what the paper reports beside them
    Report(ReportArgs),
    /// Show the differences between runs, and lay their curves over each other
    Compare(CompareArgs),
    /// Print a configuration file: every setting explained, or what flags amount to
    Config(Box<ConfigArgs>),
    /// Look at data files, convert them, draw samples of them
    Data(DataArgs),
    /// Print a shell's script that completes commands and flags
    Completions(CompletionsArgs),
    /// Write the pages of the manual
    Man(ManArgs),
    /// Measure how fast this machine runs the passes, beside its limits
    Bench(BenchArgs),
}

impl Command {
    /// Whether the ranks of a job can share its work.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Resume(_) | Self::Solve(_) | Self::Eval(_) | Self::Condition(_))
    }
}

/// Which experiments to reproduce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them, one after the other.
    All,
    /// One.
    One(Experiment),
}

impl Selection {
    /// The experiments, in the paper's order.
    pub fn experiments(self) -> Vec<Experiment> {
        match self {
            Self::All => Experiment::ALL.to_vec(),
            Self::One(experiment) => vec![experiment],
        }
    }

    fn parser() -> impl TypedValueParser<Value = Self> {
        let all = PossibleValue::new("all").help("Every experiment, one after the other");
        let one = Experiment::ALL.map(|experiment| PossibleValue::new(experiment.name()).help(experiment.summary()));
        PossibleValuesParser::new(one.into_iter().chain([all]))
            .map(|name| Experiment::from_name(&name).map_or(Self::All, Self::One))
    }
}

/// Folder of the page about all experiments.
const REPORT: &str = "report";

/// `memorize reproduce`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, next_help_heading = "Experiment", after_help = REPRODUCE_EXAMPLES)]
pub struct ReproduceArgs {
    /// Which experiment
    #[arg(value_name = "EXPERIMENT", value_parser = Selection::parser(), help_heading = None)]
    pub experiment: Selection,
    /// Run a small version in seconds: fewer samples, neurons and epochs
    #[arg(long)]
    pub quick: bool,
    /// What may be said about it.
    #[command(flatten)]
    pub layer: Flags<Layer, Reproduced>,
    /// Go on with an experiment that was stopped, and leave a finished one alone; `all` does so anyway
    #[arg(long, conflicts_with = "overwrite", help_heading = "Output")]
    pub resume: bool,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

const REPRODUCE_EXAMPLES: &str = "\
Each run leaves config.toml, metrics.csv, summary.json, curve.svg, curve.png and the weights
in its folder. With `all`, --out DIR gives each experiment a folder of its own below DIR; what is
complete there already is skipped, and what was stopped goes on (--overwrite begins it anew). At
the end there is a page with all curves and numbers beside what the paper reports:
report/index.html, below DIR with --out.

Examples:
  memorize reproduce synthetic
  memorize reproduce mnist-3layer --quick
  memorize reproduce mnist-2layer-noise --epochs 100 --seed 7 --out results/noise-7
  memorize reproduce mnist-2layer-noise --optimizer solve
  memorize reproduce mnist-2layer-noise --resume   goes on where it was stopped
  memorize reproduce all --out results";

impl ReproduceArgs {
    /// The configuration of one of the selected experiments.
    ///
    /// # Errors
    /// If a flag has a value that cannot be run with.
    pub fn config(&self, experiment: Experiment) -> Result<RunConfig, ConfigError> {
        let scale = if self.quick { Scale::Quick } else { Scale::Full };
        let mut config = experiment.config_with(scale, self.layer.optimizer.kind)?;
        if self.layer.run.epochs.is_some() {
            config.run.iterations = None;
        }
        config.run.lay(&self.layer.run, &Effect::ALL);
        config.run.name = seeded(&config.run.name, config.run.seed);
        config.network.lay(&self.layer.network, &Effect::ALL);
        // Of all experiments, those that read the files find them there; one alone that reads none refuses the folder.
        if experiment.uses_mnist() || self.experiment != Selection::All {
            config.data.dir =
                self.layer.data.dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
        }
        config.validate()?;
        Ok(config)
    }

    /// The folder for a run: `runs/<name>`, or `--out`, or a folder below `--out` when several experiments share it.
    pub fn folder(&self, config: &RunConfig) -> PathBuf {
        match (&self.output.out, self.experiment) {
            (Some(out), Selection::All) => out.join(&config.run.name),
            _ => self.output.folder(config),
        }
    }

    /// The folder for the page about all experiments: `report`, below `--out` if that is given.
    pub fn report_folder(&self) -> PathBuf {
        self.output.out.as_deref().map_or_else(|| PathBuf::from(REPORT), |out| out.join(REPORT))
    }
}

/// `memorize train`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// Read settings from a TOML file, such as a run's config.toml; flags override it
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// Everything that a file may say too.
    #[command(flatten)]
    pub layer: Flags<Layer>,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

const TRAIN_EXAMPLES: &str = "\
The network is q(x) = sum_i a_i (w_i . x)^2, with a_i = +1 for half of the neurons and -1 for
the others. The loss is f(W) = 1/(4n) sum_j (q(x_j) - y_j)^2.

Data, neurons and length (--epochs or --iterations) have to be given, here or in --config.
With --theory the last two follow from the data and --theory-epsilon.

Examples:
  memorize train --inputs X.npy --targets y.npy --neurons 300 --epochs 100
  memorize train --data mnist --normalize --noise 0.01 -r 3000 --lr-decay-every 15 --epochs 60
  memorize train --data synthetic --normalize -r 300 --optimizer gd --lr 3 --iterations 2000
  memorize train --data synthetic --samples 2 --dim 2 --optimizer pgd --theory --theory-epsilon 0.05
  memorize train --data synthetic --normalize -r 300 --optimizer accelerated --lr 3 --iterations 500
  memorize train --data mnist --normalize --noise 0.01 --optimizer negative-curvature --epochs 100
  memorize train --config runs/mnist-2layer-noise/config.toml --seed 1 --out runs/again";

impl TrainArgs {
    /// The configuration: the flags over the file over the defaults, with absolute paths.
    ///
    /// # Errors
    /// If the file cannot be read, something without a default is missing, or a value cannot be run with.
    pub fn config(&self) -> Result<RunConfig, ConfigError> {
        self.layer.resolve_over(self.config.as_deref())
    }
}

/// `memorize eval`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, next_help_heading = "Input", after_help = EVAL_EXAMPLES)]
pub struct EvalArgs {
    /// Weights and samples.
    #[command(flatten)]
    pub stored: StoredArgs,
    /// Add gamma/2 ||W||^2 to the value and its gradient
    #[arg(long, value_name = "X", default_value_t = 0.0, help_heading = "Input")]
    pub gamma: f64,
    /// Print one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Write the gradient, d x r, as .npy
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub gradient_out: Option<PathBuf>,
    /// Replace the file that --gradient-out names
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Type of the numbers; f64 here, where exactness matters more than speed
    #[arg(long, value_name = "TYPE", default_value = "f64", value_parser = choice::<Dtype>(), help_heading = COMPUTE)]
    pub dtype: Dtype,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

const EVAL_EXAMPLES: &str = "\
Examples:
  memorize eval --run runs/synthetic --json
  memorize eval --weights runs/synthetic/checkpoint.safetensors --inputs X.npy --targets y.npy
  memorize eval --weights W.safetensors --inputs X.npy --targets y.npy --json --gradient-out G.npy";

impl EvalArgs {
    /// The evaluation asked for.
    ///
    /// # Errors
    /// If a flag has a value that cannot be used.
    pub fn config(&self) -> Result<EvalConfig, ConfigError> {
        let config = EvalConfig {
            stored: self.stored.stored(),
            dtype: self.dtype,
            gradient_out: self.gradient_out.clone(),
            overwrite: self.overwrite,
            json: self.json,
            backend: self.compute.backend.unwrap_or_default(),
            isa: self.compute.isa,
            threads: self.compute.threads,
            route: self.compute.route.unwrap_or_default(),
            gamma: self.gamma,
        };
        config.validate()?;
        Ok(config)
    }
}

/// With what a result is computed.
pub type ComputeArgs = Flags<RunLayer, Compute>;

/// How a command shows what it finds.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct ShownArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// No progress on the screen
    #[arg(long, short)]
    pub quiet: bool,
}

/// Where results go, and what is said on the way.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Folder for the results [default: runs/NAME, or runs/NAME-seedN with a seed N that is not 0]
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Replace the results of an earlier run in that folder
    #[arg(long)]
    pub overwrite: bool,
    /// How much is said on the way.
    #[command(flatten)]
    pub log: LogArgs,
}

impl OutputArgs {
    /// `--out`, or `runs/<name>`.
    pub fn folder(&self, config: &RunConfig) -> PathBuf {
        self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&config.run.name))
    }
}

#[cfg(test)]
mod tests;
