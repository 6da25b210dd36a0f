//! Buffers whose first element stands at the start of a cache line.
#![forbid(unsafe_code)]

use std::ops::{Deref, DerefMut};

use crate::element::Element;
use crate::workspace::{self, Workspace};

/// Alignment of every buffer and of every row of a [`Mat`](crate::Mat), in bytes: one cache line, one AVX-512 register.
pub const ALIGNMENT: usize = 64;

/// A contiguous buffer whose first element is aligned to [`ALIGNMENT`] bytes.
///
/// It is found within a plain `Vec` that has as many bytes more. Asked for an aligned block, glibc before 2.38 looks
/// for a free one that is larger by the alignment, takes its middle, and so never takes again what was freed by one of
/// the same size: a search that builds bases of some megabytes a vector and drops them took 818 MiB instead of the 620
/// that it had at once.
///
/// One that was made in the scope of a [`Workspace`] goes back to it.
#[derive(Debug)]
pub struct AlignedVec<T: Element> {
    data: Vec<T>,
    start: usize,
    len: usize,
    workspace: Option<Workspace>,
}

/// An aligned buffer of `len` zeros.
pub fn aligned_zeros<T: Element>(len: usize) -> AlignedVec<T> {
    if len == 0 {
        return AlignedVec { data: Vec::new(), start: 0, len, workspace: None };
    }
    // What is too long for an allocation is left to `Vec` to refuse.
    let (data, workspace) = workspace::zeros::<T>(len.saturating_add(ALIGNMENT / size_of::<T>()));
    let start = data.as_ptr().align_offset(ALIGNMENT);
    AlignedVec { data, start, len, workspace }
}

impl<T: Element> Drop for AlignedVec<T> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            workspace.put(std::mem::take(&mut self.data));
        }
    }
}

impl<T: Element> Deref for AlignedVec<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.data[self.start..][..self.len]
    }
}

impl<T: Element> DerefMut for AlignedVec<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..][..self.len]
    }
}

impl<T: Element> Clone for AlignedVec<T> {
    fn clone(&self) -> Self {
        let mut copy = aligned_zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Element>() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut zeros = aligned_zeros::<T>(len);
            assert_eq!(zeros.len(), len);
            assert!(len == 0 || zeros.as_ptr().addr().is_multiple_of(ALIGNMENT));
            assert!(zeros.iter().all(|&value| value == T::ZERO));
            zeros.iter_mut().enumerate().for_each(|(i, value)| *value = T::from_f64(i as f64));
            let copy = zeros.clone();
            assert!(len == 0 || copy.as_ptr().addr().is_multiple_of(ALIGNMENT));
            assert!(copy.iter().enumerate().all(|(i, &value)| value == T::from_f64(i as f64)));
        }
    }

    #[test]
    fn buffers_are_aligned_and_so_are_their_copies() {
        check::<f32>();
        check::<f64>();
    }
}
