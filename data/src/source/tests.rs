//! Files of every kind, honest and hostile, through `Table::open`.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Opens a file of these contents, both mapped and read, which must agree.
fn open(contents: &[u8]) -> Result<Table, DataError> {
    let dir = TempDir::new().unwrap();
    // A misleading name: only contents count.
    let path = dir.path().join("data.csv");
    fs::write(&path, contents).unwrap();
    let (mapped, read) = (Table::open(&path), Table::open_with(&path, Access::Read));
    match (&mapped, &read) {
        (Ok(mapped), Ok(read)) => assert_eq!(mapped.file_bytes(), read.file_bytes()),
        (Err(mapped), Err(read)) => assert_eq!(mapped.to_string(), read.to_string()),
        _ => panic!("mapping and reading disagree: {mapped:?} {read:?}"),
    }
    if let Err(error) = &mapped {
        assert!(error.to_string().contains("data.csv"), "{error}");
    }
    mapped
}

fn gzip(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file of bytes with these dimensions, followed by `len` bytes 0, 1, 2, ...
fn idx_u8(dims: &[u32], len: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend_from_slice(&dim.to_be_bytes()));
    bytes.extend((0..len).map(|i| i as u8));
    bytes
}

fn rows_of(table: &Table) -> Vec<Vec<f64>> {
    let mut row = vec![0.0; table.row_len()];
    (0..table.rows())
        .map(|i| {
            table.decode_row(i, &mut row);
            row.clone()
        })
        .collect()
}

#[test]
fn an_idx_file_is_read_plain_and_compressed() {
    let plain = idx_u8(&[2, 3, 2], 12);
    for contents in [plain.clone(), gzip(&plain)] {
        let table = open(&contents).unwrap();
        assert_eq!((table.rows(), table.row_len(), table.dims()), (2, 6, &[2, 3, 2][..]));
        assert_eq!(table.element_type(), ElementType::U8);
        assert_eq!(rows_of(&table)[1], [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(table.value(1, 5), 11.0);
    }
    let labels = open(&idx_u8(&[5], 5)).unwrap();
    assert_eq!((labels.rows(), labels.row_len()), (5, 1));
}

#[test]
fn gzip_of_several_members_is_one_file() {
    let plain = idx_u8(&[2, 3, 2], 12);
    let both = [gzip(&plain[..10]), gzip(&plain[10..])].concat();
    assert_eq!(open(&both).unwrap().file_bytes(), plain);
}

#[test]
fn zeros_may_follow_a_gzip_stream_and_stand_between_members_and_nothing_else_may() {
    let plain = idx_u8(&[2, 3, 2], 12);
    let (whole, zeros) = (gzip(&plain), [0; 512]);
    let padded = [&whole[..], &zeros].concat();
    assert_eq!(open(&padded).unwrap().file_bytes(), plain);
    let both = [&gzip(&plain[..10])[..], &zeros, &gzip(&plain[10..]), &zeros[..3]].concat();
    assert_eq!(open(&both).unwrap().file_bytes(), plain);
    for (rest, extra) in [(&b"garbage"[..], 7), (b"\0\0x", 3), (b"\x1f", 1)] {
        let error = open(&[&whole[..], rest].concat()).unwrap_err();
        let found = if let DataError::GzipTrailing { whole, extra, .. } = error { (whole, extra) } else { (0, 0) };
        assert_eq!(found, (whole.len(), extra), "{error}");
        assert!(error.to_string().contains(&format!("is whole, but {extra} other bytes follow its {}", whole.len())));
    }
    // Another member that is damaged is no garbage.
    let cut = [&whole[..], &whole[..whole.len() - 2]].concat();
    assert!(matches!(open(&cut), Err(DataError::GzipCorrupt { .. } | DataError::GzipTooLong { .. })));
}

#[test]
fn what_is_not_a_file_is_refused() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(Table::open(dir.path()), Err(DataError::IsDirectory { .. })));
    assert!(matches!(Table::open(&dir.path().join("absent")), Err(DataError::Open { .. })));
    #[cfg(unix)]
    assert!(matches!(Table::open(Path::new("/dev/null")), Err(DataError::NotRegular { .. })));
    assert!(matches!(open(b""), Err(DataError::Empty { .. })));
}

#[test]
fn files_of_no_known_format_are_refused() {
    let looks = |contents: &[u8]| match open(contents).unwrap_err() {
        DataError::NotRecognised { looks, .. } | DataError::GzipNotRecognised { looks, .. } => looks,
        other => panic!("{other}"),
    };
    assert_eq!(looks(b"<!DOCTYPE html>\n<html>"), Looks::Html);
    assert_eq!(looks(b"1,2,3\n"), Looks::Text);
    assert_eq!(looks(&[1, 2, 3, 4]), Looks::Binary);
    assert_eq!(looks(&gzip(b"<html>")), Looks::Html);
    assert_eq!(looks(&gzip(&gzip(&idx_u8(&[1], 1)))), Looks::Gzip);
    assert_eq!(looks(&gzip(b"")), Looks::Empty);
}

#[test]
fn files_shorter_or_longer_than_their_header_says_are_refused() {
    let error = open(&idx_u8(&[2, 3], 5)).unwrap_err();
    assert!(matches!(error, DataError::TooShort { expected: 18, found: 17, .. }), "{error}");
    let error = open(&idx_u8(&[2, 3], 7)).unwrap_err();
    assert!(matches!(error, DataError::TooLong { expected: 18, found: 19, .. }), "{error}");
    // A header that claims 2^62 bytes is refused without allocating them.
    let error = open(&idx_u8(&[1 << 31, 1 << 31], 5)).unwrap_err();
    assert!(matches!(error, DataError::TooShort { .. }), "{error}");

    let npy = npy::header_bytes(Path::new(""), ElementType::F32, &[2, 3]).unwrap();
    let with = |len: usize| [&npy[..], &vec![0; len]].concat();
    assert!(open(&with(24)).is_ok());
    assert!(matches!(open(&with(23)), Err(DataError::TooShort { format: Format::Npy, .. })));
    assert!(matches!(open(&with(25)), Err(DataError::TooLong { format: Format::Npy, .. })));
}

#[test]
fn every_truncation_of_a_file_is_refused() {
    let whole = idx_u8(&[2, 3], 6);
    for len in 0..whole.len() {
        assert!(open(&whole[..len]).is_err(), "{len}");
        assert!(open(&gzip(&whole[..len])).is_err(), "{len}");
    }
    let compressed = gzip(&whole);
    for len in 2..compressed.len() {
        let error = open(&compressed[..len]).unwrap_err();
        assert!(matches!(error, DataError::GzipCorrupt { .. }), "{len}: {error}");
    }
}

#[test]
fn gzip_that_is_damaged_is_refused() {
    let good = gzip(&idx_u8(&[200, 3], 600));
    let mut flipped = good.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    assert!(matches!(open(&flipped), Err(DataError::GzipCorrupt { .. })));
}

#[test]
fn gzip_that_lies_about_its_size_is_refused() {
    let error = open(&gzip(&idx_u8(&[2, 300], 599))).unwrap_err();
    assert!(matches!(error, DataError::GzipTooShort { expected: 612, found: 611, .. }), "{error}");
    let error = open(&gzip(&idx_u8(&[2, 300], 601))).unwrap_err();
    assert!(matches!(error, DataError::GzipTooLong { expected: 612, .. }), "{error}");
    // So short that it is read whole while its format is being recognised.
    let error = open(&gzip(&idx_u8(&[1], 4))).unwrap_err();
    assert!(matches!(error, DataError::GzipTooLong { expected: 9, .. }), "{error}");
    let error = open(&gzip(&idx_u8(&[1 << 31, 1 << 31], 100))).unwrap_err();
    assert!(matches!(error, DataError::GzipImplausible { .. }), "{error}");
    // A bomb: megabytes behind a small header are not expanded.
    let error = open(&gzip(&idx_u8(&[2, 3], 50_000_000))).unwrap_err();
    assert!(matches!(error, DataError::GzipTooLong { expected: 18, .. }), "{error}");
}

#[test]
fn data_that_compress_as_well_as_deflate_can_are_accepted() {
    let table = open(&gzip(&[&idx_u8(&[1000, 10_000], 0)[..], &vec![0; 10_000_000]].concat())).unwrap();
    assert_eq!(table.rows(), 1000);
}

#[test]
fn values_that_are_not_finite_are_found_where_they_are() {
    let mut values = vec![1.0; 3 * 300];
    for element in [ElementType::F32, ElementType::F64] {
        let table = |values: &[f64]| Table::from_memory("t", element, &[3, 300], values).unwrap();
        values[600 + 257] = f64::NAN;
        assert!(matches!(table(&values).check_finite(), Err(DataError::NotFinite { row: 2, column: 257, .. })));
        values[300 + 5] = f64::NEG_INFINITY;
        assert!(matches!(table(&values).check_finite(), Err(DataError::NotFinite { row: 1, column: 5, .. })));
        values.fill(1.0);
        assert!(table(&values).check_finite().is_ok());
    }
    let table = Table::from_memory("t", ElementType::F64, &[1, 2], &[1.0, 1e39]).unwrap();
    assert!(table.check_finite().is_ok());
    assert!(matches!(table.check_finite_as::<f32>(), Err(DataError::TooLarge { row: 0, column: 1, .. })));
}

#[test]
fn tables_in_memory_check_their_arguments() {
    let table = |element, dims: &[usize], values: &[f64]| Table::from_memory("t", element, dims, values);
    let error = table(ElementType::F32, &[2, 2], &[1.0; 3]).unwrap_err();
    assert!(matches!(error, DataError::ValueCount { expected: 4, found: 3, .. }), "{error}");
    let error = table(ElementType::U8, &[2], &[1.0, 256.0]).unwrap_err();
    assert!(matches!(error, DataError::NotRepresentable { index: 1, .. }), "{error}");
    assert!(matches!(table(ElementType::U8, &[], &[]), Err(DataError::NoRows { .. })));
    assert!(matches!(table(ElementType::U8, &[0, 1], &[]), Err(DataError::NoRows { .. })));
    assert!(matches!(table(ElementType::U8, &[1, 0], &[]), Err(DataError::NoColumns { .. })));
    assert!(matches!(table(ElementType::U8, &[usize::MAX, 2], &[]), Err(DataError::SizeOverflow { .. })));
}

#[test]
#[should_panic(expected = "row 2 of t, which has 2")]
fn a_row_beyond_the_end_is_a_mistake_of_the_caller() {
    Table::from_memory("t", ElementType::U8, &[2], &[1.0, 2.0]).unwrap().value(2, 0);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let path = TempDir::new().unwrap().path().join("gone").join("x.idx");
    let error = write_idx(&path, ElementType::U8, &[1], &[1.0]).unwrap_err();
    assert!(matches!(error, DataError::Write { .. }), "{error}");
}

/// The fixtures were made by NumPy; see `make.py` beside them.
fn fixture(name: &str) -> Result<Table, DataError> {
    Table::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
}

#[test]
fn files_that_numpy_wrote_are_read() {
    let x: Vec<Vec<f64>> = (0..3).map(|i| (0..4).map(|j| f64::from(4 * i + j) * 0.25 - 1.0).collect()).collect();
    for name in ["f8_3x4.npy", "f8_3x4_version2.npy", "f8_3x4_version3.npy", "f4_3x2x2.npy", "f4_big_endian_3x4.npy"] {
        assert_eq!(rows_of(&fixture(name).unwrap()), x, "{name}");
    }
    assert_eq!(rows_of(&fixture("u1_3x4.npy").unwrap())[2], [160.0, 180.0, 200.0, 220.0]);
    let fortran = fixture("f8_fortran_3x4.npy").unwrap();
    assert_eq!((rows_of(&fortran), fortran.is_mapped(), fortran.notes().len()), (x, false, 1));
    // The rows that are read have its digest, and the sum is the file's.
    assert_eq!(fortran.digest(), fixture("f8_3x4.npy").unwrap().digest());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/f8_fortran_3x4.npy");
    let contents = fs::read(&file).unwrap();
    assert_eq!(fortran.sha256(), sha256(&contents));
    for table in [open(&gzip(&contents)).unwrap(), Table::open_with(&file, Access::Read).unwrap()] {
        assert_eq!((table.digest(), table.sha256()), (fortran.digest(), fortran.sha256()));
    }
    for name in ["i8_labels.npy", "i4_labels.npy"] {
        assert_eq!(rows_of(&fixture(name).unwrap()).concat(), [3.0, -1.0, 9.0], "{name}");
    }
}

#[test]
fn files_that_numpy_wrote_for_other_purposes_are_refused() {
    assert!(matches!(fixture("f8_scalar.npy"), Err(DataError::NpyNoDimensions { .. })));
    assert!(matches!(fixture("structured.npy"), Err(DataError::NpyElementType { .. })));
    let error = fixture("f8_nan_3x4.npy").unwrap().check_finite().unwrap_err();
    assert!(matches!(error, DataError::NotFinite { row: 1, column: 2, .. }), "{error}");
}

/// Values that exist in a type, its extremes among them.
fn values_of(element: ElementType, len: usize) -> impl Strategy<Value = Vec<f64>> {
    let integer = move |word: u64| match element {
        ElementType::Bool => f64::from(word as u8 & 1),
        ElementType::U8 => f64::from(word as u8),
        ElementType::U16 => f64::from(word as u16),
        ElementType::U32 => f64::from(word as u32),
        ElementType::U64 => (word >> 11) as f64,
        ElementType::F16 => f64::from(word as i16 >> 5) * 0.25,
        ElementType::I8 => f64::from(word as i8),
        ElementType::I16 => f64::from(word as i16),
        ElementType::I32 => f64::from(word as i32),
        ElementType::I64 => ((word as i64) >> 11) as f64,
        // Any bits, but NaN, which is not equal to itself.
        ElementType::F32 => Some(f64::from(f32::from_bits(word as u32))).filter(|v| !v.is_nan()).unwrap_or(0.5),
        ElementType::F64 => Some(f64::from_bits(word)).filter(|v| !v.is_nan()).unwrap_or(0.5),
    };
    prop::collection::vec(any::<u64>().prop_map(integer), len)
}

/// A type, dimensions, and as many values.
fn any_table() -> impl Strategy<Value = (ElementType, Vec<usize>, Vec<f64>)> {
    let dims = prop_oneof![prop::collection::vec(1usize..5, 1..5), (1usize..=255).prop_map(|n| vec![1; n])];
    (prop::sample::select(&ElementType::ALL[..]), dims).prop_flat_map(|(element, dims)| {
        let len = dims.iter().product();
        values_of(element, len).prop_map(move |values| (element, dims.clone(), values))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_is_written_is_read_back((element, dims, values) in any_table()) {
        let dir = TempDir::new().unwrap();
        use ElementType::{F32, F64, I8, I16, I32, U8};
        let idx = [U8, I8, I16, I32, F32, F64].contains(&element);
        let npy = dims.len() <= 64;
        for (name, written) in [("x.idx", idx), ("x.npy", npy)] {
            if !written {
                continue;
            }
            let path = dir.path().join(name);
            if name == "x.idx" {
                write_idx(&path, element, &dims, &values).unwrap();
            } else {
                write_npy(&path, element, &dims, &values).unwrap();
            }
            let plain = Table::open(&path).unwrap();
            // Under another name: `path` is mapped, and writing to it would change `plain`.
            let compressed = dir.path().join("compressed");
            fs::write(&compressed, gzip(&fs::read(&path).unwrap())).unwrap();
            for table in [plain, Table::open(&compressed).unwrap()] {
                prop_assert_eq!(table.dims(), &dims[..]);
                prop_assert_eq!(table.element_type(), element);
                prop_assert_eq!(rows_of(&table).concat(), values.clone());
                let row_len = table.row_len();
                prop_assert!((0..values.len()).all(|i| table.value(i / row_len, i % row_len) == values[i]));
            }
        }
        let memory = Table::from_memory("t", element, &dims, &values).unwrap();
        prop_assert_eq!(rows_of(&memory).concat(), values);
    }

    #[test]
    fn no_contents_whatever_make_the_reader_panic(
        magic in prop::sample::select(vec![&b""[..], &[0, 0], &[0, 0, 8, 1, 0, 0, 0], b"\x93NUMPY\x01\x00", &[0x1f, 0x8b, 8, 0]]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let contents = [magic, &rest].concat();
        let _ = open(&contents);
        let _ = open(&gzip(&contents));
    }
}

/// The rows of one of three ranks, the second of which has none.
fn shares(rank: usize, rows: usize) -> Range<usize> {
    let half = rows / 2;
    [0..half, half..half, half..rows][rank].clone()
}

#[test]
fn ranks_that_map_one_file_share_its_digest_out_and_those_that_have_others_are_found_out_by_it() {
    let dir = TempDir::new().unwrap();
    let rows = 5 << 17;
    let write = |name: &str, place: usize| {
        let mut values: Vec<f64> = (0..rows).map(|i| f64::from(i as u32 % 251)).collect();
        values[place] += 0.5;
        let path = dir.path().join(name);
        write_npy(&path, ElementType::F64, &[rows], &values).unwrap();
        path
    };
    let (last, half) = (rows - 1, rows / 2);
    let (first, copy) = (write("x.npy", 0), write("copy.npy", 0));
    // Which file each rank has, and what is to be found: the first row that a rank reads and has otherwise.
    for (files, found) in [
        ([&first, &first, &first], None),
        ([&first, &copy, &copy], None),
        ([&copy, &first, &copy], None),
        ([&first, &first, &write("last.npy", last)], Some((2, last))),
        ([&write("early.npy", half - (1 << 17)), &first, &first], None),
        // Nobody reads them from there.
        ([&first, &write("nobody.npy", last), &first], None),
    ] {
        // The first number of x.npy and copy.npy is one of their own, too.
        let tables: Vec<Table> = files.iter().map(|path| Table::open(path).unwrap()).collect();
        let digest = tables[0].digest();
        std::thread::scope(|scope| {
            for (team, table) in memorize_ranks::threads(3).into_iter().zip(tables) {
                let digest = &digest;
                scope.spawn(move || match (table.digest_among(&*team, shares(team.rank(), rows)), found) {
                    (Ok(own), None) => assert_eq!(own, *digest),
                    (Err(DataError::RanksDiffer { rank, row, column: 0, .. }), Some(place)) => {
                        assert!(rank == place.0 && (team.rank() > 0 || row == place.1), "rank {rank}, row {row}");
                    }
                    (other, _) => panic!("{other:?}"),
                });
            }
        });
    }
}

#[test]
fn ranks_that_read_a_part_each_find_the_digest_of_the_whole_and_name_rows_as_in_the_file() {
    let many: Vec<f64> = (0..5 << 19).map(|i| f64::from(i % 251)).collect();
    let whole = Table::from_memory("t", ElementType::U8, &[5 << 19], &many).unwrap();
    let digest = whole.digest();
    std::thread::scope(|scope| {
        for team in memorize_ranks::threads(3) {
            let (whole, digest) = (&whole, &digest);
            let rows = shares(team.rank(), whole.rows());
            scope.spawn(move || assert_eq!(whole.digest_among(&*team, rows).unwrap(), *digest));
        }
    });
    let mut part = Table::from_memory("t", ElementType::F64, &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, f64::NAN]).unwrap();
    part.keep(1..3);
    assert!(matches!(part.check_finite(), Err(DataError::NotFinite { row: 2, column: 1, .. })));
    assert_eq!((part.rows(), part.value(0, 1)), (2, 3.0));
}

#[test]
fn a_digest_tells_contents_types_and_shapes_apart_and_ignores_rows_that_are_not_used() {
    let table = |element, dims: &[usize], values: &[f64]| Table::from_memory("t", element, dims, values).unwrap();
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let digest = table(ElementType::U8, &[3, 2], &values).digest();
    assert_eq!(digest, table(ElementType::U8, &[3, 2], &values).digest());
    assert_ne!(digest, table(ElementType::U8, &[2, 3], &values).digest());
    assert_ne!(digest, table(ElementType::F32, &[3, 2], &values).digest());
    assert_ne!(digest, table(ElementType::U8, &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0]).digest());
    let mut longer = table(ElementType::U8, &[4, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0]);
    longer.truncate(3);
    assert_eq!(digest, longer.digest());
    // Larger than one piece, to the last byte.
    let mut many = vec![0.0; 3 << 20];
    let first = table(ElementType::U8, &[3 << 20], &many).digest();
    many[(3 << 20) - 1] = 1.0;
    assert_ne!(first, table(ElementType::U8, &[3 << 20], &many).digest());
}

#[test]
fn a_mapped_file_that_is_written_to_is_noticed_and_one_that_is_replaced_or_deleted_lives_on() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    let write = |value| write_npy(&path, ElementType::F32, &[2, 2], &[value; 4]).unwrap();
    write(1.0);
    let table = Table::open(&path).unwrap();
    assert!(table.is_mapped() && table.check_unchanged().is_ok());
    write(2.0);
    assert!(table.check_unchanged().is_ok(), "renamed over");
    fs::remove_file(&path).unwrap();
    assert!(table.check_unchanged().is_ok() && table.value(1, 1) == 1.0, "deleted");

    write(3.0);
    for harm in [
        |file: &fs::File| file.set_len(file.metadata().unwrap().len() - 4).unwrap(),
        |file: &fs::File| {
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
    ] {
        let table = Table::open(&path).unwrap();
        harm(&fs::File::options().write(true).open(&path).unwrap());
        let error = table.check_unchanged().unwrap_err();
        assert!(matches!(error, DataError::Changed { .. }) && error.to_string().contains("x.npy"), "{error}");
        write(3.0);
    }
}

#[cfg(unix)]
#[test]
fn a_file_whose_time_of_change_was_set_back_is_told_from_one_that_was_only_touched() {
    use std::io::{Seek, Write};
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    // Rows in three pieces.
    let rows = 5 << 16;
    write_npy(&path, ElementType::F64, &[rows], &vec![1.0; rows]).unwrap();
    let table = Table::open(&path).unwrap();
    let mut part = Table::open(&path).unwrap();
    let unknown = Table::open(&path).unwrap();
    assert_eq!(table.digest(), part.digest());
    part.keep(0..rows / 8);
    let set_back = |value: f64, row: usize| {
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        let data = file.metadata().unwrap().len() - 8 * (rows - row) as u64;
        file.seek(std::io::SeekFrom::Start(data)).unwrap();
        file.write_all(&value.to_le_bytes()).unwrap();
        file.set_modified(modified).unwrap();
        // Times of files go in steps of some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let all = || [&table, &part, &unknown].map(|table| table.check_unchanged().is_ok());
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&path, dir.path().join("link.npy")).unwrap();
    assert_eq!(all(), [true; 3]);
    set_back(2.0, rows - 1);
    assert_eq!(all(), [false, true, true]);
    set_back(1.0, rows - 1);
    assert_eq!(all(), [true; 3]);
    set_back(2.0, 3);
    assert_eq!(all(), [false, false, true]);
}
