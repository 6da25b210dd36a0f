//! A pass that the crate does not have, with an epilogue of its own: e_j = sum_k (r_k . x_j)^2, how strongly a sample
//! excites all features together. R is packed, rows of X are broadcast, and the epilogue squares the register tile and
//! adds it up, a register per row; the lanes are summed when all panels are done.
//!
//! ```text
//! cargo run --release -p memorize-kernels --features extend --example new_pass
//! ```
//!
//! Where no epilogue of one's own is needed, passes that are there may do: e_j is the quadratic form x_j^T (R^T R) x_j,
//! so `weighted_gram` of R and `quadratic_forms` make it, in n d^2 flops instead of 2 n d k.

use std::time::Instant;

use memorize_kernels::aligned::aligned_zeros;
use memorize_kernels::arch::Kernel;
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::element::lanes;
use memorize_kernels::error::check_shape;
use memorize_kernels::extend::{Broadcast, Epilogue, Packed, PanelPart, Panels, Tile, load_lanes, store_lanes, sweep};
use memorize_kernels::parallel::for_chunks;
use memorize_kernels::pass::features;
use memorize_kernels::pulp::Simd;
use memorize_kernels::{Element, Engine, Isa, KernelError, Mat, MatRef, PackedRows, compiled};

/// e_j = sum_k (r_k . x_j)^2. x: n x d, r: R (k x d) packed by [`Engine::pack_rows`], e: n. 2 n d k flops.
///
/// # Errors
/// [`KernelError::OtherEngine`] if R was packed for another engine, [`KernelError::Shape`] if the widths differ or
/// there are not n energies.
fn energy<T: Element>(engine: &Engine, x: MatRef<'_, T>, r: &PackedRows<T>, e: &mut [T]) -> Result<(), KernelError> {
    check_shape("width of the samples and of R", r.depth(), x.cols())?;
    check_shape("number of energies", x.rows(), e.len())?;
    let par = engine.par.for_work(2.0 * (x.rows() * x.cols()) as f64 * r.columns() as f64);
    match r.operand("the matrix R", engine)? {
        // Rows are independent: blocks of them go to threads as they come.
        Packed::Panels(r) => for_chunks(par, e, ROW_BLOCK, &|first, e| {
            EnergyBlock { x: x.rows_range(first..first + e.len()), r, e }.run_on(engine.isa);
        }),
        // A backend with its own matrix product: here another pass does it.
        Packed::Plain(_) => {
            let mut u = Mat::zeros(x.rows(), r.columns());
            features(engine, x, r, 1, u.as_mut())?;
            for (j, e) in e.iter_mut().enumerate() {
                *e = u.row(j).iter().fold(T::ZERO, |sum, &u| sum + u * u);
            }
        }
    }
    Ok(())
}

/// A block of rows against all panels of R.
struct EnergyBlock<'a, T: Element> {
    x: MatRef<'a, T>,
    r: &'a Panels<T>,
    e: &'a mut [T],
}

compiled!(EnergyBlock);

impl<T: Element> Kernel for EnergyBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let lanes = lanes::<S, T>();
        let mut partial = aligned_zeros(self.x.rows() * lanes);
        for layout in self.r.layout() {
            let panel = PanelPart::whole(self.r.panel(layout), layout.vectors);
            let rows = Broadcast::rows(self.x, layout.depth);
            sweep::<S, T, _, MV, NR>(simd, panel, rows, &mut SumSquares { partial: &mut partial });
        }
        // A plain loop: a closure handed to the standard library would be compiled without the instruction set.
        for j in 0..self.e.len() {
            self.e[j] = T::reduce_sum(simd, load_lanes(simd, &partial[j * lanes..][..lanes]));
        }
    }
}

/// The epilogue: adds the squares of a tile to a register per row. Padding of the panel is zero and adds nothing.
struct SumSquares<'a, T> {
    partial: &'a mut [T],
}

impl<T: Element> Epilogue<T> for SumSquares<'_, T> {
    #[inline(always)]
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    ) {
        for r in 0..NR {
            if r < valid {
                let partial = &mut self.partial[(row + r) * lanes::<S, T>()..][..lanes::<S, T>()];
                let mut sum = load_lanes(simd, partial);
                for v in 0..MV {
                    sum = T::vfma(simd, tile[r][v], tile[r][v], sum);
                }
                store_lanes(simd, partial, sum);
            }
        }
    }
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

/// Runs the pass; its largest difference from the specification, as a multiple of the rounding that sums of k d^2
/// products of numbers up to one may have.
fn largest_error<T: Element>(engine: &Engine, (n, d, k): (usize, usize, usize)) -> Result<f64, KernelError> {
    let (x, r) = (scattered::<T>(n, d, 1), scattered::<T>(k, d, 2));
    let mut e = vec![T::ZERO; n];
    energy(engine, x.as_ref(), &engine.pack_rows(r.as_ref()), &mut e)?;
    let differences = e.iter().zip(reference(&x, &r)).map(|(found, expected)| (found.to_f64() - expected).abs());
    Ok(differences.fold(0.0, f64::max) / ((d + k) as f64 * T::EPSILON * (k * d * d) as f64))
}

fn main() -> Result<(), KernelError> {
    let sizes = (1000, 100, 60);
    for isa in Isa::available() {
        let engine = Engine { isa, ..Engine::best() };
        let (single, double) = (largest_error::<f32>(&engine, sizes)?, largest_error::<f64>(&engine, sizes)?);
        println!("{:<8} error {single:.1e} of the bound in f32, {double:.1e} in f64", isa.name());
    }

    let (x, r) = (scattered::<f32>(20_000, 200, 1), scattered::<f32>(400, 200, 2));
    let (engine, mut e) = (Engine::best(), vec![0.0; x.rows()]);
    let r = engine.pack_rows(r.as_ref());
    let start = Instant::now();
    energy(&engine, x.as_ref(), &r, &mut e)?;
    println!("20000 x 200 against 400 features: {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use memorize_kernels::{Backend, Par};

    use super::*;

    #[test]
    fn the_pass_is_its_formula_on_every_instruction_set_and_backend() {
        let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
        let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
        for (isa, backend) in natives.chain(others.map(|&backend| (Isa::best(), backend))) {
            for par in [Par::Seq, Par::POOL] {
                let engine = Engine { isa, backend, par };
                for sizes in [(0, 3, 2), (1, 1, 1), (7, 5, 49), (37, 9, 5), (300, 61, 130)] {
                    let (single, double) =
                        (largest_error::<f32>(&engine, sizes).unwrap(), largest_error::<f64>(&engine, sizes).unwrap());
                    assert!(single <= 4.0 && double <= 4.0, "{engine:?} {sizes:?}: {single} {double}");
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (x, r) = (scattered::<f32>(3000, 40, 1), scattered::<f32>(30, 40, 2));
        let run = |par| {
            let (engine, mut e) = (Engine { par, ..Engine::best() }, vec![0.0; x.rows()]);
            energy(&engine, x.as_ref(), &engine.pack_rows(r.as_ref()), &mut e).unwrap();
            e
        };
        assert_eq!(run(Par::Seq), run(Par::ALWAYS));
    }

    #[test]
    fn another_width_and_another_engine_are_errors() {
        let (x, r) = (scattered::<f64>(4, 3, 1), scattered::<f64>(2, 5, 2));
        let engine = Engine::best();
        let wide = energy(&engine, x.as_ref(), &engine.pack_rows(r.as_ref()), &mut [0.0; 4]);
        assert!(matches!(wide, Err(KernelError::Shape { expected: 5, got: 3, .. })), "{wide:?}");
        let scalar = Engine { isa: "scalar".parse().unwrap(), ..engine };
        let other = energy(&engine, r.as_ref(), &scalar.pack_rows(r.as_ref()), &mut [0.0; 2]);
        assert!(engine.isa == scalar.isa || matches!(other, Err(KernelError::OtherEngine { .. })), "{other:?}");
    }
}
