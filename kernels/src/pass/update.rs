//! Uses of a gradient: a sum, a descent step, or Adam's. Written once on registers; the fused step
//! applies it to a tile of G that never reaches memory, [`update`] to a gradient that did.

use pulp::Simd;

use super::batch::Batch;
use crate::arch::{Kernel, compiled};
use crate::block::UPDATE_CHUNK;
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{load_lanes, store_lanes};
use crate::error::{KernelError, check_shape};
use crate::mat::Mat;
use crate::parallel::{Par, for_each};

/// An update of parameters w from their gradient g, elementwise.
///
/// ```
/// use memorize_kernels::Engine;
/// use memorize_kernels::pass::{Rule, update};
///
/// let (mut w, mut first, mut second) = ([1.0f64, 2.0], [0.0; 2], [0.0; 2]);
/// let rule = Rule::Descend { rate: 0.25, gamma: 1.0 };
/// update(&Engine::best(), rule, &mut w, &mut first, &mut second, &[3.0, -2.0])?;
/// // 1 - (3 + 1) / 4 and 2 - (-2 + 2) / 4.
/// assert_eq!(w, [0.0, 2.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule<T> {
    /// first += g; w is left alone.
    Accumulate,
    /// w -= rate * (g + gamma w).
    Descend {
        /// Learning rate.
        rate: T,
        /// Regulariser.
        gamma: T,
    },
    /// Adam.
    Adam(AdamStep<T>),
}

/// Which matrices as large as the weights a rule keeps from step to step.
///
/// ```
/// use memorize_kernels::pass::{AdamStep, Memory, Rule};
///
/// assert_eq!(Rule::Descend { rate: 0.1f32, gamma: 0.0 }.memory(), Memory::Nothing);
/// assert_eq!(Rule::<f32>::Accumulate.memory(), Memory::First);
/// assert_eq!(Rule::Adam(AdamStep::<f32>::new(1, 0.1, 0.9, 0.999, 1e-8, 0.0)).memory(), Memory::Both);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Memory {
    /// None: a gradient is used where it comes into being.
    Nothing,
    /// The first.
    First,
    /// The first and the second.
    Both,
}

impl<T> Rule<T> {
    /// What the rule keeps.
    pub fn memory(&self) -> Memory {
        match self {
            Rule::Descend { .. } => Memory::Nothing,
            Rule::Accumulate => Memory::First,
            Rule::Adam(_) => Memory::Both,
        }
    }
}

impl Memory {
    /// Rows of the first and of the second matrix for r neurons: none where it is not kept.
    pub(crate) fn rows(self, r: usize) -> [usize; 2] {
        [Memory::First, Memory::Both].map(|least| if self >= least { r } else { 0 })
    }
}

/// The constants of one Adam step (Kingma and Ba, 2015, Algorithm 1), bias corrections folded in.
///
/// The moments are kept as m / (1 - beta1) and v / (1 - beta2), so that their updates are one and two fused
/// multiply-adds: `first = beta1 first + g`, `second = beta2 second + g^2`, and
/// w -= rate * first / (sqrt(second) + epsilon) with
/// rate = lr (1 - beta1) / (1 - beta1^t) * sqrt((1 - beta2^t) / (1 - beta2)) and
/// epsilon = eps * sqrt((1 - beta2^t) / (1 - beta2)). Moments that would be subnormal are zero.
///
/// ```
/// use memorize_kernels::Engine;
/// use memorize_kernels::pass::{AdamStep, Rule, update};
///
/// // Whatever the size of the gradient, the first step is lr long, less the share that eps has beside |g|.
/// let (mut w, mut first, mut second) = ([1.0f64, 1.0], [0.0; 2], [0.0; 2]);
/// let rule = Rule::Adam(AdamStep::new(1, 0.1, 0.9, 0.999, 1e-8, 0.0));
/// update(&Engine::best(), rule, &mut w, &mut first, &mut second, &[0.5, -40.0])?;
/// assert!((w[0] - 0.9).abs() < 1e-7 && (w[1] - 1.1).abs() < 1e-7);
/// // The moments in the form in which they are kept: g and g^2.
/// assert_eq!((first, second), ([0.5, -40.0], [0.25, 1600.0]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep<T> {
    beta1: T,
    beta2: T,
    rate: T,
    epsilon: T,
    gamma: T,
}

impl<T: Element> AdamStep<T> {
    /// The constants of step `t` (counted from 1) with learning rate `lr`, decay rates `beta1` and `beta2`, `eps` > 0
    /// and regulariser `gamma`.
    pub fn new(t: u64, lr: f64, beta1: f64, beta2: f64, eps: f64, gamma: f64) -> Self {
        // Not the platform's own power, whose last bits differ.
        let correction = |beta: f64| 1.0 - libm::pow(beta, t as f64);
        let root = (correction(beta2) / (1.0 - beta2)).sqrt();
        Self {
            beta1: T::from_f64(beta1),
            beta2: T::from_f64(beta2),
            rate: T::from_f64(lr * (1.0 - beta1) / correction(beta1) * root),
            epsilon: T::from_f64(eps * root),
            gamma: T::from_f64(gamma),
        }
    }
}

/// A batch whose forward pass has been done: its samples and delta_j times the batch's weight (1/b for a mean).
///
/// ```
/// use memorize_kernels::pass::{Backward, Batch, FusedStep, Rule, Weights};
/// use memorize_kernels::{Engine, Mat};
///
/// let engine = Engine::best();
/// let mut network = FusedStep::new(engine, &Weights::new(Mat::from_slice(1, 1, &[3.0f64])), &[1.0], 2)?;
/// let mut batch = Batch::new(&engine, 2, 1);
/// batch.fill(2, |mut x| {
///     x.row_mut(0)[0] = 1.0;
///     x.row_mut(1)[0] = 2.0;
/// })?;
/// let mut q = [0.0; 2];
/// let primed = network.forward(&batch, &mut q)?;
/// // Targets 8 and 37: residuals 1 and -1, halved for the mean over two samples.
/// let delta = [(q[0] - 8.0) / 2.0, (q[1] - 37.0) / 2.0];
/// // The gradient alone: sum_j delta_j (w x_j) x_j = 3 / 2 - 12 / 2.
/// network.step(primed, Backward { batch: &batch, delta: &delta, rule: Rule::Accumulate }, None, &mut [])?;
/// assert_eq!(network.weights().first.row(0), [-4.5]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T: Element> {
    /// The samples, b x d.
    pub batch: &'a Batch<T>,
    /// The weighted residuals, b.
    pub delta: &'a [T],
    /// Use of the gradient.
    pub rule: Rule<T>,
}

/// Parameters with the rule's memory, a neuron a row: r x d each, or 0 x d where the rule keeps nothing.
///
/// ```
/// use memorize_kernels::pass::{FusedStep, Weights};
/// use memorize_kernels::{Engine, Mat};
///
/// // What is laid out comes back as it was: a run goes on where another one stopped.
/// let (w, first) = (Mat::from_slice(2, 1, &[1.0f32, 2.0]), Mat::from_slice(2, 1, &[0.25, 0.5]));
/// let stopped = Weights { first, ..Weights::new(w) };
/// let weights = FusedStep::new(Engine::best(), &stopped, &[1.0, -1.0], 8)?.weights();
/// assert_eq!((weights.w.row(1), weights.first.row(1), weights.second.row(1)), (&[2.0][..], &[0.5][..], &[0.0][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weights<T: Element> {
    /// W^T.
    pub w: Mat<T>,
    /// Sum of gradients, or Adam's m / (1 - beta1).
    pub first: Mat<T>,
    /// Adam's v / (1 - beta2).
    pub second: Mat<T>,
}

impl<T: Element> Weights<T> {
    /// Weights without a past, for any rule: `first` and `second` are zero.
    pub fn new(w: Mat<T>) -> Self {
        Self::keeping(Memory::Both, w)
    }

    /// The same for rules that keep no more than `memory`: what they do not keep takes no room.
    pub fn keeping(memory: Memory, w: Mat<T>) -> Self {
        let [first, second] = memory.rows(w.rows()).map(|rows| Mat::zeros(rows, w.cols()));
        Self { w, first, second }
    }
}

/// Parameters and what the rule remembers of their past gradients, in registers.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<V> {
    pub(crate) w: V,
    pub(crate) first: V,
    pub(crate) second: V,
}

/// What of the parameters a rule reads and writes.
pub(crate) struct Uses {
    pub(crate) w: bool,
    pub(crate) first: bool,
    pub(crate) second: bool,
}

/// A rule as a type, so that what it has no use for is not moved: descent a third of what Adam moves.
pub(crate) trait Update<T: Element>: Copy {
    const USES: Uses;

    /// Applies the rule to a register of parameters. What it does not use is anything, and stays so.
    fn apply<S: Simd>(self, simd: S, old: Parameters<T::Vector<S>>, g: T::Vector<S>) -> Parameters<T::Vector<S>>;
}

/// [`Rule::Accumulate`].
#[derive(Clone, Copy)]
pub(crate) struct Accumulate;

/// [`Rule::Descend`].
#[derive(Clone, Copy)]
pub(crate) struct Descend<T> {
    pub(crate) rate: T,
    pub(crate) gamma: T,
}

impl<T: Element> Update<T> for Accumulate {
    const USES: Uses = Uses { w: false, first: true, second: false };

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, old: Parameters<T::Vector<S>>, g: T::Vector<S>) -> Parameters<T::Vector<S>> {
        Parameters { first: T::vadd(simd, old.first, g), ..old }
    }
}

impl<T: Element> Update<T> for Descend<T> {
    const USES: Uses = Uses { w: true, first: false, second: false };

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, old: Parameters<T::Vector<S>>, g: T::Vector<S>) -> Parameters<T::Vector<S>> {
        let g = T::vfma(simd, T::splat(simd, self.gamma), old.w, g);
        Parameters { w: T::vfma(simd, T::splat(simd, -self.rate), g, old.w), ..old }
    }
}

impl<T: Element> Update<T> for AdamStep<T> {
    const USES: Uses = Uses { w: true, first: true, second: true };

    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        Parameters { w, first, second }: Parameters<T::Vector<S>>,
        g: T::Vector<S>,
    ) -> Parameters<T::Vector<S>> {
        let g = T::vfma(simd, T::splat(simd, self.gamma), w, g);
        // Moments of coordinates without a gradient would end in the smallest numbers, which rounding keeps where they
        // are: a register with one of them among its lanes takes some processors dozens of cycles more, for ever.
        let first = T::vflush(simd, T::vfma(simd, T::splat(simd, self.beta1), first, g));
        let second = T::vfma(simd, g, g, T::vmul(simd, T::splat(simd, self.beta2), second));
        let second = T::vflush(simd, second);
        let scale = T::vadd(simd, T::vsqrt(simd, second), T::splat(simd, self.epsilon));
        let w = T::vfma(simd, T::splat(simd, -self.rate), T::vdiv(simd, first, scale), w);
        Parameters { w, first, second }
    }
}

/// Up to a register of each array, as far as the rule uses them: read, changed and written.
#[inline(always)]
pub(crate) fn update_lanes<S: Simd, T: Element, U: Update<T>>(
    simd: S,
    rule: U,
    w: &mut [T],
    first: &mut [T],
    second: &mut [T],
    g: T::Vector<S>,
) {
    let nothing = T::splat(simd, T::ZERO);
    let old = Parameters {
        w: if U::USES.w { load_lanes(simd, w) } else { nothing },
        first: if U::USES.first { load_lanes(simd, first) } else { nothing },
        second: if U::USES.second { load_lanes(simd, second) } else { nothing },
    };
    let new = rule.apply(simd, old, g);
    if U::USES.w {
        store_lanes(simd, w, new.w);
    }
    if U::USES.first {
        store_lanes(simd, first, new.first);
    }
    if U::USES.second {
        store_lanes(simd, second, new.second);
    }
}

/// Applies `rule` to parameters `w` with gradient `g`. `first` and `second` are what the rule remembers; all four have
/// the same length, but for those that the rule does not keep, which may be empty.
///
/// # Errors
/// [`KernelError::Shape`] if the lengths differ.
///
/// ```
/// use memorize_kernels::Engine;
/// use memorize_kernels::pass::{Rule, update};
///
/// // The gradients of two batches, summed up.
/// let (mut w, mut first, mut second) = ([7.0f32], [0.0], [0.0]);
/// for g in [1.5, 2.0] {
///     update(&Engine::best(), Rule::Accumulate, &mut w, &mut first, &mut second, &[g])?;
/// }
/// assert_eq!((w, first, second), ([7.0], [3.5], [0.0]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn update<T: Element>(
    engine: &Engine,
    rule: Rule<T>,
    w: &mut [T],
    first: &mut [T],
    second: &mut [T],
    g: &[T],
) -> Result<(), KernelError> {
    let n = w.len();
    check_shape("length of the gradient", n, g.len())?;
    let [kept_first, kept_second] = rule.memory().rows(n);
    if !(first.is_empty() && kept_first == 0) {
        check_shape("length of the rule's first memory", n, first.len())?;
    }
    if !(second.is_empty() && kept_second == 0) {
        check_shape("length of the rule's second memory", n, second.len())?;
    }
    let par = engine.par.for_work(20.0 * n as f64);
    let chunk = if par == Par::Seq { n.max(1) } else { UPDATE_CHUNK };
    let (mut first, mut second) = (first.chunks_mut(chunk), second.chunks_mut(chunk));
    let chunks = w.chunks_mut(chunk).zip(g.chunks(chunk));
    let mut chunks: Vec<_> = chunks
        .map(|(w, g)| {
            let (first, second) = (first.next().unwrap_or_default(), second.next().unwrap_or_default());
            UpdateChunk { rule, w, first, second, g }
        })
        .collect();
    for_each(par, &mut chunks, &|_, chunk| chunk.reborrow().run_on(engine.isa));
    Ok(())
}

struct UpdateChunk<'a, T> {
    rule: Rule<T>,
    w: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    g: &'a [T],
}

compiled!(UpdateChunk);

impl<T: Element> UpdateChunk<'_, T> {
    fn reborrow(&mut self) -> UpdateChunk<'_, T> {
        UpdateChunk { rule: self.rule, w: self.w, first: self.first, second: self.second, g: self.g }
    }
}

impl<T: Element> Kernel for UpdateChunk<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        match self.rule {
            Rule::Accumulate => self.apply(simd, Accumulate),
            Rule::Descend { rate, gamma } => self.apply(simd, Descend { rate, gamma }),
            Rule::Adam(step) => self.apply(simd, step),
        }
    }
}

impl<T: Element> UpdateChunk<'_, T> {
    #[inline(always)]
    fn apply<S: Simd, U: Update<T>>(self, simd: S, rule: U) {
        let lanes = lanes::<S, T>();
        let Self { w, first, second, g, .. } = self;
        for at in (0..g.len()).step_by(lanes) {
            let end = g.len().min(at + lanes);
            let gradient = load_lanes(simd, &g[at..end]);
            // What a rule does not use may be empty.
            let w = if U::USES.w { &mut w[at..end] } else { &mut [] };
            let first = if U::USES.first { &mut first[at..end] } else { &mut [] };
            let second = if U::USES.second { &mut second[at..end] } else { &mut [] };
            update_lanes(simd, rule, w, first, second, gradient);
        }
    }
}
