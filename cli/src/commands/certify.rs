//! `memorize certify`: how far stored weights are from a second-order stationary point, and what follows for the loss.

use memorize_kernels::{GatherRows, rows};
use memorize_run::certify;
use memorize_run::config::{CertifyConfig, Dtype};
use memorize_run::error::{Error, WithHint};
use memorize_run::provenance::ComputedWith;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::units::{number, thousands};
use memorize_train::TrainError;
use memorize_train::theory::certificate::{Certificate, Remark, Settings, certify as certify_network};
use serde::Serialize;

use super::stored::{self, Opened};
use crate::args::CertifyArgs;
use crate::console::Mode;
use crate::say;

/// Samples are kept in memory if they take no more than this: each product with the Hessian reads them twice.
const KEPT_BYTES: usize = 2 << 30;

/// What `certify` finds. A value that does not apply is null, and `notes` says why.
#[derive(Clone, Debug, Serialize)]
struct Report {
    /// f(W).
    loss: f64,
    /// Frobenius norm of the gradient M W A.
    gradient_norm: f64,
    /// ||M||_2.
    m_norm: f64,
    /// ||M u - mu u|| of the eigenpair that it comes from.
    m_norm_residual: f64,
    /// -||M||_2.
    lambda_min_lemma3: Option<f64>,
    /// Curvature along Lemma 3's explicit direction, by a product with the Hessian.
    lemma3_direction: Option<f64>,
    /// The iterative eigensolver's Ritz value theta.
    lambda_min_hessian: f64,
    /// ||H v - theta v||.
    lambda_min_residual: f64,
    lambda_min_converged: bool,
    hessian_products: usize,
    sigma_min: Option<f64>,
    /// `computed` or `given`.
    sigma_min_source: Option<&'static str>,
    /// n d lambda_min^2/(4 sigma_min^2).
    lemma1_bound: Option<f64>,
    lemma1_holds: Option<bool>,
    /// Lipschitz constant of the Hessian on the ball of radius ||W||_F.
    rho: f64,
    /// The smallest epsilon with ||gradient|| <= epsilon and lambda_min >= -sqrt(rho epsilon).
    epsilon: Option<f64>,
    n: usize,
    d: usize,
    /// Random features; null with two layers.
    k: Option<usize>,
    r: usize,
    #[serde(skip)]
    computed_with: ComputedWith,
    notes: Vec<String>,
}

/// Certifies stored weights and prints what it finds.
///
/// # Errors
/// Bad input if a flag or a file is wrong, a failed run if a decomposition fails.
pub fn certify(arguments: &CertifyArgs) -> Result<(), Error> {
    let config = arguments.config()?;
    Mode::detect(false).announce_blas(Some(config.backend))?;
    let machine = Machine::new(config.backend, config.isa, config.threads)?;
    let found = machine.install(|| look_at(&config, &machine))?;
    say::print_either(config.json, || say::json("certify", Some(&found.computed_with), &found), || text(&found))
}

fn look_at(config: &CertifyConfig, machine: &Machine) -> Result<Report, Error> {
    let Opened { network, x, y, d, k, said } = stored::open::<f64>(&config.stored, machine.engine)?;
    said.iter().chain(&machine.notes).for_each(|line| Mode::detect(config.json).tell(line));
    if x.rows() == 0 {
        return Err(Error::bad_input(TrainError::NoSamples));
    }
    certify::foresee(config, x.rows(), &network, machine)?;
    memory::announce().iter().for_each(|line| Mode::detect(config.json).tell(line));
    let x = keep(x, machine);
    let CertifyConfig { eigensolver, sigma_min, route, .. } = *config;
    let settings = Settings { eigensolver, sigma_min, route: route.forced() };
    let found = certify_network(machine.engine, &x, &y, &network, &settings).map_err(|error| match error {
        TrainError::Overflow { .. } => {
            Error::BadInput(error.hint("scale the inputs (--normalize, if the net was trained so)"))
        }
        error => Error::run_failed(error),
    })?;
    let words = |remark: &Remark| words(remark, &found, [x.rows(), x.cols(), network.neurons()]);
    Ok(Report {
        loss: found.loss,
        gradient_norm: found.gradient_norm,
        m_norm: found.m_norm,
        m_norm_residual: found.m_norm_residual,
        lambda_min_lemma3: found.lemma3,
        lemma3_direction: found.lemma3_direction,
        lambda_min_hessian: found.ritz,
        lambda_min_residual: found.residual,
        lambda_min_converged: found.converged,
        hessian_products: found.products,
        sigma_min: found.sigma_min.map(|sigma| sigma.value),
        sigma_min_source: found.sigma_min.map(|sigma| if sigma.is_given { "given" } else { "computed" }),
        lemma1_bound: found.lemma1_bound,
        lemma1_holds: found.lemma1_holds(),
        rho: found.rho,
        epsilon: found.epsilon,
        n: x.rows(),
        d,
        k,
        r: network.neurons(),
        computed_with: machine.computed_with(Dtype::F64, Some(found.route.name())),
        notes: found.remarks.iter().map(words).collect(),
    })
}

/// The samples in memory, if they are few enough; else as they are.
fn keep(x: Box<dyn GatherRows<f64>>, machine: &Machine) -> Box<dyn GatherRows<f64>> {
    let bytes = x.rows().saturating_mul(x.cols()).saturating_mul(size_of::<f64>());
    if bytes <= KEPT_BYTES { Box::new(rows::to_mat(machine.engine.par, &x)) } else { x }
}

/// A remark on the certificate of r neurons on n samples of width d, with the flags that change it.
fn words(remark: &Remark, found: &Certificate, [n, d, r]: [usize; 3]) -> String {
    match *remark {
        Remark::TooFewNeurons { needed } => {
            format!("Lemmas 1 and 3 need r >= 2d+2 = {needed} neurons for inputs of width {d}; here r = {r}")
        }
        Remark::Signs => {
            "Lemmas 1 and 3 need as many neurons with sign +1 as with sign -1, and no other signs".to_owned()
        }
        Remark::SmallBasis { given, usual } => format!(
            "--memory-budget leaves the iterative eigensolver {given} vectors instead of {usual}: its value may have other digits, \
             within its residual"
        ),
        Remark::NotConverged { products } => {
            let meaning = match found.lemma3 {
                Some(_) => {
                    "it only cross-checks Lemma 3's lambda_min, which is exact and which the results below rest on"
                }
                None => "lambda_min may lie further below its value than the residual says (but never below -||M||_2)",
            };
            format!(
                "the iterative eigensolver stopped after {products} products, before its tolerance was met: {meaning}; allow more \
                 with --max-products"
            )
        }
        Remark::NoSigmaMin => format!(
            "sigma_min is not computed for {n} samples of width {d}, too many for a dense decomposition; give it with --sigma-min"
        ),
        Remark::NotInGeneralPosition { resolution } => format!(
            "sigma_min is zero to rounding (below {resolution:.1e}): the samples are not in general position, and Lemma 1 bounds nothing"
        ),
        Remark::AtZero => {
            "at W = 0 the Hessian's Lipschitz constant on the ball of radius ||W|| is 0: no epsilon".to_owned()
        }
    }
}

fn text(found: &Report) -> String {
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let lemma1 = match found.lemma1_holds {
        None => "what the curvature bounds the loss by",
        Some(true) => "what the curvature bounds the loss by: it holds",
        Some(false) => "what the curvature bounds the loss by: VIOLATED, is sigma_min too large?",
    };
    let iterative = format!(
        "the same from {} products with the Hessian, residual {}{}",
        thousands(found.hessian_products as u64),
        number(found.lambda_min_residual),
        if found.lambda_min_converged { "" } else { " (not converged)" }
    );
    let sigma = match found.sigma_min_source {
        Some("given") => "smallest singular value of [x_1 (x) x_1, ...], as given",
        _ => "smallest singular value of [x_1 (x) x_1, ...]: above 0 in general position",
    };
    let lines = [
        ("loss f(W)", number(found.loss), "0 when every target is met exactly"),
        ("gradient norm", number(found.gradient_norm), "0 at a stationary point"),
        (
            "||M||_2",
            number(found.m_norm),
            "norm of the moment weighted by the residuals; the curvature is never below minus it",
        ),
        ("lambda_min, Lemma 3", optional(found.lambda_min_lemma3), "most negative curvature of f, exactly -||M||_2"),
        ("lambda_min, iterative", number(found.lambda_min_hessian), &iterative),
        ("sigma_min", optional(found.sigma_min), sigma),
        ("Lemma 1's bound", optional(found.lemma1_bound), lemma1),
        ("rho", number(found.rho), "how fast the Hessian can change within ||W||_F"),
        (
            "epsilon",
            optional(found.epsilon),
            "an epsilon-second-order stationary point: gradient <= epsilon, curvature >= -sqrt(rho epsilon)",
        ),
    ];
    let mut text: String =
        lines.iter().map(|(name, value, meaning)| format!("{name:<22} {value:<10} {meaning}\n")).collect();
    let features = found.k.map_or_else(String::new, |k| format!(", k = {k}"));
    text += &format!(
        "{:<22} n = {}, d = {}{features}, r = {}\n{:<22} {}\n",
        "network and samples",
        thousands(found.n as u64),
        found.d,
        thousands(found.r as u64),
        "computed with",
        found.computed_with,
    );
    found.notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    text
}
