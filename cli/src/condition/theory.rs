//! What the paper's theorems say of samples whose position is known.

use memorize_run::config::ConditionConfig;
use memorize_run::run::dataset::Inspected;
use memorize_train::TrainError;
use memorize_train::theory::constants::{Data, Theorem4, theorem1_neurons, theorem5_sizes};
use memorize_train::theory::position::{Position, Verdict};
use memorize_train::theory::random_position;
use serde::Serialize;

/// The sizes, constants and bounds, with notes on those that do not apply.
#[derive(Clone, Debug)]
pub struct Theory {
    /// Y = max_j |y_j|.
    pub target_bound: Option<f64>,
    /// The sizes of Theorem 1.
    pub theorem1: Theorem1,
    /// The sizes of Theorem 5.
    pub theorem5: Theorem5,
    /// The constants of Theorem 4.
    pub theorem4: Option<Constants>,
    /// A bound on sigma_min that holds with some probability.
    pub random: Option<RandomBound>,
    /// Why something is missing.
    pub notes: Vec<String>,
}

/// Neurons of Theorem 1 for samples of this width, and whether there are few enough samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Theorem1 {
    /// r = 2d+2.
    pub neurons: usize,
    /// Whether the samples are in general position, or at least not known to be degenerate.
    pub applies: bool,
}

/// Random features and neurons of Theorem 5 for so many samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Theorem5 {
    /// k = 2 ceil(sqrt n).
    pub features: usize,
    /// r = 2k+2.
    pub neurons: usize,
}

/// The constants of Theorem 4 for this epsilon, from the least sigma_min that its error leaves.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Constants {
    /// What f(W) is to be at most.
    pub epsilon: f64,
    delta: f64,
    sigma: f64,
    loss_at_zero: f64,
    c: f64,
    /// The regulariser.
    pub gamma: f64,
    radius: f64,
    /// Lipschitz constant of the Hessian.
    pub rho: f64,
    /// Lipschitz constant of the gradient.
    pub l: f64,
    /// Accuracy that Algorithm 1 is called with.
    pub algorithm_epsilon: f64,
    delta_f: f64,
    /// l Delta_f/eps'^2 log^4(D l Delta_f/(eps'^2 delta)); null with targets that are all zero.
    pub iterations_order: Option<f64>,
}

/// A lower bound on sigma_min in the part of Lemmas 2 and 13.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RandomBound {
    /// The bound.
    pub bound: f64,
    /// Probability that it holds with.
    pub probability: f64,
    /// Over what: `noise` or `random features`.
    pub over: &'static str,
}

impl Theory {
    /// What applies to these samples.
    ///
    /// # Errors
    /// If a decomposition fails.
    pub fn of(config: &ConditionConfig, samples: &Inspected, found: &Position) -> Result<Self, TrainError> {
        let mut notes = Vec::new();
        let (features, neurons) = theorem5_sizes(found.samples);
        let y = samples.y.as_deref();
        let fits = !matches!(found.verdict, Verdict::Degenerate(_) | Verdict::NumericallyDegenerate);
        Ok(Self {
            target_bound: y.map(|y| y.iter().fold(0.0f64, |largest, y| largest.max(y.abs()))),
            theorem1: Theorem1 { neurons: theorem1_neurons(found.width), applies: fits },
            theorem5: Theorem5 { features, neurons },
            theorem4: constants(config, y, found, &mut notes),
            random: random(config, samples, found, &mut notes)?,
            notes,
        })
    }
}

fn constants(
    config: &ConditionConfig,
    y: Option<&[f64]>,
    found: &Position,
    notes: &mut Vec<String>,
) -> Option<Constants> {
    let Some(y) = y else {
        notes.push("the constants of Theorem 4 need targets: give them with --targets FILE".to_owned());
        return None;
    };
    if found.verdict != Verdict::GeneralPosition {
        notes.push("Theorem 4 asks for samples in general position: no constants".to_owned());
        return None;
    }
    let min = found.min.expect("samples in general position have a sigma_min");
    let loss_at_zero = y.iter().map(|y| y * y).sum::<f64>() / (4.0 * y.len() as f64);
    // With a sigma that is too large the theorem does not hold.
    let sigma = min.value - min.error;
    let data = Data {
        samples: found.samples,
        width: found.width,
        input_bound: found.input_bound,
        target_bound: y.iter().fold(0.0f64, |largest, y| largest.max(y.abs())),
        sigma,
        loss_at_zero,
    };
    let theorem4 = match Theorem4::new(&data, config.epsilon) {
        Ok(theorem4) => theorem4,
        Err(error) => {
            notes.push(format!("no constants of Theorem 4: {error}"));
            return None;
        }
    };
    let weights = theorem1_neurons(found.width).saturating_mul(found.width);
    let order = theorem4.iterations_order(weights, config.delta);
    Some(Constants {
        epsilon: config.epsilon,
        delta: config.delta,
        sigma,
        loss_at_zero,
        c: theorem4.c,
        gamma: theorem4.gamma,
        radius: theorem4.radius,
        rho: theorem4.rho,
        l: theorem4.l,
        algorithm_epsilon: theorem4.epsilon,
        delta_f: theorem4.delta_f,
        iterations_order: order.is_finite().then_some(order),
    })
}

fn random(
    config: &ConditionConfig,
    samples: &Inspected,
    found: &Position,
    notes: &mut Vec<String>,
) -> Result<Option<RandomBound>, TrainError> {
    let (n, noise, delta) = (found.samples, config.data.noise, config.delta);
    let stated = |bound: Option<f64>, over| bound.map(|bound| RandomBound { bound, probability: 1.0 - delta, over });
    let Some(layer) = &samples.features else {
        return Ok((noise > 0.0)
            .then(|| stated(random_position::of_noise(n, found.width, noise, delta), "noise"))
            .flatten());
    };
    let Some(before) = &samples.before else {
        notes.push(format!(
            "no lower bound on sigma_min(Z) in the part of Lemma 13: {n} samples are too many for the dense decomposition that it takes"
        ));
        return Ok(None);
    };
    let (k, power) = (layer.weights().rows(), layer.power());
    let bound = if noise > 0.0 {
        stated(random_position::of_noise_and_features(n, layer, noise, delta)?, "noise")
    } else {
        let sigma = config.features.as_ref().map_or(1.0, |features| features.sigma);
        stated(random_position::of_features(before, k, power, sigma, delta)?, "random features")
    };
    if bound.is_none() {
        notes.push(if noise > 0.0 {
            format!("no lower bound on sigma_min(Z) in the part of Lemma 13: products of the {k} features do not span enough forms for {n} samples")
        } else {
            format!(
                "no lower bound on sigma_min(Z) in the part of Lemma 13: without noise it takes as many features as samples (k = {k}, \
                 n = {n}) whose tensor powers of order {} are independent; with noise (--noise) k(k+1)/2 >= n is enough",
                2 * power
            )
        });
    }
    Ok(bound)
}
