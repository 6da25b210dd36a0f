//! Memorises samples and targets of two .npy (or IDX) files with the library alone: no step size, no folder, one
//! weights file.
//!
//! ```text
//! cargo run --release -p memorize-train --example memorise_npy -- X.npy y.npy W.safetensors
//! ```
//!
//! Samples (n x d, scaled to length 1 here) are memorised by 2d + 2 neurons for almost any n <= d(d+1)/2 targets. By
//! the program: `memorize train --inputs X.npy --targets y.npy --normalize --dtype f64 --optimizer negative-curvature`.

use std::path::Path;
use std::sync::Arc;

use memorize_data::{Preparation, Prepared, Table, labels};
use memorize_kernels::Engine;
use memorize_train::checkpoint::{self, Weights};
use memorize_train::network::default_init_scale;
use memorize_train::optim::Limits;
use memorize_train::optim::negative_curvature::{Escape, escaping_descent};
use memorize_train::theory::bounds::{Lifted, loss_bound};
use memorize_train::theory::constants::theorem1_neurons;
use memorize_train::theory::curvature::extreme_eigenpair;
use memorize_train::theory::hessian::HessianOperator;
use memorize_train::{Network, Objective, Observer, Plan, Record, Samples, StopReason};

type Failure = Box<dyn std::error::Error>;

/// The loss at which the targets count as memorised.
const MEMORISED: f64 = 1e-12;

/// Prints what is recorded.
struct Printer;

impl Observer for Printer {
    fn record(&mut self, record: &Record) {
        println!("iteration {:>6}  f = {:.3e}", record.iteration, record.loss);
    }
}

/// Trains on two files, certifies what came out, and writes it to `weights`. Returns f(W).
fn memorise(inputs: &Path, targets: &Path, weights: &Path) -> Result<f64, Failure> {
    let engine = Engine::best();
    let (inputs, targets) = (Table::open(inputs)?, Table::open(targets)?);
    labels::check_pair(&inputs, &targets)?;
    let y = labels::targets::<f64>(&targets)?;
    let preparation = Preparation { normalize: true, ..Preparation::default() };
    // `Prepared` can be trained on as it is, and makes its rows again in every pass: for samples larger than memory.
    let x = Prepared::<f64>::new(&engine, Arc::new(inputs), &preparation)?.to_mat();
    let (n, d) = (x.rows(), x.cols());

    let r = theorem1_neurons(d);
    let mut network = Network::random(r, d, default_init_scale(r), 0)?;
    let route = Plan::new(Samples::All(n), d, r, None).route;
    let objective = Objective { engine, x: &x, y: &y, gamma: 0.0, route };
    let parameters = Escape { g_thres: 0.005, tolerance: 0.0 };
    let limits = Limits { iterations: 20_000, record_every: 100, stop_below: Some(MEMORISED) };
    let ended = escaping_descent(&objective, &mut network, &parameters, &limits, &mut Printer)?;
    if ended.outcome.reason != StopReason::Target {
        let capacity = d * (d + 1) / 2;
        let why = if n > capacity {
            format!("{n} samples, and {capacity} is the most for width {d}")
        } else {
            format!("f is still {:.3e} after {} iterations", objective.evaluate(&network)?.loss, limits.iterations)
        };
        return Err(format!("not memorised: {why}").into());
    }

    // Lemma 3: the Hessian has no eigenvalue below -||M||; Lemma 1: f is at most n d ||M||^2 / (4 sigma_min^2).
    let loss = objective.evaluate(&network)?.loss;
    let hessian = HessianOperator::new(&objective, &network)?;
    let norm = extreme_eigenpair(hessian.moment())?.value.abs();
    println!("{n} samples by {r} neurons: f = {loss:.3e}, no curvature below {:.3e}", -norm);
    if Lifted::fits(n, d) {
        let sigma = Lifted::new(&x)?.singular_values().min;
        println!("sigma_min = {sigma:.3e}; Lemma 1 allows f up to {:.3e}", loss_bound(n, d, norm, sigma));
    }

    checkpoint::save(weights, &Weights { network, features: None, projection: None, normalize: None })?;
    Ok(loss)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [inputs, targets, weights] = arguments.as_slice() else {
        return Err("three files are needed: samples, targets, and where the weights go".into());
    };
    memorise(inputs.as_ref(), targets.as_ref(), weights.as_ref())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use memorize_data::source::write_npy;
    use memorize_data::{ElementType, synthetic};
    use memorize_kernels::Mat;

    use super::*;

    /// Two files with n samples of width d.
    fn files(folder: &Path, n: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
        let (x, y) = (synthetic::inputs::<f64>(3, n, d), synthetic::targets::<f64>(3, n));
        let rows: Vec<f64> = x.iter().copied().collect();
        write_npy(&folder.join("X.npy"), ElementType::F64, &[n, d], &rows).unwrap();
        write_npy(&folder.join("y.npy"), ElementType::F64, &[n], &y).unwrap();
        (x, y)
    }

    #[test]
    fn what_is_saved_has_memorised_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let [inputs, targets, weights] = ["X.npy", "y.npy", "W.safetensors"].map(|name| folder.path().join(name));
        let (x, y) = files(folder.path(), 12, 6);
        let loss = memorise(&inputs, &targets, &weights).unwrap();
        let Network { weights, signs } = checkpoint::load::<f64>(&weights).unwrap().network;
        let square = |j: usize| {
            let norm2: f64 = x.row(j).iter().map(|v| v * v).sum();
            let dot = |i: usize| weights.row(i).iter().zip(x.row(j)).map(|(w, x)| w * x).sum::<f64>();
            let q: f64 = (0..signs.len()).map(|i| signs[i] * dot(i).powi(2)).sum::<f64>() / norm2;
            (q - y[j]).powi(2)
        };
        let again = (0..12).map(square).sum::<f64>() / 48.0;
        assert!(loss <= MEMORISED && (again - loss).abs() <= 1e-6 * loss, "{loss:e} and {again:e}");
    }

    #[test]
    fn more_samples_than_the_width_allows_are_said_to_be_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let [inputs, targets, weights] = ["X.npy", "y.npy", "W.safetensors"].map(|name| folder.path().join(name));
        files(folder.path(), 20, 3);
        let error = memorise(&inputs, &targets, &weights).unwrap_err().to_string();
        assert!(error.contains("20 samples, and 6 is the most") && !weights.exists(), "{error}");
    }
}
