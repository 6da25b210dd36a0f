//! Theorems 5 and 6 on a family of tiny three-layer problems: random features z = (Rx)^p of tiny data sets, with noise
//! in the samples (5) or without (6), in the place of the samples of Theorem 4. Algorithm 1 with every constant from
//! the features, started at W = 0, runs until it returns. Prints a Markdown table: sigma_min of the features beside
//! Lemma 19's sigma_min(Q)^2 sigma_min(X_2p), the loss beside epsilon, the iterations beside the least that success
//! takes (2 t_thres + 1).
//!
//! ```text
//! cargo run --release -p memorize-train --example theorem5             # problems that need up to 3e7 iterations
//! cargo run --release -p memorize-train --example theorem5 -- 3e8      # or up to so many
//! ```
//!
//! The data are the paper's synthetic set with rows normalised, and the seeds the first of those with f(0) > epsilon
//! and few enough iterations. One line by the program: `memorize train --data synthetic --samples N --dim D --seed SEED
//! --normalize --noise X --features-k K --features-p P --features-sigma S --optimizer pgd --theory --theory-epsilon E`.

use memorize_data::perturb::add_noise;
use memorize_data::{normalize, synthetic};
use memorize_kernels::{Engine, Isa, Mat, Par, rows};
use memorize_train::observe::Silent;
use memorize_train::optim::Limits;
use memorize_train::optim::prescription::{Prescription, PrescriptionError, Request};
use memorize_train::theory::position::{Settings, examine};
use memorize_train::theory::preconditioner::WORKSPACE;
use memorize_train::theory::statements::Question;
use memorize_train::theory::theorem6::{Features, theorem6};
use memorize_train::{FeatureLayer, Featured, StopReason};

/// A size of problem.
struct Size {
    n: usize,
    d: usize,
    k: usize,
    p: u32,
    /// Standard deviation of R's entries: so that features have a norm of about 1.
    s: f64,
    /// Standard deviation of the noise.
    noise: f64,
    epsilon: f64,
}

const fn size([n, d, k]: [usize; 3], p: u32, s: f64, noise: f64) -> Size {
    Size { n, d, k, p, s, noise, epsilon: 0.05 }
}

/// With noise k = 2 ceil(sqrt n), Theorem 5's; without it more than p D_d^p, Theorem 6's.
const SIZES: [Size; 8] = [
    size([1, 2, 2], 2, 0.7, 0.1),
    size([2, 2, 4], 2, 0.6, 0.1),
    size([3, 2, 4], 2, 0.6, 0.1),
    size([4, 3, 4], 2, 0.6, 0.1),
    size([2, 2, 3], 1, 0.7, 0.0),
    size([3, 2, 3], 1, 0.7, 0.0),
    size([3, 2, 7], 2, 0.5, 0.0),
    size([4, 2, 7], 2, 0.5, 0.0),
];
/// Problems of a size.
const CASES: usize = 4;
/// Seeds to choose them from.
const SEEDS: u64 = 200;
/// Problems that need more iterations are left out, and counted.
const MOST_ITERATIONS: f64 = 3e7;

type Failure = Box<dyn std::error::Error>;

/// A problem: samples before their features, the features, and targets.
struct Problem {
    x: Mat<f64>,
    longest: f64,
    layer: FeatureLayer<f64>,
    z: Mat<f64>,
    y: Vec<f64>,
}

impl Problem {
    fn new(&Size { n, d, k, p, s, noise, .. }: &Size, seed: u64) -> Result<Self, Failure> {
        let (table, _) = synthetic::tables(seed, n, d)?;
        let mut x = synthetic::inputs(seed, n, d);
        for (j, norm) in normalize::row_norms(&table)?.into_iter().enumerate() {
            normalize::scale_row(x.row_mut(j), norm);
            if noise > 0.0 {
                add_noise(Isa::best(), j as u64, seed, noise, x.row_mut(j));
            }
        }
        let layer = FeatureLayer::random(k, d, p, s, seed)?;
        let z = rows::to_mat(Par::Seq, &Featured::new(&x, &layer, Engine::best())?);
        Ok(Self { x, longest: 1.0, layer, z, y: synthetic::targets(seed, n) })
    }

    /// Lemma 19's bound, and whether it holds.
    fn lemma_19(&self, size: &Size) -> Result<f64, Failure> {
        let settings =
            Settings { tolerance: 0.01, max_products: 100, rank: size.n, seed: 0, workspace: WORKSPACE, dense: true };
        let found = examine(Engine::best(), &self.z, &settings, |_| true)?;
        let question = Question { epsilon: size.epsilon, delta: 0.1, noise: size.noise, features_sigma: size.s };
        let features = Features { layer: &self.layer, before: Some(&self.x), longest: self.longest };
        let said = theorem6(Engine::best(), &question, features, &found, &settings)?;
        assert_ne!(said.holds, Some(false), "Lemma 19 does not hold");
        Ok(said.below.unwrap_or(f64::NAN))
    }

    /// Runs it and prints its line.
    fn run(&self, prescription: &Prescription, size: &Size, seed: u64) -> Result<(), Failure> {
        let unlimited = Limits { iterations: u64::MAX, record_every: u64::MAX, stop_below: None };
        let run = prescription.run(Engine::best(), (&self.z, &self.y), &unlimited, seed, &mut Silent)?;
        let Prescription { request, data, neurons, .. } = prescription;
        assert_eq!(run.outcome.reason, StopReason::Returned);
        let kept = if run.at.loss <= request.epsilon { "" } else { " **above epsilon**" };
        let Size { n, d, k, p, s, noise, .. } = size;
        println!(
            "| {} | {n} | {d} | {k} | {p} | {s} | {neurons} | {noise} | {seed} | {:.4} | {:.4} | {:.4} | {} \
             | {:.5}{kept} | {} | {:.0} |",
            if *noise > 0.0 { 5 } else { 6 },
            data.sigma,
            self.lemma_19(size)?,
            data.loss_at_zero,
            request.epsilon,
            run.at.loss,
            run.outcome.iterations,
            prescription.least_iterations(),
        );
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let limit = std::env::args().nth(1).map_or(Ok(MOST_ITERATIONS), |limit| limit.parse())?;
    println!(
        "| theorem | n | d | k | p | s | r | noise | seed | sigma_min(Z) | Lemma 19 | f(0) | epsilon | f(W*) \
         | iterations | least |"
    );
    println!("|{}", "---|".repeat(16));
    let (mut left_out, mut degenerate) = (0, 0);
    for size in &SIZES {
        let mut cases = 0;
        for seed in 0..SEEDS {
            let problem = Problem::new(size, seed)?;
            let prescription = match Prescription::new(&problem.z, &problem.y, Request::new(size.epsilon)) {
                Err(PrescriptionError::Degenerate { .. }) => {
                    degenerate += 1;
                    continue;
                }
                prescription => prescription?,
            };
            if cases == CASES || prescription.data.loss_at_zero <= size.epsilon {
                continue;
            }
            if prescription.least_iterations() > limit {
                left_out += 1;
                continue;
            }
            problem.run(&prescription, size, seed)?;
            cases += 1;
        }
    }
    println!("\n{left_out} problems with f(0) > epsilon that need more than {limit:.0e} iterations are left out.");
    println!("{degenerate} more have features that are degenerate in f64.");
    Ok(())
}
