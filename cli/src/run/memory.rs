//! Refuses sizes that no memory is large enough for, before an allocation that fails ends the process.

use memorize_kernels::Element;

use crate::exit::{CliError, WithHint};

/// Makes sure that the system would hand out numbers of these dimensions, by asking for them and giving them back
/// untouched.
///
/// # Errors
/// Bad input, with the advice as its hint, if the system refuses or the number of bytes overflows.
pub fn ensure<T: Element>(what: &str, dims: &[usize], advice: &str) -> Result<(), CliError> {
    let bytes = dims.iter().try_fold(size_of::<T>(), |bytes, &dim| bytes.checked_mul(dim));
    let granted = |bytes| {
        let mut probe = Vec::<u8>::new();
        let granted = probe.try_reserve_exact(bytes).is_ok();
        // Without this the compiler may leave out an allocation that nobody uses.
        std::hint::black_box(&probe);
        granted
    };
    if bytes.is_some_and(granted) {
        return Ok(());
    }
    let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
    let shape = dims.join(" x ");
    let error = anyhow::anyhow!("{what}, {shape} numbers of {}, need more memory than the system gives", T::NAME);
    Err(CliError::BadInput(error.hint(advice)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_granted_and_what_cannot_fit_is_refused() {
        assert!(ensure::<f32>("a little", &[3, 100, 10], "no advice").is_ok());
        assert!(ensure::<f32>("nothing", &[3, 0, usize::MAX], "no advice").is_ok());
        // Overflows; is larger than any allocation; is larger than any address space in use.
        for dims in [[3, usize::MAX, 2], [1, usize::MAX / 4, 1], [1, 1 << 60, 1]] {
            let error = ensure::<f32>("too much", &dims, "ask for less").unwrap_err();
            assert_eq!(error.code(), 2);
            assert!(error.to_string().contains("too much"), "{error}");
        }
    }
}
