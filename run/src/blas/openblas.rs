//! What OpenBLAS has beyond cblas: telling what it is, and on how many threads a call runs.

use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, PoisonError};

use super::{Blas, Threading};

// The library itself; without a mention the linker would not see it.
extern crate blas_src as _;

unsafe extern "C" {
    /// Version and build options in one line, in a buffer that the next call writes again.
    fn openblas_get_config() -> *const c_char;
    /// The processor type whose kernels are used.
    fn openblas_get_corename() -> *const c_char;
    /// 0: built without threads, 1: with threads of its own, 2: with OpenMP.
    safe fn openblas_get_parallel() -> c_int;
    safe fn openblas_get_num_threads() -> c_int;
    safe fn openblas_set_num_threads(count: c_int);
}

/// Held while the library's settings are read or written, of which it says nothing about concurrent calls.
static SETTINGS: Mutex<()> = Mutex::new(());

/// Keeps products that the calling thread asks for on the calling thread. An OpenBLAS with threads of its own has one
/// setting for all callers, one with OpenMP a setting for each: therefore every thread that computes calls this once.
pub fn one_thread() {
    let _held = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner);
    openblas_set_num_threads(1);
}

/// The library with its settings for the calling thread, which is kept to one thread from here on.
pub fn linked() -> Blas {
    one_thread();
    let _held = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the function takes nothing and returns a buffer of the library's own; nobody else writes to it meanwhile.
    let config = unsafe { text(openblas_get_config()) };
    // SAFETY: the function takes nothing and returns a constant string.
    let core = unsafe { text(openblas_get_corename()) };
    let threading = match openblas_get_parallel() {
        0 => Threading::None,
        2 => Threading::Openmp,
        _ => Threading::Pthread,
    };
    Blas {
        library: "OpenBLAS".to_owned(),
        version: version(&config).to_owned(),
        core,
        threading,
        threads: usize::try_from(openblas_get_num_threads()).unwrap_or(1),
        config,
    }
}

/// The version in the library's own line, which old versions do not begin with it.
fn version(config: &str) -> &str {
    let mut words = config.split_whitespace();
    words.next().filter(|&first| first == "OpenBLAS").and(words.next()).unwrap_or("of unknown version")
}

/// A copy of a C string.
///
/// # Safety
/// `text` is null, or points to a string that ends with a zero and that nobody changes during the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: the caller's contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_do_not_tell_their_number() {
        assert_eq!(version("OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH Zen MAX_THREADS=64"), "0.3.21");
        assert_eq!(version("NO_LAPACKE DYNAMIC_ARCH Zen"), "of unknown version");
    }

    #[test]
    fn the_linked_library_tells_what_it_is_and_is_kept_to_one_thread() {
        let blas = linked();
        assert_eq!((blas.library.as_str(), blas.threads), ("OpenBLAS", 1), "{blas:?}");
        assert!(blas.version.starts_with(|first: char| first.is_ascii_digit()), "{blas:?}");
        assert_ne!(blas.core, "unknown");
    }
}
