//! Rows drawn at random, written as a table or as a picture.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use memorize_data::Shown;
use memorize_data::output::Staged;
use memorize_data::random::{Purpose, RowStream, Stream, shuffled};
use memorize_data::{ElementType, Output, Table, labels, synthetic};
use memorize_run::error::{Error, WithHint};
use memorize_run::units::thousands;

use super::{commit, open, picture, stage, tell};
use crate::args::{SampleArgs, Source, WrittenArgs};

/// Rows in a picture unless it is said how many.
const IN_A_PICTURE: usize = 100;
/// Most rows in a picture.
const MOST_IN_A_PICTURE: usize = 10_000;
/// Rows and columns of the synthetic set unless it is said how many: those of the paper's figure 2.
const SYNTHETIC: (usize, usize) = (300, 100);

/// Draws, writes, and says what was written, a line a file.
///
/// # Errors
/// Bad input if something that is asked for is not there or does not go together; a failed run if a file cannot be
/// written.
pub fn draw(draw: &SampleArgs) -> Result<String, Error> {
    let places = Places::of(draw)?;
    if draw.source == Source::Synthetic {
        return make(draw, &places);
    }
    if draw.dim.is_some() {
        return Err(refused("--dim is the width of the synthetic set; a table has its own", "leave it out"));
    }
    let (table, own) = draw.source.open()?;
    let targets = match &draw.targets {
        Some(path) => Some(open(path)?),
        None => own,
    };
    for table in [&table].into_iter().chain(&targets) {
        table.notes().iter().for_each(|note| tell(note));
    }
    if let Some(targets) = &targets {
        labels::check_pair(&table, targets)?;
    }
    if draw.targets_out.is_some() && targets.is_none() {
        return Err(refused("there are no targets to write", "name the table's targets: --targets FILE"));
    }
    let is_picture = draw.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if is_picture && (draw.written.format.is_some() || draw.written.element.is_some()) {
        return Err(refused(
            "a picture has no --format and no --type",
            "leave them out, or draw into a table: --out FILE.npy",
        ));
    }
    let rows = draw.rows.unwrap_or(if is_picture { IN_A_PICTURE.min(table.rows()) } else { table.rows() });
    let drawn = rows_drawn(&table, rows, draw.resample, draw.seed)?;
    let (staged, written) = if is_picture {
        if rows > MOST_IN_A_PICTURE {
            let most = format!("draw fewer: --rows {MOST_IN_A_PICTURE} at most");
            return Err(refused(&format!("{} images are too many for a picture", thousands(rows as u64)), &most));
        }
        let picture = picture::grid(&table, &drawn)?;
        let staged = places.samples.stage(|file| file.write_all(&picture.png));
        let staged = staged.map_err(|source| places.samples.failed(source))?;
        let [height, width] = [picture.height, picture.width];
        (staged, format!("{}: {rows} images of {height} x {width}\n", draw.out.shown()))
    } else {
        let dims = [&[rows], &table.dims()[1..]].concat();
        let fill = |i: usize, row: &mut [f64]| table.decode_row(drawn[i] as usize, row);
        let staged = stage(&places.samples, draw.written, table.element_type(), &dims, fill)?;
        (staged, format!("{}: {} x {}\n", draw.out.shown(), thousands(rows as u64), table.row_len()))
    };
    let kept = |targets: &Table| {
        let element = targets.element_type();
        let staged = places.stage_targets(draw, element, rows, |i, row| targets.decode_row(drawn[i] as usize, row))?;
        targets.check_unchanged().map_err(Error::run_failed)?;
        Ok::<_, Error>(staged)
    };
    let staged_targets = targets.as_ref().map(kept).transpose()?.flatten();
    table.check_unchanged().map_err(Error::run_failed)?;
    Ok(written + &places.commit(staged, staged_targets, rows)?)
}

/// Where the two files go.
struct Places {
    samples: Output,
    targets: Option<Output>,
}

impl Places {
    fn of(draw: &SampleArgs) -> Result<Self, Error> {
        let table = match &draw.source {
            Source::File(path) => Some(path),
            Source::Mnist | Source::Synthetic => None,
        };
        let inputs: Vec<&Path> = table.into_iter().chain(&draw.targets).map(PathBuf::as_path).collect();
        let place = |path: &PathBuf| Output::new(path, draw.written.overwrite, inputs.iter().copied());
        let (samples, targets) = (place(&draw.out)?, draw.targets_out.as_ref().map(place).transpose()?);
        targets.iter().try_for_each(|targets| targets.differs_from(&samples))?;
        Ok(Self { samples, targets })
    }

    /// Writes the targets, which are yet to get their name, if that is asked for.
    fn stage_targets(
        &self,
        draw: &SampleArgs,
        element: ElementType,
        rows: usize,
        fill: impl FnMut(usize, &mut [f64]),
    ) -> Result<Option<Staged>, Error> {
        // The type that was asked for is that of the samples.
        let written = WrittenArgs { element: None, ..draw.written };
        self.targets.as_ref().map(|out| stage(out, written, element, &[rows], fill)).transpose()
    }

    /// Gives both files their names, once both are there. Says what was written of targets.
    fn commit(&self, samples: Staged, targets: Option<Staged>, rows: usize) -> Result<String, Error> {
        commit(&self.samples, samples)?;
        let Some((out, targets)) = self.targets.as_ref().zip(targets) else { return Ok(String::new()) };
        commit(out, targets)?;
        Ok(format!("{}: {} targets\n", out.path().shown(), thousands(rows as u64)))
    }
}

/// The first rows of the synthetic set.
fn make(draw: &SampleArgs, places: &Places) -> Result<String, Error> {
    if draw.resample || draw.targets.is_some() {
        let what = "the synthetic set is made and not drawn from";
        return Err(refused(what, "leave out --resample and --targets; it has targets of its own"));
    }
    let (rows, dim) = (draw.rows.unwrap_or(SYNTHETIC.0), draw.dim.unwrap_or(SYNTHETIC.1));
    let fill = |i: usize, row: &mut [f64]| synthetic::input_row(draw.seed, i as u64, row);
    let staged = stage(&places.samples, draw.written, ElementType::F64, &[rows, dim], fill)?;
    let target = |i: usize, row: &mut [f64]| row[0] = synthetic::target(draw.seed, i as u64);
    let targets = places.stage_targets(draw, ElementType::F64, rows, target)?;
    let written = format!("{}: {} x {dim}\n", draw.out.shown(), thousands(rows as u64));
    Ok(written + &places.commit(staged, targets, rows)?)
}

/// Most rows of a table whose whole order is drawn, 4 bytes each; of a larger one it is the beginning of another order.
const MOST_SHUFFLED: usize = 1 << 26;

/// The first of {0, ..., n - 1} in an order that a stream gives: Fisher and Yates, from the first position up, with
/// what has moved in a map.
fn first_of_shuffled(mut stream: RowStream, n: u32, rows: usize) -> Vec<u32> {
    let mut moved: HashMap<u32, u32> = HashMap::new();
    let mut at = |first: u32| {
        let other = first + stream.below(n - first);
        let drawn = moved.get(&other).copied().unwrap_or(other);
        let own = moved.get(&first).copied().unwrap_or(first);
        moved.insert(other, own);
        drawn
    };
    (0..u32::try_from(rows).unwrap_or(n).min(n)).map(&mut at).collect()
}

/// Which rows are drawn, in order: row i of the sample is a function of (seed, i) if rows are put back, else the first
/// of a random order of all.
fn rows_drawn(table: &Table, rows: usize, resample: bool, seed: u64) -> Result<Vec<u32>, Error> {
    let stream = Stream::new(seed, Purpose::Sample);
    let there = u32::try_from(table.rows())
        .map_err(|_| refused("rows are drawn from tables of less than 2^32 rows", "cut the table into parts first"))?;
    if rows == 0 {
        return Err(refused("no rows were asked for", "draw one at least: --rows 1"));
    }
    if resample {
        return Ok((0..rows as u64).map(|row| stream.row(row).below(there)).collect());
    }
    if rows > table.rows() {
        let (asked, there) = (thousands(rows as u64), thousands(u64::from(there)));
        let what = format!("{asked} rows were asked for, and {} has {there}", table.path().shown());
        return Err(refused(&what, "draw fewer (--rows), or put each back before the next is drawn (--resample)"));
    }
    if table.rows() > MOST_SHUFFLED {
        return Ok(first_of_shuffled(stream.row(0), there, rows));
    }
    let mut drawn = shuffled(stream.row(0), table.rows());
    drawn.truncate(rows);
    Ok(drawn)
}

fn refused(what: &str, advice: &str) -> Error {
    Error::BadInput(anyhow::anyhow!("{what}").hint(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_order_is_drawn_without_the_rest() {
        let stream = |seed| Stream::new(seed, Purpose::Sample).row(0);
        let mut all = first_of_shuffled(stream(3), 1000, 1000);
        assert_eq!(first_of_shuffled(stream(3), 1000, 10), all[..10]);
        assert_ne!(first_of_shuffled(stream(4), 1000, 10), all[..10]);
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<u32>>());
        let few = first_of_shuffled(stream(3), u32::MAX, 5);
        assert!(few.len() == 5 && few.iter().any(|&row| row > 1 << 30), "{few:?}");
    }

    #[test]
    fn rows_are_drawn_once_or_put_back() {
        let table = Table::from_memory("t", ElementType::U8, &[50, 1], &[1.0; 50]).unwrap();
        let once = rows_drawn(&table, 50, false, 3).unwrap();
        let mut sorted = once.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
        assert_ne!(once, sorted);
        assert_eq!(rows_drawn(&table, 7, false, 3).unwrap(), once[..7]);
        let again = rows_drawn(&table, 200, true, 3).unwrap();
        assert_eq!(rows_drawn(&table, 60, true, 3).unwrap(), again[..60]);
        assert!((0..50).all(|row| again.contains(&row)));
        assert_ne!(again, rows_drawn(&table, 200, true, 4).unwrap());
        assert!(rows_drawn(&table, 51, false, 3).is_err() && rows_drawn(&table, 0, true, 3).is_err());
    }
}
