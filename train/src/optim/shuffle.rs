//! The order of samples in mini-batch training: a fresh permutation every epoch, 4 bytes a sample.

use memorize_data::random::permutation;

/// The batches of a run, each a set of row numbers. The last batch of an epoch may be smaller.
#[derive(Debug)]
pub(super) struct Shuffle {
    seed: u64,
    batch: usize,
    n: usize,
    epoch: u64,
    order: Vec<u32>,
}

impl Shuffle {
    pub(super) fn new(seed: u64, n: usize, batch: usize) -> Self {
        Self { seed, batch, n, epoch: 0, order: permutation(seed, 0, n) }
    }

    /// Batches an epoch.
    pub(super) fn batches(&self) -> u64 {
        self.n.div_ceil(self.batch) as u64
    }

    /// The rows of an iteration's batch.
    pub(super) fn batch(&mut self, iteration: u64) -> &[u32] {
        let (epoch, at) = (iteration / self.batches(), iteration % self.batches());
        if epoch != self.epoch {
            self.order = permutation(self.seed, epoch, self.n);
            self.epoch = epoch;
        }
        let start = at as usize * self.batch;
        &self.order[start..self.n.min(start + self.batch)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_visits_every_sample_once_in_an_order_of_its_own() {
        let mut shuffle = Shuffle::new(5, 103, 10);
        assert_eq!(shuffle.batches(), 11);
        let mut epoch = |e: u64| (0..11).flat_map(|i| shuffle.batch(e * 11 + i).to_vec()).collect::<Vec<u32>>();
        let (first, second, again) = (epoch(0), epoch(1), epoch(0));
        assert_eq!(first, again);
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..103).collect::<Vec<u32>>());
        }
    }
}
