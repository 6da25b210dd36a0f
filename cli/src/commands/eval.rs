//! `memorize eval`: loss, error and gradient of stored weights on given samples.

use std::path::PathBuf;

use memorize_data::format::Format;
use memorize_data::{ElementType, Output, source};
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Mat, Rows};
use memorize_run::config::{Dtype, EvalConfig};
use memorize_run::error::Error;
use memorize_run::provenance::ComputedWith;
use memorize_run::ranks;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory::{self, Squares};
use memorize_run::units::{number, thousands};
use memorize_train::{Objective, Plan, Route, Samples};
use serde::Serialize;

use super::stored::{self, Opened};
use crate::args::EvalArgs;
use crate::console::Mode;
use crate::say;

/// Advice for numbers that f64 does not hold.
const SCALE: &str = "scale the inputs (--normalize, if the net was trained so)";

/// What `eval` finds.
#[derive(Clone, Debug, Serialize)]
struct Evaluation {
    /// f(W) = 1/(4n) sum_j (q_j - y_j)^2.
    loss: f64,
    /// 4 f.
    mse: f64,
    /// f + gamma/2 ||W||_F^2.
    regularized_loss: f64,
    /// Frobenius norm of the gradient M W A + gamma W.
    gradient_norm: f64,
    n: usize,
    d: usize,
    /// Random features; null with two layers.
    k: Option<usize>,
    r: usize,
    gamma: f64,
    #[serde(skip)]
    computed_with: ComputedWith,
}

/// Evaluates stored weights and prints what it finds.
///
/// # Errors
/// Bad input if a flag or a file is wrong.
pub fn eval(arguments: &EvalArgs) -> Result<(), Error> {
    let config = arguments.config()?;
    Mode::detect(false).announce_blas(Some(config.backend))?;
    let inputs = stored::files(&config.stored);
    let named = config.gradient_out.as_ref().filter(|_| ranks::is_first());
    let out = named.map(|path| Output::new(path, config.overwrite, inputs.iter().map(PathBuf::as_path))).transpose()?;
    let machine = Machine::new(config.backend, config.isa, config.threads)?;
    let found = machine.install(|| match config.dtype {
        Dtype::F32 => evaluate::<f32>(&config, &machine, out.as_ref()),
        Dtype::F64 => evaluate::<f64>(&config, &machine, out.as_ref()),
    })?;
    say::print_either(config.json, || say::json("eval", Some(&found.computed_with), &found), || text(&found))
}

fn evaluate<T: Element>(config: &EvalConfig, machine: &Machine, out: Option<&Output>) -> Result<Evaluation, Error> {
    let Opened { network, x, y, d, k, said } = stored::open::<T>(&config.stored, machine.engine)?;
    said.iter().chain(&machine.notes).for_each(|line| Mode::detect(config.json).tell(line));
    let n = x.spread().whole();
    let plan = Plan::of_network(Samples::All(n), &network, config.route.forced());
    let (width, r) = (network.width(), network.neurons());
    // The gradient, then W in f64 where T is not; what the route goes by; what the samples come to, in T and in f64.
    let (copies, of_route) = match plan.route {
        Route::Gram => ((size_of::<f64>() / size_of::<T>()) as u64, Squares::new(machine).bytes::<T>(width)),
        Route::Neuron => {
            let activations = ((ROW_BLOCK * size_of::<T>()) as u64).saturating_mul(r as u64);
            (6, activations.saturating_add(memory::of_threads::<T>(machine, [n, width, r])))
        }
    };
    let of_samples = memory::of_outputs::<T>(x.rows());
    let needed = memory::of_weights::<T>(copies, r, width).saturating_add(of_route).saturating_add(of_samples);
    let advice = "take the other route (--route neuron), or a process that may have more memory";
    memory::foresee(&format!("the loss and the gradient of {r} neurons of width {width}"), needed, advice)?;
    memory::announce().iter().for_each(|line| Mode::detect(config.json).tell(line));
    let objective = Objective { engine: machine.engine, x: &x, y: &y, gamma: config.gamma, route: plan.route };
    let mut gradient = Mat::zeros(network.neurons(), network.width());
    let found = objective.gradient(&network, &mut gradient).map_err(Error::run_failed)?;
    let gradient_norm = gradient.frobenius_norm();
    stored::check_finite::<T>(
        found.regularized,
        gradient_norm,
        match config.dtype {
            Dtype::F32 => {
                "compute in double precision (--dtype f64), or scale the inputs (--normalize, if the net was trained so)"
            }
            Dtype::F64 => SCALE,
        },
    )?;
    if let Some(out) = out {
        write_gradient(out, &gradient)?;
    }
    drop(gradient);
    let at = objective.evaluate_in_f64(&network).map_err(Error::run_failed)?;
    Ok(Evaluation {
        loss: at.loss,
        mse: at.mse(),
        regularized_loss: at.regularized,
        gradient_norm,
        n,
        d,
        k,
        r: network.neurons(),
        gamma: config.gamma,
        computed_with: machine.computed_with(config.dtype, Some(plan.route.name())),
    })
}

/// Writes the gradient as the paper lays it out, d x r.
fn write_gradient<T: Element>(out: &Output, gradient: &Mat<T>) -> Result<(), Error> {
    let element = if T::NAME == "f32" { ElementType::F32 } else { ElementType::F64 };
    let dims = [gradient.cols(), gradient.rows()];
    let gradient = gradient.transposed();
    let fill = |i: usize, row: &mut [f64]| {
        row.iter_mut().zip(gradient.row(i)).for_each(|(value, entry)| *value = entry.to_f64());
    };
    let staged = source::stage_rows(out, Format::Npy, element, &dims, fill)?;
    Ok(staged.commit().map_err(|source| out.failed(source))?)
}

fn text(found: &Evaluation) -> String {
    let layers = match found.k {
        None => format!("d = {}, r = {}", found.d, thousands(found.r as u64)),
        Some(k) => format!("d = {}, k = {k}, r = {}", found.d, thousands(found.r as u64)),
    };
    format!(
        "loss f(W)      {}\nMSE (4f)       {}\ngradient norm  {}\nnetwork        {layers}\nsamples        {}\n\
         computed with  {}\n",
        number(found.loss),
        number(found.mse),
        number(found.gradient_norm),
        thousands(found.n as u64),
        found.computed_with,
    )
}
