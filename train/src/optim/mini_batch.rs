//! Stochastic gradient descent and Adam on shuffled mini-batches.
//!
//! While a step runs, the batch after the next is gathered (decoded, perturbed, turned into features) by whichever
//! thread has nothing else to do; the step itself reads the next batch's samples for the forward pass that is fused
//! into it. Three buffers go round.
//!
//! Where the samples are spread over ranks, each gathers its own of a batch and all of them exchange what they have: b
//! d numbers a step, whatever n and r are. A step then divides the neurons among the ranks.

use memorize_kernels::{Element, GatherRows};

use super::shuffle::Shuffle;
use super::stepper::{Labelled, Stepper};
use super::{Guard, Moments, Settings};
use crate::error::{Divergence, TrainError};
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::planner::{Plan, Samples};
use crate::state::{State, WEIGHTS};

/// The name that a state says.
const NAME: &str = "mini-batches";

/// Trains `net` in place on batches of `batch` samples, shuffled every epoch by the stream (seed, shuffle, epoch). The
/// loss recorded at iteration t is f over the batch that iteration t is about to learn from.
///
/// `objective.route` is the route of a batch: neuron (fused step) or Gram.
///
/// # Errors
/// [`TrainError::Diverged`] at the first loss, gradient, weight or moment that is not finite; [`TrainError::Batch`] for
/// a batch size of zero; [`TrainError::NoSamples`]; [`TrainError::State`] for a state that does not fit; shape errors.
///
/// ```
/// use memorize_data::synthetic;
/// use memorize_kernels::Engine;
/// use memorize_train::observe::Silent;
/// use memorize_train::optim::{Limits, Method, Settings, mini_batch};
/// use memorize_train::schedule::StepDecay;
/// use memorize_train::{Network, Objective, Route};
///
/// let (x, y) = (synthetic::inputs::<f32>(1, 40, 6), synthetic::targets::<f32>(1, 40));
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
/// let mut network = Network::random(14, 6, 0.4, 1)?;
/// let before = objective.evaluate(&network)?.loss;
/// // 25 epochs of four batches.
/// let limits = Limits { iterations: 100, record_every: 4, stop_below: None };
/// let settings = Settings { method: Method::ADAM, schedule: StepDecay::constant(0.01), limits };
/// let outcome = mini_batch(&objective, &mut network, &settings, 10, 1, &mut Silent)?;
/// assert!(outcome.epochs == 25.0 && objective.evaluate(&network)?.loss < before / 2.0);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn mini_batch<T: Element, X: GatherRows<T>>(
    objective: &Objective<'_, T, X>,
    net: &mut Network<T>,
    settings: &Settings,
    batch: usize,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let Settings { method, schedule, limits } = *settings;
    let Objective { engine, x, y, gamma, route } = *objective;
    memorize_kernels::error::check_shape("number of targets", x.rows(), y.len())?;
    let spread = x.spread();
    let n = spread.whole();
    match (n, batch) {
        (0, _) => return Err(TrainError::NoSamples),
        (_, 0) => return Err(TrainError::Batch),
        (n, _) if u32::try_from(n).is_err() => return Err(TrainError::TooManySamples(n)),
        _ => {}
    }
    let batch = batch.min(n);
    let mut shuffle = Shuffle::new(seed, n, batch);
    let batches = shuffle.batches();
    let (r, d) = (net.neurons(), net.width());
    let mut t = 0;
    let mut moments = Moments::zeros(method, r, d);
    if let Some(state) = observer.resume() {
        let state = state.of(NAME, limits.iterations)?;
        t = state.iteration;
        net.weights = state.matrix(WEIGHTS, r, d)?;
        moments = Moments::from_state(method, &state, r, d)?;
    }
    let mut stepper = Stepper::new(engine, spread.team().cloned(), route, net, moments, batch)?;
    let [mut current, mut next, mut spare] = std::array::from_fn(|_| Labelled::new(&engine, batch, x.cols()));
    let mut load = |buffer: &mut Labelled<T>, iteration: u64| {
        if iteration < limits.iterations {
            buffer.load(engine.par, x, y, shuffle.batch(iteration));
        }
    };
    // The route that suits a batch need not suit the whole set.
    let whole = Objective { route: Plan::new(Samples::All(n), x.cols(), net.neurons(), None).route, ..*objective };
    let mut guard = Guard::default();
    for (buffer, iteration) in [(&mut current, t), (&mut next, t + 1)] {
        load(buffer, iteration);
        buffer.share(&spread);
    }
    let mut loss = if t < limits.iterations { stepper.prime(&current)? } else { 0.0 };
    let reason = loop {
        let rate = schedule.rate(t / batches);
        if t == limits.iterations {
            break StopReason::Budget;
        }
        guard.check(t, loss, rate)?;
        if t == 0 {
            let first = current.gradient(engine, gamma, &stepper.position().0)?;
            guard.first_step(method, &first, rate)?;
        }
        let state = || {
            let (net, moments) = stepper.position();
            moments.add_to(method, State::new(NAME, t, &net.weights))
        };
        if !goes_on(observer, t, &state) {
            break StopReason::Interrupted;
        }
        if limits.records(t) || t + 1 == limits.iterations {
            observer.record(&Record { iteration: t, loss, learning_rate: rate });
        }
        let rule = method.rule(t, rate, gamma);
        let following = (t + 1 < limits.iterations).then_some(&next);
        let step = || stepper.advance(rule, &current, following);
        let ((), stepped) = engine.par.join(|| load(&mut spare, t + 2), step);
        loss = stepped?.unwrap_or(loss);
        spare.share(&spread);
        t += 1;
        if Guard::looks(t, limits.iterations) {
            guard.require(stepper.is_finite(), Divergence::Moments(T::NAME), t, rate)?;
        }
        std::mem::swap(&mut current, &mut next);
        std::mem::swap(&mut next, &mut spare);
        if let Some(target) = limits.stop_below.filter(|_| t.is_multiple_of(batches)) {
            let now = stepper.position().0;
            let loss = whole.evaluate(&now)?.loss;
            observer.whole(&Record { iteration: t, loss, learning_rate: rate });
            if whole.reaches(&now, loss, target)? {
                break StopReason::Target;
            }
        }
    };
    *net = stepper.position().0;
    Ok(Outcome { iterations: t, epochs: t as f64 / batches as f64, reason })
}

#[cfg(test)]
mod tests {
    use memorize_kernels::{Engine, Mat};

    use super::*;
    use crate::observe::Silent;
    use crate::optim::{Limits, Method};
    use crate::planner::Route;
    use crate::schedule::StepDecay;

    fn problem(n: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
        let x = Network::<f64>::random(n + n % 2, d, (1.0 / d as f64).sqrt(), 11).unwrap().weights;
        let x = x.as_ref().rows_range(0..n).to_owned();
        (x, (0..n).map(|j| (j % 10) as f64 / 5.0 - 1.0).collect())
    }

    fn settings(method: Method, rate: f64, iterations: u64) -> Settings {
        let limits = Limits { iterations, record_every: 1, stop_below: None };
        Settings { method, schedule: StepDecay::constant(rate), limits }
    }

    /// Keeps the losses.
    #[derive(Default)]
    struct Losses(Vec<f64>);
    impl Observer for Losses {
        fn record(&mut self, record: &Record) {
            self.0.push(record.loss);
        }
    }

    fn train(route: Route, method: Method, rate: f64, iterations: u64) -> (Network<f64>, Vec<f64>) {
        let (x, y) = problem(101, 12);
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 1e-3, route };
        let mut net = Network::random(60, 12, 0.3, 1).unwrap();
        let mut losses = Losses::default();
        mini_batch(&objective, &mut net, &settings(method, rate, iterations), 32, 9, &mut losses).unwrap();
        (net, losses.0)
    }

    #[test]
    fn both_routes_take_the_same_steps() {
        for (method, rate) in [(Method::ADAM, 0.01), (Method::Descent, 0.05)] {
            let (fused, losses) = train(Route::Neuron, method, rate, 23);
            let (separate, other) = train(Route::Gram, method, rate, 23);
            assert_eq!(losses.len(), 23);
            for (a, b) in losses.iter().zip(&other) {
                assert!((a - b).abs() < 1e-9 * a.abs().max(1e-3), "{a} against {b}");
            }
            // The Gram route adds the regulariser in its update only: both must agree on that, too.
            let difference = fused.weights.iter().zip(separate.weights.iter()).map(|(a, b)| (a - b).abs());
            assert!(difference.fold(0.0, f64::max) < 1e-7);
        }
    }

    #[test]
    fn a_small_set_is_memorised() {
        let (x, y) = problem(40, 12);
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
        let mut net = Network::random(60, 12, 0.3, 1).unwrap();
        let mut settings = settings(Method::ADAM, 0.02, 20_000);
        settings.limits.stop_below = Some(1e-6);
        let outcome = mini_batch(&objective, &mut net, &settings, 16, 9, &mut Silent).unwrap();
        assert_eq!(outcome.reason, StopReason::Target);
        assert!(objective.evaluate(&net).unwrap().loss <= 1e-6);
    }

    #[test]
    fn a_rate_that_is_too_large_is_caught_and_named() {
        let (x, y) = problem(40, 12);
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
        let mut net = Network::random(60, 12, 0.3, 1).unwrap();
        let error =
            mini_batch(&objective, &mut net, &settings(Method::Descent, 1e6, 50), 16, 9, &mut Silent).unwrap_err();
        let TrainError::Diverged { iteration, last_finite, what, .. } = error else { panic!("{error}") };
        assert!(iteration > 0 && last_finite.is_some() && matches!(what, Divergence::Loss(loss) if !loss.is_finite()));
    }

    #[test]
    fn nothing_to_learn_from_is_an_error() {
        let (x, net) = (Mat::<f64>::zeros(0, 3), Network::zeros(2, 3).unwrap());
        let objective = Objective { engine: Engine::best(), x: &x, y: &[], gamma: 0.0, route: Route::Neuron };
        let run =
            |batch| mini_batch(&objective, &mut net.clone(), &settings(Method::ADAM, 0.1, 1), batch, 0, &mut Silent);
        assert!(matches!(run(4), Err(TrainError::NoSamples)));
        let (x, y) = problem(4, 3);
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
        let run = mini_batch(&objective, &mut net.clone(), &settings(Method::ADAM, 0.1, 1), 0, 0, &mut Silent);
        assert!(matches!(run, Err(TrainError::Batch)));
    }
}
