//! The objective: f(W) = 1/(4n) sum_j (q_j - y_j)^2 and g(W) = f(W) + gamma/2 ||W||_F^2, with gradient and
//! Hessian-vector products, by either route. Everything calls the fused passes and nothing lower.

use memorize_kernels::error::check_shape;
use memorize_kernels::pass::{self, Moment};
use memorize_kernels::rows::Widened;
use memorize_kernels::{Element, Engine, Mat, Rows};

use crate::error::TrainError;
use crate::network::Network;
use crate::planner::Route;

/// Rounding errors of a target that a residual has at least where it means something. In f32 the synthetic experiment
/// ends with residuals of 1.0 by its own arithmetic, and of 2.5 in truth.
pub const ROUNDINGS: f64 = 4.0;

/// The loss of a network on a set of samples.
#[derive(Debug)]
pub struct Objective<'a, T: Element, X> {
    /// How passes run.
    pub engine: Engine,
    /// Samples, n x d.
    pub x: &'a X,
    /// Targets, n.
    pub y: &'a [T],
    /// Regulariser gamma.
    pub gamma: f64,
    /// Neurons or Gram matrices.
    pub route: Route,
}

/// Values of the objective at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// f(W) = 1/(4n) sum_j delta_j^2.
    pub loss: f64,
    /// g(W) = f(W) + gamma/2 ||W||_F^2.
    pub regularized: f64,
}

impl Evaluation {
    /// Mean squared error 1/n sum_j delta_j^2 = 4 f.
    ///
    /// ```
    /// use memorize_train::Evaluation;
    ///
    /// assert_eq!(Evaluation { loss: 0.5, regularized: 0.75 }.mse(), 2.0);
    /// ```
    pub fn mse(&self) -> f64 {
        4.0 * self.loss
    }
}

impl<T: Element, X: Rows<T>> Objective<'_, T, X> {
    /// The network's outputs q, n.
    ///
    /// # Errors
    /// If the network's width is not that of the samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// // q = (3 x)^2 - (1 x)^2 at x = 2.
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// for route in [Route::Neuron, Route::Gram] {
    ///     let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route };
    ///     assert_eq!(objective.outputs(&network)?, [32.0]);
    /// }
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn outputs(&self, net: &Network<T>) -> Result<Vec<T>, TrainError> {
        let mut q = vec![T::ZERO; self.x.rows()];
        match self.route {
            Route::Neuron => pass::outputs(&self.engine, self.x, net.weights.as_ref(), &net.signs, &mut q)?,
            Route::Gram => {
                let s = pass::network_forms(&self.engine, net.weights.as_ref(), &net.signs)?;
                pass::quadratic_forms(&self.engine, self.x, &s, &mut q)?;
            }
        }
        Ok(q)
    }

    /// f and g at a point.
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.2, route: Route::Neuron };
    /// // delta = 32 - 30: f = 2^2/4 and g = f + 0.1 (3^2 + 1^2).
    /// let at = objective.evaluate(&network)?;
    /// assert!((at.loss - 1.0).abs() < 1e-15 && (at.regularized - 2.0).abs() < 1e-15);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn evaluate(&self, net: &Network<T>) -> Result<Evaluation, TrainError> {
        check_shape("number of targets", self.x.rows(), self.y.len())?;
        let q = self.outputs(net)?;
        let square = |j: usize| (q[j] - self.y[j]).to_f64().powi(2);
        let squares = self.x.spread().sum(|range| range.map(square).sum());
        self.evaluation(squares, net)
    }

    /// The same in f64, of these weights and these samples as they are: what T's rounding leaves of small residuals is
    /// not among them.
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// // 0.1 in f32 is not a tenth: the loss that is left is its square's distance from what f32 rounds it to.
    /// let network = Network { weights: Mat::from_slice(2, 1, &[0.1f32, 0.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[1.0f32]), [0.1f32 * 0.1]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// assert_eq!(objective.evaluate(&network)?.loss, 0.0);
    /// let residual = f64::from(0.1f32).powi(2) - f64::from(0.1f32 * 0.1);
    /// assert_eq!(objective.evaluate_in_f64(&network)?.loss, residual.powi(2) / 4.0);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn evaluate_in_f64(&self, net: &Network<T>) -> Result<Evaluation, TrainError> {
        if T::EPSILON <= f64::EPSILON {
            return self.evaluate(net);
        }
        let x = Widened::new(self.x);
        let y: Vec<f64> = self.y.iter().map(|y| y.to_f64()).collect();
        let (engine, gamma, route) = (self.engine, self.gamma, self.route);
        Objective { engine, x: &x, y: &y, gamma, route }.evaluate(&net.in_f64())
    }

    /// The f below which rounding decides what T finds: residuals of [`ROUNDINGS`] times the rounding of the targets.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::objective::ROUNDINGS;
    /// use memorize_train::{Objective, Route};
    ///
    /// let (x, y) = (Mat::from_slice(2, 1, &[1.0f32, 2.0]), [3.0, 4.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    /// let rounding = ROUNDINGS * f64::from(f32::EPSILON);
    /// assert_eq!(objective.resolution(), rounding.powi(2) * 25.0 / 8.0);
    /// ```
    pub fn resolution(&self) -> f64 {
        let spread = self.x.spread();
        let squares = spread.sum(|range| self.y[range].iter().map(|y| y.to_f64().powi(2)).sum());
        (ROUNDINGS * T::EPSILON).powi(2) * squares / (4.0 * spread.whole() as f64)
    }

    /// Whether f <= target at a point whose f is `loss` as T computes it. Where T cannot tell, f64 decides.
    pub(crate) fn reaches(&self, net: &Network<T>, loss: f64, target: f64) -> Result<bool, TrainError> {
        if loss > target {
            return Ok(false);
        }
        let told = T::EPSILON <= f64::EPSILON || target >= self.resolution();
        Ok(told || self.evaluate_in_f64(net)?.loss <= target)
    }

    /// f and g at a point, and the transposed gradient (M W A + gamma W)^T (r x d).
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// let mut gradient = Mat::zeros(2, 1);
    /// let at = objective.gradient(&network, &mut gradient)?;
    /// // M = delta x^2 = 8, and M w a of each neuron.
    /// assert_eq!((at.loss, gradient.row(0)[0], gradient.row(1)[0]), (1.0, 24.0, -8.0));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn gradient(&self, net: &Network<T>, gradient: &mut Mat<T>) -> Result<Evaluation, TrainError> {
        Ok(self.gradient_and_moment(net, gradient)?.0)
    }

    /// The same with M (d x d), where the route makes it: the Gram route alone does.
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    /// let (_, moment) = objective.gradient_and_moment(&network, &mut Mat::zeros(2, 1))?;
    /// assert_eq!(moment.unwrap().matrix().row(0), [8.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn gradient_and_moment(
        &self,
        net: &Network<T>,
        gradient: &mut Mat<T>,
    ) -> Result<(Evaluation, Option<Moment<T>>), TrainError> {
        let (w, a) = (net.weights.as_ref(), &net.signs);
        let gamma = T::from_f64(self.gamma);
        let (squares, moment) = match self.route {
            Route::Neuron => {
                let out = pass::loss_and_gradient(&self.engine, self.x, self.y, w, a, gamma)?;
                *gradient = out.gradient;
                (out.squares, None)
            }
            Route::Gram => {
                let s = pass::network_forms(&self.engine, w, a)?;
                let out = pass::loss_and_moment(&self.engine, self.x, self.y, &s)?;
                pass::gradient_of_moment(&self.engine, w, a, &out.moment, gamma, gradient.as_mut())?;
                (out.squares, Some(out.moment))
            }
        };
        Ok((self.evaluation(squares, net)?, moment))
    }

    fn evaluation(&self, squares: f64, net: &Network<T>) -> Result<Evaluation, TrainError> {
        let n = self.x.spread().whole();
        if n == 0 {
            return Err(TrainError::NoSamples);
        }
        let loss = squares / (4.0 * n as f64);
        let penalty = match self.gamma {
            0.0 => 0.0,
            gamma => gamma / 2.0 * pass::norm(&self.engine, net.weights.padded()).powi(2),
        };
        Ok(Evaluation { loss, regularized: loss + penalty })
    }
}

#[cfg(test)]
mod tests {
    use memorize_kernels::{Backend, Par};

    use super::*;
    use crate::theory::hessian::HessianOperator;

    fn problem() -> (Mat<f64>, Vec<f64>, Network<f64>) {
        let x = Mat::from_fn(37, 9, |i, j| ((i * 31 + j * 17) % 23) as f64 / 11.0 - 1.0);
        let y = (0..37).map(|i| (i % 10) as f64).collect();
        (x, y, Network::random(14, 9, 0.4, 3).unwrap())
    }

    fn objectives<'a>(x: &'a Mat<f64>, y: &'a [f64]) -> Vec<Objective<'a, f64, Mat<f64>>> {
        let engine = |&backend| Engine { backend, par: Par::Seq, ..Engine::best() };
        let both = |engine| [Route::Neuron, Route::Gram].map(|route| Objective { engine, x, y, gamma: 0.1, route });
        Backend::ALL.iter().map(engine).flat_map(both).collect()
    }

    fn shifted(net: &Network<f64>, z: &Mat<f64>, h: f64) -> Network<f64> {
        let weights = Mat::from_fn(net.neurons(), net.width(), |i, j| net.weights.row(i)[j] + h * z.row(i)[j]);
        Network { weights, signs: net.signs.clone() }
    }

    #[test]
    fn gradients_match_central_differences_on_every_route_and_backend() {
        let (x, y, net) = problem();
        let z = Network::<f64>::random(14, 9, 1.0, 5).unwrap().weights;
        for objective in objectives(&x, &y) {
            let mut g = Mat::zeros(14, 9);
            let at = objective.gradient(&net, &mut g).unwrap();
            assert!((at.loss - objective.evaluate(&net).unwrap().loss).abs() < 1e-12 * at.loss);
            let h = 1e-5;
            let value = |h| objective.evaluate(&shifted(&net, &z, h)).unwrap().regularized;
            let slope = (value(h) - value(-h)) / (2.0 * h);
            let product: f64 = g.iter().zip(z.iter()).map(|(g, z)| g * z).sum();
            assert!((slope - product).abs() < 1e-7 * product.abs(), "{slope} against {product}");
        }
    }

    #[test]
    fn hessian_vector_products_match_central_differences_of_the_gradient() {
        let (x, y, net) = problem();
        let z = Network::<f64>::random(14, 9, 1.0, 5).unwrap().weights;
        for objective in objectives(&x, &y) {
            let product = HessianOperator::new(&objective, &net).unwrap().apply(&z).unwrap();
            let at = |h| {
                let mut g = Mat::zeros(14, 9);
                objective.gradient(&shifted(&net, &z, h), &mut g).unwrap();
                g
            };
            let (above, below) = (at(1e-5), at(-1e-5));
            let scale = product.frobenius_norm();
            for ((above, below), exact) in above.iter().zip(below.iter()).zip(product.iter()) {
                assert!(((above - below) / 2e-5 - exact).abs() < 1e-7 * scale);
            }
        }
    }

    #[test]
    fn a_loss_of_rounding_is_told_from_one_of_the_weights() {
        // In f64 the residuals of f32 weights are exact enough to see what f32 itself cannot.
        let (x, y, net) = problem();
        let narrow = |value: f64| value as f32;
        let x = Mat::from_fn(37, 9, |i, j| narrow(x.row(i)[j]));
        let net = Network {
            weights: Mat::from_fn(14, 9, |i, j| narrow(net.weights.row(i)[j])),
            signs: net.signs.iter().map(|&sign| narrow(sign)).collect(),
        };
        let wide = Mat::from_fn(37, 9, |i, j| f64::from(x.row(i)[j]));
        let objective = Objective { engine: Engine::best(), x: &wide, y: &y, gamma: 0.0, route: Route::Neuron };
        // Targets that are the outputs, rounded: what is left is their rounding.
        let q = objective.outputs(&net.in_f64()).unwrap();
        let y: Vec<f32> = q.iter().map(|&q| narrow(q)).collect();
        let left = q.iter().zip(&y).map(|(q, &y)| (q - f64::from(y)).powi(2)).sum::<f64>() / (4.0 * 37.0);
        for route in [Route::Neuron, Route::Gram] {
            let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route };
            let found = objective.evaluate_in_f64(&net).unwrap().loss;
            assert!((found - left).abs() < 1e-6 * left, "{found:e} instead of {left:e}");
        }
    }

    #[test]
    fn an_empty_set_has_no_loss() {
        let (x, net) = (Mat::<f64>::zeros(0, 9), problem().2);
        let objective = Objective { engine: Engine::best(), x: &x, y: &[], gamma: 0.0, route: Route::Gram };
        assert!(matches!(objective.evaluate(&net), Err(TrainError::NoSamples)));
    }
}
