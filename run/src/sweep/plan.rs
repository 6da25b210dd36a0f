//! What a sweep consists of: a file's settings, and one configuration for every combination of the values it names.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use memorize_data::digest::Hasher;
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::{ConfigError, RunConfig};
use crate::differences::{flatten, last_part};
use crate::layer::{DataLayer, LONGEST, Layer, NetworkLayer, OptimizerLayer, RunLayer, setting};

/// Most runs of a sweep. More of them come from a slip, such as a grid over every setting at once.
pub const MOST: usize = 10_000;

/// Most bytes of a name. File systems take 255, and the name gets endings such as `.log`.
const LONGEST_NAME: usize = 200;
/// Digits of a hash in a name.
const HASH: usize = 10;

/// A sweep, as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Runs at a time.
    pub jobs: usize,
    /// The runs: every set of the list, and for each the grid as in nested loops, its keys in the order of their
    /// letters.
    pub members: Vec<Member>,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name and that of its folder: the settings that vary, as in `neurons=100,seed=1`.
    pub name: String,
    /// The settings that vary, with their sections, and their values as the file has them.
    pub varied: Vec<(String, String)>,
    /// All settings.
    pub config: RunConfig,
}

/// What is wrong with a sweep, as opposed to the configurations in it.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file, or a member, that is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A member that cannot be run.
    #[error("the member {name} of the sweep cannot be run")]
    Member {
        /// Its name.
        name: String,
        /// Why.
        source: ConfigError,
    },
    /// Nothing to vary.
    #[error(
        "the file has no values to vary: give [sweep.grid] lists, as in `network.neurons = [100, 200]`, or [[sweep.list]] sets"
    )]
    Nothing,
    /// A value where a list belongs.
    #[error("sweep.grid.{key} = {value} is one value; write [{value}] for a list of one, or put it outside of [sweep]")]
    NoList {
        /// The setting.
        key: String,
        /// What it is instead.
        value: String,
    },
    /// A list without values.
    #[error("sweep.grid.{key} is an empty list, which leaves no runs; give it values or leave it out")]
    EmptyList {
        /// The setting.
        key: String,
    },
    /// A setting that is named twice.
    #[error("{key} is both in sweep.grid and in sweep.list; a run cannot have two values of it")]
    Twice {
        /// The setting.
        key: String,
    },
    /// A setting that a sweep decides itself.
    #[error("{key} cannot vary: {why}")]
    Fixed {
        /// The setting.
        key: String,
        /// Why not.
        why: &'static str,
    },
    /// Two members that are the same.
    #[error("two runs of the sweep are named {name}; a value may be in a list only once")]
    Same {
        /// Their name.
        name: String,
    },
    /// No runs at a time.
    #[error("sweep.jobs = 0: at least one run at a time")]
    NoJobs,
    /// A product of lists that nobody means.
    #[error("the sweep has more than {MOST} runs; shorten its lists or split the file")]
    TooMany,
}

/// A configuration with a section more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepFile {
    #[serde(default)]
    data: DataLayer,
    #[serde(default)]
    network: NetworkLayer,
    #[serde(default)]
    optimizer: OptimizerLayer,
    #[serde(default)]
    run: RunLayer,
    #[serde(default)]
    sweep: Section,
}

/// `[sweep]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    /// Runs at a time.
    jobs: usize,
    /// Every combination of these.
    grid: Table,
    /// Each of these sets, with every combination of the grid.
    list: Vec<Table>,
}

impl Default for Section {
    fn default() -> Self {
        Self { jobs: 1, grid: Table::new(), list: Vec::new() }
    }
}

/// Settings of a run that are laid over the file's: keys with their sections.
type Set = Vec<(String, Value)>;

impl Plan {
    /// Reads a sweep from a file's text. Relative paths of data start at the file's folder.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key or a value of the wrong type, names nothing to vary, or a member of
    /// it cannot be run: all are looked at before the first one is.
    pub fn in_file(path: &Path, text: &str) -> Result<Self, PlanError> {
        let in_file = |source| ConfigError::InFile { path: path.to_owned(), source: Box::new(source) };
        if text.len() > LONGEST {
            return Err(in_file(ConfigError::TooLong { limit: LONGEST }).into());
        }
        let file: SweepFile = toml::from_str(text).map_err(|error| in_file(ConfigError::from_toml(&error)))?;
        let SweepFile { data, network, optimizer, run, sweep: section } = file;
        let base = Layer { data, network, optimizer, run }.found_in(path);
        if section.jobs == 0 {
            return Err(PlanError::NoJobs);
        }
        let jobs = section.jobs;
        let sets = section.sets()?;
        let names = member_names(&sets)?;
        let mut members = Vec::with_capacity(sets.len());
        for (set, name) in sets.into_iter().zip(names) {
            let config = configure(path, &base, &set, &name)
                .map_err(|source| PlanError::Member { name: name.clone(), source })?;
            let varied = set.into_iter().map(|(key, value)| (key, shown(&value))).collect();
            members.push(Member { name, varied, config });
        }
        Ok(Self { jobs, members })
    }
}

impl Section {
    /// The settings of each member.
    fn sets(self) -> Result<Vec<Set>, PlanError> {
        let axes: Vec<_> = flatten(&self.grid).into_iter().map(|(key, value)| (key, value.clone())).collect();
        let mut sets: Vec<Set> = Vec::new();
        for table in &self.list {
            sets.push(flatten(table).into_iter().map(|(key, value)| (key, value.clone())).collect());
        }
        if axes.is_empty() && sets.is_empty() {
            return Err(PlanError::Nothing);
        }
        if let Some(key) = axes.iter().map(|(key, _)| key).find(|key| sets.iter().flatten().any(|(own, _)| own == *key))
        {
            return Err(PlanError::Twice { key: key.clone() });
        }
        if sets.is_empty() {
            sets.push(Set::new());
        }
        for (key, value) in axes {
            let Value::Array(values) = value else { return Err(PlanError::NoList { key, value: shown(&value) }) };
            if values.is_empty() {
                return Err(PlanError::EmptyList { key });
            }
            if sets.len().saturating_mul(values.len()) > MOST {
                return Err(PlanError::TooMany);
            }
            let with = |set: &Set, value: &Value| {
                let mut set = set.clone();
                set.push((key.clone(), value.clone()));
                set
            };
            sets = sets.iter().flat_map(|set| values.iter().map(move |value| with(set, value))).collect();
        }
        match sets.iter().flatten().find_map(|(key, _)| fixed(key).map(|why| (key.clone(), why))) {
            Some((key, why)) => Err(PlanError::Fixed { key, why }),
            None if sets.len() > MOST => Err(PlanError::TooMany),
            None => Ok(sets),
        }
    }
}

/// Why a setting is the sweep's to decide, if it is.
fn fixed(key: &str) -> Option<&'static str> {
    setting(key)?.fixed
}

/// The keys whose last part says enough, as no other one ends the same way.
fn short_keys(sets: &[Set]) -> HashSet<String> {
    let keys: HashSet<&str> = sets.iter().flatten().map(|(key, _)| key.as_str()).collect();
    let alone = |key: &&&str| keys.iter().filter(|other| last_part(other) == last_part(key)).count() == 1;
    keys.iter().filter(alone).map(|key| (*key).to_owned()).collect()
}

/// Names that any file system takes, each its own. Those that are too long, or that only letters which files must not
/// have tell from others, end in a hash of the settings.
fn member_names(sets: &[Set]) -> Result<Vec<String>, PlanError> {
    let short = short_keys(sets);
    let texts: Vec<String> = sets.iter().map(|set| text_of(set, &short)).collect();
    let plain: Vec<String> = texts.iter().map(|text| plain(text)).collect();
    let count = |all: &[String]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        all.iter().for_each(|name| *counts.entry(name.clone()).or_default() += 1);
        counts
    };
    let (alike, same) = (count(&plain), count(&texts));
    let name = |((set, text), plain): ((&Set, &String), &String)| {
        let is_own = alike[plain] == 1 || (text == plain && same[text] == 1);
        if is_own && plain.len() <= LONGEST_NAME { plain.clone() } else { hashed(plain, set) }
    };
    let names: Vec<String> = sets.iter().zip(&texts).zip(&plain).map(name).collect();
    let mut taken = HashSet::new();
    match names.iter().find(|name| !taken.insert(*name)) {
        Some(name) => Err(PlanError::Same { name: name.clone() }),
        None => Ok(names),
    }
}

/// The settings of a member as one reads them.
fn text_of(set: &Set, short: &HashSet<String>) -> String {
    let part = |(key, value): &(String, Value)| {
        let key = if short.contains(key) { last_part(key) } else { key.as_str() };
        format!("{key}={}", shown(value))
    };
    set.iter().map(part).collect::<Vec<_>>().join(",")
}

/// The same in letters that any file system takes.
fn plain(text: &str) -> String {
    let allowed = |c: char| if c.is_alphanumeric() || "=,._+-".contains(c) { c } else { '_' };
    text.chars().map(allowed).collect()
}

/// As much of a name as there is room for, and a hash of the settings.
fn hashed(plain: &str, set: &Set) -> String {
    let mut hasher = Hasher::default();
    // As TOML has it: 1 and "1" differ.
    set.iter().for_each(|(key, value)| hasher.update(format!("{key}={value}\n").as_bytes()));
    let hash = hasher.finish();
    let room = (0..=plain.len().min(LONGEST_NAME - HASH - 1)).rev().find(|&end| plain.is_char_boundary(end));
    format!("{}-{}", &plain[..room.unwrap_or(0)], &hash[..HASH])
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The member's settings over those that all share, over the defaults.
fn configure(path: &Path, base: &Layer, set: &Set, name: &str) -> Result<RunConfig, ConfigError> {
    let mut own = Table::new();
    for (key, value) in set {
        insert(&mut own, key, value.clone());
    }
    let own = Layer::deserialize(own).map_err(|error| ConfigError::from_toml(&error))?;
    let mut layer = own.found_in(path).over(base.clone())?;
    layer.run.name = Some(name.to_owned());
    layer.make_paths_absolute();
    let config = layer.resolve()?;
    config.validate()?;
    Ok(config)
}

/// Puts a value where its key says, in tables that are made on the way.
fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let below = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            // Keys come from a table, in which a section is not a value as well.
            if let Value::Table(below) = below {
                insert(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 10\n[run]\niterations = 5\n";

    fn plan(sweep: &str) -> Result<Plan, PlanError> {
        Plan::in_file(Path::new("sweep.toml"), &format!("{BASE}{sweep}"))
    }

    fn names(sweep: &str) -> Vec<String> {
        plan(sweep).unwrap().members.into_iter().map(|member| member.name).collect()
    }

    #[track_caller]
    fn refused(sweep: &str, words: &[&str]) {
        let error = anyhow::Error::new(plan(sweep).unwrap_err());
        let text = format!("{error:#}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_grid_is_every_combination() {
        let plan = plan("[sweep]\njobs = 2\n[sweep.grid]\nnetwork.neurons = [4, 6]\nrun.seed = [0, 1, 2]\n").unwrap();
        assert_eq!((plan.jobs, plan.members.len()), (2, 6));
        let of = |member: &Member| (member.config.network.neurons, member.config.run.seed);
        let expected = [4, 6].into_iter().flat_map(|neurons| [0, 1, 2].map(|seed| (Some(neurons), seed)));
        assert!(plan.members.iter().map(of).eq(expected));
        let last = &plan.members[5];
        assert_eq!(last.name, "neurons=6,seed=2");
        assert_eq!(last.varied[0], ("network.neurons".to_owned(), "6".to_owned()));
        assert_eq!((&last.config.run.name, last.config.run.iterations), (&last.name, Some(5)), "the rest is shared");
    }

    #[test]
    fn a_list_is_each_of_its_sets_with_the_grid() {
        let list = "[[sweep.list]]\noptimizer.kind = \"gd\"\noptimizer.learning_rate = 0.5\n\
                    [[sweep.list]]\noptimizer.kind = \"adam\"\n";
        assert_eq!(names(list), ["kind=gd,learning_rate=0.5", "kind=adam"]);
        assert_eq!(names(&format!("{list}[sweep.grid]\nrun.seed = [7, 8]\n")).len(), 4);
    }

    #[test]
    fn keys_that_end_alike_keep_their_sections_and_names_fit_any_file_system() {
        let set: Set = vec![
            ("optimizer.epsilon".to_owned(), Value::Float(1e-8)),
            ("optimizer.theory.epsilon".to_owned(), Value::Float(0.5)),
            ("data.dir".to_owned(), Value::String("../a b".to_owned())),
        ];
        let name = member_names(&[set]).unwrap();
        assert_eq!(name, ["optimizer.epsilon=0.00000001,optimizer.theory.epsilon=0.5,dir=.._a_b"]);
    }

    fn inputs(values: &[&str]) -> Vec<Set> {
        values.iter().map(|value| vec![("data.inputs".to_owned(), Value::String((*value).to_owned()))]).collect()
    }

    #[test]
    fn names_that_are_too_long_or_alike_end_in_a_hash_of_their_own() {
        let names = member_names(&inputs(&["a b.npy", "a_b.npy", "a\tb.npy", "c d.npy"])).unwrap();
        assert_eq!((names[1].as_str(), names[3].as_str()), ("inputs=a_b.npy", "inputs=c_d.npy"));
        assert!([0, 2].iter().all(|&i| names[i].starts_with("inputs=a_b.npy-")) && names[0] != names[2], "{names:?}");
        // Whatever else is in the sweep.
        assert_eq!(member_names(&inputs(&["a b.npy", "a-b", "a_b.npy"])).unwrap()[0], names[0]);

        let long = ["x".repeat(400), "x".repeat(401), "\u{e9}".repeat(300)];
        let names = member_names(&inputs(&long.each_ref().map(String::as_str))).unwrap();
        assert!(names.iter().all(|name| name.len() <= LONGEST_NAME && name.starts_with("inputs=")), "{names:?}");
        assert!(names[0] != names[1] && names[0][..100] == names[1][..100]);

        // 1 and "1" read alike and are not the same.
        let of = |value| vec![("run.seed".to_owned(), value)];
        let names = member_names(&[of(Value::Integer(1)), of(Value::String("1".to_owned()))]).unwrap();
        assert!(names[0] != names[1] && names.iter().all(|name| name.starts_with("seed=1-")), "{names:?}");
        assert!(matches!(member_names(&inputs(&["a b", "a b"])), Err(PlanError::Same { .. })));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_do() {
        refused("", &["no values to vary", "[sweep.grid]"]);
        refused("[sweep]\njobs = 1\n", &["no values to vary"]);
        refused("[sweep]\njobs = 0\n[sweep.grid]\nrun.seed = [1]\n", &["at least one run"]);
        refused("[sweep.grid]\nrun.seed = 3\n", &["sweep.grid.run.seed", "[3]"]);
        refused("[sweep.grid]\nrun.seed = []\n", &["run.seed", "empty"]);
        refused("[sweep.grid]\nrun.seed = [1, 1]\n", &["seed=1", "once"]);
        refused("[sweep.grid]\nrun.threads = [1, 2]\n", &["run.threads", "shared out"]);
        refused("[sweep.grid]\nrun.seed = [1]\n[[sweep.list]]\nrun.seed = 2\n", &["run.seed", "both"]);
        refused("[sweep]\njob = 2\n", &["job", "did you mean `jobs`?"]);
        refused("[sweep.grid]\nnetwork.neurns = [1]\n", &["neurns", "did you mean `neurons`?"]);
        refused("[sweep.grid]\nnetwork.neurons = [4, 5]\n", &["neurons=5", "must be even"]);
        refused("[data]\n", &["sweep.toml", "line 7", "duplicate"]);
    }

    #[test]
    fn a_slip_does_not_fill_the_memory() {
        let many: Vec<String> = (0..200).map(|i| i.to_string()).collect();
        let many = many.join(", ");
        refused(&format!("[sweep.grid]\nrun.seed = [{many}]\nrun.iterations = [{many}]\n"), &["more than 10000"]);
    }
}
