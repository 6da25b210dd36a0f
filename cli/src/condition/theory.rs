//! What the paper's theorems say of samples, as `memorize condition` prints it.

use memorize_kernels::Engine;
use memorize_run::config::ConditionConfig;
use memorize_run::run::dataset::Inspected;
use memorize_train::TrainError;
use memorize_train::theory::position::{Position, Settings};
use memorize_train::theory::statements::{self, Chance, Lifting, Missing, Question, Statements, statements};
use memorize_train::theory::theorem6::{self, Features};
use serde::Serialize;

use super::theorem6::Theorem6;

/// The sizes, constants and bounds, with notes on those that do not apply.
#[derive(Clone, Debug)]
pub struct Theory {
    /// Y = max_j |y_j|.
    pub target_bound: Option<f64>,
    /// The sizes of Theorem 1.
    pub theorem1: Option<Theorem1>,
    /// The sizes of Theorem 5.
    pub theorem5: Option<Theorem5>,
    /// The constants of Theorem 4.
    pub theorem4: Option<Constants>,
    /// Theorem 6, of random features.
    pub theorem6: Option<Theorem6>,
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
    pub fn of(
        config: &ConditionConfig,
        engine: Engine,
        samples: &Inspected,
        settings: &Settings,
        found: &Position,
    ) -> Result<Self, TrainError> {
        if config.power != 2 {
            return Ok(Self::of_tensor_powers(config.power, samples));
        }
        let question = Question {
            epsilon: config.epsilon,
            delta: config.delta,
            noise: config.data.noise,
            features_sigma: config.features.as_ref().map_or(1.0, |features| features.sigma),
        };
        let lifting = samples.features.as_ref().map(|layer| Lifting { layer, before: samples.before.as_ref() });
        let said = statements(&question, found, samples.y.as_deref(), lifting)?;
        let Statements { target_bound, theorem1_neurons, theorem1_applies, theorem5_sizes, theorem4, .. } = said;
        let k = samples.features.as_ref().map_or(0, |layer| layer.weights().rows());
        let theorem6 = match samples.features.as_ref().zip(samples.longest) {
            Some((layer, longest)) => {
                let features = Features { layer, before: samples.before.as_ref(), longest };
                let said = theorem6::theorem6(engine, &question, features, found, settings)?;
                Some(Theorem6::new(said, found, k, layer.power()))
            }
            None => None,
        };
        let mut notes: Vec<String> = said.missing.iter().map(|missing| words(missing, found.samples, k)).collect();
        notes.extend(theorem6.iter().flat_map(Theorem6::notes));
        Ok(Self {
            target_bound,
            theorem1: Some(Theorem1 { neurons: theorem1_neurons, applies: theorem1_applies }),
            theorem5: Some(Theorem5 { features: theorem5_sizes.0, neurons: theorem5_sizes.1 }),
            theorem4: theorem4.map(|constants| Constants::of(&question, &constants)),
            random: said.sigma_bound.map(|bound| RandomBound {
                bound: bound.bound,
                probability: bound.probability,
                over: match bound.over {
                    Chance::Noise => "noise",
                    Chance::Features => "random features",
                },
            }),
            theorem6,
            notes,
        })
    }
}

impl Theory {
    /// Of tensor powers of another order than 2, which Theorems 1, 4 and 5 do not speak of.
    fn of_tensor_powers(order: u32, samples: &Inspected) -> Self {
        let largest = |y: &[f64]| y.iter().fold(0.0, |largest: f64, y| largest.max(y.abs()));
        let note = format!("Theorems 1, 4 and 5 are about x (x) x: with --power {order} they are left out");
        Self {
            target_bound: samples.y.as_deref().map(largest),
            theorem1: None,
            theorem5: None,
            theorem4: None,
            theorem6: None,
            random: None,
            notes: vec![note],
        }
    }
}

impl Constants {
    fn of(question: &Question, said: &statements::Constants) -> Self {
        let statements::Constants { data, theorem4, iterations_order } = *said;
        Self {
            epsilon: question.epsilon,
            delta: question.delta,
            sigma: data.sigma,
            loss_at_zero: data.loss_at_zero,
            c: theorem4.c,
            gamma: theorem4.gamma,
            radius: theorem4.radius,
            rho: theorem4.rho,
            l: theorem4.l,
            algorithm_epsilon: theorem4.epsilon,
            delta_f: theorem4.delta_f,
            iterations_order,
        }
    }
}

/// Why something is missing for n samples behind k random features, with the flags that change it.
fn words(missing: &Missing, n: usize, k: usize) -> String {
    const NO_BOUND: &str = "no lower bound on sigma_min(Z) in the part of Lemma 13:";
    match missing {
        Missing::Targets => "the constants of Theorem 4 need targets: give them with --targets FILE".to_owned(),
        Missing::GeneralPosition => "Theorem 4 asks for samples in general position: no constants".to_owned(),
        Missing::Constants(error) => format!("no constants of Theorem 4: {error}"),
        Missing::Decomposition => {
            format!("{NO_BOUND} {n} samples are too many for the dense decomposition that it takes")
        }
        Missing::Forms => format!("{NO_BOUND} products of the {k} features do not span enough forms for {n} samples"),
        Missing::Powers { order } => format!(
            "{NO_BOUND} without noise it takes as many features as samples (k = {k}, n = {n}) whose tensor powers of order {order} are \
             independent; with noise (--noise) k(k+1)/2 >= n is enough"
        ),
    }
}
