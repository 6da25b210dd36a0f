//! Rows drawn at random, written as a table or as a picture.

use memorize_data::random::{Purpose, Stream, shuffled};
use memorize_data::source::write_atomically;
use memorize_data::{DataError, ElementType, Table, labels, synthetic};

use super::{Source, may_write, open, picture, tell, write};
use crate::args::{SampleArgs, WrittenArgs};
use crate::exit::{CliError, WithHint};
use crate::units::thousands;

/// Rows in a picture unless it is said how many.
const IN_A_PICTURE: usize = 100;
/// Most rows in a picture.
const MOST_IN_A_PICTURE: usize = 10_000;
/// Rows and columns of the synthetic set unless it is said how many: those of the paper's figure 2.
const SYNTHETIC: (usize, usize) = (300, 100);

/// Draws, writes, and says what was written, a line a file.
///
/// # Errors
/// Bad input if something that is asked for is not there or does not go together; a failed run if a file cannot be written.
pub fn draw(draw: &SampleArgs) -> Result<String, CliError> {
    if let Some(targets_out) = &draw.targets_out {
        may_write(targets_out, draw.written.overwrite)?;
    }
    if draw.source == Source::Synthetic {
        return make(draw);
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
    let written = if is_picture {
        if rows > MOST_IN_A_PICTURE {
            let most = format!("draw fewer: --rows {MOST_IN_A_PICTURE} at most");
            return Err(refused(&format!("{} images are too many for a picture", thousands(rows as u64)), &most));
        }
        may_write(&draw.out, draw.written.overwrite)?;
        let picture = picture::grid(&table, &drawn)?;
        write_atomically(&draw.out, |file| std::io::Write::write_all(file, &picture.png))
            .map_err(|source| DataError::Write { path: draw.out.clone(), source })?;
        format!("{}: {} images of {} x {}\n", draw.out.display(), rows, picture.height, picture.width)
    } else {
        let dims = [&[rows], &table.dims()[1..]].concat();
        write(&draw.out, draw.written, table.element_type(), &dims, |i, row| table.decode_row(drawn[i] as usize, row))?;
        format!("{}: {} x {}\n", draw.out.display(), thousands(rows as u64), table.row_len())
    };
    table.check_unchanged().map_err(CliError::run_failed)?;
    let targets = targets.filter(|_| draw.targets_out.is_some());
    let kept = |targets: Table| {
        let element = targets.element_type();
        write_targets(draw, element, rows, |i, row| targets.decode_row(drawn[i] as usize, row))
    };
    Ok(written + &targets.map(kept).transpose()?.unwrap_or_default())
}

/// The first rows of the synthetic set.
fn make(draw: &SampleArgs) -> Result<String, CliError> {
    if draw.resample || draw.targets.is_some() {
        let what = "the synthetic set is made and not drawn from";
        return Err(refused(what, "leave out --resample and --targets; it has targets of its own"));
    }
    let (rows, dim) = (draw.rows.unwrap_or(SYNTHETIC.0), draw.dim.unwrap_or(SYNTHETIC.1));
    write(&draw.out, draw.written, ElementType::F64, &[rows, dim], |i, row| {
        synthetic::input_row(draw.seed, i as u64, row);
    })?;
    let written = format!("{}: {} x {dim}\n", draw.out.display(), thousands(rows as u64));
    Ok(written
        + &write_targets(draw, ElementType::F64, rows, |i, row| row[0] = synthetic::target(draw.seed, i as u64))?)
}

/// Writes the targets if that is asked for.
fn write_targets(
    draw: &SampleArgs,
    element: ElementType,
    rows: usize,
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<String, CliError> {
    let Some(out) = &draw.targets_out else { return Ok(String::new()) };
    // The type that was asked for is that of the samples.
    write(out, WrittenArgs { element: None, ..draw.written }, element, &[rows], fill)?;
    Ok(format!("{}: {} targets\n", out.display(), thousands(rows as u64)))
}

/// Which rows are drawn, in order: row i of the sample is a function of (seed, i) if rows are put back, else the first of a
/// random order of all.
fn rows_drawn(table: &Table, rows: usize, resample: bool, seed: u64) -> Result<Vec<u32>, CliError> {
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
        let what = format!("{asked} rows were asked for, and {} has {there}", table.path().display());
        return Err(refused(&what, "draw fewer (--rows), or put each back before the next is drawn (--resample)"));
    }
    let mut drawn = shuffled(stream.row(0), table.rows());
    drawn.truncate(rows);
    Ok(drawn)
}

fn refused(what: &str, advice: &str) -> CliError {
    CliError::BadInput(anyhow::anyhow!("{what}").hint(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

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
