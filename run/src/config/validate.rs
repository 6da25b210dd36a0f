//! The checks behind [`RunConfig::validate`]: one clear error for each way in which a value can be wrong.

use memorize_data::Shown;

use super::check::{Check, ensure, finite_positive, invalid};
use super::{
    Batch, ConfigError, DataSection, Experiment, FeaturesSection, Metric, NetworkSection, OptimizerKind,
    OptimizerSection, PgdSection, RunConfig, RunSection, SolveSection, Source, saddles, theory,
};
use crate::settings::defaults::{
    DEFAULT_BETA1, DEFAULT_BETA2, DEFAULT_DECAY_FACTOR, DEFAULT_EPSILON, DEFAULT_LEARNING_RATE, NEURONS_NEEDED,
    PGD_NEEDS,
};
use crate::settings::{Section, THREADS};

/// Checks a whole configuration, section by section.
pub(super) fn run(config: &RunConfig) -> Check {
    data(&config.data)?;
    targets(&config.data)?;
    let prescribed = config.optimizer.theory.is_some();
    network(&config.network, config.optimizer.kind, prescribed)?;
    config.optimizer.theory.as_ref().map_or(Ok(()), |section| theory::check(section, config))?;
    optimizer(&config.optimizer)?;
    run_section(&config.run, prescribed)
}

/// Everything but the targets, which what only looks at the samples can do without.
pub(super) fn data(data: &DataSection) -> Check {
    data.check_ranges()?;
    sources(data)
}

/// Each source with the keys that it needs and without those of the others.
fn sources(data: &DataSection) -> Check {
    let files = data.source == Source::Files;
    ensure(!files || data.inputs.is_some(), || ConfigError::Missing {
        field: "data.inputs",
        advice: "give the training samples with --inputs FILE, or choose --data mnist or --data synthetic",
    })?;
    ensure(data.test_inputs.is_some() == data.test_targets.is_some(), || ConfigError::Missing {
        field: if data.test_inputs.is_some() { "data.test_targets" } else { "data.test_inputs" },
        advice: "a test set has samples and targets: give both --test-inputs and --test-targets, or neither",
    })?;
    let paths = [
        ("data.inputs", "inputs", &data.inputs),
        ("data.targets", "targets", &data.targets),
        ("data.test_inputs", "test-inputs", &data.test_inputs),
        ("data.test_targets", "test-targets", &data.test_targets),
    ];
    for (field, flag, path) in paths {
        if let (false, Some(path)) = (files, path) {
            return Err(invalid(field, path.shown(), not_of(data.source, flag)));
        }
    }
    let synthetic = data.source == Source::Synthetic;
    for (field, flag, value) in [("data.samples", "samples", data.samples), ("data.dim", "dim", data.dim)] {
        if let (false, Some(value)) = (synthetic, value) {
            let advice = format!("{}; --limit uses fewer samples", not_of(data.source, flag));
            return Err(invalid(field, value, advice));
        }
    }
    ensure(data.dir.is_none() || data.source == Source::Mnist, || {
        let value = data.dir.as_ref().map(|dir| dir.shown().to_string()).unwrap_or_default();
        invalid("data.dir", value, not_of(data.source, "data-dir"))
    })
}

/// Says that what a flag gives is of another source.
fn not_of(source: Source, flag: &str) -> String {
    format!("not read when data.source is {source}; leave out --{flag}")
}

/// Refuses a test set where none is looked at.
pub(super) fn no_test_set(data: &DataSection) -> Check {
    let test = data.test_inputs.as_ref().or(data.test_targets.as_ref());
    ensure(test.is_none(), || {
        let value = test.map(|path| path.shown().to_string()).unwrap_or_default();
        invalid("data.test_inputs", value, "a test set is not looked at; name the set to look at with --inputs")
    })
}

fn targets(data: &DataSection) -> Check {
    let given = data.source != Source::Files || data.targets.is_some() || data.random_labels;
    ensure(given, || ConfigError::Missing {
        field: "data.targets",
        advice: "give the training targets with --targets FILE, or ask for --random-labels",
    })
}

fn network(network: &NetworkSection, kind: OptimizerKind, prescribed: bool) -> Check {
    network.check_ranges()?;
    if kind.decides_neurons() {
        let advice = |flag: &str| format!("--optimizer solve decides it; leave out {flag}");
        ensure(network.neurons.is_none(), || {
            invalid("network.neurons", network.neurons.unwrap_or(0), advice("--neurons"))
        })?;
        ensure(network.init_scale.is_none(), || {
            invalid("network.init_scale", network.init_scale.unwrap_or(0.0), advice("--init-scale"))
        })?;
    } else if network.neurons.is_some() || !(prescribed || kind == OptimizerKind::NegativeCurvature) {
        trained(network, kind)?;
    }
    network.features.as_ref().map_or(Ok(()), FeaturesSection::check_ranges)
}

/// A network that descends from somewhere.
fn trained(network: &NetworkSection, kind: OptimizerKind) -> Check {
    let neurons = network.neurons.ok_or(ConfigError::Missing { field: "network.neurons", advice: NEURONS_NEEDED })?;
    ensure(neurons > 0, || invalid("network.neurons", 0, "a network needs at least 2 neurons (--neurons)"))?;
    ensure(neurons.is_multiple_of(2), || {
        let next = neurons.saturating_add(1);
        let advice = format!("must be even, half of them have output weight +1 and half -1; try {next} (--neurons)");
        invalid("network.neurons", neurons, advice)
    })?;
    if let Some(scale) = network.init_scale.filter(|&scale| scale != 0.0 || !kind.leaves_saddles()) {
        finite_positive("network.init_scale", scale, "--init-scale; W = 0 is a saddle point")?;
    }
    Ok(())
}

/// Checks the threads of what has no `[run]`, as those of a run are checked.
///
/// # Errors
/// A number that is no number of threads, or more than any machine has.
pub fn check_threads(threads: Option<usize>) -> Check {
    THREADS.check("threads", "--threads", threads.as_ref())
}

fn optimizer(optimizer: &OptimizerSection) -> Check {
    if optimizer.kind == OptimizerKind::NegativeCurvature {
        let advice = "every step is as long as an exact line search finds best; leave out --lr";
        let rate = optimizer.learning_rate;
        ensure(rate == 0.0, || invalid("optimizer.learning_rate", rate, advice))?;
    } else if optimizer.theory.is_none() {
        finite_positive("optimizer.learning_rate", optimizer.learning_rate, "--lr")?;
    }
    optimizer.check_ranges()?;
    batch(optimizer)?;
    not_read(optimizer)?;
    let constant = !matches!(optimizer.kind, OptimizerKind::Gd | OptimizerKind::Sgd | OptimizerKind::Adam);
    ensure(!constant || optimizer.decay_every.is_none(), || {
        let advice = format!("{} has no step size that could decay; leave out --lr-decay-every", optimizer.kind);
        invalid("optimizer.decay_every", "(given)", advice)
    })?;
    saddles::check(optimizer)?;
    if let Some(solve) = &optimizer.solve {
        solver(solve, optimizer)?;
    }
    match &optimizer.pgd {
        Some(pgd) => thresholds(pgd, optimizer),
        None => ensure(optimizer.kind != OptimizerKind::Pgd || optimizer.theory.is_some(), || ConfigError::Missing {
            field: "optimizer.pgd",
            advice: PGD_NEEDS,
        }),
    }
}

/// Settings that the optimiser does not read, if they are not what they are when nobody speaks of them.
fn not_read(optimizer: &OptimizerSection) -> Check {
    let kind = optimizer.kind;
    let adam = [
        ("optimizer.beta1", optimizer.beta1, DEFAULT_BETA1),
        ("optimizer.beta2", optimizer.beta2, DEFAULT_BETA2),
        ("optimizer.epsilon", optimizer.epsilon, DEFAULT_EPSILON),
    ];
    for (field, value, default) in adam {
        ensure(kind == OptimizerKind::Adam || value == default, || {
            invalid(field, value, format!("read by --optimizer adam only, not by {kind}; leave it out"))
        })?;
    }
    let factor = optimizer.decay_factor;
    ensure(optimizer.decay_every.is_some() || factor == DEFAULT_DECAY_FACTOR, || {
        let advice = "read only where the step size decays: give --lr-decay-every too, or leave out --lr-decay-factor";
        invalid("optimizer.decay_factor", factor, advice)
    })?;
    let in_metric = optimizer.metric == Metric::Data && kind != OptimizerKind::Solve;
    ensure(!in_metric || kind.knows_metric(), || {
        let advice = format!(
            "read by --optimizer gd, accelerated, negative-curvature and solve only, not by {kind}; leave out --metric"
        );
        invalid("optimizer.metric", optimizer.metric, advice)
    })?;
    ensure(!in_metric || optimizer.gamma == 0.0, || {
        let advice = "in the metric of the samples there is no regulariser; leave out --gamma or --metric";
        invalid("optimizer.gamma", optimizer.gamma, advice)
    })?;
    let rate = optimizer.learning_rate;
    ensure(kind != OptimizerKind::Solve || rate == DEFAULT_LEARNING_RATE, || {
        invalid("optimizer.learning_rate", rate, "the solver takes no steps; leave out --lr")
    })
}

fn solver(solve: &SolveSection, optimizer: &OptimizerSection) -> Check {
    let kind = optimizer.kind;
    ensure(kind == OptimizerKind::Solve, || {
        invalid("optimizer.solve", "(given)", format!("read by --optimizer solve only, not by {kind}"))
    })?;
    solve.check_ranges()?;
    ensure(optimizer.gamma == 0.0, || {
        invalid("optimizer.gamma", optimizer.gamma, "the solver knows no regulariser; leave out --gamma")
    })
}

fn batch(optimizer: &OptimizerSection) -> Check {
    let Batch::Rows(rows) = optimizer.batch else { return Ok(()) };
    let kind = optimizer.kind;
    ensure(!kind.is_full_batch(), || {
        let advice =
            format!("{kind} sees the whole training set in every step; leave out --batch or use --optimizer sgd");
        invalid("optimizer.batch", rows, advice)
    })
}

fn thresholds(pgd: &PgdSection, optimizer: &OptimizerSection) -> Check {
    let kind = optimizer.kind;
    ensure(kind == OptimizerKind::Pgd, || {
        invalid("optimizer.pgd", "(given)", format!("thresholds are read by --optimizer pgd only, not by {kind}"))
    })?;
    pgd.check_ranges()
}

fn run_section(run: &RunSection, prescribed: bool) -> Check {
    if let Some(name) = &run.experiment {
        ensure(Experiment::from_name(name).is_some(), || {
            let names = Experiment::ALL.map(Experiment::name).join(", ");
            invalid("run.experiment", format!("{name:?}"), format!("not an experiment of the paper; there are {names}"))
        })?;
    }
    duration(run, prescribed)?;
    run.check_ranges()?;
    ensure(run.record_every > 0 || prescribed, || {
        invalid("run.record_every", 0, "must be at least 1; 1 records every iteration (--record-every)")
    })?;
    ensure(run.seed <= i64::MAX as u64, || {
        invalid("run.seed", run.seed, "must be at most 9223372036854775807, the largest number in TOML (--seed)")
    })?;
    let name = run.name.as_str();
    ensure(!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']), || {
        invalid("run.name", format!("{name:?}"), "names a folder inside runs/: not empty, no leading dot, no slash")
    })
}

/// A run has to end: by epochs, by iterations, by whichever comes first, or when the algorithm returns.
fn duration(run: &RunSection, prescribed: bool) -> Check {
    ensure(run.epochs.is_some() || run.iterations.is_some() || prescribed, || ConfigError::Missing {
        field: "run.epochs",
        advice: "say how long to train with --epochs N or --iterations N; with both, whichever comes first",
    })
}
