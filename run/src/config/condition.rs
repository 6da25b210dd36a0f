//! What `memorize condition` is asked to do, checked.

use memorize_train::optim::prescription::DELTA;
use memorize_train::theory::tensor_power::check_order;

use super::check::{at_least_one, ensure, finite_positive, invalid};
use super::validate::{check_threads, data, no_test_set};
use super::{Backend, ConfigError, DataSection, FeaturesSection, IsaName, Route};
use crate::settings::Section;
use crate::units::ByteSize;

/// A look at the position of a training set.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionConfig {
    /// The samples, and what happens to them.
    pub data: DataSection,
    /// The fixed first layer of a three-layer network; absent = two layers.
    pub features: Option<FeaturesSection>,
    /// Order of the tensor powers that are looked at: 2 is general position, 2p what Theorem 6 asks for.
    pub power: u32,
    /// Loss that Theorem 4's constants are computed for.
    pub epsilon: f64,
    /// Probability that what holds by chance may fail with.
    pub delta: f64,
    /// Residual of sigma_min^2, relative to it, at which it counts as found.
    pub tolerance: f64,
    /// Most products with K for sigma_min.
    pub max_products: usize,
    /// Samples that the preconditioner is made of; absent = decided from the size of the set.
    pub rank: Option<usize>,
    /// Whether a set that is small enough is decomposed.
    pub dense: bool,
    /// Whether a lower bound on sigma_min is to be proved.
    pub prove: bool,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Memory for what can be kept or made again; absent = decided from what the machine has.
    pub memory_budget: Option<ByteSize>,
    /// Implementation of the heavy passes.
    pub backend: Backend,
    /// Instruction set; absent = the best that the CPU has, or the one that `MEMORIZE_ISA` names.
    pub isa: Option<IsaName>,
    /// Threads; absent = one for each core that the process may use.
    pub threads: Option<usize>,
    /// Has to be absent: nothing here has two routes.
    pub route: Option<Route>,
}

/// The numbers that have a default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConditionDefaults {
    /// See [`ConditionConfig::power`].
    pub power: u32,
    /// See [`ConditionConfig::epsilon`].
    pub epsilon: f64,
    /// See [`ConditionConfig::delta`].
    pub delta: f64,
    /// See [`ConditionConfig::tolerance`].
    pub tolerance: f64,
    /// See [`ConditionConfig::max_products`].
    pub max_products: usize,
}

impl ConditionConfig {
    /// The defaults: sigma_min to about half a percent.
    pub fn defaults() -> ConditionDefaults {
        ConditionDefaults { power: 2, epsilon: 0.01, delta: DELTA, tolerance: 0.05, max_products: 600 }
    }

    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be used, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        data(&self.data)?;
        no_test_set(&self.data)?;
        self.features.as_ref().map_or(Ok(()), FeaturesSection::check_ranges)?;
        check_order(self.power).map_err(|error| invalid("power", self.power, format!("{error} (--power)")))?;
        ensure(!self.prove || self.power == 2, || {
            invalid("prove", "(given)", "what is proved is of x (x) x; leave out --power, or leave out --prove")
        })?;
        finite_positive("epsilon", self.epsilon, "--theory-epsilon")?;
        ensure(self.delta > 0.0 && self.delta < 1.0, || {
            invalid("delta", self.delta, "must be a probability between 0 and 1 (--theory-delta)")
        })?;
        ensure(self.tolerance > 0.0 && self.tolerance < 1.0, || {
            invalid(
                "tolerance",
                self.tolerance,
                "must be between 0 and 1, the error as a share of the value (--tolerance)",
            )
        })?;
        ensure(self.max_products >= 2, || {
            invalid(
                "max-products",
                self.max_products,
                "must be at least 2; the last is for the residual (--max-products)",
            )
        })?;
        at_least_one("rank", self.rank, "--rank")?;
        ensure(self.route.is_none(), || {
            invalid("route", "(given)", "a route is of networks, and none is looked at; leave out --route")
        })?;
        check_threads(self.threads)
    }
}
