//! The measurements below the machine's limits: GFLOP/s over flops per byte, both on log scales.
//!
//! A pass cannot be faster than the peak of multiply-adds, nor than its operands come from memory: the roof. It can be
//! above the slope where its operands stay in cache from one run to the next. A second slope shows what reads alone can
//! have, where memory gives more to those who read and write at once.
//!
//! A machine that is shared does not keep its speed, so that the peak is measured again beside every pass. A point
//! stands at the share of that peak that the table has, below the roof at the median of the peaks: no turn of speed
//! between the two puts a pass above a peak that it has not reached.

use std::collections::{BTreeMap, BTreeSet};

use memorize_benches::median;
use memorize_benches::report::{BenchReport, Measurement};
use memorize_run::units::number;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use crate::plot::Drawing;
use crate::plot::axis::LogAxis;
use crate::plot::canvas::{Frame, INK, LEGEND, MARKER, Marker, Outcome, Pen, QUIET_INK, Shape, TEXT_SIZE};
use crate::plot::labels::{Labels, Rect, along};

const FRAME: Frame = Frame::BELOW_A_LEGEND;
/// Room around the points, in decades: below the peak's name, and for labels at the sides.
const ABOVE: f64 = 0.2;
const BESIDE: f64 = 0.25;

/// Side of the square around a marker that labels keep out of.
const CLEAR: f64 = 2.0 * MARKER + 6.0;

const ROOF: RGBColor = RGBColor(0x37, 0x41, 0x51);
const LEADER: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

/// A benchmark as a roofline plot.
pub struct Roofline<'a> {
    report: &'a BenchReport,
    x: LogAxis,
    y: LogAxis,
    points: Vec<Point>,
    groups: Vec<Group>,
    /// The peak that each kind of measurement is a share of.
    references: BTreeMap<Kind<'a>, f64>,
    /// Peaks of the types that were measured: name, log10.
    peaks: Vec<(&'a str, f64)>,
    /// log10 of what memory gives both ways at once, and of reads alone.
    bandwidth: f64,
    read_bandwidth: f64,
}

/// A measurement: log10 of flops per byte and of GFLOP/s.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: (f64, f64),
    marker: Marker,
}

/// Measurements of the same pass by different means, one above the other; they share a label.
#[derive(Clone, Debug)]
struct Group {
    label: String,
    /// Fastest first.
    points: Vec<(f64, f64)>,
}

impl<'a> Roofline<'a> {
    /// Chooses axes, markers and labels. Values without a logarithm are left out.
    pub fn of(report: &'a BenchReport) -> Self {
        let results: Vec<&Measurement> = report.results.iter().filter(|result| place(result, 1.0).is_some()).collect();
        let references = references(report, &results);
        let dtypes: BTreeSet<&str> = results.iter().map(|result| result.dtype.as_str()).collect();
        let mut points = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for result in &results {
            let Some(at) = references.get(&kind(result)).and_then(|peak| place(result, *peak)) else { continue };
            points.push(Point { at, marker: marker(result) });
            let label = label(result, report, dtypes.len() > 1);
            match groups.iter_mut().find(|group| group.label == label) {
                Some(group) => group.points.push(at),
                None => groups.push(Group { label, points: vec![at] }),
            }
        }
        groups.iter_mut().for_each(|group| group.points.sort_by(|left, right| right.1.total_cmp(&left.1)));
        let peaks: Vec<(&str, f64)> = report
            .peak_gflops
            .iter()
            .filter(|(dtype, peak)| dtypes.contains(dtype.as_str()) && peak.is_normal() && **peak > 0.0)
            .map(|(dtype, peak)| (dtype.as_str(), peak.log10()))
            .collect();
        let log = |gbs: f64| if gbs > 0.0 { gbs.log10() } else { f64::NAN };
        let [bandwidth, read_bandwidth] = [report.bandwidth_gbs, report.read_bandwidth_gbs].map(log);
        let ridges = peaks.iter().flat_map(|(_, peak)| [peak - bandwidth, peak - read_bandwidth]);
        let ridges = ridges.filter(|ridge| ridge.is_finite());
        let across = points.iter().map(|point| point.at.0).chain(ridges).flat_map(|x| [x - BESIDE, x + BESIDE]);
        let up = peaks.iter().flat_map(|(_, peak)| [peak + ABOVE, peak + ABOVE - 1.0]);
        let up = points.iter().map(|point| point.at.1).chain(up);
        let (x, y) = (LogAxis::covering(across).in_plain_numbers(), LogAxis::covering(up).in_plain_numbers());
        Self { report, x, y, points, groups, references, peaks, bandwidth, read_bandwidth }
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (FRAME.x(&self.x, x), FRAME.y(&self.y, y))
    }

    /// The corners of the roof of a peak, from the left end of the frame or its floor to its right end.
    fn roof(&self, peak: f64) -> Vec<(f64, f64)> {
        match self.slope(self.bandwidth, peak) {
            Some([foot, ridge]) => vec![foot, ridge, self.pixel((self.x.high, peak))],
            None => [self.x.low, self.x.high].map(|x| self.pixel((x, peak))).to_vec(),
        }
    }

    /// What a bandwidth allows, from the left end of the frame or its floor up to a peak.
    fn slope(&self, bandwidth: f64, peak: f64) -> Option<[(f64, f64); 2]> {
        let (start, ridge) = (self.x.low.max(self.y.low - bandwidth), peak - bandwidth);
        (ridge.is_finite() && ridge > start)
            .then(|| [(start, bandwidth + start), (ridge, peak)].map(|at| self.pixel(at)))
    }
}

impl Drawing for Roofline<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        let machine = &self.report.machine;
        let threads = if machine.threads == 1 { "thread" } else { "threads" };
        let title = format!("Roofline of {}, {} {threads}", machine.cpu, machine.threads);
        let about = "a pass stands at its share of the peak that was measured beside it";
        pen.heading(&title, &format!("memorize {}, commit {}; {about}", machine.version, machine.commit))?;
        pen.axes(&FRAME, (&self.x, "flops per byte"), (&self.y, "GFLOP/s"))?;
        if self.points.is_empty() {
            return pen.notice(&FRAME, "nothing to draw: no measurement above 0");
        }
        let markers = self.points.iter().map(|point| Rect::around(self.pixel(point.at), CLEAR, CLEAR));
        let Frame { left, top, right, bottom } = FRAME;
        let mut labels = Labels::new(Rect { left, top, right, bottom }, markers.collect());
        self.roofs(pen, &mut labels)?;
        self.groups(pen, &mut labels)?;
        for point in &self.points {
            pen.marker(point.marker, self.pixel(point.at))?;
        }
        self.legend(pen)
    }
}

impl Roofline<'_> {
    fn roofs<DB: DrawingBackend>(&self, pen: &Pen<DB>, labels: &mut Labels) -> Outcome<DB> {
        for &(_, peak) in &self.peaks {
            let roof = self.roof(peak);
            pen.line(&roof, ROOF, 2)?;
            labels.avoid_line(&roof);
        }
        for (dtype, peak) in &self.peaks {
            let text = format!("{dtype} peak {} GFLOP/s", number(10_f64.powf(*peak)));
            let (x, y) = self.pixel((self.x.high, *peak));
            let (width, height) = (pen.width(&text), f64::from(TEXT_SIZE));
            let at = Rect::around((x - width / 2.0 - 8.0, y - height / 2.0 - 6.0), width, height);
            labels.take(at);
            pen.text(&text, at.middle(), ROOF, (HPos::Center, VPos::Center))?;
        }
        let Some(&(_, peak)) = self.peaks.last() else { return Ok(()) };
        let highest = self.peaks.iter().map(|(_, peak)| *peak).fold(peak, f64::max);
        if let Some(slope) = self.slope(self.read_bandwidth, highest) {
            pen.line(&slope, ROOF, 1)?;
            labels.avoid_line(&slope);
            let text = format!("reads alone {} GB/s", number(self.report.read_bandwidth_gbs));
            self.along_slope(pen, labels, slope, &text)?;
        }
        let Some(slope) = self.slope(self.bandwidth, peak) else { return Ok(()) };
        self.along_slope(pen, labels, slope, &format!("memory {} GB/s", number(self.report.bandwidth_gbs)))
    }

    /// A bandwidth's name beside its slope.
    fn along_slope<DB: DrawingBackend>(
        &self,
        pen: &Pen<DB>,
        labels: &mut Labels,
        [foot, ridge]: [(f64, f64); 2],
        text: &str,
    ) -> Outcome<DB> {
        let middle = ((foot.0 + ridge.0) / 2.0, (foot.1 + ridge.1) / 2.0);
        let (_, at) = labels.place(&[middle], 16.0, (pen.width(text), f64::from(TEXT_SIZE)));
        pen.text(text, at.middle(), ROOF, (HPos::Center, VPos::Center))
    }

    /// Labels beside the points of each group or the line through them, with a line to it where they stand apart.
    fn groups<DB: DrawingBackend>(&self, pen: &Pen<DB>, labels: &mut Labels) -> Outcome<DB> {
        let pixels = |group: &Group| group.points.iter().map(|&point| self.pixel(point)).collect();
        let lines: Vec<Vec<(f64, f64)>> = self.groups.iter().map(pixels).collect();
        for line in &lines {
            pen.line(line, LEADER, 1)?;
            labels.avoid_line(line);
        }
        let mut placed = Vec::new();
        for (group, line) in self.groups.iter().zip(&lines) {
            let size = (pen.width(&group.label), f64::from(TEXT_SIZE));
            let anchors: Vec<(f64, f64)> = line.iter().copied().chain(along(line)).collect();
            let (at, text) = labels.place(&anchors, MARKER + 5.0, size);
            let near = text.nearest(at);
            if (near.0 - at.0).hypot(near.1 - at.1) > 2.0 * MARKER + 5.0 {
                pen.line(&[at, near], LEADER, 1)?;
                labels.avoid_line(&[at, near]);
            }
            placed.push((&group.label, text));
        }
        for (label, at) in placed {
            pen.blank(at)?;
            pen.text(label, at.middle(), INK, (HPos::Center, VPos::Center))?;
        }
        Ok(())
    }

    /// What a marker stands for: the backend, with the instruction set where it is ours to choose, and its peak where
    /// that is not one of the roofs.
    fn means(&self, result: &Measurement) -> String {
        let Measurement { backend, isa, .. } = result;
        if backend != "native" {
            return backend.clone();
        }
        if *isa == self.report.machine.isa {
            return format!("{backend} {isa}");
        }
        let own = self.references.iter().filter(|((of, ..), _)| of == isa);
        let most = own.clone().map(|((.., threads), _)| *threads).max();
        let peaks: Vec<String> = own
            .filter(|((.., threads), _)| Some(*threads) == most)
            .map(|((_, dtype, _), peak)| format!("{dtype} {}", number(*peak)))
            .collect();
        format!("{backend} {isa} (peak {})", peaks.join(", "))
    }

    /// A row of the markers that occur.
    fn legend<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        let mut entries: Vec<(Marker, String)> = Vec::new();
        for result in &self.report.results {
            let (marker, means) = (marker(result), self.means(result));
            if !entries.iter().any(|(_, other)| *other == means) {
                entries.push((Marker { filling: marker.colour, ..marker }, means));
            }
        }
        if self.peaks.len() > 1 {
            let neutral = Marker { shape: Shape::Circle, colour: QUIET_INK, filling: QUIET_INK };
            entries.push((neutral, "f32".to_owned()));
            entries.push((Marker { filling: WHITE, ..neutral }, "f64".to_owned()));
        }
        let mut x = FRAME.left + MARKER;
        for (marker, text) in entries {
            pen.marker(marker, (x, LEGEND))?;
            pen.text(&text, (x + 16.0, LEGEND), INK, (HPos::Left, VPos::Center))?;
            x += 16.0 + pen.width(&text) + 32.0;
        }
        Ok(())
    }
}

/// Identifies a peak: instruction set, type, threads.
type Kind<'a> = (&'a str, &'a str, usize);

fn kind(result: &Measurement) -> Kind<'_> {
    (&result.isa, &result.dtype, result.threads)
}

/// The peak of each kind of measurement: the report's own where it has one, else the median of those beside the passes.
fn references<'a>(report: &'a BenchReport, results: &[&'a Measurement]) -> BTreeMap<Kind<'a>, f64> {
    let mut peaks: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
    for result in results {
        peaks.entry(kind(result)).or_default().push(result.gflops / result.fraction_of_peak);
    }
    let reference = |(kind, mut peaks): (Kind<'a>, Vec<f64>)| {
        let whole_machine = kind.0 == report.machine.isa && kind.2 == report.machine.threads;
        let known = report.peak_gflops.get(kind.1).filter(|peak| whole_machine && **peak > 0.0);
        (kind, known.copied().unwrap_or_else(|| median(&mut peaks)))
    };
    peaks.into_iter().map(reference).collect()
}

/// log10 of flops per byte and of the share of this peak, in GFLOP/s; none unless both are numbers above zero.
fn place(result: &Measurement, peak: f64) -> Option<(f64, f64)> {
    let at = ((result.gflops / result.gbs).log10(), (result.fraction_of_peak * peak).log10());
    (at.0.is_finite() && at.1.is_finite() && result.gflops > 0.0).then_some(at)
}

/// Identifies a measurement: the pass, and its type and threads where they are not the same for all.
fn label(result: &Measurement, report: &BenchReport, several_types: bool) -> String {
    let Measurement { pass, dtype, threads, .. } = result;
    let mut label = pass.clone();
    if several_types {
        label.push_str(&format!(" {dtype}"));
    }
    if *threads != report.machine.threads {
        label.push_str(&format!(" ({threads} thread{})", if *threads == 1 { "" } else { "s" }));
    }
    label
}

fn marker(result: &Measurement) -> Marker {
    let (shape, colour) = match (result.backend.as_str(), result.isa.as_str()) {
        ("native", "avx512") => (Shape::Circle, RGBColor(0x14, 0x5d, 0xb8)),
        ("native", "avx2" | "neon") => (Shape::Square, RGBColor(0x1b, 0x8a, 0x7a)),
        ("native", _) => (Shape::Diamond, RGBColor(0x7d, 0x87, 0x94)),
        ("matrixmultiply", _) => (Shape::Triangle, RGBColor(0xd3, 0x6b, 0x12)),
        _ => (Shape::Wedge, RGBColor(0x8b, 0x45, 0xb5)),
    };
    Marker { shape, colour, filling: if result.dtype == "f64" { WHITE } else { colour } }
}

#[cfg(test)]
mod tests;
