//! Tables of numbers: IDX and .npy, plain and gzip.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use memorize_data::{ElementType, Table};

use super::memory;

/// Memory for messages and dimensions, whatever the file.
const SLACK: usize = 64 << 10;

/// Memory of the decompressor: its window and tables, and the header, of which the text may have 64 kB.
const GZIP_SLACK: usize = 512 << 10;

/// Deflate cannot expand more, and the header may not claim more (see `data/src/source/gzip.rs`).
const EXPANSION: usize = 1032;

/// Rows are looked at up to so many numbers in all.
const NUMBERS: usize = 1 << 16;

/// A file that begins as IDX files do.
pub fn idx(bytes: &[u8]) {
    beginning_with(&[0, 0], bytes);
}

/// A file that begins as .npy files do.
pub fn npy(bytes: &[u8]) {
    beginning_with(b"\x93NUMPY", bytes);
}

fn beginning_with(magic: &[u8], bytes: &[u8]) {
    let mut contents = bytes.to_vec();
    let length = magic.len().min(contents.len());
    contents[..length].copy_from_slice(&magic[..length]);
    // The file itself is in memory before the counting begins: all that is counted is what reading costs beside it.
    let file = contents.clone();
    let Ok(table) = memory::at_most(2 * file.len() + SLACK, || checked(Table::from_bytes("fuzz", file))) else {
        return;
    };
    usable(&table);
    let again = Table::from_bytes("fuzz", compress(&contents)).expect("what is read plain is read from gzip");
    assert_eq!((again.dims(), again.digest()), (table.dims(), table.digest()));
}

/// A gzip file.
pub fn gzip(bytes: &[u8]) {
    let mut contents = bytes.to_vec();
    let magic = [0x1f, 0x8b];
    let length = magic.len().min(contents.len());
    contents[..length].copy_from_slice(&magic[..length]);
    // Rows of an array in Fortran order are a copy.
    let limit = 2 * EXPANSION * contents.len() + GZIP_SLACK;
    let file = contents.clone();
    let Ok(table) = memory::at_most(limit, || checked(Table::from_bytes("fuzz", file))) else { return };
    usable(&table);
    let plain = expanded(&contents, usize::MAX - 1).expect("the table was made of it");
    let again = Table::from_bytes("fuzz", plain).expect("what is read from gzip is read plain");
    assert_eq!((again.dims(), again.digest()), (table.dims(), table.digest()));
}

/// The message of an error can be made, and names the file.
fn checked(opened: Result<Table, memorize_data::DataError>) -> Result<Table, ()> {
    opened.map_err(|error| assert!(error.to_string().contains("fuzz"), "{error}"))
}

/// Every number of an accepted table can be had, and the table can be written and read back.
fn usable(table: &Table) {
    let (n, width) = (table.rows(), table.row_len());
    let count: usize = table.dims().iter().product();
    assert!(n > 0 && width > 0 && n * width == count && n == table.dims()[0]);
    let finite = table.check_finite().is_ok();
    let _ = table.check_finite_as::<f32>();
    table.digest();
    if count > NUMBERS {
        assert!(table.value(n - 1, width - 1).is_finite() || !finite);
        return;
    }
    let mut values = vec![0.0f64; count];
    for (i, row) in values.chunks_exact_mut(width).enumerate() {
        table.decode_row(i, row);
        for j in [0, width / 2, width - 1] {
            assert_eq!(row[j].to_bits(), table.value(i, j).to_bits());
        }
    }
    assert_eq!(finite, values.iter().all(|value| value.is_finite()));
    // 64-bit integers beyond 2^53 have been rounded, perhaps to 2^63, which is no i64, or 2^64, which is no u64.
    if !matches!(table.element_type(), ElementType::I64 | ElementType::U64) {
        let again =
            Table::from_memory("again", table.element_type(), table.dims(), &values).expect("values of this type");
        let mut row = vec![0.0f64; width];
        for (i, values) in values.chunks_exact(width).enumerate() {
            again.decode_row(i, &mut row);
            assert!(row.iter().zip(values).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
        }
    }
}

/// As gzip, quickly.
pub fn compress(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(contents).and_then(|()| encoder.finish()).expect("memory does not fail to be written")
}

/// What is in a gzip file, if it is one and there is no more in it than `most` bytes. Zeros may follow each of its
/// members.
pub fn expanded(file: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    let mut rest = file;
    loop {
        let mut member = GzDecoder::new(rest);
        let room = (most - contents.len()) as u64 + 1;
        member.by_ref().take(room).read_to_end(&mut contents).ok()?;
        if contents.len() > most {
            return None;
        }
        rest = member.into_inner();
        rest = &rest[rest.iter().take_while(|&&byte| byte == 0).count()..];
        if rest.is_empty() {
            return Some(contents);
        }
    }
}
