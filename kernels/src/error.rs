//! Errors of the compute crate: operands that do not go together and instruction sets that this CPU lacks.
#![forbid(unsafe_code)]

/// Errors before a pass starts. A pass that has started cannot fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// Two operands disagree in a dimension that they share.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which operand and dimension.
        what: &'static str,
        /// The length that the other operands imply.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// An instruction set was asked for by name that this CPU does not have.
    #[error("instruction set `{asked}` is not available on this CPU; available: {available}")]
    IsaUnavailable {
        /// The name asked for.
        asked: String,
        /// The names that would work, comma-separated.
        available: String,
    },
    /// An operand was prepared for another engine.
    #[error(
        "{what} was prepared for {prepared} and is used with {used}; prepare it with the engine that runs the pass"
    )]
    OtherEngine {
        /// Which operand.
        what: &'static str,
        /// Backend and instruction set that it was prepared for.
        prepared: String,
        /// Backend and instruction set that it met.
        used: String,
    },
    /// A step on a batch, or by weights, whose last forward pass was another one.
    #[error("the step follows another forward pass than the last one of these weights; {advice}")]
    OtherForward {
        /// What to do.
        advice: &'static str,
    },
    /// A name that is no instruction set.
    #[error("`{asked}` is not an instruction set; known: avx512, avx2, neon, scalar")]
    IsaUnknown {
        /// The name asked for.
        asked: String,
    },
    /// A backend that this build does not have.
    #[error("the backend `{asked}` is not in this build; it comes with the cargo feature `{asked}`")]
    BackendNotBuilt {
        /// The name asked for, which is the feature's too.
        asked: &'static str,
    },
    /// A name that is no backend.
    #[error("`{asked}` is not a backend; known: native, matrixmultiply, blas")]
    BackendUnknown {
        /// The name asked for.
        asked: String,
    },
}

/// Checks a shared dimension.
///
/// # Errors
/// [`KernelError::Shape`] if `expected != got`.
pub fn check_shape(what: &'static str, expected: usize, got: usize) -> Result<(), KernelError> {
    if expected == got { Ok(()) } else { Err(shape_error(what, expected, got)) }
}

#[cold]
fn shape_error(what: &'static str, expected: usize, got: usize) -> KernelError {
    KernelError::Shape { what, expected, got }
}
