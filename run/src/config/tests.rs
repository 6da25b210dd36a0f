//! Tests of [`super`].

use std::path::PathBuf;

use proptest::option;
use proptest::prelude::*;
use strum::VariantArray;

use super::*;
use crate::experiments::{Experiment, Scale};
use crate::layer::{
    AcceleratedLayer, DataLayer, FeaturesLayer, Layer, NegativeCurvatureLayer, NetworkLayer, OptimizerLayer, PgdLayer,
    RunLayer,
};
use crate::units::ByteSize;

/// The smallest file that is a whole configuration.
const SMALL: &str = "[data]\nsource = \"mnist\"\n[network]\nneurons = 300\n[run]\nepochs = 2\n";

fn small() -> RunConfig {
    RunConfig::from_toml(SMALL).unwrap()
}

/// The message for a change to a valid configuration.
fn refusal(change: impl FnOnce(&mut RunConfig)) -> String {
    let mut config = small();
    change(&mut config);
    config.validate().unwrap_err().to_string()
}

#[test]
fn defaults_are_the_papers() {
    let config = small();
    assert_eq!(config.optimizer.kind, OptimizerKind::Adam);
    assert_eq!((config.optimizer.learning_rate, config.optimizer.batch), (0.003, Batch::Rows(128)));
    assert_eq!((config.run.record_every, config.run.seed, config.run.dtype), (5, 0, Dtype::F32));
    assert_eq!(config.run.name, "mnist-r300-adam");
    assert_eq!(config.data.samples, None);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_key() {
    let text = SMALL.replace("epochs = 2", "epochs = 2\nrecord_evry = 1");
    let message = RunConfig::from_toml(&text).unwrap_err().to_string();
    assert!(message.contains("line 7"), "{message}");
    assert!(message.contains("did you mean `record_every`?"), "{message}");
    let optimizers = ["optimizer.pgd", "optimizer.accelerated", "optimizer.negative_curvature", "optimizer.solve"];
    for section in ["data", "network", "network.features", "optimizer"].into_iter().chain(optimizers) {
        let text = format!("[{section}]\nnonsense_key = 1\n");
        assert!(matches!(RunConfig::from_toml(&text), Err(ConfigError::Syntax { .. })), "{section}");
    }
    assert!(matches!(RunConfig::from_toml("[optimiser]\n"), Err(ConfigError::Syntax { suggestion: Some(_), .. })));
}

#[test]
fn a_mistyped_choice_is_refused_with_the_nearest_one() {
    let message = RunConfig::from_toml("[optimizer]\nkind = \"adm\"\n").unwrap_err().to_string();
    assert!(message.contains("did you mean `adam`?"), "{message}");
}

#[test]
fn the_full_batch_has_a_name_of_its_own() {
    let text = format!("{SMALL}[optimizer]\nbatch = \"full\"\n");
    assert_eq!(RunConfig::from_toml(&text).unwrap().optimizer.batch, Batch::Full);
    let text = format!("{SMALL}[optimizer]\nbatch = -3\n");
    assert!(RunConfig::from_toml(&text).is_err());
}

#[test]
fn every_number_out_of_range_is_named_with_its_value_and_its_flag() {
    type Change = fn(&mut RunConfig);
    let cases: [(&str, &str, Change); 38] = [
        ("network.neurons = 0", "--neurons", |c| c.network.neurons = Some(0)),
        ("network.neurons = 301", "try 302", |c| c.network.neurons = Some(301)),
        ("network.neurons = 1", "try 2", |c| c.network.neurons = Some(1)),
        ("network.init_scale = 0", "--init-scale", |c| c.network.init_scale = Some(0.0)),
        ("network.init_scale = NaN", "--init-scale", |c| c.network.init_scale = Some(f64::NAN)),
        ("network.features.k = 0", "--features-k", |c| c.network.features = Some(features(0, 2, 0.1))),
        ("network.features.p = 0", "--features-p", |c| c.network.features = Some(features(1, 0, 0.1))),
        ("network.features.p = 65", "at most 64", |c| c.network.features = Some(features(1, 65, 0.1))),
        ("optimizer.epsilon = 1e-50", "--adam-epsilon", |c| c.optimizer.epsilon = 1e-50),
        ("run.experiment = \"mnist\"", "mnist-3layer", |c| c.run.experiment = Some("mnist".to_owned())),
        ("optimizer.decay_every = (given)", "--lr-decay-every", |c| {
            let (kind, decay_every, batch) = (OptimizerKind::Pgd, Some(3), Batch::Full);
            c.optimizer = OptimizerSection { kind, decay_every, batch, ..c.optimizer.clone() };
        }),
        ("run.threads = 1025", "at most 1024", |c| c.run.threads = Some(1025)),
        ("network.features.sigma = -1", "--features-sigma", |c| c.network.features = Some(features(1, 1, -1.0))),
        ("data.noise = -0.1", "--noise", |c| c.data.noise = -0.1),
        ("data.noise = inf", "--noise", |c| c.data.noise = f64::INFINITY),
        ("data.pca = 0", "--pca", |c| c.data.pca = Some(0)),
        ("data.limit = 0", "--limit", |c| c.data.limit = Some(0)),
        ("data.samples = 5", "data.source is mnist", |c| c.data.samples = Some(5)),
        ("data.inputs = x", "data.source is mnist", |c| c.data.inputs = Some("x".into())),
        ("optimizer.learning_rate = 0", "--lr", |c| c.optimizer.learning_rate = 0.0),
        ("optimizer.learning_rate = inf", "--lr", |c| c.optimizer.learning_rate = f64::INFINITY),
        ("optimizer.batch = 0", "--batch", |c| c.optimizer.batch = Batch::Rows(0)),
        ("optimizer.batch = 128", "leave out --batch", |c| c.optimizer.kind = OptimizerKind::Gd),
        ("optimizer.decay_every = 0", "--lr-decay-every", |c| c.optimizer.decay_every = Some(0)),
        ("optimizer.decay_factor = 0", "--lr-decay-factor", |c| c.optimizer.decay_factor = 0.0),
        ("optimizer.decay_factor = 1.5", "--lr-decay-factor", |c| c.optimizer.decay_factor = 1.5),
        ("optimizer.decay_factor = NaN", "--lr-decay-factor", |c| c.optimizer.decay_factor = f64::NAN),
        ("optimizer.beta1 = 1", "--adam-beta1", |c| c.optimizer.beta1 = 1.0),
        ("optimizer.beta2 = -0.1", "--adam-beta2", |c| c.optimizer.beta2 = -0.1),
        ("optimizer.epsilon = 0", "--adam-epsilon", |c| c.optimizer.epsilon = 0.0),
        ("optimizer.gamma = -1", "--gamma", |c| c.optimizer.gamma = -1.0),
        ("run.epochs = 0", "--epochs", |c| c.run.epochs = Some(0)),
        ("run.iterations = 0", "--iterations", |c| c.run.iterations = Some(0)),
        ("run.threads = 0", "--threads", |c| c.run.threads = Some(0)),
        ("run.record_every = 0", "--record-every", |c| c.run.record_every = 0),
        ("run.stop_below = 0", "--stop-below", |c| c.run.stop_below = Some(0.0)),
        ("run.memory_budget = 0", "--memory-budget", |c| c.run.memory_budget = Some(ByteSize(0))),
        ("run.seed = 18446744073709551615", "--seed", |c| c.run.seed = u64::MAX),
    ];
    for (field_and_value, advice, change) in cases {
        let message = refusal(change);
        assert!(message.starts_with(&format!("{field_and_value}: ")), "{message}");
        assert!(message.contains(advice), "{message}");
    }
}

fn features(k: usize, p: u32, sigma: f64) -> FeaturesSection {
    FeaturesSection { k, p, sigma }
}

#[test]
fn a_run_without_an_end_is_refused() {
    let message = refusal(|c| c.run.epochs = None);
    assert!(message.starts_with("run.epochs is missing") && message.contains("--iterations"), "{message}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", "..", "a/b", "/etc", "a\\b", ".hidden"] {
        assert!(refusal(|c| c.run.name = name.to_owned()).starts_with("run.name"), "{name}");
    }
}

#[test]
fn files_need_samples_and_targets() {
    let files = |inputs: Option<&str>, targets: Option<&str>, random| {
        let mut config = small();
        config.data = DataSection {
            source: Source::Files,
            inputs: inputs.map(PathBuf::from),
            targets: targets.map(PathBuf::from),
            random_labels: random,
            ..config.data
        };
        config
    };
    assert!(files(Some("x"), Some("y"), false).validate().is_ok());
    assert!(files(Some("x"), None, true).validate().is_ok(), "random labels take the targets' place");
    let missing = |config: RunConfig| config.validate().unwrap_err().to_string();
    assert!(missing(files(None, Some("y"), false)).contains("--inputs"));
    assert!(missing(files(Some("x"), None, false)).contains("--targets"));
    let mut half = files(Some("x"), Some("y"), false);
    half.data.test_inputs = Some("t".into());
    assert!(missing(half).starts_with("data.test_targets is missing"));
}

#[test]
fn thresholds_belong_to_perturbed_gradient_descent() {
    let pgd = PgdSection { radius: 1.0, g_threshold: 1.0, f_threshold: 1.0, t_threshold: 1 };
    let message = refusal(|c| c.optimizer.pgd = Some(pgd.clone()));
    assert!(message.contains("not by adam"), "{message}");
    let message = refusal(|c| {
        c.optimizer.kind = OptimizerKind::Pgd;
        c.optimizer.batch = Batch::Full;
    });
    for flag in ["--pgd-radius", "--pgd-g-threshold", "--pgd-f-threshold", "--pgd-t-threshold"] {
        assert!(message.contains(flag), "{message}");
    }
    let message = refusal(|c| {
        c.optimizer.kind = OptimizerKind::Pgd;
        c.optimizer.batch = Batch::Full;
        c.optimizer.pgd = Some(PgdSection { t_threshold: 0, ..pgd.clone() });
    });
    assert!(message.contains("--pgd-t-threshold"), "{message}");
}

/// Perturbed gradient descent as Theorem 4 has it.
fn prescribed() -> RunConfig {
    let optimizer = "[optimizer]\nkind = \"pgd\"\n[optimizer.theory]\nepsilon = 0.5\n";
    RunConfig::from_toml(&format!("[data]\nsource = \"synthetic\"\n{optimizer}")).unwrap()
}

#[test]
fn theorem_4_decides_all_but_its_own_section() {
    let config = prescribed();
    let section = TheorySection { epsilon: 0.5, delta: 0.1, c: 1.0, sigma_min: None, force: false };
    assert_eq!((config.optimizer.theory.as_ref(), config.network.neurons), (Some(&section), None));
    assert_eq!((config.run.dtype, config.run.name.as_str()), (Dtype::F64, "synthetic-pgd-theory"));
    assert_eq!(RunConfig::from_toml(&config.to_toml().unwrap()).unwrap(), config);
    type Change = fn(&mut RunConfig);
    let cases: [(&str, Change); 12] = [
        ("leave out --lr", |c| c.optimizer.learning_rate = 0.1),
        ("leave out --gamma", |c| c.optimizer.gamma = 0.1),
        ("leave out --init-scale", |c| c.network.init_scale = Some(0.1)),
        ("leave out --epochs", |c| c.run.epochs = Some(3)),
        ("leave out --stop-below", |c| c.run.stop_below = Some(0.1)),
        ("leave out the --pgd-* flags", |c| {
            c.optimizer.pgd = Some(PgdSection { radius: 1.0, g_threshold: 1.0, f_threshold: 1.0, t_threshold: 1 });
        }),
        ("--dtype f64", |c| c.run.dtype = Dtype::F32),
        ("not by gd", |c| c.optimizer.kind = OptimizerKind::Gd),
        ("(--theory-epsilon)", |c| c.optimizer.theory.as_mut().unwrap().epsilon = 0.0),
        ("(--theory-delta)", |c| c.optimizer.theory.as_mut().unwrap().delta = 1.0),
        ("(--theory-c)", |c| c.optimizer.theory.as_mut().unwrap().c = 1.5),
        ("(--theory-sigma-min)", |c| c.optimizer.theory.as_mut().unwrap().sigma_min = Some(f64::NAN)),
    ];
    for (advice, change) in cases {
        let mut config = prescribed();
        change(&mut config);
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(advice), "{advice}: {message}");
    }
    let mut limited = prescribed();
    limited.run.iterations = Some(1000);
    assert!(limited.validate().is_ok());
}

/// A positive finite number of any size.
fn scale() -> impl Strategy<Value = f64> {
    (-300..300_i32, 1.0..10.0_f64).prop_map(|(exponent, digits)| digits * 10_f64.powi(exponent))
}

fn path() -> impl Strategy<Value = PathBuf> {
    "[ -~äλ\\t]{1,20}".prop_map(PathBuf::from)
}

fn data() -> impl Strategy<Value = DataLayer> {
    let source = prop_oneof![
        option::of(path()).prop_map(|dir| DataLayer { source: Some(Source::Mnist), dir, ..DataLayer::default() }),
        (option::of(1..9_usize), option::of(1..9_usize)).prop_map(|(samples, dim)| DataLayer {
            source: Some(Source::Synthetic),
            samples,
            dim,
            ..DataLayer::default()
        }),
        (path(), path(), option::of((path(), path()))).prop_map(|(inputs, targets, test)| {
            let (test_inputs, test_targets) = test.unzip();
            let (inputs, targets) = (Some(inputs), Some(targets));
            DataLayer { inputs, targets, test_inputs, test_targets, ..DataLayer::default() }
        }),
    ];
    let rest = (option::of(1..9_usize), option::of(any::<bool>()), option::of(1..9_usize), option::of(scale()));
    (source, rest, option::of(any::<bool>())).prop_map(|(source, (limit, normalize, pca, noise), random_labels)| {
        DataLayer { limit, normalize, pca, noise, random_labels, ..source }
    })
}

fn network() -> impl Strategy<Value = NetworkLayer> {
    let features = option::of((1..9_usize, option::of(1..9_u32), option::of(scale())));
    (1..1_000_000_usize, option::of(scale()), features).prop_map(|(half, init_scale, features)| NetworkLayer {
        neurons: Some(2 * half),
        init_scale,
        features: features.map_or_else(FeaturesLayer::default, |(k, p, sigma)| FeaturesLayer { k: Some(k), p, sigma }),
    })
}

fn optimizer() -> impl Strategy<Value = OptimizerLayer> {
    let batch = option::of(prop_oneof![Just(Batch::Full), (1..9_usize).prop_map(Batch::Rows)]);
    let mini = (prop_oneof![Just(OptimizerKind::Sgd), Just(OptimizerKind::Adam)], batch)
        .prop_map(|(kind, batch)| OptimizerLayer { kind: Some(kind), batch, ..OptimizerLayer::default() });
    let thresholds = (scale(), scale(), scale(), 1..1000_u64).prop_map(|(radius, g, f, t)| PgdLayer {
        radius: Some(radius),
        g_threshold: Some(g),
        f_threshold: Some(f),
        t_threshold: Some(t),
    });
    let pgd =
        thresholds.prop_map(|pgd| OptimizerLayer { kind: Some(OptimizerKind::Pgd), pgd, ..OptimizerLayer::default() });
    let accelerated = (option::of(0.01..1.0_f64), option::of(scale()), option::of(scale()), option::of(1..1000_u64));
    let accelerated = accelerated.prop_map(|(theta, gamma, radius, t_threshold)| OptimizerLayer {
        kind: Some(OptimizerKind::Accelerated),
        accelerated: AcceleratedLayer {
            theta,
            gamma: gamma.or(Some(1.0)),
            s: Some(1.0),
            radius,
            g_threshold: None,
            t_threshold,
        },
        ..OptimizerLayer::default()
    });
    let negative_curvature = (option::of(0.0..1.0_f64), option::of(scale())).prop_map(|(g_threshold, tolerance)| {
        let negative_curvature = NegativeCurvatureLayer { g_threshold, tolerance };
        OptimizerLayer { kind: Some(OptimizerKind::NegativeCurvature), negative_curvature, ..OptimizerLayer::default() }
    });
    let rates = (option::of(scale()), option::of(1..99_u64), option::of(0.01..1.0_f64), option::of(scale()));
    let adam = (option::of(0.0..1.0_f64), option::of(0.0..1.0_f64), option::of(scale()));
    (prop_oneof![mini, pgd, accelerated, negative_curvature], rates, adam).prop_map(
        |(kind, (learning_rate, decay_every, decay_factor, gamma), (beta1, beta2, epsilon))| OptimizerLayer {
            learning_rate: learning_rate.filter(|_| kind.kind != Some(OptimizerKind::NegativeCurvature)),
            decay_every: decay_every.filter(|_| matches!(kind.kind, Some(OptimizerKind::Sgd | OptimizerKind::Adam))),
            decay_factor: decay_factor.filter(|_| {
                decay_every.is_some() && matches!(kind.kind, Some(OptimizerKind::Sgd | OptimizerKind::Adam))
            }),
            gamma,
            beta1: beta1.filter(|_| kind.kind == Some(OptimizerKind::Adam)),
            beta2: beta2.filter(|_| kind.kind == Some(OptimizerKind::Adam)),
            epsilon: epsilon
                .filter(|_| kind.kind == Some(OptimizerKind::Adam))
                .map(|epsilon| epsilon.max(f64::from(f32::MIN_POSITIVE))),
            ..kind
        },
    )
}

fn run() -> impl Strategy<Value = RunLayer> {
    let length = (option::of(1..=i64::MAX as u64), 1..9_u64, option::of(scale()), option::of(1..9_u64));
    let how = (
        option::of(prop_oneof![Just(Dtype::F32), Just(Dtype::F64)]),
        option::of(prop::sample::select(Backend::VARIANTS)),
        option::of(prop::sample::select(IsaName::VARIANTS)),
        option::of(prop_oneof![Just(Route::Auto), Just(Route::Neuron), Just(Route::Gram)]),
    );
    let rest = (option::of(0..=i64::MAX as u64), option::of(1..64_usize), option::of(1..=i64::MAX as u64));
    let checkpoints = (option::of(1..=i64::MAX as u64), option::of(0.0..1e9_f64));
    let experiment = prop::sample::select(Experiment::ALL.to_vec()).prop_map(|experiment| experiment.name().to_owned());
    let names = (option::of(experiment), option::of("[a-z\"' λ-][a-z0-9\"'. λ-]{0,9}"));
    (length, how, rest, checkpoints, names).prop_map(
        |(
            (epochs, iterations, stop_below, record_every),
            (dtype, backend, isa, route),
            (seed, threads, memory),
            (checkpoint_every, checkpoint_minutes),
            (experiment, name),
        )| RunLayer {
            experiment,
            name,
            epochs,
            iterations: Some(iterations),
            stop_below,
            record_every,
            checkpoint_every,
            checkpoint_minutes,
            seed,
            dtype,
            backend,
            isa,
            threads,
            pin: threads.map(|threads| threads % 2 == 0),
            route,
            memory_budget: memory.map(ByteSize),
        },
    )
}

proptest! {
    #[test]
    fn a_configuration_survives_its_own_file(
        data in data(), network in network(), optimizer in optimizer(), run in run()
    ) {
        let config = Layer { data, network, optimizer, run }.resolve().unwrap();
        config.validate().unwrap();
        let text = config.to_toml().unwrap();
        prop_assert_eq!(RunConfig::from_toml(&text).unwrap(), config, "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\[(data|network|optimizer|run)\\]\n|[a-z_]{1,8} = [-0-9.e\"]{1,6}\n){0,6}") {
        let _ = RunConfig::from_toml(&text);
    }
}

#[test]
fn a_run_is_done_by_the_configuration_that_it_leaves_and_by_no_other() {
    let asked = Experiment::Mnist2LayerNoise.config(Scale::Full);
    let mut done = asked.clone();
    (done.network.init_scale, done.run.threads) = (Some(0.0955), Some(7));
    (done.run.checkpoint_minutes, done.run.checkpoint_every) = (5.0, Some(3));
    done.run.memory_budget = Some(ByteSize(1 << 30));
    assert!(asked.is_done_by(&done));
    let changes: [fn(&mut RunConfig); 5] = [
        |config| config.run.seed = 1,
        |config| config.run.epochs = Some(3),
        |config| config.run.dtype = Dtype::F64,
        |config| config.data.noise = 0.02,
        |config| config.optimizer.learning_rate = 0.1,
    ];
    for change in changes {
        let mut other = done.clone();
        change(&mut other);
        assert!(!asked.is_done_by(&other));
    }
    let scaled = RunConfig { network: NetworkSection { init_scale: Some(0.5), ..asked.network.clone() }, ..asked };
    assert!(!scaled.is_done_by(&done), "another scale was asked for");
}
