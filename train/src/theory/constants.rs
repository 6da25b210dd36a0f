//! The constants of Theorem 4, the thresholds of Algorithm 1, the sizes of Theorems 1 and 5.
//!
//! Two misprints of the paper, settled here. The appendix prints rho with the exponent 4; the Hessian of g is 6 B^4
//! ||W||-Lipschitz (Lemma 5) on the ball ||W||_F <= (2 (f(0)+1)/gamma)^(1/2), and with gamma = (sigma^2 eps/(n d))^(1/2) that
//! is C (n d/(sigma^2 eps))^(1/4). It is what makes sqrt(rho eps') = gamma, which the proof uses. And Lemma 4's proof
//! once writes f with the factor 1/n; f has 1/(4n) throughout.
//!
//! Two places where the code is not the statement of Theorem 4. It calls Algorithm 1 with eps', as the proof does,
//! where the statement has epsilon. And it takes Delta_f = f(0), where the statement has f(0) + 1 at least: Jin et al.'s
//! Theorem 3 asks for at least g(0) - min g, g(0) = f(0), and g is not negative anywhere.

use super::bounds::Lipschitz;

/// Largest number of samples that width d can hold in general position: d(d+1)/2 (Theorem 1).
///
/// ```
/// assert_eq!(memorize_train::theory::constants::capacity(784), 784 * 785 / 2);
/// ```
pub fn capacity(d: usize) -> u128 {
    d as u128 * (d as u128 + 1) / 2
}

/// Neurons that Theorem 1 asks for: r = 2d+2.
///
/// ```
/// assert_eq!(memorize_train::theory::constants::theorem1_neurons(784), 1570);
/// ```
pub fn theorem1_neurons(d: usize) -> usize {
    2 * d + 2
}

/// Random features and neurons that Theorem 5 asks for: k = 2 ceil(sqrt n), r = 2k+2.
///
/// ```
/// assert_eq!(memorize_train::theory::constants::theorem5_sizes(60_000), (490, 982));
/// ```
pub fn theorem5_sizes(n: usize) -> (usize, usize) {
    let floor = n.isqrt();
    let root = if floor * floor < n { floor + 1 } else { floor };
    (2 * root, theorem1_neurons(2 * root))
}

/// The thresholds of Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Step size eta.
    pub eta: f64,
    /// Radius r of the ball that perturbations are drawn from.
    pub radius: f64,
    /// Gradient norm at or below which a point is perturbed.
    pub g_thres: f64,
    /// Decrease that a perturbation must bring within t_thres steps.
    pub f_thres: f64,
    /// Steps between a perturbation and the test whether it escaped.
    pub t_thres: u64,
}

/// What Theorem 4 has to know of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Data {
    /// Samples n.
    pub samples: usize,
    /// Width d of a sample (k with three layers).
    pub width: usize,
    /// B: the largest norm of a sample.
    pub input_bound: f64,
    /// Y: the largest modulus of a target.
    pub target_bound: f64,
    /// sigma: the smallest singular value of [x_1 (x) x_1, ..., x_n (x) x_n]. Measured: with a guess that is too large
    /// the theorem does not hold.
    pub sigma: f64,
    /// f(0) = 1/(4n) sum_j y_j^2.
    pub loss_at_zero: f64,
}

/// A value that the constants cannot be computed from.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstantsError {
    /// A quantity that has to be a finite number above zero.
    #[error("{name} = {value} must be a finite number above 0{}", .advice)]
    NotPositive {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Advice, after a semicolon.
        advice: &'static str,
    },
    /// delta is a probability.
    #[error("delta = {0} must be between 0 and 1: it is the probability that the algorithm may fail with")]
    Delta(f64),
    /// A number of steps that a counter cannot hold.
    #[error(
        "t_thres = {0:e} steps between a perturbation and its test are more than can be counted; ask for a larger epsilon"
    )]
    Endless(f64),
}

/// Fails unless `value` is a finite number above zero.
fn positive(name: &'static str, value: f64, advice: &'static str) -> Result<(), ConstantsError> {
    let fine = value.is_finite() && value > 0.0;
    if fine { Ok(()) } else { Err(ConstantsError::NotPositive { name, value, advice }) }
}

/// The constants of Theorem 4 for an accuracy epsilon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theorem4 {
    /// C = 6 B^4 sqrt(2 (f(0)+1)).
    pub c: f64,
    /// Regulariser gamma = (sigma^2 eps/(n d))^(1/2).
    pub gamma: f64,
    /// Radius (2 (f(0)+1)/gamma)^(1/2) of the ball that descent from W = 0 does not leave.
    pub radius: f64,
    /// Lipschitz constant of the Hessian of g on that ball, rho = C (n d/(sigma^2 eps))^(1/4).
    pub rho: f64,
    /// Lipschitz constant of its gradient, l = max(3 B^4 2 (f(0)+1)/gamma + Y B^2 + gamma, 1).
    pub l: f64,
    /// Accuracy that Algorithm 1 is called with, eps' = (sigma^2 eps/(n d))^(5/4) / C.
    pub epsilon: f64,
    /// The most that g can fall from W = 0: f(0).
    pub delta_f: f64,
}

impl Theorem4 {
    /// The constants for f(W*) <= epsilon.
    ///
    /// # Errors
    /// [`ConstantsError::NotPositive`] if n, d, B, sigma or epsilon is not a finite number above zero, or f(0) or Y is
    /// not a finite number.
    ///
    /// ```
    /// use memorize_train::theory::constants::{Data, Theorem4};
    ///
    /// let data = Data {
    ///     samples: 4,
    ///     width: 4,
    ///     input_bound: 1.0,
    ///     target_bound: 1.0,
    ///     sigma: 0.5,
    ///     loss_at_zero: 0.125,
    /// };
    /// let constants = Theorem4::new(&data, 0.01)?;
    /// // gamma = (sigma^2 eps/(n d))^(1/2) and C = 6 B^4 sqrt(2 (f(0)+1)).
    /// assert!((constants.gamma - 0.0125).abs() < 1e-15 && (constants.c - 9.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn new(data: &Data, epsilon: f64) -> Result<Self, ConstantsError> {
        positive("epsilon", epsilon, "")?;
        positive("the number of samples", data.samples as f64, "")?;
        positive("the width of the samples", data.width as f64, "")?;
        positive("the largest norm of a sample B", data.input_bound, "; are all samples zero?")?;
        positive("sigma_min", data.sigma, "; the samples are not in general position: perturb them with noise")?;
        // Targets may all be zero.
        positive("f(0) + 1", data.loss_at_zero + 1.0, "")?;
        positive("Y + 1", data.target_bound + 1.0, "")?;
        let ratio = data.sigma.powi(2) * epsilon / (data.samples as f64 * data.width as f64);
        let gamma = ratio.sqrt();
        let radius = (2.0 * (data.loss_at_zero + 1.0) / gamma).sqrt();
        let on_ball = Lipschitz::on_ball(data.input_bound, data.target_bound, radius, gamma);
        let c = 6.0 * data.input_bound.powi(4) * (2.0 * (data.loss_at_zero + 1.0)).sqrt();
        Ok(Self {
            c,
            gamma,
            radius,
            rho: on_ball.hessian,
            l: on_ball.gradient.max(1.0),
            epsilon: libm::pow(ratio, 1.25) / c,
            delta_f: data.loss_at_zero,
        })
    }

    /// The order of the bound on the iterations, l Delta_f/eps'^2 log^4(D l Delta_f/(eps'^2 delta)) for D weights: what
    /// [`Algorithm1::iterations_order`] is, without its thresholds. Not a number if Delta_f is zero.
    ///
    /// ```
    /// use memorize_train::theory::constants::{Data, Theorem4};
    ///
    /// # let (samples, width, input_bound, target_bound) = (4, 4, 1.0, 1.0);
    /// # let data = Data { samples, width, input_bound, target_bound, sigma: 0.5, loss_at_zero: 0.125 };
    /// let order = |epsilon| Theorem4::new(&data, epsilon).map(|constants| constants.iterations_order(40, 0.1));
    /// // Smaller losses take more iterations, by a power of 1/epsilon.
    /// assert!(order(0.01)? > 100.0 * order(0.1)?);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn iterations_order(&self, dimension: usize, delta: f64) -> f64 {
        let log = logarithm(dimension, self.l, self.delta_f, self.epsilon, delta);
        if self.delta_f > 0.0 { order(self.l, self.delta_f, self.epsilon, log) } else { f64::NAN }
    }

    /// Algorithm 1 with these constants, for a network of r neurons on samples of width d: dimension = r d.
    ///
    /// # Errors
    /// See [`Algorithm1::new`].
    ///
    /// ```
    /// use memorize_train::theory::constants::{Data, Theorem4};
    ///
    /// # let (samples, width, input_bound, target_bound) = (4, 4, 1.0, 1.0);
    /// # let data = Data { samples, width, input_bound, target_bound, sigma: 0.5, loss_at_zero: 0.125 };
    /// let constants = Theorem4::new(&data, 0.1)?;
    /// let algorithm = constants.algorithm(40, 1.0, 0.1)?;
    /// assert_eq!(algorithm.thresholds.eta, 1.0 / constants.l);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn algorithm(&self, dimension: usize, c: f64, delta: f64) -> Result<Algorithm1, ConstantsError> {
        Algorithm1::new(
            &Smoothness { l: self.l, rho: self.rho, delta_f: self.delta_f, dimension },
            self.epsilon,
            c,
            delta,
        )
    }
}

/// log(D l Delta_f/(eps^2 delta)). Products of small numbers leave the range of f64 before their logarithms do.
fn logarithm(dimension: usize, l: f64, delta_f: f64, epsilon: f64, delta: f64) -> f64 {
    libm::log(dimension as f64) + libm::log(l) + libm::log(delta_f) - 2.0 * libm::log(epsilon) - libm::log(delta)
}

/// l Delta_f/eps^2 log^4.
fn order(l: f64, delta_f: f64, epsilon: f64, log: f64) -> f64 {
    l * delta_f / epsilon.powi(2) * log.max(1.0).powi(4)
}

/// What Algorithm 1 has to know of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothness {
    /// Lipschitz constant of the gradient.
    pub l: f64,
    /// Lipschitz constant of the Hessian.
    pub rho: f64,
    /// Delta_f: at least the value at the start above the infimum.
    pub delta_f: f64,
    /// Number of variables.
    pub dimension: usize,
}

/// Algorithm 1 of the paper with its own thresholds (Jin et al., "How to Escape Saddle Points Efficiently", 2017,
/// Algorithm 2 and Theorem 3):
///
/// ```text
/// chi = 3 max(log(D l Delta_f / (c eps^2 delta)), 4)      D: number of variables
/// eta = c/l             r = sqrt(c)/chi^2 eps/l           g_thres = sqrt(c)/chi^2 eps
/// f_thres = c/chi^3 sqrt(eps^3/rho)                       t_thres = ceil(chi/c^2 l/sqrt(rho eps))
/// ```
///
/// The paper's t_thres is not rounded; the equality that it is compared with would never hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Algorithm1 {
    /// chi.
    pub chi: f64,
    /// eta, r, g_thres, f_thres, t_thres.
    pub thresholds: Thresholds,
    /// The bound's order, l Delta_f/eps^2 log^4(D l Delta_f/(eps^2 delta)).
    pub iterations_order: f64,
    smoothness: Smoothness,
    epsilon: f64,
}

/// Why thresholds will not work as the theory has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A perturbation changes no entry of W: its typical entry r/sqrt(D) is below the distance between W's largest
    /// entry and the next number.
    RadiusBelowResolution {
        /// r/sqrt(D).
        entry: f64,
        /// That distance.
        resolution: f64,
    },
    /// The decrease that is tested for cannot be seen beside the value: the test compares rounding errors.
    DecreaseBelowResolution {
        /// f_thres.
        f_thres: f64,
        /// Distance between the value and the next number.
        resolution: f64,
    },
    /// eps is above l^2/rho, where Jin et al.'s theorem does not speak.
    AccuracyTooCoarse {
        /// eps.
        epsilon: f64,
        /// l^2/rho.
        limit: f64,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RadiusBelowResolution { entry, resolution } => write!(
                f,
                "a perturbation's entries, about {entry:.1e}, are below the resolution {resolution:.1e} of f64 beside W: \
                 it moves nothing; ask for a larger epsilon"
            ),
            Self::DecreaseBelowResolution { f_thres, resolution } => write!(
                f,
                "f_thres = {f_thres:.1e} is below the resolution {resolution:.1e} of f64 beside the loss: whether a \
                 perturbation escaped is decided by rounding; ask for a larger epsilon"
            ),
            Self::AccuracyTooCoarse { epsilon, limit } => write!(
                f,
                "the accuracy {epsilon:.1e} is above l^2/rho = {limit:.1e}, where the theorem makes no promise; ask for a \
                 smaller epsilon"
            ),
        }
    }
}

impl Algorithm1 {
    /// The thresholds for an epsilon-second-order stationary point with probability 1 - delta. `c` is the absolute
    /// constant that the theorem leaves open ("c <= c_max").
    ///
    /// # Errors
    /// [`ConstantsError`] if an argument is not a finite number above zero, delta is not below 1, or t_thres cannot be
    /// counted.
    ///
    /// ```
    /// use memorize_train::theory::constants::{Algorithm1, Smoothness};
    ///
    /// let of = Smoothness { l: 2.0, rho: 1.0, delta_f: 1.0, dimension: 10 };
    /// let algorithm = Algorithm1::new(&of, 0.1, 1.0, 0.1)?;
    /// // chi = 3 log(D l Delta_f/(c eps^2 delta)), and g_thres = sqrt(c)/chi^2 eps.
    /// assert!((algorithm.chi - 3.0 * (20.0f64 / 0.001).ln()).abs() < 1e-12);
    /// assert!((algorithm.thresholds.g_thres - 0.1 / algorithm.chi.powi(2)).abs() < 1e-15);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn new(of: &Smoothness, epsilon: f64, c: f64, delta: f64) -> Result<Self, ConstantsError> {
        positive("l", of.l, "")?;
        positive("rho", of.rho, "")?;
        positive("Delta_f", of.delta_f, "; a start without loss is a solution")?;
        positive("the number of variables", of.dimension as f64, "")?;
        positive("epsilon", epsilon, "")?;
        positive("c", c, "")?;
        if !(delta > 0.0 && delta < 1.0) {
            return Err(ConstantsError::Delta(delta));
        }
        let log = logarithm(of.dimension, of.l, of.delta_f, epsilon, delta);
        let chi = 3.0 * (log - libm::log(c)).max(4.0);
        let steps = (chi / c.powi(2) * of.l / (of.rho * epsilon).sqrt()).ceil();
        if steps.is_nan() || steps >= u64::MAX as f64 {
            return Err(ConstantsError::Endless(steps));
        }
        let thresholds = Thresholds {
            eta: c / of.l,
            radius: c.sqrt() / chi.powi(2) * epsilon / of.l,
            g_thres: c.sqrt() / chi.powi(2) * epsilon,
            f_thres: c / chi.powi(3) * (epsilon.powi(3) / of.rho).sqrt(),
            t_thres: steps as u64,
        };
        let iterations_order = order(of.l, of.delta_f, epsilon, log);
        Ok(Self { chi, thresholds, iterations_order, smoothness: *of, epsilon })
    }

    /// Most iterations before the algorithm returns, in the proof's way of counting: a step with a large gradient
    /// decreases the value by eta g_thres^2/2 at least, the t_thres steps after a perturbation that escapes by f_thres,
    /// so Delta_f (t_thres/f_thres + 2/(eta g_thres^2)) + t_thres.
    ///
    /// ```
    /// use memorize_train::theory::constants::{Algorithm1, Smoothness};
    ///
    /// let of = Smoothness { l: 2.0, rho: 1.0, delta_f: 1.0, dimension: 10 };
    /// let algorithm = Algorithm1::new(&of, 0.1, 1.0, 0.1)?;
    /// assert!(algorithm.iterations_bound() > algorithm.thresholds.t_thres as f64);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn iterations_bound(&self) -> f64 {
        let Thresholds { eta, g_thres, f_thres, t_thres, .. } = self.thresholds;
        let steps = t_thres as f64;
        self.smoothness.delta_f * (steps / f_thres + 2.0 / (eta * g_thres.powi(2))) + steps
    }

    /// What keeps f64 from following the theory, at weights whose entries are at most `largest_weight` and a loss
    /// `value`.
    ///
    /// ```
    /// use memorize_train::theory::constants::{Algorithm1, Smoothness};
    ///
    /// let of = Smoothness { l: 2.0, rho: 1.0, delta_f: 1.0, dimension: 10 };
    /// let algorithm = Algorithm1::new(&of, 0.1, 1.0, 0.1)?;
    /// // Beside weights so large no perturbation is seen, and beside such a value no decrease.
    /// assert_eq!(algorithm.warnings(1.0, 1.0), []);
    /// assert_eq!(algorithm.warnings(1e15, 1e15).len(), 2);
    /// # Ok::<(), memorize_train::theory::constants::ConstantsError>(())
    /// ```
    pub fn warnings(&self, largest_weight: f64, value: f64) -> Vec<Warning> {
        let Thresholds { radius, f_thres, .. } = self.thresholds;
        let spacing = |number: f64| number.abs() * f64::EPSILON;
        let entry = radius / (self.smoothness.dimension as f64).sqrt();
        let limit = self.smoothness.l.powi(2) / self.smoothness.rho;
        let epsilon = self.epsilon;
        let checks = [
            (entry <= spacing(largest_weight))
                .then(|| Warning::RadiusBelowResolution { entry, resolution: spacing(largest_weight) }),
            (f_thres <= spacing(value))
                .then(|| Warning::DecreaseBelowResolution { f_thres, resolution: spacing(value) }),
            (epsilon > limit).then_some(Warning::AccuracyTooCoarse { epsilon, limit }),
        ];
        checks.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found:e} instead of {expected:e}");
    }

    #[test]
    fn sizes_of_the_theorems() {
        assert_eq!([capacity(0), capacity(1), capacity(784)], [0, 1, 307_720]);
        assert_eq!(capacity(usize::MAX), (1 << 127) - (1 << 63));
        assert_eq!(theorem1_neurons(784), 1570);
        // sqrt 60000 = 244.9...
        assert_eq!(theorem5_sizes(60_000), (490, 982));
        assert_eq!([theorem5_sizes(1), theorem5_sizes(16), theorem5_sizes(17)], [(2, 6), (8, 18), (10, 22)]);
    }

    /// n d = 4, sigma = 2, eps = 1/16: sigma^2 eps/(n d) = 1/16, so gamma = 1/4; f(0) = 1: ball 4, C = 12.
    fn by_hand() -> Theorem4 {
        let data = Data { samples: 2, width: 2, input_bound: 1.0, target_bound: 2.0, sigma: 2.0, loss_at_zero: 1.0 };
        Theorem4::new(&data, 1.0 / 16.0).unwrap()
    }

    #[test]
    fn constants_of_theorem_4_by_hand() {
        let found = by_hand();
        close(found.c, 12.0);
        close(found.gamma, 0.25);
        close(found.radius, 4.0);
        close(found.rho, 24.0); // C 16^(1/4)
        close(found.l, 50.25); // 3 * 4/(1/4) + 2 + 1/4
        close(found.epsilon, 1.0 / 384.0); // 16^(-5/4) / 12
        close((found.rho * found.epsilon).sqrt(), found.gamma); // what the misprint would break
    }

    #[test]
    fn a_longer_sample_enters_with_its_fourth_power() {
        let data = Data { samples: 2, width: 2, input_bound: 3.0, target_bound: 2.0, sigma: 2.0, loss_at_zero: 1.0 };
        let found = Theorem4::new(&data, 1.0 / 16.0).unwrap();
        close(found.c, 972.0);
        close(found.l, 3906.25); // 3 * 81 * 16 + 2 * 9 + 1/4
        close(found.rho, 1944.0);
    }

    #[test]
    fn thresholds_by_hand() {
        // log(4 * 1 * 1/(1/4 * 1/16 * 1/2)) = log 512 = 9 log 2 = 6.238..., chi = 27 log 2.
        let of = Smoothness { l: 1.0, rho: 1.0, delta_f: 1.0, dimension: 4 };
        let found = Algorithm1::new(&of, 0.25, 0.25, 0.5).unwrap();
        let chi = 27.0 * std::f64::consts::LN_2;
        close(found.chi, chi);
        close(found.thresholds.eta, 0.25);
        close(found.thresholds.radius, 0.125 / chi.powi(2));
        close(found.thresholds.g_thres, 0.125 / chi.powi(2));
        close(found.thresholds.f_thres, 0.03125 / chi.powi(3));
        assert_eq!(found.thresholds.t_thres, 599); // 32 chi = 598.88...
        close(found.iterations_order, 16.0 * (7.0 * std::f64::consts::LN_2).powi(4));
        // chi is never below 12.
        let mild = Algorithm1::new(&Smoothness { dimension: 1, ..of }, 0.9, 1.0, 0.9).unwrap();
        close(mild.chi, 12.0);
        assert_eq!(mild.thresholds.t_thres, 13); // 12/sqrt 0.9 = 12.6...
    }

    #[test]
    fn the_bound_counts_descent_and_escapes() {
        let found = by_hand().algorithm(12, 0.5, 0.1).unwrap();
        let Thresholds { eta, g_thres, f_thres, t_thres, .. } = found.thresholds;
        let escapes = 1.0 / f_thres * t_thres as f64;
        close(found.iterations_bound(), escapes + 2.0 / (eta * g_thres * g_thres) + t_thres as f64);
        assert!(found.iterations_bound() > found.iterations_order);
        close(by_hand().iterations_order(12, 0.1), found.iterations_order);
    }

    #[test]
    fn what_f64_cannot_resolve_is_said() {
        let tiny = Smoothness { l: 1e6, rho: 1e4, delta_f: 1.0, dimension: 100 };
        let found = Algorithm1::new(&tiny, 1e-9, 0.5, 0.1).unwrap();
        let warnings = found.warnings(1.0, 1.0);
        assert!(matches!(
            warnings[..],
            [Warning::RadiusBelowResolution { .. }, Warning::DecreaseBelowResolution { .. }]
        ));
        assert!(warnings.iter().all(|warning| warning.to_string().contains("larger epsilon")));
        // Beside W = 0 and a loss of zero every number can be told apart.
        assert!(found.warnings(0.0, 0.0).is_empty());
        let coarse = Smoothness { l: 1.0, rho: 100.0, delta_f: 1.0, dimension: 4 };
        let found = Algorithm1::new(&coarse, 0.5, 0.5, 0.1).unwrap();
        assert!(matches!(found.warnings(0.0, 0.0)[..], [Warning::AccuracyTooCoarse { limit: 0.01, .. }]));
    }

    #[test]
    fn arguments_out_of_range_are_named() {
        let data = Data { samples: 2, width: 2, input_bound: 1.0, target_bound: 0.0, sigma: 0.0, loss_at_zero: 0.0 };
        let says = |error: ConstantsError, words: &str| assert!(error.to_string().contains(words), "{error}");
        says(Theorem4::new(&data, 0.1).unwrap_err(), "sigma_min = 0 must be a finite number above 0; the samples");
        let data = Data { sigma: 1.0, ..data };
        assert!(Theorem4::new(&data, 0.1).is_ok());
        says(Theorem4::new(&data, f64::NAN).unwrap_err(), "epsilon = NaN");
        says(Theorem4::new(&Data { loss_at_zero: f64::INFINITY, ..data }, 0.1).unwrap_err(), "f(0)");
        let of = Smoothness { l: 1.0, rho: 1.0, delta_f: 1.0, dimension: 4 };
        says(Algorithm1::new(&of, 0.1, 0.5, 1.0).unwrap_err(), "between 0 and 1");
        says(Algorithm1::new(&Smoothness { delta_f: 0.0, ..of }, 0.1, 0.5, 0.1).unwrap_err(), "Delta_f");
        says(Algorithm1::new(&of, 1e-60, 1e-5, 0.1).unwrap_err(), "larger epsilon");
    }
}
