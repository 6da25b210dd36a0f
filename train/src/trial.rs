//! Theorem 1's threshold, tried: the loss that remains on a training set, by the solver and by descent from a random
//! start, beside the least that could remain.

use memorize_kernels::{Element, Engine, GatherRows, Rows};

use crate::error::TrainError;
use crate::network::{Network, default_init_scale};
use crate::objective::Objective;
use crate::observe::{Observer, StopReason};
use crate::optim::{self, Limits, Method, full_batch};
use crate::planner::{Plan, Route, Samples};
use crate::schedule::StepDecay;
use crate::solve::{self, Solution, Verdict};

/// Descent ends when it is this near to the least squares loss, as a factor of it: it comes as near as one waits.
const NEAR: f64 = 1.001;

/// Adam has so many step sizes one after the other, each the paper's factor of the one before.
const STAGES: u64 = 5;
const DECAY: f64 = 0.3;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The loss is what was asked for.
    Memorised,
    /// It is not, and no network does better (within 0.1 % for descent).
    LeastSquares,
    /// Rounding errors keep the solver above the tolerance.
    Resolution,
    /// All iterations were used.
    Budget,
}

impl Ending {
    /// Its name in files.
    ///
    /// ```
    /// use memorize_train::trial::Ending;
    ///
    /// assert_eq!(Ending::Memorised.name(), "memorised");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Memorised => "memorised",
            Self::LeastSquares => "least_squares",
            Self::Resolution => "resolution",
            Self::Budget => "budget",
        }
    }
}

/// How a network is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trainer {
    /// No descent: the linear system of least squares.
    Solver,
    /// Gradient descent on the whole training set, with this step size.
    Descent(f64),
    /// Adam on the whole training set, with this step size at the start.
    Adam(f64),
}

/// What is asked of every trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Neurons that descent has; the solver decides for itself.
    pub neurons: usize,
    /// Most iterations of descent, most products of the solver.
    pub iterations: u64,
    /// Loss f(W) at or below which the set is memorised.
    pub tolerance: f64,
    /// How outputs and gradients are computed, `None` for the cheaper way.
    pub route: Option<Route>,
    /// Seed of the random start, and of the solver's landmarks.
    pub seed: u64,
}

/// What came of one trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// How it ended.
    pub ended: Ending,
    /// f(W) of the network returned.
    pub loss: f64,
    /// f of the solver's network on the same samples: the least of any network, unless that is below the tolerance,
    /// where the solver ends, or the solver was at the end of its iterations or of the precision.
    pub least_squares_loss: f64,
    /// Iterations of descent, products of the solver.
    pub iterations: u64,
    /// Neurons of the network returned.
    pub neurons: usize,
    /// Its trained parameters, d r.
    pub parameters: usize,
}

/// Tries each of these on samples x (n x d) with targets y: the solver always, by whose loss the others are measured.
/// `None` stands for a trial that the observer has cut short.
///
/// # Errors
/// [`TrainError::Diverged`] if a step size lets descent diverge, and what the solver and the passes report.
///
/// ```
/// use memorize_data::synthetic;
/// use memorize_kernels::Engine;
/// use memorize_train::observe::Silent;
/// use memorize_train::trial::{Ending, Settings, Trainer, trials};
///
/// let (x, y) = (synthetic::inputs::<f64>(1, 12, 6), synthetic::targets::<f64>(1, 12));
/// let settings = Settings { neurons: 14, iterations: 200, tolerance: 1e-10, route: None, seed: 1 };
/// let tried = trials(Engine::best(), (&x, &y), &[Trainer::Solver], &settings, &mut Silent)?;
/// assert_eq!(tried[0].as_ref().unwrap().ended, Ending::Memorised);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn trials<T: Element, X: GatherRows<T>>(
    engine: Engine,
    (x, y): (&X, &[T]),
    trainers: &[Trainer],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Vec<Option<Tried>>, TrainError> {
    let shape = [y.len(), x.cols()];
    let solver = solve::Settings::new::<T>(shape, settings.tolerance, settings.iterations, settings.seed);
    let solution = solve::solve(engine, x, y, &solver, observer)?;
    let mut descend = |method, schedule| descended(engine, (x, y), (method, schedule), settings, &solution, observer);
    let one = |trainer: &Trainer| match *trainer {
        Trainer::Solver => Ok(solved(&solution)),
        // Gradient descent has no need of steps that become shorter.
        Trainer::Descent(rate) => descend(Method::Descent, StepDecay::constant(rate)),
        // Adam's steps have a length of their own, and where the loss is flat in most directions, as it is close to the
        // capacity, they end in oscillations unless they become shorter.
        Trainer::Adam(initial) => {
            descend(Method::ADAM, StepDecay { initial, factor: DECAY, every: settings.iterations.div_ceil(STAGES) })
        }
    };
    trainers.iter().map(one).collect()
}

fn solved<T: Element>(solution: &Solution<T>) -> Option<Tried> {
    let ended = match solution.verdict {
        Verdict::Memorised => Ending::Memorised,
        Verdict::LeastSquares { .. } => Ending::LeastSquares,
        Verdict::Resolution => Ending::Resolution,
        Verdict::Budget => Ending::Budget,
        Verdict::Interrupted => return None,
    };
    let loss = solution.evaluation.loss;
    Some(tried(ended, loss, loss, solution.outcome.iterations, &solution.network))
}

fn descended<T: Element, X: Rows<T>>(
    engine: Engine,
    (x, y): (&X, &[T]),
    (method, schedule): (Method, StepDecay),
    settings: &Settings,
    solution: &Solution<T>,
    observer: &mut dyn Observer,
) -> Result<Option<Tried>, TrainError> {
    let Settings { neurons, iterations, tolerance, route, seed } = *settings;
    let least = solution.evaluation.loss;
    let near = matches!(solution.verdict, Verdict::LeastSquares { .. }).then_some(NEAR * least);
    let limits =
        Limits { iterations, record_every: iterations, stop_below: Some(near.unwrap_or(tolerance).max(tolerance)) };
    let route = Plan::new(Samples::All(y.len()), x.cols(), neurons, route).route;
    let objective = Objective { engine, x, y, gamma: 0.0, route };
    let mut network = Network::random(neurons, x.cols(), default_init_scale(neurons), seed)?;
    let outcome = full_batch(&objective, &mut network, &optim::Settings { method, schedule, limits }, observer)?;
    let loss = objective.evaluate(&network)?.loss;
    let ended = match outcome.reason {
        StopReason::Interrupted => return Ok(None),
        _ if loss <= tolerance => Ending::Memorised,
        StopReason::Target => Ending::LeastSquares,
        StopReason::Budget | StopReason::Returned => Ending::Budget,
    };
    Ok(Some(tried(ended, loss, least, outcome.iterations, &network)))
}

fn tried<T: Element>(
    ended: Ending,
    loss: f64,
    least_squares_loss: f64,
    iterations: u64,
    network: &Network<T>,
) -> Tried {
    let (neurons, parameters) = (network.neurons(), network.parameters());
    Tried { ended, loss, least_squares_loss, iterations, neurons, parameters }
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;
    use memorize_kernels::Mat;

    use super::*;
    use crate::network::normal_rows;
    use crate::observe::{Record, Silent};

    const SETTINGS: Settings = Settings { neurons: 12, iterations: 20_000, tolerance: 1e-8, route: None, seed: 1 };

    fn training_set(n: usize) -> (Mat<f64>, Vec<f64>) {
        let x: Mat<f64> = normal_rows(n, 5, 0.5, 3, Purpose::SyntheticInputs);
        (x, normal_rows::<f64>(n, 1, 1.0, 3, Purpose::SyntheticTargets).iter().copied().collect())
    }

    const ALL: [Trainer; 3] = [Trainer::Solver, Trainer::Descent(0.3), Trainer::Adam(0.01)];

    #[test]
    fn below_the_capacity_all_memorise_and_above_it_none_does_better_than_least_squares() {
        for (n, ending) in [(9, Ending::Memorised), (40, Ending::LeastSquares)] {
            let (x, y) = training_set(n);
            let found = trials(Engine::best(), (&x, &y), &ALL, &SETTINGS, &mut Silent).unwrap();
            let found: Vec<Tried> = found.into_iter().map(Option::unwrap).collect();
            let least = found[0].loss;
            for (trainer, tried) in ALL.iter().zip(&found) {
                assert_eq!((tried.ended, tried.least_squares_loss), (ending, least), "{n}: {trainer:?}");
                let most = if n == 9 { SETTINGS.tolerance } else { NEAR * least };
                assert!(tried.loss <= most * (1.0 + 1e-9) && tried.iterations > 0, "{n}: {trainer:?} {tried:?}");
                assert_eq!(tried.parameters, 5 * tried.neurons);
            }
            assert_eq!((found[1].neurons, found[2].neurons), (12, 12));
        }
    }

    #[test]
    fn a_budget_ends_descent_and_a_step_that_is_too_long_is_an_error() {
        let (x, y) = training_set(9);
        let short = Settings { iterations: 3, ..SETTINGS };
        let found = trials(Engine::best(), (&x, &y), &ALL[1..], &short, &mut Silent).unwrap();
        assert!(found.iter().all(|tried| tried.unwrap().ended == Ending::Budget && tried.unwrap().iterations == 3));
        let wild = trials(Engine::best(), (&x, &y), &[Trainer::Descent(1e6)], &SETTINGS, &mut Silent);
        assert!(matches!(wild, Err(TrainError::Diverged { .. })));
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        struct Impatient;
        impl Observer for Impatient {
            fn record(&mut self, _: &Record) {}
            fn keep_going(&mut self) -> bool {
                false
            }
        }
        let (x, y) = training_set(9);
        assert_eq!(trials(Engine::best(), (&x, &y), &ALL, &SETTINGS, &mut Impatient).unwrap(), [None; 3]);
    }
}
