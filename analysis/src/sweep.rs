//! Table of a sweep: a row a run, as CSV and as text.

use std::path::Path;

use memorize_run::sweep::{Ended, Plan};

use crate::comparison::MEASURES;
use crate::found::FoundRun;
use crate::text::{Align, NONE, table};

/// Fields of `summary.json` that a row has.
const FIELDS: [&str; 6] = ["train_loss", "train_mse", "test_mse", "epochs", "iterations", "wall_seconds"];

/// Whether a text is a table that a sweep has left, by its first line.
pub fn is_table(text: &[u8]) -> bool {
    let header = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    header.starts_with(b"name,state,") && header.ends_with(format!(",{},error", FIELDS.join(",")).as_bytes())
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// How the run ended.
    pub ended: Ended,
    /// Its folder, as found.
    pub found: Option<FoundRun>,
}

impl Row {
    /// The run in `folder`, which ended in this way.
    pub fn read(folder: &Path, ended: Ended) -> Self {
        Self { ended, found: FoundRun::read(folder).ok() }
    }

    /// How it ended, in a line.
    pub fn line(&self) -> String {
        let loss = MEASURES.iter().find(|measure| measure.field == "train_loss");
        match (&self.ended, loss.zip(self.result())) {
            (Ended::Failed(why), _) => format!("failed: {why}"),
            (Ended::Elsewhere(holder), _) => format!("made by {holder}"),
            (Ended::Done, Some((loss, run))) => format!("{} = {}", loss.label, loss.text(run)),
            _ => self.state().to_owned(),
        }
    }

    fn state(&self) -> &'static str {
        match self.ended {
            Ended::Done => "complete",
            Ended::Interrupted => "interrupted",
            Ended::NotBegun => "not begun",
            Ended::Elsewhere(_) => "elsewhere",
            Ended::Failed(_) => "failed",
        }
    }

    /// Only what a run that ended well has left counts: another's summary may be of an earlier attempt.
    fn result(&self) -> Option<&FoundRun> {
        self.found.as_ref().filter(|_| self.ended == Ended::Done)
    }
}

/// The settings that vary anywhere, in the order in which the members have them.
fn keys(plan: &Plan) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in plan.members.iter().flat_map(|member| &member.varied) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

/// `sweep.csv`: name, state, each setting that varies, the results, why a run failed. Numbers have all their digits;
/// what is not known is empty.
///
/// # Errors
/// None in practice: the text is made in memory.
pub fn csv(plan: &Plan, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let keys = keys(plan);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["name", "state"].into_iter().chain(keys.iter().copied()).chain(FIELDS).chain(["error"]))?;
    for (member, row) in plan.members.iter().zip(rows) {
        let value = |key: &&str| {
            member.varied.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut cells = vec![member.name.clone(), row.state().to_owned()];
        cells.extend(keys.iter().map(value));
        for field in FIELDS {
            let measure = MEASURES.iter().find(|measure| measure.field == field);
            let number = measure.zip(row.result()).and_then(|(measure, run)| measure.value(run));
            cells.push(number.map(|number| number.to_string()).unwrap_or_default());
        }
        cells.push(match &row.ended {
            Ended::Failed(why) => why.clone(),
            Ended::Elsewhere(holder) => format!("made by {holder}"),
            _ => String::new(),
        });
        writer.write_record(&cells)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The same for the eye: a line a run, its name with the settings that vary.
pub fn text(plan: &Plan, rows: &[Row]) -> String {
    let measures: Vec<_> = FIELDS.iter().filter_map(|field| MEASURES.iter().find(|m| m.field == *field)).collect();
    let header = ["run", "state"].into_iter().chain(measures.iter().map(|measure| measure.label));
    let mut lines: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
    for (member, row) in plan.members.iter().zip(rows) {
        let mut cells = vec![member.name.clone(), row.state().to_owned()];
        let shown =
            |run: Option<&FoundRun>, at: usize| run.map_or_else(|| NONE.to_owned(), |run| measures[at].text(run));
        cells.extend((0..measures.len()).map(|at| shown(row.result(), at)));
        lines.push(cells);
    }
    table(&lines, &[&[Align::Left; 2][..], &[Align::Right; FIELDS.len()]].concat())
}
