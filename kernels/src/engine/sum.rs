//! Registers that are summed in.
//!
//! On aarch64 they are kept as a vector that the compiler knows. pulp's is a struct of 16 bytes, which functions hand
//! on as two integers: around a loop with stages in it every sum was then kept in halves, in memory, and put together
//! for each multiply-add. Elsewhere a sum is pulp's vector itself.
#![forbid(unsafe_code)]

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::values_of;
#[cfg(target_arch = "aarch64")]
pub use aarch64::{Sum, sum_of, value_of};
#[cfg(not(target_arch = "aarch64"))]
pub(crate) use elsewhere::values_of;
#[cfg(not(target_arch = "aarch64"))]
pub use elsewhere::{Sum, sum_of, value_of};

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::aarch64::uint8x16_t;
    use std::marker::PhantomData;

    use bytemuck::Pod;

    /// A register of the type `V` = [`Element::Vector`](crate::element::Element::Vector), 16 bytes on every tier.
    #[derive(Clone, Copy)]
    pub struct Sum<V>(uint8x16_t, PhantomData<V>);

    /// The register as one that is summed in.
    #[inline(always)]
    pub fn sum_of<V: Pod>(value: V) -> Sum<V> {
        Sum(bytemuck::cast(value), PhantomData)
    }

    /// The sum as a register.
    #[inline(always)]
    pub fn value_of<V: Pod>(sum: Sum<V>) -> V {
        bytemuck::cast(sum.0)
    }

    #[inline(always)]
    pub(crate) fn values_of<V: Pod, const MV: usize, const NR: usize>(sums: [[Sum<V>; MV]; NR]) -> [[V; MV]; NR] {
        let mut values = [[V::zeroed(); MV]; NR];
        for r in 0..NR {
            for v in 0..MV {
                values[r][v] = value_of(sums[r][v]);
            }
        }
        values
    }
}

#[cfg(not(target_arch = "aarch64"))]
mod elsewhere {
    /// A register of the type `V` = [`Element::Vector`](crate::element::Element::Vector).
    pub type Sum<V> = V;

    /// The register as one that is summed in.
    #[inline(always)]
    pub fn sum_of<V>(value: V) -> Sum<V> {
        value
    }

    /// The sum as a register.
    #[inline(always)]
    pub fn value_of<V>(sum: Sum<V>) -> V {
        sum
    }

    #[inline(always)]
    pub(crate) fn values_of<V, const MV: usize, const NR: usize>(sums: [[Sum<V>; MV]; NR]) -> [[V; MV]; NR] {
        sums
    }
}
