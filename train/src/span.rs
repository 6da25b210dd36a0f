//! Samples where they are computed with best: at a scale at which the fourth powers of their norms neither overflow nor
//! vanish, and in coordinates of what they span, where n samples of width d > n span no more than n directions.
//!
//! ```text
//! X = 2^e X',  X' = C Q^T,   X': n x d,  C: n x n lower triangular,  Q: d x n with orthonormal columns
//! ```
//!
//! Both leave every inner product as it is, but for a power of two: K = (X X^T) squared elementwise is 2^(4e) times
//! that of C, and a network with weights W (d x r) has on X the outputs of Q^T W on C. So whatever is asked of the
//! samples takes n x n matrices instead of d x d ones. A power of two changes no bit of a number; Q and C come from a
//! QR decomposition, which does not square the condition number.

use faer::Mat as Dense;
use memorize_data::dense::Qr;
use memorize_kernels::rows::Mapped;
use memorize_kernels::{Element, Engine, Mat, Par, Rows, pass, rows};

use crate::error::TrainError;
use crate::network::Network;

/// Exponents of the largest modulus, up or down, that samples are left alone with: the fourth power of a norm is far
/// inside of the range of f32, and bytes (up to 255) are left as they are.
const COMFORTABLE: i32 = 8;
/// Allowed difference between the norm of a row of C and that of its sample, relative to it; rounding makes some 1e-15.
const AGREEMENT: f64 = 1e-12;

/// The largest modulus of a number in the samples of all ranks.
///
/// # Errors
/// [`TrainError::NotFinite`] if there is a number that is not finite; it names the first sample of this rank.
///
/// ```
/// use memorize_kernels::{Mat, Par};
/// use memorize_train::TrainError;
/// use memorize_train::span::largest_modulus;
///
/// assert_eq!(largest_modulus(Par::Seq, &Mat::from_slice(2, 1, &[1.0, -3.0]))?, 3.0);
/// let broken = largest_modulus(Par::Seq, &Mat::from_slice(2, 1, &[1.0, f64::NAN]));
/// assert!(matches!(broken, Err(TrainError::NotFinite { row: 1, .. })));
/// # Ok::<(), TrainError>(())
/// ```
pub fn largest_modulus<T: Element, X: Rows<T>>(par: Par, x: &X) -> Result<f64, TrainError> {
    // NaN would be lost in a maximum.
    let modulus = |value: T| if value.is_finite() { value.to_f64().abs() } else { f64::INFINITY };
    let each = rows::map(par, x, |row| row.iter().fold(0.0f64, |largest, &value| largest.max(modulus(value))));
    if let Some(row) = each.iter().position(|modulus| !modulus.is_finite()) {
        return Err(TrainError::NotFinite { what: "sample", row: x.spread().range().start + row });
    }
    let here = each.into_iter().fold(0.0, f64::max);
    Ok(x.spread().gather(vec![here]).into_iter().fold(0.0, f64::max))
}

/// The e that samples with this largest modulus are divided by 2^e for; 0 where they are well as they are, or all zero.
///
/// ```
/// use memorize_train::span::exponent;
///
/// // Samples of an ordinary size stay as they are.
/// assert_eq!((exponent(3.0), exponent(2f64.powi(300))), (0, 300));
/// ```
pub fn exponent(modulus: f64) -> i32 {
    if modulus == 0.0 {
        return 0;
    }
    let exponent = modulus.log2().floor() as i32;
    if exponent.abs() <= COMFORTABLE { 0 } else { exponent }
}

/// 2^e as two factors, each of which is in the range of T where e is the exponent of a T.
pub(crate) fn power_of_two<T: Element>(e: i32) -> [T; 2] {
    [e / 2, e - e / 2].map(|e| T::from_f64(2f64.powi(e)))
}

/// What goes with the square of the samples' scale, as singular values of [x_1 (x) x_1, ...] do, brought back from
/// samples that were divided by 2^e.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Squared {
    exponent: i32,
    largest: f64,
}

impl Squared {
    /// For this e and this largest modulus of the samples.
    pub(crate) fn new(exponent: i32, largest: f64) -> Self {
        Self { exponent, largest }
    }

    /// 2^(2e) times the value; infinite or too small where that is.
    pub(crate) fn times(&self, value: f64) -> f64 {
        let [first, second] = power_of_two::<f64>(self.exponent);
        value * first * first * second * second
    }

    /// The same of a result.
    ///
    /// # Errors
    /// [`TrainError::SingularValuesOutOfRange`] if f64 cannot hold it.
    pub(crate) fn apply(&self, value: f64) -> Result<f64, TrainError> {
        let found = self.times(value);
        if found.is_finite() && (found >= f64::MIN_POSITIVE || value == 0.0 || self.exponent >= 0) {
            return Ok(found);
        }
        Err(TrainError::SingularValuesOutOfRange { largest: self.largest })
    }

    /// The same of an error, which may be rounded up.
    pub(crate) fn error(&self, value: f64) -> f64 {
        if value == 0.0 { 0.0 } else { self.times(value).max(f64::MIN_POSITIVE) }
    }
}

/// Samples multiplied by 2^e.
///
/// ```
/// use memorize_kernels::{Mat, Par, rows};
/// use memorize_train::span::scaled;
///
/// let x = Mat::from_slice(1, 2, &[3.0f64, -1.0]);
/// assert_eq!(rows::to_mat(Par::Seq, &scaled(&x, 2)).row(0), [12.0, -4.0]);
/// ```
pub fn scaled<T: Element, X: Rows<T>>(x: &X, e: i32) -> Mapped<'_, X, impl Fn(&mut [T]) + Sync> {
    let [first, second] = power_of_two::<T>(e);
    Mapped::new(x, move |row: &mut [T]| row.iter_mut().for_each(|value| *value = *value * first * second))
}

/// Coordinates of fewer samples than they have numbers each, all of them on every rank.
#[derive(Debug)]
pub struct Span {
    /// C, n x n: a sample a row.
    pub coordinates: Mat<f64>,
    /// Q, d x n.
    directions: Mat<f64>,
}

impl Span {
    /// Whether n samples of width d span fewer directions than they have numbers whatever they are.
    ///
    /// ```
    /// use memorize_train::span::Span;
    ///
    /// assert!(Span::is_narrower(100, 784) && !Span::is_narrower(60_000, 784));
    /// ```
    pub fn is_narrower(n: usize, d: usize) -> bool {
        n < d
    }

    /// Bytes that [`Span::new`] takes at once for n samples of width d: the samples, as columns, as the decomposition's
    /// with what it works in, and Q twice.
    ///
    /// ```
    /// use memorize_train::span::Span;
    ///
    /// assert!(Span::peak(100, 784) > Span::bytes(100, 784));
    /// ```
    pub fn peak(n: usize, d: usize) -> u64 {
        (n as u64).saturating_mul(d as u64).saturating_mul(46)
    }

    /// Bytes that it keeps.
    ///
    /// ```
    /// // C, n x n, and Q, d x n.
    /// assert_eq!(memorize_train::span::Span::bytes(100, 784), 8 * 100 * (100 + 784));
    /// ```
    pub fn bytes(n: usize, d: usize) -> u64 {
        (n as u64).saturating_mul((n as u64).saturating_add(d as u64)).saturating_mul(8)
    }

    /// Bytes of what takes so many more in the coordinates of so few samples, at most: one is over before the other
    /// begins.
    ///
    /// ```
    /// use memorize_train::span::Span;
    ///
    /// let (peak, kept) = (Span::peak(100, 784), Span::bytes(100, 784));
    /// assert_eq!((Span::with(100, 784, 1), Span::with(100, 784, peak)), (peak, kept + peak));
    /// ```
    pub fn with(n: usize, d: usize, bytes: u64) -> u64 {
        Self::peak(n, d).max(Self::bytes(n, d).saturating_add(bytes))
    }

    /// Of the samples X, n x d with n < d, none of them beyond the range in which squares of norms are finite. In f64,
    /// on one thread so that the bits do not depend on their number: 4 n^2 d flops.
    ///
    /// # Errors
    /// [`TrainError::Eigenvalues`] if the decomposition fails.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::span::Span;
    ///
    /// // Inner products are the same in the coordinates.
    /// let c = Span::new(&Mat::from_slice(2, 3, &[3.0f64, 4.0, 0.0, 1.0, 0.0, 2.0]))?.coordinates;
    /// let dot = |i: usize, j: usize| c.row(i).iter().zip(c.row(j)).map(|(a, b)| a * b).sum::<f64>();
    /// assert!((dot(0, 0) - 25.0).abs() < 1e-12 && (dot(0, 1) - 3.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<T: Element, X: Rows<T>>(x: &X) -> Result<Self, TrainError> {
        let (spread, x) = (x.spread(), rows::whole(Par::POOL, x));
        let (n, d) = (x.rows(), x.cols());
        let found = spread.from_first(|| Self::of(&x), || (Mat::zeros(n, n), Mat::zeros(d, n)));
        let (coordinates, directions) = found.ok_or(TrainError::Eigenvalues(n))?;
        Ok(Self { coordinates, directions })
    }

    /// C and Q, if they have the norms of the samples.
    fn of<T: Element>(x: &Mat<T>) -> Option<(Mat<f64>, Mat<f64>)> {
        let (n, d) = (x.rows(), x.cols());
        let qr = Qr::new(Dense::from_fn(d, n, |k, j| x.row(j)[k].to_f64()));
        let coordinates = Mat::from_fn(n, n, |j, l| qr.r(l, j));
        let q = qr.q(n);
        let directions = Mat::from_fn(d, n, |k, l| q[(k, l)]);
        let agree = |j: usize| {
            let exact = x.row(j).iter().map(|value| value.to_f64().powi(2)).sum::<f64>().sqrt();
            let found = coordinates.row(j).iter().map(|value| value.powi(2)).sum::<f64>().sqrt();
            (found - exact).abs() <= AGREEMENT * exact
        };
        (0..n).all(agree).then_some((coordinates, directions))
    }

    /// A network with weights W (d x r) in these coordinates: Q^T W, n x r. On C it has the outputs that it has on X.
    ///
    /// # Errors
    /// If it is not as wide as the samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::Network;
    /// use memorize_train::span::Span;
    ///
    /// let span = Span::new(&Mat::from_slice(1, 3, &[3.0f64, 4.0, 0.0]))?;
    /// let network = Network::random(2, 3, 1.0, 1)?;
    /// assert_eq!(span.within(&Engine::best(), &network)?.width(), 1);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn within(&self, engine: &Engine, network: &Network<f64>) -> Result<Network<f64>, TrainError> {
        self.times(engine, &self.directions.transposed(), network)
    }

    /// A network with weights V (n x r) in these coordinates on the samples themselves: Q V, d x r.
    ///
    /// # Errors
    /// If it is not as wide as there are coordinates.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::span::Span;
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let x = Mat::from_slice(1, 3, &[3.0f64, 4.0, 0.0]);
    /// let span = Span::new(&x)?;
    /// let within = Network::random(2, 1, 1.0, 1)?;
    /// let outside = span.outside(&Engine::best(), &within)?;
    /// let outputs = |x: &Mat<f64>, network: &Network<f64>| {
    ///     Objective { engine: Engine::best(), x, y: &[0.0], gamma: 0.0, route: Route::Neuron }.outputs(network)
    /// };
    /// let (here, there) = (outputs(&x, &outside)?[0], outputs(&span.coordinates, &within)?[0]);
    /// assert!((here - there).abs() < 1e-12 * there.abs());
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn outside(&self, engine: &Engine, network: &Network<f64>) -> Result<Network<f64>, TrainError> {
        self.times(engine, &self.directions, network)
    }

    fn times(&self, engine: &Engine, by: &Mat<f64>, network: &Network<f64>) -> Result<Network<f64>, TrainError> {
        memorize_kernels::error::check_shape("width of the network", by.cols(), network.width())?;
        let mut weights = Mat::zeros(network.neurons(), by.rows());
        let packed = engine.pack_rows(by.as_ref());
        pass::features(engine, network.weights.as_ref(), &packed, 1, weights.as_mut())?;
        Ok(Network { weights, signs: network.signs.clone() })
    }
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;

    use super::*;
    use crate::network::normal_rows;
    use crate::objective::Objective;
    use crate::planner::Route;

    #[test]
    fn coordinates_have_the_inner_products_of_the_samples_even_where_these_are_dependent() {
        let once: Mat<f64> = normal_rows(9, 40, 1.0, 1, Purpose::SyntheticInputs);
        // Two equal samples, one that is zero, and lengths from 1e-6 to 1e6.
        let row = |j: usize| if j == 7 { 2 } else { j };
        let scale = |j: usize| if j == 4 { 0.0 } else { 10f64.powi(2 * (row(j) as i32 % 7) - 6) };
        let x = Mat::from_fn(9, 40, |j, k| scale(j) * once.row(row(j))[k]);
        let span = Span::new(&x).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let length = |j: usize| dot(x.row(j), x.row(j)).sqrt();
        for i in 0..9 {
            for j in 0..9 {
                let (found, exact) = (dot(span.coordinates.row(i), span.coordinates.row(j)), dot(x.row(i), x.row(j)));
                assert!((found - exact).abs() <= 1e-14 * length(i) * length(j), "{i} {j}: {found} {exact}");
            }
        }
    }

    #[test]
    fn a_network_has_the_same_outputs_within_and_outside() {
        let engine = Engine::best();
        let x: Mat<f64> = normal_rows(6, 25, 1.0, 2, Purpose::SyntheticInputs);
        let span = Span::new(&x).unwrap();
        let wide = Network::<f64>::random(4, 25, 0.3, 1).unwrap();
        let narrow = span.within(&engine, &wide).unwrap();
        let outputs = |x: &Mat<f64>, network: &Network<f64>| {
            Objective { engine, x, y: &[0.0; 6], gamma: 0.0, route: Route::Neuron }.outputs(network).unwrap()
        };
        let exact = outputs(&x, &wide);
        let again = span.outside(&engine, &narrow).unwrap();
        for found in [outputs(&span.coordinates, &narrow), outputs(&x, &again)] {
            found.iter().zip(&exact).for_each(|(found, exact)| assert!((found - exact).abs() < 1e-12));
        }
        assert!(span.within(&engine, &narrow).is_err() && span.outside(&engine, &wide).is_err());
    }

    #[test]
    fn powers_of_two_change_no_bit() {
        let x: Mat<f32> = normal_rows(5, 3, 1.0, 3, Purpose::SyntheticInputs);
        for e in [-100, -7, 0, 90] {
            let other = rows::to_mat(Par::Seq, &scaled(&x, e));
            assert_eq!(rows::to_mat(Par::Seq, &scaled(&other, -e)).padded(), x.padded());
        }
        assert_eq!((exponent(1.0), exponent(255.0), exponent(1e-2)), (0, 0, 0));
        // The smallest and the largest of either type come to about 1.
        for value in [1e-45f32, 1e-30, 1e30, f32::MAX] {
            let one = Mat::from_slice(1, 1, &[value]);
            let scaled = rows::to_mat(Par::Seq, &scaled(&one, -exponent(value.into()))).row(0)[0];
            assert!((0.5..=4.0).contains(&scaled), "{value} to {scaled}");
        }
        for value in [5e-324, 1e-200, 1e200, f64::MAX] {
            let one = Mat::from_slice(1, 1, &[value]);
            let scaled = rows::to_mat(Par::Seq, &scaled(&one, -exponent(value))).row(0)[0];
            assert!((0.5..=4.0).contains(&scaled), "{value} to {scaled}");
        }
    }

    #[test]
    fn the_largest_modulus_is_found_and_what_is_not_finite_is_named() {
        let x = Mat::from_slice(2, 2, &[1.0, -3.0, 2.0, 0.5]);
        assert_eq!(largest_modulus(Par::Seq, &x).unwrap(), 3.0);
        for bad in [f64::NAN, f64::NEG_INFINITY] {
            let x = Mat::from_slice(2, 2, &[1.0, -3.0, bad, 0.5]);
            let error = largest_modulus(Par::Seq, &x).unwrap_err();
            assert!(matches!(error, TrainError::NotFinite { what: "sample", row: 1 }));
        }
    }
}
