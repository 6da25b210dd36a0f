//! The two element types, and the vector operations that the kernels are written in.
#![forbid(unsafe_code)]

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use bytemuck::Pod;
use pulp::Simd;

/// A floating-point type that the kernels compute in: `f32` or `f64`.
///
/// The vector operations are thin names for those of [`pulp::Simd`]; they exist so that a kernel is written once for
/// both types. `vfma` is fused on AVX2, AVX-512 and NEON and rounds twice on the scalar tier.
pub trait Element:
    Pod
    + Send
    + Sync
    + Debug
    + Display
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + private::Sealed
{
    /// Name as used by the command line and NumPy: `f32` or `f64`.
    const NAME: &'static str;
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: f64;

    /// A register of elements.
    type Vector<S: Simd>: Copy + Pod;

    /// Does what `W` does on this type.
    fn run<W: BothTypes>(input: W::Input<'_, Self>);

    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens (exactly).
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// All lanes equal to `value`.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// a + b.
    fn vadd<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a * b.
    fn vmul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a * b + c.
    fn vfma<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// a / b, correctly rounded.
    fn vdiv<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// Square root of each lane, correctly rounded.
    fn vsqrt<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// Zero in the lanes that are subnormal, a in the others.
    fn vflush<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// Sum of the lanes, in an order fixed by the tier.
    fn reduce_sum<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
    /// The first lanes from `slice` (at most a register's worth), zeros after them.
    fn partial_load<S: Simd>(simd: S, slice: &[Self]) -> Self::Vector<S>;
    /// Writes the first `slice.len()` lanes (at most a register's worth).
    fn partial_store<S: Simd>(simd: S, slice: &mut [Self], value: Self::Vector<S>);
}

/// Work on either type, as two functions that are not generic. They are compiled, and optimised, with the crate that
/// writes them, and not with every crate that calls something generic which comes down to them.
pub trait BothTypes {
    /// What it works on.
    type Input<'a, T: Element>;
    /// The work on f32.
    fn run_f32(input: Self::Input<'_, f32>);
    /// The work on f64.
    fn run_f64(input: Self::Input<'_, f64>);
}

/// Number of elements in a register.
pub const fn lanes<S: Simd, T: Element>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Both impls are the same list of names; only pulp's suffixes differ.
macro_rules! impl_element {
    ($ty:ident, $run:ident, $vector:ident, $splat:ident, $add:ident, $mul:ident, $fma:ident, $div:ident, $sqrt:ident,
     $less:ident, $select:ident, $sum:ident, $load:ident, $store:ident) => {
        impl Element for $ty {
            const NAME: &'static str = stringify!($ty);
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: f64 = $ty::EPSILON as f64;

            type Vector<S: Simd> = S::$vector;

            #[inline]
            fn run<W: BothTypes>(input: W::Input<'_, Self>) {
                W::$run(input);
            }
            fn from_f64(value: f64) -> Self {
                value as $ty
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn sqrt(self) -> Self {
                $ty::sqrt(self)
            }
            fn is_finite(self) -> bool {
                $ty::is_finite(self)
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn vadd<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn vmul<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn vfma<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$fma(a, b, c)
            }
            #[inline(always)]
            fn vdiv<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }
            #[inline(always)]
            fn vsqrt<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                simd.$sqrt(a)
            }
            #[inline(always)]
            fn vflush<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                // Two comparisons: pulp's absolute value is a call.
                let (zero, least) = (simd.$splat(0.0), $ty::MIN_POSITIVE);
                let unless_below = simd.$select(simd.$less(simd.$splat(-least), a), zero, a);
                simd.$select(simd.$less(a, simd.$splat(least)), unless_below, a)
            }
            #[inline(always)]
            fn reduce_sum<S: Simd>(simd: S, a: S::$vector) -> Self {
                simd.$sum(a)
            }
            #[inline(always)]
            fn partial_load<S: Simd>(simd: S, slice: &[Self]) -> S::$vector {
                simd.$load(slice)
            }
            #[inline(always)]
            fn partial_store<S: Simd>(simd: S, slice: &mut [Self], value: S::$vector) {
                simd.$store(slice, value);
            }
        }
    };
}

impl_element!(
    f32,
    run_f32,
    f32s,
    splat_f32s,
    add_f32s,
    mul_f32s,
    mul_add_e_f32s,
    div_f32s,
    sqrt_f32s,
    less_than_f32s,
    select_f32s,
    reduce_sum_f32s,
    partial_load_f32s,
    partial_store_f32s
);
impl_element!(
    f64,
    run_f64,
    f64s,
    splat_f64s,
    add_f64s,
    mul_f64s,
    mul_add_e_f64s,
    div_f64s,
    sqrt_f64s,
    less_than_f64s,
    select_f64s,
    reduce_sum_f64s,
    partial_load_f64s,
    partial_store_f64s
);
