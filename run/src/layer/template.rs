//! A configuration that explains itself: every key with the help text of its flag, and its default.

use std::fmt::Write;

use toml::Table;

use super::{DataLayer, Layer, NetworkLayer, OptimizerLayer, RunLayer};
use crate::config::{ConfigError, OptimizerKind, RunConfig, Source};
use crate::settings::{Form, Group, Setting};

/// Width of the comments.
const WIDTH: usize = 100;

const HEAD: &str = "\
# Every setting of `memorize train`: what it is, its flag, its default. A line with `#` before a key is not set; take the `#`
# away and put a value there. Run it with:  memorize train --config FILE
";

/// The text of a configuration file: the smallest run that there is, the paper's synthetic set, with all that could be
/// said.
///
/// # Errors
/// If the defaults have no form in TOML.
pub fn template() -> Result<String, ConfigError> {
    let config = smallest()?;
    let not_writable = |error: toml::ser::Error| ConfigError::NotWritable { reason: error.to_string() };
    let values = Table::try_from(&config).map_err(not_writable)?;
    let mut text = HEAD.to_owned();
    let mut section = "";
    for setting in in_order().into_iter().filter(|setting| setting.flag.is_some()) {
        let mut path = setting.section.split('.');
        let values = path.try_fold(&values, |table, key| table.get(key)?.as_table());
        if section != setting.section {
            section = setting.section;
            // A section that is not set must not be opened: some would choose an optimiser by being there.
            let mark = if values.is_some() { "" } else { "# " };
            let _ = write!(text, "\n{mark}[{section}]\n");
        }
        write_setting(&mut text, setting, values);
    }
    Ok(text)
}

/// What `memorize train --data synthetic --normalize --neurons 300 --optimizer gd --lr 3 --iterations 500` runs.
fn smallest() -> Result<RunConfig, ConfigError> {
    let mut layer = Layer::default();
    (layer.data.source, layer.data.normalize) = (Some(Source::Synthetic), Some(true));
    (layer.network.neurons, layer.run.iterations) = (Some(300), Some(500));
    layer.optimizer.kind = Some(OptimizerKind::Gd);
    layer.optimizer.learning_rate = Some(3.0);
    layer.resolve()
}

/// Every setting, in the order of a run's config.toml.
pub(super) fn in_order() -> Vec<&'static Setting> {
    [RunLayer::settings(), DataLayer::settings(), NetworkLayer::settings(), OptimizerLayer::settings()].concat()
}

fn write_setting(text: &mut String, setting: &Setting, values: Option<&Table>) {
    let flag = setting.flag.map(|flag| format!(" (--{})", flag.long)).unwrap_or_default();
    for line in textwrap::wrap(&format!("{}{flag}", setting.help_text()), WIDTH) {
        let _ = writeln!(text, "# {line}");
    }
    let key = setting.key;
    let _ = match values.and_then(|values| values.get(key)) {
        Some(value) => writeln!(text, "{key} = {value}"),
        None => writeln!(text, "# {key} = {}", placeholder(setting)),
    };
}

/// What stands for a value.
fn placeholder(setting: &Setting) -> String {
    let or = |names: Vec<String>| names.join(" | ");
    match (setting.form)() {
        Form::Switch => or(["true", "false"].map(in_toml).to_vec()),
        Form::Choice(choices) => or(choices.iter().map(|(name, _)| in_toml(name)).collect()),
        Form::Path | Form::Integer | Form::Float | Form::Word => {
            setting.flag.map_or("VALUE", |flag| flag.value).to_owned()
        }
    }
}

/// A value as TOML has it: text in quotes, truth without.
fn in_toml(name: &str) -> String {
    if ["true", "false"].contains(&name) { name.to_owned() } else { format!("{name:?}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        let sections: BTreeSet<&str> = in_order().iter().map(|setting| setting.section).collect();
        for name in sections {
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
