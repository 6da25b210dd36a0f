//! The neuron route's fused step: backward and update of one batch, forward of the next, while a group of neurons is in
//! cache. The gradient matrix never reaches memory.
//!
//! ```text
//! for each group of neurons, independently:
//!     G    = X^T diag(delta) U A        tile by tile, consumed by the rule in registers
//!     W    = rule(W, memory, G)
//!     U    = X' W                       the next batch, on the weights just updated
//!     q_g  = rowsum(a * U^2)            kept per group
//! q = sum of q_g in the order of the groups
//! ```
//!
//! A thread has whole groups, or parts that no sum goes across, so that the bits do not depend on the number of
//! threads. A rank has whole groups, if there are several: they tell each other the outputs of their groups, and never
//! a weight or a gradient.

use std::ops::Range;
use std::sync::Arc;

use super::batch::{Batch, unique};
use super::gemm_group::GemmGroup;
use super::panel_group::PanelGroup;
use super::start::{Share, Start};
use super::update::{Backward, Memory, Weights};
use crate::backend::Backend;
use crate::block::{FLOPS_PER_MOVE, GEMM_NEURONS, GROUP_PIECES_MAX, NEARLY, TILES_PER_PIECE};
use crate::element::Element;
use crate::engine::Engine;
use crate::engine::pack::panel_layout;
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut};
use crate::parallel::{Par, all, for_each, for_each_at_home};
use crate::team::{Team, gather};

/// The weights of a network in the layout that mini-batch steps keep for a whole run, with the memory of the rule.
///
/// ```
/// use memorize_kernels::pass::{Backward, Batch, FusedStep, Rule, Weights};
/// use memorize_kernels::{Engine, Mat};
///
/// let engine = Engine::best();
/// // Neurons (1, 0) and (0, 1) with signs + and -: q = x_1^2 - x_2^2.
/// let weights = Weights::new(Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 1.0]));
/// let mut network = FusedStep::new(engine, &weights, &[1.0, -1.0], 1)?;
/// let mut batch = Batch::new(&engine, 1, 2);
/// batch.fill(1, |mut x| x.row_mut(0).copy_from_slice(&[1.0, 2.0]))?;
/// let mut q = [0.0];
/// let primed = network.forward(&batch, &mut q)?;
/// assert_eq!(q, [1.0 - 4.0]);
///
/// // With the target -2, delta = -1 and the gradient is delta a_i u_i x: -(1, 2) and 2 (1, 2).
/// let rule = Rule::Descend { rate: 0.5, gamma: 0.0 };
/// let backward = Backward { batch: &batch, delta: &[q[0] + 2.0], rule };
/// network.step(primed, backward, Some(&batch), &mut q)?;
/// let w = network.weights().w;
/// assert_eq!((w.row(0), w.row(1)), (&[1.5, 1.0][..], &[-1.0, -1.0][..]));
/// // The outputs of the next batch, here the same one, on the new weights.
/// assert_eq!(q, [3.5 * 3.5 - 3.0 * 3.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Debug)]
pub struct FusedStep<T: Element> {
    engine: Engine,
    d: usize,
    r: usize,
    capacity: usize,
    memory: Memory,
    groups: Groups<T>,
    /// The ranks among which the groups are divided, if there are several.
    team: Option<Arc<dyn Team>>,
    /// The last forward pass, while no step has followed it.
    forwarded: Option<u64>,
}

/// What a forward pass leaves behind: leave for one step on its batch. A second step by the same one does not compile:
///
/// ```compile_fail,E0382
/// use memorize_kernels::pass::{Backward, Batch, FusedStep, Rule, Weights};
/// use memorize_kernels::{Engine, KernelError, Mat};
///
/// fn twice(network: &mut FusedStep<f32>, batch: &Batch<f32>) -> Result<(), KernelError> {
///     let mut q = [0.0];
///     let primed = network.forward(batch, &mut q)?;
///     for _ in 0..2 {
///         network.step(primed, Backward { batch, delta: &q, rule: Rule::Accumulate }, None, &mut [])?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Primed {
    /// The pass, and the samples that it was over.
    pass: u64,
    contents: u64,
}

#[derive(Debug)]
enum Groups<T: Element> {
    Panels(Vec<PanelGroup<T>>),
    Gemm(Vec<GemmGroup<T>>),
}

impl<T: Element> FusedStep<T> {
    /// Lays out `weights` (r x d, a neuron a row) with signs `a` for batches of at most `capacity` samples. Steps are
    /// by rules that keep no more than there is memory beside the weights.
    ///
    /// # Errors
    /// [`KernelError::Shape`] if `a` does not have r elements or the memory is not of the weights' shape, nor empty.
    pub fn new(engine: Engine, weights: &Weights<T>, a: &[T], capacity: usize) -> Result<Self, KernelError> {
        Self::over(None, engine, weights, a, capacity)
    }

    /// The same with the neurons divided among the ranks of a team: each makes the same steps on the same batches as
    /// all the others, and gets the same bits as one rank alone does.
    ///
    /// # Errors
    /// As [`FusedStep::new`].
    pub fn over(
        team: Option<Arc<dyn Team>>,
        engine: Engine,
        weights: &Weights<T>,
        a: &[T],
        capacity: usize,
    ) -> Result<Self, KernelError> {
        Self::from_start(team, engine, Start::of(weights)?, a, capacity)
    }

    /// The same of what may be without a past, or for forward passes alone.
    pub(crate) fn from_start(
        team: Option<Arc<dyn Team>>,
        engine: Engine,
        start: Start<'_, T>,
        a: &[T],
        capacity: usize,
    ) -> Result<Self, KernelError> {
        let (r, d) = (start.w.rows(), start.w.cols());
        check_shape("number of signs", r, a.len())?;
        let memory = start.memory();
        let share = team.as_ref().map_or(Share::WHOLE, |team| Share { rank: team.rank(), ranks: team.ranks() });
        let groups = match engine.backend {
            Backend::Native => Groups::Panels(PanelGroup::all(&engine, start, a, capacity, share)),
            _ => Groups::Gemm(GemmGroup::all(start, a, capacity, share)),
        };
        Ok(Self { engine, d, r, capacity, memory, groups, team, forwarded: None })
    }

    /// q_j = sum_i a_i (w_i . x_j)^2 for a batch (b x d); 2 b d r flops. Its result is what [`Self::step`] on this
    /// batch asks for.
    ///
    /// # Errors
    /// [`KernelError::Shape`] if the batch is not at most `capacity` x d or `q` does not have b elements.
    pub fn forward(&mut self, batch: &Batch<T>, q: &mut [T]) -> Result<Primed, KernelError> {
        self.run(None, Some(batch), q)?;
        Ok(self.prime(batch))
    }

    fn prime(&mut self, batch: &Batch<T>) -> Primed {
        let primed = Primed { pass: unique(), contents: batch.contents() };
        self.forwarded = Some(primed.pass);
        primed
    }

    /// Backward pass and update for the batch that was forwarded last, which `primed` comes from, then the forward pass
    /// of the `next` one, whose outputs go to `q`. 4 b d r flops.
    ///
    /// # Errors
    /// [`KernelError::Shape`] if the shapes do not go together, [`KernelError::OtherEngine`] for a batch of another
    /// engine, [`KernelError::OtherForward`] if `primed` is not of these weights' last forward pass, or of other
    /// samples than the batch has.
    pub fn step(
        &mut self,
        primed: Primed,
        backward: Backward<'_, T>,
        next: Option<&Batch<T>>,
        q: &mut [T],
    ) -> Result<Option<Primed>, KernelError> {
        if self.forwarded != Some(primed.pass) {
            return Err(KernelError::OtherForward { advice: "go on with what the last one has returned" });
        }
        if backward.batch.contents() != primed.contents {
            return Err(KernelError::OtherForward { advice: "step on the batch that it was over, as it was then" });
        }
        check_shape("number of residuals", backward.batch.rows(), backward.delta.len())?;
        let (kept, needed) = (self.memory.rows(self.r), backward.rule.memory().rows(self.r));
        for (kept, needed) in kept.into_iter().zip(needed) {
            check_shape("neurons in the rule's memory", needed, kept.min(needed))?;
        }
        self.run(Some(backward), next, q)?;
        self.forwarded = None;
        Ok(next.map(|next| self.prime(next)))
    }

    fn run(
        &mut self,
        backward: Option<Backward<'_, T>>,
        forward: Option<&Batch<T>>,
        q: &mut [T],
    ) -> Result<(), KernelError> {
        for batch in forward.into_iter().chain(backward.map(|primed| primed.batch)) {
            batch.check_made_for(&self.engine)?;
        }
        let rows = forward.map_or(0, Batch::rows);
        check_shape("width of the batch", self.d, forward.map_or(self.d, Batch::cols))?;
        check_shape("number of outputs", rows, q.len())?;
        let largest = rows.max(backward.map_or(0, |primed| primed.batch.rows()));
        check_shape("samples in a batch", largest.min(self.capacity), largest)?;
        let halves = f64::from(u8::from(backward.is_some()) + u8::from(forward.is_some()));
        let par = self.engine.par.for_work(halves * 2.0 * (largest * self.d) as f64 * self.neurons().len() as f64);
        match &mut self.groups {
            Groups::Panels(groups) => {
                let isa = self.engine.isa;
                let pieces = pieces(par.workers(), groups.len(), largest.min(self.d) / isa.tile().1);
                for_each_at_home(par, groups, &|_, group| group.run(isa, par, pieces, backward, forward));
            }
            Groups::Gemm(groups) => {
                for_each_at_home(par, groups, &|_, group| group.run(&self.engine, backward, forward));
            }
        }
        if !q.is_empty() {
            self.add_outputs(q);
        }
        Ok(())
    }

    /// Whether the weights and the rule's memory, of all neurons on every rank, hold numbers, neither infinite nor NaN.
    /// The outputs do not tell: Adam's step is zero where the square of a gradient has overflowed. Every rank must ask
    /// at the same time.
    pub fn is_finite(&self) -> bool {
        let own = match &self.groups {
            Groups::Panels(groups) => all(self.engine.par, groups, &PanelGroup::is_finite),
            Groups::Gemm(groups) => all(self.engine.par, groups, &GemmGroup::is_finite),
        };
        match &self.team {
            None => own,
            Some(team) => gather(&**team, &[u8::from(own)]).into_iter().all(|own| own > 0),
        }
    }

    /// The outputs: the sums over all groups, of every rank, in their order, in f64. Where neurons of both signs cancel
    /// each other, T's own rounding of a sum as large as they are would be all that is left.
    fn add_outputs(&self, q: &mut [T]) {
        let own: Vec<&[T]> = match &self.groups {
            Groups::Panels(groups) => groups.iter().map(PanelGroup::outputs).collect(),
            Groups::Gemm(groups) => groups.iter().map(GemmGroup::outputs).collect(),
        };
        let mut sums = vec![0.0; q.len()];
        let mut add = |part: &[T]| sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part.to_f64());
        match &self.team {
            None => own.into_iter().for_each(add),
            Some(team) => gather(&**team, &own.concat()).chunks(q.len()).for_each(&mut add),
        }
        q.iter_mut().zip(sums).for_each(|(q, sum)| *q = T::from_f64(sum));
    }

    /// The neurons of this rank.
    fn neurons(&self) -> Range<usize> {
        let of = |first: Option<Range<usize>>, last: Option<Range<usize>>| {
            first.map_or(0, |first| first.start)..last.map_or(0, |last| last.end)
        };
        match &self.groups {
            Groups::Panels(groups) => {
                of(groups.first().map(PanelGroup::neurons), groups.last().map(PanelGroup::neurons))
            }
            Groups::Gemm(groups) => of(groups.first().map(GemmGroup::neurons), groups.last().map(GemmGroup::neurons)),
        }
    }

    /// Moves the sum of the gradients that [`Rule::Accumulate`] has added up into `sum`, r x d; the next ones are added
    /// to zero. One rank alone, which has all neurons.
    pub(crate) fn take_sum(&mut self, sum: &mut Mat<T>) {
        let par = self.engine.par.for_work(FLOPS_PER_MOVE * (self.r * self.d) as f64);
        match &mut self.groups {
            Groups::Panels(groups) => take_each(par, groups, PanelGroup::neurons, sum, PanelGroup::take_sum),
            Groups::Gemm(groups) => take_each(par, groups, GemmGroup::neurons, sum, GemmGroup::take_sum),
        }
    }

    /// The weights and the rule's memory, a neuron a row; of all neurons, on every rank.
    pub fn weights(&self) -> Weights<T> {
        let mut weights = Weights::keeping(self.memory, Mat::zeros(self.r, self.d));
        match &self.groups {
            Groups::Panels(groups) => groups.iter().for_each(|group| group.unpack(&mut weights)),
            Groups::Gemm(groups) => groups.iter().for_each(|group| group.unpack(&mut weights)),
        }
        if let Some(team) = &self.team {
            let Weights { w, first, second } = &mut weights;
            for mat in [w, first, second].into_iter().filter(|mat| mat.rows() > 0) {
                let own: Vec<T> = self.neurons().flat_map(|i| mat.row(i)).copied().collect();
                *mat = Mat::from_slice(self.r, self.d, &gather(&**team, &own));
            }
        }
        weights
    }
}

/// Groups that r neurons are divided into.
pub(crate) fn groups<T: Element>(engine: &Engine, r: usize) -> usize {
    match engine.backend {
        Backend::Native => panel_layout::<T>(engine.isa, r, 0, false).len(),
        _ => r.div_ceil(GEMM_NEURONS),
    }
}

/// Has every group of neurons put its gradient into its rows of `sum`.
fn take_each<T: Element, G: Send>(
    par: Par,
    groups: &mut [G],
    neurons: impl Fn(&G) -> Range<usize>,
    sum: &mut Mat<T>,
    take: impl Fn(&mut G, MatMut<'_, T>) + Sync,
) {
    let mut rest = sum.as_mut();
    let mut parts = Vec::with_capacity(groups.len());
    for group in groups {
        let (own, others) = rest.split_rows(neurons(group).len());
        rest = others;
        parts.push((group, own));
    }
    for_each(par, &mut parts, &|_, (group, own)| take(group, own.reborrow()));
}

/// Pieces that each of the groups is cut into, so that all workers have about as much to do: as few as will do, and
/// none of less than [`TILES_PER_PIECE`] of the `tiles` that there are.
fn pieces(workers: usize, groups: usize, tiles: usize) -> usize {
    let most = (tiles / TILES_PER_PIECE).clamp(1, GROUP_PIECES_MAX);
    // Groups' worth of work that the busiest worker has.
    let busiest = |pieces: usize| (groups * pieces).div_ceil(workers) as f64 / pieces as f64;
    let best = (1..=most).map(busiest).fold(f64::INFINITY, f64::min);
    (1..=most).find(|&pieces| busiest(pieces) <= NEARLY * best).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_cut_only_where_it_keeps_more_workers_busy() {
        // The paper's net has 63 panels of 48 neurons, its batches 16 tiles of 8 samples.
        for (workers, expected) in [(1, 1), (2, 1), (21, 1), (63, 1), (64, 1), (42, 2), (96, 3), (128, 2)] {
            assert_eq!(pieces(workers, 63, 16), expected, "{workers} workers");
        }
        // A panel of its own for nobody, but nothing to share.
        assert_eq!(pieces(8, 1, 1), 1);
        assert_eq!(pieces(2, 1, 16), 2);
    }

    #[test]
    fn what_is_not_finite_is_found_wherever_it_is() {
        let (r, d) = (67, 5);
        let clean = Weights::new(Mat::from_fn(r, d, |i, a| (i + a) as f32));
        let signs: Vec<f32> = (0..r).map(|i| if i < 33 { 1.0 } else { -1.0 }).collect();
        for &backend in Backend::ALL {
            for par in [Par::Seq, Par::POOL] {
                let engine = Engine { backend, par, ..Engine::best() };
                let is_finite =
                    |weights: &Weights<f32>| FusedStep::new(engine, weights, &signs, 4).unwrap().is_finite();
                assert!(is_finite(&clean));
                for (at, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                    let mut weights = clean.clone();
                    let mat = [&mut weights.w, &mut weights.first, &mut weights.second].into_iter().nth(at).unwrap();
                    mat.row_mut(r - 1 - at)[d - 1] = value;
                    assert!(!is_finite(&weights), "{backend:?} {par:?} {value}");
                }
            }
        }
    }
}
