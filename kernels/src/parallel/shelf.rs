//! Buffers of one pass that are used again instead of being given back to the system: fresh memory costs a page fault for each
//! 4 KB of it.

use std::sync::{Mutex, PoisonError};

/// What nobody is using at the moment.
#[derive(Debug)]
pub(crate) struct Shelf<W>(Mutex<Vec<W>>);

impl<W> Shelf<W> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// One that was put there.
    pub(crate) fn take(&self) -> Option<W> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Leaves one for whoever takes it next.
    pub(crate) fn put(&self, workspace: W) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}
