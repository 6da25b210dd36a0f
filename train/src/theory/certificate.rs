//! How far a network is from a second-order stationary point, and what follows for its loss: Lemmas 1 and 3 at one's
//! own weights.

use memorize_kernels::{Engine, Mat, Rows};

use super::bounds::{self, Lifted, Lipschitz};
use super::constants::theorem1_neurons;
use super::curvature::{
    curvature_along, extreme_eigenpair, lemma3_applies, most_negative_direction, smallest_curvature,
};
use super::hessian::HessianOperator;
use super::lanczos::{LanczosOptions, RitzPair};
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;
use crate::planner::{Plan, Route, Samples};
use crate::span::Span;

/// Rounding errors that the loss may exceed Lemma 1's bound by, relative: with n = d = 1 the two are equal.
const ROUNDING: f64 = 1e-9;

/// Settings of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// The search for the Hessian's smallest eigenvalue that knows nothing of Lemma 3.
    pub eigensolver: LanczosOptions,
    /// sigma_min, where it is known; `None` to compute it, where a dense decomposition can.
    pub sigma_min: Option<f64>,
    /// How the moment is computed, `None` for the cheaper way.
    pub route: Option<Route>,
}

/// The smallest singular value of [x_1 (x) x_1, ..., x_n (x) x_n].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaMin {
    /// Its value.
    pub value: f64,
    /// Whether it was given and not computed.
    pub is_given: bool,
    /// A value not above this cannot be told from zero.
    pub resolution: f64,
}

/// Why something is missing in a certificate, or what there is to know of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Remark {
    /// Lemmas 1 and 3 need r >= 2d+2.
    TooFewNeurons {
        /// 2d+2.
        needed: usize,
    },
    /// Lemmas 1 and 3 need half of the signs +1 and half -1.
    Signs,
    /// The eigensolver had fewer vectors than it has by itself: its value may have other digits, within its residual.
    SmallBasis {
        /// Vectors that it had.
        given: usize,
        /// Vectors that it has by itself.
        usual: usize,
    },
    /// The eigensolver was at the end of its products.
    NotConverged {
        /// Those that it made.
        products: usize,
    },
    /// The samples are too many for the decomposition that sigma_min takes.
    NoSigmaMin,
    /// sigma_min cannot be told from zero: Lemma 1 bounds nothing.
    NotInGeneralPosition {
        /// Below this it cannot be told from zero.
        resolution: f64,
    },
    /// At W = 0 the ball of radius ||W|| is a point: no epsilon.
    AtZero,
}

/// A point and its distance from a second-order stationary one. A number that does not apply is absent, and a remark
/// says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// f(W).
    pub loss: f64,
    /// Frobenius norm of the gradient M W A.
    pub gradient_norm: f64,
    /// ||M||_2.
    pub m_norm: f64,
    /// ||M u - mu u|| of the eigenpair that it comes from.
    pub m_norm_residual: f64,
    /// The Hessian's smallest eigenvalue by Lemma 3, which is exact: -||M||_2.
    pub lemma3: Option<f64>,
    /// Curvature along Lemma 3's explicit direction, by a product with the Hessian.
    pub lemma3_direction: Option<f64>,
    /// The eigensolver's Ritz value theta.
    pub ritz: f64,
    /// ||H v - theta v||.
    pub residual: f64,
    /// Whether the eigensolver met its tolerance.
    pub converged: bool,
    /// Products with the Hessian that it made.
    pub products: usize,
    /// sigma_min of the samples.
    pub sigma_min: Option<SigmaMin>,
    /// Lemma 1: n d lambda_min^2/(4 sigma_min^2), which f(W) is at most.
    pub lemma1_bound: Option<f64>,
    /// Lipschitz constant of the Hessian on the ball of radius ||W||_F (Lemma 5).
    pub rho: f64,
    /// The smallest epsilon with ||gradient|| <= epsilon and lambda_min >= -sqrt(rho epsilon) (Jin et al., 2017,
    /// Definition 3).
    pub epsilon: Option<f64>,
    /// How the moment was computed.
    pub route: Route,
    /// Remarks, in the order in which they were found.
    pub remarks: Vec<Remark>,
}

impl Certificate {
    /// Whether the loss is within Lemma 1's bound.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::Network;
    /// use memorize_train::theory::certificate::{Settings, certify};
    /// use memorize_train::theory::lanczos::LanczosOptions;
    ///
    /// let (x, y) = (Mat::from_slice(1, 1, &[1.0]), [1.0]);
    /// let settings = Settings { eigensolver: LanczosOptions::default(), sigma_min: None, route: None };
    /// let found = certify(Engine::best(), &x, &y, &Network::zeros(4, 1)?, &settings)?;
    /// // f = 1/4 = n d ||M||^2/(4 sigma^2): the bound is met.
    /// assert_ne!(found.lemma1_holds(), Some(false));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn lemma1_holds(&self) -> Option<bool> {
        self.lemma1_bound.map(|bound| self.loss <= bound * (1.0 + ROUNDING))
    }
}

/// The certificate of a network on samples x (n x d) with targets y. Where n < d it is computed in coordinates of what
/// the samples span: directions outside of it change no output.
///
/// # Errors
/// [`TrainError::Overflow`] if loss or gradient are not finite, [`TrainError::Eigenvalues`] if a decomposition fails,
/// [`TrainError::Kernel`] if the shapes do not go together.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::Network;
/// use memorize_train::theory::certificate::{Settings, certify};
/// use memorize_train::theory::lanczos::LanczosOptions;
///
/// // At W = 0 with y = 1 and x = 1: M = -1, and the Hessian's smallest eigenvalue is -||M||.
/// let (x, y) = (Mat::from_slice(1, 1, &[1.0]), [1.0]);
/// let settings = Settings { eigensolver: LanczosOptions::default(), sigma_min: None, route: None };
/// let found = certify(Engine::best(), &x, &y, &Network::zeros(4, 1)?, &settings)?;
/// assert!((found.loss - 0.25).abs() < 1e-15 && (found.m_norm - 1.0).abs() < 1e-12);
/// assert!((found.ritz + 1.0).abs() < 1e-8);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn certify<X: Rows<f64>>(
    engine: Engine,
    x: &X,
    y: &[f64],
    network: &Network<f64>,
    settings: &Settings,
) -> Result<Certificate, TrainError> {
    if !Span::is_narrower(x.rows(), network.width()) {
        return certificate(engine, x, y, network, network, settings);
    }
    let span = Span::new(x)?;
    let within = span.within(&engine, network)?;
    certificate(engine, &span.coordinates, y, network, &within, settings)
}

/// The certificate of `network` from one that is as wide as the samples: itself, or in coordinates of the samples'
/// span.
fn certificate<X: Rows<f64>>(
    engine: Engine,
    x: &X,
    y: &[f64],
    network: &Network<f64>,
    within: &Network<f64>,
    settings: &Settings,
) -> Result<Certificate, TrainError> {
    let (n, width) = (x.rows(), network.width());
    let route = Plan::new(Samples::All(n), within.width(), network.neurons(), settings.route).route;
    let objective = Objective { engine, x, y, gamma: 0.0, route };
    let hessian = HessianOperator::new(&objective, within)?;
    let (loss, gradient_norm) = (hessian.loss(), hessian.gradient()?.frobenius_norm());
    if !loss.is_finite() || !gradient_norm.is_finite() {
        return Err(TrainError::Overflow { loss, gradient_norm, dtype: "f64" });
    }
    let mut remarks = Vec::new();
    let extreme = extreme_eigenpair(hessian.moment())?;
    let m_norm = extreme.value.abs();
    let lemma3 = lemma3_applies(network).then_some(-m_norm);
    let direction: Option<Mat<f64>> = lemma3.and_then(|_| most_negative_direction(within, &extreme));
    let lemma3_direction = direction.map(|z| curvature_along(&hessian, &z)).transpose()?;
    remarks.extend(lemma3.map_or_else(|| Some(why_not_lemma3(network)), |_| None));
    let found = smallest(&hessian, width, settings, &mut remarks)?;
    let sigma_min = sigma_min(settings.sigma_min, x, &mut remarks)?;
    let lemma1_bound = lemma1(lemma3, sigma_min, n, width, &mut remarks);
    let rho = Lipschitz::on_ball(bounds::largest_norm(x), 0.0, network.weights.frobenius_norm(), 0.0).hessian;
    // By Lemma 3 where it applies; else the iterative value less its residual, but not below -||M||_2, which bounds
    // lambda_min for any width.
    let lambda_min = lemma3.unwrap_or_else(|| (found.value - found.residual).max(-m_norm));
    let epsilon = second_order_epsilon(gradient_norm, lambda_min, rho, &mut remarks);
    let RitzPair { value: ritz, residual, products, converged, .. } = found;
    Ok(Certificate {
        loss,
        gradient_norm,
        m_norm,
        m_norm_residual: extreme.residual,
        lemma3,
        lemma3_direction,
        ritz,
        residual,
        converged,
        products,
        sigma_min,
        lemma1_bound,
        rho,
        epsilon,
        route,
        remarks,
    })
}

fn why_not_lemma3(network: &Network<f64>) -> Remark {
    let needed = theorem1_neurons(network.width());
    if network.neurons() < needed { Remark::TooFewNeurons { needed } } else { Remark::Signs }
}

/// The Hessian's smallest eigenvalue by its products, for a network of this width.
fn smallest<X: Rows<f64>>(
    hessian: &HessianOperator<'_, f64, X>,
    width: usize,
    settings: &Settings,
    remarks: &mut Vec<Remark>,
) -> Result<RitzPair, TrainError> {
    let mut found = smallest_curvature(hessian, &settings.eigensolver)?;
    if hessian.network().width() < width && found.value > 0.0 {
        // Outside of the span of the samples the curvature is zero.
        (found.value, found.residual) = (0.0, 0.0);
    }
    let vectors = |options: LanczosOptions| options.vectors(hessian.dimension());
    let (given, usual) = (vectors(settings.eigensolver), vectors(LanczosOptions::default()));
    if given < usual {
        remarks.push(Remark::SmallBasis { given, usual });
    }
    if !found.converged {
        remarks.push(Remark::NotConverged { products: found.products });
    }
    Ok(found)
}

fn sigma_min<X: Rows<f64>>(
    given: Option<f64>,
    x: &X,
    remarks: &mut Vec<Remark>,
) -> Result<Option<SigmaMin>, TrainError> {
    if let Some(value) = given {
        return Ok(Some(SigmaMin { value, is_given: true, resolution: 0.0 }));
    }
    if !Lifted::fits(x.rows(), x.cols()) {
        remarks.push(Remark::NoSigmaMin);
        return Ok(None);
    }
    let lifted = Lifted::new(x)?;
    let (value, resolution) = (lifted.singular_values().min, lifted.resolution());
    Ok(Some(SigmaMin { value, is_given: false, resolution }))
}

/// Lemma 1's bound, or a remark why there is none.
fn lemma1(
    lemma3: Option<f64>,
    sigma_min: Option<SigmaMin>,
    n: usize,
    d: usize,
    remarks: &mut Vec<Remark>,
) -> Option<f64> {
    let (lambda, SigmaMin { value, resolution, .. }) = (lemma3?, sigma_min?);
    if value <= resolution {
        remarks.push(Remark::NotInGeneralPosition { resolution });
        return None;
    }
    Some(bounds::loss_bound(n, d, lambda, value))
}

fn second_order_epsilon(gradient_norm: f64, lambda_min: f64, rho: f64, remarks: &mut Vec<Remark>) -> Option<f64> {
    let below = (-lambda_min).max(0.0);
    if below == 0.0 {
        return Some(gradient_norm);
    }
    if rho == 0.0 {
        remarks.push(Remark::AtZero);
        return None;
    }
    Some(gradient_norm.max(below * below / rho))
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;
    use memorize_kernels::reference::{self, Dense};

    use super::*;
    use crate::network::normal_rows;

    fn problem(n: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
        let x = normal_rows(n, d, 1.0, 3, Purpose::SyntheticInputs);
        (x, (0..n).map(|j| (j % 10) as f64).collect())
    }

    fn certificate_of(x: &Mat<f64>, y: &[f64], network: &Network<f64>) -> Certificate {
        certify(Engine::best(), x, y, network, &Settings::default()).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_naive_loops_and_agree_with_each_other() {
        for (n, d) in [(9, 4), (3, 5)] {
            let (x, y) = problem(n, d);
            let network = Network::random(2 * d + 2, d, 0.3, 5).unwrap();
            let found = certificate_of(&x, &y, &network);
            let columns = |m: &Mat<f64>| Dense::from_fn(m.cols(), m.rows(), |i, l| m.row(l)[i]);
            let (samples, w) = (Dense::from_fn(n, d, |i, k| x.row(i)[k]), columns(&network.weights));
            let close = |found: f64, expected: f64| (found - expected).abs() < 1e-9 * (1.0 + expected.abs());
            assert!(close(found.loss, reference::loss(&samples, &y, &w, &network.signs, 0.0)));
            let gradient = reference::gradient(&samples, &y, &w, &network.signs, 0.0);
            let norm = gradient.data.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!(close(found.gradient_norm, norm));
            // Lemma 3, the direction that its proof names, and a search that knows neither.
            let lemma3 = found.lemma3.unwrap();
            assert!(close(lemma3, -found.m_norm) && close(found.lemma3_direction.unwrap(), lemma3));
            assert!(found.converged && (found.ritz - lemma3).abs() <= found.residual + 1e-9 * found.m_norm);
            assert_eq!((found.lemma1_holds(), found.remarks.len()), (Some(true), 0), "{:?}", found.remarks);
            let (epsilon, rho) = (found.epsilon.unwrap(), found.rho);
            assert!(found.gradient_norm <= epsilon && lemma3 >= -(rho * epsilon).sqrt() * (1.0 + 1e-12));
            assert!(close(epsilon, found.gradient_norm.max(lemma3 * lemma3 / rho)));
        }
    }

    #[test]
    fn what_does_not_apply_is_absent_and_says_why() {
        let (x, y) = problem(9, 4);
        let few = certificate_of(&x, &y, &Network::random(8, 4, 0.3, 5).unwrap());
        assert_eq!((few.lemma3, few.lemma1_bound, few.lemma1_holds()), (None, None, None));
        assert_eq!(few.remarks, [Remark::TooFewNeurons { needed: 10 }]);

        let mut uneven = Network::<f64>::random(10, 4, 0.3, 5).unwrap();
        uneven.signs[0] = -uneven.signs[0];
        assert_eq!(certificate_of(&x, &y, &uneven).remarks, [Remark::Signs]);

        let zero = certificate_of(&x, &y, &Network::zeros(10, 4).unwrap());
        assert_eq!((zero.epsilon, zero.remarks), (None, vec![Remark::AtZero]));

        let network = Network::random(10, 4, 0.3, 5).unwrap();
        let twice = Mat::from_fn(9, 4, |i, k| x.row(i / 2)[k]);
        let found = certificate_of(&twice, &y, &network);
        assert!(matches!(found.remarks[..], [Remark::NotInGeneralPosition { .. }]) && found.lemma1_bound.is_none());

        let eigensolver = LanczosOptions { max_products: 3, basis_bytes: 0, ..LanczosOptions::default() };
        let settings = Settings { eigensolver, sigma_min: Some(0.5), route: Some(Route::Neuron) };
        let found = certify(Engine::best(), &x, &y, &network, &settings).unwrap();
        let [Remark::SmallBasis { given: 12, usual: 40 }, Remark::NotConverged { products: 3 }] = found.remarks[..]
        else {
            panic!("{:?}", found.remarks)
        };
        assert_eq!(found.lemma1_bound, Some(bounds::loss_bound(9, 4, found.m_norm, 0.5)));
        assert_eq!((found.route, found.sigma_min.map(|sigma| sigma.is_given)), (Route::Neuron, Some(true)));
    }

    #[test]
    fn numbers_that_overflow_are_refused() {
        let (x, y) = problem(5, 3);
        let mut network = Network::<f64>::random(8, 3, 0.3, 5).unwrap();
        network.weights.row_mut(0)[0] = 1e200;
        let found = certify(Engine::best(), &x, &y, &network, &Settings::default());
        assert!(matches!(found, Err(TrainError::Overflow { .. })), "{found:?}");
    }
}
