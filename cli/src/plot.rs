//! The training curve as the paper draws it: loss on a log scale, every record faint, their moving mean in front.
//!
//! Both pictures are drawn in memory. The PNG needs no fonts of the system: a subset of DejaVu Sans is built in.

mod axis;
mod draw;

use std::sync::OnceLock;

use plotters::prelude::*;

use crate::exit::CliError;
use crate::run_folder::{CURVE_PNG, CURVE_SVG, Record, RunFolder};
use axis::{LinearAxis, LogAxis};
use draw::{Medium, Scene};

/// Width of the pictures in pixels.
pub const WIDTH: u32 = 1200;
/// Height of the pictures in pixels.
pub const HEIGHT: u32 = 750;
/// The PNG is drawn this many times larger and averaged down: plotters itself does not smooth thick lines.
const SUPERSAMPLING: u32 = 3;
/// Points are thinned to so many columns, about one a pixel, keeping the extremes of each.
const COLUMNS: usize = 1000;

/// Fonts that viewers of the SVG choose from; the first is the one built in.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
const FONT_FILE: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// First line, such as the run's name.
    pub title: &'a str,
    /// Second line, such as the sizes and the optimiser. SVG viewers draw several spaces as one.
    pub subtitle: &'a str,
    /// The records, in order. Losses that are zero, negative or not finite have no place on a log scale and are left out.
    pub records: &'a [Record],
}

/// Both pictures.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Vector graphics.
    pub svg: String,
    /// An image of [`WIDTH`] x [`HEIGHT`] pixels.
    pub png: Vec<u8>,
}

/// A picture that could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library failed.
    #[error("cannot draw the training curve: {0}")]
    Draw(String),
    /// The PNG encoder failed.
    #[error("cannot encode the training curve as PNG")]
    Encode(#[from] png::EncodingError),
}

/// Draws a curve and writes `curve.svg` and `curve.png`.
///
/// # Errors
/// If drawing or writing fails; the run itself is none the worse for it.
pub fn write(folder: &RunFolder, curve: &Curve) -> Result<(), CliError> {
    let pictures = render(curve).map_err(CliError::run_failed)?;
    folder.write(CURVE_SVG, pictures.svg.as_bytes())?;
    folder.write(CURVE_PNG, &pictures.png)?;
    Ok(())
}

/// Draws a curve in memory.
///
/// # Errors
/// If the drawing library or the PNG encoder fails. No data is no error: without records the picture says so.
pub fn render(curve: &Curve) -> Result<Pictures, PlotError> {
    register_font()?;
    let scene = Scene::of(curve);
    Ok(Pictures { svg: svg(&scene)?, png: png(&scene)? })
}

fn svg(scene: &Scene) -> Result<String, PlotError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        draw::scene(&area, scene, Medium::Vector).map_err(|error| PlotError::Draw(error.to_string()))?;
    }
    Ok(text)
}

fn png(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING);
    let mut pixels = vec![0; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw::scene(&area, scene, Medium::Pixels(SUPERSAMPLING as i32))
            .map_err(|error| PlotError::Draw(error.to_string()))?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&average_down(&pixels, SUPERSAMPLING as usize))?;
    writer.finish()?;
    Ok(file)
}

/// Averages each `factor` x `factor` square of RGB pixels; `pixels` is [`HEIGHT`] `factor` rows of [`WIDTH`] `factor`.
fn average_down(pixels: &[u8], factor: usize) -> Vec<u8> {
    let stride = WIDTH as usize * factor * 3;
    let mut small = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
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

/// Makes the built-in font known to plotters, once.
fn register_font() -> Result<(), PlotError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered =
        *REGISTERED.get_or_init(|| plotters::style::register_font(FONT, FontStyle::Normal, FONT_FILE).is_ok());
    if registered { Ok(()) } else { Err(PlotError::Draw("the built-in font is unreadable".to_owned())) }
}

/// The points of one line that a log scale can show, as (iteration, log10 of the loss), thinned to [`COLUMNS`].
fn line(records: &[Record], loss: impl Fn(&Record) -> f64) -> Vec<(f64, f64)> {
    let points = records
        .iter()
        .map(|record| (record.iteration as f64, loss(record)))
        .filter(|(_, loss)| loss.is_finite() && *loss > 0.0)
        .map(|(iteration, loss)| (iteration, loss.log10()))
        .collect();
    thin(points, COLUMNS)
}

/// Keeps the lowest and the highest point of each of `columns` groups, in their order, and both ends.
fn thin(points: Vec<(f64, f64)>, columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= 2 * columns {
        return points;
    }
    let group = points.len().div_ceil(columns);
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(2 * columns + 2);
    kept.extend(points.first());
    for members in points.chunks(group) {
        let by_height = |left: &&(f64, f64), right: &&(f64, f64)| left.1.total_cmp(&right.1);
        let lowest = members.iter().min_by(by_height);
        let highest = members.iter().max_by(by_height);
        let mut pair: Vec<(f64, f64)> = lowest.into_iter().chain(highest).copied().collect();
        pair.sort_by(|left, right| left.0.total_cmp(&right.0));
        kept.extend(pair);
    }
    kept.extend(points.last());
    kept
}

impl<'a> Scene<'a> {
    /// Chooses axes for a curve and thins it.
    fn of(curve: &Curve<'a>) -> Self {
        let raw = line(curve.records, |record| record.loss);
        let smooth = line(curve.records, |record| record.smoothed_loss);
        let heights = raw.iter().chain(&smooth).map(|point| point.1);
        let y = LogAxis::covering(heights);
        let last = curve.records.iter().map(|record| record.iteration).max().unwrap_or(0);
        Self { title: curve.title, subtitle: curve.subtitle, x: LinearAxis::up_to(last), y, raw, smooth }
    }
}

#[cfg(test)]
mod tests;
