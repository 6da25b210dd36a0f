//! Theorem 4 on a family of tiny data sets: Algorithm 1 with every constant from the data, started at W = 0, run until
//! it returns. Prints a Markdown table: the loss beside epsilon, the iterations beside the least that success takes (2
//! t_thres + 1) and the most that the proof allows.
//!
//! ```text
//! cargo run --release -p memorize-train --example theorem4             # data sets that need up to 3e7 iterations
//! cargo run --release -p memorize-train --example theorem4 -- 3e9      # or up to so many: half an hour
//! ```
//!
//! The data are the paper's synthetic set with rows normalised, and the seeds the first of those with f(0) > epsilon.
//! One line by the program: `memorize train --data synthetic --samples N --dim D --seed SEED --normalize --optimizer
//! pgd --theory --theory-epsilon E`.

use memorize_data::{normalize, synthetic};
use memorize_kernels::{Engine, Mat};
use memorize_train::StopReason;
use memorize_train::observe::Silent;
use memorize_train::optim::Limits;
use memorize_train::optim::prescription::{Prescription, Request};

/// n, d, epsilon.
const SIZES: [(usize, usize, f64); 8] =
    [(1, 2, 0.02), (2, 2, 0.05), (3, 2, 0.05), (2, 3, 0.02), (3, 3, 0.05), (4, 4, 0.05), (6, 4, 0.05), (10, 4, 0.02)];
/// Data sets of a size.
const CASES: usize = 4;
/// Seeds to choose them from.
const SEEDS: u64 = 100;
/// Data sets that need more iterations are left out, and counted.
const MOST_ITERATIONS: f64 = 3e7;

type Failure = Box<dyn std::error::Error>;

/// n samples of length 1 and width d with their targets.
fn samples(n: usize, d: usize, seed: u64) -> Result<(Mat<f64>, Vec<f64>), Failure> {
    let (table, _) = synthetic::tables(seed, n, d)?;
    let mut x = synthetic::inputs(seed, n, d);
    for (j, norm) in normalize::row_norms(&table)?.into_iter().enumerate() {
        normalize::scale_row(x.row_mut(j), norm);
    }
    Ok((x, synthetic::targets(seed, n)))
}

/// Runs one data set and prints its line.
fn run(prescription: &Prescription, (x, y): (&Mat<f64>, &[f64]), seed: u64) -> Result<(), Failure> {
    let unlimited = Limits { iterations: u64::MAX, record_every: u64::MAX, stop_below: None };
    let run = prescription.run(Engine::best(), (x, y), &unlimited, seed, &mut Silent)?;
    let Prescription { request, data, neurons, .. } = prescription;
    assert_eq!(run.outcome.reason, StopReason::Returned);
    let kept = if run.at.loss <= request.epsilon { "" } else { " **above epsilon**" };
    println!(
        "| {} | {} | {neurons} | {seed} | {:.3} | {:.4} | {} | {:.5}{kept} | {} | {} | {:.0} | {:.1e} |",
        data.samples,
        data.width,
        data.sigma,
        data.loss_at_zero,
        request.epsilon,
        run.at.loss,
        run.perturbations.len(),
        run.outcome.iterations,
        prescription.least_iterations(),
        prescription.algorithm.iterations_bound(),
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let limit = std::env::args().nth(1).map_or(Ok(MOST_ITERATIONS), |limit| limit.parse())?;
    println!("| n | d | r | seed | sigma_min | f(0) | epsilon | f(W*) | perturbations | iterations | least | bound |");
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut left_out = 0;
    for (n, d, epsilon) in SIZES {
        let mut cases = 0;
        for seed in 0..SEEDS {
            let (x, y) = samples(n, d, seed)?;
            let prescription = Prescription::new(&x, &y, Request::new(epsilon))?;
            if cases == CASES || prescription.data.loss_at_zero <= epsilon {
                continue;
            }
            if prescription.least_iterations() > limit {
                left_out += 1;
                continue;
            }
            run(&prescription, (&x, &y), seed)?;
            cases += 1;
        }
    }
    println!("\n{left_out} data sets with f(0) > epsilon that need more than {limit:.0e} iterations are left out.");
    Ok(())
}
