//! What can be told of a run before its first step from its sizes, its targets and its first outputs, and of where it
//! ended.
//!
//! The outputs of a network are q_j = x_j^T S x_j with S = W A W^T. On n samples in general position they take any
//! values only if there are at least n numbers to choose:
//!
//! ```text
//! d (d+1)/2            entries of a symmetric S
//! d r - r (r-1)/2      S of rank r < d
//! C(m + 2p - 1, 2p)    coefficients of a form of degree 2p in the m inputs of the random features z = (R x)^p
//! ```

use memorize_kernels::{Element, Engine, Rows};
use memorize_train::{Evaluation, Objective, Route};

use super::dataset::Dataset;
use crate::config::{Dtype, OptimizerKind, RunConfig};
use crate::run_folder::StopReason;
use crate::units::{number, thousands};

/// How many times the targets (root mean squares) the first outputs may be before it is worth a word.
const FAR: f64 = 10.0;
/// Share of the targets' mean square that an error may be where the targets have no variance to compare it with.
const SMALL: f64 = 1e-3;
/// Targets beyond this have squares and products that f32 does not hold for long.
const HUGE: f64 = 1e6;

/// Flags that change how long a step is, and from where the first one is taken.
const RATE: &str = "--lr X";
const INIT_SCALE: &str = "--init-scale X";

/// What is known before the first step.
#[derive(Clone, Debug)]
pub struct Prospects {
    n: usize,
    freedom: Freedom,
    targets: Targets,
    /// f before the first step.
    start: Evaluation,
    remedies: Vec<&'static str>,
    normalize: bool,
    /// Whether the network is solved for.
    solves: bool,
    stop_below: Option<f64>,
    /// The f below which rounding decides what the run's type finds, and whether that is f32.
    resolution: f64,
    narrow: bool,
}

/// Moments of the targets, and the largest of them in modulus.
#[derive(Clone, Copy, Debug)]
struct Targets {
    mean_square: f64,
    variance: f64,
    largest: f64,
}

impl Targets {
    /// Over all ranks. The mean is subtracted before anything is squared.
    fn of<T: Element>(dataset: &Dataset<T>) -> Self {
        let (spread, y) = (dataset.x.spread(), &dataset.y);
        let n = spread.whole() as f64;
        let value = |j: usize| y[j].to_f64();
        let mean = spread.sum(|range| range.map(value).sum()) / n;
        let about = |center: f64| spread.sum(|range| range.map(|j| (value(j) - center).powi(2)).sum()) / n;
        let largest = y.iter().fold(0.0, |largest, y| f64::max(largest, y.to_f64().abs()));
        Self { mean_square: about(0.0), variance: about(mean), largest }
    }
}

/// How many numbers the outputs of a network can be made to take on samples in general position, and what limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Freedom {
    numbers: u128,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The width of the trained layer: d, or k behind random features.
    Width { width: usize, features: bool },
    /// Too few neurons.
    Neurons { width: usize, neurons: usize },
    /// The degree of the outputs as polynomials of the samples.
    Degree { inputs: usize, degree: u32 },
}

impl Freedom {
    /// Of a trained layer of this width, behind random features of `(inputs, p)` if there are any. `None` for neurons:
    /// as many as it takes.
    fn of(width: usize, neurons: Option<usize>, features: Option<(usize, u32)>) -> Self {
        let (d, r) = (width as u128, neurons.unwrap_or(width) as u128);
        let own = Self { numbers: d * (d + 1) / 2, limit: Limit::Width { width, features: features.is_some() } };
        let bounds = [
            (r < d).then(|| Self {
                numbers: d * r - r * r.saturating_sub(1) / 2,
                limit: Limit::Neurons { width, neurons: r as usize },
            }),
            features.map(|(inputs, p)| Self {
                numbers: forms(inputs, 2 * p),
                limit: Limit::Degree { inputs, degree: 2 * p },
            }),
        ];
        // Of equal ones the first, whose remedy is the simplest.
        bounds.into_iter().flatten().fold(own, |least, bound| if bound.numbers < least.numbers { bound } else { least })
    }

    /// In words, with what to do about it for n samples.
    fn warning(self, n: usize) -> Option<String> {
        let (n, most) = (n as u128, self.numbers);
        if n <= most {
            return None;
        }
        let most = thousands(u64::try_from(most).unwrap_or(u64::MAX));
        let (why, remedy) = match self.limit {
            Limit::Width { width, features } => {
                let letter = if features { "k" } else { "d" };
                // As it can be typed.
                let wide = enough(n);
                let remedy = match features {
                    true => format!("make more random features, --features-k {wide} or more"),
                    false => format!("put random features before the trained layer, --features-k {wide} or more"),
                };
                (format!("{letter}({letter}+1)/2 with {letter} = {width}"), remedy)
            }
            Limit::Neurons { width, neurons } => {
                let more = format!("train more neurons than --neurons {neurons}, up to {}", width + width % 2);
                (format!("d r - r(r-1)/2 with d = {width}, r = {neurons}"), more)
            }
            Limit::Degree { inputs, degree } => {
                let remedy = "raise the power of the features, --features-p".to_owned();
                (format!("the forms of degree {degree} in {inputs} inputs"), remedy)
            }
        };
        let samples = thousands(u64::try_from(n).unwrap_or(u64::MAX));
        Some(format!(
            "this network can memorise {most} sample{} in general position ({why}) and there are {samples}: \
             the loss will not go to 0; {remedy}",
            if self.numbers == 1 { "" } else { "s" }
        ))
    }
}

/// Coefficients of a form of this degree in so many variables, C(inputs + degree - 1, degree); the largest number if
/// there are more.
fn forms(inputs: usize, degree: u32) -> u128 {
    let mut count: u128 = 1;
    for i in 1..=u128::from(degree) {
        // A binomial coefficient at every step: the division leaves no rest.
        let Some(product) = count.checked_mul(inputs as u128 + i - 1) else { return u128::MAX };
        count = product / i;
    }
    count
}

/// The least k with k(k+1)/2 >= n.
fn enough(n: u128) -> u64 {
    let guess = (((8.0 * n as f64 + 1.0).sqrt() - 1.0) / 2.0).floor() as u128;
    let k = (guess.saturating_sub(1)..).find(|k| k * (k + 1) / 2 >= n);
    k.and_then(|k| u64::try_from(k).ok()).unwrap_or(u64::MAX)
}

impl Prospects {
    /// Of a run with this configuration on these samples, whose first weights have the loss `start`. All ranks must ask
    /// at the same time.
    pub fn of<T: Element>(config: &RunConfig, dataset: &Dataset<T>, width: usize, start: Evaluation) -> Self {
        let features = dataset.features.as_ref().map(|layer| (layer.weights().cols(), layer.power()));
        let targets = Targets::of(dataset);
        Self {
            n: dataset.whole(),
            freedom: Freedom::of(width, config.network.neurons, features),
            targets,
            start,
            remedies: remedies(config, targets.largest),
            normalize: config.data.normalize,
            solves: config.optimizer.solve.is_some(),
            stop_below: config.run.stop_below.filter(|&target| target > 0.0),
            resolution: resolution(dataset),
            narrow: T::EPSILON > f64::EPSILON,
        }
    }

    /// Of a network that is solved for: it starts from W = 0, whose outputs are 0.
    pub fn from_zero<T: Element>(config: &RunConfig, dataset: &Dataset<T>, width: usize) -> Self {
        let at_zero = Evaluation { loss: 0.0, regularized: 0.0 };
        let mut prospects = Self::of(config, dataset, width, at_zero);
        let loss = prospects.targets.mean_square / 4.0;
        prospects.start = Evaluation { loss, regularized: loss };
        prospects
    }

    /// f before the first step.
    pub fn start_loss(&self) -> f64 {
        self.start.loss
    }

    /// Variance of the targets: the mean squared error of the best constant.
    pub fn target_variance(&self) -> f64 {
        self.targets.variance
    }

    /// What is to be changed if nothing happens, or numbers overflow: at once, or after steps that were too long.
    pub fn remedies(&self, at_once: bool) -> Vec<&'static str> {
        let far = self.scale().is_some() || self.targets.largest > HUGE;
        let too_long = !at_once && !far && self.remedies.contains(&RATE);
        if too_long { vec![RATE, INIT_SCALE] } else { self.remedies.clone() }
    }

    /// What should be known before the first step.
    pub fn warnings(&self) -> Vec<String> {
        self.freedom.warning(self.n).into_iter().chain(self.scale()).chain(self.too_low()).collect()
    }

    /// That the loss to stop below is one that the run's type cannot tell from 0.
    fn too_low(&self) -> Option<String> {
        let (target, least) = (self.stop_below?, self.resolution);
        let [shown, floor] = [target, least].map(number);
        let remedy = "the run may go on to the end of its iterations: --dtype f64, or a larger --stop-below";
        (self.narrow && target < least).then(|| {
            format!("f32 cannot tell a loss of {shown} from 0, only one of {floor} or more, and f64 decides when to stop; {remedy}")
        })
    }

    /// That the outputs begin far from the targets.
    fn scale(&self) -> Option<String> {
        let [outputs, targets] = [self.start.mse(), self.targets.mean_square].map(f64::sqrt);
        if outputs <= FAR * targets || targets == 0.0 {
            return None;
        }
        let remedy = match self.normalize {
            false => "scale the samples to length 1, --normalize",
            true => "start from smaller weights, --init-scale",
        };
        let [outputs, targets] = [outputs, targets].map(number);
        Some(format!(
            "the first outputs are far larger than the targets (root mean squares {outputs} and {targets}): {remedy}"
        ))
    }

    /// That a run ended where a constant would be nearer to the targets.
    pub fn above_variance(&self, end: Evaluation) -> Option<String> {
        let (mse, variance) = (end.mse(), self.targets.variance);
        if mse <= variance.max(SMALL * self.targets.mean_square) {
            return None;
        }
        let remedy = match (self.normalize, self.solves) {
            (false, true) => "--normalize, or random features (--features-k)",
            (true, true) => "more products (--iterations), or random features (--features-k)",
            (false, false) => "--normalize, or train longer",
            (true, false) => "train longer, or with another --lr",
        };
        let [mse, variance] = [mse, variance].map(number);
        Some(format!(
            "the training MSE {mse} is above the variance of the targets, {variance}: a constant is nearer to them; {remedy}"
        ))
    }

    /// That the test set has outputs beyond the run's type T, in which those who use the network will compute them.
    pub fn overflowing_test<T: Element>(&self, test_mse: Option<f64>) -> Option<String> {
        let mse = test_mse.filter(|mse| !T::from_f64(mse.sqrt()).is_finite())?;
        let remedy =
            if self.normalize { "are the test samples as large as the training samples?" } else { "--normalize" };
        Some(format!("the test MSE is {mse}: outputs on the test set overflow {}; {remedy}", T::NAME))
    }

    /// Whether a run that ended for this reason has not got anywhere: the loss is not below its start. An optimiser
    /// whose own criterion is met at the start has nothing to do only where the loss is 0.
    pub fn is_stalled(&self, reason: StopReason, end: Evaluation) -> bool {
        let by_itself = matches!(reason, StopReason::Completed | StopReason::Returned);
        by_itself && self.start.loss > 0.0 && end.loss >= self.start.loss
    }
}

/// See [`Objective::resolution`].
fn resolution<T: Element>(dataset: &Dataset<T>) -> f64 {
    let (engine, x, y) = (Engine::best(), &dataset.x, &dataset.y[..]);
    Objective { engine, x, y, gamma: 0.0, route: Route::Neuron }.resolution()
}

/// Flags of `memorize train` that keep numbers in range.
fn remedies(config: &RunConfig, largest_target: f64) -> Vec<&'static str> {
    let RunConfig { data, network, optimizer, run, .. } = config;
    let has_rate = !matches!(optimizer.kind, OptimizerKind::NegativeCurvature | OptimizerKind::Solve);
    let known = [
        (!data.normalize, "--normalize"),
        (run.dtype == Dtype::F32, "--dtype f64"),
        (network.features.is_some(), "--features-sigma X"),
        (optimizer.kind != OptimizerKind::Solve, INIT_SCALE),
        (has_rate, RATE),
        (largest_target > HUGE, "targets divided by a constant"),
    ];
    known.into_iter().filter_map(|(applies, remedy)| applies.then_some(remedy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freedom_is_the_least_of_its_bounds() {
        assert_eq!(Freedom::of(20, Some(200), None).numbers, 210);
        // S = sum of two squares of one sign and one: d + d - 1 numbers.
        assert_eq!(Freedom::of(20, Some(2), None).numbers, 39);
        // A quartic form in two variables has five coefficients, however many features there are.
        assert_eq!(Freedom::of(100, Some(300), Some((2, 2))).numbers, 5);
        assert_eq!(Freedom::of(784, Some(3000), None).numbers, 307_720);
        assert_eq!(Freedom::of(750, Some(3000), Some((100, 2))).numbers, 281_625);
        assert_eq!(forms(3, 2), 6);
        assert_eq!(forms(usize::MAX, 64), u128::MAX);
    }

    #[test]
    fn what_is_advised_suffices() {
        assert_eq!(Freedom::of(20, Some(200), None).warning(210), None);
        let warning = Freedom::of(20, Some(200), None).warning(500).unwrap();
        assert!(
            warning.contains("can memorise 210 samples") && warning.contains("--features-k 32 or more"),
            "{warning}"
        );
        for n in [1, 2, 3, 4, 210, 211, 500, 60_000, u128::from(u64::MAX)] {
            let k = u128::from(enough(n));
            assert!(k * (k + 1) / 2 >= n && k * (k - 1) / 2 < n, "{n}: {k}");
        }
        let few = Freedom::of(20, Some(4), None).warning(100).unwrap();
        assert!(few.contains("can memorise 74 samples") && few.contains("--neurons"), "{few}");
        let many = Freedom::of(20, Some(200), None).warning(600_000).unwrap();
        assert!(many.contains("--features-k 1095 or more"), "{many}");
        let flat = Freedom::of(100, None, Some((2, 2))).warning(6).unwrap();
        assert!(flat.contains("can memorise 5 samples") && flat.contains("--features-p"), "{flat}");
    }
}
