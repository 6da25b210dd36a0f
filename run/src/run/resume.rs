//! From a run's folder to what is left to do: which checkpoint there is, and whether it is of the run that is asked
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use memorize_data::output::Lock;
use memorize_data::{Shown, small};
use memorize_kernels::arch::ISA_VARIABLE;
use memorize_train::{State, TrainError, checkpoint};

use super::keeper::{About, Before, Identity};
use crate::config::RunConfig;
use crate::differences::by_key;
use crate::error::{Error, WithHint};
use crate::layer::{LONGEST, Layer, effect_of, text_of_bytes};
use crate::nearest;
use crate::ranks;
use crate::run_folder::{
    CHECKPOINT, CONFIG, Depth, METRICS, MetricsWriter, Record, SUMMARY, StopReason, Summary, completion, lock,
    remove_leftovers, settle,
};
use crate::settings::Effect;

/// Whether a run may go on with another value of a setting.
fn may_differ(key: &str) -> bool {
    matches!(effect_of(key), Some(Effect::Speed | Effect::Place))
}

/// Digits of a digest that are shown.
pub(super) const SHOWN_DIGITS: usize = 12;

/// The work that is left in a run's folder. The rank that writes holds its lock where there is something.
#[derive(Debug)]
pub enum Found {
    /// Nothing: the run has ended.
    Finished {
        /// How, in a line.
        line: String,
        /// The results, on the rank that has read them.
        summary: Option<Box<Summary>>,
    },
    /// Everything: there is no state to go on from, and why.
    Nothing {
        /// What is to be done.
        config: Box<RunConfig>,
        /// Why all of it.
        why: &'static str,
        /// The folder's lock.
        held: Option<Lock>,
    },
    /// The rest.
    Stopped(Box<Stopped>),
}

/// A run that was stopped, and its newest checkpoint.
#[derive(Debug)]
pub struct Stopped {
    /// The configuration in its folder.
    pub config: RunConfig,
    /// The text of the same.
    pub text: String,
    /// Where to go on from.
    pub state: State,
    /// What the checkpoint says about the run.
    pub about: About,
    /// The folder's lock, on the rank that writes.
    pub held: Option<Lock>,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Reopened {
    /// Where to go on from.
    pub state: State,
    /// What was done before.
    pub before: Before,
    /// The file with the records, on the rank that writes.
    pub metrics: Option<MetricsWriter>,
    /// The records in it.
    pub records: Vec<Record>,
}

/// Looks into a run's folder: rank 0 does, and tells the others.
///
/// # Errors
/// Bad input if it is not the folder of a run, another process is running it, or its files were damaged or changed.
pub fn find(folder: &Path) -> Result<Found, Error> {
    let path = folder.join(CONFIG);
    let text = ranks::from_first(|| read_config(folder, &path))?;
    let text = text_of_bytes(&path, text)?;
    let mut config = Layer::in_file(&path, &text)?.resolve()?;
    config.validate()?;
    let path = folder.join(CHECKPOINT);
    let cannot_use = |error: TrainError| Error::BadInput(error.hint(START_OVER));
    let mut held = None;
    let bytes = ranks::from_first(|| {
        held = Some(lock(folder)?);
        settle(folder).map_err(|error| wrong(folder, &error.to_string(), "check its permissions"))?;
        match checkpoint::read(&path) {
            Err(TrainError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(cannot_use),
        }
    })?;
    if bytes.is_empty() {
        let why = "it was stopped before its first checkpoint";
        return Ok(Found::Nothing { config: Box::new(config), why, held });
    }
    let found = checkpoint::parse_state(&bytes);
    let found = found.map_err(|problem| cannot_use(TrainError::Weights { path: path.clone(), problem }))?;
    let Some(state) = found.state else { return ended(folder, Box::new(config), held) };
    let about: About = serde_json::from_str(&found.about)
        .map_err(|error| wrong(&path, &format!("its metadata are not those of a run ({error})"), START_OVER))?;
    if ranks::is_first() && !folder.join(METRICS).exists() {
        return Err(wrong(
            &folder.join(METRICS),
            "it is gone, and the records before the checkpoint with it",
            START_OVER,
        ));
    }
    if config.run.isa.is_none() && std::env::var_os(ISA_VARIABLE).is_none_or(|value| value.is_empty()) {
        // A machine with better instructions has the old ones, too.
        config.run.isa = about.identity.isa.parse().ok();
    }
    Ok(Found::Stopped(Box::new(Stopped { config, text, state, about, held })))
}

/// What there is to do where the weights have no state: nothing, unless the run was interrupted and its optimiser keeps
/// none. Weights that nothing speaks for are not thrown away.
fn ended(folder: &Path, config: Box<RunConfig>, held: Option<Lock>) -> Result<Found, Error> {
    let mut summary = None;
    // Empty = interrupted.
    let line = ranks::from_first(|| {
        let found = completion(folder, Depth::Contents).map_err(|error| {
            let what =
                format!("its weights are those of a run that has ended, but {SUMMARY} does not say how: {error}");
            wrong(folder, &what, KEEP_WEIGHTS)
        })?;
        if found.summary.stopped == StopReason::Interrupted {
            return Ok(Vec::new());
        }
        if !found.is_complete() {
            return Err(wrong(folder, &found.differences.join("; "), KEEP_WEIGHTS));
        }
        let removed = remove_leftovers(folder)?;
        let line = [vec![outcome(folder, &found.summary)], removed].concat().join("\n");
        summary = Some(Box::new(found.summary));
        Ok(line.into_bytes())
    })?;
    if line.is_empty() {
        return Ok(Found::Nothing { config, why: "its optimiser keeps no state", held });
    }
    Ok(Found::Finished { line: String::from_utf8_lossy(&line).into_owned(), summary })
}

/// What to do with weights whose run cannot be told.
const KEEP_WEIGHTS: &str = "nothing was changed: `memorize eval --weights RUN/checkpoint.safetensors` says what they are worth; to do the \
    run again, `memorize train --config RUN/config.toml --out ANOTHER`";

fn read_config(folder: &Path, path: &Path) -> Result<Vec<u8>, Error> {
    if !path.is_file() {
        let error = anyhow::anyhow!("{} is not the folder of a run: there is no {CONFIG} in it", folder.shown());
        let otherwise = "name the folder that `memorize train` or `reproduce` has left";
        return Err(Error::missing(error, nearest::path(folder), Some(otherwise)));
    }
    small::read(path, LONGEST as u64).map_err(|error| wrong(path, &error.to_string(), "check it, and its permissions"))
}

/// What to do with a folder that no run can go on in.
const START_OVER: &str = "start over: `memorize train --config RUN/config.toml --out ANOTHER`";

fn wrong(path: &Path, what: &str, hint: &str) -> Error {
    Error::BadInput(anyhow::anyhow!("cannot go on with {}: {what}", path.shown()).hint(hint))
}

/// How a run ended by itself, in a line.
fn outcome(folder: &Path, summary: &Summary) -> String {
    let how = serde_json::to_value(summary.stopped).unwrap_or_default();
    let (how, iterations) = (how.as_str().unwrap_or_default(), summary.iterations);
    format!("{} is finished: {how} after {iterations} iterations, f(W) = {:?}", folder.shown(), summary.train_loss)
}

/// Makes sure that the run in a folder is the one that is asked for, as far as `asked` says something. Settings that
/// are `strict` must be the same even where the bits do not depend on them, such as the paths of data.
///
/// # Errors
/// Bad input that names every setting that differs.
pub fn check_settings(folder: &Path, asked: &RunConfig, strict: &[&str]) -> Result<(), Error> {
    let path = folder.join(CONFIG);
    let text = small::read_text(&path, LONGEST as u64);
    let text = text.map_err(|error| wrong(&path, &error.to_string(), "check it, and its permissions"))?;
    let (there, asked) = (by_key(&text), by_key(&asked.to_toml()?));
    let differs = |(key, value): &(&String, &String)| {
        let may_differ = may_differ(key) && !strict.contains(&key.as_str());
        !may_differ && there.get(*key) != Some(*value)
    };
    let difference = |(key, value): (&String, &String)| {
        format!("{key}: {} in {CONFIG}, {value} asked for", there.get(key).map_or("none", String::as_str))
    };
    let differences: Vec<_> = asked.iter().filter(differs).map(difference).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let list = differences.join("\n  ");
    let error = anyhow::anyhow!("{} holds another run:\n  {list}", folder.shown());
    Err(Error::BadInput(error.hint("ask for the same, or choose another folder with --out DIR")))
}

impl Stopped {
    /// Cuts the records that come after the checkpoint off `metrics.csv`, and hands on the folder's lock.
    ///
    /// # Errors
    /// Bad input if the records before it are no longer there; the file is then left as it is.
    pub fn reopen(self, folder: &Path) -> Result<(Reopened, Option<Lock>), Error> {
        let path = folder.join(METRICS);
        let (metrics, records) = match &self.held {
            None => (None, Vec::new()),
            Some(_) => {
                let (metrics, records) = MetricsWriter::resume(&path, self.about.metrics_bytes)
                    .map_err(|error| wrong(&path, &error.to_string(), START_OVER))?;
                (Some(metrics), records)
            }
        };
        let About { seconds, wall_seconds, .. } = self.about;
        let before = Before { iterations: self.state.iteration, seconds, wall_seconds };
        Ok((Reopened { state: self.state, before, metrics, records }, self.held))
    }

    /// Makes sure that what goes on is what was stopped.
    ///
    /// # Errors
    /// Bad input that names everything that differs.
    pub fn check(&self, folder: &Path, now: &Identity) -> Result<(), Error> {
        let then = &self.about.identity;
        let mut differences = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                differences.push(format!("{what}: {then} in the checkpoint, {now} now"));
            }
        };
        compare("version of the program", &then.version, &now.version);
        let digits = |digest: &str| format!("SHA-256 {}...", &digest[..SHOWN_DIGITS.min(digest.len())]);
        compare("contents of the training set", &digits(&then.data), &digits(&now.data));
        compare("instruction set", &then.isa, &now.isa);
        let library = |blas: &Option<String>| blas.clone().unwrap_or_else(|| "none".to_owned());
        compare("BLAS", &library(&then.blas), &library(&now.blas));
        let (then, now) = (by_key(&then.config), by_key(&now.config));
        let keys: BTreeSet<_> = then.keys().chain(now.keys()).collect();
        for key in keys.into_iter().filter(|key| !may_differ(key)) {
            let value =
                |settings: &BTreeMap<String, String>| settings.get(key).cloned().unwrap_or_else(|| "none".to_owned());
            compare(key, &value(&then), &value(&now));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let list = differences.join("\n  ");
        let error = anyhow::anyhow!("{} cannot go on, its checkpoint is of another run:\n  {list}", folder.shown());
        Err(Error::BadInput(error.hint("put back what was changed, or start over in another folder with --out DIR")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn settings_are_compared_by_value_and_named_by_their_keys() {
        let found = by_key("# a comment\n[run]\nseed = 1\n[optimizer.pgd]\nradius = 1e-3\n");
        let pairs: Vec<_> = found.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(pairs, ["optimizer.pgd.radius = 0.001", "run.seed = 1"]);
    }

    #[test]
    fn what_may_differ_is_spelled_as_in_the_file() {
        let text =
            Layer::from_toml("[data]\nsource = \"synthetic\"\n[network]\nneurons = 2\n[run]\nepochs = 1\n").unwrap();
        let mut config = text.resolve().unwrap();
        config.run.threads = Some(1);
        config.run.memory_budget = "1MiB".parse().ok();
        config.run.checkpoint_every = Some(1);
        let file = || Some(PathBuf::from("x"));
        let data = &mut config.data;
        (data.dir, data.inputs, data.targets, data.test_inputs, data.test_targets) =
            (file(), file(), file(), file(), file());
        let settings = by_key(&config.to_toml().unwrap());
        let differ: Vec<&str> = settings.keys().map(String::as_str).filter(|key| may_differ(key)).collect();
        let data = ["data.dir", "data.inputs", "data.targets", "data.test_inputs", "data.test_targets"];
        let run = [
            "run.checkpoint_every",
            "run.checkpoint_minutes",
            "run.memory_budget",
            "run.name",
            "run.pin",
            "run.threads",
        ];
        assert_eq!(differ, [&data[..], &run[..]].concat());
    }
}
