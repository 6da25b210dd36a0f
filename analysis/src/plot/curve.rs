//! The training curve as the paper draws it: loss on a log scale, every record faint, their moving mean in front.

use memorize_data::Shown;
use memorize_run::error::Error;
use memorize_run::events;
use memorize_run::run_folder::{CURVE_PNG, CURVE_SVG, SMOOTHING};
use memorize_run::units::number;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Frame, INK, LEGEND, Outcome, Pen, QUIET_INK, SAMPLE};
use super::chart::{Chart, Line};
use super::line_style::LineStyle;
use super::{Drawing, PlotError, png, svg};
use crate::trace::Trace;

const RAW: RGBColor = RGBColor(0xb9, 0xd4, 0xf1);
const SMOOTH: RGBColor = RGBColor(0x14, 0x5d, 0xb8);

const FRAME: Frame = Frame::BELOW_A_LEGEND;
/// Room between a sample and its name.
const LEGEND_GAP: f64 = 12.0;
/// Room between two entries of the legend.
const LEGEND_SPACE: f64 = 30.0;

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// First line, such as the run's name.
    pub title: &'a str,
    /// Second line, such as the sizes and the optimiser. SVG viewers draw several spaces as one.
    pub subtitle: &'a str,
    /// f(W) over the whole training set at the end; absent = not known.
    pub loss: Option<f64>,
    /// The records as they are drawn.
    pub trace: &'a Trace,
}

/// Both pictures.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Vector graphics.
    pub svg: String,
    /// An image of [`super::WIDTH`] x [`super::HEIGHT`] pixels.
    pub png: Vec<u8>,
}

/// Draws the curve that a run leaves in its folder: `curve.svg` and `curve.png`.
///
/// # Errors
/// If drawing fails; the run itself is none the worse for it.
pub fn of_run(run: &events::Curve<'_>) -> Result<events::Pictures, Error> {
    let title = run.name.shown().to_string();
    let subtitle = run.paper.map(|paper| format!("the paper: {paper}")).unwrap_or_default();
    let trace = Trace::of(run.records);
    let curve = Curve { title: &title, subtitle: &subtitle, loss: run.loss, trace: &trace };
    let pictures = render(&curve).map_err(Error::run_failed)?;
    Ok(vec![(CURVE_SVG, pictures.svg.into_bytes()), (CURVE_PNG, pictures.png)])
}

/// Draws a curve in memory.
///
/// # Errors
/// If the drawing library or the PNG encoder fails. No data is no error: without records the picture says so.
pub fn render(curve: &Curve) -> Result<Pictures, PlotError> {
    let scene = Scene::of(curve);
    Ok(Pictures { svg: svg(&scene)?, png: png(&scene)? })
}

/// A curve with its axes chosen.
struct Scene<'a> {
    curve: Curve<'a>,
    /// Every record and the moving mean, in this order.
    chart: Chart,
}

impl<'a> Scene<'a> {
    /// Chooses axes for a curve.
    fn of(curve: &Curve<'a>) -> Self {
        let (records, mean) = (&curve.trace.raw, curve.trace.mean());
        // Faint behind the mean, not faint alone.
        let (colour, thickness) = if mean.is_empty() { (SMOOTH, 2) } else { (RAW, 1) };
        let lines = vec![
            Line::through(records, LineStyle::solid(colour), thickness),
            Line::through(mean, LineStyle::solid(SMOOTH), 3),
        ];
        Self { curve: *curve, chart: Chart::of(curve.trace.last_iteration, lines) }
    }
}

impl Drawing for Scene<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        pen.heading(self.curve.title, self.curve.subtitle)?;
        self.chart.draw(pen, &FRAME)?;
        legend(pen, self)
    }
}

/// Names the lines that there are, in a row above the frame, where no curve is; and says what no line shows.
fn legend<DB: DrawingBackend>(pen: &Pen<DB>, scene: &Scene) -> Outcome<DB> {
    let mut x = FRAME.left;
    let mean = format!("mean of {SMOOTHING} records");
    let lines = scene.chart.lines.iter().zip(["every record", mean.as_str()]);
    for (line, text) in lines.filter(|(line, _)| !line.points.is_empty()) {
        // One pixel is enough for a line that is long.
        pen.styled(&[(x, LEGEND), (x + SAMPLE, LEGEND)], &line.style, line.thickness.max(2))?;
        x += SAMPLE + LEGEND_GAP;
        pen.text(text, (x, LEGEND), INK, (HPos::Left, VPos::Center))?;
        x += pen.width(text) + LEGEND_SPACE;
    }
    // Not the last value of a line: it is of a batch, or a mean that lags behind.
    let end = scene.curve.loss.map(|loss| (format!("at the end f(W) = {}", number(loss)), INK));
    let left_out = scene.curve.trace.not_drawn().map(|text| (text, QUIET_INK));
    for (text, colour) in end.into_iter().chain(left_out) {
        pen.text(&text, (x, LEGEND), colour, (HPos::Left, VPos::Center))?;
        x += pen.width(&text) + LEGEND_SPACE;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
