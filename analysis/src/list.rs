//! The runs below a folder: found, filtered, sorted, listed.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use memorize_data::Shown;
use memorize_run::config::RunConfig;
use memorize_run::differences::{Setting, last_part, settings};
use memorize_run::nearest;
use memorize_run::run_folder::{CAPACITY_CSV, CONFIG, METRICS, SUMMARY, StopReason, Summary};
use serde::Serialize;

use crate::comparison::MEASURES;
use crate::found::FoundRun;
use crate::text::{Align, NONE, table};

/// How far below a folder runs are looked for.
const DEPTH: usize = 6;

/// The folders at and below `root` that look like a run's, in the order of their names. Links are not followed, and
/// nothing is looked for within a run.
///
/// # Errors
/// If `root` cannot be read. Folders below it that cannot be read are passed over.
pub fn find(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(root)?;
    if looks_like_a_run(root) {
        found.push(root.to_owned());
    } else {
        descend(entries, DEPTH, &mut found);
    }
    found.sort();
    Ok(found)
}

fn looks_like_a_run(folder: &Path) -> bool {
    // `memorize capacity` leaves a summary, too, of another kind.
    !folder.join(CAPACITY_CSV).is_file() && [CONFIG, METRICS, SUMMARY].iter().any(|file| folder.join(file).is_file())
}

fn descend(entries: fs::ReadDir, depth: usize, found: &mut Vec<PathBuf>) {
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    for folder in folders.map(|entry| entry.path()) {
        if looks_like_a_run(&folder) {
            found.push(folder);
        } else if let (1.., Ok(entries)) = (depth, fs::read_dir(&folder)) {
            descend(entries, depth - 1, found);
        }
    }
}

/// Something that holds for a run or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    key: String,
    /// Absent = `key` is a part of the name.
    comparison: Option<(Operator, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Longer ones before their beginnings.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first = text.find(['!', '<', '>', '=']);
        let operator = first.and_then(|at| {
            let (sign, operator) = OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign))?;
            Some((text[..at].trim(), *operator, text[at + sign.len()..].trim()))
        });
        match operator {
            None if text.trim().is_empty() => {
                Err("an empty condition; write KEY=VALUE, or a part of a name".to_owned())
            }
            None => Ok(Self { key: text.trim().to_owned(), comparison: None }),
            Some((key, _, value)) if key.is_empty() || value.is_empty() => {
                Err("a condition needs a key and a value, as in train_loss<1e-3".to_owned())
            }
            Some((key, operator, value)) => {
                Ok(Self { key: key.to_owned(), comparison: Some((operator, value.to_owned())) })
            }
        }
    }
}

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It ended by itself.
    Complete,
    /// It was ended from outside, and left its results.
    Interrupted,
    /// It failed, and says why, or has not got anywhere.
    Failed,
    /// It runs, or was killed.
    Unfinished,
}

impl State {
    fn of(run: &FoundRun) -> Self {
        if run.failure.is_some() {
            return Self::Failed;
        }
        match run.summary.as_ref().map(|summary| summary.stopped) {
            Some(StopReason::Interrupted) => Self::Interrupted,
            Some(StopReason::Stalled) => Self::Failed,
            Some(_) => Self::Complete,
            None => Self::Unfinished,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Runs that can be filtered and sorted by what is known of them.
pub struct Listing {
    entries: Vec<Entry>,
}

struct Entry {
    run: FoundRun,
    settings: Vec<Setting>,
}

/// A key that no run has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no run has a field or a setting `{key}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
pub struct UnknownKey {
    key: String,
    nearest: Option<String>,
}

impl Listing {
    /// A listing of runs.
    pub fn of(runs: Vec<FoundRun>) -> Self {
        let entries = runs.into_iter().map(|run| Entry { settings: settings(&[run.config.as_ref()]), run });
        Self { entries: entries.collect() }
    }

    /// Keeps the runs for which all conditions hold.
    ///
    /// # Errors
    /// If a condition has a key that none of the runs has.
    pub fn filter(&mut self, conditions: &[Condition]) -> Result<(), UnknownKey> {
        for condition in conditions.iter().filter(|condition| condition.comparison.is_some()) {
            self.check(&condition.key)?;
        }
        self.entries.retain(|entry| conditions.iter().all(|condition| condition.holds(entry)));
        Ok(())
    }

    /// Sorts by a key, numbers by size; runs without it come last, whichever way round.
    ///
    /// # Errors
    /// If none of the runs has the key.
    pub fn sort(&mut self, key: &str, reverse: bool) -> Result<(), UnknownKey> {
        self.check(key)?;
        let order = |left: &Option<String>, right: &Option<String>| match (left, right) {
            (Some(left), Some(right)) if reverse => compare(right, left),
            (Some(left), Some(right)) => compare(left, right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        };
        self.entries.sort_by(|left, right| order(&left.value(key), &right.value(key)));
        Ok(())
    }

    fn check(&self, key: &str) -> Result<(), UnknownKey> {
        let fixed = ["name", "folder", "state"].into_iter().chain(MEASURES.iter().map(|measure| measure.field));
        let settings = self.entries.iter().flat_map(|entry| entry.settings.iter().map(|setting| setting.key.as_str()));
        let known: Vec<&str> = fixed.chain(settings).collect();
        // With no runs nothing is known of the settings.
        if self.entries.is_empty() || known.iter().any(|known| *known == key || last_part(known) == key) {
            return Ok(());
        }
        let near = known.iter().flat_map(|known| [*known, last_part(known)]);
        Err(UnknownKey { key: key.to_owned(), nearest: nearest::name(key, near).map(str::to_owned) })
    }

    /// A line a run.
    pub fn text(&self) -> String {
        const SHOWN: [&str; 5] = ["epochs", "wall_seconds", "train_loss", "train_mse", "test_mse"];
        let measures: Vec<_> = SHOWN.iter().filter_map(|field| MEASURES.iter().find(|m| m.field == *field)).collect();
        let labels = measures.iter().map(|measure| measure.label);
        let header = ["run", "state", "optimizer", "n", "r"].into_iter().chain(labels).chain(["folder"]);
        let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
        for entry in &self.entries {
            let shown = |key: &str| entry.value(key).unwrap_or_else(|| NONE.to_owned());
            let mut row =
                vec![entry.run.name.clone(), State::of(&entry.run).name().to_owned(), shown("optimizer.kind")];
            row.extend(["n", "r"].map(shown));
            row.extend(measures.iter().map(|measure| measure.text(&entry.run)));
            row.push(entry.run.folder.shown().to_string());
            rows.push(row);
        }
        let (left, right) = ([Align::Left; 3], [Align::Right; 7]);
        table(&rows, &[&left[..], &right[..], &[Align::Left]].concat())
    }

    /// The runs with all that is known of them, for programs.
    pub fn lines(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Line<'a> {
            name: &'a str,
            folder: String,
            state: State,
            /// Why it failed.
            error: Option<&'a str>,
            config: &'a Option<RunConfig>,
            summary: &'a Option<Summary>,
        }
        let lines = self.entries.iter().map(|Entry { run, .. }| Line {
            name: &run.name,
            folder: run.folder.display().to_string(),
            state: State::of(run),
            error: run.failure.as_ref().map(|failure| failure.error.as_str()),
            config: &run.config,
            summary: &run.summary,
        });
        lines.collect::<Vec<_>>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    /// What a key stands for, as text that numbers can be read back from.
    fn value(&self, key: &str) -> Option<String> {
        let run = &self.run;
        match key {
            "name" => return Some(run.name.clone()),
            "folder" => return Some(run.folder.display().to_string()),
            "state" => return Some(State::of(run).name().to_owned()),
            _ => {}
        }
        if let Some(measure) = MEASURES.iter().find(|measure| measure.field == key) {
            return measure.value(run).map(|value| value.to_string());
        }
        let value = |setting: &Setting| setting.values.first().cloned().flatten();
        let whole = self.settings.iter().find(|setting| setting.key == key);
        whole.or_else(|| self.settings.iter().find(|setting| last_part(&setting.key) == key)).and_then(value)
    }
}

impl Condition {
    fn holds(&self, entry: &Entry) -> bool {
        let Some((operator, wanted)) = &self.comparison else { return entry.run.name.contains(&self.key) };
        let order = entry.value(&self.key).map(|value| compare(&value, wanted));
        match operator {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::Unequal => order != Some(Ordering::Equal),
            Operator::Less => order == Some(Ordering::Less),
            Operator::Greater => order == Some(Ordering::Greater),
            Operator::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// Numbers by size, everything else by its letters.
fn compare(left: &str, right: &str) -> Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.partial_cmp(&right).unwrap_or_else(|| left.total_cmp(&right)),
        _ => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memorize_run::experiments::{Experiment, Scale};
    use memorize_run::run_folder::Failure;

    fn run(name: &str, loss: f64, experiment: Experiment, stopped: Option<StopReason>) -> FoundRun {
        let summary = stopped.map(|stopped| Summary { train_loss: loss, stopped, ..Summary::example() });
        let config = Some(experiment.config(Scale::Full));
        FoundRun {
            folder: Path::new("runs").join(name),
            name: name.to_owned(),
            config,
            summary,
            failure: None,
            trace: None,
            problems: vec![],
        }
    }

    fn listing() -> Listing {
        Listing::of(vec![
            run("b", 1e-6, Experiment::Mnist2LayerNoise, Some(StopReason::Completed)),
            run("c", 0.5, Experiment::Synthetic, Some(StopReason::Interrupted)),
            run("a", 0.0, Experiment::Mnist3Layer, None),
        ])
    }

    fn names(listing: &Listing) -> String {
        listing.entries.iter().map(|entry| entry.run.name.as_str()).collect()
    }

    #[track_caller]
    fn kept(conditions: &[&str]) -> String {
        let mut listing = listing();
        let conditions: Vec<Condition> = conditions.iter().map(|text| text.parse().unwrap()).collect();
        listing.filter(&conditions).unwrap();
        names(&listing)
    }

    #[test]
    fn conditions_look_at_numbers_settings_and_states() {
        assert_eq!(kept(&[]), "bca");
        assert_eq!(kept(&["train_loss<1e-3"]), "b");
        assert_eq!(kept(&["train_loss >= 0.000001"]), "bc");
        assert_eq!(kept(&["noise=1e-2"]), "b", "the section may be left out, and numbers are compared as such");
        assert_eq!(kept(&["data.source!=mnist"]), "c");
        assert_eq!(kept(&["state=unfinished"]), "a");
        assert_eq!(kept(&["pca!=100"]), "bc", "what is absent is not equal");
        assert_eq!(kept(&["pca<1000", "state!=complete"]), "a");
        assert_eq!(kept(&["b"]), "b", "a part of the name");
    }

    #[test]
    fn a_run_that_failed_is_not_one_that_goes_on() {
        let failure = Failure { error: "diverged".to_owned(), hint: None, code: 1, version: String::new() };
        let failed = FoundRun { failure: Some(failure), ..run("d", 0.0, Experiment::Synthetic, None) };
        let mut listing = Listing::of(vec![failed, run("e", 0.0, Experiment::Synthetic, None)]);
        let json: serde_json::Value = serde_json::to_value(listing.lines()).unwrap();
        assert_eq!((&json[0]["state"], &json[0]["error"]), (&"failed".into(), &"diverged".into()));
        assert_eq!((&json[1]["state"], &json[1]["error"]), (&"unfinished".into(), &serde_json::Value::Null));
        listing.filter(&["state=failed".parse().unwrap()]).unwrap();
        assert_eq!(names(&listing), "d");
    }

    #[test]
    fn conditions_without_a_key_or_a_value_are_refused() {
        for text in ["", " ", "=1", "x=", "<", "a>="] {
            assert!(text.parse::<Condition>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_nobody_has_finds_its_neighbour() {
        let error = listing().filter(&["trian_loss<1".parse().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("`trian_loss`") && error.contains("did you mean `train_loss`?"), "{error}");
        assert!(listing().sort("xyzzy", false).is_err());
        assert!(Listing::of(vec![]).sort("neurons", false).is_ok());
    }

    #[test]
    fn sorting_puts_what_has_no_value_last_both_ways() {
        let sorted = |key: &str, reverse| {
            let mut listing = listing();
            listing.sort(key, reverse).unwrap();
            names(&listing)
        };
        assert_eq!(sorted("name", false), "abc");
        assert_eq!(sorted("train_loss", false), "bca");
        assert_eq!(sorted("train_loss", true), "cba");
        assert_eq!(sorted("learning_rate", true), "cba");
    }

    #[test]
    fn runs_are_found_below_and_not_within_each_other() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["z/deep/run", "a", "a/inner", "none"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["z/deep/run/metrics.csv", "a/config.toml", "a/inner/summary.json"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        let found = find(root.path()).unwrap();
        assert_eq!(found, ["a", "z/deep/run"].map(|folder| root.path().join(folder)));
        assert_eq!(find(&root.path().join("a")).unwrap(), [root.path().join("a")]);
        assert!(find(&root.path().join("gone")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_circle_of_links_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("again")).unwrap();
        assert!(find(root.path()).unwrap().is_empty());
    }

    #[test]
    fn the_table_and_the_json_have_every_run() {
        let text = listing().text();
        assert_eq!(text.lines().count(), 4, "{text}");
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words[..4], ["b", "complete", "adam", "60000"], "{text}");
        let value: serde_json::Value = serde_json::to_value(listing().lines()).unwrap();
        assert_eq!(value[1]["state"], "interrupted");
        assert_eq!(value[2]["config"]["network"]["neurons"], 3000);
        assert!(value[2]["summary"].is_null());
    }
}
