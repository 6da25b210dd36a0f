//! Learning rates that decay in steps.

/// lr(epoch) = initial * factor^floor(epoch / every). The paper's: 0.003, times 0.3 every 15 epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepDecay {
    /// Learning rate of the first epochs.
    pub initial: f64,
    /// Factor of a decay.
    pub factor: f64,
    /// Epochs between two decays; 0 for none.
    pub every: u64,
}

impl StepDecay {
    /// A rate that stays.
    ///
    /// ```
    /// assert_eq!(memorize_train::schedule::StepDecay::constant(0.5).rate(1000), 0.5);
    /// ```
    pub fn constant(rate: f64) -> Self {
        Self { initial: rate, factor: 1.0, every: 0 }
    }

    /// The learning rate in an epoch, counted from 0.
    ///
    /// ```
    /// use memorize_train::schedule::StepDecay;
    ///
    /// let schedule = StepDecay { initial: 1.0, factor: 0.5, every: 10 };
    /// assert_eq!([9, 10, 20].map(|epoch| schedule.rate(epoch)), [1.0, 0.5, 0.25]);
    /// ```
    pub fn rate(&self, epoch: u64) -> f64 {
        let steps = epoch.checked_div(self.every).unwrap_or(0);
        self.initial * libm::pow(self.factor, steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_schedule() {
        let schedule = StepDecay { initial: 0.003, factor: 0.3, every: 15 };
        assert_eq!([0, 14].map(|epoch| schedule.rate(epoch)), [0.003; 2]);
        assert!((schedule.rate(15) - 9e-4).abs() < 1e-18 && (schedule.rate(45) - 8.1e-5).abs() < 1e-18);
        assert_eq!(StepDecay::constant(0.5).rate(u64::MAX), 0.5);
    }
}
