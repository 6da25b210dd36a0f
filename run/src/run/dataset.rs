//! From the `[data]` section to samples and targets that a pass can read.

mod digests;

use std::ops::Range;
use std::sync::{Arc, Weak};

use memorize_data::{Noise, Preparation, Prepared, Projection, Table, labels};
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, Par, Rows, rows};
use memorize_train::checkpoint::Weights;
use memorize_train::theory::bounds::largest_norm;
use memorize_train::theory::random_position;
use memorize_train::{FeatureLayer, Featured, Network, Objective, Plan, Route, Samples};

use super::tables::Tables;
use super::{memory, opened};
use crate::config::{DataSection, FeaturesSection, RunConfig};
use crate::error::Error;
use crate::interrupt::ends_at_once;
use crate::ranks;
use crate::units::{ByteSize, mebibytes, thousands};
pub use digests::{Digests, digests_of};

/// A training set, and a test set if there is one.
pub struct Dataset<T: Element> {
    /// Training samples as the trained layer sees them.
    pub x: Box<dyn GatherRows<T>>,
    /// Training targets.
    pub y: Vec<T>,
    /// Test samples and targets.
    pub test: Option<(Box<dyn GatherRows<T>>, Vec<T>)>,
    /// The random features between samples and trained layer.
    pub features: Option<FeatureLayer<T>>,
    /// The projection before them.
    pub projection: Option<Arc<Projection>>,
    /// Whether every sample is scaled to length 1 before all this.
    pub normalize: bool,
    /// Width of a sample as it comes from its source.
    pub input_width: usize,
    /// Digests of the sets.
    pub digests: Digests,
    /// The files that are still read from.
    pub sources: Sources,
    /// Which files are read, and what was decided about memory, to be told.
    pub notes: Vec<String>,
}

/// The files that a run still reads from while it trains.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Weak<Table>>);

impl Sources {
    /// Makes sure that each of them is as it was at the start.
    ///
    /// # Errors
    /// A failed run that names the first that was changed.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let mut in_use = self.0.iter().filter_map(Weak::upgrade);
        in_use.try_for_each(|table| table.check_unchanged()).map_err(Error::run_failed)
    }
}

/// This rank's prepared samples.
pub type Share<T> = Part<Prepared<T>>;

impl Tables {
    /// The training set as a two-layer net sees it: normalised, projected, with its noise, and with its own targets or
    /// random ones.
    ///
    /// # Errors
    /// Bad input: a projection of another width, targets that cannot be used.
    pub fn prepare<T: Element>(
        self,
        data: &DataSection,
        seed: u64,
        projection: Option<Arc<Projection>>,
        engine: &Engine,
    ) -> Result<(Share<T>, Vec<T>), Error> {
        let rows = self.spread.range();
        let (samples, y) = self.prepare_with_or_without(data, seed, projection, engine)?;
        Ok((samples, y.unwrap_or_else(|| random_targets(seed, rows))))
    }

    /// The same, but where the source has no targets and no random ones are asked for there are none.
    fn prepare_with_or_without<T: Element>(
        self,
        data: &DataSection,
        seed: u64,
        projection: Option<Arc<Projection>>,
        engine: &Engine,
    ) -> Result<(Share<T>, Option<Vec<T>>), Error> {
        let noise = (data.noise > 0.0).then_some(Noise { sigma: data.noise, seed });
        let preparation = Preparation { normalize: data.normalize, projection, noise };
        let samples = Prepared::<T>::new(engine, self.inputs, &preparation)?;
        let y = match self.targets {
            _ if data.random_labels => Some(random_targets(seed, self.spread.range())),
            Some(targets) => Some(labels::targets::<T>(&targets)?),
            None => None,
        };
        Ok((Part::new(samples, self.spread), y))
    }
}

impl<T: Element> Dataset<T> {
    /// Opens and prepares what the configuration names.
    ///
    /// # Errors
    /// Bad input: files that cannot be used, shapes that do not go together.
    pub fn open(config: &RunConfig, engine: &Engine) -> Result<Self, Error> {
        let (data, seed) = (&config.data, config.run.seed);
        let (train, test) = opened::both(data, seed)?;
        let digests = Digests::of(&train, test.as_ref(), data)?;
        let mut train = train.shared();
        let mut notes = std::mem::take(&mut train.said);
        let plain = Preparation { normalize: data.normalize, ..Preparation::default() };
        let projection = principal(&train, data, engine)?;
        let test_preparation = Preparation { projection: projection.clone(), ..plain };
        let input_width = train.inputs.row_len();
        let inputs = train.inputs.clone();
        let (samples, y) = train.prepare::<T>(data, seed, projection.clone(), engine)?;
        let features = feature_layer(config.network.features.as_ref(), samples.cols(), seed)?;
        let mut memory = Memory::new(config.run.memory_budget);
        let x = with_features(Box::new(samples), features.as_ref(), engine)?;
        let x = memory.keep(x, "training set")?;
        // The digest is of the copy.
        inputs.check_unchanged()?;
        let mut sources = Sources(vec![Arc::downgrade(&inputs)]);
        // Targets drawn at random say nothing about the test set.
        let test = match test.filter(|_| !data.random_labels).map(Tables::shared) {
            Some(Tables { inputs, targets: Some(targets), spread, .. }) => {
                sources.0.push(Arc::downgrade(&inputs));
                let samples = Part::new(Prepared::<T>::new(engine, inputs, &test_preparation)?, spread);
                Some((with_features(Box::new(samples), features.as_ref(), engine)?, labels::targets(&targets)?))
            }
            _ => None,
        };
        let normalize = data.normalize;
        notes.append(&mut memory.notes);
        Ok(Self { x, y, test, features, projection, normalize, input_width, digests, sources, notes })
    }
}

impl<T: Element> Dataset<T> {
    /// Number of training samples, of all ranks.
    pub fn whole(&self) -> usize {
        self.x.spread().whole()
    }

    /// The mean squared error 1/n sum_j (q_j - y_j)^2 on the test set, if there is one.
    ///
    /// # Errors
    /// A failed run if the network is not as wide as the samples.
    pub fn test_mse(&self, engine: Engine, network: &Network<T>, forced: Option<Route>) -> Result<Option<f64>, Error> {
        let Some((x, y)) = &self.test else { return Ok(None) };
        let Plan { route, .. } = Plan::of_network(Samples::All(x.spread().whole()), network, forced);
        let test = Objective { engine, x, y, gamma: 0.0, route };
        Ok(Some(test.evaluate_in_f64(network).map_err(Error::run_failed)?.mse()))
    }

    /// A trained layer with the fixed ones before it, as a weights file holds them.
    pub fn weights(&self, network: Network<T>) -> Weights<T> {
        let projection = self.projection.as_ref().map(|projection| (projection.basis_as(), projection.mean.clone()));
        Weights { network, features: self.features.clone(), projection, normalize: Some(self.normalize) }
    }
}

/// Samples that are looked at and not trained on.
pub struct Inspected {
    /// The samples, or their random features.
    pub x: Box<dyn GatherRows<f64>>,
    /// The samples before the random features, if there are any and the samples are few.
    pub before: Option<Mat<f64>>,
    /// The largest norm of a sample before noise and random features, if there are any features.
    pub longest: Option<f64>,
    /// Targets of all ranks, if there are any.
    pub y: Option<Vec<f64>>,
    /// The random features.
    pub features: Option<FeatureLayer<f64>>,
    /// Width of a sample as it comes from its source.
    pub input_width: usize,
    /// Which files are read, and what was decided about memory, to be told.
    pub notes: Vec<String>,
}

impl Inspected {
    /// Opens and prepares a training set and leaves its test set alone.
    ///
    /// # Errors
    /// Bad input: files that cannot be used, shapes that do not go together.
    pub fn open(
        data: &DataSection,
        features: Option<&FeaturesSection>,
        seed: u64,
        budget: Option<ByteSize>,
        engine: &Engine,
    ) -> Result<Self, Error> {
        let mut train = opened::training(data, seed)?;
        let mut notes = std::mem::take(&mut train.said);
        let projection = principal(&train, data, engine)?;
        let input_width = train.inputs.row_len();
        let longest = match features {
            Some(_) => Some(longest_without_noise(&train, data, projection.clone(), engine)?),
            None => None,
        };
        let (samples, y) = train.prepare_with_or_without::<f64>(data, seed, projection, engine)?;
        let features = feature_layer(features, samples.cols(), seed)?;
        let few = features.is_some() && random_position::fits(samples.spread().whole());
        let before = few.then(|| rows::whole(Par::POOL, &samples));
        let y = y.map(|y| samples.spread().gather(y));
        let mut memory = Memory::new(budget);
        let x = memory.keep(with_features(Box::new(samples), features.as_ref(), engine)?, "samples")?;
        notes.append(&mut memory.notes);
        Ok(Self { x, before, longest, y, features, input_width, notes })
    }
}

/// The largest norm of a sample before its noise.
fn longest_without_noise(
    train: &Tables,
    data: &DataSection,
    projection: Option<Arc<Projection>>,
    engine: &Engine,
) -> Result<f64, Error> {
    let preparation = Preparation { normalize: data.normalize, projection, noise: None };
    let prepared = Prepared::<f64>::new(engine, train.inputs.clone(), &preparation)?;
    Ok(largest_norm(&Part::new(prepared, train.spread.clone())))
}

/// Digits drawn at random.
fn random_targets<T: Element>(seed: u64, rows: Range<usize>) -> Vec<T> {
    labels::random_labels_of(seed, rows).into_iter().map(T::from_f64).collect()
}

/// The principal directions of the training set that the samples are projected to, if they are.
fn principal(train: &Tables, data: &DataSection, engine: &Engine) -> Result<Option<Arc<Projection>>, Error> {
    let Some(components) = data.pca else { return Ok(None) };
    let plain = Preparation { normalize: data.normalize, ..Preparation::default() };
    let (n, d) = (train.spread.whole(), train.inputs.row_len());
    memory::foresee(
        &format!("the principal components of {n} samples of width {d} (--pca)"),
        Projection::bytes(n, d, rayon::current_num_threads()),
        "do without --pca, use fewer samples (--limit), or narrower ones",
    )?;
    let samples = Part::new(Prepared::<f64>::new(engine, train.inputs.clone(), &plain)?, train.spread.clone());
    Ok(Some(Arc::new(ends_at_once(|| Projection::fit(engine, &samples, components))?)))
}

fn feature_layer<T: Element>(
    layer: Option<&FeaturesSection>,
    d: usize,
    seed: u64,
) -> Result<Option<FeatureLayer<T>>, Error> {
    if let Some(f) = layer {
        memory::ensure::<T>("the random first layer", &[f.k, d], "use fewer random features (--features-k)")?;
    }
    layer.map(|f| FeatureLayer::random(f.k, d, f.p, f.sigma, seed)).transpose().map_err(Error::bad_input)
}

fn with_features<T: Element>(
    x: Box<dyn GatherRows<T>>,
    layer: Option<&FeatureLayer<T>>,
    engine: &Engine,
) -> Result<Box<dyn GatherRows<T>>, Error> {
    match layer {
        None => Ok(x),
        Some(layer) => Ok(Box::new(Featured::new(x, layer, *engine).map_err(Error::bad_input)?)),
    }
}

/// Decides what is kept in memory.
struct Memory {
    left: u64,
    notes: Vec<String>,
}

impl Memory {
    /// The budget given, else half of what the system says is available, else no limit.
    fn new(budget: Option<ByteSize>) -> Self {
        let left = budget.map(|budget| budget.0).or_else(|| memory::available().map(|bytes| bytes / 2));
        Self { left: left.unwrap_or(u64::MAX), notes: Vec::new() }
    }

    /// All rows in memory if they fit, else as they are: made again on every pass, to the same bits.
    ///
    /// # Errors
    /// Bad input if the budget is more than there is, and the rows need it.
    fn keep<T: Element>(&mut self, x: Box<dyn GatherRows<T>>, what: &str) -> Result<Box<dyn GatherRows<T>>, Error> {
        let stride = x.cols().next_multiple_of(memorize_kernels::aligned::ALIGNMENT / size_of::<T>());
        let bytes = x.rows() as u64 * stride as u64 * size_of::<T>() as u64;
        let share = if ranks::count() == 1 { "" } else { "this rank's " };
        let shape = format!("{share}{} x {} {}, {}", thousands(x.rows() as u64), x.cols(), T::NAME, mebibytes(bytes));
        if bytes > self.left {
            self.notes.push(format!("{what}: {shape}, made again on every pass (more than --memory-budget)"));
            return Ok(x);
        }
        memory::foresee(
            &format!("the {what} in memory"),
            bytes,
            "give a smaller --memory-budget: rows are then made on every pass",
        )?;
        self.left -= bytes;
        self.notes.push(format!("{what}: {shape}, in memory"));
        Ok(Box::new(Part::new(rows::to_mat(Par::POOL, &x), x.spread())))
    }
}
