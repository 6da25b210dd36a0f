//! The IDX format: `00 00`, a byte for the element type, a byte for the number of dimensions, each dimension as a
//! big-endian u32, then the numbers, big-endian, last dimension fastest.

use std::path::Path;

use super::header::Header;
use crate::error::DataError;
use crate::format::{ByteOrder, ElementType, Format};

/// The first two bytes.
pub(super) const MAGIC: &[u8] = &[0, 0];

/// Bytes before the dimensions.
const FIXED_LEN: usize = 4;

/// Length of the header.
///
/// # Errors
/// Those of [`parse`] that the first four bytes can cause.
pub(super) fn header_len(path: &Path, prefix: &[u8]) -> Result<usize, DataError> {
    let &[_, _, code, ndims, ..] = prefix else {
        return Err(truncated(path, 0, FIXED_LEN, prefix.len()));
    };
    element_type(path, code)?;
    match ndims {
        0 => Err(DataError::IdxDimensions { path: path.into(), ndims: 0 }),
        _ => Ok(FIXED_LEN + 4 * usize::from(ndims)),
    }
}

/// Parses the header at the start of a file.
///
/// # Errors
/// An unknown element type, no dimensions, a file that ends inside the header, or dimensions that overflow or are zero.
pub(super) fn parse(path: &Path, start: &[u8]) -> Result<Header, DataError> {
    let len = header_len(path, start)?;
    let Some(dims) = start.get(FIXED_LEN..len) else {
        return Err(truncated(path, (len - FIXED_LEN) / 4, len, start.len()));
    };
    let dims = dims.as_chunks::<4>().0.iter().map(|&dim| u32::from_be_bytes(dim) as usize).collect();
    Header::new(path, Format::Idx, element_type(path, start[2])?, ByteOrder::Big, dims, len)
}

fn truncated(path: &Path, ndims: usize, expected: usize, found: usize) -> DataError {
    DataError::IdxHeaderTruncated { path: path.into(), ndims, expected, found }
}

fn element_type(path: &Path, code: u8) -> Result<ElementType, DataError> {
    ElementType::ALL
        .into_iter()
        .find(|&element| self::code(element) == Some(code))
        .ok_or_else(|| DataError::IdxElementType { path: path.into(), code })
}

/// The byte for an element type, if IDX has one.
fn code(element: ElementType) -> Option<u8> {
    match element {
        ElementType::U8 => Some(0x08),
        ElementType::I8 => Some(0x09),
        ElementType::I16 => Some(0x0B),
        ElementType::I32 => Some(0x0C),
        ElementType::F32 => Some(0x0D),
        ElementType::F64 => Some(0x0E),
        ElementType::Bool
        | ElementType::U16
        | ElementType::U32
        | ElementType::U64
        | ElementType::I64
        | ElementType::F16 => None,
    }
}

/// The header of a file to be written.
///
/// # Errors
/// An element type or a dimension that IDX has no room for.
pub(super) fn header_bytes(path: &Path, element: ElementType, dims: &[usize]) -> Result<Vec<u8>, DataError> {
    let code =
        code(element).ok_or_else(|| DataError::NotStorable { path: path.into(), format: Format::Idx, element })?;
    let ndims = match u8::try_from(dims.len()) {
        Ok(ndims) if ndims > 0 => ndims,
        _ => return Err(DataError::IdxDimensions { path: path.into(), ndims: dims.len() }),
    };
    let mut header = vec![0, 0, code, ndims];
    for &dim in dims {
        let dim = u32::try_from(dim).map_err(|_| DataError::IdxDimensionTooLarge { path: path.into(), dim })?;
        header.extend_from_slice(&dim.to_be_bytes());
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Header, DataError> {
        super::parse(Path::new("x.idx"), bytes)
    }

    #[test]
    fn a_good_header_is_read() {
        let header = parse(&[0, 0, 0x0B, 2, 0, 0, 0, 3, 0, 0, 1, 0]).unwrap();
        assert_eq!((header.element, header.dims), (ElementType::I16, vec![3, 256]));
        assert_eq!((header.data_offset, header.total_len), (12, 12 + 2 * 3 * 256));
    }

    #[test]
    fn unknown_element_types_are_refused() {
        for code in (0..=255).filter(|code| ![0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E].contains(code)) {
            let error = parse(&[0, 0, code, 1, 0, 0, 0, 1, 0]).unwrap_err();
            assert!(matches!(error, DataError::IdxElementType { code: found, .. } if found == code), "{error}");
        }
    }

    #[test]
    fn a_header_without_dimensions_is_refused() {
        assert!(matches!(parse(&[0, 0, 8, 0, 1]), Err(DataError::IdxDimensions { ndims: 0, .. })));
    }

    #[test]
    fn truncated_headers_are_refused() {
        assert!(matches!(parse(&[0, 0, 8]), Err(DataError::IdxHeaderTruncated { expected: 4, found: 3, .. })));
        let error = parse(&[0, 0, 8, 3, 0, 0, 0, 1, 0]).unwrap_err();
        assert!(matches!(error, DataError::IdxHeaderTruncated { ndims: 3, expected: 16, found: 9, .. }), "{error}");
    }

    #[test]
    fn dimensions_that_overflow_are_refused() {
        let mut bytes = vec![0, 0, 0x0E, 3];
        bytes.extend_from_slice(&[0xff; 12]);
        assert!(matches!(parse(&bytes), Err(DataError::SizeOverflow { .. })));
    }

    #[test]
    fn dimensions_of_zero_are_refused() {
        assert!(matches!(parse(&[0, 0, 8, 1, 0, 0, 0, 0]), Err(DataError::NoRows { .. })));
        assert!(matches!(parse(&[0, 0, 8, 2, 0, 0, 0, 5, 0, 0, 0, 0]), Err(DataError::NoColumns { .. })));
    }

    #[test]
    fn what_idx_has_no_room_for_is_not_written() {
        let header = |element, dims: &[usize]| header_bytes(Path::new("x.idx"), element, dims);
        assert!(matches!(header(ElementType::I64, &[1]), Err(DataError::NotStorable { .. })));
        assert!(matches!(header(ElementType::U8, &[]), Err(DataError::IdxDimensions { ndims: 0, .. })));
        assert!(matches!(header(ElementType::U8, &[1; 256]), Err(DataError::IdxDimensions { ndims: 256, .. })));
        let error = header(ElementType::U8, &[1 << 32]).unwrap_err();
        assert!(matches!(error, DataError::IdxDimensionTooLarge { dim: 0x1_0000_0000, .. }), "{error}");
    }
}
