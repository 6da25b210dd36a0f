//! The two ways of doing a mini-batch step: fused (neuron route) and through a gradient in memory (Gram route).

use std::sync::Arc;

use memorize_kernels::block::{FLOPS_PER_NUMBER, GATHERED_ROWS};
use memorize_kernels::parallel::for_row_blocks;
use memorize_kernels::pass::{self, Backward, Batch, FusedStep, Primed, Rule, Weights};
use memorize_kernels::rows::Part;
use memorize_kernels::team::Team;
use memorize_kernels::{Element, Engine, GatherRows, Mat, MatMut, Par, Spread};

use super::Moments;
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;
use crate::planner::Route;

/// A batch with its targets.
///
/// Where the samples are spread over ranks, each makes those that it has, with their targets behind them, and all have
/// them in the end.
#[derive(Debug)]
pub(super) struct Labelled<T: Element> {
    batch: Batch<T>,
    y: Vec<T>,
    /// Row numbers of the batch, and this rank's rows of it, before they are shared.
    numbers: Vec<u32>,
    own: Mat<T>,
}

/// Batches are never larger than the buffers that were made for them.
const ROOM: &str = "there is room for a batch";

impl<T: Element> Labelled<T> {
    /// Room for `capacity` samples of width d.
    pub(super) fn new(engine: &Engine, capacity: usize, d: usize) -> Self {
        let (numbers, own) = (Vec::new(), Mat::zeros(0, 0));
        Self { batch: Batch::new(engine, capacity, d), y: Vec::with_capacity(capacity), numbers, own }
    }

    /// Replaces the batch by the samples with these numbers, or makes this rank's part of it ready for
    /// [`Labelled::share`].
    pub(super) fn load<X: GatherRows<T>>(&mut self, par: Par, x: &X, y: &[T], numbers: &[u32]) {
        let spread = x.spread();
        let par = par.for_work(FLOPS_PER_NUMBER * (numbers.len() * x.cols()) as f64);
        let gather = |numbers: &[u32], out: MatMut<'_, T>| {
            // One thread reads all of them, and the system is told of all of them first.
            let rows = if par == Par::Seq { numbers.len().max(1) } else { GATHERED_ROWS };
            for_row_blocks(par, out, rows, &|first, out| x.gather(&numbers[first..first + out.rows()], out));
        };
        if spread.team().is_none() {
            self.batch.fill(numbers.len(), |out| gather(numbers, out)).expect(ROOM);
            self.y.clear();
            self.y.extend(numbers.iter().map(|&i| y[i as usize]));
            return;
        }
        let (here, d) = (spread.own(numbers), x.cols());
        let mut rows = Mat::zeros(here.len(), d);
        gather(&here, rows.as_mut());
        self.own = Mat::zeros(here.len(), d + 1);
        for (i, &number) in here.iter().enumerate() {
            let row = self.own.row_mut(i);
            row[..d].copy_from_slice(rows.row(i));
            row[d] = y[number as usize];
        }
        numbers.clone_into(&mut self.numbers);
    }

    /// Gives the other ranks what they do not have of the batch, and takes what they have. Nothing to do for one rank.
    pub(super) fn share(&mut self, spread: &Spread) {
        if spread.team().is_none() {
            return;
        }
        let (b, d) = (self.numbers.len(), self.batch.cols());
        let mut rows = Mat::zeros(b, d + 1);
        spread.assemble(&self.numbers, &self.own, rows.as_mut());
        self.batch
            .fill(b, |mut out| (0..b).for_each(|j| out.row_mut(j).copy_from_slice(&rows.row(j)[..d])))
            .expect(ROOM);
        self.y.clear();
        self.y.extend((0..b).map(|j| rows.row(j)[d]));
    }

    /// The gradient of g on these samples, which a fused step never has in memory; the same on every rank.
    pub(super) fn gradient(&self, engine: Engine, gamma: f64, net: &Network<T>) -> Result<Mat<T>, TrainError> {
        let x = self.batch.x();
        let mut gradient = Mat::zeros(net.neurons(), net.width());
        Objective { engine, x: &x, y: &self.y, gamma, route: Route::Neuron }.gradient(net, &mut gradient)?;
        Ok(gradient)
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.y.len()
    }
}

/// Weights in the form that steps keep them in for a whole run. A batch is primed (its loss becomes known), then
/// advanced over (the weights change, and the next batch is primed).
#[derive(Debug)]
pub(super) enum Stepper<T: Element> {
    Fused { step: FusedStep<T>, primed: Option<Primed>, residual: Vec<T>, outputs: Vec<T>, signs: Vec<T> },
    Separate { engine: Engine, net: Network<T>, moments: Moments<T>, gradient: Mat<T>, team: Option<Arc<dyn Team>> },
}

impl<T: Element> Stepper<T> {
    /// With a team every rank has every batch. The fused step divides the neurons among them, the other one the samples
    /// of a batch.
    pub(super) fn new(
        engine: Engine,
        team: Option<Arc<dyn Team>>,
        route: Route,
        net: &Network<T>,
        moments: Moments<T>,
        capacity: usize,
    ) -> Result<Self, TrainError> {
        Ok(match route {
            Route::Neuron => {
                let Moments { first, second } = moments;
                let weights = Weights { w: net.weights.clone(), first, second };
                let step = FusedStep::over(team, engine, &weights, &net.signs, capacity)?;
                let (residual, outputs) = (Vec::with_capacity(capacity), vec![T::ZERO; capacity]);
                Stepper::Fused { step, primed: None, residual, outputs, signs: net.signs.clone() }
            }
            Route::Gram => {
                let gradient = Mat::zeros(net.neurons(), net.width());
                Stepper::Separate { engine, net: net.clone(), moments, gradient, team }
            }
        })
    }

    /// f of a batch at the present weights.
    pub(super) fn prime(&mut self, batch: &Labelled<T>) -> Result<f64, TrainError> {
        match self {
            Stepper::Fused { step, primed, residual, outputs, .. } => {
                let q = &mut outputs[..batch.len()];
                *primed = Some(step.forward(&batch.batch, q)?);
                Ok(residuals(q, &batch.y, residual))
            }
            Stepper::Separate { engine, net, gradient, team, .. } => {
                let spread = team.as_ref().map_or(Spread::alone(batch.len()), |team| Spread::over(team, batch.len()));
                let (x, y) = (batch.batch.x().rows_range(spread.range()), &batch.y[spread.range()]);
                let x = Part::new(x, spread);
                let objective = Objective { engine: *engine, x: &x, y, gamma: 0.0, route: Route::Gram };
                Ok(objective.gradient(net, gradient)?.loss)
            }
        }
    }

    /// Updates the weights by the gradient of the primed batch, and primes the next. Returns f of the next.
    pub(super) fn advance(
        &mut self,
        rule: Rule<T>,
        batch: &Labelled<T>,
        next: Option<&Labelled<T>>,
    ) -> Result<Option<f64>, TrainError> {
        match self {
            Stepper::Fused { step, primed, residual, outputs, .. } => {
                let q = &mut outputs[..next.map_or(0, Labelled::len)];
                let backward = Backward { batch: &batch.batch, delta: residual, rule };
                let last = primed.take().expect("a batch is primed before it is advanced over");
                *primed = step.step(last, backward, next.map(|next| &next.batch), q)?;
                Ok(next.map(|next| residuals(q, &next.y, residual)))
            }
            Stepper::Separate { engine, net, moments, gradient, .. } => {
                let Moments { first, second } = moments;
                let (w, first, second) = (net.weights.padded_mut(), first.padded_mut(), second.padded_mut());
                pass::update(engine, rule, w, first, second, gradient.padded())?;
                next.map(|next| self.prime(next)).transpose()
            }
        }
    }

    /// Whether the weights and what the method remembers hold numbers, neither infinite nor NaN. All ranks must ask at
    /// the same time.
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Stepper::Fused { step, .. } => step.is_finite(),
            Stepper::Separate { net, moments, .. } => net.weights.is_finite() && moments.is_finite(),
        }
    }

    /// The network with the present weights, and what the method remembers, on every rank.
    pub(super) fn position(&self) -> (Network<T>, Moments<T>) {
        match self {
            Stepper::Fused { step, signs, .. } => {
                let Weights { w, first, second } = step.weights();
                (Network { weights: w, signs: signs.clone() }, Moments { first, second })
            }
            Stepper::Separate { net, moments, .. } => (net.clone(), moments.clone()),
        }
    }
}

/// Leaves (q_j - y_j) / b in `residual` and returns f = 1/(4b) sum_j (q_j - y_j)^2.
fn residuals<T: Element>(q: &[T], y: &[T], residual: &mut Vec<T>) -> f64 {
    let weight = T::from_f64(1.0 / q.len() as f64);
    residual.clear();
    let mut squares = 0.0;
    for (&q, &y) in q.iter().zip(y) {
        let delta = q - y;
        squares += delta.to_f64() * delta.to_f64();
        residual.push(delta * weight);
    }
    squares / (4.0 * q.len() as f64)
}
