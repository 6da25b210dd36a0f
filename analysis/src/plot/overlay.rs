//! The curves of several runs in one picture.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Frame, INK, Outcome, Pen, SAMPLE, TEXT_SIZE};
use super::chart::{Chart, Line};
use super::font;
use super::line_style::LineStyle;
use super::{Drawing, HEIGHT};
use crate::trace::Trace;

const FRAME: Frame = Frame::STANDARD;
/// Height of a row of the legend.
const LEGEND_LINE: f64 = 26.0;
/// Room between a sample and its name, and between the columns.
const LEGEND_GAP: f64 = 12.0;
/// Room below the legend.
const LEGEND_FOOT: f64 = 14.0;
/// Most curves that the legend names; the picture would be higher than it can be looked at.
const MOST_NAMED: usize = 96;
/// Most room for the name of a run, in pixels.
const LONGEST_NAME: f64 = 420.0;

/// A run for the picture.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its place among all runs, those without a curve counted: it decides how its line looks.
    pub place: usize,
    /// Its name.
    pub name: &'a str,
    /// What it came to, in words; may be empty.
    pub result: &'a str,
    /// What is drawn of it.
    pub trace: &'a Trace,
}

/// Several curves over each other, with a legend below them.
pub struct Overlay<'a> {
    /// First line.
    title: &'a str,
    /// Second line.
    subtitle: String,
    chart: Chart,
    legend: Legend,
}

/// The names of the curves, and in how many columns they stand.
struct Legend {
    names: Vec<String>,
    /// How their lines look; there are none for the last name if it stands for the rest.
    styles: Vec<LineStyle>,
    columns: usize,
    /// Width of a column.
    width: f64,
}

impl<'a> Overlay<'a> {
    /// The lines of runs, with their names.
    pub fn of(title: &'a str, runs: &[Named]) -> Self {
        let lines = runs.iter().map(|run| Line::through(run.trace.line(), LineStyle::of(run.place), 2));
        let last = runs.iter().map(|run| run.trace.last_iteration).max().unwrap_or(0);
        let chart = Chart::of(last, lines.collect());
        let smoothing = memorize_run::run_folder::SMOOTHING;
        let mut subtitle = format!("mean of {smoothing} records of the loss, log scale");
        if runs.iter().any(|run| run.trace.mean().is_empty()) {
            subtitle.push_str(&format!("; every record of a run with fewer than {smoothing}"));
        }
        Self { title, subtitle, chart, legend: Legend::of(runs) }
    }
}

impl Legend {
    fn of(runs: &[Named]) -> Self {
        let mut names: Vec<String> = runs
            .iter()
            .take(MOST_NAMED)
            .map(|Named { name, result, .. }| {
                let name = font::fitted(name, TEXT_SIZE, LONGEST_NAME);
                if result.is_empty() { name.into_owned() } else { format!("{name}, {result}") }
            })
            .collect();
        if runs.len() > MOST_NAMED {
            names.push(format!("and {} more, not named", runs.len() - MOST_NAMED));
        }
        let widest = names.iter().map(|name| font::width(name, TEXT_SIZE)).fold(0.0, f64::max);
        let width = SAMPLE + LEGEND_GAP + widest;
        let room = FRAME.right - FRAME.left + 2.0 * LEGEND_GAP;
        let columns = ((room / (width + 2.0 * LEGEND_GAP)) as usize).clamp(1, names.len().max(1));
        let styles = runs.iter().take(MOST_NAMED).map(|run| LineStyle::of(run.place)).collect();
        Self { names, styles, columns, width: width + 2.0 * LEGEND_GAP }
    }

    fn rows(&self) -> usize {
        self.names.len().div_ceil(self.columns)
    }

    /// Names the curves below the frame, column by column.
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        for (i, name) in self.names.iter().enumerate() {
            let (column, row) = (i / self.rows(), i % self.rows());
            let (left, y) =
                (FRAME.left + self.width * column as f64, f64::from(HEIGHT) + LEGEND_LINE * (row as f64 + 0.5));
            if let Some(style) = self.styles.get(i) {
                pen.styled(&[(left, y), (left + SAMPLE, y)], style, 3)?;
            }
            pen.text(name, (left + SAMPLE + LEGEND_GAP, y), INK, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }
}

impl Drawing for Overlay<'_> {
    fn height(&self) -> u32 {
        HEIGHT + (LEGEND_LINE * self.legend.rows() as f64 + LEGEND_FOOT) as u32
    }

    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        pen.heading(self.title, &self.subtitle)?;
        self.chart.draw(pen, &FRAME)?;
        self.legend.draw(pen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::line_style::COLOURS;
    use crate::plot::{WIDTH, png, svg};
    use crate::trace::Point;

    fn trace(losses: &[f64]) -> Trace {
        let smooth: Vec<Point> = losses.iter().zip(0..).map(|(&loss, i)| Point { iteration: 5 * i, loss }).collect();
        Trace { last_iteration: 5 * losses.len() as u64, smooth, ..Trace::default() }
    }

    fn named<'a>(name: &'a str, trace: &'a Trace) -> Named<'a> {
        Named { place: 0, name, result: "f(W) = 0.50", trace }
    }

    /// Where every text stands, from the picture's own marks: (x, y, text).
    fn texts(svg: &str) -> Vec<(f64, f64, String)> {
        let number = |part: &str, key: &str| {
            let from = part.find(key).unwrap() + key.len();
            part[from..].split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let text = |part: &str| part.split_once(">\n").unwrap().1.split("\n</text>").next().unwrap().to_owned();
        svg.split("<text ").skip(1).map(|part| (number(part, "x=\""), number(part, "y=\""), text(part))).collect()
    }

    #[test]
    fn every_curve_has_its_colour_and_its_name() {
        let traces = [trace(&[1.0, 0.1, 0.01]), trace(&[2.0, 1.0]), trace(&[0.5]), trace(&[])];
        let runs: Vec<Named> = ["a", "b<", "c", "d"]
            .into_iter()
            .zip(&traces)
            .enumerate()
            .map(|(place, (n, t))| Named { place, ..named(n, t) })
            .collect();
        let overlay = Overlay::of("several", &runs);
        let text = svg(&overlay).unwrap();
        for shown in ["several", "a, f(W) = 0.50", "b&lt;, f(W)", "d, f(W)", "#0B63B5", "#C2410C", "#00786A"] {
            assert!(text.contains(shown), "{shown}");
        }
        assert!(text.contains("every record of a run with fewer than 20"));
        assert!(png(&overlay).unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn the_legend_is_outside_of_the_plot_and_inside_of_the_picture_however_many_runs() {
        let (trace, long) = (trace(&[1.0, 0.1]), "x".repeat(500));
        for (count, name) in [(1, "a"), (9, "run"), (40, long.as_str()), (300, "name")] {
            let overlay = Overlay::of("many", &vec![named(name, &trace); count]);
            let text = svg(&overlay).unwrap();
            assert!(text.contains(&format!("height=\"{}\"", overlay.height())));
            let legend: Vec<_> = texts(&text).into_iter().filter(|(.., text)| text.contains("f(W) =")).collect();
            assert_eq!(legend.len(), count.min(MOST_NAMED), "{count}");
            for (x, y, text) in &legend {
                assert!(*y > FRAME.bottom + 60.0 && y + 5.0 < f64::from(overlay.height()), "{count}: {y}");
                assert!(x + font::width(text, TEXT_SIZE) <= f64::from(WIDTH), "{count}: {x} {text}");
            }
            let mut places: Vec<_> = legend.iter().map(|(x, y, _)| (*x as i64, *y as i64)).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), legend.len(), "one place for each name");
            assert_eq!(text.contains("and 204 more"), count == 300);
        }
    }

    #[test]
    fn the_ninth_curve_does_not_look_like_the_first() {
        let traces: Vec<Trace> = (0..9).map(|i| trace(&[1.0 / f64::from(i + 1), 0.01])).collect();
        let runs: Vec<Named> =
            traces.iter().enumerate().map(|(place, trace)| Named { place, ..named("run", trace) }).collect();
        let text = svg(&Overlay::of("nine", &runs)).unwrap();
        let RGBColor(r, g, b) = COLOURS[0];
        let pieces = text.matches(&format!("#{r:02X}{g:02X}{b:02X}")).count();
        // The first curve and its sample are whole, the ninth is dotted.
        assert!(pieces > 20, "{pieces}");
        let RGBColor(r, g, b) = COLOURS[1];
        assert_eq!(text.matches(&format!("#{r:02X}{g:02X}{b:02X}")).count(), 2);
    }

    #[test]
    fn no_curves_still_give_a_picture_that_says_so() {
        assert!(svg(&Overlay::of("none", &[])).unwrap().contains("nothing to draw"));
    }
}
