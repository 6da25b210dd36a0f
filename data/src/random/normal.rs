//! Standard normals from random words: the transform of Box and Muller, a block of 64 at a time.
//!
//! For words w0 ... w63 and i = 0 ... 31,
//!
//! ```text
//! u     = f32((w[i] >> 1) | 1) * 2^-31                  in (0, 1]:  midpoints of 2^30 cells
//! x     = f32(i32((w[32+i] << 2) | 2)) * 2^-32          in [-1/2, 1/2]
//! q     = w[32+i] >> 30                                 quadrant
//! r     = sqrt(-2 ln u)                                 at most 6.56
//! z[i]  = r cos((q + x) pi/2)
//! z[32+i] = r sin((q + x) pi/2)
//! ```
//!
//! The first half of a block is the cosines and the second the sines, and not pair by pair, so that no lane has to be
//! moved when the loop is vectorised. ln, sin and cos are the polynomials below, written with f32 additions,
//! multiplications and bit operations only. Rust rounds each of those to nearest and never fuses two, so every compiler
//! and every instruction set gives the same bits; a library's logarithm would not. No value is farther than 1e-6
//! (relative) from the exact value of the formula; see the tests.
//!
//! Changing anything here, the order of two additions included, changes the data of every perturbed experiment.

/// Words that one block takes, and normals that it gives.
pub const BLOCK: usize = 64;

const HALF: usize = BLOCK / 2;

/// sqrt(1/2) as the bits of an f32: mantissas are reduced to [sqrt(1/2), sqrt(2)).
const SQRT_HALF_BITS: u32 = 0x3f35_04f3;

/// ln 2 in two parts. The first has 9 significant bits, so that its product with an exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// (ln(1 + f) - f + f^2/2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1]; minimax, constant term first.
const LN: [f32; 8] = [
    3.333_331_6e-1,
    -2.500_080_8e-1,
    2.000_228_6e-1,
    -1.662_459_7e-1,
    1.418_121_5e-1,
    -1.312_840_7e-1,
    1.288_14e-1,
    -7.860_193e-2,
];

/// sin(x pi/2) / x as a polynomial in x^2 on [0, 1/4]; minimax in relative error.
const SIN: [f32; 4] = [1.570_796_4, -6.459_635e-1, 7.968_003e-2, -4.601_658e-3];

/// cos(x pi/2) as a polynomial in x^2 on [0, 1/4]; minimax in relative error.
const COS: [f32; 5] = [1.0, -1.233_700_5, 2.536_691_7e-1, -2.085_993_6e-2, 9.033_63e-4];

/// The 64 normals of 64 words. Inlined, so that the loop is compiled for the caller's instruction set.
///
/// ```
/// use memorize_data::random::normal::{BLOCK, block};
///
/// let normals = block(&std::array::from_fn(|i| (i as u32).wrapping_mul(2_654_435_761)));
/// assert!(normals.len() == BLOCK && normals.iter().all(|z| z.abs() < 7.0));
/// ```
#[inline(always)]
pub fn block(words: &[u32; BLOCK]) -> [f32; BLOCK] {
    let mut normals = [0.0; BLOCK];
    for i in 0..HALF {
        let r = radius(words[i]);
        let (sin, cos) = sin_cos(words[HALF + i]);
        normals[i] = r * cos;
        normals[HALF + i] = r * sin;
    }
    normals
}

/// Horner's rule, rounded after each multiplication and each addition.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + coefficients[i];
    }
    sum
}

/// u in (0, 1].
#[inline(always)]
fn uniform(word: u32) -> f32 {
    // Shifted right by one, so that the signed conversion, which every vector unit has, will do.
    ((word >> 1) | 1) as i32 as f32 * (1.0 / (1u32 << 31) as f32)
}

/// sqrt(-2 ln u).
#[inline(always)]
fn radius(word: u32) -> f32 {
    // u = 2^e (1 + f): subtracting the bits of sqrt(1/2) makes the exponent field roll over there and not at 1.
    let shifted = uniform(word).to_bits().wrapping_sub(SQRT_HALF_BITS);
    let e = ((shifted as i32) >> 23) as f32;
    let f = f32::from_bits((shifted & 0x007f_ffff) + SQRT_HALF_BITS) - 1.0;
    let square = f * f;
    // Small terms first; with e = 0 the result is f + f^2 (...), accurate to the last bits also for u close to 1.
    let small = (f * square) * polynomial(&LN, f) + e * LN_2_LOW;
    let ln = e * LN_2_HIGH + (f + (small - 0.5 * square));
    (-2.0 * ln).sqrt()
}

/// sin and cos of the angle (q + x) pi/2 that a word stands for.
#[inline(always)]
fn sin_cos(word: u32) -> (f32, f32) {
    let x = ((word << 2) | 2) as i32 as f32 * (1.0 / 4_294_967_296.0);
    let square = x * x;
    let sin = (x * polynomial(&SIN, square)).to_bits();
    let cos = polynomial(&COS, square).to_bits();
    // Quadrants 1 and 3 swap the two; the sine is negative in 2 and 3, the cosine in 1 and 2. Bit operations instead of
    // branches: sign bits are flipped, and a mask of all ones or none exchanges.
    let quadrant = word >> 30;
    let swap = (sin ^ cos) & (quadrant & 1).wrapping_neg();
    let sin_sign = (quadrant & 2) << 30;
    let cos_sign = ((quadrant + 1) & 2) << 30;
    (f32::from_bits(sin ^ swap ^ sin_sign), f32::from_bits(cos ^ swap ^ cos_sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula in f64, from the same u and x.
    fn exact(radius_word: u32, angle_word: u32) -> (f64, f64) {
        let r = (-2.0 * f64::from(uniform(radius_word)).ln()).sqrt();
        let x = f64::from(((angle_word << 2) | 2) as i32) / 4_294_967_296.0;
        // The quadrant is taken apart here too: f64 would lose relative accuracy beside a multiple of pi/2.
        let (sin, cos) = (x * std::f64::consts::FRAC_PI_2).sin_cos();
        let (sin, cos) = match angle_word >> 30 {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
        (r * cos, r * sin)
    }

    fn relative_error(radius_word: u32, angle_word: u32) -> f64 {
        let r = radius(radius_word);
        let (sin, cos) = sin_cos(angle_word);
        let (exact_cos, exact_sin) = exact(radius_word, angle_word);
        let error = |got: f32, exact: f64| if exact == 0.0 { f64::from(got) } else { f64::from(got) / exact - 1.0 };
        error(r * cos, exact_cos).abs().max(error(r * sin, exact_sin).abs())
    }

    #[test]
    fn every_normal_is_accurate_to_a_millionth() {
        let mut worst = 0.0f64;
        // A walk through both words by odd steps, which meets every part of their range.
        let (mut a, mut b) = (0u32, 0u32);
        for _ in 0..2_000_000 {
            worst = worst.max(relative_error(a, b));
            a = a.wrapping_add(0x9e37_79b1);
            b = b.wrapping_add(0x85eb_ca77);
        }
        // Where things change: the ends of the range, u close to 1, sqrt(1/2) and powers of two, multiples of pi/4.
        let edge = |word: u32| (0..4096u32).flat_map(move |i| [word.wrapping_add(i), word.wrapping_sub(i)]);
        for word in [0, 1 << 31, 1 << 30, 3 << 30, 1 << 29, 0xb504_f334] {
            for word in edge(word) {
                worst = worst.max(relative_error(word, 0x1234_5678)).max(relative_error(0x1234_5678, word));
            }
        }
        for shift in 0..32 {
            worst = worst.max(relative_error(1 << shift, 1 << shift)).max(relative_error(u32::MAX >> shift, 7));
            worst = worst.max(relative_error(u32::MAX << shift, u32::MAX << shift));
        }
        assert!(worst < 1e-6, "{worst:e}");
    }

    #[test]
    fn the_tails_end_where_the_formula_says() {
        let largest = (2.0 * 31.0 * std::f64::consts::LN_2).sqrt();
        assert!((f64::from(radius(0)) / largest - 1.0).abs() < 1e-6);
        assert_eq!(radius(u32::MAX), 0.0);
        assert!((0..100_000u32).all(|i| radius(u32::MAX - 64 * i).is_finite()));
    }

    #[test]
    fn quadrants_have_their_signs() {
        let quadrant = |q: u32, offset: u32| sin_cos((q << 30) | offset);
        // x = 1/4 of a quadrant: an angle of 22.5 degrees in each.
        let (s, c) = (0.382_683_43f32, 0.923_879_5f32);
        for (q, sin, cos) in [(0, s, c), (1, c, -s), (2, -s, -c), (3, -c, s)] {
            let (got_sin, got_cos) = quadrant(q, 1 << 28);
            assert!((got_sin - sin).abs() < 1e-6 && (got_cos - cos).abs() < 1e-6, "{q}: {got_sin} {got_cos}");
        }
    }
}
