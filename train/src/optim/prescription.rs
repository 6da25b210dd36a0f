//! Algorithm 1 as Theorem 4 prescribes it for a data set: every constant computed from the data, W = 0 at the start,
//! f(W*) <= epsilon at the end with probability 1 - delta.

use memorize_kernels::{Element, Engine, Mat, Par, Rows, rows};

use super::Limits;
use super::pgd::{Perturbation, Training, perturbed_descent};
use super::small::{SmallTraining, in_f64};
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::{Evaluation, Objective};
use crate::observe::{Observer, Outcome};
use crate::planner::{Plan, Samples};
use crate::theory::bounds::Lifted;
use crate::theory::constants::{Algorithm1, ConstantsError, Data, Theorem4, Warning, capacity, theorem1_neurons};
use crate::theory::gram_operator::squared_length;

/// Floating-point operations above which a run counts as hopeless: the fastest of the passes need hours for them on a
/// server, the loops for tiny problems days.
pub const HOPELESS_FLOPS: f64 = 1e15;

/// Probability of failing that is allowed where nobody says another: of Algorithm 1, and of whatever else holds by
/// chance.
pub const DELTA: f64 = 0.1;

/// Demands on the algorithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// Loss that the result may have at most.
    pub epsilon: f64,
    /// Probability of failing that is allowed.
    pub delta: f64,
    /// The constant c that the theorem leaves open: eta = c/l. Above 1 a step may increase the value.
    pub c: f64,
    /// Neurons r, at least 2d+2; `None` for 2d+2.
    pub neurons: Option<usize>,
    /// sigma_min, where it is known; `None` to measure it.
    pub sigma_min: Option<f64>,
}

impl Request {
    /// f <= epsilon with probability 1 - [`DELTA`], c = 1.
    ///
    /// ```
    /// use memorize_train::optim::prescription::{DELTA, Request};
    ///
    /// let request = Request::new(0.05);
    /// assert_eq!((request.epsilon, request.delta, request.c, request.neurons), (0.05, DELTA, 1.0, None));
    /// ```
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, delta: DELTA, c: 1.0, neurons: None, sigma_min: None }
    }
}

/// Where sigma_min is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigmaSource {
    /// Measured, by a dense decomposition.
    Measured,
    /// The caller knows it.
    Given,
    /// Only an upper bound, min_j ||x_j||^2: a column's length is at least the smallest singular value. The constants
    /// then bound those of the theorem, the iterations from below, and the theorem promises nothing.
    UpperBound,
}

impl SigmaSource {
    /// In words.
    ///
    /// ```
    /// use memorize_train::optim::prescription::SigmaSource;
    ///
    /// assert_ne!(SigmaSource::Measured.name(), SigmaSource::Given.name());
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Given => "given",
            Self::UpperBound => "upper bound",
        }
    }
}

/// Why Theorem 4 prescribes nothing for a data set. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrescriptionError {
    /// The samples cannot be used at all.
    #[error(transparent)]
    Data(#[from] TrainError),
    /// A constant cannot be computed.
    #[error(transparent)]
    Constants(#[from] ConstantsError),
    /// n > d(d+1)/2.
    #[error(
        "{samples} samples of width {width} are more than d(d+1)/2 = {}: sigma_min is 0 and Theorem 4 does not apply; \
         use fewer samples, or wider ones (random features)",
        capacity(*.width)
    )]
    TooManySamples {
        /// n.
        samples: usize,
        /// d.
        width: usize,
    },
    /// sigma_min cannot be told from zero.
    #[error(
        "the samples are degenerate: sigma_min = {sigma:.1e} cannot be told from 0 (rounding: {resolution:.1e}) and Theorem 4 \
         does not apply; remove repeated or zero samples, or perturb the samples with noise"
    )]
    Degenerate {
        /// The measured value.
        sigma: f64,
        /// Its rounding error.
        resolution: f64,
    },
    /// The sigma_min given is impossible.
    #[error(
        "sigma_min = {given:e} cannot be: it is never above the smallest ||x_j||^2, {limit:e}; with a value that is too large the \
         theorem does not hold, so give the measured one"
    )]
    ImpossibleSigma {
        /// The given value.
        given: f64,
        /// The upper bound.
        limit: f64,
    },
    /// r < 2d+2.
    #[error("{0} neurons are fewer than the 2d+2 = {1} that Theorem 4 needs; give at least {1}, an even number")]
    Neurons(usize, usize),
    /// c is above one.
    #[error("c = {0} must be above 0 and at most 1: the step size is c/l, and above 1/l a step may increase the loss")]
    C(f64),
}

/// Theorem 4 with the numbers of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prescription {
    /// The demands.
    pub request: Request,
    /// Constants of the data that the theorem uses.
    pub data: Data,
    /// Where sigma is from.
    pub sigma_source: SigmaSource,
    /// Neurons r.
    pub neurons: usize,
    /// The theorem's constants.
    pub constants: Theorem4,
    /// Algorithm 1's.
    pub algorithm: Algorithm1,
}

impl Prescription {
    /// The constants for the samples X, n x d, and the targets y, all of them on this rank.
    ///
    /// # Errors
    /// [`PrescriptionError`] where the theorem does not apply or a constant is out of range.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.6, 0.8]);
    /// let prescription = Prescription::new(&x, &[0.5, -0.5], Request::new(0.05))?;
    /// // r = 2d+2, and f(0) = (1/4 + 1/4)/8.
    /// assert_eq!((prescription.neurons, prescription.data.loss_at_zero), (6, 0.0625));
    /// // Four samples of width two are one too many.
    /// let more = Mat::from_fn(4, 2, |i, k| (1 + i * i + k) as f64);
    /// let error = Prescription::new(&more, &[0.5; 4], Request::new(0.05)).unwrap_err();
    /// assert!(error.to_string().contains('4'), "{error}");
    /// # Ok::<(), PrescriptionError>(())
    /// ```
    pub fn new<T: Element, X: Rows<T>>(x: &X, y: &[T], request: Request) -> Result<Self, PrescriptionError> {
        if !(request.c > 0.0 && request.c <= 1.0) {
            return Err(PrescriptionError::C(request.c));
        }
        let (mut data, shortest) = describe(x, y)?;
        let sigma_source;
        (data.sigma, sigma_source) = sigma(x, shortest, request.sigma_min)?;
        let needed = theorem1_neurons(data.width);
        let neurons = request.neurons.unwrap_or(needed);
        if neurons < needed {
            return Err(PrescriptionError::Neurons(neurons, needed));
        }
        let constants = Theorem4::new(&data, request.epsilon)?;
        let algorithm = constants.algorithm(neurons * data.width, request.c, request.delta)?;
        Ok(Self { request, data, sigma_source, neurons, constants, algorithm })
    }

    /// Fewest iterations that a run with f(W*) <= epsilon takes: W = 0 is perturbed at once and left within t_thres
    /// steps, and the perturbation of the point returned is watched for t_thres more. If already f(0) <= epsilon, the
    /// first alone.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
    ///
    /// let x = Mat::from_slice(1, 2, &[0.6, 0.8]);
    /// let of = |epsilon| Prescription::new(&x, &[0.5], Request::new(epsilon));
    /// let least = |epsilon| of(epsilon).map(|found| found.least_iterations());
    /// // f(0) = 1/16: one wait of t_thres steps is enough for more, and less takes longer.
    /// assert!(least(0.07)? < least(0.05)? && least(0.05)? < least(0.01)?);
    /// # Ok::<(), PrescriptionError>(())
    /// ```
    pub fn least_iterations(&self) -> f64 {
        let t_thres = self.algorithm.thresholds.t_thres as f64;
        if self.data.loss_at_zero > self.request.epsilon { 2.0 * t_thres + 1.0 } else { t_thres }
    }

    /// Floating-point operations of so many iterations, each one gradient by the cheaper route.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
    ///
    /// let x = Mat::from_slice(1, 2, &[0.6, 0.8]);
    /// let prescription = Prescription::new(&x, &[0.5], Request::new(0.05))?;
    /// assert!(prescription.least_flops() > prescription.least_iterations());
    /// # Ok::<(), PrescriptionError>(())
    /// ```
    pub fn least_flops(&self) -> f64 {
        let plan = self.plan();
        self.least_iterations() * plan.route.flops(self.data.samples, self.data.width, self.neurons)
    }

    /// Whether even the fewest iterations are more work than [`HOPELESS_FLOPS`].
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
    ///
    /// let x = Mat::from_slice(1, 2, &[0.6, 0.8]);
    /// let hopeless = |epsilon| Prescription::new(&x, &[0.5], Request::new(epsilon)).map(|found| found.is_hopeless());
    /// assert!(!hopeless(0.05)? && hopeless(1e-12)?);
    /// # Ok::<(), PrescriptionError>(())
    /// ```
    pub fn is_hopeless(&self) -> bool {
        self.least_flops() > HOPELESS_FLOPS
    }

    /// What keeps f64 from following the theory: beside entries of W as large as a point on the boundary of the ball
    /// that descent from W = 0 stays in has them on average, and beside values of g up to g(0) = f(0).
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
    ///
    /// let x = Mat::from_slice(1, 2, &[0.6, 0.8]);
    /// let warnings = |epsilon| Prescription::new(&x, &[0.5], Request::new(epsilon)).map(|found| found.warnings());
    /// // What is asked for is beyond the digits of f64.
    /// assert!(warnings(0.05)?.is_empty() && !warnings(1e-8)?.is_empty());
    /// # Ok::<(), PrescriptionError>(())
    /// ```
    pub fn warnings(&self) -> Vec<Warning> {
        let entry = self.constants.radius / ((self.neurons * self.data.width) as f64).sqrt();
        self.algorithm.warnings(entry, self.data.loss_at_zero)
    }

    /// Runs Algorithm 1 from W = 0 until it returns or a limit ends it. Tiny problems (see [`SmallTraining::fits`]) are
    /// computed in f64 whatever T is.
    ///
    /// # Errors
    /// See [`perturbed_descent`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::observe::Silent;
    /// use memorize_train::optim::Limits;
    /// use memorize_train::optim::prescription::{Prescription, Request};
    ///
    /// let (x, y) = (Mat::from_slice(1, 2, &[0.6, 0.8]), [0.5]);
    /// let prescription = Prescription::new(&x, &y, Request::new(0.05)).unwrap();
    /// let limits = Limits { iterations: 1000, record_every: 1000, stop_below: None };
    /// let run = prescription.run(Engine::best(), (&x, &y), &limits, 1, &mut Silent)?;
    /// // Perturbed at once, for W = 0 is a saddle.
    /// assert_eq!((run.perturbations[0].iteration, run.network.neurons()), (0, 6));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn run<T: Element, X: Rows<T>>(
        &self,
        engine: Engine,
        (x, y): (&X, &[T]),
        limits: &Limits,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Memorized<T>, TrainError> {
        let mut network = Network::<T>::zeros(self.neurons, self.data.width)?;
        let gamma = self.constants.gamma;
        let thresholds = &self.algorithm.thresholds;
        let objective = Objective { engine, x, y, gamma, route: self.plan().route };
        let (outcome, perturbations);
        if let Some(mut small) = SmallTraining::new(engine.isa, x, y, gamma, &network) {
            let start = Mat::zeros(self.neurons, self.data.width);
            let found = perturbed_descent(&mut small, start, thresholds, limits, seed, observer)?;
            let weight = |i: usize, a: usize| T::from_f64(found.weights.row(i)[a]);
            network.weights = Mat::from_fn(self.neurons, self.data.width, weight);
            (outcome, perturbations) = (found.outcome, found.perturbations);
        } else {
            let (mut training, start) = (Training::new(&objective, network.clone()), network.weights.clone());
            let found = perturbed_descent(&mut training, start, thresholds, limits, seed, observer)?;
            (network.weights, outcome, perturbations) = (found.weights, found.outcome, found.perturbations);
        }
        let at = objective.evaluate(&network)?;
        Ok(Memorized { network, outcome, perturbations, at })
    }

    fn plan(&self) -> Plan {
        Plan::new(Samples::All(self.data.samples), self.data.width, self.neurons, None)
    }
}

/// Result of a run as prescribed.
#[derive(Clone, Debug)]
pub struct Memorized<T: Element> {
    /// W*.
    pub network: Network<T>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Every perturbation.
    pub perturbations: Vec<Perturbation>,
    /// f and g at W*.
    pub at: Evaluation,
}

/// Everything but sigma, and min_j ||x_j||^2.
fn describe<T: Element, X: Rows<T>>(x: &X, y: &[T]) -> Result<(Data, f64), TrainError> {
    memorize_kernels::error::check_shape("number of targets", x.rows(), y.len())?;
    let squares = rows::map(Par::POOL, x, squared_length);
    let y: Vec<f64> = y.iter().map(|y| y.to_f64()).collect();
    let first = |values: &[f64]| values.iter().position(|value| !value.powi(2).is_finite());
    let wrong = first(&squares).map(|row| ("sample", row)).or_else(|| first(&y).map(|row| ("target", row)));
    if let Some((what, row)) = wrong {
        return Err(TrainError::NotFinite { what, row });
    }
    if squares.is_empty() {
        return Err(TrainError::NoSamples);
    }
    let longest = squares.iter().copied().fold(0.0f64, f64::max);
    let shortest = squares.iter().copied().fold(f64::INFINITY, f64::min);
    let data = Data {
        samples: x.rows(),
        width: x.cols(),
        input_bound: longest.sqrt(),
        target_bound: y.iter().fold(0.0f64, |largest, y| largest.max(y.abs())),
        sigma: shortest,
        loss_at_zero: y.iter().map(|y| y.powi(2)).sum::<f64>() / (4.0 * y.len() as f64),
    };
    Ok((data, shortest))
}

/// sigma_min: given, measured where that is affordable, else its upper bound `shortest`.
fn sigma<T: Element, X: Rows<T>>(
    x: &X,
    shortest: f64,
    given: Option<f64>,
) -> Result<(f64, SigmaSource), PrescriptionError> {
    let (samples, width) = (x.rows(), x.cols());
    if samples as u128 > capacity(width) {
        return Err(PrescriptionError::TooManySamples { samples, width });
    }
    if shortest == 0.0 {
        return Err(PrescriptionError::Degenerate { sigma: 0.0, resolution: 0.0 });
    }
    if let Some(given) = given {
        // Where all columns are orthogonal and of one length the bound is attained, but for rounding.
        if given > shortest * (1.0 + 1e-12) {
            return Err(PrescriptionError::ImpossibleSigma { given, limit: shortest });
        }
        return Ok((given, SigmaSource::Given));
    }
    if !Lifted::fits(samples, width) {
        return Ok((shortest, SigmaSource::UpperBound));
    }
    let lifted = Lifted::new(&in_f64(x))?;
    let (sigma, resolution) = (lifted.singular_values().min, lifted.resolution());
    if sigma <= resolution {
        return Err(PrescriptionError::Degenerate { sigma, resolution });
    }
    Ok((sigma, SigmaSource::Measured))
}

#[cfg(test)]
#[path = "prescription_tests.rs"]
mod tests;
