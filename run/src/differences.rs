//! In which settings configurations differ.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::config::RunConfig;

/// A setting and its values, a configuration each; none where it is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key as in `config.toml`, with its section: `optimizer.learning_rate`.
    pub key: String,
    /// The values as the file has them, without quotes.
    pub values: Vec<Option<String>>,
}

impl Setting {
    /// Whether all values are the same.
    pub fn is_shared(&self) -> bool {
        self.values.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// Every setting of the configurations: the data's first, then the network's, the optimiser's, the run's. A
/// configuration that could not be read has no values.
pub fn settings(configs: &[Option<&RunConfig>]) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for (i, config) in configs.iter().enumerate() {
        // What has no form in TOML cannot have been read from a file either.
        let table = config.and_then(|config| Table::try_from(config).ok()).unwrap_or_default();
        for (key, value) in flatten(&table) {
            let at = settings.iter().position(|setting| setting.key == key).unwrap_or_else(|| {
                settings.push(Setting { key, values: vec![None; configs.len()] });
                settings.len() - 1
            });
            settings[at].values[i] = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    // Stable: what only a later configuration has goes to its section.
    let section = |setting: &Setting| {
        let name = setting.key.split('.').next().unwrap_or_default().to_owned();
        SECTIONS.iter().position(|section| *section == name).unwrap_or(SECTIONS.len())
    };
    settings.sort_by_key(section);
    settings
}

/// The settings in which not all configurations agree.
pub fn differences(configs: &[Option<&RunConfig>]) -> Vec<Setting> {
    settings(configs).into_iter().filter(|setting| !setting.is_shared()).collect()
}

/// A setting's name without its section.
pub fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

const SECTIONS: [&str; 4] = ["data", "network", "optimizer", "run"];

/// Every value of nested tables, with its key, sections and all.
pub fn flatten(table: &Table) -> Vec<(String, &Value)> {
    fn descend<'a>(prefix: &str, table: &'a Table, found: &mut Vec<(String, &'a Value)>) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(table) => descend(&key, table, found),
                value => found.push((key, value)),
            }
        }
    }
    let mut found = Vec::new();
    descend("", table, &mut found);
    found
}

/// The settings in the text of a configuration by their keys, text in quotes.
pub fn by_key(text: &str) -> BTreeMap<String, String> {
    let table = text.parse::<Table>().unwrap_or_default();
    flatten(&table).into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::{Experiment, Scale};

    #[test]
    fn only_what_differs_is_named_and_absent_values_are_none() {
        let [plain, random] = [Experiment::Mnist2Layer, Experiment::Mnist3LayerRandom].map(|e| e.config(Scale::Full));
        let found = differences(&[Some(&plain), Some(&random)]);
        let text = |key: &str| {
            let setting = found.iter().find(|setting| setting.key == key)?;
            Some(setting.values.iter().map(|value| value.clone().unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>())
        };
        let pair = |a: &str, b: &str| Some(vec![a.to_owned(), b.to_owned()]);
        assert_eq!(text("data.random_labels"), pair("false", "true"));
        assert_eq!(text("data.pca"), pair("-", "100"));
        assert_eq!(text("network.features.k"), pair("-", "750"));
        assert_eq!(text("run.name"), pair("mnist-2layer", "mnist-3layer-random"));
        assert_eq!(text("optimizer.learning_rate"), None);
        let sections: Vec<&str> = found.iter().map(|setting| setting.key.split('.').next().unwrap()).collect();
        assert_eq!(sections.iter().position(|name| *name == "run"), Some(sections.len() - 2), "{sections:?}");
    }

    #[test]
    fn the_same_configurations_do_not_differ() {
        let config = Experiment::Synthetic.config(Scale::Quick);
        assert_eq!(differences(&[Some(&config), Some(&config)]), []);
        assert_eq!(differences(&[Some(&config)]), []);
        assert!(!differences(&[Some(&config), None]).is_empty());
    }
}
