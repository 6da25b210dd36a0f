//! What checks of values have in common: one clear error for each way in which one can be wrong.

use std::fmt::Display;

use super::ConfigError;
use crate::settings::Range;

/// The outcome of a check.
pub(super) type Check = Result<(), ConfigError>;

/// An error for `field`.
pub(super) fn invalid(field: &'static str, value: impl Display, advice: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { field, value: value.to_string(), advice: advice.into() }
}

/// Fails with the error unless `condition` holds.
pub(super) fn ensure(condition: bool, error: impl FnOnce() -> ConfigError) -> Check {
    if condition { Ok(()) } else { Err(error()) }
}

/// A count that may be absent but not zero.
pub(super) fn at_least_one(field: &'static str, value: Option<usize>, flag: &str) -> Check {
    Range::AT_LEAST_ONE.check(field, flag, value.as_ref())
}

/// A number that scales something: a step size, a standard deviation.
pub(super) fn finite_positive(field: &'static str, value: f64, flag: &str) -> Check {
    Range::POSITIVE.check(field, flag, Some(&value))
}

/// A number that adds something: noise, a regulariser.
pub(super) fn finite_non_negative(field: &'static str, value: f64, flag: &str) -> Check {
    Range::NOT_NEGATIVE.check(field, flag, Some(&value))
}
