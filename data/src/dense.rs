//! Decompositions of dense matrices on the caller's thread.
//!
//! faer's own shorthands (`a.thin_svd()`, `&a * &b`) take as many threads as a setting of the whole process says, on
//! which the bits of what they find depend. That setting belongs to the program: here it is neither read nor changed.
//! The bits depend on the processor, too, so that what ranks decide by is found by rank 0 ([`Spread::from_first`]).

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor as qr;
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Conj, Mat, MatRef, Par};
use memorize_kernels::Spread;
use memorize_kernels::team::Carried;

/// Eigenvalues of a symmetric matrix in ascending order, and its eigenvectors in the columns.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// Ascending.
    pub values: Vec<f64>,
    /// One a column, orthonormal.
    pub vectors: Mat<f64>,
}

/// A = U diag(values) V^T with as many columns in U and V as there are values.
#[derive(Clone, Debug)]
pub struct Svd {
    /// Left singular vectors, one a column.
    pub u: Mat<f64>,
    /// Singular values in descending order.
    pub values: Vec<f64>,
    /// Right singular vectors, one a column.
    pub v: Mat<f64>,
}

/// A = Q R, Q as the reflections that it is a product of.
#[derive(Clone, Debug)]
pub struct Qr {
    /// R on and above the diagonal, the reflections below it.
    both: Mat<f64>,
    coefficients: Mat<f64>,
}

/// A = L L^T for a symmetric A.
#[derive(Clone, Debug)]
pub struct Cholesky(Mat<f64>);

impl Carried for Eigen {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        self.values.bytes(visit);
        columns(&mut self.vectors, visit);
    }
}

impl Carried for Cholesky {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        columns(&mut self.0, visit);
    }
}

fn columns(matrix: &mut Mat<f64>, visit: &mut dyn FnMut(&mut [u8])) {
    for k in 0..matrix.ncols() {
        visit(bytemuck::cast_slice_mut(matrix.col_as_slice_mut(k)));
    }
}

/// What [`eigen`] finds on rank 0, for the n x n matrix that it makes there, on every rank of those that vectors of this
/// space are spread over.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::eigen_among;
/// use memorize_kernels::Spread;
///
/// let found = eigen_among(&Spread::alone(7), 2, || mat![[2.0, 0.0], [0.0, 1.0]]).unwrap();
/// assert_eq!(found.values, [1.0, 2.0]);
/// ```
pub fn eigen_among(space: &Spread, n: usize, a: impl FnOnce() -> Mat<f64>) -> Option<Eigen> {
    space.from_first(|| eigen(a().as_ref()), || Eigen { values: vec![0.0; n], vectors: Mat::zeros(n, n) })
}

/// The eigenvalues of a symmetric matrix, of which the lower triangle is read, and its eigenvectors; `None` if the
/// iteration for them does not converge.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::eigen;
///
/// let found = eigen(mat![[2.0, 0.0], [0.0, 1.0]].as_ref()).unwrap();
/// // From the smallest on.
/// assert_eq!(found.values, [1.0, 2.0]);
/// ```
pub fn eigen(a: MatRef<'_, f64>) -> Option<Eigen> {
    let n = a.nrows();
    let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
    let asked = evd::self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut room = MemBuffer::new(asked);
    let stack = MemStack::new(&mut room);
    evd::self_adjoint_evd(a, values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, Default::default()).ok()?;
    Some(Eigen { values: values.column_vector().iter().copied().collect(), vectors })
}

/// The same without the eigenvectors.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::eigenvalues;
///
/// let values = eigenvalues(mat![[0.0, 0.0], [1.0, 0.0]].as_ref()).unwrap();
/// assert!((values[0] + 1.0).abs() < 1e-15 && (values[1] - 1.0).abs() < 1e-15);
/// ```
pub fn eigenvalues(a: MatRef<'_, f64>) -> Option<Vec<f64>> {
    let n = a.nrows();
    let mut values = Diag::zeros(n);
    let asked = evd::self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::No, Par::Seq, Default::default());
    let mut room = MemBuffer::new(asked);
    let stack = MemStack::new(&mut room);
    evd::self_adjoint_evd(a, values.as_mut(), None, Par::Seq, stack, Default::default()).ok()?;
    Some(values.column_vector().iter().copied().collect())
}

/// The singular values and vectors of a matrix; `None` if the iteration for them does not converge.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::thin_svd;
///
/// let found = thin_svd(mat![[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]].as_ref()).unwrap();
/// assert!((found.values[0] - 3.0).abs() < 1e-15 && (found.values[1] - 2.0).abs() < 1e-15);
/// ```
pub fn thin_svd(a: MatRef<'_, f64>) -> Option<Svd> {
    let (m, n) = a.shape();
    let size = m.min(n);
    let (mut u, mut v, mut values) = (Mat::zeros(m, size), Mat::zeros(n, size), Diag::zeros(size));
    let thin = ComputeSvdVectors::Thin;
    let mut room = MemBuffer::new(svd::svd_scratch::<f64>(m, n, thin, thin, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut room);
    svd::svd(a, values.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, Default::default()).ok()?;
    Some(Svd { u, values: values.column_vector().iter().copied().collect(), v })
}

impl Qr {
    /// Of a matrix of any shape.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Qr;
    ///
    /// let qr = Qr::new(mat![[3.0], [4.0]]);
    /// // The length of the column, with either sign.
    /// assert!((qr.r(0, 0).abs() - 5.0).abs() < 1e-14);
    /// ```
    pub fn new(mut a: Mat<f64>) -> Self {
        let (m, n) = a.shape();
        let block = qr::recommended_block_size::<f64>(m, n);
        let mut coefficients = Mat::zeros(block, m.min(n));
        let mut room = MemBuffer::new(qr::qr_in_place_scratch::<f64>(m, n, block, Par::Seq, Default::default()));
        let stack = MemStack::new(&mut room);
        qr::qr_in_place(a.as_mut(), coefficients.as_mut(), Par::Seq, stack, Default::default());
        Self { both: a, coefficients }
    }

    /// Element (i, k) of R.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Qr;
    ///
    /// let qr = Qr::new(mat![[2.0, 7.0], [0.0, 3.0]]);
    /// // A that is triangular already is R, but for signs of its rows.
    /// assert!((qr.r(0, 0) * qr.r(0, 1) - 14.0).abs() < 1e-13 && (qr.r(1, 1).abs() - 3.0).abs() < 1e-14);
    /// ```
    pub fn r(&self, i: usize, k: usize) -> f64 {
        if i <= k { self.both[(i, k)] } else { 0.0 }
    }

    /// The first `columns` columns of Q, which has as many rows as A.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Qr;
    ///
    /// let qr = Qr::new(mat![[3.0], [4.0]]);
    /// let q = qr.q(1);
    /// assert!((q[(0, 0)] * qr.r(0, 0) - 3.0).abs() < 1e-14 && (q[(1, 0)] * qr.r(0, 0) - 4.0).abs() < 1e-14);
    /// ```
    pub fn q(&self, columns: usize) -> Mat<f64> {
        let (m, size) = (self.both.nrows(), self.both.nrows().min(self.both.ncols()));
        let block = self.coefficients.nrows();
        let mut q = Mat::identity(m, columns);
        let asked = apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(m, block, columns);
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            self.both.get(.., ..size),
            self.coefficients.as_ref(),
            Conj::No,
            q.as_mut(),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(asked)),
        );
        q
    }
}

impl Cholesky {
    /// Of a symmetric matrix, of which the lower triangle is read; `None` if it is not positive definite.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Cholesky;
    ///
    /// let found = Cholesky::new(mat![[4.0, 0.0], [2.0, 10.0]].as_ref()).unwrap();
    /// let l = found.lower();
    /// assert_eq!([l[(0, 0)], l[(1, 0)], l[(1, 1)]], [2.0, 1.0, 3.0]);
    /// assert!(Cholesky::new(mat![[-1.0]].as_ref()).is_none());
    /// ```
    pub fn new(a: MatRef<'_, f64>) -> Option<Self> {
        let n = a.nrows();
        let mut l = Mat::zeros(n, n);
        l.copy_from_triangular_lower(a);
        let mut room = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
        let (none, stack) = (Default::default(), MemStack::new(&mut room));
        llt::factor::cholesky_in_place(l.as_mut(), none, Par::Seq, stack, Default::default()).ok()?;
        // Above the diagonal it leaves what it has worked with.
        for k in 1..n {
            l.col_mut(k).subrows_mut(0, k).fill(0.0);
        }
        Some(Self(l))
    }

    /// What another rank's decomposition of a matrix of this size can be put into.
    pub fn room(size: usize) -> Self {
        Self(Mat::zeros(size, size))
    }

    /// L, zero above its diagonal.
    pub fn lower(&self) -> MatRef<'_, f64> {
        self.0.as_ref()
    }

    /// A^-1 B, in place of B.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Cholesky;
    ///
    /// let mut b = mat![[8.0], [22.0]];
    /// Cholesky::new(mat![[4.0, 2.0], [2.0, 10.0]].as_ref()).unwrap().solve(&mut b);
    /// assert!((b[(0, 0)] - 1.0).abs() < 1e-14 && (b[(1, 0)] - 2.0).abs() < 1e-14);
    /// ```
    pub fn solve(&self, b: &mut Mat<f64>) {
        let l = self.lower();
        let mut room = MemBuffer::new(llt::solve::solve_in_place_scratch::<f64>(l.nrows(), b.ncols(), Par::Seq));
        llt::solve::solve_in_place(l, b.as_mut(), Par::Seq, MemStack::new(&mut room));
    }

    /// L^-1.
    ///
    /// ```
    /// use faer::mat;
    /// use memorize_data::dense::Cholesky;
    ///
    /// // A = L L^T with L = [2 0; 1 4].
    /// let inverse = Cholesky::new(mat![[4.0, 2.0], [2.0, 17.0]].as_ref()).unwrap().inverse_lower();
    /// assert_eq!([inverse[(0, 0)], inverse[(1, 0)], inverse[(1, 1)]], [0.5, -0.125, 0.25]);
    /// ```
    pub fn inverse_lower(&self) -> Mat<f64> {
        let l = self.lower();
        let mut inverse = Mat::identity(l.nrows(), l.nrows());
        solve_lower_triangular_in_place(l, inverse.as_mut(), Par::Seq);
        inverse
    }
}

/// A B.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::product;
///
/// assert_eq!(product(mat![[1.0, 2.0]].as_ref(), mat![[3.0], [4.0]].as_ref())[(0, 0)], 11.0);
/// ```
pub fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(a.nrows(), b.ncols());
    matmul(product.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    product
}

/// A A^T.
///
/// ```
/// use faer::mat;
/// use memorize_data::dense::times_transpose;
///
/// let gram = times_transpose(mat![[2.0], [3.0]].as_ref());
/// assert_eq!([gram[(0, 0)], gram[(1, 0)], gram[(1, 1)]], [4.0, 6.0, 9.0]);
/// ```
pub fn times_transpose(a: MatRef<'_, f64>) -> Mat<f64> {
    product(a, a.transpose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |i, k| ((31 * i + 17 * k) % 23) as f64 / 11.0 - 1.0)
    }

    /// The bits of faer's own, on one thread as they are in a program that has set nothing else.
    #[test]
    fn the_bits_are_those_of_the_library_on_one_thread() {
        use faer::Side;
        use faer::linalg::solvers::Solve;
        for (m, n) in [(1, 1), (7, 3), (3, 7), (40, 40), (130, 60)] {
            let a = some(m, n);
            let symmetric = times_transpose(a.as_ref());
            assert_eq!(symmetric, &a * a.transpose());
            assert_eq!(product(a.as_ref(), a.row(0).transpose().as_mat()).col(0), &a * a.row(0).transpose());
            let (found, expected) = (eigen(symmetric.as_ref()).unwrap(), symmetric.self_adjoint_eigen(Side::Lower));
            let expected = expected.unwrap();
            assert_eq!(found.vectors, expected.U());
            assert_eq!(found.values, expected.S().column_vector().iter().copied().collect::<Vec<_>>());
            let values = symmetric.self_adjoint_eigenvalues(Side::Lower).unwrap();
            assert_eq!(eigenvalues(symmetric.as_ref()).unwrap(), values);
            let (found, expected) = (thin_svd(a.as_ref()).unwrap(), a.thin_svd().unwrap());
            assert_eq!((found.u.as_ref(), found.v.as_ref()), (expected.U(), expected.V()));
            assert_eq!(found.values, expected.S().column_vector().iter().copied().collect::<Vec<_>>());
            let (found, expected) = (Qr::new(a.clone()), a.qr());
            assert_eq!((found.q(m.min(n)), found.q(m)), (expected.compute_thin_Q(), expected.compute_Q()));
            let r = Mat::from_fn(m.min(n), n, |i, k| found.r(i, k));
            assert_eq!(r, expected.thin_R());
            let definite = Mat::from_fn(m, m, |i, k| symmetric[(i, k)] + if i == k { 1.0 } else { 0.0 });
            let (found, expected) = (Cholesky::new(definite.as_ref()).unwrap(), definite.llt(Side::Lower).unwrap());
            assert_eq!(found.lower(), expected.L());
            let mut solved = some(m, 2);
            found.solve(&mut solved);
            assert_eq!(solved, expected.solve(some(m, 2)));
        }
        assert!(Cholesky::new(Mat::from_fn(2, 2, |i, k| if i == k { 1.0 } else { 2.0 }).as_ref()).is_none());
    }

    /// Of matrices that differ in a last bit between ranks, as if each had another processor.
    #[test]
    fn ranks_go_by_the_decomposition_of_the_first() {
        let symmetric = |rank: usize| {
            let a = some(9, 9);
            let last_bit = rank as f64 * f64::EPSILON;
            Mat::from_fn(9, 9, |i, k| a[(i, k)] + a[(k, i)] + if i == k { 20.0 + 20.0 * last_bit } else { 0.0 })
        };
        let (first, other) = (eigen(symmetric(0).as_ref()).unwrap(), eigen(symmetric(1).as_ref()).unwrap());
        assert_ne!(first.values, other.values);
        std::thread::scope(|scope| {
            for team in memorize_ranks::threads(3) {
                let (first, symmetric) = (&first, &symmetric);
                scope.spawn(move || {
                    let (space, own) = (Spread::over(&team, 5), symmetric(team.rank()));
                    let found = eigen_among(&space, 9, || own.clone()).unwrap();
                    assert_eq!((&found.values, &found.vectors), (&first.values, &first.vectors));
                    let found = space.from_first(|| Cholesky::new(own.as_ref()), || Cholesky::room(9)).unwrap();
                    assert_eq!(found.lower(), Cholesky::new(symmetric(0).as_ref()).unwrap().lower());
                });
            }
        });
    }
}
