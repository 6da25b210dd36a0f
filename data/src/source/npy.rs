//! NumPy's .npy format: `\x93NUMPY`, a version, the length of the header text, then a Python dictionary with exactly
//! the keys `descr`, `fortran_order` and `shape`, then the numbers.
//!
//! The dictionary is parsed here and not by a crate: the files of interest need six tokens of Python, while general
//! parsers of the format allocate what the header claims and multiply its dimensions unchecked.

#[path = "npy_foreign.rs"]
mod foreign;

use std::path::Path;

use super::header::Header;
use crate::error::DataError;
use crate::format::{ByteOrder, ElementType, Format};

/// The first bytes.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header text that is read. A plain array's takes about 100 bytes, with the most dimensions about 1500.
const MAX_TEXT_LEN: usize = 65536;

/// Most dimensions that NumPy supports.
const MAX_DIMENSIONS: usize = 64;

/// Length of the header.
///
/// # Errors
/// An unknown version, a length beyond reason, or a file that ends before its length is known.
pub(super) fn header_len(path: &Path, prefix: &[u8]) -> Result<usize, DataError> {
    let truncated = |expected| DataError::NpyHeaderTruncated { path: path.into(), expected, found: prefix.len() };
    let &[_, _, _, _, _, _, major, minor, ref rest @ ..] = prefix else {
        return Err(truncated(10));
    };
    let (before_text, text_len) = match (major, minor, rest) {
        (1, 0, &[a, b, ..]) => (10, usize::from(u16::from_le_bytes([a, b]))),
        (1, 0, _) => return Err(truncated(10)),
        (2 | 3, 0, &[a, b, c, d, ..]) => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        (2 | 3, 0, _) => return Err(truncated(12)),
        _ => return Err(DataError::NpyVersion { path: path.into(), major, minor }),
    };
    if text_len > MAX_TEXT_LEN {
        return Err(DataError::NpyHeaderTooLong { path: path.into(), found: text_len, limit: MAX_TEXT_LEN });
    }
    Ok(before_text + text_len)
}

/// Parses the header at the start of a file.
///
/// # Errors
/// Everything that can be wrong with it; see the variants of [`DataError`] that start with `Npy`.
pub(super) fn parse(path: &Path, start: &[u8]) -> Result<Header, DataError> {
    let len = header_len(path, start)?;
    let before_text = if start[6] == 1 { 10 } else { 12 };
    let Some(text) = start.get(before_text..len) else {
        return Err(DataError::NpyHeaderTruncated { path: path.into(), expected: len, found: start.len() });
    };
    let dictionary =
        Dictionary::parse(text).map_err(|what| DataError::NpyHeader { path: path.into(), what: what.into() })?;
    let (element, order) = element_type(&dictionary.descr).ok_or_else(|| {
        let (what, advice) = foreign::of(&dictionary.descr);
        DataError::NpyElementType { path: path.into(), descr: dictionary.descr.clone(), what, advice }
    })?;
    if dictionary.shape.is_empty() {
        return Err(DataError::NpyNoDimensions { path: path.into() });
    }
    // With one dimension (or one that is not 1) both orders are the same bytes, and NumPy may write either word.
    let fortran = dictionary.fortran_order && dictionary.shape.iter().filter(|&&dim| dim != 1).count() > 1;
    Ok(Header { fortran, ..Header::new(path, Format::Npy, element, order, dictionary.shape, len)? })
}

/// What NumPy calls the element types, without the byte order.
const NAMES: [(ElementType, &str); 12] = [
    (ElementType::Bool, "b1"),
    (ElementType::U8, "u1"),
    (ElementType::I8, "i1"),
    (ElementType::U16, "u2"),
    (ElementType::I16, "i2"),
    (ElementType::U32, "u4"),
    (ElementType::I32, "i4"),
    (ElementType::U64, "u8"),
    (ElementType::I64, "i8"),
    (ElementType::F16, "f2"),
    (ElementType::F32, "f4"),
    (ElementType::F64, "f8"),
];

fn element_type(descr: &str) -> Option<(ElementType, ByteOrder)> {
    let (order, name) = descr.split_at_checked(1)?;
    let element = NAMES.into_iter().find(|&(_, known)| known == name)?.0;
    match order {
        "<" => Some((element, ByteOrder::Little)),
        ">" => Some((element, ByteOrder::Big)),
        "|" if element.size() == 1 => Some((element, ByteOrder::Little)),
        _ => None,
    }
}

/// The three entries of the header.
struct Dictionary {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Dictionary {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }`, keys in any order, padded with spaces.
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let mut text = Text { rest: std::str::from_utf8(text).map_err(|_| "it is not text")? };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        text.expect("{", "it does not start with {")?;
        while !text.accept("}") {
            let key = text.string()?;
            text.expect(":", "a key is not followed by a colon")?;
            let repeated = match key {
                "descr" if text.rest.starts_with('[') => {
                    // Fields with names: no plain table, whatever follows.
                    return Ok(Self { descr: "[structured]".into(), fortran_order: false, shape: vec![] });
                }
                "descr" => descr.replace(text.string()?.to_owned()).is_some(),
                "fortran_order" => fortran_order.replace(text.boolean()?).is_some(),
                "shape" => shape.replace(text.shape()?).is_some(),
                _ => return Err("it has a key other than descr, fortran_order and shape"),
            };
            if repeated {
                return Err("a key stands twice");
            }
            if !text.accept(",") && !text.rest.starts_with('}') {
                return Err("entries are not separated by commas");
            }
        }
        if !text.rest.is_empty() {
            return Err("something follows the dictionary");
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Self { descr, fortran_order, shape }),
            _ => Err("one of the keys descr, fortran_order and shape is missing"),
        }
    }
}

/// The text that is still to be read. Every method leaves it without leading white space.
struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (head, tail) = self.rest.split_at(bytes);
        self.rest = tail.trim_ascii_start();
        head
    }

    fn accept(&mut self, token: &str) -> bool {
        let found = self.rest.starts_with(token);
        if found {
            self.advance(token.len());
        }
        found
    }

    fn expect(&mut self, token: &str, otherwise: &'static str) -> Result<(), &'static str> {
        if self.accept(token) { Ok(()) } else { Err(otherwise) }
    }

    fn string(&mut self) -> Result<&'a str, &'static str> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("a quoted string is missing")?;
        let end = self.rest[1..].find(quote).ok_or("a string does not end")?;
        Ok(&self.advance(end + 2)[1..=end])
    }

    fn boolean(&mut self) -> Result<bool, &'static str> {
        if self.accept("True") {
            Ok(true)
        } else if self.accept("False") {
            Ok(false)
        } else {
            Err("fortran_order is neither True nor False")
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, &'static str> {
        self.expect("(", "shape is not a tuple")?;
        let mut dims = Vec::new();
        while !self.accept(")") {
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let dim = self.advance(digits).parse().map_err(|_| "a dimension is not a number of 64 bits")?;
            // Python 2 wrote long integers with an L.
            self.accept("L");
            dims.push(dim);
            if dims.len() > MAX_DIMENSIONS {
                return Err("there are more than 64 dimensions");
            }
            if !self.accept(",") && !self.rest.starts_with(')') {
                return Err("shape does not end");
            }
        }
        Ok(dims)
    }
}

/// The header of a file to be written, version 1.0, padded so that the numbers start at a multiple of 64 bytes.
///
/// # Errors
/// Too many dimensions.
pub(super) fn header_bytes(path: &Path, element: ElementType, dims: &[usize]) -> Result<Vec<u8>, DataError> {
    let order = if element.size() == 1 { '|' } else { '<' };
    let name = NAMES.into_iter().find_map(|(known, name)| (known == element).then_some(name)).expect("all are there");
    if dims.len() > MAX_DIMENSIONS {
        let what = format!("{} dimensions, NumPy has room for {MAX_DIMENSIONS}", dims.len());
        return Err(DataError::NpyHeader { path: path.into(), what });
    }
    let shape: String = dims.iter().map(|dim| format!("{dim}, ")).collect();
    let mut text = format!("{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let before_text = 10;
    let padded = (before_text + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', padded - before_text - text.len() - 1));
    text.push('\n');
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&[1, 0]);
    // 64 dimensions of 20 digits stay far below 65536.
    header.extend_from_slice(&(text.len() as u16).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    Ok(header)
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
