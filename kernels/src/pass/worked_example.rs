//! The pass that `kernels/README.md` adds as an example. The tests below keep both the code and the page true.

// The page shows what follows, up to the next line of this kind.
// ---- shown ----
use pulp::Simd;

use crate::aligned::aligned_zeros;
use crate::arch::Kernel;
use crate::block::ROW_BLOCK;
use crate::element::{Element, lanes};
use crate::engine::epilogue::{load_lanes, store_lanes};
use crate::engine::microkernel::{Epilogue, Tile};
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::engine::{Engine, Packed, PackedRows, Panels};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatRef};
use crate::parallel::for_chunks;
use crate::pass::features;

/// e_j = sum_k (r_k . x_j)^2. x: n x d, r: R (k x d) packed by [`Engine::pack_rows`], e: n. 2 n d k flops.
pub fn energy<T: Element>(
    engine: &Engine,
    x: MatRef<'_, T>,
    r: &PackedRows<T>,
    e: &mut [T],
) -> Result<(), KernelError> {
    check_shape("width of the samples and of R", r.depth(), x.cols())?;
    check_shape("number of energies", x.rows(), e.len())?;
    let par = engine.par.for_work(2.0 * (x.rows() * x.cols()) as f64 * r.columns() as f64);
    match r.made_for("the matrix R", engine)? {
        // Rows are independent: blocks of them go to threads as they come.
        Packed::Panels(r) => for_chunks(par, e, ROW_BLOCK, &|first, e| {
            engine.isa.run(EnergyBlock { x: x.rows_range(first..first + e.len()), r, e });
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
// ---- shown ----

mod tests {
    use super::*;
    use crate::reference::{self as naive, Dense};
    use crate::{Backend, Isa, Par};

    fn check<T: Element>(engine: Engine, n: usize, d: usize, k: usize) {
        let value = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 101) as f64 / 50.0 - 1.0;
        let (x, r) = (Dense::from_fn(n, d, value), Dense::from_fn(k, d, |i, j| value(j, i)));
        let u = naive::features(&x, &r, 2);
        let [x, r] = [&x, &r].map(|m| Mat::<T>::from_fn(m.rows, m.cols, |i, j| T::from_f64(m.at(i, j))));
        let mut e = vec![T::ZERO; n];
        energy(&engine, x.as_ref(), &engine.pack_rows(r.as_ref()), &mut e).unwrap();
        for j in 0..n {
            let expected: f64 = (0..k).map(|i| u.at(j, i)).sum();
            // Products of numbers up to one: the size of what is summed is at most k d^2.
            let bound = 4.0 * (d + k) as f64 * T::EPSILON * (k * d * d) as f64;
            assert!((e[j].to_f64() - expected).abs() <= bound, "{engine:?} {n} x {d} x {k}: {} {expected}", e[j]);
        }
    }

    #[test]
    fn the_example_computes_what_it_says() {
        let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
        let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
        for (isa, backend) in natives.chain(others.map(|&backend| (Isa::best(), backend))) {
            for par in [Par::Seq, Par::POOL] {
                // Miri takes an hour for what is a moment otherwise.
                let large = if cfg!(miri) { (19, 6, 11) } else { (300, 61, 130) };
                for (n, d, k) in [(0, 3, 2), (1, 1, 1), (7, 5, 49), large] {
                    check::<f32>(Engine { isa, backend, par }, n, d, k);
                    check::<f64>(Engine { isa, backend, par }, n, d, k);
                }
            }
        }
    }

    #[test]
    fn the_page_shows_this_code() {
        let shown = include_str!("worked_example.rs").split("// ---- shown ----\n").nth(1).unwrap();
        let page = include_str!("../../README.md");
        assert!(
            page.contains(&format!("```rust\n{shown}```\n")),
            "kernels/README.md shows another version of the example"
        );
    }

    /// Names of files, functions and numbers that the page speaks of.
    #[test]
    fn the_page_speaks_of_what_exists() {
        let page = include_str!("../../README.md");
        let block = include_str!("../block.rs");
        let constants = page.split('`').filter(|word| {
            word.len() > 3
                && word.contains('_')
                && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        });
        let mut named = 0;
        for constant in constants.filter(|&name| name != crate::arch::ISA_VARIABLE) {
            assert!(block.contains(&format!("pub const {constant}:")), "block.rs has no {constant}");
            named += 1;
        }
        assert!(named >= 5, "the page names the numbers that tune speed");
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(folder.join(link).exists(), "{link}");
        }
    }
}
