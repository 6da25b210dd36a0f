//! A pen for pictures with a frame: axes, lines, letters and markers on any of plotters' backends.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Tick};
use super::font::{self, FONT};
use super::labels::Rect;
use super::line_style::LineStyle;
use super::{HEIGHT, WIDTH};

/// How wide a picture is and how large its letters are, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Its width.
    pub width: u32,
    /// The usual size of letters. Room for labels grows with it.
    pub letters: i32,
}

impl Sheet {
    /// A picture in a file of its own.
    pub const FILE: Self = Self { width: WIDTH, letters: TEXT_SIZE };
}

/// Where the axes are, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Of the vertical axis.
    pub left: f64,
    /// Where the horizontal axis ends.
    pub right: f64,
    /// Where the vertical axis ends.
    pub top: f64,
    /// Of the horizontal axis.
    pub bottom: f64,
}

impl Frame {
    /// Room for a title and a subtitle above, and for labels on the left and below.
    pub const STANDARD: Self =
        Self { left: 104.0, right: WIDTH as f64 - 44.0, top: 104.0, bottom: HEIGHT as f64 - 84.0 };
    /// A row of room for a legend above it, at [`LEGEND`].
    pub const BELOW_A_LEGEND: Self = Self { top: 146.0, ..Self::STANDARD };

    /// The horizontal place of a value on an axis.
    pub fn x(&self, axis: &impl Axis, value: f64) -> f64 {
        self.left + axis.place(value) * (self.right - self.left)
    }

    /// The vertical place of a value on an axis.
    pub fn y(&self, axis: &impl Axis, value: f64) -> f64 {
        self.bottom - axis.place(value) * (self.bottom - self.top)
    }
}

/// Colour of letters and of what counts.
pub const INK: RGBColor = RGBColor(0x1f, 0x29, 0x37);
/// Colour of what is said by the way.
pub const QUIET_INK: RGBColor = RGBColor(0x5b, 0x67, 0x78);
const GRID: RGBColor = RGBColor(0xdf, 0xe4, 0xea);
const FAINT_GRID: RGBColor = RGBColor(0xf1, 0xf3, 0xf6);
const AXIS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

/// The height of a legend above a frame.
pub const LEGEND: f64 = 112.0;
/// Length of the piece of a line that a legend shows: two periods of most dashes.
pub const SAMPLE: f64 = 48.0;

/// Least distance of text from the edge of the picture.
const EDGE: f64 = 6.0;

const TITLE_SIZE: i32 = 28;
/// Size of all other letters.
pub const TEXT_SIZE: i32 = 18;

/// Half the size of a marker.
pub const MARKER: f64 = 7.0;

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A circle.
    Circle,
    /// A square on its side.
    Square,
    /// A triangle that points up.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A triangle that points down.
    Wedge,
}

/// How a marker is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marker {
    /// Its outline's form.
    pub shape: Shape,
    /// Its outline's colour.
    pub colour: RGBColor,
    /// What is inside: its own colour, or white.
    pub filling: RGBColor,
}

/// What a picture is drawn on: plotters' backends differ in what they do well. Every length is multiplied by the
/// number, since they take whole ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Vector graphics, where the viewer joins and smooths the lines.
    Vector(i32),
    /// Pixels.
    Pixels(i32),
}

impl Medium {
    fn zoom(self) -> i32 {
        match self {
            Self::Vector(zoom) | Self::Pixels(zoom) => zoom,
        }
    }

    /// How far below its place text has to be drawn to look centred on it, as a part of its size.
    fn drop(self) -> f64 {
        match self {
            Self::Vector(_) => 0.0,
            // The bitmap backend centres the box of a letter with ascent and descent; digits only have the former.
            Self::Pixels(_) => 0.16,
        }
    }
}

/// What a backend of the drawing library fails with.
pub type Failure<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;
/// Whether something was drawn.
pub type Outcome<DB> = Result<(), Failure<DB>>;

/// A part of the axes of a picture. The page moves and hides each on its own.
#[derive(Clone, Copy, Debug)]
pub enum AxesPart<'a> {
    /// A faint line across, without a label.
    MinorX(&'a Tick),
    /// A faint line from left to right, without a label.
    MinorY(&'a Tick),
    /// A labelled value on the vertical axis, with its line.
    Y(&'a Tick),
    /// A labelled value on the horizontal axis, with its line.
    X(&'a Tick),
    /// Both axes themselves and their names.
    Outline,
}

/// The parts of two axes in the order in which they lie over each other.
pub fn axes_parts<'a>(x: &'a impl Axis, y: &'a impl Axis) -> impl Iterator<Item = AxesPart<'a>> {
    let minor = x.minor().iter().map(AxesPart::MinorX).chain(y.minor().iter().map(AxesPart::MinorY));
    let labelled = y.ticks().iter().map(AxesPart::Y).chain(x.ticks().iter().map(AxesPart::X));
    minor.chain(labelled).chain([AxesPart::Outline])
}

/// A drawing area and what it is. Places are in pixels of its sheet.
pub struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    sheet: Sheet,
    medium: Medium,
}

impl<'a, DB: DrawingBackend> Pen<'a, DB> {
    pub(super) fn new(area: &'a DrawingArea<DB, Shift>, sheet: Sheet, medium: Medium) -> Self {
        Self { area, sheet, medium }
    }

    /// Two lines of text above the frame.
    pub fn heading(&self, title: &str, subtitle: &str) -> Outcome<DB> {
        let (left, anchor) = (Frame::STANDARD.left, (HPos::Left, VPos::Center));
        let room = f64::from(WIDTH) - left - EDGE;
        self.sized(&font::fitted(title, TITLE_SIZE, room), (left, 34.0), TITLE_SIZE, INK, anchor)?;
        self.text(&font::fitted(subtitle, TEXT_SIZE, room), (left, 70.0), QUIET_INK, anchor)
    }

    /// Text in the middle of a frame that has nothing else in it.
    pub fn notice(&self, frame: &Frame, text: &str) -> Outcome<DB> {
        let middle = ((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0);
        self.text(text, middle, QUIET_INK, (HPos::Center, VPos::Center))
    }

    /// Both axes with their grid, labels and names.
    pub fn axes(&self, frame: &Frame, x: (&impl Axis, &str), y: (&impl Axis, &str)) -> Outcome<DB> {
        axes_parts(x.0, y.0).try_for_each(|part| self.axes_part(frame, x, y, part))
    }

    /// A part of the axes.
    pub fn axes_part(
        &self,
        frame: &Frame,
        (x, x_name): (&impl Axis, &str),
        (y, y_name): (&impl Axis, &str),
        part: AxesPart,
    ) -> Outcome<DB> {
        let Frame { left, right, top, bottom } = *frame;
        let room = |of_a_file: f64| of_a_file * f64::from(self.sheet.letters) / f64::from(TEXT_SIZE);
        match part {
            AxesPart::MinorX(tick) => {
                let x = frame.x(x, tick.at);
                self.line(&[(x, top), (x, bottom)], FAINT_GRID, 1)
            }
            AxesPart::MinorY(tick) => {
                let y = frame.y(y, tick.at);
                self.line(&[(left, y), (right, y)], FAINT_GRID, 1)
            }
            AxesPart::Y(tick) => {
                let y = frame.y(y, tick.at);
                self.line(&[(left, y), (right, y)], GRID, 1)?;
                self.text(&tick.label, (left - room(12.0), y), QUIET_INK, (HPos::Right, VPos::Center))
            }
            AxesPart::X(tick) => {
                let x = frame.x(x, tick.at);
                self.line(&[(x, top), (x, bottom)], GRID, 1)?;
                self.line(&[(x, bottom), (x, bottom + room(6.0))], AXIS, 1)?;
                // The last one may be wider than the margin.
                let x = x.min(f64::from(self.sheet.width) - EDGE - self.width(&tick.label) / 2.0);
                self.text(&tick.label, (x, bottom + room(22.0)), QUIET_INK, (HPos::Center, VPos::Center))
            }
            AxesPart::Outline => {
                self.line(&[(left, top), (left, bottom), (right, bottom)], AXIS, 1)?;
                let middle = ((left + right) / 2.0, bottom + room(56.0));
                self.text(x_name, middle, INK, (HPos::Center, VPos::Center))?;
                self.upward(y_name, (room(30.0), (top + bottom) / 2.0))
            }
        }
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let zoom = f64::from(self.medium.zoom());
        ((x * zoom).round() as i32, (y * zoom).round() as i32)
    }

    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, thickness: u32) -> Outcome<DB> {
        let mut points: Vec<(i32, i32)> = points.iter().map(|&point| self.pixel(point)).collect();
        points.dedup();
        let thickness = thickness * self.medium.zoom() as u32;
        let style = colour.stroke_width(thickness);
        if matches!(self.medium, Medium::Vector(_)) {
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

    /// A line through points in a style, or a dot if there is only one.
    pub fn styled(&self, points: &[(f64, f64)], style: &LineStyle, thickness: u32) -> Outcome<DB> {
        match points {
            [] => Ok(()),
            [point] => self.dot(*point, style.colour),
            _ => style.pieces(points).iter().try_for_each(|piece| self.line(piece, style.colour, thickness)),
        }
    }

    /// A filled circle.
    pub fn dot(&self, at: (f64, f64), colour: RGBColor) -> Outcome<DB> {
        self.area.draw(&Circle::new(self.pixel(at), 5 * self.medium.zoom(), colour.filled()))
    }

    /// A marker of a point.
    pub fn marker(&self, marker: Marker, (x, y): (f64, f64)) -> Outcome<DB> {
        let Marker { shape, colour, filling } = marker;
        let at = |dx: f64, dy: f64| (x + dx * MARKER, y + dy * MARKER);
        let corners: &[(f64, f64)] = match shape {
            Shape::Circle => {
                let radius = |part: f64| (part * MARKER * f64::from(self.medium.zoom())).round() as i32;
                self.area.draw(&Circle::new(self.pixel((x, y)), radius(1.0), colour.filled()))?;
                return self.area.draw(&Circle::new(self.pixel((x, y)), radius(0.7), filling.filled()));
            }
            Shape::Square => &[at(-0.9, -0.9), at(0.9, -0.9), at(0.9, 0.9), at(-0.9, 0.9)],
            Shape::Triangle => &[at(0.0, -1.1), at(1.05, 0.8), at(-1.05, 0.8)],
            Shape::Diamond => &[at(0.0, -1.2), at(1.1, 0.0), at(0.0, 1.2), at(-1.1, 0.0)],
            Shape::Wedge => &[at(0.0, 1.1), at(1.05, -0.8), at(-1.05, -0.8)],
        };
        let inside: Vec<(i32, i32)> = corners.iter().map(|&corner| self.pixel(corner)).collect();
        self.area.draw(&Polygon::new(inside, filling.filled()))?;
        self.line(&[corners, &corners[..2]].concat(), colour, 2)
    }

    /// Covers what is there, so that a label can be read.
    pub fn blank(&self, at: Rect) -> Outcome<DB> {
        self.area
            .draw(&Rectangle::new([self.pixel((at.left, at.top)), self.pixel((at.right, at.bottom))], WHITE.filled()))
    }

    /// The width of a text of the usual size.
    pub fn width(&self, text: &str) -> f64 {
        font::width(text, self.sheet.letters)
    }

    /// Text of the usual size.
    pub fn text(&self, text: &str, at: (f64, f64), colour: RGBColor, anchor: (HPos, VPos)) -> Outcome<DB> {
        self.sized(text, at, self.sheet.letters, colour, anchor)
    }

    fn sized(&self, text: &str, at: (f64, f64), size: i32, colour: RGBColor, anchor: (HPos, VPos)) -> Outcome<DB> {
        let font = (FONT, size * self.medium.zoom()).into_font();
        let style = font.color(&colour).pos(Pos::new(anchor.0, anchor.1));
        let at = (at.0, at.1 + self.medium.drop() * f64::from(size));
        let text = font::visible(text, matches!(self.medium, Medium::Pixels(_)));
        self.area.draw(&Text::new(text.into_owned(), self.pixel(at), style))
    }

    /// Text that reads from below to above, centred.
    fn upward(&self, text: &str, at: (f64, f64)) -> Outcome<DB> {
        let font = (FONT, self.sheet.letters * self.medium.zoom()).into_font().transform(FontTransform::Rotate270);
        let style = font.color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), self.pixel(at), style))
    }
}
