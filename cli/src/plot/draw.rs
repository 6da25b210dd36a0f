//! Lines and letters: a scene onto any plotters backend.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{LinearAxis, LogAxis};
use super::{FONT, HEIGHT, WIDTH};
use crate::run_folder::SMOOTHING;
use crate::units::number;

/// A curve with its axes chosen.
pub(super) struct Scene<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) x: LinearAxis,
    pub(super) y: LogAxis,
    /// Every record: (iteration, log10 of the loss).
    pub(super) raw: Vec<(f64, f64)>,
    /// The moving mean.
    pub(super) smooth: Vec<(f64, f64)>,
}

/// The frame of the plot, in pixels.
mod frame {
    pub(super) const LEFT: f64 = 104.0;
    pub(super) const RIGHT: f64 = super::WIDTH as f64 - 44.0;
    pub(super) const TOP: f64 = 104.0;
    pub(super) const BOTTOM: f64 = super::HEIGHT as f64 - 84.0;
}

const INK: RGBColor = RGBColor(0x1f, 0x29, 0x37);
const QUIET_INK: RGBColor = RGBColor(0x5b, 0x67, 0x78);
const GRID: RGBColor = RGBColor(0xdf, 0xe4, 0xea);
const FAINT_GRID: RGBColor = RGBColor(0xf1, 0xf3, 0xf6);
const AXIS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const RAW: RGBColor = RGBColor(0xb9, 0xd4, 0xf1);
const SMOOTH: RGBColor = RGBColor(0x14, 0x5d, 0xb8);

const TITLE_SIZE: i32 = 28;
const TEXT_SIZE: i32 = 18;
const LEGEND_PADDING: f64 = 14.0;
const LEGEND_SAMPLE: f64 = 34.0;

/// What a scene is drawn on: plotters' backends differ in what they do well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Vector graphics, where the viewer joins and smooths the lines.
    Vector,
    /// Pixels, with every length multiplied by this.
    Pixels(i32),
}

impl Medium {
    fn zoom(self) -> i32 {
        match self {
            Self::Vector => 1,
            Self::Pixels(zoom) => zoom,
        }
    }

    /// How far below its place text has to be drawn to look centred on it, as a part of its size.
    fn drop(self) -> f64 {
        match self {
            Self::Vector => 0.0,
            // The bitmap backend centres the box of a letter with ascent and descent; digits only have the former.
            Self::Pixels(_) => 0.16,
        }
    }
}

type Outcome<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws `scene` on `area`, which is a `medium`.
pub(super) fn scene<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, scene: &Scene, medium: Medium) -> Outcome<DB> {
    let pen = Pen { area, medium };
    area.fill(&WHITE)?;
    pen.text(scene.title, (frame::LEFT, 34.0), TITLE_SIZE, INK, (HPos::Left, VPos::Center))?;
    pen.text(scene.subtitle, (frame::LEFT, 70.0), TEXT_SIZE, QUIET_INK, (HPos::Left, VPos::Center))?;
    axes(&pen, scene)?;
    if scene.raw.is_empty() && scene.smooth.is_empty() {
        let middle = ((frame::LEFT + frame::RIGHT) / 2.0, (frame::TOP + frame::BOTTOM) / 2.0);
        pen.text(
            "nothing to draw: no finite loss above 0",
            middle,
            TEXT_SIZE,
            QUIET_INK,
            (HPos::Center, VPos::Center),
        )?;
    } else {
        pen.curve(scene, &scene.raw, RAW, 1)?;
        pen.curve(scene, &scene.smooth, SMOOTH, 3)?;
        legend(&pen, scene)?;
    }
    area.present()
}

fn axes<DB: DrawingBackend>(pen: &Pen<DB>, scene: &Scene) -> Outcome<DB> {
    for tick in &scene.y.minor {
        let y = pen.y(scene, tick.at);
        pen.line(&[(frame::LEFT, y), (frame::RIGHT, y)], FAINT_GRID, 1)?;
    }
    for tick in &scene.y.ticks {
        let y = pen.y(scene, tick.at);
        pen.line(&[(frame::LEFT, y), (frame::RIGHT, y)], GRID, 1)?;
        pen.text(&tick.label, (frame::LEFT - 12.0, y), TEXT_SIZE, QUIET_INK, (HPos::Right, VPos::Center))?;
    }
    for tick in &scene.x.ticks {
        let x = pen.x(scene, tick.at);
        pen.line(&[(x, frame::TOP), (x, frame::BOTTOM)], GRID, 1)?;
        pen.line(&[(x, frame::BOTTOM), (x, frame::BOTTOM + 6.0)], AXIS, 1)?;
        pen.text(&tick.label, (x, frame::BOTTOM + 22.0), TEXT_SIZE, QUIET_INK, (HPos::Center, VPos::Center))?;
    }
    pen.line(&[(frame::LEFT, frame::TOP), (frame::LEFT, frame::BOTTOM), (frame::RIGHT, frame::BOTTOM)], AXIS, 1)?;
    let middle = (frame::LEFT + frame::RIGHT) / 2.0;
    pen.text("iteration", (middle, frame::BOTTOM + 56.0), TEXT_SIZE, INK, (HPos::Center, VPos::Center))?;
    pen.upward("loss f(W)", (30.0, (frame::TOP + frame::BOTTOM) / 2.0))
}

/// Names both lines, top right: a falling curve is not there.
fn legend<DB: DrawingBackend>(pen: &Pen<DB>, scene: &Scene) -> Outcome<DB> {
    let last = scene.smooth.last().map(|point| format!(", last {}", number(10_f64.powf(point.1)))).unwrap_or_default();
    let mean = format!("mean of {SMOOTHING} records{last}");
    let width = pen.width(&mean)? + LEGEND_SAMPLE + 3.0 * LEGEND_PADDING;
    let (left, top) = (frame::RIGHT - width - 12.0, frame::TOP + 14.0);
    pen.box_with_border((left, top), (left + width, top + 68.0))?;
    let (from, to) = (left + LEGEND_PADDING, left + LEGEND_PADDING + LEGEND_SAMPLE);
    let rows = [("every record".to_owned(), RAW, 2), (mean, SMOOTH, 3)];
    for ((text, colour, thickness), y) in rows.into_iter().zip([top + 20.0, top + 48.0]) {
        pen.line(&[(from, y), (to, y)], colour, thickness)?;
        pen.text(&text, (to + LEGEND_PADDING, y), TEXT_SIZE, INK, (HPos::Left, VPos::Center))?;
    }
    Ok(())
}

/// A drawing area and what it is.
struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    medium: Medium,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    fn x(&self, scene: &Scene, iteration: f64) -> f64 {
        frame::LEFT + scene.x.place(iteration) * (frame::RIGHT - frame::LEFT)
    }

    fn y(&self, scene: &Scene, height: f64) -> f64 {
        frame::BOTTOM - scene.y.place(height) * (frame::BOTTOM - frame::TOP)
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let zoom = f64::from(self.medium.zoom());
        ((x * zoom).round() as i32, (y * zoom).round() as i32)
    }

    /// A line through the points of a curve, or a dot if there is only one.
    fn curve(&self, scene: &Scene, points: &[(f64, f64)], colour: RGBColor, thickness: u32) -> Outcome<DB> {
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (self.x(scene, x), self.y(scene, y))).collect();
        match points.as_slice() {
            [] => Ok(()),
            [point] => self.dot(*point, colour),
            _ => self.line(&points, colour, thickness),
        }
    }

    fn line(&self, points: &[(f64, f64)], colour: RGBColor, thickness: u32) -> Outcome<DB> {
        let mut points: Vec<(i32, i32)> = points.iter().map(|&point| self.pixel(point)).collect();
        points.dedup();
        let thickness = thickness * self.medium.zoom() as u32;
        let style = colour.stroke_width(thickness);
        if self.medium == Medium::Vector {
            return self.area.draw(&PathElement::new(points, style));
        }
        // The bitmap backend joins thick segments by mitres without a limit: a sharp turn becomes a spike across the
        // picture. Segments of their own with round joins have none.
        for segment in points.windows(2) {
            self.area.draw(&PathElement::new(segment, style))?;
        }
        for &join in points.iter().skip(1).rev().skip(1) {
            self.area.draw(&Circle::new(join, (thickness / 2) as i32, colour.filled()))?;
        }
        Ok(())
    }

    fn dot(&self, at: (f64, f64), colour: RGBColor) -> Outcome<DB> {
        self.area.draw(&Circle::new(self.pixel(at), 5 * self.medium.zoom(), colour.filled()))
    }

    fn box_with_border(&self, from: (f64, f64), to: (f64, f64)) -> Outcome<DB> {
        self.area.draw(&Rectangle::new([self.pixel(from), self.pixel(to)], WHITE.filled()))?;
        self.line(&[from, (to.0, from.1), to, (from.0, to.1), from], GRID, 1)
    }

    /// The width of a text of the usual size.
    fn width(&self, text: &str) -> Result<f64, DrawingAreaErrorKind<DB::ErrorType>> {
        let style = (FONT, TEXT_SIZE * self.medium.zoom()).into_text_style(self.area);
        let (width, _) = self.area.estimate_text_size(text, &style)?;
        Ok(f64::from(width) / f64::from(self.medium.zoom()))
    }

    fn text(&self, text: &str, at: (f64, f64), size: i32, colour: RGBColor, anchor: (HPos, VPos)) -> Outcome<DB> {
        let font = (FONT, size * self.medium.zoom()).into_font();
        let style = font.color(&colour).pos(Pos::new(anchor.0, anchor.1));
        let at = (at.0, at.1 + self.medium.drop() * f64::from(size));
        self.area.draw(&Text::new(text.to_owned(), self.pixel(at), style))
    }

    /// Text that reads from below to above, centred.
    fn upward(&self, text: &str, at: (f64, f64)) -> Outcome<DB> {
        let font = (FONT, TEXT_SIZE * self.medium.zoom()).into_font().transform(FontTransform::Rotate270);
        let style = font.color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), self.pixel(at), style))
    }
}
