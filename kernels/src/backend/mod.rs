//! Further backends: the same passes from plain matrix products, to be compared with and to cross-check results.
//!
//! Everything that differs between them is in this folder: a pass calls `gemm`, `times_upper` or `add_gram` and hands
//! on the backend that its operands were made for.

#[cfg(feature = "blas")]
mod blas;
mod loops;
#[cfg(feature = "matrixmultiply")]
mod matrixmultiply;

#[cfg(any(feature = "matrixmultiply", feature = "blas"))]
use std::any::TypeId;
use std::fmt;
use std::str::FromStr;

use crate::block::DOT_SUMS;
use crate::element::Element;
use crate::error::KernelError;
use crate::mat::{Mat, MatMut, MatRef};

/// Whose matrix products a pass is made of. The cargo feature `blas` adds a third one, `Blas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The fused engine of this crate.
    Native,
    /// The crate `matrixmultiply`: portable, one thread a call; there with the cargo feature `matrixmultiply`.
    #[cfg(feature = "matrixmultiply")]
    MatrixMultiply,
    /// The cblas that the program is linked with; there with the cargo feature `blas`.
    ///
    /// Which library that is, is the program's choice: this crate only declares the interface (32-bit integers). Passes
    /// call it from every thread of the rayon pool at once, so the library must allow that, and must be told to stay on
    /// the calling thread (OpenBLAS: `openblas_set_num_threads(1)`), or there are two levels of parallelism.
    #[cfg(feature = "blas")]
    Blas,
}

impl Backend {
    /// Every backend that was built in.
    pub const ALL: &'static [Backend] = &[
        Backend::Native,
        #[cfg(feature = "matrixmultiply")]
        Backend::MatrixMultiply,
        #[cfg(feature = "blas")]
        Backend::Blas,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Native => "native",
            #[cfg(feature = "matrixmultiply")]
            Backend::MatrixMultiply => "matrixmultiply",
            #[cfg(feature = "blas")]
            Backend::Blas => "blas",
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

    /// # Errors
    /// [`KernelError::BackendNotBuilt`] for a backend that needs a cargo feature which is off,
    /// [`KernelError::BackendUnknown`] for any other name.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        let found = Self::ALL.iter().copied().find(|backend| backend.name() == name);
        found.ok_or_else(|| match name {
            "matrixmultiply" => KernelError::BackendNotBuilt { asked: "matrixmultiply" },
            "blas" => KernelError::BackendNotBuilt { asked: "blas" },
            _ => KernelError::BackendUnknown { asked: name.to_owned() },
        })
    }
}

/// An operand in the form that the backends of plain products read, with the one that it was made for.
#[derive(Clone, Debug)]
pub struct Plain<T: Element> {
    pub(crate) backend: Backend,
    pub(crate) mat: Mat<T>,
}

impl<T: Element> Plain<T> {
    pub(crate) fn new(backend: Backend, m: MatRef<'_, T>) -> Self {
        Self { backend, mat: m.to_owned() }
    }

    /// A symmetric `s` as the upper triangular T with x^T T x = x^T S x: elements above the diagonal doubled.
    ///
    /// # Panics
    /// If `s` is not square.
    pub(crate) fn doubled_upper(backend: Backend, s: MatRef<'_, T>) -> Self {
        assert_eq!(s.rows(), s.cols(), "a symmetric matrix is square");
        let mut mat = Mat::zeros(s.rows(), s.cols());
        for i in 0..s.rows() {
            mat.row_mut(i)[i..].copy_from_slice(&s.row(i)[i..]);
            mat.row_mut(i)[i + 1..].iter_mut().for_each(|value| *value += *value);
        }
        Self { backend, mat }
    }
}

/// A factor of a product: a matrix as it stands, or its transpose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factor<'a, T: Element> {
    Plain(MatRef<'a, T>),
    Transposed(MatRef<'a, T>),
}

impl<T: Element> Factor<'_, T> {
    /// (rows, columns).
    fn shape(&self) -> (usize, usize) {
        match self {
            Factor::Plain(m) => (m.rows(), m.cols()),
            Factor::Transposed(m) => (m.cols(), m.rows()),
        }
    }

    /// Element (i, k).
    fn at(&self, i: usize, k: usize) -> T {
        match self {
            Factor::Plain(m) => m.row(i)[k],
            Factor::Transposed(m) => m.row(k)[i],
        }
    }
}

/// Whether a product replaces what is there or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accum {
    Replace,
    Add,
}

/// C = A B or C += A B whose shapes are known to go together. A: m x k, B: k x n, C: m x n.
struct Product<'a, T: Element> {
    m: usize,
    k: usize,
    n: usize,
    a: Factor<'a, T>,
    b: Factor<'a, T>,
    accum: Accum,
    c: MatMut<'a, T>,
}

impl<'a, T: Element> Product<'a, T> {
    fn new(a: Factor<'a, T>, b: Factor<'a, T>, accum: Accum, c: MatMut<'a, T>) -> Self {
        let ((m, k), (k_b, n)) = (a.shape(), b.shape());
        let into = (c.rows(), c.cols());
        assert!(k == k_b && into == (m, n), "{m} x {k} times {k_b} x {n} into {} x {}", into.0, into.1);
        Self { m, k, n, a, b, accum, c }
    }
}

/// C = A B or C += A B.
///
/// # Panics
/// If the shapes do not go together.
pub(crate) fn gemm<T: Element>(backend: Backend, a: Factor<'_, T>, b: Factor<'_, T>, accum: Accum, c: MatMut<'_, T>) {
    let product = Product::new(a, b, accum, c);
    match backend {
        // The native engine never asks: it multiplies by itself. Its tests do.
        Backend::Native => loops::gemm(product),
        #[cfg(feature = "matrixmultiply")]
        Backend::MatrixMultiply => matrixmultiply::gemm(product),
        #[cfg(feature = "blas")]
        Backend::Blas => blas::gemm(product),
    }
}

/// P = X T with an upper triangular T (zeros below the diagonal). x and p: b x d, t: d x d. b d^2 flops where the
/// backend has a triangular product, else twice that.
///
/// # Panics
/// If the shapes do not go together.
pub(crate) fn times_upper<T: Element>(backend: Backend, x: MatRef<'_, T>, t: MatRef<'_, T>, p: MatMut<'_, T>) {
    match backend {
        #[cfg(feature = "blas")]
        Backend::Blas => blas::times_upper(x, t, p),
        _ => gemm(backend, Factor::Plain(x), Factor::Plain(t), Accum::Replace, p),
    }
}

/// C += sum_j v_j x_j x_j^T, of which only the upper triangle is meant. x: b x d, v: b, c: d x d, `scratch`: b d
/// elements or more. b d^2 flops where the backend has a symmetric product, else twice that.
///
/// # Panics
/// If the shapes do not go together.
pub(crate) fn add_gram<T: Element>(backend: Backend, x: MatRef<'_, T>, v: &[T], scratch: &mut [T], c: MatMut<'_, T>) {
    assert_eq!(x.rows(), v.len(), "a weight for each row");
    let (b, d) = (x.rows(), x.cols());
    match backend {
        #[cfg(feature = "blas")]
        Backend::Blas => blas::add_gram(x, v, scratch, c),
        _ => {
            for (j, row) in scratch.chunks_mut(d.max(1)).take(b).enumerate() {
                row.iter_mut().zip(x.row(j)).for_each(|(scaled, &x)| *scaled = v[j] * x);
            }
            let scaled = MatRef::new(scratch, b, d, d);
            gemm(backend, Factor::Transposed(scaled), Factor::Plain(x), Accum::Add, c);
        }
    }
}

/// x . y, as sums side by side that the compiler keeps in registers: one sum would wait for each of its additions.
pub(crate) fn dot<T: Element>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::ZERO; DOT_SUMS];
    let (xs, ys) = (x.chunks_exact(DOT_SUMS), y.chunks_exact(DOT_SUMS));
    let mut total = T::ZERO;
    xs.remainder().iter().zip(ys.remainder()).for_each(|(&x, &y)| total += x * y);
    for (x, y) in xs.zip(ys) {
        for i in 0..DOT_SUMS {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().fold(total, |total, &sum| total + sum)
}

/// Whether T is f32. [`Element`] is sealed: otherwise it is f64.
#[cfg(any(feature = "matrixmultiply", feature = "blas"))]
fn is_f32<T: Element>() -> bool {
    TypeId::of::<T>() == TypeId::of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<T: Element>(rows: usize, cols: usize) -> Mat<T> {
        // Small integers: every product and sum below is exact in f32, whatever its order.
        Mat::from_fn(rows, cols, |i, j| T::from_f64(((5 * i + 3 * j) % 7) as f64 - 3.0))
    }

    fn naive<T: Element>(a: &Mat<T>, b: &Mat<T>) -> Mat<T> {
        let element = |i: usize, j: usize| (0..a.cols()).map(|k| a.row(i)[k].to_f64() * b.row(k)[j].to_f64()).sum();
        Mat::from_fn(a.rows(), b.cols(), |i, j| T::from_f64(element(i, j)))
    }

    fn rows<T: Element>(m: &Mat<T>) -> Vec<T> {
        m.iter().copied().collect()
    }

    /// Every product of every backend, on shapes that have nothing in them too.
    fn check<T: Element>() {
        for &backend in Backend::ALL {
            for (m, k, n) in [(3, 4, 5), (17, 9, 33), (1, 1, 1), (0, 3, 2), (2, 0, 3), (3, 2, 0)] {
                let (a, b) = (matrix::<T>(m, k), matrix::<T>(k, n));
                let (at, bt) = (a.transposed(), b.transposed());
                let expected = naive(&a, &b);
                for a in [Factor::Plain(a.as_ref()), Factor::Transposed(at.as_ref())] {
                    for b in [Factor::Plain(b.as_ref()), Factor::Transposed(bt.as_ref())] {
                        let mut c = Mat::from_fn(m, n, |_, _| T::from_f64(f64::NAN));
                        gemm(backend, a, b, Accum::Replace, c.as_mut());
                        assert_eq!(rows(&c), rows(&expected), "{backend} {m} {k} {n}");
                        gemm(backend, a, b, Accum::Add, c.as_mut());
                        let twice = expected.iter().map(|&value| value + value);
                        assert_eq!(rows(&c), twice.collect::<Vec<_>>(), "{backend} {m} {k} {n}");
                    }
                }
            }
            // Miri takes minutes for what is a moment otherwise.
            let tall = if cfg!(miri) { (20, 9) } else { (130, 33) };
            for (b, d) in [(5, 4), tall, (0, 3), (3, 0), (1, 1)] {
                let (x, s) = (matrix::<T>(b, d), Mat::from_fn(d, d, |i, j| T::from_f64((i + j) as f64)));
                let t = Plain::doubled_upper(backend, s.as_ref()).mat;
                let mut p = Mat::from_fn(b, d, |_, _| T::from_f64(f64::NAN));
                times_upper(backend, x.as_ref(), t.as_ref(), p.as_mut());
                assert_eq!(rows(&p), rows(&naive(&x, &t)), "{backend} {b} {d}");
                // Squares, so that a root of a weight is exact.
                let v: Vec<T> = (0..b).map(|j| T::from_f64([4.0, -1.0, 0.0, -9.0, 16.0][j % 5])).collect();
                let vx = Mat::from_fn(b, d, |i, j| v[i] * x.row(i)[j]);
                let (mut c, mut scratch) = (Mat::from_fn(d, d, |_, _| T::ONE), vec![T::ONE; b * d]);
                add_gram(backend, x.as_ref(), &v, &mut scratch, c.as_mut());
                let expected = naive(&x.transposed(), &vx);
                for i in 0..d {
                    let expected: Vec<T> = expected.row(i)[i..].iter().map(|&value| value + T::ONE).collect();
                    assert_eq!(c.row(i)[i..], expected, "{backend} {b} {d}");
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_naive_loops() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn strides_beyond_32_bits_are_fine() {
        let data = [1.0f32, 2.0, 3.0];
        let x = MatRef::new(&data, 1, 3, 1 << 40);
        for &backend in Backend::ALL {
            let mut c = Mat::zeros(1, 1);
            gemm(backend, Factor::Plain(x), Factor::Transposed(x), Accum::Replace, c.as_mut());
            assert_eq!(c.row(0), [14.0], "{backend}");
        }
    }

    #[test]
    fn names_round_trip_and_what_is_not_there_is_refused() {
        for &backend in Backend::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
        }
        let not_built = |asked| Err(KernelError::BackendNotBuilt { asked });
        for (name, built) in [("matrixmultiply", cfg!(feature = "matrixmultiply")), ("blas", cfg!(feature = "blas"))] {
            assert!(built || name.parse::<Backend>() == not_built(name), "{name}");
        }
        assert!(matches!("mkl".parse::<Backend>(), Err(KernelError::BackendUnknown { .. })));
    }
}
