//! What the ranks of a team must have alike before they do anything together: settings, machines, files.
//!
//! Their arguments are the same, but not what is in the files that these name, nor the environment. Ranks that differ
//! would compute the weights of neither, or wait for each other for good. So each comparison comes before the first
//! exchange whose shape follows from what it compares. The numbers themselves are compared by their digests
//! ([`Table::digest_among`]).

use std::collections::BTreeMap;
use std::fmt::Debug;

use memorize_data::Table;
use memorize_data::digest::sha256;
use memorize_kernels::{Backend, Isa};
use serde::Serialize;

use super::tables::Tables;
use crate::blas::Blas;
use crate::config::{DataSection, RunConfig};
use crate::differences::by_key;
use crate::error::Error;
use crate::ranks;

/// What to do about files.
const COPY: &str =
    "all ranks must read the same: copy the files of rank 0's machine to the others, or name a folder that they share";

/// Compares the settings of a run, those from files and from the environment included, but for those that each rank may
/// have for itself: how many threads it uses, where its data are, and what only rank 0 calls the run.
///
/// # Errors
/// Bad input that names a rank and its settings.
pub fn settings_of(config: &RunConfig) -> Result<(), Error> {
    let mut config = RunConfig { data: without_files(&config.data), ..config.clone() };
    (config.run.threads, config.run.name) = (None, String::new());
    ranks::agree(&flat(&config), "give all ranks the same configuration file and environment")
}

/// Compares stored weights, by the bytes of their file, and which samples they are to be looked at with.
///
/// # Errors
/// Bad input that names a rank and what it has.
pub fn stored(weights: &[u8], data: &DataSection, seed: u64) -> Result<(), Error> {
    #[derive(Debug, Serialize)]
    struct Samples {
        data: DataSection,
        seed: u64,
    }
    let mut own = flat(&Samples { data: without_files(data), seed });
    own.insert("SHA-256 of the weights".to_owned(), sha256(weights));
    ranks::agree(&own, COPY)
}

/// Compares what the ranks compute with: every rank takes the same decisions by the same bits, which are an instruction
/// set's.
///
/// # Errors
/// Bad input that names a rank and its machine.
pub fn machines(isa: Isa, backend: Backend, blas: Option<&Blas>) -> Result<(), Error> {
    let blas = blas.map_or_else(|| "none".to_owned(), ToString::to_string);
    let own = [("instruction set", isa.name()), ("backend", backend.name()), ("BLAS", &blas)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let hint = "force an instruction set that all processors have (--isa avx2, or --isa scalar), and install one BLAS on all machines";
    ranks::agree(&own.into(), hint)
}

/// Compares what the headers of the files say that are used: the shapes of everything that ranks exchange follow from
/// it.
///
/// # Errors
/// Bad input that names a rank and its file.
pub(super) fn headers(train: &Tables, test: Option<&Tables>, random_labels: bool) -> Result<(), Error> {
    let mut own = BTreeMap::new();
    let mut add = |what: &str, table: Option<&Table>| {
        own.extend(table.map(|table| (format!("header of the {what}"), table.layout())));
    };
    add("training samples", Some(&train.inputs));
    if !random_labels {
        add("training targets", train.targets.as_ref());
        add("test samples", test.map(|test| &*test.inputs));
        add("test targets", test.and_then(|test| test.targets.as_ref()));
    }
    ranks::agree(&own, COPY)
}

fn without_files(data: &DataSection) -> DataSection {
    let (inputs, targets, test_inputs, test_targets) = (None, None, None, None);
    DataSection { dir: None, inputs, targets, test_inputs, test_targets, ..data.clone() }
}

/// Settings by their keys.
fn flat(all: &(impl Serialize + Debug)) -> BTreeMap<String, String> {
    let keys = toml::to_string(all).map(|text| by_key(&text)).unwrap_or_default();
    if !keys.is_empty() {
        return keys;
    }
    // What TOML cannot hold, such as the largest seeds, is compared as well.
    [("configuration".to_owned(), format!("{all:?}"))].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_decide_bits_are_compared_and_those_of_a_machine_are_not() {
        let of = |data: &str, run: &str| {
            let text = format!(
                "[data]\nsource = \"synthetic\"\nsamples = 40\ndim = 3\n{data}\n[network]\nneurons = 4\n[run]\nepochs = 1\n{run}"
            );
            let mut config = RunConfig::from_toml(&text).unwrap();
            config.run.threads = None;
            flat(&RunConfig { data: without_files(&config.data), ..config })
        };
        let plain = of("", "");
        assert_eq!(plain["run.seed"], "0");
        assert_eq!(plain, of("", "threads = 3"));
        assert_ne!(plain, of("noise = 0.1", ""));
        assert_ne!(plain, of("", "memory_budget = \"1MiB\""));
        // Beyond what TOML holds.
        let mut large = RunConfig::from_toml(
            "[data]\nsource = \"synthetic\"\nsamples = 4\ndim = 3\n[network]\nneurons = 4\n[run]\nepochs = 1\n",
        )
        .unwrap();
        large.run.seed = u64::MAX;
        let other =
            RunConfig { run: crate::config::RunSection { seed: u64::MAX - 1, ..large.run.clone() }, ..large.clone() };
        assert_ne!(flat(&large), flat(&other));
    }
}
