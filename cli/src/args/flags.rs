//! Settings as flags: what [`memorize_run::settings`] declares becomes arguments, and what was typed a layer.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use clap::builder::{
    BoolValueParser, PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser,
};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, ValueHint};
use memorize_run::settings::{Choice, Form, Given, Group, Setting};

/// The settings of a group that a command has flags for.
pub trait Keys: Clone + fmt::Debug + Default + Send + Sync + 'static {
    /// Whether the command has a flag for it.
    fn include(setting: &Setting) -> bool;

    /// What the command says of it in its own way.
    fn own(_setting: &Setting) -> Own {
        Own::default()
    }
}

/// The words of one command for a setting, instead of those that are declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Its help text.
    pub help: Option<&'static str>,
    /// Its default, in words.
    pub default: Option<&'static str>,
    /// The heading that it is listed below.
    pub heading: Option<&'static str>,
}

/// Every setting of the group.
#[derive(Clone, Debug, Default)]
pub struct All;

impl Keys for All {
    fn include(_setting: &Setting) -> bool {
        true
    }
}

/// Names the settings of a command: those of another list (`Name: Other`), and its own, each with its help text
/// (`: "text"`), default (`= "in words"`) and heading (`in "Heading"`) where the command has its own. A path may be
/// that of a section.
macro_rules! keys {
    ($($(#[$of:meta])* $name:ident $(: $base:ident)? {
        $($path:literal $(: $help:literal)? $(= $default:literal)? $(in $heading:literal)?),* $(,)?
    })*) => {$(
        $(#[$of])*
        #[derive(Clone, Debug, Default)]
        pub struct $name;

        impl Keys for $name {
            fn include(setting: &Setting) -> bool {
                [$($path),*].iter().any(|&path| path == setting.path || path == setting.section)
                    $(|| $base::include(setting))?
            }

            fn own(setting: &Setting) -> Own {
                match setting.path {
                    $($path => Own {
                        help: own!($($help)?),
                        default: own!($($default)?),
                        heading: own!($($heading)?),
                    },)*
                    _ => Own::default(),
                }
            }
        }
    )*};
}

/// The words, where there are any.
macro_rules! own {
    () => {
        None
    };
    ($words:literal) => {
        Some($words)
    };
}

keys! {
    /// With what a result is computed.
    Compute { "run.backend", "run.isa", "run.threads", "run.route" }

    /// Settings that may differ when a run goes on.
    GoingOn {
        "run.checkpoint_every": "Write a checkpoint after N steps" = "as before",
        "run.checkpoint_minutes" = "as before",
        "run.threads" = "as before",
        "run.pin" = "as before",
        "run.memory_budget" = "as before",
    }

    /// What may be said about an experiment of the paper.
    Reproduced: Compute {
        "data.dir",
        "network.init_scale",
        "optimizer.kind": "Another algorithm, with its own defaults; `solve` takes seconds instead of minutes"
            = "the paper's",
        "run.epochs" = "the experiment's",
        "run.seed",
        "run.dtype" = "f32",
        "run.pin",
        "run.memory_budget",
        "run.checkpoint_every",
        "run.checkpoint_minutes",
    }

    /// Samples that the solver memorises.
    Solved: Compute {
        "data",
        "network.features",
        "optimizer.metric": "Norm of S = W A W^T that is the least among the solutions" = "data" in "Solver",
        "run.iterations": "Most iterations; each reads the samples twice" = "1000" in "Solver",
        "run.stop_below": "Loss f(W) at which the training set is memorised" = "1e-5" in "Solver",
        "run.seed": "Seed of the noise, the random labels, the random features and the choice of samples" in "Solver",
        "run.dtype" = "f32",
        "run.memory_budget": "Memory for samples that are kept instead of made again, as in 4GiB; a search that needs \
            more is refused, not cut" = "from what the machine has, and up to 2GiB for the search",
    }

    /// Samples that optimisers race on.
    Raced: Compute {
        "data",
        "network.features",
        "optimizer.batch": "Samples in a step of Adam and sgd, or `full`" = "128" in "Race",
        "run.seed": "Seed of the data, the random start and the perturbations" in "Race",
        "run.dtype" = "f32",
        "run.memory_budget": "Memory for samples that are kept instead of made again, as in 4GiB",
    }

    /// Samples whose position is looked at, in f64.
    Looked: Compute {
        "data",
        "network.features",
        "run.seed": "Seed of the noise, the random labels, the random features and the start vectors" in "Eigensolver",
        "run.memory_budget": "Memory for samples that are kept instead of made again, as in 4GiB; a search that needs \
            more is refused, not cut" = "from what the machine has, and up to 2GiB for the search",
    }
}

/// What was typed of a group's settings.
#[derive(Clone, Default)]
pub struct Flags<G, K = All> {
    given: G,
    keys: PhantomData<K>,
}

impl<G: fmt::Debug, K> fmt::Debug for Flags<G, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}

impl<G, K> Deref for Flags<G, K> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.given
    }
}

impl<G: Group, K: Keys> Args for Flags<G, K> {
    fn augment_args(command: Command) -> Command {
        included::<G, K>().into_iter().filter_map(argument::<K>).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<G: Group, K: Keys> FromArgMatches for Flags<G, K> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self { given: G::default(), keys: PhantomData };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in included::<G, K>().into_iter().filter(|setting| setting.flag.is_some()) {
            if let Some(value) = matches.get_one::<Given>(setting.path) {
                self.given.give(setting, value);
            }
        }
        Ok(())
    }
}

fn included<G: Group, K: Keys>() -> Vec<&'static Setting> {
    G::settings().into_iter().filter(|setting| K::include(setting)).collect()
}

/// The argument of a setting that has a flag.
fn argument<K: Keys>(setting: &'static Setting) -> Option<Arg> {
    let flag = setting.flag?;
    let own = K::own(setting);
    let help = setting.help_with(own.help, own.default);
    let heading = own.heading.unwrap_or(flag.heading);
    let argument = Arg::new(setting.path).long(flag.long).value_name(flag.value).help(help).help_heading(heading);
    let argument = flag.short.into_iter().fold(argument, Arg::short);
    let argument = flag.old.into_iter().fold(argument, Arg::alias);
    Some(match (setting.form)() {
        Form::Switch => {
            let switch = argument.num_args(0..=1).require_equals(true).default_missing_value("true");
            switch.value_parser(BoolValueParser::new().map(Given::new))
        }
        Form::Path => {
            let hint = if flag.value == "DIR" { ValueHint::DirPath } else { ValueHint::FilePath };
            argument.value_hint(hint).value_parser(PathBufValueParser::new().map(Given::new))
        }
        Form::Choice(words) => {
            argument.value_parser(possible(words).try_map(|word| (setting.parse)(&word).map_err(Unreadable)))
        }
        Form::Integer | Form::Float | Form::Word => {
            argument.value_parser(ValueParser::from(|word: &str| (setting.parse)(word).map_err(Unreadable)))
        }
    })
}

/// A parser of one of a type's words.
pub fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    possible(T::choices()).try_map(|word| word.parse::<T>().map_err(|_| Unreadable(format!("no such choice: {word}"))))
}

fn possible(words: Vec<(&'static str, String)>) -> PossibleValuesParser {
    PossibleValuesParser::new(words.into_iter().map(|(word, help)| PossibleValue::new(word).help(help)))
}

/// Why a word is no value.
#[derive(Debug)]
struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}
