//! `[network]`: q(x) = sum_i a_i (w_i . x)^2, or the same over random features of x.

use memorize_train::features::MAX_POWER;

use super::Range;
use super::defaults::{DEFAULT_FEATURES_P, DEFAULT_FEATURES_SIGMA};

settings! {
    ["network", "Network"]
    /// What is said about the network.
    layer NetworkLayer;
    /// `[network]`: q(x) = sum_i a_i (w_i . x)^2, or the same over random features of x.
    section NetworkSection {
        /// Hidden neurons, r, an even number; required here or in --config, except by `--optimizer solve`; with
        /// --theory and `--optimizer negative-curvature` at least 2d+2, the default there
        neurons: usize = (optional), ["neurons" 'r' "R"], Range::ANY, Results;
        /// Standard deviation of the weights at the start; 0 for the optimisers that leave saddle points
        init_scale: f64 = (optional as "chosen from the network's size, 0 for pgd"),
            ["init-scale" "X"], Range::NOT_NEGATIVE, Results;
    }
    below {
        /// `[network.features]`: the fixed first layer of a three-layer network; absent = two layers.
        features: FeaturesLayer => Option<FeaturesSection>;
    }
}

settings! {
    ["network.features", "Network"]
    /// What is said about the random features of a three-layer network.
    layer FeaturesLayer;
    /// `[network.features]`: z = (R x)^p, elementwise.
    section FeaturesSection {
        /// Put K random features (Rx)^p before the trained layer: a three-layer network
        k: usize = (required "say how many random features with --features-k K, or leave out the other --features-* \
                flags"),
            ["features-k" "K"],
            Range::new(|features| features >= 1.0, "must be at least 1; leave out {flag} for a two-layer network"),
            Results;
        /// Power of the random features
        p: u32 = (default DEFAULT_FEATURES_P), ["features-p" "P"],
            Range::up_to(MAX_POWER), Results;
        /// Standard deviation of the entries of R
        sigma: f64 = (default DEFAULT_FEATURES_SIGMA), ["features-sigma" "SIGMA2"], Range::POSITIVE, Results;
    }
}
