//! Which rows of all a rank has, and sums over all of them.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::{Exchange, Team, gather};
use crate::element::Element;
use crate::mat::{Mat, MatMut};
use crate::parallel::{Par, halves, leaf_rows, reduce_range};

/// A share may be larger or smaller than its due by this part of it, if it then begins at an upper node of the tree.
const SLACK: usize = 8;

/// The rows that this rank has of a set of samples, or of a vector with a number for each of them.
#[derive(Clone, Debug)]
pub struct Spread {
    rows: usize,
    shared: Option<Shared>,
    /// Who decides together about rows that each of them has all of.
    deciding: Option<Arc<dyn Team>>,
}

#[derive(Clone, Debug)]
struct Shared {
    team: Arc<dyn Team>,
    /// Where the shares begin, and the number of all rows.
    bounds: Arc<[usize]>,
}

impl Spread {
    /// All rows are here.
    pub fn alone(rows: usize) -> Self {
        Self { rows, shared: None, deciding: None }
    }

    /// So many rows, all of them on every rank that this set is spread over: each sums by itself, and what is found is
    /// rank 0's ([`Spread::from_first`]).
    #[must_use]
    pub fn repeated(&self, rows: usize) -> Self {
        Self { rows, shared: None, deciding: self.team().or(self.deciding.as_ref()).cloned() }
    }

    /// This rank's share of `whole` rows: the leaves of their tree, divided among the ranks as evenly as they can be.
    /// Where there are fewer leaves than ranks, some have no rows.
    pub fn over(team: &Arc<dyn Team>, whole: usize) -> Self {
        let (rank, ranks) = (team.rank(), team.ranks());
        if ranks == 1 {
            return Self::alone(whole);
        }
        let bounds: Arc<[usize]> = bounds(whole, ranks).into();
        let shared = Some(Shared { team: team.clone(), bounds: bounds.clone() });
        Self { rows: bounds[rank + 1] - bounds[rank], shared, deciding: None }
    }

    /// Rows that this rank has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that all ranks have.
    pub fn whole(&self) -> usize {
        self.shared.as_ref().map_or(self.rows, |shared| shared.bounds[shared.team.ranks()])
    }

    /// The rows of this rank among all.
    pub fn range(&self) -> Range<usize> {
        let first = self.shared.as_ref().map_or(0, |shared| shared.bounds[shared.team.rank()]);
        first..first + self.rows
    }

    /// The other ranks, if there are any.
    pub fn team(&self) -> Option<&Arc<dyn Team>> {
        self.shared.as_ref().map(|shared| &shared.team)
    }

    /// Reduces over the rows of all ranks by the tree that their number fixes: `leaf` gets numbers of rows of this
    /// rank, counted from its first, the left part's result is always the left operand of `combine`, and every rank
    /// gets the same bits, which are those of a single one. `zero` makes an operand for another rank's result to be put
    /// in.
    pub fn reduce<R: Carried + Send>(
        &self,
        par: Par,
        zero: &dyn Fn() -> R,
        leaf: &(dyn Fn(Range<usize>) -> R + Sync),
        combine: &(dyn Fn(R, R) -> R + Sync),
    ) -> R {
        let (whole, at_most) = (self.whole(), leaf_rows(self.whole()));
        let Some(Shared { team, .. }) = &self.shared else {
            return reduce_range(par, 0..whole, at_most, leaf, combine);
        };
        let own = self.range();
        let leaf = |range: Range<usize>| leaf(range.start - own.start..range.end - own.start);
        let parts = own_parts(par, 0..whole, at_most, &own, &leaf, combine);
        let mut reduction = Reduction { whole, at_most, parts, zero, combine };
        team.exchange(&mut reduction);
        reduction.parts.pop().expect("the ranks have all rows among them").1
    }

    /// The sum of what `terms` makes of each leaf of rows, in f64.
    pub fn sum(&self, terms: impl Fn(Range<usize>) -> f64 + Sync) -> f64 {
        self.reduce(Par::Seq, &|| 0.0, &terms, &|left, right| left + right)
    }

    /// Several such sums in one.
    pub fn sums<const N: usize>(&self, terms: impl Fn(Range<usize>) -> [f64; N] + Sync) -> [f64; N] {
        self.reduce(Par::Seq, &|| [0.0; N], &terms, &|left, right| std::array::from_fn(|i| left[i] + right[i]))
    }

    /// What rank 0 finds, on every rank; `None` everywhere if it finds nothing. The others make `room` for it.
    ///
    /// For what is decided by and is not found here: a library for dense matrices adds in another order on another
    /// processor, so that ranks which decompose the same matrix could keep different numbers of eigenvectors.
    ///
    /// ```
    /// use memorize_kernels::Spread;
    ///
    /// let found = Spread::alone(5).from_first(|| Some(vec![2.0]), || unreachable!("there is one rank"));
    /// assert_eq!(found, Some(vec![2.0]));
    /// ```
    pub fn from_first<C: Carried>(&self, find: impl FnOnce() -> Option<C>, room: impl FnOnce() -> C) -> Option<C> {
        let Some(team) = self.team().or(self.deciding.as_ref()) else { return find() };
        let is_first = team.rank() == 0;
        let mut exchanged = FromFirst { is_first, found: if is_first { find() } else { None }, room: Some(room) };
        team.exchange(&mut exchanged);
        exchanged.found
    }

    /// The values of all ranks, one rank after the other: with a number for each row, the vector of all rows.
    pub fn gather<T: Pod>(&self, own: Vec<T>) -> Vec<T> {
        match &self.shared {
            None => own,
            Some(shared) => gather(&*shared.team, &own),
        }
    }

    /// Of these rows, by their numbers among all, those that this rank has, by their numbers here.
    pub fn own(&self, numbers: &[u32]) -> Vec<u32> {
        let range = self.range();
        let own = numbers.iter().filter(|&&number| range.contains(&(number as usize)));
        own.map(|&number| number - range.start as u32).collect()
    }

    /// Puts rows that ranks have made of those that [`Spread::own`] said, `own` being this rank's, in the order of
    /// `numbers`.
    pub fn assemble<T: Element>(&self, numbers: &[u32], own: &Mat<T>, mut out: MatMut<'_, T>) {
        let cols = own.cols();
        let dense: Vec<T> = own.iter().copied().collect();
        let all = self.gather(dense);
        let rank_of = |number: u32| match &self.shared {
            None => 0,
            Some(shared) => shared.bounds.partition_point(|&bound| bound <= number as usize),
        };
        let mut places: Vec<usize> = (0..numbers.len()).collect();
        places.sort_by_key(|&place| rank_of(numbers[place]));
        for (row, &place) in all.chunks(cols.max(1)).zip(&places) {
            out.row_mut(place).copy_from_slice(row);
        }
    }
}

/// As many rows, all of them here.
impl From<usize> for Spread {
    fn from(rows: usize) -> Self {
        Self::alone(rows)
    }
}

/// Where the shares of each rank begin, and where the last ends: at leaves, and at a node as high in the tree as there
/// is one near enough.
fn bounds(whole: usize, ranks: usize) -> Vec<usize> {
    let at_most = leaf_rows(whole);
    let near = whole / ranks / SLACK;
    let bound = |rank: usize| {
        let due = (whole as u128 * rank as u128 / ranks as u128) as usize;
        let mut node = 0..whole;
        while node.len() > at_most {
            let (left, right) = halves(&node);
            if left.end.abs_diff(due) <= near {
                return left.end;
            }
            node = if due < left.end { left } else { right };
        }
        if due - node.start <= node.end - due { node.start } else { node.end }
    };
    std::iter::once(0).chain((1..ranks).map(bound)).chain([whole]).collect()
}

/// The results of the largest nodes within `range` that are all in `own`.
fn own_parts<R: Send>(
    par: Par,
    range: Range<usize>,
    at_most: usize,
    own: &Range<usize>,
    leaf: &(dyn Fn(Range<usize>) -> R + Sync),
    combine: &(dyn Fn(R, R) -> R + Sync),
) -> Vec<(Range<usize>, R)> {
    if own.start <= range.start && range.end <= own.end {
        return vec![(range.clone(), reduce_range(par, range, at_most, leaf, combine))];
    }
    if range.len() <= at_most || own.end <= range.start || range.end <= own.start {
        return Vec::new();
    }
    let (left, right) = halves(&range);
    let half = |range| own_parts(par, range, at_most, own, leaf, combine);
    let (mut left, right) = par.join(|| half(left.clone()), || half(right.clone()));
    left.extend(right);
    left
}

/// Results of nodes, from left to right.
struct Reduction<'a, R> {
    whole: usize,
    at_most: usize,
    parts: Vec<(Range<usize>, R)>,
    zero: &'a dyn Fn() -> R,
    combine: &'a (dyn Fn(R, R) -> R + Sync),
}

impl<R: Carried> Reduction<'_, R> {
    fn read(&self, mut message: &[u8]) -> Vec<(Range<usize>, R)> {
        let mut parts = Vec::new();
        while !message.is_empty() {
            let mut number = || take(&mut message, size_of::<u64>()).try_into().map_or(0, u64::from_le_bytes) as usize;
            let range = number()..number();
            let mut part = (self.zero)();
            part.bytes(&mut |bytes| bytes.copy_from_slice(take(&mut message, bytes.len())));
            parts.push((range, part));
        }
        parts
    }

    /// The same with every node combined whose halves are both there.
    fn joined(&self, range: Range<usize>, mut parts: Vec<(Range<usize>, R)>) -> Vec<(Range<usize>, R)> {
        if range.len() <= self.at_most || parts.len() <= 1 {
            parts.truncate(1);
            return parts;
        }
        let (left, right) = halves(&range);
        let at = parts.partition_point(|(part, _)| part.start < left.end);
        let others = self.joined(right.clone(), parts.split_off(at));
        parts = self.joined(left.clone(), parts);
        parts.extend(others);
        if parts.len() == 2 && parts[0].0 == left && parts[1].0 == right {
            let halves: [_; 2] = std::array::from_fn(|_| parts.pop().expect("there are two").1);
            let [right, left] = halves;
            parts.push((range, (self.combine)(left, right)));
        }
        parts
    }
}

impl<R: Carried> Exchange for Reduction<'_, R> {
    fn absorb(&mut self, message: &[u8]) {
        let theirs = self.read(message);
        let mut parts = std::mem::take(&mut self.parts);
        parts.extend(theirs);
        self.parts = self.joined(0..self.whole, parts);
    }

    fn emit(&mut self, message: &mut Vec<u8>) {
        for (range, part) in &mut self.parts {
            message.extend_from_slice(&(range.start as u64).to_le_bytes());
            message.extend_from_slice(&(range.end as u64).to_le_bytes());
            part.bytes(&mut |bytes| message.extend_from_slice(bytes));
        }
    }

    fn adopt(&mut self, message: &[u8]) {
        self.parts = self.read(message);
        assert!(
            self.parts.len() == 1 && self.parts[0].0 == (0..self.whole),
            "the ranks do not have all {} rows among them",
            self.whole
        );
    }
}

/// What rank 0 has found goes to all, behind a byte that says that it has.
struct FromFirst<C, F> {
    is_first: bool,
    found: Option<C>,
    room: Option<F>,
}

impl<C: Carried, F: FnOnce() -> C> Exchange for FromFirst<C, F> {
    fn absorb(&mut self, _: &[u8]) {}

    fn emit(&mut self, message: &mut Vec<u8>) {
        if let Some(found) = self.found.as_mut().filter(|_| self.is_first) {
            message.push(1);
            found.bytes(&mut |bytes| message.extend_from_slice(bytes));
        }
    }

    fn adopt(&mut self, mut message: &[u8]) {
        if self.is_first || message.is_empty() {
            return;
        }
        take(&mut message, 1);
        self.found = self.room.take().map(|room| {
            let mut found = room();
            found.bytes(&mut |bytes| bytes.copy_from_slice(take(&mut message, bytes.len())));
            found
        });
    }
}

/// Cuts off the first bytes of a message.
fn take<'a>(message: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, rest) = message.split_at(len);
    *message = rest;
    head
}

/// A partial result that goes from rank to rank.
pub trait Carried {
    /// Shows each piece of its memory to `visit`, which reads or replaces it: as many bytes in the same order on every
    /// rank.
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8]));
}

impl Carried for f64 {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        visit(bytemuck::bytes_of_mut(self));
    }
}

impl<const N: usize> Carried for [f64; N] {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        visit(bytemuck::cast_slice_mut(self));
    }
}

impl<T: Pod + Zeroable> Carried for Vec<T> {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        visit(bytemuck::cast_slice_mut(self));
    }
}

impl<T: Element> Carried for Mat<T> {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        visit(bytemuck::cast_slice_mut(self.padded_mut()));
    }
}

impl<A: Carried, B: Carried> Carried for (A, B) {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        self.0.bytes(visit);
        self.1.bytes(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_of_ranks_has_one_node_each() {
        for ranks in [2, 4, 8] {
            let (bounds, at_most) = (bounds(60_000, ranks), leaf_rows(60_000));
            for own in bounds.windows(2).map(|pair| pair[0]..pair[1]) {
                let mut node = 0..60_000;
                while node != own && node.len() > at_most {
                    let (left, right) = halves(&node);
                    node = if own.start < left.end { left } else { right };
                }
                assert_eq!(node, own, "{ranks} ranks");
            }
        }
    }
}
