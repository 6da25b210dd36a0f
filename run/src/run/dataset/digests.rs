//! Which numbers a `[data]` section names, as digests: of a run while it is prepared, and of what its files hold later.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use memorize_data::mnist;

use crate::config::{DataSection, Source};
use crate::error::Error;
use crate::run::opened;
use crate::run::tables::Tables;

/// SHA-256 of the sets as they come from their source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of the samples and targets that are trained on; of the samples alone where targets are drawn at random.
    pub train: String,
    /// Of samples and targets of the test set, if there is one.
    pub test: Option<String>,
}

impl Digests {
    pub(super) fn of(train: &Tables, test: Option<&Tables>, data: &DataSection) -> Result<Self, Error> {
        // Targets drawn at random say nothing about the test set, which is then left alone.
        let test = test.filter(|test| !data.random_labels && test.targets.is_some());
        Ok(Self { train: train.digest(data)?, test: test.map(|test| test.digest(data)).transpose()? })
    }
}

/// What a `[data]` section names now: the same as [`Dataset::digests`](super::Dataset::digests) of a run with that
/// section and seed. Reads all of it, once in a process: files that change after they were asked for are not looked at
/// again.
///
/// # Errors
/// Bad input: files that cannot be used.
pub fn digests_of(data: &DataSection, seed: u64) -> Result<Digests, Error> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Digests>>> = LazyLock::new(Mutex::default);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = named(data, seed);
    if let Some(digests) = known().get(&name) {
        return Ok(digests.clone());
    }
    let (train, test) = opened::both(data, seed)?;
    let digests = Digests::of(&train, test.as_ref(), data)?;
    known().insert(name, digests.clone());
    Ok(digests)
}

/// Everything that decides which numbers a section names, and nothing else.
fn named(data: &DataSection, seed: u64) -> String {
    let mut data = DataSection { normalize: false, pca: None, noise: 0.0, ..data.clone() };
    if data.source == Source::Mnist {
        data.dir = data.dir.or_else(mnist::variable);
    }
    let seed = (data.source == Source::Synthetic).then_some(seed);
    format!("{data:?} {seed:?}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use memorize_data::ElementType;
    use memorize_data::source::write_npy;

    use super::*;
    use crate::config::RunConfig;
    use crate::events::Host;
    use crate::run::{Target, execute};
    use crate::run_folder::Existing;

    const SYNTHETIC: &str = "source = \"synthetic\"\nsamples = 40\ndim = 3";

    fn config(data: &str, seed: u64) -> RunConfig {
        let rest = format!("[network]\nneurons = 4\n[run]\nepochs = 1\nthreads = 1\nseed = {seed}\n");
        RunConfig::from_toml(&format!("[data]\n{data}\n{rest}")).unwrap()
    }

    fn of(data: &str, seed: u64) -> Digests {
        digests_of(&config(data, seed).data, seed).unwrap()
    }

    fn write(path: &Path, dims: &[usize], last: f64) {
        let mut values = vec![1.0; dims.iter().product()];
        *values.last_mut().unwrap() = last;
        write_npy(path, ElementType::F64, dims, &values).unwrap();
    }

    #[test]
    fn the_digests_of_a_run_are_found_again_from_its_section() {
        let root = tempfile::tempdir().unwrap();
        let files = ["inputs", "targets", "test_inputs", "test_targets"].map(|name| {
            let path = root.path().join(name);
            let dims: &[usize] = if name.ends_with("inputs") { &[30, 3] } else { &[30] };
            write(&path, dims, 2.0);
            format!("{name} = {path:?}")
        });
        let [inputs, targets, ..] = &files;
        for (at, (data, tested)) in [
            (SYNTHETIC.to_owned(), false),
            (format!("{SYNTHETIC}\nnormalize = true\nnoise = 0.1"), false),
            (format!("source = \"files\"\nlimit = 20\n{inputs}\n{targets}"), false),
            (format!("source = \"files\"\n{}", files.join("\n")), true),
            (format!("source = \"files\"\nrandom_labels = true\n{inputs}"), false),
        ]
        .into_iter()
        .enumerate()
        {
            let (config, out) = (config(&data, 7), root.path().join(at.to_string()));
            let target = Target::New { path: &out, existing: Existing::Refuse, inputs: &[], held: None };
            let run = execute(config.clone(), target, &mut Host::default()).unwrap();
            let found = digests_of(&config.data, config.run.seed).unwrap();
            assert_eq!((run.summary.data, run.summary.test_data.clone()), (Some(found.train), found.test), "{data}");
            assert_eq!(run.summary.test_data.is_some(), tested, "{data}");
        }
    }

    #[test]
    fn what_decides_the_numbers_decides_the_digest() {
        let root = tempfile::tempdir().unwrap();
        let [x, y, other] = ["x", "y", "other"].map(|name| root.path().join(name));
        write(&x, &[30, 3], 2.0);
        write(&y, &[30], 2.0);
        write(&other, &[30], 3.0);
        assert_ne!(of(SYNTHETIC, 1), of(SYNTHETIC, 2));
        assert_ne!(of(SYNTHETIC, 1), of(&format!("{SYNTHETIC}\nlimit = 30"), 1));
        assert_eq!(of(SYNTHETIC, 1), of(&format!("{SYNTHETIC}\nnoise = 0.5\nnormalize = true"), 1));
        let files = |targets: &Path| format!("source = \"files\"\ninputs = {x:?}\ntargets = {targets:?}");
        assert_ne!(of(&files(&y), 1), of(&files(&other), 1));
        assert_eq!(of(&files(&y), 1), of(&files(&y), 2));
        // The last row alone is another one.
        assert_eq!(of(&(files(&y) + "\nlimit = 29"), 1), of(&(files(&other) + "\nlimit = 29"), 1));
    }
}
