//! The matrix products of the peers behind one trait.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use memorize_benches::Workload;
use memorize_kernels::{MatMut, MatRef};
use rayon::prelude::*;

/// A factor of a product: a matrix as it stands, or its transpose.
#[derive(Clone, Copy)]
pub enum Factor<'a> {
    /// As it stands.
    Plain(MatRef<'a, f32>),
    /// Its transpose.
    Transposed(MatRef<'a, f32>),
}

impl Factor<'_> {
    /// (rows, columns, row stride, column stride).
    fn layout(&self) -> (usize, usize, isize, isize) {
        match self {
            Factor::Plain(m) => (m.rows(), m.cols(), m.stride() as isize, 1),
            Factor::Transposed(m) => (m.cols(), m.rows(), 1, m.stride() as isize),
        }
    }

    fn as_ptr(&self) -> *const f32 {
        match self {
            Factor::Plain(m) | Factor::Transposed(m) => m.as_ptr(),
        }
    }

    fn faer(&self) -> faer::MatRef<'_, f32> {
        let (rows, cols, row_stride, col_stride) = self.layout();
        // SAFETY: a matrix view holds every element of its rows and columns at these strides.
        unsafe { faer::MatRef::from_raw_parts(self.as_ptr(), rows, cols, row_stride, col_stride) }
    }
}

/// Whether a product replaces what is there or is added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Accum {
    /// C = A B.
    Replace,
    /// C += A B.
    Add,
}

/// The part of a symmetric result that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// All of it.
    Both,
    /// The diagonal and what is below it.
    Lower,
}

/// A peer: whose matrix products a pass is made of. All of them use the threads of the current rayon pool.
pub trait Product: Sync {
    /// Name and version, as the table shows them.
    fn peer(&self) -> &'static str;

    /// What is done with the peer.
    fn variant(&self) -> &'static str {
        "general"
    }

    /// Whether the variant is another than the peer's plain one in this pass.
    fn applies_to(&self, _: Workload) -> bool {
        true
    }

    /// C = A B or C += A B.
    fn multiply(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, c: MatMut<'_, f32>);

    /// The same where the product is symmetric, so that half of it is enough. Says what was computed.
    fn multiply_symmetric(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, c: MatMut<'_, f32>) -> Half {
        self.multiply(a, b, accum, c);
        Half::Both
    }

    /// C = A L with zeros above the diagonal of L.
    fn multiply_lower(&self, a: Factor<'_>, l: MatRef<'_, f32>, c: MatMut<'_, f32>) {
        self.multiply(a, Factor::Plain(l), Accum::Replace, c);
    }
}

#[track_caller]
fn assert_fits(a: Factor<'_>, b: Factor<'_>, c: &MatMut<'_, f32>) {
    let ((m, k, ..), (k_b, n, ..)) = (a.layout(), b.layout());
    assert!(k == k_b && c.rows() == m && c.cols() == n, "{m} x {k} times {k_b} x {n} into {} x {}", c.rows(), c.cols());
}

/// The crate `gemm`.
pub struct GemmCrate;

impl Product for GemmCrate {
    fn peer(&self) -> &'static str {
        "gemm 0.19"
    }

    fn multiply(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, mut c: MatMut<'_, f32>) {
        assert_fits(a, b, &c);
        let ((m, k, rsa, csa), (_, n, rsb, csb)) = (a.layout(), b.layout());
        let alpha = if accum == Accum::Add { 1.0 } else { 0.0 };
        let parallelism = match rayon::current_num_threads() {
            1 => gemm::Parallelism::None,
            threads => gemm::Parallelism::Rayon(threads),
        };
        let (pa, pb, pc, rsc) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), c.stride() as isize);
        let add = accum == Accum::Add;
        // SAFETY: the pointers and strides come from views that hold every element of the shapes asserted above, and
        // `c` is borrowed mutably.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                pc,
                1,
                rsc,
                add,
                pa,
                csa,
                rsa,
                pb,
                csb,
                rsb,
                alpha,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}

/// The crate `faer`.
pub struct Faer {
    /// Which of its products are used.
    pub products: FaerProducts,
}

/// faer can leave out half of a product whose operand or result is triangular.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FaerProducts {
    /// General ones only.
    General,
    /// Those for triangular matrices where they apply.
    Triangular,
}

impl Faer {
    fn accum(accum: Accum) -> faer::Accum {
        match accum {
            Accum::Replace => faer::Accum::Replace,
            Accum::Add => faer::Accum::Add,
        }
    }

    fn par() -> faer::Par {
        match rayon::current_num_threads() {
            1 => faer::Par::Seq,
            threads => faer::Par::rayon(threads),
        }
    }

    fn target<'a>(c: &'a mut MatMut<'_, f32>) -> faer::MatMut<'a, f32> {
        let (rows, cols, stride) = (c.rows(), c.cols(), c.stride() as isize);
        // SAFETY: the view holds every element of its rows and columns at these strides and is borrowed mutably.
        unsafe { faer::MatMut::from_raw_parts_mut(c.as_mut_ptr(), rows, cols, stride, 1) }
    }
}

impl Product for Faer {
    fn peer(&self) -> &'static str {
        "faer 0.24"
    }

    fn variant(&self) -> &'static str {
        match self.products {
            FaerProducts::General => "general",
            FaerProducts::Triangular => "triangular",
        }
    }

    fn applies_to(&self, workload: Workload) -> bool {
        self.products == FaerProducts::General || !matches!(workload, Workload::AdamStep | Workload::Features)
    }

    fn multiply(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, mut c: MatMut<'_, f32>) {
        assert_fits(a, b, &c);
        matmul(Self::target(&mut c), Self::accum(accum), a.faer(), b.faer(), 1.0, Self::par());
    }

    fn multiply_symmetric(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, mut c: MatMut<'_, f32>) -> Half {
        if self.products == FaerProducts::General {
            self.multiply(a, b, accum, c);
            return Half::Both;
        }
        assert_fits(a, b, &c);
        let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
        let (c, accum) = (Self::target(&mut c), Self::accum(accum));
        triangular::matmul(c, lower, accum, a.faer(), whole, b.faer(), whole, 1.0, Self::par());
        Half::Lower
    }

    fn multiply_lower(&self, a: Factor<'_>, l: MatRef<'_, f32>, mut c: MatMut<'_, f32>) {
        let b = Factor::Plain(l);
        if self.products == FaerProducts::General {
            return self.multiply(a, b, Accum::Replace, c);
        }
        assert_fits(a, b, &c);
        let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
        let c = Self::target(&mut c);
        triangular::matmul(c, whole, faer::Accum::Replace, a.faer(), whole, b.faer(), lower, 1.0, Self::par());
    }
}

/// The crate `matrixmultiply`, one call a thread: its own threads are four at most.
pub struct MatrixMultiply;

/// Rows or columns of the result that a thread gets are a multiple of this, the widest register tile's side.
const SPLIT: usize = 32;

/// A pointer into a matrix of which every thread writes its own part.
#[derive(Clone, Copy)]
struct Shared<T>(T);
// SAFETY: the only user, `MatrixMultiply`, keeps the operands and the result borrowed while its threads run; they read the operands
// and write disjoint parts of the result.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// A method, so that closures capture the wrapper and not the pointer in it.
    fn get(&self) -> T {
        self.0
    }
}

impl Product for MatrixMultiply {
    fn peer(&self) -> &'static str {
        "matrixmultiply 0.3.11"
    }

    fn multiply(&self, a: Factor<'_>, b: Factor<'_>, accum: Accum, mut c: MatMut<'_, f32>) {
        assert_fits(a, b, &c);
        let ((m, k, rsa, csa), (_, n, rsb, csb)) = (a.layout(), b.layout());
        let beta = if accum == Accum::Add { 1.0 } else { 0.0 };
        let rsc = c.stride() as isize;
        let pointers = Shared((a.as_ptr(), b.as_ptr(), c.as_mut_ptr()));
        // The longer side is split: the operand along the other one is packed by every thread.
        let (length, by_rows) = (m.max(n), m >= n);
        let part = length.div_ceil(rayon::current_num_threads()).next_multiple_of(SPLIT);
        (0..length).into_par_iter().step_by(part).for_each(|first| {
            let len = part.min(length - first);
            let at = first as isize;
            let (row, column, m, n) = if by_rows { (at, 0, len, n) } else { (0, at, m, len) };
            let (pa, pb, pc) = pointers.get();
            // SAFETY: the pointers and strides come from views that hold every element of the shapes asserted above,
            // `c` is borrowed mutably, and the parts do not overlap.
            unsafe {
                let (pa, pb) = (pa.offset(row * rsa), pb.offset(column * csb));
                let pc = pc.offset(row * rsc + column);
                matrixmultiply::sgemm(m, k, n, 1.0, pa, rsa, csa, pb, rsb, csb, beta, pc, rsc, 1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    /// The versions that the table names are those that are built.
    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        for (name, version) in [("gemm", "0.19."), ("faer", "0.24."), ("matrixmultiply", "0.3.11")] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
