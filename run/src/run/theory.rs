//! Perturbed gradient descent as Theorem 4 prescribes it: what is said before, what is refused, what is left on the
//! disk.

use memorize_kernels::{Element, Par, Rows, rows};
use memorize_train::optim::prescription::{DELTA, HOPELESS_FLOPS, Prescription, Request, SigmaSource};
use memorize_train::optim::small::SmallTraining;
use memorize_train::theory::constants::{Data, Theorem4, Thresholds, theorem1_neurons};

use super::saddles::Saddles;
use crate::config::{ConditionConfig, OptimizerKind, RunConfig, TheorySection};
use crate::error::{Error, WithHint};
use crate::run_folder::{StopReason, Summary, TheorySummary};
use crate::units::{number, thousands};

/// Records that a run leaves when nobody says how many.
const RECORDS: f64 = 500.0;

/// What else there is to do where the theorem's run would not end.
const NEXT_STEPS: &str = "ask for a larger --theory-epsilon, use fewer or narrower samples (--limit, --pca), choose thresholds yourself \
    (--pgd-radius and its like instead of --theory), or memorise with --optimizer solve; --theory-force starts all the same";

/// The theorem's constants for a training set.
///
/// # Errors
/// Bad input where the theorem does not apply; without `force` also where its run is hopeless, or sigma_min neither
/// known nor cheap to measure.
pub fn prescribe<T: Element>(
    section: &TheorySection,
    neurons: Option<usize>,
    x: &impl Rows<T>,
    y: &[T],
) -> Result<Prescription, Error> {
    let TheorySection { epsilon, delta, c, sigma_min, force } = *section;
    let request = Request { epsilon, delta, c, neurons, sigma_min };
    let prescription = Prescription::new(x, y, request).map_err(Error::bad_input)?;
    if force {
        return Ok(prescription);
    }
    if prescription.is_hopeless() {
        let reason = anyhow::anyhow!(
            "Theorem 4 needs at least {} iterations here ({}, t_thres = {}), {} floating-point operations in all: \
             more than {} count as hopeless",
            number(prescription.least_iterations()),
            sigma(&prescription),
            number(prescription.algorithm.thresholds.t_thres as f64),
            number(prescription.least_flops()),
            number(HOPELESS_FLOPS),
        );
        return Err(Error::BadInput(reason.hint(NEXT_STEPS)));
    }
    if prescription.sigma_source == SigmaSource::UpperBound {
        let reason = anyhow::anyhow!(
            "{} samples of width {} are too many to measure sigma_min before a run, and Theorem 4 needs it: with the bound \
             {} in its place f(W) may end above epsilon",
            prescription.data.samples,
            prescription.data.width,
            sigma(&prescription),
        );
        let hint = "give it with --theory-sigma-min X (`memorize certify` computes it for stored weights and their samples), use \
                    fewer samples (--limit N), or start all the same with --theory-force";
        return Err(Error::BadInput(reason.hint(hint)));
    }
    Ok(prescription)
}

/// sigma_min and where it is from.
fn sigma(prescription: &Prescription) -> String {
    let value = number(prescription.data.sigma);
    match prescription.sigma_source {
        SigmaSource::Measured => format!("sigma_min = {value}, measured"),
        SigmaSource::Given => format!("sigma_min = {value}, as given"),
        SigmaSource::UpperBound => format!("sigma_min <= min ||x_j||^2 = {value}"),
    }
}

/// Every constant and every threshold, a few to a line, and what f64 makes of them. Behind random features of a power,
/// if there are any.
pub fn announce(prescription: &Prescription, power: Option<u32>) -> Vec<String> {
    let Prescription { request, data, constants, algorithm, neurons, .. } = prescription;
    let thresholds = &algorithm.thresholds;
    let (s, width) = (number, if power.is_some() { "k" } else { "d" });
    let mut lines = vec![
        format!(
            "Theorem 4{}: f(W*) <= {} with probability {}, W = 0 at the start",
            power.map_or_else(String::new, |p| format!(" of z = (Rx)^{p} in the place of x (Theorems 5 and 6)")),
            s(request.epsilon),
            1.0 - request.delta
        ),
        format!(
            "data: n = {}, {width} = {}, r = {neurons}, B = {}, Y = {}, f(0) = {}, {}",
            data.samples,
            data.width,
            s(data.input_bound),
            s(data.target_bound),
            s(data.loss_at_zero),
            sigma(prescription)
        ),
        format!(
            "constants: C = {}, gamma = {}, ball ||W|| <= {}, rho = {}, l = {}, eps' = {}",
            s(constants.c),
            s(constants.gamma),
            s(constants.radius),
            s(constants.rho),
            s(constants.l),
            s(constants.epsilon)
        ),
        format!(
            "thresholds: c = {}, chi = {}, eta = {}, r = {}, g_thres = {}, f_thres = {}, t_thres = {}",
            s(request.c),
            s(algorithm.chi),
            s(thresholds.eta),
            s(thresholds.radius),
            s(thresholds.g_thres),
            s(thresholds.f_thres),
            thresholds.t_thres
        ),
        format!(
            "iterations: at least {}, at most {}",
            s(prescription.least_iterations()),
            s(algorithm.iterations_bound())
        ),
    ];
    lines.extend(prescription.warnings().iter().map(|warning| format!("warning: {warning}")));
    if SmallTraining::fits(data.samples, data.width) {
        lines.push("so few numbers that descent runs in loops of its own, in f64, on one thread".to_owned());
    }
    if prescription.sigma_source == SigmaSource::UpperBound {
        lines.push(
            "warning: sigma_min is not known, its upper bound stands in its place: f may end above epsilon".to_owned(),
        );
    }
    lines
}

/// The paper runs its synthetic experiment with "all the parameters as shown in Theorem 4". What those are for this
/// training set, at the epsilon that `condition` takes too, and what the run does instead, in words; nothing if the
/// theorem has none for it.
pub fn instead<T: Element>(config: &RunConfig, x: &impl Rows<T>, y: &[T], sigma: f64) -> Option<String> {
    let (all, y) = (rows::whole(Par::POOL, x), x.spread().gather(y.to_vec()));
    let squares = (0..all.rows()).map(|j| all.row(j).iter().map(|value| value.to_f64().powi(2)).sum::<f64>());
    let data = Data {
        samples: all.rows(),
        width: all.cols(),
        input_bound: squares.fold(0.0, f64::max).sqrt(),
        target_bound: y.iter().fold(0.0, |largest: f64, y| largest.max(y.to_f64().abs())),
        sigma,
        loss_at_zero: y.iter().map(|y| y.to_f64().powi(2)).sum::<f64>() / (4.0 * y.len() as f64),
    };
    let epsilon = ConditionConfig::defaults().epsilon;
    let constants = Theorem4::new(&data, epsilon).ok()?;
    let neurons = config.network.neurons.unwrap_or_else(|| theorem1_neurons(data.width));
    let Thresholds { eta, t_thres, .. } = constants.algorithm(neurons * data.width, 1.0, DELTA).ok()?.thresholds;
    let optimizer = &config.optimizer;
    let own = match optimizer.kind {
        OptimizerKind::Gd => {
            let scale = config.network.init_scale.unwrap_or(0.0);
            let start = if scale > 0.0 { "a random W" } else { "W = 0" };
            let length =
                config.run.iterations.map_or_else(String::new, |most| format!(", {} iterations", thousands(most)));
            format!("{start}, no regulariser, steps of {}{length}", number(optimizer.learning_rate))
        }
        kind => format!("--optimizer {kind}"),
    };
    Some(format!(
        "of Theorem 4, as the paper has it: W = 0, gamma = {}, steps of {}, at least {} iterations for \
         epsilon = {}; here {own}",
        number(constants.gamma),
        number(eta),
        number(2.0 * t_thres as f64 + 1.0),
        number(epsilon),
    ))
}

/// Iterations between two records of such a run.
pub fn record_every(prescription: &Prescription) -> u64 {
    (prescription.least_iterations() / RECORDS).clamp(1.0, 1e15) as u64
}

/// Theorem 4's constants and what became of its promise in a run that ended with the loss f.
pub fn summarize(prescription: &Prescription, loss: f64, saddles: Saddles) -> TheorySummary {
    let Prescription { request, data, constants, algorithm, .. } = prescription;
    let thresholds = &algorithm.thresholds;
    TheorySummary {
        epsilon: request.epsilon,
        delta: request.delta,
        c: request.c,
        reached: loss <= request.epsilon,
        sigma_min: data.sigma,
        sigma_min_source: prescription.sigma_source.name().to_owned(),
        input_bound: data.input_bound,
        target_bound: data.target_bound,
        loss_at_zero: data.loss_at_zero,
        big_c: constants.c,
        gamma: constants.gamma,
        ball: constants.radius,
        rho: constants.rho,
        l: constants.l,
        epsilon_prime: constants.epsilon,
        chi: algorithm.chi,
        eta: thresholds.eta,
        perturbation_radius: thresholds.radius,
        g_threshold: thresholds.g_thres,
        f_threshold: thresholds.f_thres,
        t_threshold: thresholds.t_thres,
        iterations_at_least: prescription.least_iterations(),
        iterations_at_most: algorithm.iterations_bound(),
        perturbations: saddles.perturbations.unwrap_or(0),
        warnings: prescription.warnings().iter().map(ToString::to_string).collect(),
    }
}

/// The error of a run that returned without having kept the theorem's promise.
pub fn broken_promise(summary: &Summary) -> Option<Error> {
    let theory = summary.theory.as_ref().filter(|theory| !theory.reached && summary.stopped == StopReason::Returned)?;
    let reason = anyhow::anyhow!(
        "the algorithm returned with f(W) = {} above epsilon = {}, which Theorem 4 allows with probability delta = {}",
        number(summary.train_loss),
        number(theory.epsilon),
        theory.delta
    );
    let hint = "try another --seed or a smaller --theory-delta; a --theory-sigma-min above the true value and thresholds below the resolution \
                of f64 (see the warnings) break the promise too";
    Some(Error::RunFailed(reason.hint(hint)))
}
