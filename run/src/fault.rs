//! Signals that stand for errors: a mapped file that became shorter, a file that may not become longer.
#![allow(unsafe_code)]

use std::any::Any;
use std::io::Write;

use crate::error::RUN_FAILED;

/// Makes an error of what would otherwise end the process without a word, or with words about the program's insides.
///
/// SIGABRT, after an allocation that the system has refused, ends the process with a message and
/// [`RUN_FAILED`], behind the line that says how many bytes were asked for. So does the panic by which some
/// libraries answer such a refusal.
///
/// SIGBUS, when memory that stands for a part of a file cannot be had, ends the process with a message and
/// [`RUN_FAILED`]: the computation cannot go on without the numbers, and no code can run that might use them. SIGXFSZ,
/// beyond the limit of `ulimit -f`, is ignored: the write that caused it then fails with an error of its own.
pub fn listen() {
    #[cfg(unix)]
    unix::listen();
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_refusal(message(panic.payload())) {
            // Nobody is left to tell when stderr is closed.
            let _ = write!(std::io::stderr(), "\nerror: the system gave no more memory\n{MORE_MEMORY}");
            std::process::exit(RUN_FAILED.into());
        }
        others(panic);
    }));
}

const MORE_MEMORY: &str = "hint: see what limits it (ulimit -v, the batch system) and raise that, or use fewer samples or \
    neurons; a training run goes on from its newest checkpoint, which is intact: memorize resume RUN\n";

/// What a panic says.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Whether a panic is how a library says that it got no memory.
fn is_refusal(message: &str) -> bool {
    ["AllocError", "TryReserveError"].iter().any(|error| message.contains(error))
}

/// Whether a signal is ignored, as whoever started the program wants it.
#[cfg(unix)]
pub fn is_ignored(signal: std::ffi::c_int) -> bool {
    // SAFETY: `sigaction` is a plain structure for which zeros are valid; no action is given, so that none is changed,
    // and the one there is written to a structure that outlives the call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;

    use super::MORE_MEMORY;
    use crate::error::RUN_FAILED;

    const ABORTED: &[u8] =
        b"\nerror: the system gave no more memory, or the program has a mistake (SIGABRT); the line above says which\n";

    const SHORTER: &[u8] =
        b"\nerror: a data file was made shorter while it was being used, or its disk failed (SIGBUS)\n\
        hint: put the file back as it was; a training run goes on from its newest checkpoint, which is intact: \
        memorize resume RUN\n";

    pub(super) fn listen() {
        let (shorter, aborted): (extern "C" fn(c_int), extern "C" fn(c_int)) = (lost, aborted);
        // SAFETY: `sigaction` is a plain structure for which zeros are valid, no flags and an empty mask; the handlers
        // have the type that goes with no flags, and call nothing but `write` and `_exit`, which may be called in a
        // handler. Where the system refuses, the old action stays, which ends the process, too.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = shorter as libc::sighandler_t;
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
            action.sa_sigaction = aborted as libc::sighandler_t;
            libc::sigaction(libc::SIGABRT, &action, std::ptr::null_mut());
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }

    extern "C" fn lost(_: c_int) {
        end(&[SHORTER]);
    }

    extern "C" fn aborted(_: c_int) {
        end(&[ABORTED, MORE_MEMORY.as_bytes()]);
    }

    fn end(message: &[&'static [u8]]) {
        // SAFETY: both may be called in a signal handler; the pointers and the lengths are those of constants.
        unsafe {
            for part in message {
                // Nobody is left to tell when stderr is closed.
                let _ = libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len());
            }
            libc::_exit(c_int::from(RUN_FAILED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_a_library_did_not_get_is_no_mistake_of_the_program() {
        let layout = std::alloc::Layout::from_size_align(usize::MAX / 4, 64).unwrap();
        let refused =
            std::panic::catch_unwind(|| Vec::<u8>::new().try_reserve(layout.size() * 3).unwrap()).unwrap_err();
        assert!(is_refusal(refused.downcast_ref::<String>().unwrap()));
        assert!(!is_refusal("index out of bounds: the len is 3 but the index is 4"));
    }
}
