//! One engine, many fused passes: pack, register tile, macro loop, epilogue.
//!
//! ```text
//! rows of X --pack--> panels --tile--> registers --epilogue--> result
//! ```
//!
//! [`Engine`] says with which instruction set, on which backend and on how many threads a pass runs; the passes
//! themselves are in [`crate::pass`].

pub(crate) mod epilogue;
pub(crate) mod microkernel;
pub(crate) mod pack;
pub(crate) mod sweep;

pub use pack::Panels;

use crate::arch::Isa;
use crate::backend::{Backend, Plain};
use crate::element::Element;
use crate::error::KernelError;
use crate::mat::MatRef;
use crate::parallel::Par;

/// How the passes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The instruction set of the native backend.
    pub isa: Isa,
    /// Whose matrix products are used.
    pub backend: Backend,
    /// Whether the threads of the current rayon pool are used.
    pub par: Par,
}

impl Engine {
    /// The native backend with the best instruction set of this CPU, on the current rayon pool.
    pub fn best() -> Self {
        Self { isa: Isa::best(), backend: Backend::Native, par: Par::POOL }
    }

    /// Prepares `m` (columns x depth) as the right operand of X m^T.
    pub fn pack_rows<T: Element>(&self, m: MatRef<'_, T>) -> Packed<T> {
        match self.backend {
            Backend::Native => Packed::Panels(Panels::from_rows(self.isa, m)),
            plain => Packed::Plain(Plain::new(plain, m)),
        }
    }

    /// Prepares a symmetric `s` (d x d) as the matrix of quadratic forms.
    pub fn pack_symmetric<T: Element>(&self, s: MatRef<'_, T>) -> Packed<T> {
        match self.backend {
            Backend::Native => Packed::Panels(Panels::from_upper_triangle(self.isa, s)),
            plain => Packed::Plain(Plain::doubled_upper(plain, s)),
        }
    }
}

#[cold]
pub(crate) fn other_engine(what: &'static str, prepared: String, engine: &Engine) -> KernelError {
    KernelError::OtherEngine { what, prepared, used: format!("{}, {}", engine.backend, engine.isa) }
}

/// An operand in the form its backend reads.
#[derive(Clone, Debug)]
pub enum Packed<T: Element> {
    /// Panels of the native backend.
    Panels(Panels<T>),
    /// A plain matrix (columns x depth), for the backends that pack by themselves.
    Plain(Plain<T>),
}

impl<T: Element> Packed<T> {
    /// Columns of the operand.
    pub fn columns(&self) -> usize {
        match self {
            Packed::Panels(panels) => panels.columns(),
            Packed::Plain(plain) => plain.mat.rows(),
        }
    }

    /// Checks that the operand was prepared for `engine`.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    pub(crate) fn check_made_for(&self, what: &'static str, engine: &Engine) -> Result<(), KernelError> {
        match (self, engine.backend) {
            (Packed::Panels(panels), Backend::Native) if panels.isa() == engine.isa => Ok(()),
            (Packed::Plain(plain), used) if plain.backend == used => Ok(()),
            (Packed::Panels(panels), _) => Err(other_engine(what, format!("native, {}", panels.isa()), engine)),
            (Packed::Plain(plain), _) => Err(other_engine(what, plain.backend.to_string(), engine)),
        }
    }

    /// Length of the sum that each result element is.
    pub fn depth(&self) -> usize {
        match self {
            Packed::Panels(panels) => panels.depth(),
            Packed::Plain(plain) => plain.mat.cols(),
        }
    }
}
