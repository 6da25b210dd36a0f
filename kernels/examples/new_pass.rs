//! A pass that the crate does not have, built on those that it has: e_j = sum_k (r_k . x_j)^2, how strongly a sample
//! excites all features together. It is the quadratic form x_j^T (R^T R) x_j, so a weighted Gram matrix of R and a pass
//! of quadratic forms make it: for every backend, instruction set and type, for rows in memory or made on demand, the
//! same bits for any number of threads.
//!
//! ```text
//! cargo run --release -p memorize-kernels --example new_pass
//! ```
//!
//! A pass with an epilogue of its own, fused into the register tile, is written inside the crate, where the sweep is:
//! the same e_j in `src/pass/worked_example.rs`, explained in this crate's README. That one takes 2 n d k flops, this
//! one n d^2.

use std::time::Instant;

use memorize_kernels::{Backend, Element, Engine, Isa, KernelError, Mat, Rows, pass};

/// e_j = sum_k (r_k . x_j)^2. x: n x d, r: R (k x d), e: n. n d^2 + k d^2 flops.
///
/// # Errors
/// [`KernelError::Shape`] if the widths differ or there are not n energies.
fn energy<T: Element, X: Rows<T>>(engine: &Engine, x: &X, r: &Mat<T>, e: &mut [T]) -> Result<(), KernelError> {
    let gram = pass::weighted_gram(engine, r, &vec![T::ONE; r.rows()])?;
    pass::quadratic_forms(engine, x, &engine.pack_symmetric(gram.as_ref())?, e)
}

/// The specification: the formula as loops, in f64.
fn reference<T: Element>(x: &Mat<T>, r: &Mat<T>) -> Vec<f64> {
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum::<f64>();
    (0..x.rows()).map(|j| (0..r.rows()).map(|k| dot(r.row(k), x.row(j)).powi(2)).sum()).collect()
}

/// Numbers from -1 to 1 without a pattern that a sum could hide.
fn scattered<T: Element>(rows: usize, cols: usize, salt: usize) -> Mat<T> {
    Mat::from_fn(rows, cols, |i, j| T::from_f64(((i * 7919 + j * 104_729 + salt) % 2003) as f64 / 1001.0 - 1.0))
}

/// Runs the pass; its largest difference from the specification, relative to the largest element.
fn largest_error<T: Element>(engine: &Engine, (n, d, k): (usize, usize, usize)) -> Result<f64, KernelError> {
    let (x, r) = (scattered::<T>(n, d, 1), scattered::<T>(k, d, 2));
    let mut e = vec![T::ZERO; n];
    energy(engine, &x, &r, &mut e)?;
    let expected = reference(&x, &r);
    let differences = e.iter().zip(&expected).map(|(found, expected)| (found.to_f64() - expected).abs());
    Ok(differences.fold(0.0, f64::max) / expected.iter().copied().fold(0.0, f64::max))
}

fn main() -> Result<(), KernelError> {
    let sizes = (1000, 100, 60);
    for isa in Isa::available() {
        let engine = Engine { isa, ..Engine::best() };
        let (single, double) = (largest_error::<f32>(&engine, sizes)?, largest_error::<f64>(&engine, sizes)?);
        println!("{:<8} error {single:.1e} in f32, {double:.1e} in f64", isa.name());
    }
    let plain = Engine { backend: Backend::MatrixMultiply, ..Engine::best() };
    println!("matrixmultiply: {:.1e} in f64", largest_error::<f64>(&plain, sizes)?);

    let (x, r) = (scattered::<f32>(20_000, 200, 1), scattered::<f32>(400, 200, 2));
    let mut e = vec![0.0; x.rows()];
    let start = Instant::now();
    energy(&Engine::best(), &x, &r, &mut e)?;
    println!("20000 x 200 against 400 features: {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use memorize_kernels::Par;

    use super::*;

    #[test]
    fn the_pass_is_its_formula_on_every_instruction_set_and_backend() {
        for isa in Isa::available() {
            for &backend in Backend::ALL {
                let engine = Engine { isa, backend, ..Engine::best() };
                for sizes in [(1, 1, 1), (37, 9, 5), (300, 50, 7)] {
                    assert!(largest_error::<f64>(&engine, sizes).unwrap() < 1e-14, "{isa}, {backend}, {sizes:?}");
                    assert!(largest_error::<f32>(&engine, sizes).unwrap() < 1e-5, "{isa}, {backend}, {sizes:?}");
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (x, r) = (scattered::<f32>(3000, 40, 1), scattered::<f32>(30, 40, 2));
        let run = |par| {
            let mut e = vec![0.0; x.rows()];
            energy(&Engine { par, ..Engine::best() }, &x, &r, &mut e).unwrap();
            e
        };
        assert_eq!(run(Par::Seq), run(Par::POOL));
    }

    #[test]
    fn another_width_is_an_error() {
        let (x, r) = (scattered::<f64>(4, 3, 1), scattered::<f64>(2, 5, 2));
        assert!(energy(&Engine::best(), &x, &r, &mut [0.0; 4]).is_err());
    }
}
