//! The bundled files, and folders in every state that a user can leave them in.

use tempfile::TempDir;

use super::*;
use crate::format::ElementType;
use crate::source::{write_idx, write_npy};

/// A small set of the user's own: `rows` images of 2 x 2 in training, one in the test set.
fn write_own(dir: &Path, rows: usize) {
    let count = |n: usize| (1..=n).map(|v| v as f64).collect::<Vec<f64>>();
    let write = |file: usize, dims: &[usize], n: usize| {
        write_idx(&dir.join(FILES[file].name), ElementType::U8, dims, &count(n)).unwrap();
    };
    write(0, &[rows, 2, 2], 4 * rows);
    write(1, &[rows], rows);
    write(2, &[1, 2, 2], 4);
    write(3, &[1], 1);
}

#[test]
fn a_users_own_files_are_used_as_they_are() {
    let dir = TempDir::new().unwrap();
    write_own(dir.path(), 3);
    let mnist = Mnist::open(Some(dir.path()), None).unwrap();
    assert_eq!((mnist.train_images.rows(), mnist.train_images.row_len()), (3, 4));
    assert_eq!(mnist.train_images.value(2, 3), 12.0);
    assert_eq!((mnist.train_labels.rows(), mnist.test_labels.rows()), (3, 1));
}

#[test]
fn dotted_names_and_other_formats_are_found() {
    let dir = TempDir::new().unwrap();
    write_own(dir.path(), 3);
    let path = |name| dir.path().join(name);
    let dotted = "train-images.idx3-ubyte";
    fs::rename(path(FILES[0].name), path(dotted)).unwrap();
    write_npy(&path(FILES[1].name), ElementType::I64, &[3], &[7.0, 8.0, 9.0]).unwrap();
    let mnist = Mnist::open(Some(dir.path()), None).unwrap();
    assert_eq!(mnist.train_images.path(), path(dotted));
    assert_eq!(mnist.train_labels.value(2, 0), 9.0);
}

#[test]
fn own_files_that_do_not_fit_together_are_refused() {
    let dir = TempDir::new().unwrap();
    let write = |file: usize, element, dims: &[usize], values: &[f64]| {
        write_idx(&dir.path().join(FILES[file].name), element, dims, values).unwrap();
    };
    let open = || Mnist::open(Some(dir.path()), None).unwrap_err();

    write_own(dir.path(), 3);
    write(1, ElementType::U8, &[2], &[1.0, 2.0]);
    let error = open();
    assert!(matches!(error, DataError::RowCountMismatch { input_rows: 3, target_rows: 2, .. }), "{error}");

    write_own(dir.path(), 3);
    write(3, ElementType::U8, &[1, 2], &[1.0, 2.0]);
    let error = open();
    assert!(matches!(error, DataError::TargetsNotScalar { row_len: 2, .. }), "{error}");

    write_own(dir.path(), 3);
    write(2, ElementType::U8, &[1, 5], &[1.0; 5]);
    let error = open();
    assert!(matches!(error, DataError::WidthMismatch { first_len: 4, second_len: 5, .. }), "{error}");

    write_own(dir.path(), 3);
    write(2, ElementType::F32, &[1, 4], &[1.0, f64::NAN, 1.0, 1.0]);
    let error = open();
    assert!(matches!(error, DataError::NotFinite { row: 0, column: 1, .. }), "{error}");
}

#[test]
fn own_files_are_neither_mixed_with_official_ones_nor_overwritten() {
    let dir = TempDir::new().unwrap();
    write_own(dir.path(), 3);
    let labels = dir.path().join(FILES[1].name);
    fs::remove_file(&labels).unwrap();
    for error in [Mnist::open(Some(dir.path()), None).unwrap_err(), Mnist::open_variable(dir.path(), None).unwrap_err()]
    {
        assert!(matches!(&error, DataError::IncompleteSet { missing, .. } if *missing == [FILES[1].name]), "{error}");
        let message = error.to_string();
        assert!(message.contains("but no train-labels-idx1-ubyte to go with them"), "{message}");
        assert!(!labels.exists());
    }

    fs::write(&labels, b"<html>404</html>").unwrap();
    let error = Mnist::open(Some(dir.path()), None).unwrap_err();
    assert!(matches!(error, DataError::NotRecognised { .. }), "{error}");
    assert_eq!(fs::read(&labels).unwrap(), b"<html>404</html>");
}

#[test]
fn the_cache_folder_is_the_programs_own() {
    // In an environment without a home there is no such folder, and nothing to test.
    if let Ok(folder) = cache_folder() {
        assert!(folder.ends_with("memorize/mnist"), "{}", folder.display());
    }
}

#[test]
fn a_named_folder_without_the_files_says_where_they_are_and_stays_as_it_is() {
    let dir = TempDir::new().unwrap();
    let open = |path: &Path| Mnist::open(Some(path), None).unwrap_err();
    let error = open(dir.path());
    assert!(matches!(&error, DataError::NoSet { below, .. } if below.is_empty()), "{error}");
    let raw = dir.path().join("raw");
    fs::create_dir(&raw).unwrap();
    write_own(&raw, 3);
    let error = open(dir.path());
    assert!(matches!(&error, DataError::NoSet { below, .. } if *below == [raw.clone()]), "{error}");
    assert!(error.to_string().ends_with(&format!("name {}, which has all four", raw.display())), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // The folder above that has folders of several data sets.
    let above = TempDir::new().unwrap();
    let two = above.path().join("data");
    fs::create_dir_all(two.join("FashionMNIST/raw")).unwrap();
    write_own(&two.join("FashionMNIST/raw"), 3);
    let error = open(&two);
    assert!(matches!(&error, DataError::NoSet { below, .. } if *below == [two.join("FashionMNIST/raw")]), "{error}");
    // Some of them here do not hide all of them there.
    fs::copy(raw.join(FILES[0].name), dir.path().join(FILES[0].name)).unwrap();
    let error = open(dir.path());
    assert!(matches!(&error, DataError::IncompleteSet { below, .. } if *below == [raw.clone()]), "{error}");

    let missing = dir.path().join("row");
    assert!(matches!(open(&missing), DataError::NoFolder { path } if path == missing));
    assert!(!missing.exists());
    assert!(matches!(open(&raw.join(FILES[0].name)), DataError::NotAFolder { .. }));
}

#[test]
fn other_data_sets_names_are_found_and_two_sets_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let rename = |prefix: &str, test: &str| {
        write_own(dir.path(), if prefix == "emnist-letters-" { 3 } else { 4 });
        for file in &FILES {
            let name = format!("{prefix}{}", file.name.replace("t10k", test));
            fs::rename(dir.path().join(file.name), dir.path().join(name)).unwrap();
        }
    };
    rename("emnist-letters-", "test");
    fs::write(dir.path().join("emnist-mapping.txt"), "1 65 97").unwrap();
    let open = || Mnist::open(Some(dir.path()), None);
    assert_eq!(open().unwrap().train_images.rows(), 3);
    // Half of another one is none.
    write_idx(&dir.path().join("emnist-digits-train-labels-idx1-ubyte"), ElementType::U8, &[1], &[1.0]).unwrap();
    assert_eq!(open().unwrap().train_images.rows(), 3);
    rename("emnist-digits-", "test");
    let error = open().unwrap_err();
    let DataError::SeveralSets { sets, first, .. } = &error else { panic!("{error}") };
    assert_eq!(*sets, ["emnist-digits", "emnist-letters"]);
    assert_eq!(first[3], dir.path().join("emnist-digits-test-labels-idx1-ubyte"));
    assert!(error.to_string().contains("2 data sets: emnist-digits, emnist-letters"), "{error}");
}

#[test]
fn a_folder_may_have_the_name_of_the_file_in_it() {
    let dir = TempDir::new().unwrap();
    write_own(dir.path(), 3);
    for file in &FILES {
        let (plain, folder) = (dir.path().join(file.name), dir.path().join("x"));
        fs::create_dir(&folder).unwrap();
        fs::rename(&plain, folder.join(file.name)).unwrap();
        fs::rename(&folder, &plain).unwrap();
    }
    let mnist = Mnist::open(Some(dir.path()), None).unwrap();
    assert_eq!(mnist.train_images.path(), dir.path().join(FILES[0].name).join(FILES[0].name));
    // A folder of that name without it is nothing.
    fs::remove_file(mnist.test_labels.path()).unwrap();
    let error = Mnist::open(Some(dir.path()), None).unwrap_err();
    assert!(matches!(&error, DataError::IncompleteSet { missing, .. } if *missing == [FILES[3].name]), "{error}");
}

#[test]
fn of_eight_labels_the_first_is_the_digit() {
    let dir = TempDir::new().unwrap();
    write_own(dir.path(), 3);
    for (file, rows) in [(1, 3), (3, 1)] {
        let values: Vec<f64> = (0..8 * rows).map(f64::from).collect();
        let name = format!("qmnist-{}", FILES[file].name.replace("idx1-ubyte", "idx2-int").replace("t10k", "test"));
        write_idx(&dir.path().join(name), ElementType::I32, &[rows as usize, 8], &values).unwrap();
        fs::remove_file(dir.path().join(FILES[file].name)).unwrap();
    }
    for file in [0, 2] {
        let name = format!("qmnist-{}", FILES[file].name.replace("t10k", "test"));
        fs::rename(dir.path().join(FILES[file].name), dir.path().join(name)).unwrap();
    }
    let labels = Mnist::open(Some(dir.path()), None).unwrap().train_labels;
    assert_eq!((labels.dims(), labels.value(0, 0), labels.value(1, 0), labels.value(2, 0)), (&[3][..], 0.0, 8.0, 16.0));
}

#[test]
fn without_the_bundled_files_a_missing_file_is_an_error() {
    let dir = TempDir::new().unwrap();
    for error in [Mnist::open_variable(dir.path(), None).unwrap_err(), Mnist::open_cache(dir.path(), None).unwrap_err()]
    {
        assert!(matches!(error, DataError::MnistMissing { .. }), "{error}");
        assert!(error.to_string().contains("MEMORIZE_DATA_DIR"), "{error}");
    }
    write_own(dir.path(), 3);
    let error = Mnist::open_cache(dir.path(), None).unwrap_err();
    assert!(matches!(error, DataError::Checksum { .. }), "{error}");
}

mod bundled {
    use super::*;
    use crate::normalize::row_norms;

    const BUNDLED: Option<Bundled> = Some(memorize_mnist::FILES);

    /// The folder of the compressed files.
    fn compressed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../mnist/files")
    }

    /// The official set, expanded into a folder.
    fn expanded() -> (TempDir, Mnist) {
        let dir = TempDir::new().unwrap();
        let mnist = Mnist::open_cache(dir.path(), BUNDLED).unwrap();
        (dir, mnist)
    }

    #[test]
    fn the_numbers_are_those_that_numpy_finds() {
        let (_dir, mnist) = expanded();
        assert_eq!(mnist.train_images.dims(), [60000, 28, 28]);
        assert_eq!(mnist.test_images.dims(), [10000, 28, 28]);
        assert!(mnist.train_images.is_mapped());
        // numpy.bincount(numpy.fromfile("train-labels-idx1-ubyte", numpy.uint8)[8:]), and the same for t10k.
        let histogram = |labels: &Table| {
            let mut counts = [0; 10];
            (0..labels.rows()).for_each(|i| counts[labels.value(i, 0) as usize] += 1);
            counts
        };
        let train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
        assert_eq!(histogram(&mnist.train_labels), train);
        assert_eq!(histogram(&mnist.test_labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
        // x = numpy.fromfile("train-images-idx3-ubyte", numpy.uint8)[16:].reshape(60000, 784).astype(numpy.float64)
        // numpy.linalg.norm(x[0]), and numpy.sqrt((x**2).sum(1)).min()
        let norms = row_norms(&mnist.train_images).unwrap();
        assert_eq!(norms.len(), 60000);
        assert_eq!(norms[0], 2437.212547152997);
        assert_eq!(norms.iter().copied().fold(f64::INFINITY, f64::min), 910.3059925102108);
    }

    #[test]
    fn compressed_and_plain_files_hold_the_same_bits() {
        let (_dir, mnist) = expanded();
        let compressed = Mnist::open_named(&compressed()).unwrap();
        assert!(!compressed.test_images.is_mapped());
        let (mut plain, mut expanded) = ([0.0f32; 784], [0.0f32; 784]);
        for i in 0..10000 {
            mnist.test_images.decode_row(i, &mut plain);
            compressed.test_images.decode_row(i, &mut expanded);
            assert_eq!(plain, expanded);
        }
        assert_eq!(mnist.train_images.file_bytes(), compressed.train_images.file_bytes());
    }

    #[test]
    fn damaged_files_in_the_cache_are_replaced() {
        let (dir, mnist) = expanded();
        drop(mnist);
        let path = |i: usize| dir.path().join(FILES[i].name);
        let mut labels = fs::read(path(1)).unwrap();
        labels[1000] ^= 1;
        fs::write(path(1), &labels).unwrap();
        fs::write(path(2), b"cut short").unwrap();
        fs::remove_file(path(3)).unwrap();
        let mnist = Mnist::open_cache(dir.path(), BUNDLED).unwrap();
        let tables = [&mnist.train_images, &mnist.train_labels, &mnist.test_images, &mnist.test_labels];
        assert!(FILES.iter().zip(tables).all(|(file, table)| file.is_official(table)));
        // Nothing temporary is left behind.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn the_folder_in_the_variable_is_filled_up_beside_official_files_only() {
        let dir = TempDir::new().unwrap();
        let labels = format!("{}.gz", FILES[3].name);
        fs::copy(compressed().join(&labels), dir.path().join(&labels)).unwrap();
        // A folder that was named is not.
        let error = Mnist::open(Some(dir.path()), BUNDLED).unwrap_err();
        assert!(matches!(&error, DataError::IncompleteSet { missing, .. } if missing.len() == 3), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(dir.path().join(".hidden"), "of an editor").unwrap();
        let mnist = Mnist::open_variable(dir.path(), BUNDLED).unwrap();
        assert_eq!(mnist.test_labels.path(), dir.path().join(&labels));
        assert_eq!(mnist.train_images.path(), dir.path().join(FILES[0].name));
        assert!(!is_another_set(dir.path()));
    }

    #[test]
    fn the_folder_in_the_variable_is_made_but_not_used_for_two_things() {
        let dir = TempDir::new().unwrap();
        let made = dir.path().join("new/folder");
        assert_eq!(Mnist::open_variable(&made, BUNDLED).unwrap().train_images.path(), made.join(FILES[0].name));
        let error = Mnist::open_variable(dir.path(), BUNDLED).unwrap_err();
        assert!(matches!(&error, DataError::CacheInUse { other, .. } if other == "new"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // Four files of its own are what it is for, too.
        write_own(dir.path(), 3);
        assert_eq!(Mnist::open_variable(dir.path(), BUNDLED).unwrap().train_images.rows(), 3);
        assert!(is_another_set(dir.path()));
    }

    #[test]
    fn two_that_expand_at_once_do_not_disturb_each_other() {
        let dir = TempDir::new().unwrap();
        std::thread::scope(|scope| {
            let open = || Mnist::open_cache(dir.path(), BUNDLED).map(|mnist| FILES[0].is_official(&mnist.train_images));
            let threads = [scope.spawn(open), scope.spawn(open)];
            assert!(threads.into_iter().all(|thread| thread.join().unwrap().unwrap()));
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_advice() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        let error = Mnist::open_cache(&file.join("folder"), BUNDLED).unwrap_err();
        assert!(matches!(error, DataError::CreateFolder { .. }), "{error}");
        assert!(error.to_string().contains("MEMORIZE_DATA_DIR"), "{error}");
        // A folder where the file should go: the rename fails, also for an administrator.
        fs::create_dir_all(dir.path().join(FILES[1].name).join("in the way")).unwrap();
        let error = Mnist::open_cache(dir.path(), BUNDLED).unwrap_err();
        assert!(matches!(error, DataError::WriteCache { .. }), "{error}");
    }

    #[test]
    fn a_bundled_copy_that_does_not_match_its_checksum_is_not_kept() {
        let dir = TempDir::new().unwrap();
        let file = File { name: "labels", sha256: "0", ..FILES[3] };
        let error = file.expand_into(dir.path(), Some(memorize_mnist::FILES[3])).unwrap_err();
        assert!(matches!(error, DataError::Checksum { .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
