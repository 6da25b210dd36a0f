//! What a certificate of stored weights takes.

use memorize_train::Network;
use memorize_train::span::Span;

use crate::config::CertifyConfig;
use crate::error::Error;
use crate::run::machine::Machine;
use crate::run::memory::{self, Squares};

/// Matrices as large as W beside the eigensolver's basis: W, a direction and a product with their layouts.
const COPIES_OF_WEIGHTS: u64 = 8;
/// Matrices as large as M that its decomposition takes.
const MATRICES: u64 = 5;

/// Makes sure that there is memory for what is computed, the samples apart.
///
/// # Errors
/// Bad input with what it takes and what there is; the hint says what would fit.
pub fn foresee(config: &CertifyConfig, n: usize, network: &Network<f64>, machine: &Machine) -> Result<(), Error> {
    let (d, r) = (network.width(), network.neurons());
    let width = n.min(d);
    let vectors = config.eigensolver.vectors_at_once(r.saturating_mul(width)) as u64;
    let basis = (r as u64).saturating_mul(width as u64).saturating_mul(8 * (vectors + COPIES_OF_WEIGHTS));
    // M and its eigenvectors besides what a product with the Hessian goes by.
    let own = (width as u64).saturating_mul(width as u64).saturating_mul(8 * MATRICES);
    let squares = Squares::new(machine).bytes::<f64>(width).saturating_add(own);
    let needed = basis.saturating_add(squares);
    let needed = if Span::is_narrower(n, d) { Span::with(n, d, needed) } else { needed };
    memory::foresee(
        &format!("the certificate of {r} neurons on {n} samples of width {d}"),
        needed,
        "certify on fewer samples than they have numbers each: all of it then takes n x n matrices instead of d x d ones",
    )
}
