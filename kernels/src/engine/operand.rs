//! What a packed operand is for each backend.
#![forbid(unsafe_code)]

use super::pack::Panels;
use super::{Engine, other_engine};
use crate::backend::{Backend, Plain};
use crate::element::Element;
use crate::error::KernelError;

/// An operand in the form its backend reads.
#[derive(Clone, Debug)]
pub enum Packed<T: Element> {
    /// Panels of the native backend.
    Panels(Panels<T>),
    /// A plain matrix (columns x depth), for the backends that pack by themselves.
    Plain(Plain<T>),
}

impl<T: Element> Packed<T> {
    pub(crate) fn made_for(&self, what: &'static str, engine: &Engine) -> Result<&Self, KernelError> {
        match (self, engine.backend) {
            (Packed::Panels(panels), Backend::Native) if panels.isa() == engine.isa => Ok(self),
            (Packed::Plain(plain), used) if plain.backend == used => Ok(self),
            (Packed::Panels(panels), _) => Err(other_engine(what, format!("native, {}", panels.isa()), engine)),
            (Packed::Plain(plain), _) => Err(other_engine(what, plain.backend.to_string(), engine)),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        match self {
            Packed::Panels(panels) => panels.depth(),
            Packed::Plain(plain) => plain.mat.cols(),
        }
    }
}
