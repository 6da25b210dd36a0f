//! The instruction set: chosen once, passed down, never detected inside a loop.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use pulp::{Scalar128b, Simd, WithSimd};

use crate::block;
use crate::element::{Element, lanes};
use crate::error::KernelError;

/// Environment variable that forces an instruction set by name (`avx512`, `avx2`, `neon`, `scalar`).
pub const ISA_VARIABLE: &str = "MEMORIZE_ISA";

/// The instruction sets of every architecture, so that a name from another one is known, and said to be missing.
const NAMES: [&str; 4] = ["avx512", "avx2", "neon", "scalar"];

/// Work written once over [`pulp::Simd`] and the register tile (`MV` registers by `NR` rows), run on the tier an
/// [`Isa`] names.
///
/// `run` must be `#[inline(always)]`, and so must everything it calls: a function that is not inlined is compiled
/// without the tier's instructions.
pub trait Kernel {
    /// Result of the work.
    type Output;
    /// Does the work on one tier.
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) -> Self::Output;
}

/// Plain loops without a register tile, compiled for the tier an [`Isa`] names and left to the compiler to vectorise.
///
/// `run` must be `#[inline(always)]`, and so must the loops that it calls. Loops over elements only, without branches:
/// on AVX-512 the compiler has turned branches on sign bits into wrong code (rust-lang/rust#158622).
pub trait Loops {
    /// Result of the loops.
    type Output;
    /// Runs them.
    fn run(self) -> Self::Output;
}

/// An instruction set that this CPU is known to have.
#[derive(Clone, Copy, Debug)]
pub struct Isa(Tier);

#[derive(Clone, Copy, Debug)]
enum Tier {
    Scalar(Scalar128b),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
}

impl Isa {
    /// The best instruction set of this CPU.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// The instruction set named by [`ISA_VARIABLE`], or the best one if it is not set.
    ///
    /// # Errors
    /// If the variable names no instruction set, or one that this CPU lacks.
    pub fn from_environment() -> Result<Self, KernelError> {
        match std::env::var_os(ISA_VARIABLE) {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
            _ => Ok(Self::best()),
        }
    }

    /// Every instruction set of this CPU, best first. The scalar tier is always there.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V4::try_new().map(|v4| Self(Tier::Avx512(v4))));
            all.extend(pulp::x86::V3::try_new().map(|v3| Self(Tier::Avx2(v3))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(pulp::aarch64::Neon::try_new().map(|neon| Self(Tier::Neon(neon))));
        all.push(Self(Tier::Scalar(Scalar128b)));
        all
    }

    /// `avx512`, `avx2`, `neon` or `scalar`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Tier::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Tier::Neon(_) => "neon",
        }
    }

    /// Runs `kernel` with this instruction set enabled.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Tier::Scalar(simd) => {
                simd.vectorize(Tiled::<_, { block::TILE_SCALAR.0 }, { block::TILE_SCALAR.1 }>(kernel))
            }
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(simd) => {
                Simd::vectorize(simd, Tiled::<_, { block::TILE_AVX2.0 }, { block::TILE_AVX2.1 }>(kernel))
            }
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(simd) => {
                Simd::vectorize(simd, Tiled::<_, { block::TILE_AVX512.0 }, { block::TILE_AVX512.1 }>(kernel))
            }
            #[cfg(target_arch = "aarch64")]
            Tier::Neon(simd) => {
                Simd::vectorize(simd, Tiled::<_, { block::TILE_NEON.0 }, { block::TILE_NEON.1 }>(kernel))
            }
        }
    }

    /// Runs plain `loops` with this instruction set enabled.
    pub fn run_loops<L: Loops>(self, loops: L) -> L::Output {
        self.run(Untiled(loops))
    }

    /// Lanes in one register of `T`.
    pub fn lanes<T: Element>(self) -> usize {
        match self.0 {
            Tier::Scalar(_) => lanes::<Scalar128b, T>(),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(_) => lanes::<pulp::x86::V3, T>(),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(_) => lanes::<pulp::x86::V4, T>(),
            #[cfg(target_arch = "aarch64")]
            Tier::Neon(_) => lanes::<pulp::aarch64::Neon, T>(),
        }
    }

    /// Registers in a panel's width (MV) and rows in a tile (NR).
    pub fn tile(self) -> (usize, usize) {
        match self.0 {
            Tier::Scalar(_) => block::TILE_SCALAR,
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(_) => block::TILE_AVX2,
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(_) => block::TILE_AVX512,
            #[cfg(target_arch = "aarch64")]
            Tier::Neon(_) => block::TILE_NEON,
        }
    }

    /// Width of a full panel in elements of `T`: MV registers.
    pub fn panel_width<T: Element>(self) -> usize {
        self.tile().0 * self.lanes::<T>()
    }
}

impl PartialEq for Isa {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Isa {}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        let available = Self::available();
        if let Some(isa) = available.iter().find(|isa| isa.name() == name) {
            return Ok(*isa);
        }
        if !NAMES.contains(&name) {
            return Err(KernelError::IsaUnknown { asked: name.to_owned() });
        }
        let available = available.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
        Err(KernelError::IsaUnavailable { asked: name.to_owned(), available })
    }
}

/// Gives a kernel `Name<'a, T>` a method `run_on`, by which it is compiled with this crate. A pass is generic in the
/// rows that it reads: whoever calls it compiles it, often without optimisation.
#[cfg_attr(feature = "extend", macro_export)]
macro_rules! compiled {
    ($kernel:ident) => {
        const _: () = {
            struct Compiled;

            impl $crate::element::BothTypes for Compiled {
                type Input<'a, T: $crate::element::Element> = ($crate::arch::Isa, $kernel<'a, T>);

                #[inline(never)]
                fn run_f32((isa, kernel): Self::Input<'_, f32>) {
                    isa.run(kernel);
                }

                #[inline(never)]
                fn run_f64((isa, kernel): Self::Input<'_, f64>) {
                    isa.run(kernel);
                }
            }

            impl<T: $crate::element::Element> $kernel<'_, T> {
                fn run_on(self, isa: $crate::arch::Isa) {
                    T::run::<Compiled>((isa, self));
                }
            }
        };
    };
}
pub(crate) use compiled;

/// A kernel together with the register tile that suits the tier it is about to run on.
struct Tiled<K, const MV: usize, const NR: usize>(K);

impl<K: Kernel, const MV: usize, const NR: usize> WithSimd for Tiled<K, MV, NR> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Output {
        self.0.run::<S, MV, NR>(simd)
    }
}

/// Loops as a kernel that has no use for the tile.
struct Untiled<L>(L);

impl<L: Loops> Kernel for Untiled<L> {
    type Output = L::Output;

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, _: S) -> L::Output {
        self.0.run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for isa in Isa::available() {
            assert_eq!(isa.name().parse::<Isa>().unwrap(), isa);
        }
        assert!(matches!("sse9".parse::<Isa>(), Err(KernelError::IsaUnknown { .. })));
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        assert!(matches!(foreign.parse::<Isa>(), Err(KernelError::IsaUnavailable { .. })));
        let unknown = "sse9".parse::<Isa>().unwrap_err().to_string();
        assert!(unknown.ends_with(&NAMES.join(", ")), "{unknown}");
    }

    #[test]
    fn the_variable_forces_a_tier_and_the_best_is_one_with_vectors() {
        let chosen = Isa::from_environment().unwrap();
        match std::env::var(ISA_VARIABLE) {
            Ok(name) if !name.is_empty() => assert_eq!(chosen.name(), name),
            _ => assert_eq!(chosen, Isa::best()),
        }
        if cfg!(target_arch = "aarch64") {
            assert_eq!(Isa::best().name(), "neon");
        }
    }

    #[test]
    fn the_tier_named_is_the_tier_that_runs() {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = (usize, usize, usize);
            #[inline(always)]
            fn run<S: Simd, const MV: usize, const NR: usize>(self, _: S) -> (usize, usize, usize) {
                (S::F32_LANES, MV, NR)
            }
        }
        for isa in Isa::available() {
            let (mv, nr) = isa.tile();
            assert_eq!(isa.run(Lanes), (isa.lanes::<f32>(), mv, nr), "{isa}");
        }
    }
}
