//! What can be wrong with a configuration, and the nearest right thing.

use std::path::PathBuf;

use memorize_data::Shown;
use serde::Serialize;

use crate::nearest;

/// A configuration that cannot be run. Every message names the field, the value and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value outside of its range.
    #[error("{field} = {value}: {advice}")]
    Invalid {
        /// The field as in `config.toml`, with its section.
        field: &'static str,
        /// The value found.
        value: String,
        /// What the value has to be.
        advice: String,
    },
    /// A value without a default that was not given.
    #[error("{field} is missing: {advice}")]
    Missing {
        /// The field as in `config.toml`, with its section.
        field: &'static str,
        /// How to give it.
        advice: &'static str,
    },
    /// Text that is not a configuration.
    #[error("{message}{}", suggestion.as_ref().map(|name| format!("\ndid you mean `{name}`?")).unwrap_or_default())]
    Syntax {
        /// The parser's message with line, column and an excerpt.
        message: String,
        /// The valid key or value that is nearest to an unknown one.
        suggestion: Option<String>,
    },
    /// Text that is longer than any configuration.
    #[error("longer than {limit} bytes, so no configuration; is it the right file?")]
    TooLong {
        /// The longest that is read.
        limit: usize,
    },
    /// A file that could not be read.
    #[error("cannot read the configuration file {}", path.shown())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is text in another encoding, or none.
    #[error("the configuration file {} is {what}", path.shown())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
    /// An error in a file.
    #[error("in the configuration file {}", path.shown())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
    /// A value that TOML cannot hold.
    #[error("the configuration cannot be written as TOML: {reason}")]
    NotWritable {
        /// The serialiser's reason.
        reason: String,
    },
}

impl ConfigError {
    /// The error for something that has no form in TOML, with the key of the value that has none.
    pub fn not_writable(value: &impl Serialize, error: &toml::ser::Error) -> Self {
        let reason = match serde_json::to_value(value) {
            Ok(value) => too_large(&value, "").map(|(key, number)| {
                format!("{key} = {number} is above {}, the largest number there; give a smaller one", i64::MAX)
            }),
            // Of text, JSON refuses what TOML does.
            Err(error) => Some(format!("{error}; rename the file or folder")),
        };
        Self::NotWritable { reason: reason.unwrap_or_else(|| error.to_string()) }
    }

    /// Turns the parser's error into ours, with a suggestion where a name was mistyped.
    pub(crate) fn from_toml(error: &toml::de::Error) -> Self {
        Self::Syntax { message: error.to_string().trim_end().to_owned(), suggestion: suggestion(error.message()) }
    }
}

/// The nearest valid name in a message such as "unknown field `lern`, expected one of `learning_rate`, `batch`".
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    // Splitting at backticks leaves the quoted names at the odd places, the unknown one first.
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    nearest::name(unknown, names).map(str::to_owned)
}

/// The first number that TOML has no room for.
fn too_large(value: &serde_json::Value, key: &str) -> Option<(String, u64)> {
    match value {
        serde_json::Value::Object(table) => table.iter().find_map(|(name, value)| {
            too_large(value, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") })
        }),
        number => {
            number.as_u64().filter(|&number| i64::try_from(number).is_err()).map(|number| (key.to_owned(), number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_neighbour() {
        let message = "unknown field `leraning_rate`, expected one of `kind`, `learning_rate`, `batch`";
        assert_eq!(suggestion(message).as_deref(), Some("learning_rate"));
    }

    #[test]
    fn a_name_like_no_other_gets_no_suggestion() {
        assert_eq!(suggestion("unknown field `xyzzy`, expected one of `kind`, `batch`"), None);
        assert_eq!(suggestion("invalid type: string \"`kind`\""), None);
    }
}
