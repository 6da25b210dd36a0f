//! Pictures, drawn in memory: what training curves, one or several in a picture, and the roofline share.
//!
//! A `Drawing` is drawn on whatever `Pen` it is given; `svg` and `png` hand it one. The PNG needs no fonts of the
//! system: a subset of DejaVu Sans is built in.

pub mod axis;
pub mod canvas;
pub mod chart;
mod curve;
pub mod font;
pub mod labels;
pub mod line_style;
mod overlay;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use memorize_data::Output;
use memorize_run::error::Error;
use plotters::prelude::*;

use canvas::{Medium, Outcome, Pen, Sheet};
pub use curve::{Curve, Pictures, of_run, render};
pub use overlay::{Named, Overlay};

/// Width of the pictures in pixels.
pub const WIDTH: u32 = 1200;
/// Height of the pictures in pixels; one with a long legend is higher.
pub const HEIGHT: u32 = 750;
/// The PNG is drawn this many times larger and averaged down: plotters itself does not smooth thick lines.
const SUPERSAMPLING: u32 = 3;

/// A picture that could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library failed.
    #[error("cannot draw the plot: {0}")]
    Draw(String),
    /// The PNG encoder failed.
    #[error("cannot encode the plot as PNG")]
    Encode(#[from] png::EncodingError),
}

/// Something that can be drawn on any of plotters' backends.
pub trait Drawing {
    /// Its height in pixels.
    fn height(&self) -> u32 {
        HEIGHT
    }

    /// Draws it on a white area of [`WIDTH`] and this height.
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB>;
}

/// A file for a picture, whose extension says of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

/// A file name that says of no kind of picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plot is written as SVG or PNG: name a file that ends in .svg or .png")]
pub struct UnknownKind;

impl FromStr for PictureFile {
    type Err = UnknownKind;

    fn from_str(path: &str) -> Result<Self, UnknownKind> {
        let path = PathBuf::from(path);
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let kind = match extension.as_deref() {
            Some("svg") => Kind::Svg,
            Some("png") => Kind::Png,
            _ => return Err(UnknownKind),
        };
        Ok(Self { path, kind })
    }
}

impl PictureFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Draws and writes, in this place for it.
    ///
    /// # Errors
    /// If the drawing library fails or the file cannot be written.
    pub fn write(&self, drawing: &impl Drawing, out: &Output) -> Result<(), Error> {
        let bytes = match self.kind {
            Kind::Svg => svg(drawing).map_err(Error::run_failed)?.into_bytes(),
            Kind::Png => png(drawing).map_err(Error::run_failed)?,
        };
        Ok(out.write(|file| file.write_all(&bytes))?)
    }
}

/// A drawing as vector graphics.
///
/// # Errors
/// If the drawing library fails.
pub fn svg(drawing: &impl Drawing) -> Result<String, PlotError> {
    let mut text = String::new();
    draw(drawing, SVGBackend::with_string(&mut text, (WIDTH, drawing.height())), Medium::Vector(1))?;
    Ok(text)
}

/// A drawing as an image of [`WIDTH`] x its height.
///
/// # Errors
/// If the drawing library or the PNG encoder fails.
pub fn png(drawing: &impl Drawing) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (WIDTH * SUPERSAMPLING, drawing.height() * SUPERSAMPLING);
    let mut pixels = vec![0; (width * height * 3) as usize];
    let medium = Medium::Pixels(SUPERSAMPLING as i32);
    draw(drawing, BitMapBackend::with_buffer(&mut pixels, (width, height)), medium)?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, drawing.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&average_down(&pixels, SUPERSAMPLING as usize))?;
    writer.finish()?;
    Ok(file)
}

fn draw<DB: DrawingBackend>(drawing: &impl Drawing, backend: DB, medium: Medium) -> Result<(), PlotError> {
    font::register()?;
    let area = backend.into_drawing_area();
    let pen = Pen::new(&area, Sheet::FILE, medium);
    let outcome = area.fill(&WHITE).and_then(|()| drawing.draw(&pen)).and_then(|()| area.present());
    outcome.map_err(|error| PlotError::Draw(error.to_string()))
}

/// Lengths in [`elements`] are whole numbers of this part of a pixel.
pub const FINER: u32 = 10;

/// What is drawn by a pen as elements of SVG that stand in another's picture, in units of a pixel / [`FINER`].
///
/// # Errors
/// If the drawing library fails.
pub fn elements(
    sheet: Sheet,
    draw: impl for<'a, 'b> Fn(&'b Pen<'b, SVGBackend<'a>>) -> Outcome<SVGBackend<'a>>,
) -> Result<String, PlotError> {
    font::register()?;
    let mut text = String::new();
    {
        // The size is that of the root element, which is left out.
        let area = SVGBackend::with_string(&mut text, (sheet.width * FINER, sheet.width * FINER)).into_drawing_area();
        let outcome = draw(&Pen::new(&area, sheet, Medium::Vector(FINER as i32))).and_then(|()| area.present());
        outcome.map_err(|error| PlotError::Draw(error.to_string()))?;
    }
    let inside = text.split_once(">\n").and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    inside.map(|(elements, _)| elements.to_owned()).ok_or_else(|| PlotError::Draw("no root element".to_owned()))
}

/// Averages each `factor` x `factor` square of RGB pixels; `pixels` are rows of [`WIDTH`] `factor`.
fn average_down(pixels: &[u8], factor: usize) -> Vec<u8> {
    let stride = WIDTH as usize * factor * 3;
    let mut small = Vec::with_capacity(pixels.len() / (factor * factor));
    let mut sums = vec![0_u32; WIDTH as usize * 3];
    for rows in pixels.chunks_exact(stride * factor) {
        sums.fill(0);
        for row in rows.chunks_exact(stride) {
            for (square, sum) in row.chunks_exact(3 * factor).zip(sums.chunks_exact_mut(3)) {
                for pixel in square.chunks_exact(3) {
                    (0..3).for_each(|channel| sum[channel] += u32::from(pixel[channel]));
                }
            }
        }
        let area = (factor * factor) as u32;
        small.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
    }
    small
}

/// Those characters of a picture that the PNG cannot show, for tests of pictures.
#[doc(hidden)]
pub fn not_in_the_font(svg: &str) -> String {
    svg.chars().filter(|&letter| letter != '\n' && !font::has(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_takes_the_mean_of_each_square() {
        let factor = 3;
        let mut pixels = vec![0_u8; (WIDTH * HEIGHT) as usize * factor * factor * 3];
        let stride = WIDTH as usize * factor * 3;
        // One of the nine subpixels of pixel (1, 0) is white in the green channel.
        pixels[2 * stride + 3 * factor + 1] = 255;
        let small = average_down(&pixels, factor);
        assert_eq!(small.len(), (WIDTH * HEIGHT * 3) as usize);
        assert_eq!(small.iter().enumerate().filter(|(_, value)| **value != 0).collect::<Vec<_>>(), [(4, &28)]);
    }

    #[test]
    fn the_extension_says_what_is_written() {
        let kind = |path: &str| path.parse::<PictureFile>().map(|file| file.kind);
        assert_eq!([kind("a.svg"), kind("b/c.d.PNG")], [Ok(Kind::Svg), Ok(Kind::Png)]);
        for wrong in ["", "svg", ".svg", "a.pdf", "a.svg.gz", "a/"] {
            assert_eq!(kind(wrong), Err(UnknownKind), "{wrong}");
        }
    }
}
