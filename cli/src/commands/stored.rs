//! Stored weights and the samples they are looked at with, opened and compared with each other.

use std::path::PathBuf;
use std::sync::Arc;

use memorize_data::Projection;
use memorize_data::Shown;
use memorize_kernels::{Element, Engine, GatherRows, Mat};
use memorize_run::config::{DataSection, SamplesOf, Stored};
use memorize_run::error::{Error, WithHint, is_missing};
use memorize_run::layer::{DataLayer, Layer, text_of_run};
use memorize_run::nearest;
use memorize_run::run::alike;
use memorize_run::run::opened;
use memorize_run::run_folder::CONFIG;
use memorize_train::checkpoint::{self, Weights};
use memorize_train::{Featured, Network, TrainError};

use crate::console::Mode;

/// A network, and the samples as its trained layer sees them.
pub(super) struct Opened<T: Element> {
    /// The trained layer.
    pub network: Network<T>,
    /// What it takes in: samples, or their features.
    pub x: Box<dyn GatherRows<T>>,
    /// Targets.
    pub y: Vec<T>,
    /// Width of a sample in the file.
    pub d: usize,
    /// Random features; none with two layers.
    pub k: Option<usize>,
    /// Which files the samples come from, and what it costs to read them: a line each.
    pub said: Vec<String>,
}

/// Reads the weights and prepares the samples.
///
/// # Errors
/// Bad input if a file is wrong or they do not go together.
pub(super) fn open<T: Element>(stored: &Stored, engine: Engine) -> Result<Opened<T>, Error> {
    let path = || stored.weights.clone();
    let bytes = checkpoint::read(&stored.weights).map_err(|error| match &error {
        TrainError::Io { source, .. } if is_missing(source) => {
            Error::missing(error, nearest::path(&stored.weights), None)
        }
        _ => Error::bad_input(error),
    })?;
    let weights = checkpoint::parse::<T>(&bytes)
        .map_err(|problem| Error::bad_input(TrainError::Weights { path: path(), problem }))?;
    let (mut data, seed) = data(&stored.samples)?;
    alike::stored(&bytes, &data, seed)?;
    drop(bytes);
    data.normalize = as_for_training(stored, weights.normalize, data.normalize)?;
    let projection = weights.projection.as_ref().map(|(basis, mean)| {
        let basis = Mat::from_fn(basis.rows(), basis.cols(), |i, j| basis.row(i)[j].to_f64());
        Arc::new(Projection { basis, mean: mean.clone(), variances: Vec::new() })
    });
    let mut tables = opened::training(&data, seed)?;
    let said = std::mem::take(&mut tables.said);
    let d = tables.inputs.row_len();
    check_width(stored, &weights, d)?;
    let (prepared, y) = tables.prepare::<T>(&data, seed, projection, &engine)?;
    let x: Box<dyn GatherRows<T>> = match &weights.features {
        None => Box::new(prepared),
        Some(layer) => Box::new(Featured::new(prepared, layer, engine).map_err(Error::bad_input)?),
    };
    let k = weights.features.as_ref().map(|layer| layer.weights().rows());
    Ok(Opened { network: weights.network, x, y, d, k, said })
}

/// Refuses weights and samples whose loss or gradient is beyond what T holds; `advice` is what to do.
///
/// # Errors
/// Bad input with both.
pub(super) fn check_finite<T: Element>(loss: f64, gradient_norm: f64, advice: &str) -> Result<(), Error> {
    if loss.is_finite() && gradient_norm.is_finite() {
        return Ok(());
    }
    Err(Error::BadInput(TrainError::Overflow { loss, gradient_norm, dtype: T::NAME }.hint(advice)))
}

/// The files that are read, as far as they are known beforehand.
pub(super) fn files(stored: &Stored) -> Vec<PathBuf> {
    let mut files = vec![stored.weights.clone()];
    match &stored.samples {
        SamplesOf::Files { inputs, targets, .. } => files.extend([inputs.clone(), targets.clone()]),
        SamplesOf::Run(folder) => {
            files.push(folder.join(CONFIG));
            files.extend(data(&stored.samples).map(|(data, _)| data.files()).unwrap_or_default());
        }
    }
    files
}

/// The training set, and the seed of its noise and labels.
fn data(samples: &SamplesOf) -> Result<(DataSection, u64), Error> {
    match samples {
        SamplesOf::Files { inputs, targets, normalize } => {
            let (inputs, targets) = (Some(inputs.clone()), Some(targets.clone()));
            let data = DataLayer { inputs, targets, normalize: Some(*normalize), ..DataLayer::default() };
            Ok((data.resolve()?, 0))
        }
        SamplesOf::Run(folder) => {
            let path = folder.join(CONFIG);
            let config = Layer::in_file(&path, &text_of_run(&path)?)?.resolve()?;
            config.validate()?;
            Ok((config.data, config.run.seed))
        }
    }
}

/// Whether the samples are scaled to length 1: as the weights' file says that they were for training. Samples that are
/// prepared in another way would give outputs that mean nothing.
fn as_for_training(stored: &Stored, trained: Option<bool>, asked: bool) -> Result<bool, Error> {
    let weights = stored.weights.shown();
    match (trained, &stored.samples) {
        (None, _) => Ok(asked),
        (Some(trained), _) if trained == asked => Ok(asked),
        (Some(true), SamplesOf::Files { .. }) => {
            let note = format!("the samples are scaled to length 1, as they were when {weights} was trained");
            Mode::detect(false).tell(&note);
            Ok(true)
        }
        (Some(false), SamplesOf::Files { .. }) => {
            let error = anyhow::anyhow!("{weights} was trained on samples that were not scaled to length 1");
            Err(Error::BadInput(error.hint("leave --normalize out")))
        }
        (Some(trained), SamplesOf::Run(folder)) => {
            let scaled = |scaled: bool| if scaled { "scaled to length 1" } else { "not scaled to length 1" };
            let error = anyhow::anyhow!(
                "{weights} was trained on samples that were {}, those of {} are {}",
                scaled(trained),
                folder.shown(),
                scaled(asked)
            );
            Err(Error::BadInput(
                error.hint("give the weights of this run, or the samples as files: --inputs, --targets"),
            ))
        }
    }
}

/// Compares the width of the samples with the width that the stored network takes them in.
fn check_width<T: Element>(stored: &Stored, weights: &Weights<T>, d: usize) -> Result<(), Error> {
    let expected = match (&weights.projection, &weights.features) {
        (Some((basis, _)), _) => basis.cols(),
        (None, Some(layer)) => layer.weights().cols(),
        (None, None) => weights.network.width(),
    };
    if d == expected {
        return Ok(());
    }
    let (file, samples) = (
        stored.weights.shown(),
        match &stored.samples {
            SamplesOf::Files { inputs, .. } => inputs.shown().to_string(),
            SamplesOf::Run(folder) => format!("the training set of {}", folder.shown()),
        },
    );
    let error = anyhow::anyhow!("{samples} has {d} values a row, the network in {file} takes {expected}");
    Err(Error::BadInput(error.hint("give the inputs that the network was made for")))
}
