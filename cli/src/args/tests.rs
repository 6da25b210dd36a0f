//! Tests of [`super`].

use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;
use memorize_run::config::{Backend, Batch, IsaName, OptimizerKind, Route, SamplesOf, Source, Stored};
use memorize_run::layer;
use memorize_run::units::ByteSize;
use memorize_train::solve;
use memorize_train::theory::preconditioner;

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once("memorize").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command)
}

fn train(line: &str) -> Result<RunConfig, ConfigError> {
    match parse(&format!("train {line}")).unwrap() {
        Command::Train(arguments) => arguments.config(),
        other => panic!("{other:?}"),
    }
}

fn reproduce(line: &str) -> ReproduceArgs {
    match parse(&format!("reproduce {line}")).unwrap() {
        Command::Reproduce(arguments) => *arguments,
        other => panic!("{other:?}"),
    }
}

/// The long help of a command.
fn help(command: &str) -> String {
    let mut cli = Cli::command().term_width(120);
    cli.build();
    cli.find_subcommand_mut(command).unwrap().render_long_help().to_string()
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_mistyped_experiment_gets_the_nearest_name_and_exit_code_2() {
    let error = parse("reproduce mnist-2layer-nois").unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::InvalidValue, 2));
    assert!(error.to_string().contains("'mnist-2layer-noise'"), "{error}");
}

#[test]
fn all_is_every_experiment() {
    assert_eq!(reproduce("all").experiment.experiments(), Experiment::ALL);
    assert_eq!(reproduce("synthetic").experiment, Selection::One(Experiment::Synthetic));
}

#[test]
fn flags_of_reproduce_reach_the_configuration() {
    let line = "mnist-2layer --epochs 3 --seed 9 --threads 2 --dtype f64 --backend matrixmultiply --isa avx2 \
                --route gram --init-scale 0.5 --memory-budget 2GiB --data-dir /m";
    let config = reproduce(line).config(Experiment::Mnist2Layer).unwrap();
    let run = &config.run;
    assert_eq!((run.epochs, run.seed, run.threads), (Some(3), 9, Some(2)));
    assert_eq!((run.dtype, run.backend, run.isa), (Dtype::F64, Backend::Matrixmultiply, Some(IsaName::Avx2)));
    assert_eq!((run.route, run.memory_budget), (Route::Gram, Some(ByteSize(2 << 30))));
    assert_eq!((config.network.init_scale, config.data.dir), (Some(0.5), Some("/m".into())));
}

#[test]
fn epochs_replace_the_iterations_of_an_experiment() {
    let config = reproduce("synthetic --epochs 7").config(Experiment::Synthetic).unwrap();
    assert_eq!((config.run.epochs, config.run.iterations), (Some(7), None));
}

#[test]
fn the_folder_of_mnist_does_not_disturb_the_synthetic_experiment() {
    assert!(reproduce("all --data-dir /m").config(Experiment::Synthetic).is_ok());
}

#[test]
fn every_experiment_has_a_folder_of_its_own() {
    let folder = |line: &str| {
        let arguments = reproduce(line);
        let experiment = arguments.experiment.experiments()[0];
        arguments.folder(&arguments.config(experiment).unwrap())
    };
    assert_eq!(folder("synthetic"), Path::new("runs/synthetic"));
    assert_eq!(folder("synthetic --quick"), Path::new("runs/synthetic-quick"));
    assert_eq!(folder("synthetic --out x"), Path::new("x"));
    assert_eq!(folder("all --out x"), Path::new("x/synthetic"));
}

#[test]
fn flags_of_train_reach_the_configuration() {
    let config = train(
        "--data mnist --normalize --pca 100 --noise 0.05 --random-labels --features-k 750 -r 3000 --optimizer sgd \
         --lr 0.1 --batch full --lr-decay-every 15 --lr-decay-factor 0.5 --gamma 1e-6 --epochs 60 --stop-below 1e-5",
    )
    .unwrap();
    assert!(config.data.normalize && config.data.random_labels);
    assert_eq!((config.data.source, config.data.pca, config.data.noise), (Source::Mnist, Some(100), 0.05));
    assert_eq!(config.network.features.unwrap().k, 750);
    assert_eq!((config.optimizer.kind, config.optimizer.batch), (OptimizerKind::Sgd, Batch::Full));
    assert_eq!((config.optimizer.decay_every, config.optimizer.decay_factor), (Some(15), 0.5));
    assert_eq!(config.run.stop_below, Some(1e-5));
}

#[test]
fn files_become_absolute_so_that_the_written_configuration_finds_them() {
    let config = train("--inputs x.npy --targets y.npy -r 2 --epochs 1").unwrap();
    assert_eq!(config.data.source, Source::Files);
    assert!(config.data.inputs.unwrap().is_absolute() && config.data.targets.unwrap().is_absolute());
}

#[test]
fn flags_override_the_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("c.toml");
    let text = "[data]\nsource = \"mnist\"\nnormalize = true\n[network]\nneurons = 10\n[run]\nepochs = 5\nseed = 3\n";
    std::fs::write(&path, text).unwrap();
    let config = train(&format!("--config {} --neurons 20 --normalize=false", path.display())).unwrap();
    assert_eq!((config.network.neurons, config.data.normalize), (Some(20), false));
    assert_eq!((config.run.epochs, config.run.seed), (Some(5), 3));
}

#[test]
fn negative_numbers_reach_the_check_that_explains_them() {
    let error = train("--data mnist -r 2 --epochs 1 --lr -1").unwrap_err();
    assert!(error.to_string().contains("optimizer.learning_rate = -1"), "{error}");
    let error = train("--data mnist -r 2 --epochs 1 --noise -0.5").unwrap_err();
    assert!(error.to_string().contains("data.noise = -0.5"), "{error}");
}

#[test]
fn built_in_data_and_files_exclude_each_other() {
    let error = train("--data mnist --inputs x -r 2 --epochs 1").unwrap_err();
    assert!(error.to_string().contains("not read when data.source is mnist"), "{error}");
}

/// Weights w on the samples x and targets y.
fn stored(normalize: bool) -> Stored {
    Stored { weights: "w".into(), samples: SamplesOf::Files { inputs: "x".into(), targets: "y".into(), normalize } }
}

#[test]
fn a_run_stands_for_weights_and_samples() {
    let of = |line: &str| match parse(line).unwrap() {
        Command::Eval(arguments) => arguments.config().unwrap().stored,
        other => panic!("{other:?}"),
    };
    let samples = SamplesOf::Run("runs/a".into());
    let own = Stored { weights: "runs/a/checkpoint.safetensors".into(), samples: samples.clone() };
    assert_eq!(of("eval --run runs/a"), own);
    assert_eq!(of("eval --run runs/a --weights w"), Stored { weights: "w".into(), samples });
    assert_eq!(parse("eval --run a --normalize").unwrap_err().kind(), ErrorKind::ArgumentConflict);
    assert_eq!(parse("eval --weights w").unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
}

#[test]
fn eval_reads_its_flags_and_checks_them() {
    let files = "eval --weights w --inputs x --targets y";
    let config = |line: &str| match parse(line).unwrap() {
        Command::Eval(arguments) => arguments.config(),
        other => panic!("{other:?}"),
    };
    let evaluation = config(&format!("{files} --json --dtype f32 --gradient-out g.npy --gamma 0.5")).unwrap();
    assert!(evaluation.json && evaluation.stored == stored(false));
    assert_eq!((evaluation.dtype, evaluation.gamma), (Dtype::F32, 0.5));
    assert_eq!(evaluation.gradient_out.as_deref(), Some(Path::new("g.npy")));
    assert!(config(&format!("{files} --gamma nan")).is_err());
    assert!(config(&format!("{files} --threads 0")).is_err());
    assert_eq!(parse("eval --inputs x --targets y").unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
}

#[test]
fn certify_reads_its_flags_and_checks_them() {
    let files = "certify --weights w --inputs x --targets y";
    let config = |line: &str| match parse(line).unwrap() {
        Command::Certify(arguments) => arguments.config(),
        other => panic!("{other:?}"),
    };
    let all = format!("{files} --normalize --json --sigma-min 0.5 --tolerance 1e-3 --max-products 7 --seed 4");
    let asked = config(&all).unwrap();
    assert!(asked.json && asked.stored == stored(true));
    assert_eq!((asked.sigma_min, asked.eigensolver.tolerance), (Some(0.5), 1e-3));
    assert_eq!((asked.eigensolver.max_products, asked.eigensolver.seed), (7, 4));
    for wrong in ["--sigma-min 0", "--sigma-min -1", "--tolerance nan", "--max-products 0", "--threads 0"] {
        assert!(config(&format!("{files} {wrong}")).is_err(), "{wrong}");
    }
    let default = config(files).unwrap().eigensolver;
    let help = help("certify");
    for stated in [format!("[default: {:e}]", default.tolerance), format!("[default: {}]", default.max_products)] {
        assert!(help.contains(&stated), "{stated}");
    }
}

#[test]
fn defaults_that_follow_from_other_settings_are_in_words_what_they_are() {
    let stated_by = |command: &str, flag: &str, value: String| {
        let help = help(command);
        let line = help.split("\n      --").find(|entry| entry.starts_with(flag));
        let line = line.unwrap_or_else(|| panic!("no --{flag} in the help"));
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.contains(&format!("[default: {value}")), "{command} --{flag}: {line}");
    };
    let stated = |flag: &str, value: String| stated_by("train", flag, value);
    stated("samples", layer::DEFAULT_SAMPLES.to_string());
    stated("dim", layer::DEFAULT_DIM.to_string());
    stated("lr ", format!("{} for adam, {} for", layer::DEFAULT_ADAM_LEARNING_RATE, layer::DEFAULT_LEARNING_RATE));
    stated("batch", format!("{} for sgd and adam, full", layer::DEFAULT_BATCH));
    stated("record-every", layer::DEFAULT_RECORD_EVERY.to_string());
    stated("iterations", format!("{} for solve", layer::DEFAULT_SOLVE_ITERATIONS));
    stated("stop-below", format!("{:e} for solve", layer::DEFAULT_SOLVE_LOSS));
    stated("accelerated-s", format!("{} radii", layer::DEFAULT_S_RADII));
    let ranks = format!(
        "{} a coordinate with the metric data, {} with frobenius, at least {}",
        solve::PAIRS_A_COORDINATE,
        solve::LANDMARKS_A_COORDINATE,
        solve::SMALLEST_RANK
    );
    stated("solve-rank", ranks.clone());
    stated("dtype", Dtype::default().to_string());
    stated_by("solve", "rank", ranks);
    let (share, least) = (preconditioner::RANK_A_COORDINATE, preconditioner::SMALLEST_RANK);
    stated_by("condition", "rank", format!("{share} a coordinate, at least {least}"));
    stated_by("solve", "iterations", layer::DEFAULT_SOLVE_ITERATIONS.to_string());
    stated_by("solve", "stop-below", format!("{:e}", layer::DEFAULT_SOLVE_LOSS));
    stated_by("race", "batch", layer::DEFAULT_BATCH.to_string());
    stated_by("race", "adam-lr", layer::DEFAULT_ADAM_LEARNING_RATE.to_string());
}

#[test]
fn the_help_is_grouped_and_names_every_experiment() {
    let train = help("train");
    for heading in ["Data:", "Network:", "Optimizer:", "Run:", "Compute:", "Output:"] {
        assert!(train.contains(heading), "{heading}");
    }
    let reproduce = help("reproduce");
    assert!(Experiment::ALL.iter().all(|experiment| reproduce.contains(experiment.name())));
}

#[test]
fn the_examples_in_the_help_are_valid() {
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        // What follows several spaces is a remark, and what follows an arrow is for the shell.
        let lines = examples.lines().filter_map(|line| line.strip_prefix("  memorize "));
        let lines: Vec<&str> =
            lines.map(|line| line.split("   ").next().unwrap().split(" >").next().unwrap()).collect();
        assert!(!lines.is_empty(), "{} has no examples", command.get_name());
        for line in lines {
            // Quotes are the shell's, too.
            parse(&line.replace('\'', "")).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        commands.extend(command.get_subcommands().cloned());
    }
}
