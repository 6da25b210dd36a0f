//! The moving means of several runs in one picture.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::Drawing;
use super::axis::{LinearAxis, LogAxis};
use super::canvas::{Frame, INK, Outcome, Pen};
use super::curve::points;
use crate::trace::Trace;
use crate::units::number;

const FRAME: Frame = Frame::STANDARD;
const LEGEND_PADDING: f64 = 14.0;
const LEGEND_SAMPLE: f64 = 34.0;
const LEGEND_LINE: f64 = 26.0;
/// Most curves that the legend names; it would cover the curves otherwise.
const MOST_NAMED: usize = 12;
/// Longest name that the legend shows, in letters.
const LONGEST_NAME: usize = 40;

/// Colours that people with any colour vision tell apart by their lightness too.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x0b, 0x63, 0xb5),
    RGBColor(0xc2, 0x41, 0x0c),
    RGBColor(0x00, 0x78, 0x6a),
    RGBColor(0xa3, 0x31, 0x8f),
    RGBColor(0xd6, 0x9a, 0x00),
    RGBColor(0x8f, 0x88, 0xf0),
    RGBColor(0x47, 0x55, 0x69),
    RGBColor(0xf0, 0x6a, 0x9c),
];

/// Several curves over each other.
pub(crate) struct Overlay<'a> {
    /// First line.
    title: &'a str,
    /// Second line.
    subtitle: String,
    x: LinearAxis,
    y: LogAxis,
    /// Name and points of each curve.
    curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl<'a> Overlay<'a> {
    /// The moving means of `traces`, with their names.
    pub(crate) fn of(title: &'a str, traces: &[(&str, &Trace)]) -> Self {
        let curves: Vec<_> = traces
            .iter()
            .map(|(name, trace)| {
                let last = trace.smooth.last().map(|point| format!(", last {}", number(point.loss)));
                (format!("{}{}", shortened(name), last.unwrap_or_default()), points(&trace.smooth))
            })
            .collect();
        let y = LogAxis::covering(curves.iter().flat_map(|(_, points)| points.iter().map(|point| point.1)));
        let x = LinearAxis::up_to(traces.iter().map(|(_, trace)| trace.last_iteration).max().unwrap_or(0));
        let subtitle = format!("mean of {} records of the loss, log scale", crate::run_folder::SMOOTHING);
        Self { title, subtitle, x, y, curves }
    }
}

impl Drawing for Overlay<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        pen.heading(self.title, &self.subtitle)?;
        pen.axes(&FRAME, (&self.x, "iteration"), (&self.y, "loss f(W)"))?;
        if self.curves.iter().all(|(_, points)| points.is_empty()) {
            return pen.notice(&FRAME, "nothing to draw: no finite loss above 0");
        }
        for ((_, points), colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<_> = points.iter().map(|&(x, y)| (FRAME.x(&self.x, x), FRAME.y(&self.y, y))).collect();
            match points[..] {
                [] => {}
                [point] => pen.dot(point, *colour)?,
                _ => pen.line(&points, *colour, 2)?,
            }
        }
        self.legend(pen)
    }
}

impl Overlay<'_> {
    /// Names the curves, top right.
    fn legend<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        let mut names: Vec<&str> = self.curves.iter().take(MOST_NAMED).map(|(name, _)| name.as_str()).collect();
        let more = format!("and {} more", self.curves.len().saturating_sub(MOST_NAMED));
        if self.curves.len() > MOST_NAMED {
            names.push(&more);
        }
        let mut width = 0.0_f64;
        for name in &names {
            width = width.max(pen.width(name)?);
        }
        let width = width + LEGEND_SAMPLE + 3.0 * LEGEND_PADDING;
        let (left, top) = (FRAME.right - width - 12.0, FRAME.top + 14.0);
        let height = LEGEND_LINE * names.len() as f64 + LEGEND_PADDING;
        pen.box_with_border((left, top), (left + width, top + height))?;
        let (from, to) = (left + LEGEND_PADDING, left + LEGEND_PADDING + LEGEND_SAMPLE);
        for (i, name) in names.iter().enumerate() {
            let y = top + LEGEND_PADDING / 2.0 + LEGEND_LINE * (i as f64 + 0.5);
            if i < MOST_NAMED {
                pen.line(&[(from, y), (to, y)], COLOURS[i % COLOURS.len()], 3)?;
            }
            pen.text(name, (to + LEGEND_PADDING, y), INK, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{png, svg};
    use crate::trace::Point;

    fn trace(losses: &[f64]) -> Trace {
        let smooth: Vec<Point> = losses.iter().zip(0..).map(|(&loss, i)| Point { iteration: 5 * i, loss }).collect();
        Trace { last_iteration: 5 * losses.len() as u64, smooth, ..Trace::default() }
    }

    #[test]
    fn every_curve_has_its_colour_and_its_name() {
        let traces = [trace(&[1.0, 0.1, 0.01]), trace(&[2.0, 1.0]), trace(&[0.5]), trace(&[])];
        let named: Vec<(&str, &Trace)> = ["a", "b<", "c", "d"].into_iter().zip(&traces).collect();
        let overlay = Overlay::of("several", &named);
        let text = svg(&overlay).unwrap();
        for shown in ["several", "a, last 0.010", "b&lt;, last 1.00", "c, last 0.50", "#0B63B5", "#C2410C", "#00786A"] {
            assert!(text.contains(shown), "{shown}");
        }
        assert!(png(&overlay).unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn many_curves_with_long_names_leave_room_for_themselves() {
        let (trace, name) = (trace(&[1.0, 0.1]), "x".repeat(500));
        let named = vec![(name.as_str(), &trace); 40];
        let text = svg(&Overlay::of("many", &named)).unwrap();
        assert!(text.contains("and 28 more") && !text.contains(&"x".repeat(LONGEST_NAME)));
    }

    #[test]
    fn no_curves_still_give_a_picture_that_says_so() {
        assert!(svg(&Overlay::of("none", &[])).unwrap().contains("nothing to draw"));
    }
}
