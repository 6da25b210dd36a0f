//! A setting stands once: its key, type, default, range, flag and help, and what another value of it changes.
//!
//! A declaration makes a field of a layer (what somebody has said, in flags or in a file), a field of a section (what a
//! run goes by), and a row of [`Group::settings`]. From the rows come the flags of the command line, the
//! checks, the template of `memorize config --default` and the table in docs/formats.md; `effect` and `fixed` tell
//! whether two runs are the same, what may differ where one goes on, and what a sweep decides itself.

#[macro_use]
mod declare;
mod choices;
mod data;
pub mod defaults;
mod error;
mod network;
mod optimizer;
mod run;
mod value;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub use choices::{Backend, Batch, Dtype, IsaName, Metric, OptimizerKind, Route, Source};
pub use data::{DataLayer, DataSection};
pub use error::ConfigError;
pub use network::{FeaturesLayer, FeaturesSection, NetworkLayer, NetworkSection};
pub use optimizer::{
    AcceleratedLayer, AcceleratedSection, NegativeCurvatureLayer, NegativeCurvatureSection, OptimizerLayer,
    OptimizerSection, PgdLayer, PgdSection, SolveLayer, SolveSection, TheoryLayer, TheorySection,
};
pub use run::{COMPUTE, RunLayer, RunSection, THREADS};
pub use value::{Choice, Form, Value};

/// One setting, as it is declared.
pub struct Setting {
    /// The table of a configuration file that it is in, as `optimizer.pgd`.
    pub section: &'static str,
    /// Its name there.
    pub key: &'static str,
    /// Section and key: `data.noise`.
    pub path: &'static str,
    /// Its flag; none for what only the program itself writes.
    pub flag: Option<Flag>,
    /// Its help text, a sentence or two.
    pub help: &'static str,
    /// Its default in words; none where that goes without saying.
    pub default: fn() -> Option<String>,
    /// How its value is written.
    pub form: fn() -> Form,
    /// The value that a word stands for.
    pub parse: fn(&str) -> Result<Given, String>,
    /// Which values can be run with.
    pub range: Range,
    /// What another value changes.
    pub effect: Effect,
    /// Why a sweep does not vary it, if it does not.
    pub fixed: Option<&'static str>,
}

/// A flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without dashes.
    pub long: &'static str,
    /// The same in one letter.
    pub short: Option<char>,
    /// What stands for its value in a help text.
    pub value: &'static str,
    /// The heading that it is listed below.
    pub heading: &'static str,
    /// Its name in an earlier version, which is understood and not shown.
    pub old: Option<&'static str>,
}

/// What another value of a setting changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bits of the results: it is another run.
    Results,
    /// Where something is, or what it is called. A run may have been moved; of files the contents are compared.
    Place,
    /// How fast a run is and how often it is kept, but no bit.
    Speed,
}

impl Effect {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Results, Self::Place, Self::Speed];
}

/// Stands for the flag in an advice.
const FLAG: &str = "{flag}";

/// Which numbers can be run with.
#[derive(Clone, Copy)]
pub struct Range {
    holds: fn(f64) -> bool,
    /// The advice, with `{flag}` for the flag; without it the flag follows in brackets.
    advice: &'static str,
    /// The largest number, beside what `holds` says.
    most: Option<u32>,
}

impl Range {
    /// Anything: whoever reads it checks it.
    pub const ANY: Self = Self::new(|_| true, "");
    /// A count that may be absent but not zero.
    pub const AT_LEAST_ONE: Self = Self::new(|value| value >= 1.0, "must be at least 1");
    /// A number that scales something: a step size, a standard deviation.
    pub const POSITIVE: Self = Self::new(|value| value.is_finite() && value > 0.0, "must be a finite number above 0");
    /// A number that adds something: noise, a regulariser.
    pub const NOT_NEGATIVE: Self =
        Self::new(|value| value.is_finite() && value >= 0.0, "must be a finite number, 0 or above");

    /// Where `holds`; `advice` says the same in words.
    pub const fn new(holds: fn(f64) -> bool, advice: &'static str) -> Self {
        Self { holds, advice, most: None }
    }

    /// From 1 to `most`.
    pub const fn up_to(most: u32) -> Self {
        Self { most: Some(most), ..Self::AT_LEAST_ONE }
    }

    /// Checks a number, if there is one, that `field` has and `flag` gives.
    ///
    /// # Errors
    /// If it cannot be run with: what to write instead.
    pub(crate) fn check<T: Value>(self, field: &'static str, flag: &str, value: Option<&T>) -> Result<(), ConfigError> {
        let Some((value, number)) = value.and_then(|value| Some((value, value.number()?))) else { return Ok(()) };
        let most = self.most.filter(|&most| number > f64::from(most));
        if (self.holds)(number) && most.is_none() {
            return Ok(());
        }
        let advice = match (most, self.advice) {
            (Some(most), _) => format!("must be at most {most} ({flag})"),
            (None, advice) if advice.contains(FLAG) => advice.replace(FLAG, flag),
            (None, advice) => format!("{advice} ({flag})"),
        };
        Err(ConfigError::Invalid { field, value: value.shown(), advice })
    }
}

impl Setting {
    /// Its help text, with the default in brackets.
    pub fn help_text(&self) -> String {
        self.help_with(None, None)
    }

    /// The same in other words, and with another default than the declared one.
    pub fn help_with(&self, help: Option<&str>, default: Option<&str>) -> String {
        let help = help.unwrap_or(self.help).trim();
        let default = default.map(str::to_owned).or_else(self.default);
        default.map_or_else(|| help.to_owned(), |default| format!("{help} [default: {default}]"))
    }

    /// Checks a value, if there is one.
    pub(crate) fn check<T: Value>(&self, value: Option<&T>) -> Result<(), ConfigError> {
        let flag = self.flag.map_or_else(|| self.path.to_owned(), |flag| format!("--{}", flag.long));
        self.range.check(self.path, &flag, value)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// A value that was given for a setting, of the setting's type.
#[derive(Clone, Debug)]
pub struct Given(Arc<dyn Any + Send + Sync>);

impl Given {
    /// Of any setting's type.
    pub fn new<T: Value>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value. It is of the type of the setting that it was read for, and given to no other.
    pub fn get<T: Value>(&self) -> Option<T> {
        let value = self.0.downcast_ref::<T>().cloned();
        debug_assert!(value.is_some(), "a value of another setting's type");
        value
    }
}

/// Settings that are given together: a section and those below it.
pub trait Group: Clone + Default + fmt::Debug + Send + Sync + 'static {
    /// Every one of them, in the order of a configuration file.
    fn settings() -> Vec<&'static Setting>;

    /// Takes a value for one of them.
    fn give(&mut self, setting: &Setting, value: &Given);
}

/// The settings of a section, none of them open.
pub trait Section {
    /// What may be said of them.
    type Layer: Group;

    /// Checks each value for itself, sections below it apart.
    ///
    /// # Errors
    /// The first value that cannot be run with, and what to write instead.
    fn check_ranges(&self) -> Result<(), ConfigError>;

    /// Takes over what has this effect from another section, sections below it apart.
    fn take(&mut self, other: &Self, effect: Effect);

    /// Lays what was said over it, of settings with these effects; sections below it apart.
    fn lay(&mut self, layer: &Self::Layer, effects: &[Effect]);
}
