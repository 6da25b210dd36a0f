//! What the paper's theorems say of samples whose position is known: sizes, constants, and bounds that hold with some
//! probability.

use memorize_kernels::Mat;

use super::constants::{ConstantsError, Data, Theorem4, theorem1_neurons, theorem5_sizes};
use super::position::{Position, Verdict};
use super::random_position;
use crate::error::TrainError;
use crate::features::FeatureLayer;

/// What the theorems are asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Loss that Theorem 4's constants are for.
    pub epsilon: f64,
    /// Probability that what holds by chance may fail with.
    pub delta: f64,
    /// Standard deviation of the noise in every coordinate of a sample; 0 = none.
    pub noise: f64,
    /// Standard deviation of the entries of R, the random features; without effect where there are none.
    pub features_sigma: f64,
}

/// The random features behind the samples that were looked at.
#[derive(Clone, Copy, Debug)]
pub struct Lifting<'a> {
    /// The features.
    pub layer: &'a FeatureLayer<f64>,
    /// The samples before them, if they are few enough for a dense decomposition ([`random_position::fits`]).
    pub before: Option<&'a Mat<f64>>,
}

/// What a bound holds with some probability over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    /// The noise in the samples.
    Noise,
    /// The random features.
    Features,
}

/// A lower bound on sigma_min, in the part of Lemmas 2 and 13.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaBound {
    /// The bound.
    pub bound: f64,
    /// Probability that it holds with.
    pub probability: f64,
    /// Over what.
    pub over: Chance,
}

/// Theorem 4's constants with the numbers that they are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Those of the samples. sigma is the least that its error leaves: with one that is too large the theorem does not
    /// hold.
    pub data: Data,
    /// The constants.
    pub theorem4: Theorem4,
    /// l Delta_f/eps'^2 log^4(D l Delta_f/(eps'^2 delta)); absent with targets that are all zero.
    pub iterations_order: Option<f64>,
}

/// Why something is not stated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Theorem 4 speaks of targets, and there are none.
    Targets,
    /// Theorem 4 asks for samples in general position.
    GeneralPosition,
    /// Theorem 4's constants cannot be computed.
    Constants(ConstantsError),
    /// The samples are too many for the dense decomposition that Lemma 13's bound takes.
    Decomposition,
    /// Products of the features do not span enough forms for so many samples.
    Forms,
    /// Without noise, Lemma 13 takes as many features as samples, whose tensor powers of this order are independent.
    Powers {
        /// 2p.
        order: u32,
    },
}

/// What the theorems say.
#[derive(Clone, Debug, PartialEq)]
pub struct Statements {
    /// Y = max_j |y_j|.
    pub target_bound: Option<f64>,
    /// Theorem 1: r = 2d+2.
    pub theorem1_neurons: usize,
    /// Whether Theorem 1 applies: the samples are in general position, or at least not known to be degenerate.
    pub theorem1_applies: bool,
    /// Theorem 5: k = 2 ceil(sqrt n) random features and r = 2k+2 neurons.
    pub theorem5_sizes: (usize, usize),
    /// Theorem 4.
    pub theorem4: Option<Constants>,
    /// Lemmas 2 and 13.
    pub sigma_bound: Option<SigmaBound>,
    /// What is not stated, in this order.
    pub missing: Vec<Missing>,
}

/// What the theorems say of samples in this position, with targets y if there are any, and behind random features if
/// there are any.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// # Panics
/// If the samples are too many for [`random_position::fits`] and are there before their features.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::position::{Settings, examine};
/// use memorize_train::theory::preconditioner::WORKSPACE;
/// use memorize_train::theory::statements::{Question, statements};
///
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.6, 0.8]);
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 2, seed: 1, workspace: WORKSPACE, dense: true };
/// let found = examine(Engine::best(), &x, &settings, |_| true)?;
/// let question = Question { epsilon: 0.01, delta: 0.1, noise: 0.0, features_sigma: 1.0 };
/// let said = statements(&question, &found, Some(&[0.5, -0.75]), None)?;
/// assert_eq!((said.theorem1_neurons, said.theorem1_applies, said.target_bound), (6, true, Some(0.75)));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn statements(
    question: &Question,
    found: &Position,
    y: Option<&[f64]>,
    lifting: Option<Lifting<'_>>,
) -> Result<Statements, TrainError> {
    let mut missing = Vec::new();
    let theorem4 = constants(question, found, y).map_err(|why| missing.push(why)).ok();
    let sigma_bound = match sigma_bound(question, found, lifting)? {
        Ok(bound) => bound,
        Err(why) => {
            missing.push(why);
            None
        }
    };
    Ok(Statements {
        target_bound: y.map(largest_modulus),
        theorem1_neurons: theorem1_neurons(found.width),
        theorem1_applies: !matches!(found.verdict, Verdict::Degenerate(_) | Verdict::NumericallyDegenerate),
        theorem5_sizes: theorem5_sizes(found.samples),
        theorem4,
        sigma_bound,
        missing,
    })
}

fn largest_modulus(y: &[f64]) -> f64 {
    y.iter().fold(0.0, |largest, y| largest.max(y.abs()))
}

fn constants(question: &Question, found: &Position, y: Option<&[f64]>) -> Result<Constants, Missing> {
    let y = y.ok_or(Missing::Targets)?;
    let min = found.min.filter(|_| found.verdict == Verdict::GeneralPosition).ok_or(Missing::GeneralPosition)?;
    let data = Data {
        samples: found.samples,
        width: found.width,
        input_bound: found.input_bound,
        target_bound: largest_modulus(y),
        sigma: min.value - min.error,
        loss_at_zero: y.iter().map(|y| y * y).sum::<f64>() / (4.0 * y.len() as f64),
    };
    let theorem4 = Theorem4::new(&data, question.epsilon).map_err(Missing::Constants)?;
    let weights = theorem1_neurons(found.width).saturating_mul(found.width);
    let order = theorem4.iterations_order(weights, question.delta);
    Ok(Constants { data, theorem4, iterations_order: order.is_finite().then_some(order) })
}

/// The bound, nothing where none is to be had for samples as they are, or what is missing for one.
fn sigma_bound(
    question: &Question,
    found: &Position,
    lifting: Option<Lifting<'_>>,
) -> Result<Result<Option<SigmaBound>, Missing>, TrainError> {
    let (n, Question { noise, delta, .. }) = (found.samples, *question);
    let stated = |over| move |bound| SigmaBound { bound, probability: 1.0 - delta, over };
    let Some(Lifting { layer, before }) = lifting else {
        let bound = if noise > 0.0 { random_position::of_noise(n, found.width, noise, delta) } else { None };
        return Ok(Ok(bound.map(stated(Chance::Noise))));
    };
    let Some(before) = before else { return Ok(Err(Missing::Decomposition)) };
    let (k, power) = (layer.weights().rows(), layer.power());
    if noise > 0.0 {
        let bound = random_position::of_noise_and_features(n, layer, noise, delta)?;
        return Ok(bound.map(stated(Chance::Noise)).map(Some).ok_or(Missing::Forms));
    }
    let bound = random_position::of_features(before, k, power, question.features_sigma, delta)?;
    Ok(bound.map(stated(Chance::Features)).map(Some).ok_or(Missing::Powers { order: 2 * power }))
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;
    use memorize_kernels::Engine;

    use super::super::position::{Settings, examine};
    use super::*;
    use crate::network::normal_rows;

    const QUESTION: Question = Question { epsilon: 0.01, delta: 0.1, noise: 0.0, features_sigma: 1.0 };

    fn samples(n: usize, d: usize) -> Mat<f64> {
        normal_rows(n, d, 1.0, 3, Purpose::SyntheticInputs)
    }

    fn position(x: &Mat<f64>) -> Position {
        let settings =
            Settings { tolerance: 0.05, max_products: 100, rank: x.rows(), seed: 0, workspace: 1 << 20, dense: true };
        examine(Engine::best(), x, &settings, |_| true).unwrap()
    }

    #[test]
    fn samples_in_general_position_have_sizes_and_constants() {
        let (x, y) = (samples(12, 5), [-3.0; 12]);
        let found = position(&x);
        let said = statements(&QUESTION, &found, Some(&y), None).unwrap();
        assert_eq!((said.target_bound, said.theorem1_neurons, said.theorem1_applies), (Some(3.0), 12, true));
        assert_eq!((said.theorem5_sizes, said.sigma_bound, &said.missing[..]), ((8, 18), None, &[][..]));
        let Constants { data, theorem4, iterations_order } = said.theorem4.unwrap();
        assert_eq!((data.samples, data.width, data.loss_at_zero), (12, 5, 9.0 / 4.0));
        let min = found.min.unwrap();
        assert!(data.sigma > 0.0 && data.sigma <= min.value && data.sigma >= min.value - min.error);
        assert_eq!(theorem4, Theorem4::new(&data, QUESTION.epsilon).unwrap());
        assert!(iterations_order.unwrap() > 1.0);
    }

    #[test]
    fn what_is_not_stated_says_why() {
        let x = samples(12, 5);
        let found = position(&x);
        let missing = |question: &Question, found: &Position, y: Option<&[f64]>, lifting: Option<Lifting<'_>>| {
            statements(question, found, y, lifting).unwrap().missing
        };
        assert_eq!(missing(&QUESTION, &found, None, None), [Missing::Targets]);
        let twice = position(&Mat::from_fn(12, 5, |i, k| x.row(i / 2)[k]));
        assert_eq!(missing(&QUESTION, &twice, Some(&[1.0; 12]), None), [Missing::GeneralPosition]);
        assert!(!statements(&QUESTION, &twice, None, None).unwrap().theorem1_applies);
        let none = Question { epsilon: 0.0, ..QUESTION };
        assert!(matches!(missing(&none, &found, Some(&[1.0; 12]), None)[..], [Missing::Constants(_)]));

        let layer = FeatureLayer::new(samples(6, 5), 2).unwrap();
        let lifting = |before| Some(Lifting { layer: &layer, before });
        let y = [1.0; 12];
        assert_eq!(missing(&QUESTION, &found, Some(&y), lifting(None)), [Missing::Decomposition]);
        // Fewer features than samples.
        assert_eq!(missing(&QUESTION, &found, Some(&y), lifting(Some(&x))), [Missing::Powers { order: 4 }]);
        let noisy = Question { noise: 0.1, ..QUESTION };
        let said = statements(&noisy, &found, Some(&y), lifting(Some(&x))).unwrap();
        assert!(said.missing.is_empty() && said.sigma_bound.unwrap().over == Chance::Noise);
    }

    #[test]
    fn a_bound_over_the_noise_is_that_of_lemma_2() {
        let found = position(&samples(12, 5));
        let noisy = Question { noise: 0.2, ..QUESTION };
        let said = statements(&noisy, &found, Some(&[1.0; 12]), None).unwrap().sigma_bound.unwrap();
        assert_eq!(Some(said.bound), random_position::of_noise(12, 5, 0.2, 0.1));
        assert_eq!((said.probability, said.over), (0.9, Chance::Noise));
    }
}
