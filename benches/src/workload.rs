//! The passes as units of work, with what they cost.

use std::fmt;

use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::{Element, Engine, Mat};

use crate::peak::Traffic;

/// Sizes of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples n (of a batch, or the whole set).
    pub n: usize,
    /// Width d.
    pub d: usize,
    /// Neurons r, or features k.
    pub r: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.n, self.d, self.r)
    }
}

/// A pass that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Backward pass, Adam and the next forward pass of a mini-batch.
    AdamStep,
    /// Loss and gradient of the whole set by the Gram route.
    LossAndGradient,
    /// x_j^T S x_j for the whole set.
    QuadraticForms,
    /// sum_j v_j x_j x_j^T over the whole set.
    WeightedGram,
    /// Random features with p = 2.
    Features,
    /// Loss and gradient of the paper's synthetic set: a problem of microseconds.
    SmallGradient,
    /// Outputs of a mini-batch by the neuron route.
    Forward,
    /// The gradient from M, what is left of the Gram route when all samples are summed up.
    GradientFromMoment,
    /// Adam on weights and a gradient in memory.
    Update,
    /// X s for the whole set.
    TimesVector,
    /// X^T v over the whole set.
    TransposedTimesVector,
}

impl Workload {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::AdamStep,
        Self::LossAndGradient,
        Self::QuadraticForms,
        Self::WeightedGram,
        Self::Features,
        Self::SmallGradient,
        Self::Forward,
        Self::GradientFromMoment,
        Self::Update,
        Self::TimesVector,
        Self::TransposedTimesVector,
    ];

    /// Those that the peers compute, too.
    pub const COMPARED: &[Self] = Self::ALL.split_at(6).0;

    /// Whether backends differ in it: whether there is a matrix product in it.
    pub fn multiplies(self) -> bool {
        !matches!(self, Self::Update | Self::TimesVector | Self::TransposedTimesVector)
    }

    /// The name that results are filed under.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamStep => "adam-step",
            Self::LossAndGradient => "loss-and-gradient",
            Self::QuadraticForms => "quadratic-forms",
            Self::WeightedGram => "weighted-gram",
            Self::Features => "features",
            Self::SmallGradient => "small-gradient",
            Self::Forward => "forward",
            Self::GradientFromMoment => "gradient-from-moment",
            Self::Update => "update",
            Self::TimesVector => "times-vector",
            Self::TransposedTimesVector => "transposed-times-vector",
        }
    }

    /// The paper's shape.
    pub fn shape(self) -> Shape {
        let full = Shape { n: 60_000, d: 784, r: 3000 };
        match self {
            Self::AdamStep | Self::Forward => Shape { n: 128, ..full },
            Self::LossAndGradient
            | Self::QuadraticForms
            | Self::WeightedGram
            | Self::GradientFromMoment
            | Self::Update
            | Self::TimesVector
            | Self::TransposedTimesVector => full,
            Self::Features => Shape { n: 60_000, d: 100, r: 750 },
            Self::SmallGradient => Shape { n: 300, d: 100, r: 300 },
        }
    }

    /// Flops that the pass needs, symmetry used.
    pub fn flops(self, Shape { n, d, r }: Shape) -> f64 {
        let (n, d, r) = (n as f64, d as f64, r as f64);
        match self {
            Self::AdamStep => 4.0 * n * d * r,
            Self::LossAndGradient | Self::SmallGradient => 2.0 * n * d * d + 3.0 * d * d * r,
            Self::QuadraticForms | Self::WeightedGram => n * d * d,
            Self::Features | Self::Forward => 2.0 * n * d * r,
            Self::GradientFromMoment => 2.0 * d * d * r,
            // Two moments, a root, a quotient, the weight: multiply-adds count twice, anything else once.
            Self::Update => 12.0 * d * r,
            Self::TimesVector | Self::TransposedTimesVector => 2.0 * n * d,
        }
    }

    /// Bytes that must be read and written at least once, for elements of `size` bytes.
    pub fn traffic(self, Shape { n, d, r }: Shape, size: usize) -> Traffic {
        let (read, written) = match self {
            // Weights and two moments go in and out.
            Self::AdamStep => (2 * n * d + 3 * d * r, 3 * d * r),
            Self::LossAndGradient | Self::SmallGradient => (n * d + n + 2 * d * r, d * r),
            Self::QuadraticForms => (n * d + d * d, n),
            Self::WeightedGram => (n * d + n, d * d),
            Self::Features => (n * d + d * r, n * r),
            Self::Forward => (n * d + d * r, n),
            Self::GradientFromMoment => (d * d + d * r, d * r),
            Self::Update => (4 * d * r, 3 * d * r),
            Self::TimesVector => (n * d + d, n),
            Self::TransposedTimesVector => (n * d + n, d),
        };
        let bytes = |elements: usize| elements as f64 * size as f64;
        Traffic { read: bytes(read), written: bytes(written) }
    }

    /// The pass on inputs of this shape, ready to be run again and again.
    pub fn prepare<T: Element>(self, engine: Engine, shape: Shape) -> Box<dyn FnMut() + Send> {
        let Shape { n, d, r } = shape;
        const FITS: &str = "the inputs were made for each other";
        match self {
            Self::AdamStep => {
                let (batch, delta) = (batch(&engine, &matrix::<T>(n, d)), vec![T::from_f64(1e-3); n]);
                let mut step = FusedStep::new(engine, &Weights::new(matrix::<T>(r, d)), &signs(r), n).expect(FITS);
                let mut q = vec![T::ZERO; n];
                let mut primed = Some(step.forward(&batch, &mut q).expect(FITS));
                let rule = TIMED_ADAM.rule(10);
                Box::new(move || {
                    let backward = Backward { batch: &batch, delta: &delta, rule };
                    let last = primed.take().expect("each step primes the next");
                    primed = step.step(last, backward, Some(&batch), &mut q).expect(FITS);
                })
            }
            Self::Forward => {
                let batch = batch(&engine, &matrix::<T>(n, d));
                let mut step = FusedStep::new(engine, &Weights::new(matrix::<T>(r, d)), &signs(r), n).expect(FITS);
                let mut q = vec![T::ZERO; n];
                Box::new(move || {
                    step.forward(&batch, &mut q).expect(FITS);
                })
            }
            Self::LossAndGradient | Self::SmallGradient => {
                let (x, w, a, y) = (matrix::<T>(n, d), matrix::<T>(r, d), signs::<T>(r), vec![T::ONE; n]);
                let mut gradient = Mat::zeros(r, d);
                Box::new(move || {
                    let s = pass::network_forms(&engine, w.as_ref(), &a).expect(FITS);
                    let m = pass::loss_and_moment(&engine, &x, &y, &s).expect(FITS).moment;
                    pass::gradient_of_moment(&engine, w.as_ref(), &a, &m, T::ZERO, gradient.as_mut()).expect(FITS);
                })
            }
            Self::QuadraticForms => {
                let (x, s) = (matrix::<T>(n, d), engine.pack_symmetric(symmetric::<T>(d).as_ref()).expect(FITS));
                let mut q = vec![T::ZERO; n];
                Box::new(move || pass::quadratic_forms(&engine, &x, &s, &mut q).expect(FITS))
            }
            Self::WeightedGram => {
                let (x, v) = (matrix::<T>(n, d), sample_weights::<T>(n));
                Box::new(move || drop(pass::weighted_gram(&engine, &x, &v).expect(FITS)))
            }
            Self::Features => {
                let (x, weights) = (matrix::<T>(n, d), engine.pack_rows(matrix::<T>(r, d).as_ref()));
                let mut z = Mat::zeros(n, r);
                Box::new(move || pass::features(&engine, x.as_ref(), &weights, 2, z.as_mut()).expect(FITS))
            }
            Self::GradientFromMoment => {
                let (w, a, m) = (matrix::<T>(r, d), signs::<T>(r), symmetric::<T>(d));
                let mut gradient = Mat::zeros(r, d);
                Box::new(move || {
                    pass::gradient_from_moment(&engine, w.as_ref(), &a, m.as_ref(), T::ZERO, gradient.as_mut())
                        .expect(FITS);
                })
            }
            Self::Update => {
                let [mut w, g] = [matrix::<T>(r, d), matrix::<T>(r, d)];
                let [mut first, mut second] = [Mat::zeros(r, d), Mat::zeros(r, d)];
                let rule = TIMED_ADAM.rule(10);
                Box::new(move || {
                    let (w, first, second) = (w.padded_mut(), first.padded_mut(), second.padded_mut());
                    pass::update(&engine, rule, w, first, second, g.padded()).expect(FITS);
                })
            }
            Self::TimesVector => {
                let (x, s, mut q) = (matrix::<T>(n, d), sample_weights::<T>(d), vec![T::ZERO; n]);
                Box::new(move || pass::times_vector(&engine, &x, &s, &mut q).expect(FITS))
            }
            Self::TransposedTimesVector => {
                let (x, v) = (matrix::<T>(n, d), sample_weights::<T>(n));
                Box::new(move || drop(pass::transposed_times_vector(&engine, &x, &v).expect(FITS)))
            }
        }
    }
}

/// Constants of Adam, in the notation of Kingma and Ba (2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConstants {
    /// Learning rate.
    pub lr: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// What keeps the quotient finite.
    pub eps: f64,
}

impl AdamConstants {
    /// The update of step `t`, counted from 1.
    pub(crate) fn rule<T: Element>(self, t: u64) -> Rule<T> {
        Rule::Adam(AdamStep::new(t, self.lr, self.beta1, self.beta2, self.eps, 0.0))
    }
}

/// Constants of the Adam step that is timed: the defaults of Kingma and Ba.
pub const TIMED_ADAM: AdamConstants = AdamConstants { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/// A matrix of small values without structure that a kernel could profit from. X is `matrix(n, d)`, W^T is
/// `matrix(r, d)`; the Python peers make the same ones.
pub fn matrix<T: Element>(rows: usize, cols: usize) -> Mat<T> {
    Mat::from_fn(rows, cols, |i, j| T::from_f64(((i * 7919 + j * 104_729) % 10_007) as f64 / 100_070.0 - 0.05))
}

/// A symmetric one: S.
pub fn symmetric<T: Element>(d: usize) -> Mat<T> {
    let m = matrix::<T>(d, d);
    Mat::from_fn(d, d, |i, j| m.row(i.min(j))[i.max(j)])
}

/// Weights of n samples.
pub fn sample_weights<T: Element>(n: usize) -> Vec<T> {
    matrix(n, 1).iter().copied().collect()
}

/// The signs a of r neurons: +1 for the first half, -1 for the rest.
pub fn signs<T: Element>(r: usize) -> Vec<T> {
    (0..r).map(|i| if i < r / 2 { T::ONE } else { -T::ONE }).collect()
}

/// All rows of a matrix as a batch.
pub(crate) fn batch<T: Element>(engine: &Engine, x: &Mat<T>) -> Batch<T> {
    let mut batch = Batch::new(engine, x.rows(), x.cols());
    batch
        .fill(x.rows(), |mut out| (0..x.rows()).for_each(|j| out.row_mut(j).copy_from_slice(x.row(j))))
        .expect("it has as many rows");
    batch
}
