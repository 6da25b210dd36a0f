//! How the holes of a layer are filled.

use super::{
    AcceleratedLayer, DataLayer, FeaturesLayer, Layer, NegativeCurvatureLayer, NetworkLayer, OptimizerLayer, PgdLayer,
    RunLayer, SolveLayer, TheoryLayer,
};
use crate::config::{
    AcceleratedSection, Batch, ConfigError, DataSection, Dtype, FeaturesSection, Metric, NegativeCurvatureSection,
    NetworkSection, OptimizerKind, OptimizerSection, PgdSection, RunConfig, RunSection, SolveSection, Source,
    TheorySection,
};
use crate::settings::defaults::*;

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
        let run = self.run.resolve(&optimizer, name)?;
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
        let Some(source) = self.source.or(files) else { return self.fill() };
        let synthetic = |default| (source == Source::Synthetic).then_some(default);
        let (samples, dim) = (self.samples.or(synthetic(DEFAULT_SAMPLES)), self.dim.or(synthetic(DEFAULT_DIM)));
        Self { source: Some(source), samples, dim, ..self }.fill()
    }
}

impl NetworkLayer {
    fn resolve(self, decided: bool) -> Result<NetworkSection, ConfigError> {
        if self.neurons.is_none() && !decided {
            return Err(ConfigError::Missing { field: "network.neurons", advice: NEURONS_NEEDED });
        }
        let features = self.features.clone().resolve()?;
        self.fill(features)
    }
}

impl FeaturesLayer {
    /// The features, if any are asked for.
    ///
    /// # Errors
    /// If their number is not given.
    pub fn resolve(self) -> Result<Option<FeaturesSection>, ConfigError> {
        if self == Self::default() { Ok(None) } else { self.fill().map(Some) }
    }
}

impl OptimizerLayer {
    fn resolve(self) -> Result<OptimizerSection, ConfigError> {
        let kind = self.kind.unwrap_or_default();
        let theory = self.theory.clone().resolve()?;
        let learning_rate = match kind {
            _ if theory.is_some() => 0.0,
            OptimizerKind::Adam => DEFAULT_ADAM_LEARNING_RATE,
            OptimizerKind::NegativeCurvature => 0.0,
            _ => DEFAULT_LEARNING_RATE,
        };
        let learning_rate = self.learning_rate.unwrap_or(learning_rate);
        let batch = if kind.is_full_batch() { Batch::Full } else { Batch::Rows(DEFAULT_BATCH) };
        let pgd = self.pgd.clone().resolve()?;
        let accelerated = self.accelerated.clone().resolve(kind, learning_rate)?;
        let negative_curvature = self.negative_curvature.clone().resolve(kind)?;
        let solve = self.solve.clone().resolve(kind)?;
        let batch = Some(self.batch.unwrap_or(batch));
        let metric = if kind == OptimizerKind::Solve { Metric::Data } else { Metric::Frobenius };
        let metric = Some(self.metric.unwrap_or(metric));
        Self { learning_rate: Some(learning_rate), batch, metric, ..self }.fill(
            pgd,
            theory,
            accelerated,
            negative_curvature,
            solve,
        )
    }
}

impl PgdLayer {
    fn resolve(self) -> Result<Option<PgdSection>, ConfigError> {
        if self == Self::default() { Ok(None) } else { self.fill().map(Some) }
    }
}

impl TheoryLayer {
    fn resolve(self) -> Result<Option<TheorySection>, ConfigError> {
        if self.is_asked_for() { self.fill().map(Some) } else { Ok(None) }
    }
}

impl AcceleratedLayer {
    fn resolve(self, kind: OptimizerKind, learning_rate: f64) -> Result<Option<AcceleratedSection>, ConfigError> {
        let read = self != Self::default() || kind == OptimizerKind::Accelerated;
        read.then(|| self.settle(learning_rate)).transpose()
    }

    /// Fills every hole with its default, for the step size eta.
    ///
    /// # Errors
    /// None: every hole has one.
    pub fn settle(self, learning_rate: f64) -> Result<AcceleratedSection, ConfigError> {
        let theta = self.theta.unwrap_or(DEFAULT_THETA);
        let gamma = self.gamma.unwrap_or(theta * theta / learning_rate);
        let s = self.s.unwrap_or(DEFAULT_S_RADII * self.radius.unwrap_or(DEFAULT_RADIUS));
        Self { gamma: Some(gamma), s: Some(s), ..self }.fill()
    }
}

impl NegativeCurvatureLayer {
    fn resolve(self, kind: OptimizerKind) -> Result<Option<NegativeCurvatureSection>, ConfigError> {
        let read = self != Self::default() || kind == OptimizerKind::NegativeCurvature;
        read.then(|| self.settle()).transpose()
    }

    /// Fills every hole with its default.
    ///
    /// # Errors
    /// None: every hole has one.
    pub fn settle(self) -> Result<NegativeCurvatureSection, ConfigError> {
        self.fill()
    }
}

impl SolveLayer {
    fn resolve(self, kind: OptimizerKind) -> Result<Option<SolveSection>, ConfigError> {
        let read = self.rank.is_some() || kind == OptimizerKind::Solve;
        read.then(|| self.fill()).transpose()
    }
}

impl RunLayer {
    fn resolve(
        self,
        optimizer: &OptimizerSection,
        name: impl FnOnce(u64) -> String,
    ) -> Result<RunSection, ConfigError> {
        let solves = optimizer.kind == OptimizerKind::Solve;
        let prescribed = optimizer.theory.is_some();
        let record_every = match (prescribed, solves) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => DEFAULT_RECORD_EVERY,
        };
        let seed = self.seed.unwrap_or(0);
        let products = (solves && self.epochs.is_none()).then_some(DEFAULT_SOLVE_ITERATIONS);
        let name = self.name.unwrap_or_else(|| name(seed));
        let dtype = self.dtype.unwrap_or(if prescribed { Dtype::F64 } else { Dtype::default() });
        Self {
            name: Some(name),
            dtype: Some(dtype),
            iterations: self.iterations.or(products),
            stop_below: self.stop_below.or(solves.then_some(DEFAULT_SOLVE_LOSS)),
            record_every: Some(self.record_every.unwrap_or(record_every)),
            ..self
        }
        .fill()
    }
}
