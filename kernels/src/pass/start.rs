//! What groups of neurons are laid out from, and which of them a rank has.

use std::ops::Range;

use super::update::{Memory, Weights};
use crate::element::Element;
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatRef};

/// Which of the groups a rank has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub rank: usize,
    pub ranks: usize,
}

impl Share {
    /// All of them.
    pub(crate) const WHOLE: Self = Self { rank: 0, ranks: 1 };

    pub(crate) fn of(self, groups: usize) -> Range<usize> {
        groups * self.rank / self.ranks..groups * (self.rank + 1) / self.ranks
    }
}

/// What groups are laid out from: weights (r x d) with what a rule keeps beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a, T: Element> {
    pub w: MatRef<'a, T>,
    pub first: Kept<'a, T>,
    pub second: Kept<'a, T>,
}

/// One of the matrices that a rule may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept<'a, T: Element> {
    Nothing,
    Zeros,
    From(MatRef<'a, T>),
}

impl<'a, T: Element> Start<'a, T> {
    /// Weights with what is kept beside them.
    ///
    /// # Errors
    /// [`KernelError::Shape`] if a memory is neither of the weights' shape nor empty, or the second is kept alone,
    /// which no rule does.
    pub(crate) fn of(Weights { w, first, second }: &'a Weights<T>) -> Result<Self, KernelError> {
        let kept = |memory: &'a Mat<T>, needed: bool| {
            if memory.rows() == 0 && !needed {
                return Ok(Kept::Nothing);
            }
            check_shape("neurons in the rule's memory", w.rows(), memory.rows())?;
            check_shape("width of the rule's memory", w.cols(), memory.cols())?;
            Ok(Kept::From(memory.as_ref()))
        };
        Ok(Self { w: w.as_ref(), first: kept(first, second.rows() > 0)?, second: kept(second, false)? })
    }

    /// These weights, with zeros for what is kept.
    pub(crate) fn without_past(w: MatRef<'a, T>, memory: Memory) -> Self {
        let [first, second] = memory.rows(1).map(|kept| if kept > 0 { Kept::Zeros } else { Kept::Nothing });
        Self { w, first, second }
    }

    /// How much is kept.
    pub(crate) fn memory(&self) -> Memory {
        match (self.first.is_kept(), self.second.is_kept()) {
            (_, true) => Memory::Both,
            (true, false) => Memory::First,
            (false, false) => Memory::Nothing,
        }
    }
}

impl<T: Element> Kept<'_, T> {
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self, Kept::Nothing)
    }

    /// Its rows `range`, or none.
    pub(crate) fn rows(&self, range: Range<usize>, d: usize) -> Mat<T> {
        match self {
            Kept::Nothing => Mat::zeros(0, d),
            Kept::Zeros => Mat::zeros(range.len(), d),
            Kept::From(mat) => mat.rows_range(range).to_owned(),
        }
    }
}
