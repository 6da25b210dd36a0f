//! A training curve thinned to what a picture can show: the lowest and the highest record of each group of neighbours.
//!
//! Records are taken one at a time and the memory is bounded: when there are too many groups, neighbours are merged and
//! the groups to come are twice as large. No peak is lost, however long the run.

use memorize_run::run_folder::{Record, SMOOTHING};
use memorize_run::units::thousands;

/// Groups that a trace is thinned to, about one for each pixel of a picture.
pub const GROUPS: usize = 1000;

/// Changes of the step size that are kept.
const MOST_RATES: usize = 64;

/// A record that is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Steps done.
    pub iteration: u64,
    /// The loss, finite and above 0.
    pub loss: f64,
}

/// The part of a run's records that a picture shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The loss of every record, thinned.
    pub raw: Vec<Point>,
    /// The moving mean, thinned; at the start it is one of fewer than [`SMOOTHING`] records.
    pub smooth: Vec<Point>,
    /// Iteration of the first record that is in a mean of [`SMOOTHING`].
    pub mean_from: u64,
    /// Records there were.
    pub records: u64,
    /// Records whose loss has no place on a log scale: zero, negative or not finite.
    pub off_scale: u64,
    /// Iteration of the last record.
    pub last_iteration: u64,
    /// The step size from each iteration on at which it changed; the first changes if there are very many.
    pub rates: Vec<(u64, f64)>,
}

impl Trace {
    /// The trace of records in order.
    pub fn of(records: &[Record]) -> Self {
        let mut tracer = Tracer::default();
        records.iter().for_each(|record| tracer.push(record));
        tracer.finish()
    }

    /// The part of the moving mean that is one of [`SMOOTHING`] records, and drawn. Before it the mean falls with the
    /// number of its records alone, as the start weighs less and less: a line through both parts has a kink.
    pub fn mean(&self) -> &[Point] {
        &self.smooth[self.smooth.partition_point(|point| point.iteration < self.mean_from)..]
    }

    /// What is drawn of a run that has one line: the moving mean, or the records of a run too short to have one.
    pub fn line(&self) -> &[Point] {
        if self.mean().is_empty() { &self.raw } else { self.mean() }
    }

    /// What [`Trace::line`] is.
    pub fn line_name(&self) -> String {
        if self.mean().is_empty() { "every record".to_owned() } else { format!("mean of {SMOOTHING} records") }
    }

    /// What a log scale cannot show of the records, in words; none if it shows them all.
    pub fn not_drawn(&self) -> Option<String> {
        let records = if self.off_scale == 1 { "record" } else { "records" };
        let count = || format!("{} {records} at 0 or not finite: not drawn", thousands(self.off_scale));
        (self.off_scale > 0).then(count)
    }

    /// The moving mean where a part of the iterations between 0 and 1 was done; none if nothing can be drawn there.
    pub fn smoothed_at(&self, part: f64) -> Option<f64> {
        let iteration = (part * self.last_iteration as f64) as u64;
        let after = self.smooth.partition_point(|point| point.iteration <= iteration);
        self.smooth.get(after.saturating_sub(1)).map(|point| point.loss)
    }
}

/// Makes a trace of records as they come.
#[derive(Debug)]
pub struct Tracer {
    raw: Thinner,
    smooth: Thinner,
    trace: Trace,
}

impl Default for Tracer {
    fn default() -> Self {
        let trace = Trace { mean_from: u64::MAX, ..Trace::default() };
        Self { raw: Thinner::new(GROUPS), smooth: Thinner::new(GROUPS), trace }
    }
}

impl Tracer {
    /// Takes the next record.
    pub fn push(&mut self, record: &Record) {
        let Record { iteration, loss, smoothed_loss, learning_rate, .. } = *record;
        let trace = &mut self.trace;
        trace.records += 1;
        trace.off_scale += u64::from(!is_drawable(loss));
        trace.last_iteration = iteration;
        if trace.rates.last().is_none_or(|&(_, rate)| rate != learning_rate) && trace.rates.len() < MOST_RATES {
            trace.rates.push((iteration, learning_rate));
        }
        if trace.records == SMOOTHING as u64 {
            trace.mean_from = iteration;
        }
        for (thinner, loss) in [(&mut self.raw, loss), (&mut self.smooth, smoothed_loss)] {
            if is_drawable(loss) {
                thinner.push(Point { iteration, loss });
            }
        }
    }

    /// The trace of what was taken.
    pub fn finish(self) -> Trace {
        Trace { raw: self.raw.finish(), smooth: self.smooth.finish(), ..self.trace }
    }
}

/// Whether a loss has a place on a log scale.
fn is_drawable(loss: f64) -> bool {
    loss.is_finite() && loss > 0.0
}

/// Points thinned to at most `groups` groups, two points a group, both ends kept; all of them if they are few.
pub fn thin(points: &[Point], groups: usize) -> Vec<Point> {
    let mut thinner = Thinner::new(groups);
    points.iter().for_each(|&point| thinner.push(point));
    thinner.finish()
}

#[derive(Clone, Copy, Debug)]
struct Group {
    members: u64,
    low: Point,
    high: Point,
}

#[derive(Debug)]
struct Thinner {
    most: usize,
    /// Members of a full group.
    size: u64,
    groups: Vec<Group>,
    ends: Option<(Point, Point)>,
}

impl Thinner {
    fn new(most: usize) -> Self {
        // Groups are merged in pairs, and a group of two points loses none.
        Self { most: most.max(2).next_multiple_of(2), size: 2, groups: Vec::new(), ends: None }
    }

    fn push(&mut self, point: Point) {
        self.ends = Some((self.ends.map_or(point, |(first, _)| first), point));
        let alone = Group { members: 1, low: point, high: point };
        match self.groups.last_mut() {
            Some(last) if last.members < self.size => *last = last.with(&alone),
            _ => {
                if self.groups.len() == self.most {
                    self.groups = self.groups.chunks(2).map(|pair| pair[0].with(&pair[1])).collect();
                    self.size *= 2;
                }
                self.groups.push(alone);
            }
        }
    }

    fn finish(self) -> Vec<Point> {
        let Some((first, last)) = self.ends else { return Vec::new() };
        let mut points = vec![first];
        for Group { low, high, .. } in self.groups {
            let (earlier, later) = if low.iteration <= high.iteration { (low, high) } else { (high, low) };
            points.extend([earlier, later]);
        }
        points.push(last);
        points.dedup();
        points
    }
}

impl Group {
    fn with(&self, later: &Self) -> Self {
        Self {
            members: self.members + later.members,
            low: if later.low.loss < self.low.loss { later.low } else { self.low },
            // Of equals the later one, so that a level line keeps both its points.
            high: if later.high.loss >= self.high.loss { later.high } else { self.high },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: u64, loss: impl Fn(u64) -> f64) -> Vec<Point> {
        (0..count).map(|iteration| Point { iteration, loss: loss(iteration) }).collect()
    }

    #[test]
    fn thinning_keeps_ends_and_extremes_in_order() {
        let mut all = points(100_000, |_| 1.0);
        all[70_001].loss = 9.0;
        all[70_002].loss = 0.1;
        let thinned = thin(&all, 100);
        assert!(thinned.len() <= 202, "{}", thinned.len());
        assert_eq!((thinned.first(), thinned.last()), (all.first(), all.last()));
        assert!(thinned.contains(&all[70_001]) && thinned.contains(&all[70_002]));
        assert!(thinned.is_sorted_by_key(|point| point.iteration));
    }

    #[test]
    fn few_points_are_all_kept() {
        for count in [0, 1, 2, 3, 150, 199, 200] {
            let all = points(count, |i| 1.0 + (i * 7 % 13) as f64);
            assert_eq!(thin(&all, 100), all);
        }
    }

    #[test]
    fn every_length_fits_and_keeps_at_least_half_of_the_groups() {
        for count in [201, 399, 400, 401, 1234, 51_201] {
            let thinned = thin(&points(count, |i| 1.0 + (i * 7919 % 1013) as f64), 100);
            assert!((100..=202).contains(&thinned.len()), "{count}: {}", thinned.len());
        }
    }

    #[test]
    fn a_trace_leaves_out_what_a_log_scale_cannot_show_and_counts_it() {
        let record = |iteration, loss| Record {
            iteration,
            epoch: 0.0,
            loss,
            smoothed_loss: 0.5,
            learning_rate: if iteration < 15 { 0.1 } else { 0.01 },
            seconds: 0.0,
        };
        let losses = [1.0, 0.0, f64::NAN, f64::INFINITY, -1.0, 0.25];
        let records: Vec<Record> = losses.into_iter().zip(0..).map(|(loss, i)| record(5 * i, loss)).collect();
        let trace = Trace::of(&records);
        assert_eq!(trace.raw, [Point { iteration: 0, loss: 1.0 }, Point { iteration: 25, loss: 0.25 }]);
        assert_eq!((trace.records, trace.off_scale, trace.last_iteration, trace.smooth.len()), (6, 4, 25, 6));
        assert!(trace.mean().is_empty());
        assert_eq!(trace.not_drawn().unwrap(), "4 records at 0 or not finite: not drawn");
        assert_eq!(Trace::default().not_drawn(), None);
        assert_eq!(trace.rates, [(0, 0.1), (15, 0.01)]);
    }

    #[test]
    fn a_mean_is_drawn_from_where_it_is_one_of_twenty() {
        let mut smoother = memorize_run::run_folder::Smoother::default();
        // Falls by the same factor from record to record: on a log scale its mean has to be a straight line, too.
        let records: Vec<Record> = (0..60)
            .map(|i| {
                let loss = 0.5_f64.powi(i);
                let smoothed_loss = smoother.push(loss);
                let iteration = 5 * i as u64;
                Record { iteration, epoch: 0.0, loss, smoothed_loss, learning_rate: 0.1, seconds: 0.0 }
            })
            .collect();
        let trace = Trace::of(&records);
        assert_eq!(trace.mean().first(), Some(&Point { iteration: 95, loss: records[19].smoothed_loss }));
        assert_eq!((trace.mean().len(), trace.smooth.len(), trace.raw.len()), (41, 60, 60));
        for pair in trace.mean().windows(2) {
            assert!((pair[1].loss / pair[0].loss - 0.5).abs() < 1e-12, "a kink at {}", pair[1].iteration);
        }
        assert_eq!((trace.line(), trace.line_name().as_str()), (trace.mean(), "mean of 20 records"));
        let short = Trace::of(&records[..19]);
        assert_eq!((short.line(), short.line_name().as_str()), (&short.raw[..], "every record"));
        assert!(short.mean().is_empty());
    }

    #[test]
    fn the_moving_mean_is_found_at_a_part_of_the_run() {
        let trace = Trace { smooth: points(101, |i| 1.0 + i as f64), last_iteration: 100, ..Trace::default() };
        assert_eq!([0.0, 0.334, 1.0].map(|part| trace.smoothed_at(part)), [Some(1.0), Some(34.0), Some(101.0)]);
        assert_eq!(Trace::default().smoothed_at(0.5), None);
    }
}
