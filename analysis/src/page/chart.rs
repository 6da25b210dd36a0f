//! A chart as it stands in the page: the pictures' own drawing, in parts that the script moves, and the numbers that it
//! shows beside them.

use memorize_run::units::number;
use serde::Serialize;

use crate::found::FoundRun;
use crate::plot::axis::{LinearAxis, LogAxis};
use crate::plot::canvas::{AxesPart, Frame, Sheet};
use crate::plot::line_style::{COLOURS, LineStyle};
use crate::plot::{self, FINER, PlotError, chart};
use crate::trace::{Point, Trace, thin};

/// The size that a chart is drawn in. The page shows it as wide as there is room; its letters keep their size.
const SHEET: Sheet = Sheet { width: 760, letters: 12 };
const HEIGHT: f64 = 430.0;
const FRAME: Frame = Frame { left: 70.0, right: 734.0, top: 12.0, bottom: 374.0 };

/// Groups of records that a line of a run's own chart is thinned to, and the numbers of the script.
const GROUPS: usize = 240;
/// As [`GROUPS`], for a line among those of other runs.
const GROUPS_AMONG_OTHERS: usize = 120;
/// Of several runs those are off from the start that have fewer iterations than the longest one divided by this:
/// nothing of them could be seen, and their losses might be far from all others.
const TOO_SHORT: u64 = 20;

/// A chart of one run or of several.
pub(super) struct Chart {
    pub id: String,
    pub label: String,
    /// Whether every record is shown from the start, and not the mean alone.
    pub with_records: bool,
    /// Left, top, width and height in the units of the drawing, as the next two are.
    pub view_box: String,
    /// Left, top, right and bottom of the frame.
    pub frame: String,
    /// The frame as a path.
    pub outline: String,
    /// First and last iteration, lowest and highest log10 of the loss.
    pub domain: String,
    pub axes: Vec<Part>,
    pub lines: Vec<Line>,
}

/// A part of the axes.
pub(super) struct Part {
    pub class: &'static str,
    /// Where it is on its axis; none of the axes themselves.
    pub at: Option<f64>,
    pub svg: String,
}

/// One run's curve.
pub(super) struct Line {
    /// Its place among the runs of the page.
    pub run: usize,
    /// Its colour among those of the style sheet.
    pub colour: usize,
    /// Its dashes as SVG has them.
    pub dashes: String,
    /// Whether it is there from the start.
    pub shown: bool,
    pub name: String,
    /// What the run came to.
    pub end: String,
    /// Every record.
    pub records: String,
    /// The mean of them, or every record of a run too short to have one.
    pub line: String,
}

/// What a chart has of a run.
struct Drawn<'a> {
    place: usize,
    run: &'a FoundRun,
    trace: &'a Trace,
    shown: bool,
}

impl Chart {
    /// The chart of one run, with its place in the page: every record and their mean; none without a curve. A single
    /// line is solid, and it has the colour that it has among the others.
    pub(super) fn of_one(place: usize, run: &FoundRun) -> Result<Option<Self>, PlotError> {
        let label = format!("Loss of {} over the iterations", run.name);
        let Some(mut chart) = Self::of(format!("chart-{place}"), label, &[(place, run)], true)? else {
            return Ok(None);
        };
        let name = run.trace.as_ref().map(Trace::line_name).unwrap_or_default();
        chart.lines.iter_mut().for_each(|line| (line.name, line.dashes) = (name.clone(), "none".to_owned()));
        Ok(Some(chart))
    }

    /// The means of all runs in one chart; none unless two have a curve.
    pub(super) fn of_all(runs: &[FoundRun]) -> Result<Option<Self>, PlotError> {
        let runs: Vec<(usize, &FoundRun)> = runs.iter().enumerate().collect();
        let chart = Self::of("chart-all".to_owned(), "Loss of all runs over the iterations".to_owned(), &runs, false)?;
        Ok(chart.filter(|chart| chart.lines.len() > 1))
    }

    fn of(
        id: String,
        label: String,
        runs: &[(usize, &FoundRun)],
        with_records: bool,
    ) -> Result<Option<Self>, PlotError> {
        let traced = runs.iter().filter_map(|&(place, run)| Some((place, run, run.trace.as_ref()?)));
        let traced: Vec<_> = traced.filter(|(.., trace)| !trace.line().is_empty()).collect();
        let Some(longest) = traced.iter().map(|(.., trace)| trace.last_iteration).max() else { return Ok(None) };
        let drawn: Vec<Drawn> = traced
            .into_iter()
            .map(|(place, run, trace)| Drawn { place, run, trace, shown: trace.last_iteration >= longest / TOO_SHORT })
            .collect();
        let seen = drawn.iter().filter(|drawn| drawn.shown).flat_map(|drawn| {
            let records: &[Point] = if with_records { &drawn.trace.raw } else { &[] };
            records.iter().chain(drawn.trace.line()).map(|point| point.loss.log10())
        });
        let (x, y) = (LinearAxis::up_to(longest), LogAxis::covering(seen));
        let domain = format!("{} {} {} {}", x.low, x.high, y.low, y.high);
        // The lines are drawn one at a time.
        let axes = chart::Chart { x, y, lines: Vec::new() };
        let groups = if with_records { GROUPS } else { GROUPS_AMONG_OTHERS };
        let lines = drawn.iter().map(|drawn| Line::of(drawn, &axes, groups)).collect::<Result<_, _>>()?;
        let Frame { left, right, top, bottom } = FRAME;
        let [left, right, top, bottom, width, height] =
            [left, right, top, bottom, f64::from(SHEET.width), HEIGHT].map(|length| length * f64::from(FINER));
        Ok(Some(Self {
            id,
            label,
            with_records,
            view_box: format!("0 0 {width} {height}"),
            frame: format!("{left} {top} {right} {bottom}"),
            outline: format!("M{left} {top}H{right}V{bottom}H{left}Z"),
            domain,
            axes: axes.axes().map(|part| Part::of(part, &axes)).collect::<Result<_, _>>()?,
            lines,
        }))
    }
}

impl Part {
    fn of(part: AxesPart, chart: &chart::Chart) -> Result<Self, PlotError> {
        let (class, at) = match part {
            AxesPart::MinorX(tick) => ("minor x", Some(tick.at)),
            AxesPart::MinorY(tick) => ("minor y", Some(tick.at)),
            AxesPart::X(tick) => ("tick x", Some(tick.at)),
            AxesPart::Y(tick) => ("tick y", Some(tick.at)),
            AxesPart::Outline => ("outline", None),
        };
        let svg = plot::elements(SHEET, |pen| chart.draw_axes_part(pen, &FRAME, part))?;
        Ok(Self { class, at, svg })
    }
}

impl Line {
    fn of(drawn: &Drawn, chart: &chart::Chart, groups: usize) -> Result<Self, PlotError> {
        let &Drawn { place, run, trace, shown } = drawn;
        let style = LineStyle::of(place);
        // The style sheet has the colours, also for a dark background, and dashes that zooming leaves as they are.
        let line = |points: &[Point]| {
            let line = chart::Line::through(&thin(points, groups), LineStyle::solid(style.colour), 2);
            plot::elements(SHEET, |pen| line.draw(pen, &FRAME, chart))
        };
        Ok(Self {
            run: place,
            colour: place % COLOURS.len(),
            dashes: style.dash_array(),
            shown,
            name: run.name.clone(),
            end: end(run),
            records: line(&trace.raw)?,
            line: line(trace.line())?,
        })
    }
}

/// The result of a run: the same f(W) as in the tables. Without a summary it is the end of its line.
pub(super) fn end(run: &FoundRun) -> String {
    let loss = run.summary.as_ref().map(|summary| summary.train_loss).filter(|loss| loss.is_finite());
    let last = || run.trace.as_ref().and_then(|trace| trace.line().last());
    match loss {
        Some(loss) => format!("f(W) = {}", number(loss)),
        None => last().map(|point| format!("last {}", number(point.loss))).unwrap_or_default(),
    }
}

/// What the script knows of a run.
#[derive(Serialize)]
struct Data<'a> {
    name: &'a str,
    last: u64,
    /// Epochs an iteration.
    epoch: Option<f64>,
    /// Name of the line: `mean of 20 records`, or `every record`.
    line: String,
    mean: (Vec<u64>, Vec<f64>),
    records: (Vec<u64>, Vec<f64>),
    rates: Vec<(u64, f64)>,
}

/// The runs for the script, as JSON that is safe within a `script` element.
pub(super) fn data(runs: &[FoundRun]) -> String {
    let data = runs.iter().map(|run| {
        let empty = Trace::default();
        let trace = run.trace.as_ref().unwrap_or(&empty);
        let summary = run.summary.as_ref();
        let epoch = summary.map(|summary| summary.epochs / summary.iterations as f64);
        Data {
            name: &run.name,
            last: trace.last_iteration,
            epoch: epoch.filter(|epoch| epoch.is_finite()),
            line: trace.line_name(),
            mean: columns(trace.line()),
            records: columns(&trace.raw),
            rates: trace.rates.clone(),
        }
    });
    let text = serde_json::to_string(&data.collect::<Vec<_>>()).expect("structs with string keys are always JSON");
    // Nothing in a string can end the element or begin a comment.
    text.replace('<', "\\u003c")
}

fn columns(points: &[Point]) -> (Vec<u64>, Vec<f64>) {
    thin(points, GROUPS).into_iter().map(|point| (point.iteration, rounded(point.loss))).unzip()
}

/// To four digits, which is more than the page shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
