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
pub(crate) mod operand;
pub(crate) mod pack;
pub(crate) mod sum;
pub(crate) mod sweep;

pub(crate) use operand::Packed;
pub(crate) use pack::Panels;

use crate::arch::Isa;
use crate::backend::{Backend, Plain};
use crate::element::Element;
use crate::error::{KernelError, check_shape};
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
    pub fn pack_rows<T: Element>(&self, m: MatRef<'_, T>) -> PackedRows<T> {
        PackedRows(match self.backend {
            Backend::Native => Packed::Panels(Panels::from_rows(self.isa, self.par, m)),
            plain => Packed::Plain(Plain::new(plain, m)),
        })
    }

    /// Prepares `m` (depth x columns) as the right operand of X m.
    pub(crate) fn pack_columns<T: Element>(&self, m: MatRef<'_, T>) -> Packed<T> {
        match self.backend {
            Backend::Native => Packed::Panels(Panels::from_columns(self.isa, self.par, m)),
            plain => Packed::Plain(Plain::new(plain, m)),
        }
    }

    /// Prepares a symmetric `s` (d x d), of which the upper triangle is read, as the matrix of quadratic forms.
    ///
    /// # Errors
    /// [`KernelError::Shape`] if `s` is not square.
    pub fn pack_symmetric<T: Element>(&self, s: MatRef<'_, T>) -> Result<PackedSymmetric<T>, KernelError> {
        check_shape("columns of a symmetric matrix", s.rows(), s.cols())?;
        Ok(PackedSymmetric::new(match self.backend {
            Backend::Native => Packed::Panels(Panels::from_upper_triangle(self.isa, self.par, s)),
            plain => Packed::Plain(Plain::doubled_upper(plain, s)),
        }))
    }
}

#[cold]
pub(crate) fn other_engine(what: &'static str, prepared: String, engine: &Engine) -> KernelError {
    KernelError::OtherEngine { what, prepared, used: format!("{}, {}", engine.backend, engine.isa) }
}

/// The right operand of X m^T, as the backend that it was made for by [`Engine::pack_rows`] reads it.
#[derive(Clone, Debug)]
pub struct PackedRows<T: Element>(Packed<T>);

impl<T: Element> PackedRows<T> {
    /// Columns of the product: rows of m.
    pub fn columns(&self) -> usize {
        match &self.0 {
            Packed::Panels(panels) => panels.columns(),
            Packed::Plain(plain) => plain.mat.rows(),
        }
    }

    /// Length of the sum that each element of the product is: columns of m.
    pub fn depth(&self) -> usize {
        self.0.depth()
    }

    /// The operand, if it was made for `engine`.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    pub(crate) fn made_for(&self, what: &'static str, engine: &Engine) -> Result<&Packed<T>, KernelError> {
        self.0.made_for(what, engine)
    }

    /// The operand as a pass of one's own reads it, if it was made for `engine`. `what` names it in the error.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    #[cfg(feature = "extend")]
    pub fn operand(&self, what: &'static str, engine: &Engine) -> Result<&Packed<T>, KernelError> {
        self.made_for(what, engine)
    }
}

/// The matrix of quadratic forms, as the backend that it was made for by [`Engine::pack_symmetric`] reads it. A type of
/// its own: the same panels read as those of [`PackedRows`] are another matrix.
///
/// ```compile_fail,E0308
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let (engine, s) = (Engine::best(), Mat::<f32>::zeros(17, 17));
/// pass::quadratic_forms(&engine, &Mat::zeros(1, 17), &engine.pack_rows(s.as_ref()), &mut [0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedSymmetric<T: Element>(Packed<T>);

impl<T: Element> PackedSymmetric<T> {
    pub(crate) fn new(packed: Packed<T>) -> Self {
        Self(packed)
    }

    /// Rows and columns, d.
    pub fn order(&self) -> usize {
        self.0.depth()
    }

    /// The operand, if it was made for `engine`.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    pub(crate) fn made_for(&self, what: &'static str, engine: &Engine) -> Result<&Packed<T>, KernelError> {
        self.0.made_for(what, engine)
    }

    /// The operand as a pass of one's own reads it, if it was made for `engine`. `what` names it in the error.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    #[cfg(feature = "extend")]
    pub fn operand(&self, what: &'static str, engine: &Engine) -> Result<&Packed<T>, KernelError> {
        self.made_for(what, engine)
    }
}
