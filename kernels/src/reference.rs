//! The mathematics on one page: naive f64 loops that every fast pass is tested against.
//!
//! Notation. X (n x d) holds a sample a row; W (d x r) a neuron a column; a (r) the output signs, +1 or -1;
//! A = diag(a); y (n) the targets; gamma the regulariser. S = W A W^T is the network as one symmetric matrix.
//! All matrices are row-major `Vec`s inside [`Dense`]. Nothing here is fast, and nothing here is used by a run.
#![forbid(unsafe_code)]

/// A dense row-major f64 matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// The elements, row after row.
    pub data: Vec<f64>,
}

impl Dense {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// The matrix whose element (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let data = (0..rows * cols).map(|at| f(at / cols, at % cols)).collect();
        Self { rows, cols, data }
    }

    /// Element (i, j).
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.cols + j]
    }

    /// Element (i, j), mutable.
    pub fn at_mut(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.data[i * self.cols + j]
    }
}

/// Random features z_jk = (sum_i R_ki x_ji)^p. X: n x d, R: k x d, result: n x k.
pub fn features(x: &Dense, r: &Dense, p: u32) -> Dense {
    Dense::from_fn(x.rows, r.rows, |j, k| (0..x.cols).map(|i| r.at(k, i) * x.at(j, i)).sum::<f64>().powi(p as i32))
}

/// Quadratic forms A(S)_j = x_j^T S x_j. X: n x d, S: d x d symmetric, result: n.
pub fn quadratic_forms(x: &Dense, s: &Dense) -> Vec<f64> {
    let form = |j: usize| {
        (0..x.cols)
            .flat_map(|i| (0..x.cols).map(move |k| (i, k)))
            .map(|(i, k)| x.at(j, i) * s.at(i, k) * x.at(j, k))
            .sum()
    };
    (0..x.rows).map(form).collect()
}

/// Weighted Gram A*(v) = sum_j v_j x_j x_j^T, the adjoint of [`quadratic_forms`]. X: n x d, v: n, result: d x d.
pub fn weighted_gram(x: &Dense, v: &[f64]) -> Dense {
    Dense::from_fn(x.cols, x.cols, |i, k| (0..x.rows).map(|j| v[j] * x.at(j, i) * x.at(j, k)).sum())
}

/// X s, x_j . s for every sample. X: n x d, s: d, result: n.
pub fn times_vector(x: &Dense, s: &[f64]) -> Vec<f64> {
    (0..x.rows).map(|j| (0..x.cols).map(|i| x.at(j, i) * s[i]).sum()).collect()
}

/// X^T v = sum_j v_j x_j. X: n x d, v: n, result: d.
pub fn transposed_times_vector(x: &Dense, v: &[f64]) -> Vec<f64> {
    (0..x.cols).map(|i| (0..x.rows).map(|j| v[j] * x.at(j, i)).sum()).collect()
}

/// The network's outputs q_j = sum_i a_i (w_i . x_j)^2.
pub fn outputs(x: &Dense, w: &Dense, a: &[f64]) -> Vec<f64> {
    let unit = |j: usize, i: usize| (0..x.cols).map(|k| w.at(k, i) * x.at(j, k)).sum::<f64>();
    (0..x.rows).map(|j| (0..w.cols).map(|i| a[i] * unit(j, i).powi(2)).sum()).collect()
}

/// The residuals delta_j = q_j - y_j.
pub fn residuals(x: &Dense, y: &[f64], w: &Dense, a: &[f64]) -> Vec<f64> {
    outputs(x, w, a).iter().zip(y).map(|(q, y)| q - y).collect()
}

/// The regularised loss g(W) = 1/(4n) sum_j delta_j^2 + gamma/2 ||W||_F^2; with gamma = 0 the loss f(W).
pub fn loss(x: &Dense, y: &[f64], w: &Dense, a: &[f64], gamma: f64) -> f64 {
    let sum: f64 = residuals(x, y, w, a).iter().map(|delta| delta * delta).sum();
    let norm: f64 = w.data.iter().map(|v| v * v).sum();
    sum / (4.0 * x.rows as f64) + gamma / 2.0 * norm
}

/// S = W A W^T, d x d.
pub fn network_matrix(w: &Dense, a: &[f64]) -> Dense {
    Dense::from_fn(w.rows, w.rows, |i, k| (0..w.cols).map(|l| w.at(i, l) * a[l] * w.at(k, l)).sum())
}

/// The residual-weighted second moment M = 1/n sum_j delta_j x_j x_j^T, d x d.
pub fn moment(x: &Dense, delta: &[f64]) -> Dense {
    let mut m = weighted_gram(x, delta);
    m.data.iter_mut().for_each(|v| *v /= x.rows as f64);
    m
}

/// grad g(W) = M W A + gamma W, d x r.
pub fn gradient(x: &Dense, y: &[f64], w: &Dense, a: &[f64], gamma: f64) -> Dense {
    let m = moment(x, &residuals(x, y, w, a));
    Dense::from_fn(w.rows, w.cols, |i, l| {
        (0..w.rows).map(|k| m.at(i, k) * w.at(k, l)).sum::<f64>() * a[l] + gamma * w.at(i, l)
    })
}

/// The Hessian of g applied to Z (d x r): M Z A + 2/n sum_j h_j x_j x_j^T W A + gamma Z with
/// h_j = x_j^T (W A Z^T) x_j.
pub fn hessian_vector(x: &Dense, y: &[f64], w: &Dense, a: &[f64], gamma: f64, z: &Dense) -> Dense {
    let m = moment(x, &residuals(x, y, w, a));
    let waz = Dense::from_fn(w.rows, w.rows, |i, k| (0..w.cols).map(|l| w.at(i, l) * a[l] * z.at(k, l)).sum());
    let h = moment(x, &quadratic_forms(x, &waz));
    Dense::from_fn(w.rows, w.cols, |i, l| {
        let curvature: f64 = (0..w.rows).map(|k| m.at(i, k) * z.at(k, l) + 2.0 * h.at(i, k) * w.at(k, l)).sum();
        curvature * a[l] + gamma * z.at(i, l)
    })
}

/// One Adam step (Kingma and Ba, 2015, Algorithm 1) on flat parameters; `t` counts from 1.
#[expect(clippy::too_many_arguments, reason = "the algorithm's own list of symbols")]
pub fn adam(w: &mut [f64], m: &mut [f64], v: &mut [f64], g: &[f64], t: i32, lr: f64, beta1: f64, beta2: f64, eps: f64) {
    for i in 0..w.len() {
        m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] * g[i];
        let (m_hat, v_hat) = (m[i] / (1.0 - beta1.powi(t)), v[i] / (1.0 - beta2.powi(t)));
        w[i] -= lr * m_hat / (v_hat.sqrt() + eps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small problem with entries in [-1, 1] from a linear congruential generator.
    fn problem(n: usize, d: usize, r: usize) -> (Dense, Vec<f64>, Dense, Vec<f64>) {
        let draw = std::cell::Cell::new(12345u64);
        let next = || {
            draw.set(draw.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
            (draw.get() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        let x = Dense::from_fn(n, d, |_, _| next());
        let y = (0..n).map(|_| next()).collect();
        let w = Dense::from_fn(d, r, |_, _| next());
        (x, y, w, (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect())
    }

    #[test]
    fn gradient_matches_central_differences() {
        let (x, y, mut w, a) = problem(7, 4, 6);
        let g = gradient(&x, &y, &w, &a, 0.3);
        for at in 0..w.data.len() {
            let (h, w0) = (1e-5, w.data[at]);
            w.data[at] = w0 + h;
            let above = loss(&x, &y, &w, &a, 0.3);
            w.data[at] = w0 - h;
            let below = loss(&x, &y, &w, &a, 0.3);
            w.data[at] = w0;
            assert!(((above - below) / (2.0 * h) - g.data[at]).abs() < 1e-8 * (1.0 + g.data[at].abs()));
        }
    }

    #[test]
    fn hessian_vector_matches_central_differences_of_the_gradient() {
        let (x, y, w, a) = problem(7, 4, 6);
        let (_, _, z, _) = problem(3, 4, 6);
        let exact = hessian_vector(&x, &y, &w, &a, 0.3, &z);
        let shifted = |h: f64| {
            let moved = Dense::from_fn(w.rows, w.cols, |i, l| w.at(i, l) + h * z.at(i, l));
            gradient(&x, &y, &moved, &a, 0.3)
        };
        let (above, below) = (shifted(1e-5), shifted(-1e-5));
        for at in 0..exact.data.len() {
            let difference = (above.data[at] - below.data[at]) / 2e-5;
            assert!((difference - exact.data[at]).abs() < 1e-7 * (1.0 + exact.data[at].abs()));
        }
    }

    #[test]
    fn outputs_are_quadratic_forms_of_the_network_matrix() {
        let (x, _, w, a) = problem(5, 3, 4);
        let forms = quadratic_forms(&x, &network_matrix(&w, &a));
        for (q, form) in outputs(&x, &w, &a).iter().zip(forms) {
            assert!((q - form).abs() < 1e-12);
        }
    }
}
