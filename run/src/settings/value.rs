//! The types that settings have: how they are written, and how they are read from a word.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use memorize_data::Shown;
use strum::{EnumMessage, VariantArray};

use super::choices::{Backend, Batch, Dtype, IsaName, Metric, OptimizerKind, Route, Source};
use crate::units::ByteSize;

/// How a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`; a flag without a value is `true`.
    Switch,
    /// A path, which need not be text.
    Path,
    /// One of some words, each with what it means.
    Choice(Vec<(&'static str, String)>),
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Another word.
    Word,
}

/// A type of settings.
pub trait Value: Clone + Send + Sync + 'static {
    /// How it is written.
    fn form() -> Form;

    /// Reads it.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// As it is written.
    fn shown(&self) -> String;

    /// As a number, where it is one.
    fn number(&self) -> Option<f64> {
        None
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Types that are written as they are displayed.
macro_rules! words {
    ($($type:ty: $form:expr, $number:expr;)*) => {$(
        impl Value for $type {
            fn form() -> Form {
                $form
            }

            fn parse(text: &str) -> Result<Self, String> {
                parse(text)
            }

            fn shown(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<f64> {
                let number: fn(&$type) -> Option<f64> = $number;
                number(self)
            }
        }
    )*};
}
words! {
    bool: Form::Switch, |_| None;
    String: Form::Word, |_| None;
    ByteSize: Form::Word, |size| Some(size.0 as f64);
    Batch: Form::Word, |batch| match batch { Batch::Rows(rows) => Some(*rows as f64), Batch::Full => None };
    Source: Form::Choice(in_words::<Source>(|&source| source != Source::Files)), |_| None;
    Dtype: Form::Choice(Dtype::choices()), |_| None;
    Backend: Form::Choice(Backend::choices()), |_| None;
    Metric: Form::Choice(Metric::choices()), |_| None;
    IsaName: Form::Choice(IsaName::choices()), |_| None;
    Route: Form::Choice(Route::choices()), |_| None;
    OptimizerKind: Form::Choice(OptimizerKind::choices()), |_| None;
}

/// Whole numbers: no more than a configuration file can hold.
macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn form() -> Form {
                Form::Integer
            }

            fn parse(text: &str) -> Result<Self, String> {
                let value: Self = parse(text)?;
                let fits = i64::try_from(value).is_ok();
                if fits { Ok(value) } else { Err(format!("must be at most {}", i64::MAX)) }
            }

            fn shown(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )*};
}
integers!(usize, u64, u32);

impl Value for f64 {
    fn form() -> Form {
        Form::Float
    }

    fn parse(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn shown(&self) -> String {
        if *self != 0.0 && self.abs() < 1e-3 { format!("{self:e}") } else { self.to_string() }
    }

    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Value for PathBuf {
    fn form() -> Form {
        Form::Path
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn shown(&self) -> String {
        self.as_path().shown().to_string()
    }
}

/// A type whose values are some words.
pub trait Choice: Copy + Display + FromStr + Send + Sync + 'static {
    /// Each word with what it means.
    fn choices() -> Vec<(&'static str, String)>;
}

impl<T> Choice for T
where
    T: Copy + Display + FromStr + EnumMessage + VariantArray + Into<&'static str> + Send + Sync + 'static,
{
    fn choices() -> Vec<(&'static str, String)> {
        in_words::<T>(|_| true)
    }
}

fn in_words<T>(counts: impl Fn(&T) -> bool) -> Vec<(&'static str, String)>
where
    T: Copy + EnumMessage + VariantArray + Into<&'static str>,
{
    let help =
        |value: &T| value.get_documentation().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    T::VARIANTS.iter().filter(|value| counts(value)).map(|value| ((*value).into(), help(value))).collect()
}
