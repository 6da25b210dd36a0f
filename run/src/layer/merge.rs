//! Layers from files, and flags laid over them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use memorize_data::small;
use serde::Deserialize;
use toml::{Table, Value};

use super::resolve::seeded;
use super::{DataLayer, Layer, NetworkLayer, OptimizerLayer, PgdLayer, TheoryLayer};
use crate::config::{ConfigError, OptimizerKind, RunConfig, Source};

/// Longest text of a configuration, in bytes. All keys together take about 2 kB; the parser makes a table of 1 kB of
/// every dot in a key.
pub const LONGEST: usize = 1 << 16;

/// The text of a configuration file.
///
/// # Errors
/// If it cannot be read, or is no text in UTF-8. Of one that is too long, as much comes back as shows it.
pub fn text_of(path: &Path) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    // One byte more than may be there: no more is read of a large file that was taken for a configuration.
    File::open(path)
        .and_then(|file| file.take(LONGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    text_of_bytes(path, bytes)
}

/// The same of a file in a run's folder, where nobody has put a pipe on purpose: it is not waited for.
///
/// # Errors
/// As [`text_of`].
pub fn text_of_run(path: &Path) -> Result<String, ConfigError> {
    small::open_regular(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    text_of(path)
}

/// The text that a configuration file has these bytes of.
///
/// # Errors
/// If they are no text in UTF-8: what they look like instead.
pub fn text_of_bytes(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    let encoded = |what: String| Err(ConfigError::Encoding { path: path.to_owned(), what });
    if let Some(what) = wide(&bytes) {
        return encoded(format!("{what}; save it as text in UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    if bytes.len() > LONGEST {
        // Where it was cut off there may be half of a character.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    if bytes.contains(&0) {
        return encoded("not text (it has bytes of value 0); is it the right file?".to_owned());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
            encoded(format!(
                "not in UTF-8: there is a byte 0x{:02X} in line {line}, as in Latin-1 or Windows-1252; save it as text in UTF-8",
                bytes[at]
            ))
        }
    }
}

/// Names the encoding of a text that takes more than a byte for every character, if it is one.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|&&byte| byte == 0).count();
    // The characters of a configuration have a zero in every second byte then.
    let half = bytes.len() / 2;
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("in UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("in UTF-16"),
        _ if half > 0 && (zeros(0) * 10 > half * 9 || zeros(1) * 10 > half * 9) => Some("in UTF-16"),
        _ => None,
    }
}

impl Layer {
    /// Reads a layer from TOML text.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key or a value of the wrong type, which the message names with its line;
    /// or if it is longer than any configuration.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        if text.len() > LONGEST {
            return Err(ConfigError::TooLong { limit: LONGEST });
        }
        toml::from_str(text).map_err(|error| ConfigError::from_toml(&error))
    }

    /// Reads a layer from a file. Relative paths in it start at the file's folder.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`Layer::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::in_file(path, &text_of(path)?)
    }

    /// A layer whose text is that of a file.
    ///
    /// # Errors
    /// As [`Layer::from_toml`].
    pub fn in_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::from_toml(text)
            .map(|layer| layer.found_in(path))
            .map_err(|source| ConfigError::InFile { path: path.to_owned(), source: Box::new(source) })
    }

    /// The same, with relative paths that start at the folder of the file at `path`.
    #[must_use]
    pub fn found_in(mut self, path: &Path) -> Self {
        if let Some(folder) = path.parent() {
            self.data.map_paths(|path| folder.join(path));
        }
        self
    }

    /// The configuration of a run: this layer over that of a file, if there is one, over the defaults, with absolute
    /// paths.
    ///
    /// # Errors
    /// If the file cannot be read, something without a default is missing, or a value cannot be run with.
    pub fn resolve_over(&self, file: Option<&Path>) -> Result<RunConfig, ConfigError> {
        let base = file.map(Self::from_file).transpose()?.unwrap_or_default();
        let mut layer = self.over(base)?;
        layer.make_paths_absolute();
        let config = layer.resolve()?;
        config.validate()?;
        Ok(config)
    }

    /// Makes every path absolute, so that a configuration written to another folder still finds its data.
    pub fn make_paths_absolute(&mut self) {
        // Fails only for an empty path or without a current folder; the path is then reported when it is opened.
        self.data.map_paths(|path| std::path::absolute(&path).unwrap_or(path));
    }

    /// This layer laid over `base`: what both speak of is taken from this one.
    ///
    /// Some choices take more with them than their own key: any change of data, network or optimiser drops the name of
    /// the experiment, another data source drops the base's files, another optimiser drops the base's step sizes (but
    /// not the regulariser; one that decides the number of neurons drops that and the base's length too), Theorem 4
    /// drops all that it decides, and a length in epochs or iterations replaces the base's, in whichever unit that was.
    ///
    /// # Errors
    /// If a value has no form in TOML: a path that is not UTF-8, a count above 2^63 - 1.
    pub fn over(&self, mut base: Self) -> Result<Self, ConfigError> {
        if let (None, Some(seed), Some(name)) = (&self.run.name, self.run.seed, &base.run.name)
            && base.run.seed.unwrap_or(0) != seed
        {
            base.run.name = Some(seeded(name, seed));
        }
        base.make_way_for(self);
        let mut merged = to_table(&base)?;
        overlay(&mut merged, to_table(self)?);
        Self::deserialize(merged).map_err(|error| ConfigError::from_toml(&error))
    }

    /// Drops what makes no sense beside the choices of `upper`.
    fn make_way_for(&mut self, upper: &Self) {
        let unchanged = upper.data == DataLayer::default()
            && upper.network == NetworkLayer::default()
            && upper.optimizer == OptimizerLayer::default();
        if !unchanged {
            // It is no longer the paper's experiment.
            self.run.experiment = None;
        }
        let source = upper.data.source.or(upper.data.inputs.as_ref().map(|_| Source::Files));
        let own = self.data.source.or(self.data.inputs.as_ref().map(|_| Source::Files));
        if source.is_some() && source != own {
            let DataLayer { limit, normalize, pca, noise, random_labels, .. } = self.data;
            self.data = DataLayer { limit, normalize, pca, noise, random_labels, ..DataLayer::default() };
        }
        if upper.optimizer.kind.is_some_and(|kind| kind != self.optimizer.kind.unwrap_or_default()) {
            self.optimizer = OptimizerLayer { gamma: self.optimizer.gamma, ..OptimizerLayer::default() };
            if upper.optimizer.kind.is_some_and(OptimizerKind::decides_neurons) {
                (self.network.neurons, self.network.init_scale) = (None, None);
                (self.run.epochs, self.run.iterations, self.run.record_every) = (None, None, None);
            }
        }
        if upper.optimizer.theory.is_asked_for() && !self.optimizer.theory.is_asked_for() {
            self.make_way_for_theory();
        }
        if upper.optimizer.theory.enabled == Some(false) {
            self.optimizer.theory = TheoryLayer::default();
        }
        if upper.run.epochs.is_some() || upper.run.iterations.is_some() {
            (self.run.epochs, self.run.iterations) = (None, None);
        }
    }
}

impl Layer {
    /// Drops what Theorem 4 decides.
    fn make_way_for_theory(&mut self) {
        let optimizer = &mut self.optimizer;
        (optimizer.learning_rate, optimizer.gamma, optimizer.pgd) = (None, None, PgdLayer::default());
        self.network.init_scale = None;
        let run = &mut self.run;
        (run.epochs, run.iterations, run.stop_below, run.record_every, run.dtype) = (None, None, None, None, None);
    }
}

impl DataLayer {
    /// Replaces each path that is given.
    fn map_paths(&mut self, change: impl Fn(PathBuf) -> PathBuf) {
        let paths = [&mut self.dir, &mut self.inputs, &mut self.targets, &mut self.test_inputs, &mut self.test_targets];
        for path in paths {
            *path = path.take().map(&change);
        }
    }
}

fn to_table(layer: &Layer) -> Result<Table, ConfigError> {
    Table::try_from(layer).map_err(|error| ConfigError::not_writable(layer, &error))
}

/// Lays `upper` over `base`, table by table.
fn overlay(base: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(upper)) => overlay(base, upper),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

impl RunConfig {
    /// Reads a complete configuration, such as the one that a run has left. The inverse of [`RunConfig::to_toml`].
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key, leaves out what has no default, or fails [`RunConfig::validate`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config = Layer::from_toml(text)?.resolve()?;
        config.validate()?;
        Ok(config)
    }
}
