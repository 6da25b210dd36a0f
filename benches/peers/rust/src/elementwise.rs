//! What a pass does besides matrix products: plain loops that the compiler turns into vectors, for the best instruction
//! set of this CPU.
//!
//! Loops and no iterator chains with closures: what the standard library does not inline would be compiled without the
//! instruction set.

use memorize_benches::AdamConstants;
use pulp::{Arch, WithSimd};

/// Sums that run side by side, for the compiler may not reorder one: four of the widest registers.
const SUMS: usize = 64;

/// sum_i a_i b_i.
pub struct Dot<'a> {
    /// a.
    pub a: &'a [f32],
    /// b.
    pub b: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
        let (mut sums, mut rest) = ([0.0f32; SUMS], 0.0);
        let (a, b) = (self.a.chunks_exact(SUMS), self.b.chunks_exact(SUMS));
        for (&a, &b) in a.remainder().iter().zip(b.remainder()) {
            rest += a * b;
        }
        for (a, b) in a.zip(b) {
            for i in 0..SUMS {
                sums[i] += a[i] * b[i];
            }
        }
        for sum in sums {
            rest += sum;
        }
        rest
    }
}

/// Adam on the parameters w with moments m and v and gradient g: one trip over the four.
pub struct Adam<'a> {
    /// The step's constants.
    pub step: AdamFactors,
    /// Parameters.
    pub w: &'a mut [f32],
    /// First moment.
    pub m: &'a mut [f32],
    /// Second moment.
    pub v: &'a mut [f32],
    /// Gradient.
    pub g: &'a [f32],
}

/// Constants of one step, bias corrections folded in.
#[derive(Clone, Copy)]
pub struct AdamFactors {
    beta1: f32,
    beta2: f32,
    rate: f32,
    correction: f32,
    eps: f32,
}

impl AdamFactors {
    /// Those of step `t`, counted from 1.
    pub fn new(AdamConstants { lr, beta1, beta2, eps }: AdamConstants, t: u64) -> Self {
        let rate = lr / (1.0 - beta1.powf(t as f64));
        let correction = 1.0 / (1.0 - beta2.powf(t as f64)).sqrt();
        let [beta1, beta2, rate, correction, eps] = [beta1, beta2, rate, correction, eps].map(|value| value as f32);
        Self { beta1, beta2, rate, correction, eps }
    }
}

impl WithSimd for Adam<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { step: AdamFactors { beta1, beta2, rate, correction, eps }, w, m, v, g } = self;
        for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w -= rate * *m / (v.sqrt() * correction + eps);
        }
    }
}

/// A sample's row of the backward pass, with target 1: q = sum_i a_i u_i^2, then u_i = a_i u_i (q - 1) weight.
pub struct Residual<'a> {
    /// The row of U, overwritten.
    pub u: &'a mut [f32],
    /// Signs.
    pub a: &'a [f32],
    /// What the residual is multiplied by.
    pub weight: f32,
}

impl WithSimd for Residual<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { u, a, weight } = self;
        let (mut sums, mut q) = ([0.0f32; SUMS], 0.0);
        let (whole_u, whole_a) = (u.chunks_exact(SUMS), a.chunks_exact(SUMS));
        for (&u, &a) in whole_u.remainder().iter().zip(whole_a.remainder()) {
            q += a * u * u;
        }
        for (u, a) in whole_u.zip(whole_a) {
            for i in 0..SUMS {
                sums[i] += a[i] * u[i] * u[i];
            }
        }
        for sum in sums {
            q += sum;
        }
        let factor = (q - 1.0) * weight;
        for (u, &a) in u.iter_mut().zip(a) {
            *u *= a * factor;
        }
    }
}

/// out_i = x_i * factor.
pub struct Scale<'a> {
    /// Where the result goes.
    pub out: &'a mut [f32],
    /// What is scaled.
    pub x: &'a [f32],
    /// The factor.
    pub factor: f32,
}

impl WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = x * self.factor;
        }
    }
}

/// out_i = x_i y_i.
pub struct Multiply<'a> {
    /// Where the result goes.
    pub out: &'a mut [f32],
    /// x.
    pub x: &'a [f32],
    /// y.
    pub y: &'a [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for ((out, &x), &y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            *out = x * y;
        }
    }
}

/// z_i = z_i^2.
pub struct Square<'a>(pub &'a mut [f32]);

impl WithSimd for Square<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for z in self.0 {
            *z *= *z;
        }
    }
}

/// Runs a loop with the best instruction set of this CPU.
pub fn run<W: WithSimd>(work: W) -> W::Output {
    Arch::new().dispatch(work)
}
