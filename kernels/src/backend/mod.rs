//! Further backends: the same passes from plain matrix products, to be compared with and to cross-check results.

mod matrixmultiply;

use std::fmt;
use std::str::FromStr;

use crate::element::Element;
use crate::error::KernelError;
use crate::mat::{MatMut, MatRef};

pub use self::matrixmultiply::Gemm;

/// Whose matrix products a pass is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The fused engine of this crate.
    Native,
    /// The crate `matrixmultiply`: portable, one thread a call.
    MatrixMultiply,
}

impl Backend {
    /// Every backend that was built in.
    pub const ALL: [Backend; 2] = [Backend::Native, Backend::MatrixMultiply];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Native => "native",
            Backend::MatrixMultiply => "matrixmultiply",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        let found = Self::ALL.into_iter().find(|backend| backend.name() == name);
        found.ok_or_else(|| KernelError::BackendUnknown { asked: name.to_owned() })
    }
}

/// A factor of a product: a matrix as it stands, or its transpose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factor<'a, T: Element> {
    Plain(MatRef<'a, T>),
    Transposed(MatRef<'a, T>),
}

impl<T: Element> Factor<'_, T> {
    /// (rows, columns, row stride, column stride, pointer).
    fn parts(self) -> (usize, usize, isize, isize, *const T) {
        match self {
            Factor::Plain(m) => (m.rows(), m.cols(), m.stride() as isize, 1, m.as_ptr()),
            Factor::Transposed(m) => (m.cols(), m.rows(), 1, m.stride() as isize, m.as_ptr()),
        }
    }
}

/// Whether a product replaces what is there or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accum {
    Replace,
    Add,
}

/// C = A B or C += A B by the plain GEMM.
///
/// # Panics
/// If the shapes do not go together.
pub(crate) fn gemm<T: Element>(a: Factor<'_, T>, b: Factor<'_, T>, accum: Accum, mut c: MatMut<'_, T>) {
    let (m, k, rsa, csa, pa) = a.parts();
    let (k_b, n, rsb, csb, pb) = b.parts();
    assert!(k == k_b && c.rows() == m && c.cols() == n, "{m} x {k} times {k_b} x {n} into {} x {}", c.rows(), c.cols());
    let beta = if accum == Accum::Add { T::ONE } else { T::ZERO };
    let stride = c.stride() as isize;
    // SAFETY: the pointers and strides come from views that hold every element of the shapes asserted above, and `c` is
    // borrowed mutably.
    unsafe { T::gemm(m, k, n, pa, rsa, csa, pb, rsb, csb, beta, c.as_mut_ptr(), stride, 1) }
}
