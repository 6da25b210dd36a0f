//! What a `[data]` section names, opened, and a line that says which files that are.

use std::path::{Path, PathBuf};

use memorize_data::{DataError, Mnist, Shown, Table, mnist, synthetic};

use super::tables::Tables;
use super::{alike, memory};
use crate::config::{DataSection, Source};
use crate::error::Error;
use crate::nearest;
use crate::ranks;
use crate::units::thousands;

/// The four files of MNIST, or of another set: those in the folder that was named, or the cache's.
///
/// # Errors
/// Bad input: a folder without the files, files that cannot be used. A failed run if the cache cannot be written.
pub fn mnist(named: Option<&Path>) -> Result<Mnist, Error> {
    // A cache that is not there is made. If its name is nearly that of a folder with another data set, that one was
    // meant.
    if let (None, Some(dir)) = (named, mnist::variable())
        && !dir.try_exists().unwrap_or(true)
        && nearest::path(&dir).is_some_and(|near| mnist::is_another_set(&near))
    {
        return Err(DataError::NoFolder { path: dir }.into());
    }
    #[cfg(feature = "bundled-mnist")]
    let bundled = Some(memorize_mnist::FILES);
    #[cfg(not(feature = "bundled-mnist"))]
    let bundled = None;
    Ok(Mnist::open(named, bundled)?)
}

/// The training set and the test set, whole.
///
/// # Errors
/// Bad input: files that cannot be used, or are not those of the other ranks.
pub(super) fn both(data: &DataSection, seed: u64) -> Result<(Tables, Option<Tables>), Error> {
    let (mut train, test) = tables(data, seed)?;
    alike::headers(&train, test.as_ref(), data.random_labels)?;
    train.said = said(data, seed, &train, test.as_ref());
    Ok((train, test))
}

/// This rank's share of the training set alone.
///
/// # Errors
/// Bad input: files that cannot be used, or are not those of the other ranks.
pub fn training(data: &DataSection, seed: u64) -> Result<Tables, Error> {
    let (mut train, _) = tables(data, seed)?;
    alike::headers(&train, None, data.random_labels)?;
    train.said = said(data, seed, &train, None);
    if ranks::count() > 1 {
        // For what the ranks compare on the way.
        train.digest(data)?;
    }
    Ok(train.shared())
}

/// Opens what a `[data]` section names, whole.
fn tables(data: &DataSection, seed: u64) -> Result<(Tables, Option<Tables>), Error> {
    let open = |path: &Option<PathBuf>| path.as_deref().map(Table::open).transpose();
    match data.source {
        Source::Mnist => {
            let Mnist { train_images, train_labels, test_images, test_labels } = mnist(data.dir.as_deref())?;
            let test = Tables::new(test_images, Some(test_labels), None)?;
            Ok((Tables::new(train_images, Some(train_labels), data.limit)?, Some(test)))
        }
        Source::Synthetic => {
            let missing = |what| Error::bad_input(anyhow::anyhow!("synthetic data need {what}"));
            let n = data.samples.ok_or_else(|| missing("a number of samples: --samples N"))?;
            let d = data.dim.ok_or_else(|| missing("a width: --dim D"))?;
            memory::ensure::<f64>("the synthetic samples", &[n, d], "make fewer (--samples) or narrower ones (--dim)")?;
            let fits = memory::largest(n, |n| synthetic::bytes(n, d));
            let advice = fits.map_or_else(
                || "make narrower ones (--dim)".to_owned(),
                |fits| format!("make fewer: --samples {fits} would fit; or narrower ones (--dim)"),
            );
            memory::foresee(&format!("{n} synthetic samples of width {d}"), synthetic::bytes(n, d), &advice)?;
            let (inputs, targets) = synthetic::tables(seed, n, d)?;
            Ok((Tables::new(inputs, Some(targets), data.limit)?, None))
        }
        Source::Files => {
            let inputs = open(&data.inputs)?.ok_or_else(|| {
                Error::bad_input(anyhow::anyhow!("no training samples were named: pass --inputs FILE"))
            })?;
            let train = Tables::new(inputs, open(&data.targets)?, data.limit)?;
            let test = match open(&data.test_inputs)? {
                Some(inputs) => {
                    check_widths(&train.inputs, &inputs)?;
                    Some(Tables::new(inputs, open(&data.test_targets)?, None)?)
                }
                None => None,
            };
            Ok((train, test))
        }
    }
}

/// A test set of another width is found out before training and not after it.
fn check_widths(train: &Table, test: &Table) -> Result<(), DataError> {
    if train.row_len() == test.row_len() {
        return Ok(());
    }
    Err(DataError::WidthMismatch {
        first: train.path().into(),
        first_len: train.row_len(),
        second: test.path().into(),
        second_len: test.row_len(),
    })
}

/// Which files are read, in a line, and what that costs in lines of their own.
fn said(data: &DataSection, seed: u64, train: &Tables, test: Option<&Tables>) -> Vec<String> {
    let tested = test.filter(|_| !data.random_labels);
    let tables: Vec<&Table> = [train].into_iter().chain(tested).flat_map(|set| used(set, data.random_labels)).collect();
    let (rows, width) = (train.inputs.rows(), train.inputs.row_len());
    let mut line = match data.source {
        Source::Synthetic => format!("data: synthetic, {} x {width}, seed {seed}", thousands(rows as u64)),
        _ => format!("data: {}", listed(&tables)),
    };
    match data.limit {
        Some(limit) if limit > rows => {
            line += &format!(", all {} rows ({} were asked for)", thousands(rows as u64), thousands(limit as u64));
        }
        Some(_) if data.source != Source::Synthetic => {
            line += &format!(", the first {} rows of the training set", thousands(rows as u64))
        }
        _ => {}
    }
    if data.random_labels {
        line += "; targets are drawn at random";
        line += if test.is_some() { ", and the test set is left out" } else { "" };
    }
    std::iter::once(line).chain(tables.iter().flat_map(|table| table.notes().iter().cloned())).collect()
}

/// What is read of a set.
fn used(set: &Tables, random_labels: bool) -> impl Iterator<Item = &Table> {
    [&*set.inputs].into_iter().chain(set.targets.as_ref().filter(|_| !random_labels))
}

/// The files of some tables, with their folder in the end if they have it in common.
fn listed(tables: &[&Table]) -> String {
    let paths: Vec<&Path> = tables.iter().map(|table| table.path()).collect();
    let folder = paths[0].parent().filter(|folder| *folder != Path::new(""));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let names: Option<Vec<String>> = paths.iter().map(|path| name(path).filter(|_| path.parent() == folder)).collect();
    match (names, folder) {
        (Some(names), Some(folder)) => format!("{} in {}", names.join(", "), folder.shown()),
        _ => paths.iter().map(|path| path.shown().to_string()).collect::<Vec<_>>().join(", "),
    }
}
