//! Rows as a grid of grey images.

use memorize_data::Shown;
use memorize_data::Table;
use memorize_run::error::{Error, WithHint};

/// Pixels between images.
const GAP: usize = 2;
/// Images smaller than this are enlarged by a whole factor until they are not.
const SMALLEST: usize = 48;
/// Most pixels on a side.
const LARGEST: usize = 1 << 14;
/// Grey between images.
const BACKGROUND: u8 = 0x80;

/// A grid of images.
pub(super) struct Picture {
    /// The picture as PNG.
    pub(super) png: Vec<u8>,
    /// Rows of an image in the table.
    pub(super) height: usize,
    /// Columns of an image in the table.
    pub(super) width: usize,
}

/// The rows with these numbers, in lines that make about a square. Bytes are grey values; other numbers are scaled,
/// each image's smallest to black and its largest to white.
///
/// # Errors
/// Bad input if rows are no images, or too large for a picture; a failed run if they cannot be encoded.
pub(super) fn grid(table: &Table, rows: &[u32]) -> Result<Picture, Error> {
    let (height, width) = shape(table.dims()).ok_or_else(|| {
        let row_len = table.row_len();
        let error = anyhow::anyhow!("rows of {} are no images: {row_len} numbers are no square", table.path().shown());
        Error::BadInput(error.hint("draw into a table instead: --out FILE.npy"))
    })?;
    let columns = (rows.len() as f64).sqrt().ceil() as usize;
    let lines = rows.len().div_ceil(columns);
    let scale = SMALLEST.div_ceil(height.max(width)).max(1);
    let pixels = |images: usize, side: usize| {
        images.checked_mul(scale * side + GAP).and_then(|pixels| pixels.checked_add(GAP)).filter(|&p| p <= LARGEST)
    };
    let (Some(all_width), Some(all_height)) = (pixels(columns, width), pixels(lines, height)) else {
        let error = anyhow::anyhow!("{} images of {height} x {width} are too large for one picture", rows.len());
        return Err(Error::BadInput(error.hint("draw fewer: --rows N")));
    };
    let bytes = table.element_type() == memorize_data::ElementType::U8;
    let mut grey = vec![BACKGROUND; all_width * all_height];
    let mut image = vec![0.0f64; height * width];
    for (place, &row) in rows.iter().enumerate() {
        table.decode_row(row as usize, &mut image);
        let finite = image.iter().copied().filter(|value| value.is_finite());
        let (low, high) = if bytes {
            (0.0, 255.0)
        } else {
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let (top, left) =
            (place / columns * (scale * height + GAP) + GAP, place % columns * (scale * width + GAP) + GAP);
        for y in 0..scale * height {
            let line = &mut grey[(top + y) * all_width + left..][..scale * width];
            for (x, pixel) in line.iter_mut().enumerate() {
                let value = image[y / scale * width + x / scale];
                // NaN and images of one value come out as 0.
                *pixel = ((value - low) / (high - low).max(f64::MIN_POSITIVE) * 255.0).round() as u8;
            }
        }
    }
    let png = encode(&grey, all_width as u32, all_height as u32).map_err(Error::run_failed)?;
    Ok(Picture { png, height, width })
}

/// Height and width of a row: the table's, or the sides of a square.
fn shape(dims: &[usize]) -> Option<(usize, usize)> {
    match *dims {
        [_, height, width] => Some((height, width)),
        [_, len] if len > 1 && len.isqrt().pow(2) == len => Some((len.isqrt(), len.isqrt())),
        _ => None,
    }
}

fn encode(grey: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(grey)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use memorize_data::ElementType;

    use super::*;

    fn decode(png: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, info.height as usize, pixels)
    }

    #[test]
    fn images_stand_where_they_should_in_the_grey_that_they_have() {
        let values: Vec<f64> = (0..3 * 48 * 50).map(|i| (i / 2400) as f64 * 100.0).collect();
        let table = Table::from_memory("t", ElementType::U8, &[3, 48, 50], &values).unwrap();
        let picture = grid(&table, &[2, 0, 1]).unwrap();
        let (width, height, pixels) = decode(&picture.png);
        assert_eq!((width, height), (2 * 52 + 2, 2 * 50 + 2));
        let at = |x: usize, y: usize| pixels[y * width + x];
        assert_eq!([at(0, 0), at(2, 2), at(51, 49), at(54, 2), at(2, 52)], [BACKGROUND, 200, 200, 0, 100]);
        // The fourth place is empty.
        assert_eq!(at(60, 60), BACKGROUND);
    }

    #[test]
    fn small_images_are_enlarged_and_floats_scaled() {
        let table = Table::from_memory("t", ElementType::F32, &[1, 4], &[-1.0, 0.0, 1.0, f64::NAN]).unwrap();
        let picture = grid(&table, &[0]).unwrap();
        assert_eq!((picture.height, picture.width), (2, 2));
        let (width, _, pixels) = decode(&picture.png);
        let at = |x: usize, y: usize| pixels[y * width + x];
        assert_eq!([at(2, 2), at(49, 2), at(2, 49), at(49, 49)], [0, 128, 255, 0]);
    }

    #[test]
    fn rows_that_are_no_images_are_refused() {
        let table = Table::from_memory("t", ElementType::F32, &[1, 3], &[0.0; 3]).unwrap();
        assert!(grid(&table, &[0]).is_err());
    }
}
