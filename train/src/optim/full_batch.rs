//! Gradient descent and Adam on the gradient of the whole training set.

use memorize_kernels::{Element, Mat, Rows, pass};

use super::{Guard, Moments, Settings};
use crate::error::{Divergence, TrainError};
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::state::{State, WEIGHTS};

/// The name that a state says.
const NAME: &str = "full batches";

/// Trains `net` in place; an iteration is an epoch. The loss recorded at iteration t is f at the weights after t
/// updates.
///
/// # Errors
/// [`TrainError::Diverged`] at the first loss, gradient or moment that is not finite; [`TrainError::State`] for a state
/// that does not fit; shape errors.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::observe::Silent;
/// use memorize_train::optim::{Limits, Method, Settings, full_batch};
/// use memorize_train::schedule::StepDecay;
/// use memorize_train::{Network, Objective, Route};
///
/// let mut network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
/// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
/// let limits = Limits { iterations: 1, record_every: 1, stop_below: None };
/// let settings = Settings { method: Method::Descent, schedule: StepDecay::constant(0.01), limits };
/// full_batch(&objective, &mut network, &settings, &mut Silent)?;
/// // The gradient is (24, -8): one step of a hundredth of it.
/// assert!((network.weights.row(0)[0] - 2.76).abs() < 1e-12 && (network.weights.row(1)[0] - 1.08).abs() < 1e-12);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn full_batch<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &mut Network<T>,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let Settings { method, schedule, limits } = *settings;
    let (r, d) = (net.neurons(), net.width());
    let mut gradient = Mat::zeros(r, d);
    let mut moments = Moments::zeros(method, r, d);
    let mut guard = Guard::default();
    let mut t = 0;
    if let Some(state) = observer.resume() {
        let state = state.of(NAME, limits.iterations)?;
        t = state.iteration;
        net.weights = state.matrix(WEIGHTS, r, d)?;
        moments = Moments::from_state(method, &state, r, d)?;
    }
    let reason = loop {
        let rate = schedule.rate(t);
        let at =
            if t < limits.iterations { objective.gradient(net, &mut gradient)? } else { objective.evaluate(net)? };
        guard.check(t, at.regularized, rate)?;
        if t == 0 && t < limits.iterations {
            guard.first_step(method, &gradient, rate)?;
        } else if Guard::looks(t, limits.iterations) {
            guard.require(moments.is_finite(), Divergence::Moments(T::NAME), t, rate)?;
        }
        if !goes_on(observer, t, &|| moments.add_to(method, State::new(NAME, t, &net.weights))) {
            break StopReason::Interrupted;
        }
        let reached = match limits.stop_below {
            Some(target) => objective.reaches(net, at.loss, target)?,
            None => false,
        };
        if limits.records(t) || reached {
            observer.record(&Record { iteration: t, loss: at.loss, learning_rate: rate });
        }
        if reached {
            break StopReason::Target;
        }
        if t == limits.iterations {
            break StopReason::Budget;
        }
        // The gradient has the regulariser's share already.
        let rule = method.rule(t, rate, 0.0);
        let (w, first, second) = (net.weights.padded_mut(), moments.first.padded_mut(), moments.second.padded_mut());
        pass::update(&objective.engine, rule, w, first, second, gradient.padded())?;
        t += 1;
    };
    Ok(Outcome { iterations: t, epochs: t as f64, reason })
}
