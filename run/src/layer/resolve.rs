//! How the holes of a layer are filled.

use super::{
    DataLayer, FeaturesLayer, Layer, NetworkLayer, OptimizerLayer, PgdLayer, RunLayer, SolveLayer, TheoryLayer,
};
use crate::config::defaults::*;
use crate::config::{
    Batch, ConfigError, DataSection, Dtype, FeaturesSection, NetworkSection, OptimizerKind, OptimizerSection,
    PgdSection, RunConfig, RunSection, SolveSection, Source, TheorySection,
};

/// The name of a run with a seed that is not the default: jobs that differ in it alone do not take each other's folder.
pub fn seeded(name: &str, seed: u64) -> String {
    const MARK: &str = "-seed";
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let base = name.rsplit_once(MARK).filter(|(_, old)| digits(old)).map_or(name, |(base, _)| base);
    if seed == 0 { base.to_owned() } else { format!("{base}{MARK}{seed}") }
}

impl Layer {
    /// Fills every hole with its default.
    ///
    /// # Errors
    /// If something is missing that has no default. Values are not checked here but in [`RunConfig::validate`].
    pub fn resolve(self) -> Result<RunConfig, ConfigError> {
        let data = self.data.resolve()?;
        let optimizer = self.optimizer.resolve()?;
        let decided = optimizer.kind.decides_neurons()
            || optimizer.kind == OptimizerKind::NegativeCurvature
            || optimizer.theory.is_some();
        let network = self.network.resolve(decided)?;
        let width = network.neurons.map(|neurons| format!("-r{neurons}")).unwrap_or_default();
        let theory = if optimizer.theory.is_some() { "-theory" } else { "" };
        let name = |seed| seeded(&format!("{}{width}-{}{theory}", data.source, optimizer.kind), seed);
        let run = self.run.resolve(&optimizer, name);
        Ok(RunConfig { run, data, network, optimizer })
    }
}

impl DataLayer {
    /// Fills every hole with its default.
    ///
    /// # Errors
    /// If nothing says where the samples come from.
    pub fn resolve(self) -> Result<DataSection, ConfigError> {
        let files = self.inputs.as_ref().map(|_| Source::Files);
        let source = self.source.or(files).ok_or(ConfigError::Missing {
            field: "data.source",
            advice: "give --inputs FILE --targets FILE, or choose --data mnist or --data synthetic",
        })?;
        let synthetic = |default| (source == Source::Synthetic).then_some(default);
        Ok(DataSection {
            source,
            dir: self.dir,
            inputs: self.inputs,
            targets: self.targets,
            test_inputs: self.test_inputs,
            test_targets: self.test_targets,
            samples: self.samples.or(synthetic(DEFAULT_SAMPLES)),
            dim: self.dim.or(synthetic(DEFAULT_DIM)),
            limit: self.limit,
            normalize: self.normalize.unwrap_or(false),
            pca: self.pca,
            noise: self.noise.unwrap_or(0.0),
            random_labels: self.random_labels.unwrap_or(false),
        })
    }
}

impl NetworkLayer {
    fn resolve(self, decided: bool) -> Result<NetworkSection, ConfigError> {
        if self.neurons.is_none() && !decided {
            return Err(ConfigError::Missing { field: "network.neurons", advice: NEURONS_NEEDED });
        }
        Ok(NetworkSection { neurons: self.neurons, init_scale: self.init_scale, features: self.features.resolve()? })
    }
}

impl FeaturesLayer {
    /// The features, if any are asked for.
    ///
    /// # Errors
    /// If their number is not given.
    pub fn resolve(self) -> Result<Option<FeaturesSection>, ConfigError> {
        if self == Self::default() {
            return Ok(None);
        }
        let k = self.k.ok_or(ConfigError::Missing {
            field: "network.features.k",
            advice: "say how many random features with --features-k K, or leave out the other --features-* flags",
        })?;
        let p = self.p.unwrap_or(DEFAULT_FEATURES_P);
        Ok(Some(FeaturesSection { k, p, sigma: self.sigma.unwrap_or(DEFAULT_FEATURES_SIGMA) }))
    }
}

impl OptimizerLayer {
    fn resolve(self) -> Result<OptimizerSection, ConfigError> {
        let kind = self.kind.unwrap_or_default();
        let theory = self.theory.resolve()?;
        let learning_rate = match kind {
            _ if theory.is_some() => 0.0,
            OptimizerKind::Adam => DEFAULT_ADAM_LEARNING_RATE,
            OptimizerKind::NegativeCurvature => 0.0,
            _ => DEFAULT_LEARNING_RATE,
        };
        let learning_rate = self.learning_rate.unwrap_or(learning_rate);
        let batch = if kind.is_full_batch() { Batch::Full } else { Batch::Rows(DEFAULT_BATCH) };
        Ok(OptimizerSection {
            kind,
            learning_rate,
            batch: self.batch.unwrap_or(batch),
            decay_every: self.decay_every,
            decay_factor: self.decay_factor.unwrap_or(DEFAULT_DECAY_FACTOR),
            beta1: self.beta1.unwrap_or(DEFAULT_BETA1),
            beta2: self.beta2.unwrap_or(DEFAULT_BETA2),
            epsilon: self.epsilon.unwrap_or(DEFAULT_EPSILON),
            gamma: self.gamma.unwrap_or(0.0),
            pgd: self.pgd.resolve()?,
            theory,
            accelerated: self.accelerated.resolve(kind, learning_rate),
            negative_curvature: self.negative_curvature.resolve(kind),
            solve: self.solve.resolve(kind),
        })
    }
}

impl PgdLayer {
    fn resolve(self) -> Result<Option<PgdSection>, ConfigError> {
        if self == Self::default() {
            return Ok(None);
        }
        let missing = |field| ConfigError::Missing { field, advice: PGD_NEEDS };
        Ok(Some(PgdSection {
            radius: self.radius.ok_or_else(|| missing("optimizer.pgd.radius"))?,
            g_threshold: self.g_threshold.ok_or_else(|| missing("optimizer.pgd.g_threshold"))?,
            f_threshold: self.f_threshold.ok_or_else(|| missing("optimizer.pgd.f_threshold"))?,
            t_threshold: self.t_threshold.ok_or_else(|| missing("optimizer.pgd.t_threshold"))?,
        }))
    }
}

impl TheoryLayer {
    fn resolve(self) -> Result<Option<TheorySection>, ConfigError> {
        if !self.is_asked_for() {
            return Ok(None);
        }
        let epsilon = self.epsilon.ok_or(ConfigError::Missing {
            field: "optimizer.theory.epsilon",
            advice: "say which loss f(W) the theorem has to guarantee with --epsilon E",
        })?;
        Ok(Some(TheorySection {
            epsilon,
            delta: self.delta.unwrap_or(DEFAULT_DELTA),
            c: self.c.unwrap_or(DEFAULT_THEORY_C),
            sigma_min: self.sigma_min,
            force: self.force.unwrap_or(false),
        }))
    }
}

impl SolveLayer {
    fn resolve(self, kind: OptimizerKind) -> Option<SolveSection> {
        let read = self.rank.is_some() || kind == OptimizerKind::Solve;
        read.then_some(SolveSection { rank: self.rank })
    }
}

impl RunLayer {
    fn resolve(self, optimizer: &OptimizerSection, name: impl FnOnce(u64) -> String) -> RunSection {
        let solves = optimizer.kind == OptimizerKind::Solve;
        let prescribed = optimizer.theory.is_some();
        let record_every = match (prescribed, solves) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => DEFAULT_RECORD_EVERY,
        };
        let seed = self.seed.unwrap_or(0);
        let products = (solves && self.epochs.is_none()).then_some(DEFAULT_SOLVE_ITERATIONS);
        RunSection {
            experiment: self.experiment,
            name: self.name.unwrap_or_else(|| name(seed)),
            seed,
            dtype: self.dtype.unwrap_or(if prescribed { Dtype::F64 } else { Dtype::default() }),
            backend: self.backend.unwrap_or_default(),
            isa: self.isa,
            threads: self.threads,
            route: self.route.unwrap_or_default(),
            epochs: self.epochs,
            iterations: self.iterations.or(products),
            stop_below: self.stop_below.or(solves.then_some(DEFAULT_SOLVE_LOSS)),
            record_every: self.record_every.unwrap_or(record_every),
            checkpoint_every: self.checkpoint_every,
            checkpoint_minutes: self.checkpoint_minutes.unwrap_or(DEFAULT_CHECKPOINT_MINUTES),
            memory_budget: self.memory_budget,
        }
    }
}
