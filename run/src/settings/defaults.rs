//! Default values of settings, and the advice where there is none.

/// Samples of the synthetic data set; the paper's number.
pub const DEFAULT_SAMPLES: usize = 300;
/// Width of a synthetic sample; the paper's number.
pub const DEFAULT_DIM: usize = 100;
/// Power of the random features; the paper's number.
pub const DEFAULT_FEATURES_P: u32 = 2;
/// Standard deviation of the random features' weights; the paper's number.
pub const DEFAULT_FEATURES_SIGMA: f64 = 0.15;
/// Adam's step size; the paper's number.
pub const DEFAULT_ADAM_LEARNING_RATE: f64 = 0.003;
/// Step size of plain and perturbed gradient descent.
pub const DEFAULT_LEARNING_RATE: f64 = 0.1;
/// Samples in a mini-batch; the paper's number.
pub const DEFAULT_BATCH: usize = 128;
/// Factor of a step-size decay; the paper's number.
pub const DEFAULT_DECAY_FACTOR: f64 = 0.3;
/// Adam's first decay.
pub const DEFAULT_BETA1: f64 = 0.9;
/// Adam's second decay.
pub const DEFAULT_BETA2: f64 = 0.999;
/// Adam's addend to the denominator.
pub const DEFAULT_EPSILON: f64 = 1e-8;
/// Iterations between two records of the loss; the paper's number.
pub const DEFAULT_RECORD_EVERY: u64 = 5;

/// Minutes between two checkpoints.
pub const DEFAULT_CHECKPOINT_MINUTES: f64 = 10.0;

/// Products after which the linear solver gives up.
pub const DEFAULT_SOLVE_ITERATIONS: u64 = 1000;
/// Loss at which the linear solver has memorised; what the paper's figures show.
pub const DEFAULT_SOLVE_LOSS: f64 = 1e-5;

/// Probability that a run by Theorem 4 may fail with.
pub use memorize_train::optim::prescription::DELTA as DEFAULT_DELTA;
/// The constant that Theorem 4 leaves open: the largest for which no step can increase the value.
pub const DEFAULT_THEORY_C: f64 = 1.0;

/// Advice where the number of neurons is missing.
pub const NEURONS_NEEDED: &str = "say how many hidden neurons to train with --neurons R; the paper uses 300 and 3000";

/// Advice where a threshold of perturbed gradient descent is missing: none of them has a default.
pub const PGD_NEEDS: &str = "--optimizer pgd needs all four of --pgd-radius, --pgd-g-threshold, \
    --pgd-f-threshold and --pgd-t-threshold, or --theory --theory-epsilon E to compute them from the data";

/// theta: nine tenths of the velocity are kept.
pub const DEFAULT_THETA: f64 = 0.1;
/// Radius of the perturbations of accelerated descent: of a start at W = 0, which they leave, not of a network.
pub const DEFAULT_RADIUS: f64 = 1e-3;
/// Gradient that accelerated descent takes for that of a saddle point. A network that has memorised has one as short;
/// the perturbation raises its loss by less than 1e-8.
pub const DEFAULT_G_THRESHOLD: f64 = 1e-7;
/// Length of its steps along negative curvature, in radii.
pub const DEFAULT_S_RADII: f64 = 10.0;
/// Iterations between two of its perturbations: those that it takes to leave a saddle point, and many more.
pub const DEFAULT_T_THRESHOLD: u64 = 1000;
/// Share of ||M|| ||W|| below which a gradient is taken for that of a saddle point: conjugate gradients on MNIST come
/// down to 0.03 without being near one, and lose what they have learnt of the valley when they are led away.
pub const DEFAULT_SHARE: f64 = 0.005;
