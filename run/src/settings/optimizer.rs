//! `[optimizer]`: the algorithm, its step sizes, and what only one algorithm knows.

use super::Range;
use super::choices::{Batch, Metric, OptimizerKind};
use super::defaults::{
    DEFAULT_BETA1, DEFAULT_BETA2, DEFAULT_DECAY_FACTOR, DEFAULT_DELTA, DEFAULT_EPSILON, DEFAULT_G_THRESHOLD,
    DEFAULT_RADIUS, DEFAULT_SHARE, DEFAULT_T_THRESHOLD, DEFAULT_THEORY_C, DEFAULT_THETA, PGD_NEEDS,
};

settings! {
    ["optimizer", "Optimizer"]
    /// What is said about the optimiser.
    layer OptimizerLayer;
    /// `[optimizer]`: the algorithm and its step sizes.
    section OptimizerSection {
        /// Training algorithm
        kind: OptimizerKind = (default OptimizerKind::Adam), ["optimizer" "NAME"], Range::ANY, Results;
        /// Step size at the start
        #[serde(skip_serializing_if = "is_zero")]
        learning_rate: f64 = (decided "0.003 for adam, 0.1 for the others; negative-curvature and solve have none"),
            ["lr" "LR"], Range::ANY, Results;
        /// Samples in a step, or `full`
        batch: Batch = (decided "128 for sgd and adam, full for the others"), ["batch" "N|full"],
            Range::new(|rows| rows >= 1.0, "must be at least 1 sample, or `full` for the whole training set"), Results;
        /// What measures a step of gd, accelerated and negative-curvature, and the solution of solve
        metric: Metric = (decided "data for solve, frobenius for the others"), ["metric" "NORM"], Range::ANY, Results;
        /// Lower the step size every so many epochs
        decay_every: u64 = (optional as "never"), ["lr-decay-every" "EPOCHS"],
            Range::new(
                |epochs| epochs >= 1.0,
                "must be at least 1 epoch; leave out {flag} to keep the step size as it is"
            ),
            Results;
        /// Factor by which it is lowered
        decay_factor: f64 = (default DEFAULT_DECAY_FACTOR), ["lr-decay-factor" "X"],
            Range::new(|factor| factor > 0.0 && factor <= 1.0, "must be above 0 and at most 1"), Results;
        /// Adam: decay of the mean of the gradients
        beta1: f64 = (default DEFAULT_BETA1),
            ["adam-beta1" "X" was "beta1"], Range::new(|beta| (0.0..1.0).contains(&beta), "must be in [0, 1)"), Results;
        /// Adam: decay of the mean of their squares
        beta2: f64 = (default DEFAULT_BETA2),
            ["adam-beta2" "X" was "beta2"], Range::new(|beta| (0.0..1.0).contains(&beta), "must be in [0, 1)"), Results;
        /// Adam: added to the denominator
        epsilon: f64 = (default DEFAULT_EPSILON), ["adam-epsilon" "X"],
            Range::new(
                |epsilon| epsilon.is_finite() && epsilon >= f32::MIN_POSITIVE as f64,
                "must be a finite number above 0 that f32 can tell from 0"
            ),
            Results;
        /// Weight of the regulariser gamma/2 ||W||^2
        gamma: f64 = (default 0.0), ["gamma" "X"], Range::NOT_NEGATIVE, Results;
    }
    below {
        /// `[optimizer.pgd]`: absent = decided by `theory`, or another algorithm.
        pgd: PgdLayer => Option<PgdSection>;
        /// `[optimizer.theory]`: absent = with thresholds that were given, or another algorithm.
        theory: TheoryLayer => Option<TheorySection>;
        /// `[optimizer.accelerated]`: absent = another algorithm.
        accelerated: AcceleratedLayer => Option<AcceleratedSection>;
        /// `[optimizer.negative_curvature]`: absent = another algorithm.
        negative_curvature: NegativeCurvatureLayer => Option<NegativeCurvatureSection>;
        /// `[optimizer.solve]`: absent = another algorithm.
        solve: SolveLayer => Option<SolveSection>;
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

settings! {
    ["optimizer.pgd", "Optimizer"]
    /// What is said about the thresholds of perturbed gradient descent: all four with `pgd`, none with --theory or
    /// another optimiser.
    layer PgdLayer;
    /// `[optimizer.pgd]`: the thresholds of the paper's Algorithm 1, with its names.
    section PgdSection {
        /// PGD: radius of the perturbations; `--optimizer pgd` needs all four --pgd-* flags, or --theory
        radius: f64 = (required PGD_NEEDS), ["pgd-radius" "X"], Range::POSITIVE, Results;
        /// PGD: g_thres, perturb when the gradient is shorter than this
        g_threshold: f64 = (required PGD_NEEDS), ["pgd-g-threshold" "X"], Range::POSITIVE, Results;
        /// PGD: f_thres, stop when a perturbation has lowered the loss by less than this
        f_threshold: f64 = (required PGD_NEEDS), ["pgd-f-threshold" "X"], Range::POSITIVE, Results;
        /// PGD: t_thres, iterations between a perturbation and the judgement on it
        t_threshold: u64 = (required PGD_NEEDS), ["pgd-t-threshold" "N"],
            Range::new(|iterations| iterations >= 1.0, "must be at least 1 iteration"), Results;
    }
}

settings! {
    ["optimizer.theory", "Optimizer"]
    /// What is said about Theorem 4: any of it turns perturbed gradient descent with the theorem's constants on.
    layer TheoryLayer;
    /// `[optimizer.theory]`: what Theorem 4 is asked for. Step size, thresholds and regulariser follow from it and the
    /// data.
    section TheorySection {
        /// PGD with --theory: the loss f(W) to end with
        epsilon: f64 = (required "say which loss f(W) the theorem has to guarantee with --theory-epsilon E"),
            ["theory-epsilon" "E" was "epsilon"],
            Range::POSITIVE, Results;
        /// PGD with --theory: probability of failing that is allowed
        delta: f64 = (default DEFAULT_DELTA), ["theory-delta" "D" was "delta"],
            Range::new(|delta| delta > 0.0 && delta < 1.0, "must be between 0 and 1: it is the probability of failing"),
            Results;
        /// PGD with --theory: the constant that the theorem leaves open, at most 1; the step size is c/l
        c: f64 = (default DEFAULT_THEORY_C), ["theory-c" "C" was "c"],
            Range::new(|c| c > 0.0 && c <= 1.0, "must be above 0 and at most 1: the step size is c/l"), Results;
        /// PGD with --theory: the smallest singular value of [x_j (x) x_j], as `memorize certify` reports it
        sigma_min: f64 = (optional as "measured"), ["theory-sigma-min" "X" was "sigma-min"], Range::POSITIVE, Results;
        /// PGD with --theory: start even where the run is hopeless or sigma_min is not known
        force: bool = (default false), ["theory-force" "BOOL" was "force"], Range::ANY, Results;
    }
    said {
        /// PGD: compute the step size, the thresholds and the regulariser from the data as Theorem 4 has them, start at
        /// W = 0 and run until the algorithm returns; needs --theory-epsilon
        enabled: bool = (default false), ["theory" "BOOL"];
    }
}

settings! {
    ["optimizer.accelerated", "Optimizer"]
    /// What is said about perturbed accelerated gradient descent.
    layer AcceleratedLayer;
    /// `[optimizer.accelerated]`: perturbed accelerated gradient descent (Jin et al., 2017), with the paper's names.
    section AcceleratedSection {
        /// Accelerated: theta, the share of the velocity that is lost in a step
        theta: f64 = (default DEFAULT_THETA), ["accelerated-theta" "X"],
            Range::new(|theta| theta > 0.0 && theta <= 1.0, "must be above 0 and at most 1, where no momentum is left"),
            Results;
        /// Accelerated: give the velocity up where the loss is more concave along it than this
        gamma: f64 = (decided "theta^2/lr"), ["accelerated-gamma" "X"], Range::NOT_NEGATIVE, Results;
        /// Accelerated: length of the step that is taken along it then
        s: f64 = (decided "10 radii"), ["accelerated-s" "X"], Range::POSITIVE, Results;
        /// Accelerated: radius of the ball that perturbations are drawn from
        radius: f64 = (default DEFAULT_RADIUS), ["accelerated-radius" "X"], Range::POSITIVE, Results;
        /// Accelerated: perturb when the gradient is shorter than this
        g_threshold: f64 = (default DEFAULT_G_THRESHOLD), ["accelerated-g-threshold" "X"], Range::NOT_NEGATIVE, Results;
        /// Accelerated: fewest iterations between two perturbations
        t_threshold: u64 = (default DEFAULT_T_THRESHOLD), ["accelerated-t-threshold" "N"],
            Range::new(|iterations| iterations >= 1.0, "must be at least 1 iteration"), Results;
    }
}

settings! {
    ["optimizer.negative_curvature", "Optimizer"]
    /// What is said about descent along negative curvature.
    layer NegativeCurvatureLayer;
    /// `[optimizer.negative_curvature]`: descent that leaves saddle points along Lemma 3's direction.
    section NegativeCurvatureSection {
        /// Negative curvature: take Lemma 3's direction where the gradient is shorter than this share of ||M|| ||W||
        g_threshold: f64 = (default DEFAULT_SHARE), ["curvature-g-threshold" "X"],
            Range::new(|share| (0.0..=1.0).contains(&share), "must be from 0 to 1: it is a share of ||M|| ||W||"),
            Results;
        /// Negative curvature: return where no curvature is below minus this
        tolerance: f64 = (default 0.0), ["curvature-tolerance" "X"], Range::NOT_NEGATIVE, Results;
    }
}

settings! {
    ["optimizer.solve", "Optimizer"]
    /// What is said about the linear solver.
    layer SolveLayer;
    /// `[optimizer.solve]`: the solver ends at `run.stop_below`, or after `run.iterations` products.
    section SolveSection {
        /// Solve: rank of the preconditioner; more take fewer iterations, and memory
        rank: usize = (optional as "2 a coordinate with the metric data, 4 with frobenius, at least 500"), ["solve-rank" "N"], Range::AT_LEAST_ONE, Results;
    }
}

impl TheoryLayer {
    /// Whether anything here asks for the theorem's constants.
    pub fn is_asked_for(&self) -> bool {
        self.enabled != Some(false) && *self != Self::default()
    }
}
