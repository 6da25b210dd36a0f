//! A chart as it stands in the page before its script runs, and the data that the script draws it from again.

use memorize_run::units::number;
use serde::Serialize;

use crate::found::FoundRun;
use crate::plot::axis::{Axis, LinearAxis, LogAxis};
use crate::plot::line_style::LineStyle;
use crate::trace::{Point, Trace, thin};

/// Width of a static chart; a picture fills the room it is given, whatever its own numbers.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 44.0;

/// Groups of records that a static line is thinned to: about one for each three pixels.
const STATIC_GROUPS: usize = 240;
/// Groups of records that the script gets, to zoom into.
const DATA_GROUPS: usize = 500;
/// Of several runs those are off from the start that have fewer iterations than the longest one divided by this:
/// nothing of them could be seen, and their losses might be far from all others.
const TOO_SHORT: u64 = 20;
/// Width of a digit or a comma of a label, about.
const DIGIT: f64 = 7.0;

/// A chart of one run or of several.
pub(super) struct Chart {
    pub id: String,
    pub label: String,
    pub raw: bool,
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub middle: f64,
    pub minor: Vec<String>,
    pub ticks: Vec<TickMark>,
    pub lines: Vec<Line>,
}

/// A line of the grid and its label.
pub(super) struct TickMark {
    pub line: String,
    pub x: String,
    pub y: String,
    pub anchor: &'static str,
    pub label: String,
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
    pub raw: String,
    pub smooth: String,
}

impl Chart {
    /// The chart of one run, with its place in the page: every record and their mean; none without a curve. A single
    /// line is solid, and it has the colour that it has among the others.
    pub(super) fn of_one(place: usize, run: &FoundRun) -> Option<Self> {
        let label = format!("Loss of {} over the iterations", run.name);
        let mut chart = Self::of(format!("chart-{place}"), label, &[(place, run)], true)?;
        let name = run.trace.as_ref().map(Trace::line_name).unwrap_or_default();
        chart.lines.iter_mut().for_each(|line| (line.name, line.dashes) = (name.clone(), "none".to_owned()));
        Some(chart)
    }

    /// The means of all runs in one chart; none unless two have a curve.
    pub(super) fn of_all(runs: &[FoundRun]) -> Option<Self> {
        let runs: Vec<(usize, &FoundRun)> = runs.iter().enumerate().collect();
        let chart = Self::of("chart-all".to_owned(), "Loss of all runs over the iterations".to_owned(), &runs, false);
        chart.filter(|chart| chart.lines.len() > 1)
    }

    fn of(id: String, label: String, runs: &[(usize, &FoundRun)], raw: bool) -> Option<Self> {
        let drawn = runs.iter().filter_map(|(i, run)| Some((*i, *run, run.trace.as_ref()?)));
        let drawn: Vec<(usize, &FoundRun, &Trace)> = drawn.filter(|(.., trace)| !trace.line().is_empty()).collect();
        if drawn.is_empty() {
            return None;
        }
        let longest = drawn.iter().map(|(.., trace)| trace.last_iteration).max().unwrap_or(0);
        let shown = |trace: &Trace| trace.last_iteration >= longest / TOO_SHORT;
        let x = LinearAxis::up_to(longest);
        let seen = |trace: &'_ Trace| {
            let raw: &[Point] = if raw { &trace.raw } else { &[] };
            raw.iter().chain(trace.line()).map(|point| point.loss.log10()).collect::<Vec<_>>()
        };
        let y = LogAxis::covering(drawn.iter().filter(|(.., trace)| shown(trace)).flat_map(|(.., trace)| seen(trace)));
        let lines = drawn.iter().map(|&(place, run, trace)| {
            let style = LineStyle::of(place);
            Line {
                run: place,
                colour: style.colour,
                dashes: style.dash_array(),
                shown: shown(trace),
                name: run.name.clone(),
                end: end(run),
                raw: if raw { path(&trace.raw, &x, &y) } else { String::new() },
                smooth: path(trace.line(), &x, &y),
            }
        });
        let lines = lines.collect();
        let horizontal = |at: f64| format!("M{LEFT} {:.1}H{}", down(&y, at), WIDTH - RIGHT);
        let mut ticks: Vec<TickMark> = Vec::new();
        for tick in y.ticks() {
            let (line, place) = (horizontal(tick.at), format!("{:.1}", down(&y, tick.at) + 4.0));
            let x = format!("{}", LEFT - 8.0);
            ticks.push(TickMark { line, x, y: place, anchor: "end", label: tick.label.clone() });
        }
        for tick in x.ticks() {
            let across = across(&x, tick.at);
            let line = format!("M{across:.1} {TOP}V{}", HEIGHT - BOTTOM);
            let place = format!("{}", HEIGHT - BOTTOM + 17.0);
            // The last one may be wider than the margin.
            let across = across.min(WIDTH - DIGIT / 2.0 * tick.label.len() as f64);
            ticks.push(TickMark {
                line,
                x: format!("{across:.1}"),
                y: place,
                anchor: "middle",
                label: tick.label.clone(),
            });
        }
        Some(Self {
            id,
            label,
            raw,
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            middle: (LEFT + WIDTH - RIGHT) / 2.0,
            minor: y.minor().iter().map(|tick| horizontal(tick.at)).collect(),
            ticks,
            lines,
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

fn across(x: &LinearAxis, value: f64) -> f64 {
    LEFT + x.place(value) * (WIDTH - LEFT - RIGHT)
}

fn down(y: &LogAxis, height: f64) -> f64 {
    HEIGHT - BOTTOM - y.place(height) * (HEIGHT - TOP - BOTTOM)
}

/// The path of a line.
fn path(points: &[Point], x: &LinearAxis, y: &LogAxis) -> String {
    let mut text = String::new();
    for point in thin(points, STATIC_GROUPS) {
        let (across, down) = (across(x, point.iteration as f64), down(y, point.loss.log10()));
        text.push_str(&format!("{}{across:.1} {down:.1}", if text.is_empty() { "M" } else { "L" }));
    }
    // A single point becomes a dot: the ends of lines are round.
    if points.len() == 1 { text + "h0" } else { text }
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
    smooth: (Vec<u64>, Vec<f64>),
    raw: (Vec<u64>, Vec<f64>),
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
            smooth: columns(trace.line()),
            raw: columns(&trace.raw),
            rates: trace.rates.clone(),
        }
    });
    let text = serde_json::to_string(&data.collect::<Vec<_>>()).expect("structs with string keys are always JSON");
    // Nothing in a string can end the element or begin a comment.
    text.replace('<', "\\u003c")
}

fn columns(points: &[Point]) -> (Vec<u64>, Vec<f64>) {
    thin(points, DATA_GROUPS).into_iter().map(|point| (point.iteration, rounded(point.loss))).unzip()
}

/// To four digits, which is more than the page shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
