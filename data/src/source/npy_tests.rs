//! Tests of the header parser: the shapes that NumPy writes, and every way in which one can be wrong.

use super::*;

fn file(version: u8, text: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[version, 0]);
    match version {
        1 => bytes.extend_from_slice(&(text.len() as u16).to_le_bytes()),
        _ => bytes.extend_from_slice(&(text.len() as u32).to_le_bytes()),
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn parse(bytes: &[u8]) -> Result<Header, DataError> {
    super::parse(Path::new("x.npy"), bytes)
}

fn parse_text(text: &str) -> Result<Header, DataError> {
    parse(&file(1, text))
}

#[test]
fn every_version_and_spelling_is_read() {
    for version in 1..=3 {
        let header = parse(&file(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n")).unwrap();
        assert_eq!((header.element, header.dims), (ElementType::F32, vec![2, 3]));
        assert_eq!(header.total_len - header.data_offset, 24);
    }
    let header = parse_text("{\"shape\":(5,),\"fortran_order\":True,\"descr\":\">i8\"}").unwrap();
    assert_eq!((header.element, header.order, header.dims), (ElementType::I64, ByteOrder::Big, vec![5]));
    assert_eq!(parse_text("{'descr': '|u1', 'fortran_order': False, 'shape': (7L, 1L)}").unwrap().dims, [7, 1]);
}

#[test]
fn what_is_written_is_read() {
    for dims in [vec![1], vec![60000, 28, 28], vec![3; 12]] {
        let bytes = header_bytes(Path::new("x.npy"), ElementType::F64, &dims).unwrap();
        assert_eq!(bytes.len() % 64, 0);
        let header = parse(&bytes).unwrap();
        assert_eq!((header.dims, header.data_offset), (dims, bytes.len()));
    }
    for element in ElementType::ALL {
        let header = parse(&header_bytes(Path::new("x.npy"), element, &[2]).unwrap()).unwrap();
        assert_eq!((header.element, header.order), (element, ByteOrder::Little));
    }
    assert!(matches!(header_bytes(Path::new("x"), ElementType::U8, &[1; 65]), Err(DataError::NpyHeader { .. })));
}

#[test]
fn unknown_versions_are_refused() {
    let mut bytes = file(1, "{}");
    bytes[6] = 4;
    assert!(matches!(parse(&bytes), Err(DataError::NpyVersion { major: 4, minor: 0, .. })));
}

#[test]
fn truncated_headers_are_refused() {
    let whole = file(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    for len in MAGIC.len()..whole.len() {
        let error = parse(&whole[..len]).unwrap_err();
        assert!(matches!(error, DataError::NpyHeaderTruncated { found, .. } if found == len), "{error}");
    }
}

#[test]
fn a_header_that_claims_gigabytes_is_refused_before_any_allocation() {
    let mut bytes = file(2, "{}");
    bytes[8..12].copy_from_slice(&[0xff; 4]);
    assert!(matches!(parse(&bytes), Err(DataError::NpyHeaderTooLong { found: 0xffff_ffff, .. })));
}

#[test]
fn bad_dictionaries_are_refused() {
    let deep = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {}", "(".repeat(60000));
    for text in [
        "",
        "[]",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'extra': 1}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr: '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': \u{e9}",
        &deep,
    ] {
        let error = parse_text(text).unwrap_err();
        assert!(matches!(error, DataError::NpyHeader { .. }), "{error}");
    }
    assert!(matches!(parse(&[&file(1, "")[..8], &[2, 0, 0xff, 0xfe]].concat()), Err(DataError::NpyHeader { .. })));
    let many = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({})}}", "1,".repeat(65));
    assert!(matches!(parse_text(&many), Err(DataError::NpyHeader { .. })));
}

#[test]
fn unsupported_element_types_are_refused() {
    for (descr, words) in [
        ("'<c8'", "(complex numbers)"),
        ("'|O'", "(Python objects)"),
        ("'<U3'", "(text)"),
        ("'|S5'", "(text)"),
        ("'<M8[ns]'", "(dates or times)"),
        ("'<m8'", "(dates or times)"),
        ("'|V2'", "(raw bytes)"),
        ("'<f16'", "(floats of more than 64 bits)"),
        ("[('a', '<f4')]", "(fields with names)"),
        ("'f4'", "astype"),
        ("''", "unknown"),
        ("'\u{e9}4'", "unknown"),
    ] {
        let error = parse_text(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}")).unwrap_err();
        assert!(matches!(error, DataError::NpyElementType { .. }), "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("numpy."), "{error}");
    }
}

#[test]
fn fortran_order_is_told_where_it_matters() {
    let text = |shape| format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}}}");
    for (shape, dims, fortran) in [("(2, 3)", &[2, 3][..], true), ("(1, 3)", &[1, 3], false), ("(4,)", &[4], false)] {
        let header = parse_text(&text(shape)).unwrap();
        assert_eq!((&header.dims[..], header.fortran), (dims, fortran));
    }
}

#[test]
fn shapes_without_dimensions_or_with_impossible_ones_are_refused() {
    let text = |shape| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
    assert!(matches!(parse_text(&text("()")), Err(DataError::NpyNoDimensions { .. })));
    assert!(matches!(parse_text(&text("(0, 3)")), Err(DataError::NoRows { .. })));
    assert!(matches!(parse_text(&text("(3, 0)")), Err(DataError::NoColumns { .. })));
    let error = parse_text(&text("(4294967296, 4294967296, 2)")).unwrap_err();
    assert!(matches!(error, DataError::SizeOverflow { .. }), "{error}");
}
