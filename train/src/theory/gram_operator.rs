//! K = (X X^T) squared elementwise, n x n, applied to vectors without ever being formed.
//!
//! ```text
//! K v = A(A*(v)),    A*(v) = sum_j v_j x_j x_j^T,    A(S)_j = x_j^T S x_j
//! ```
//!
//! K_ij = (x_i . x_j)^2 = (x_i (x) x_i) . (x_j (x) x_j): the eigenvalues of K are the squares of the singular values of
//! [x_1 (x) x_1, ..., x_n (x) x_n].

use memorize_kernels::{Element, Engine, Mat, Rows, Spread, pass};

use crate::error::TrainError;
use crate::metric::Metric;

/// K of a set of samples. A product takes 2 n d^2 flops in the samples' own type T.
#[derive(Debug)]
pub struct GramOperator<'a, T: Element, X> {
    engine: Engine,
    x: &'a X,
    metric: Option<&'a Metric<T>>,
}

impl<'a, T: Element, X: Rows<T>> GramOperator<'a, T, X> {
    /// The operator of the samples X, n x d.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 1.0, 2.0]);
    /// let k = GramOperator::new(Engine::best(), &x);
    /// // K_jl = (x_j . x_l)^2.
    /// assert_eq!(k.apply(&[1.0, 0.0])?, [1.0, 1.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(engine: Engine, x: &'a X) -> Self {
        Self { engine, x, metric: None }
    }

    /// The same for the samples T x_j, which are not computed: K v = A(T^2 A*(v) T^2). 4 d^3 flops more a product.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// // What is short becomes longer in comparison.
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 2.0]);
    /// let t = Metric::of(&Engine::best(), &x)?;
    /// let found = GramOperator::new(Engine::best(), &x).in_metric(Some(&t)).apply(&[1.0, 1.0])?;
    /// assert!(found[1] > found[0] && found[1] < 16.0 * found[0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn in_metric(self, metric: Option<&'a Metric<T>>) -> Self {
        Self { metric, ..self }
    }

    /// Number of samples n, and which of them are here, if they are spread over several ranks. So are the vectors then.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// let x = Mat::<f64>::zeros(7, 2);
    /// assert_eq!(GramOperator::new(Engine::best(), &x).dimension().whole(), 7);
    /// ```
    pub fn dimension(&self) -> Spread {
        self.x.spread()
    }

    /// K v. v: n.
    ///
    /// # Errors
    /// If v does not have n elements.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 1.0, 2.0]);
    /// assert_eq!(GramOperator::new(Engine::best(), &x).apply(&[0.0, 1.0])?, [1.0, 25.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn apply(&self, v: &[f64]) -> Result<Vec<f64>, TrainError> {
        let sum = self.adjoint(v)?;
        match self.metric {
            None => self.forms(&sum),
            Some(metric) => self.forms(&metric.on_both_sides(&self.engine, &sum)?),
        }
    }

    /// A*(v) = sum_j v_j x_j x_j^T, d x d. v: n.
    ///
    /// # Errors
    /// If v does not have n elements.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// let x = Mat::from_slice(1, 2, &[1.0f64, 2.0]);
    /// let s = GramOperator::new(Engine::best(), &x).adjoint(&[3.0])?;
    /// assert_eq!((s.row(0), s.row(1)), (&[3.0, 6.0][..], &[6.0, 12.0][..]));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn adjoint(&self, v: &[f64]) -> Result<Mat<T>, TrainError> {
        let v: Vec<T> = v.iter().map(|&v| T::from_f64(v)).collect();
        Ok(pass::weighted_gram(&self.engine, self.x, &v)?)
    }

    /// A(S)_j = x_j^T S x_j, n. S: d x d, symmetric.
    ///
    /// # Errors
    /// If S is not d x d.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    ///
    /// let x = Mat::from_slice(1, 2, &[1.0f64, 2.0]);
    /// let s = Mat::from_slice(2, 2, &[1.0, 0.5, 0.5, 2.0]);
    /// assert_eq!(GramOperator::new(Engine::best(), &x).forms(&s)?, [1.0 + 2.0 + 8.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn forms(&self, s: &Mat<T>) -> Result<Vec<f64>, TrainError> {
        let mut q = vec![T::ZERO; self.x.rows()];
        pass::quadratic_forms(&self.engine, self.x, &self.engine.pack_symmetric(s.as_ref())?, &mut q)?;
        Ok(q.into_iter().map(T::to_f64).collect())
    }
}

/// ||v||^2, summed in f64.
pub(crate) fn squared_length<T: Element>(v: &[T]) -> f64 {
    v.iter().map(|v| v.to_f64().powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;
    use memorize_kernels::{Backend, Par};

    use super::*;
    use crate::network::normal_rows;

    #[test]
    fn products_are_those_of_the_squared_inner_products() {
        let (n, d) = (150, 7);
        let x: Mat<f64> = normal_rows(n, d, 1.0, 1, Purpose::SyntheticInputs);
        let v: Vec<f64> = (0..n).map(|j| (j as f64).sin()).collect();
        let k = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2);
        for &backend in Backend::ALL {
            let operator = GramOperator::new(Engine { backend, par: Par::Seq, ..Engine::best() }, &x);
            assert_eq!(operator.dimension().whole(), n);
            let product = operator.apply(&v).unwrap();
            for i in 0..n {
                let exact: f64 = (0..n).map(|j| k(i, j) * v[j]).sum();
                let scale: f64 = (0..n).map(|j| k(i, j) * v[j].abs()).sum();
                assert!((product[i] - exact).abs() < 1e-13 * scale, "{backend} {i}");
            }
        }
    }

    #[test]
    fn the_two_maps_are_adjoint() {
        let x: Mat<f32> = normal_rows(60, 5, 1.0, 2, Purpose::SyntheticInputs);
        let operator = GramOperator::new(Engine::best(), &x);
        let v: Vec<f64> = (0..60).map(|j| f64::from(j % 7) - 3.0).collect();
        let s = Mat::from_fn(5, 5, |i, k| ((i + 1) * (k + 1)) as f32 / 10.0);
        let left: f64 = operator.forms(&s).unwrap().iter().zip(&v).map(|(q, v)| q * v).sum();
        let gram = operator.adjoint(&v).unwrap();
        let right: f64 = gram.iter().zip(s.iter()).map(|(m, s)| f64::from(*m) * f64::from(*s)).sum();
        assert!((left - right).abs() < 1e-4 * left.abs(), "{left} {right}");
        assert!(operator.apply(&v[1..]).is_err() && operator.forms(&Mat::zeros(4, 4)).is_err());
    }
}
