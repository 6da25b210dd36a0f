//! `memorize certify`: how far stored weights are from a second-order stationary point, and what follows for the loss.

use memorize_kernels::{Mat, Rows, rows};
use memorize_run::config::CertifyConfig;
use memorize_run::error::Error;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory::{self, Squares};
use memorize_run::units::{number, thousands, threads};
use memorize_train::span::Span;
use memorize_train::theory::bounds::{self, Lifted, Lipschitz};
use memorize_train::theory::curvature::{
    curvature_along, extreme_eigenpair, lemma3_applies, most_negative_direction, smallest_curvature,
};
use memorize_train::theory::hessian::HessianOperator;
use memorize_train::theory::lanczos::{LanczosOptions, RitzPair};
use memorize_train::{Network, Objective, Plan, Samples, TrainError};
use serde::Serialize;

use super::stored::{self, Opened};
use crate::args::CertifyArgs;
use crate::console::Mode;
use crate::say;

/// Samples are kept in memory if they take no more than this: each product with the Hessian reads them twice.
const KEPT_BYTES: usize = 2 << 30;

/// Matrices as large as W beside the eigensolver's basis: W, a direction and a product with their layouts.
const COPIES_OF_WEIGHTS: u64 = 8;
/// Matrices of a number for each sample and neuron: X W and X Z, as they are and weighted.
const ACTIVATIONS: u64 = 4;
/// Matrices as large as M that its decomposition takes.
const MATRICES: u64 = 5;

/// Rounding errors that the loss may exceed Lemma 1's bound by, relative: with n = d = 1 the two are equal.
const ROUNDING: f64 = 1e-9;

/// What `certify` finds. A value that does not apply is null, and `notes` says why.
#[derive(Clone, Debug, Serialize)]
struct Certificate {
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
    backend: &'static str,
    isa: &'static str,
    route: &'static str,
    threads: usize,
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
    say::print_either(config.json, || json(&found), || text(&found))
}

fn look_at(config: &CertifyConfig, machine: &Machine) -> Result<Certificate, Error> {
    let Opened { network, x, y, d, k, said } = stored::open::<f64>(&config.stored, machine.engine)?;
    said.iter().chain(&machine.notes).for_each(|line| Mode::detect(config.json).tell(line));
    if x.rows() == 0 {
        return Err(Error::bad_input(TrainError::NoSamples));
    }
    foresee(config, x.rows(), &network, machine)?;
    memory::announce().iter().for_each(|line| Mode::detect(config.json).tell(line));
    let x = keep(x, machine);
    let about = About { config, machine, network: &network, d, k };
    if !Span::is_narrower(x.rows(), network.width()) {
        return certificate(&about, &x, &y, &network);
    }
    // Directions outside of the span of the samples change no output.
    let span = Span::new(&x).map_err(Error::run_failed)?;
    let within = span.within(&machine.engine, &network).map_err(Error::run_failed)?;
    certificate(&about, &span.coordinates, &y, &within)
}

/// Makes sure that there is memory for what is computed, the samples apart.
fn foresee(config: &CertifyConfig, n: usize, network: &Network<f64>, machine: &Machine) -> Result<(), Error> {
    let (d, r) = (network.width(), network.neurons());
    let width = n.min(d);
    let vectors = config.eigensolver.vectors(r.saturating_mul(width)) as u64;
    let basis = (r as u64).saturating_mul(width as u64).saturating_mul(8 * (vectors + COPIES_OF_WEIGHTS));
    // M and its eigenvectors besides what a product with the Hessian goes by.
    let own = (width as u64).saturating_mul(width as u64).saturating_mul(8 * MATRICES);
    let squares = Squares::new(machine).bytes::<f64>(width).saturating_add(own);
    // What a product with the Hessian keeps of each sample and neuron.
    let activations = (n as u64).saturating_mul(r as u64).saturating_mul(8 * ACTIVATIONS);
    let needed = [basis, squares, activations].into_iter().fold(0, u64::saturating_add);
    let needed = if Span::is_narrower(n, d) { Span::with(n, d, needed) } else { needed };
    memory::foresee(
        &format!("the certificate of {r} neurons on {n} samples of width {d}"),
        needed,
        "certify on fewer samples than they have numbers each: all of it then takes n x n matrices instead of d x d ones",
    )
}

/// What a certificate is of.
struct About<'a> {
    config: &'a CertifyConfig,
    machine: &'a Machine,
    /// As it is stored.
    network: &'a Network<f64>,
    d: usize,
    k: Option<usize>,
}

/// The certificate from samples and a network that is as wide as they are: those themselves, or in coordinates of the samples' span.
fn certificate<X: Rows<f64>>(about: &About<'_>, x: &X, y: &[f64], within: &Network<f64>) -> Result<Certificate, Error> {
    let &About { config, machine, network, d, k } = about;
    let (n, width, r) = (x.rows(), network.width(), network.neurons());
    let plan = Plan::new(Samples::All(n), within.width(), r, config.route.forced());
    let objective = Objective { engine: machine.engine, x, y, gamma: 0.0, route: plan.route };
    let hessian = HessianOperator::new(&objective, within).map_err(Error::run_failed)?;
    let gradient_norm = hessian.gradient().map_err(Error::run_failed)?.frobenius_norm();
    let advice = "scale the inputs (--normalize, if the net was trained so)";
    stored::check_finite::<f64>(hessian.loss(), gradient_norm, advice)?;
    let mut notes = Vec::new();
    let curvature = Curvature::find(config, &hessian, network, &mut notes).map_err(Error::run_failed)?;
    let sigma = sigma_min(config.sigma_min, x, &mut notes).map_err(Error::run_failed)?;
    let lemma1_bound = lemma1(&curvature, sigma, n, width, &mut notes);
    let rho = Lipschitz::on_ball(bounds::largest_norm(x), 0.0, network.weights.frobenius_norm(), 0.0).hessian;
    Ok(Certificate {
        loss: hessian.loss(),
        gradient_norm,
        m_norm: curvature.m_norm,
        m_norm_residual: curvature.m_norm_residual,
        lambda_min_lemma3: curvature.lemma3,
        lemma3_direction: curvature.lemma3_direction,
        lambda_min_hessian: curvature.ritz,
        lambda_min_residual: curvature.residual,
        lambda_min_converged: curvature.converged,
        hessian_products: curvature.products,
        sigma_min: sigma.map(|sigma| sigma.value),
        sigma_min_source: sigma.map(|sigma| sigma.source),
        lemma1_bound,
        lemma1_holds: lemma1_bound.map(|bound| hessian.loss() <= bound * (1.0 + ROUNDING)),
        rho,
        epsilon: second_order_epsilon(gradient_norm, curvature.most_negative(), rho, &mut notes),
        n,
        d,
        k,
        r,
        backend: machine.engine.backend.name(),
        isa: machine.isa_name(),
        route: plan.route.name(),
        threads: machine.threads,
        notes,
    })
}

/// The samples in memory, if they are few enough; else as they are.
fn keep(x: Box<dyn Rows<f64>>, machine: &Machine) -> Box<dyn Rows<f64>> {
    let bytes = x.rows().saturating_mul(x.cols()).saturating_mul(size_of::<f64>());
    if bytes <= KEPT_BYTES { Box::new(rows::to_mat(machine.engine.par, &x)) } else { x }
}

/// The most negative curvature at a point, found in two ways.
struct Curvature {
    m_norm: f64,
    m_norm_residual: f64,
    lemma3: Option<f64>,
    lemma3_direction: Option<f64>,
    ritz: f64,
    residual: f64,
    converged: bool,
    products: usize,
}

impl Curvature {
    fn find<X: Rows<f64>>(
        config: &CertifyConfig,
        hessian: &HessianOperator<'_, f64, X>,
        network: &Network<f64>,
        notes: &mut Vec<String>,
    ) -> Result<Self, TrainError> {
        let within = hessian.network();
        let extreme = extreme_eigenpair(hessian.moment())?;
        let m_norm = extreme.value.abs();
        let lemma3 = lemma3_applies(network).then_some(-m_norm);
        let direction: Option<Mat<f64>> = lemma3.and_then(|_| most_negative_direction(within, &extreme));
        let lemma3_direction = direction.map(|z| curvature_along(hessian, &z)).transpose()?;
        if lemma3.is_none() {
            notes.push(why_not_lemma3(network));
        }
        let mut found = smallest_curvature(hessian, &config.eigensolver)?;
        if within.width() < network.width() && found.value > 0.0 {
            // Outside of the span of the samples the curvature is zero.
            (found.value, found.residual) = (0.0, 0.0);
        }
        notes.extend(limited_basis(config, hessian.dimension()));
        if !found.converged {
            notes.push(not_converged(&found, lemma3.is_some()));
        }
        Ok(Self {
            m_norm,
            m_norm_residual: extreme.residual,
            lemma3,
            lemma3_direction,
            ritz: found.value,
            residual: found.residual,
            converged: found.converged,
            products: found.products,
        })
    }

    /// lambda_min by Lemma 3 where it applies; else the iterative value less its residual, but not below -||M||_2, which
    /// bounds lambda_min for any width.
    fn most_negative(&self) -> f64 {
        self.lemma3.unwrap_or_else(|| (self.ritz - self.residual).max(-self.m_norm))
    }
}

/// That the memory allowed makes a difference, if it does.
fn limited_basis(config: &CertifyConfig, dimension: usize) -> Option<String> {
    let [given, usual] = [config.eigensolver, LanczosOptions::default()].map(|options| options.vectors(dimension));
    (given < usual).then(|| {
        format!(
            "--memory-budget leaves the iterative eigensolver {given} vectors instead of {usual}: its value may have other digits, \
             within its residual"
        )
    })
}

fn not_converged(found: &RitzPair, lemma3: bool) -> String {
    let stopped =
        format!("the iterative eigensolver stopped after {} products, before its tolerance was met", found.products);
    let meaning = match lemma3 {
        true => "it only cross-checks Lemma 3's lambda_min, which is exact and which the results below rest on",
        false => "lambda_min may lie further below its value than the residual says (but never below -||M||_2)",
    };
    format!("{stopped}: {meaning}; allow more with --max-products")
}

fn why_not_lemma3(network: &Network<f64>) -> String {
    let (r, d) = (network.neurons(), network.width());
    let needed = 2 * d + 2;
    if r < needed {
        return format!("Lemmas 1 and 3 need r >= 2d+2 = {needed} neurons for inputs of width {d}; here r = {r}");
    }
    "Lemmas 1 and 3 need as many neurons with sign +1 as with sign -1, and no other signs".to_owned()
}

/// sigma_min, and where it comes from.
#[derive(Clone, Copy)]
struct Sigma {
    value: f64,
    source: &'static str,
    /// A value below this cannot be told from zero.
    resolution: f64,
}

fn sigma_min<X: Rows<f64>>(given: Option<f64>, x: &X, notes: &mut Vec<String>) -> Result<Option<Sigma>, TrainError> {
    if let Some(value) = given {
        return Ok(Some(Sigma { value, source: "given", resolution: 0.0 }));
    }
    let (n, d) = (x.rows(), x.cols());
    if !Lifted::fits(n, d) {
        notes.push(format!(
            "sigma_min is not computed for {n} samples of width {d}, too many for a dense decomposition; give it with --sigma-min"
        ));
        return Ok(None);
    }
    let lifted = Lifted::new(x)?;
    Ok(Some(Sigma { value: lifted.singular_values().min, source: "computed", resolution: lifted.resolution() }))
}

/// Lemma 1's bound, or a note why there is none.
fn lemma1(curvature: &Curvature, sigma: Option<Sigma>, n: usize, d: usize, notes: &mut Vec<String>) -> Option<f64> {
    let (lambda, sigma) = (curvature.lemma3?, sigma?);
    if sigma.value <= sigma.resolution {
        notes.push(format!(
            "sigma_min is zero to rounding (below {:.1e}): the samples are not in general position, and Lemma 1 bounds nothing",
            sigma.resolution
        ));
        return None;
    }
    Some(bounds::loss_bound(n, d, lambda, sigma.value))
}

/// The smallest epsilon for which a point is an epsilon-second-order stationary point: ||gradient|| <= epsilon and
/// lambda_min >= -sqrt(rho epsilon) (Jin et al., 2017, Definition 3).
fn second_order_epsilon(gradient_norm: f64, lambda_min: f64, rho: f64, notes: &mut Vec<String>) -> Option<f64> {
    let below = (-lambda_min).max(0.0);
    if below == 0.0 {
        return Some(gradient_norm);
    }
    if rho == 0.0 {
        notes.push("at W = 0 the Hessian's Lipschitz constant on the ball of radius ||W|| is 0: no epsilon".to_owned());
        return None;
    }
    Some(gradient_norm.max(below * below / rho))
}

fn json(found: &Certificate) -> String {
    let mut text = serde_json::to_string(found).expect("a struct with string keys is always JSON");
    text.push('\n');
    text
}

fn text(found: &Certificate) -> String {
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
        "{:<22} n = {}, d = {}{features}, r = {}\n{:<22} f64, {}, {}, {} route, {}\n",
        "network and samples",
        thousands(found.n as u64),
        found.d,
        thousands(found.r as u64),
        "computed with",
        found.backend,
        found.isa,
        found.route,
        threads(found.threads),
    );
    found.notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    text
}
