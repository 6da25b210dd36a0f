//! The Hessian of the objective at one point, applied to directions without ever being formed.
//!
//! ```text
//! H Z = M Z A + 2/n sum_j h_j x_j x_j^T W A + gamma Z,    h_j = x_j^T (W A Z^T) x_j
//! ```
//!
//! Quantities of the point alone (the residuals, M, W A) are computed once; a product is one pass of quadratic forms,
//! one of the weighted Gram matrix and three products with d x d and d x r matrices: 2 n d^2 + 6 r d^2 flops.

use memorize_kernels::error::check_shape;
use memorize_kernels::{Element, Engine, Mat, Rows, pass};

use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;

/// The Hessian of g at a point W; with gamma = 0 that of f. Loss, M and gradient at the point come with it, all three
/// from the same residuals.
#[derive(Debug)]
pub struct HessianOperator<'a, T: Element, X> {
    engine: Engine,
    x: &'a X,
    net: &'a Network<T>,
    gamma: f64,
    squares: f64,
    moment: Mat<T>,
    /// 1/2 W A, d x r.
    half_signed: Mat<T>,
}

impl<'a, T: Element, X: Rows<T>> HessianOperator<'a, T, X> {
    /// The Hessian of `objective` at `net`.
    ///
    /// # Errors
    /// If the shapes do not go together.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::hessian::HessianOperator;
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.25, route: Route::Gram };
    /// let network = Network::zeros(2, 1)?;
    /// let hessian = HessianOperator::new(&objective, &network)?;
    /// // At W = 0: (a_i M + gamma) z_i with M = -1.
    /// let product = hessian.apply(&Mat::from_slice(2, 1, &[1.0, 1.0]))?;
    /// assert_eq!((product.row(0)[0], product.row(1)[0]), (-0.75, 1.25));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(objective: &Objective<'a, T, X>, net: &'a Network<T>) -> Result<Self, TrainError> {
        check_shape("number of targets", objective.x.rows(), objective.y.len())?;
        let (engine, x) = (objective.engine, objective.x);
        let outputs = objective.outputs(net)?;
        let delta: Vec<T> = outputs.iter().zip(objective.y).map(|(&q, &y)| q - y).collect();
        Ok(Self {
            engine,
            x,
            net,
            gamma: objective.gamma,
            squares: x.spread().sum(|range| delta[range].iter().map(|delta| delta.to_f64().powi(2)).sum()),
            moment: averaged_gram(&engine, x, &delta, 1.0)?,
            half_signed: half_signed(net),
        })
    }

    /// f(W) = 1/(4n) sum_j delta_j^2; zero for an empty set.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// # let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
    /// # let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.25, route: Route::Gram };
    /// let network = Network::zeros(2, 1)?;
    /// assert_eq!(HessianOperator::new(&objective, &network)?.loss(), objective.evaluate(&network)?.loss);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn loss(&self) -> f64 {
        self.squares / (4.0 * self.x.spread().whole().max(1) as f64)
    }

    /// M = 1/n sum_j delta_j x_j x_j^T, d x d.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// # let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
    /// # let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.25, route: Route::Gram };
    /// let network = Network::zeros(2, 1)?;
    /// // q = 0 and y = 1: delta x x^T.
    /// assert_eq!(HessianOperator::new(&objective, &network)?.moment().row(0), [-1.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn moment(&self) -> &Mat<T> {
        &self.moment
    }

    /// The point.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// # let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
    /// # let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.25, route: Route::Gram };
    /// let network = Network::zeros(2, 1)?;
    /// assert_eq!(HessianOperator::new(&objective, &network)?.network().neurons(), 2);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn network(&self) -> &Network<T> {
        self.net
    }

    /// Number of parameters r d: the Hessian's dimension.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// # let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
    /// # let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.25, route: Route::Gram };
    /// let network = Network::zeros(6, 1)?;
    /// assert_eq!(HessianOperator::new(&objective, &network)?.dimension(), 6);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn dimension(&self) -> usize {
        self.net.parameters()
    }

    /// The transposed gradient (M W A + gamma W)^T, r x d.
    ///
    /// # Errors
    /// None that a constructed operator can meet; the passes check their shapes.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// let gradient = HessianOperator::new(&objective, &network)?.gradient()?;
    /// assert_eq!((gradient.row(0)[0], gradient.row(1)[0]), (24.0, -8.0));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn gradient(&self) -> Result<Mat<T>, TrainError> {
        self.times_moment(&self.net.weights, &self.moment, self.gamma)
    }

    /// The product H Z, both as transposes (r x d).
    ///
    /// # Errors
    /// If Z does not have the shape of the weights.
    ///
    /// ```
    /// # use memorize_kernels::{Engine, Mat};
    /// # use memorize_train::theory::hessian::HessianOperator;
    /// # use memorize_train::{Network, Objective, Route};
    /// // f = ((w x)^2 - y)^2/4 of one neuron has the second derivative 3 x^4 w^2 - x^2 y.
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 0.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [2.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// let product = HessianOperator::new(&objective, &network)?.apply(&Mat::from_slice(2, 1, &[1.0, 0.0]))?;
    /// assert_eq!(product.row(0)[0], 3.0 * 9.0 - 2.0);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn apply(&self, z: &Mat<T>) -> Result<Mat<T>, TrainError> {
        check_shape("rows of the direction", self.net.neurons(), z.rows())?;
        check_shape("columns of the direction", self.net.width(), z.cols())?;
        let (engine, x) = (&self.engine, self.x);
        let mut h = vec![T::ZERO; x.rows()];
        let s = symmetric_part(engine, &self.half_signed, z)?;
        pass::quadratic_forms(engine, x, &engine.pack_symmetric(s.as_ref())?, &mut h)?;
        let h = averaged_gram(engine, x, &h, 2.0)?;
        let mut product = self.times_moment(z, &self.moment, self.gamma)?;
        let curvature = self.times_moment(&self.net.weights, &h, 0.0)?;
        product.padded_mut().iter_mut().zip(curvature.padded()).for_each(|(sum, &value)| *sum += value);
        Ok(product)
    }

    /// (M V A + gamma V)^T for V given as its transpose (r x d).
    fn times_moment(&self, v: &Mat<T>, moment: &Mat<T>, gamma: f64) -> Result<Mat<T>, TrainError> {
        let mut product = Mat::zeros(v.rows(), v.cols());
        let gamma = T::from_f64(gamma);
        pass::gradient_from_moment(
            &self.engine,
            v.as_ref(),
            &self.net.signs,
            moment.as_ref(),
            gamma,
            product.as_mut(),
        )?;
        Ok(product)
    }
}

/// 1/2 W A, d x r.
pub(crate) fn half_signed<T: Element>(net: &Network<T>) -> Mat<T> {
    let half = T::from_f64(0.5);
    Mat::from_fn(net.width(), net.neurons(), |i, l| half * net.signs[l] * net.weights.row(l)[i])
}

/// The symmetric part of W A Z^T (d x d), all of it that a quadratic form sees, for a direction Z^T (r x d).
/// `half_signed` is 1/2 W A.
pub(crate) fn symmetric_part<T: Element>(
    engine: &Engine,
    half_signed: &Mat<T>,
    z: &Mat<T>,
) -> Result<Mat<T>, TrainError> {
    let d = half_signed.rows();
    let mut product = Mat::zeros(d, d);
    let packed = engine.pack_rows(z.transposed().as_ref());
    pass::features(engine, half_signed.as_ref(), &packed, 1, product.as_mut())?;
    Ok(Mat::from_fn(d, d, |i, k| product.row(i)[k] + product.row(k)[i]))
}

/// factor/n sum_j v_j x_j x_j^T.
pub(crate) fn averaged_gram<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    v: &[T],
    factor: f64,
) -> Result<Mat<T>, TrainError> {
    let factor = T::from_f64(factor / x.spread().whole().max(1) as f64);
    let scaled: Vec<T> = v.iter().map(|&v| v * factor).collect();
    Ok(pass::weighted_gram(engine, x, &scaled)?)
}

#[cfg(test)]
mod tests {
    use memorize_kernels::reference::{self, Dense};

    use super::*;
    use crate::planner::Route;

    #[test]
    fn loss_moment_gradient_and_products_are_those_of_the_reference() {
        let x = Mat::from_fn(23, 5, |i, j| ((i * 31 + j * 17) % 23) as f64 / 11.0 - 1.0);
        let y: Vec<f64> = (0..23).map(|i| (i % 10) as f64).collect();
        let net = Network::<f64>::random(8, 5, 0.4, 3).unwrap();
        let z = Network::<f64>::random(8, 5, 1.0, 5).unwrap().weights;
        let columns = |v: &Mat<f64>| Dense::from_fn(v.cols(), v.rows(), |i, l| v.row(l)[i]);
        let samples = Dense::from_fn(23, 5, |i, j| x.row(i)[j]);
        let (w, a) = (columns(&net.weights), &net.signs);
        for (gamma, route) in [(0.0, Route::Neuron), (0.3, Route::Gram)] {
            let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma, route };
            let hessian = HessianOperator::new(&objective, &net).unwrap();
            let close = |found: &Mat<f64>, expected: Dense| {
                let found = columns(found);
                assert!(found.data.iter().zip(&expected.data).all(|(f, e)| (f - e).abs() < 1e-12 * (1.0 + e.abs())));
            };
            assert!((hessian.loss() - reference::loss(&samples, &y, &w, a, 0.0)).abs() < 1e-12 * hessian.loss());
            close(hessian.moment(), reference::moment(&samples, &reference::residuals(&samples, &y, &w, a)));
            close(&hessian.gradient().unwrap(), reference::gradient(&samples, &y, &w, a, gamma));
            close(&hessian.apply(&z).unwrap(), reference::hessian_vector(&samples, &y, &w, a, gamma, &columns(&z)));
        }
    }

    #[test]
    fn directions_of_another_shape_are_refused() {
        let x = Mat::<f64>::from_fn(3, 2, |i, j| (i + j) as f64);
        let net = Network::<f64>::random(4, 2, 1.0, 1).unwrap();
        let objective = Objective { engine: Engine::best(), x: &x, y: &[1.0; 3], gamma: 0.0, route: Route::Gram };
        let hessian = HessianOperator::new(&objective, &net).unwrap();
        assert!(hessian.apply(&Mat::zeros(4, 3)).is_err() && hessian.apply(&Mat::zeros(3, 2)).is_err());
        let short = Objective { y: &[1.0; 2], ..objective };
        assert!(HessianOperator::new(&short, &net).is_err());
    }
}
