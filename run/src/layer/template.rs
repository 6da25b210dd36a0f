//! A configuration that explains itself: every key with the help text of its flag, and its default.

use std::fmt::Write;

use clap::{Arg, Args, Command};
use toml::Table;

use super::{
    AcceleratedLayer, DataLayer, FeaturesLayer, Layer, NegativeCurvatureLayer, NetworkLayer, OptimizerLayer, PgdLayer,
    RunLayer, SolveLayer, TheoryLayer,
};
use crate::config::{ConfigError, RunConfig, Source};

/// Width of the comments.
const WIDTH: usize = 100;

const HEAD: &str = "\
# Every setting of `memorize train`: what it is, its flag, its default. A line with `#` before a key is not set; take the `#`
# away and put a value there. Run it with:  memorize train --config FILE
";

/// The text of a configuration file: the smallest run that there is, the paper's synthetic set, with all that could be said.
///
/// # Errors
/// If the defaults have no form in TOML.
pub fn template() -> Result<String, ConfigError> {
    let config = smallest()?;
    let not_writable = |error: toml::ser::Error| ConfigError::NotWritable { reason: error.to_string() };
    let values = Table::try_from(&config).map_err(not_writable)?;
    let mut text = HEAD.to_owned();
    for Section { name, arguments } in sections() {
        let path: Vec<&str> = name.split('.').collect();
        let values = path.iter().try_fold(&values, |table, key| table.get(*key)?.as_table());
        // A section that is not set must not be opened: some would choose an optimiser by being there.
        let mark = if values.is_some() { "" } else { "# " };
        let _ = write!(text, "\n{mark}[{name}]\n");
        for argument in &arguments {
            write_key(&mut text, argument, values.unwrap_or(&Table::new()));
        }
    }
    Ok(text)
}

/// What `memorize train --data synthetic --normalize --neurons 300 --optimizer gd --lr 3 --iterations 500` runs.
fn smallest() -> Result<RunConfig, ConfigError> {
    let mut layer = Layer::default();
    (layer.data.source, layer.data.normalize) = (Some(Source::Synthetic), Some(true));
    (layer.network.neurons, layer.run.iterations) = (Some(300), Some(500));
    layer.optimizer.kind = Some(crate::config::OptimizerKind::Gd);
    layer.optimizer.learning_rate = Some(3.0);
    layer.resolve()
}

struct Section {
    name: &'static str,
    arguments: Vec<Arg>,
}

/// Sections in the order of a run's config.toml, each with what stands in it and in none below it.
fn sections() -> Vec<Section> {
    fn all<L: Args>() -> Vec<Arg> {
        L::augment_args(Command::new("")).get_arguments().cloned().collect()
    }
    let below = |name, arguments| Section { name, arguments };
    let in_network = [below("network.features", all::<FeaturesLayer>())];
    let in_optimizer = [
        below("optimizer.pgd", all::<PgdLayer>()),
        below("optimizer.theory", all::<TheoryLayer>()),
        below("optimizer.accelerated", all::<AcceleratedLayer>()),
        below("optimizer.negative_curvature", all::<NegativeCurvatureLayer>()),
        below("optimizer.solve", all::<SolveLayer>()),
    ];
    let own = |name, arguments: Vec<Arg>, below: &[Section]| {
        let elsewhere =
            |argument: &Arg| below.iter().flat_map(|s| &s.arguments).any(|b| b.get_id() == argument.get_id());
        Section { name, arguments: arguments.into_iter().filter(|argument| !elsewhere(argument)).collect() }
    };
    let network = own("network", all::<NetworkLayer>(), &in_network);
    let optimizer = own("optimizer", all::<OptimizerLayer>(), &in_optimizer);
    let first = [below("run", all::<RunLayer>()), below("data", all::<DataLayer>()), network];
    first.into_iter().chain(in_network).chain([optimizer]).chain(in_optimizer).collect()
}

/// The key of a flag, with its section, if it is one of those that a configuration file has keys for. `flag`: without dashes.
pub fn key_of(flag: &str) -> Option<String> {
    sections().into_iter().find_map(|Section { name, arguments }| {
        let found = arguments.iter().find(|argument| argument.get_long() == Some(flag))?;
        Some(format!("{name}.{}", key(found)))
    })
}

/// The key of an argument in its section.
fn key(argument: &Arg) -> &str {
    let id = argument.get_id().as_str();
    // Where two sections have a key in common, the flag's name begins with that of the section.
    ["theory_", "accelerated_", "curvature_"].iter().find_map(|section| id.strip_prefix(section)).unwrap_or(id)
}

fn write_key(text: &mut String, argument: &Arg, values: &Table) {
    let key = key(argument);
    let flag = argument.get_long().map(|long| format!(" (--{long})")).unwrap_or_default();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    for line in textwrap::wrap(&format!("{help}{flag}"), WIDTH) {
        let _ = writeln!(text, "# {line}");
    }
    let choices: Vec<String> = argument.get_possible_values().iter().map(|value| in_toml(value.get_name())).collect();
    let placeholder = || {
        let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        name.unwrap_or_else(|| "VALUE".to_owned())
    };
    let _ = match values.get(key) {
        Some(value) => writeln!(text, "{key} = {}", value),
        None if choices.is_empty() => writeln!(text, "# {key} = {}", placeholder()),
        None => writeln!(text, "# {key} = {}", choices.join(" | ")),
    };
}

/// A value as TOML has it: text in quotes, truth without.
fn in_toml(name: &str) -> String {
    if ["true", "false"].contains(&name) { name.to_owned() } else { format!("{name:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_configuration_that_it_shows() {
        let read = RunConfig::from_toml(&template().unwrap()).unwrap();
        assert_eq!(read, smallest().unwrap());
    }

    /// Every key that the parser takes, from what it says when it meets one that it does not.
    #[test]
    fn every_key_of_every_section_is_there() {
        let text = template().unwrap();
        for Section { name, .. } in sections() {
            let error = Layer::from_toml(&format!("[{name}]\nxyzzy = 1\n")).unwrap_err().to_string();
            let names: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
            assert!(!names.is_empty(), "{error}");
            let start = text.find(&format!("[{name}]\n")).unwrap();
            let section = &text[start..];
            for key in names {
                let here = format!("{key} = ");
                let below = format!("[{name}.{key}]");
                // Not a flag: `reproduce` writes it.
                assert!(key == "experiment" || section.contains(&here) || text.contains(&below), "[{name}] {key}");
            }
        }
    }
}
