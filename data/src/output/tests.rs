use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn write(path: &Path, text: &str) {
    write_atomically(path, |out| out.write_all(text.as_bytes())).unwrap();
}

fn new(path: &Path, overwrite: bool) -> Result<Output, OutputError> {
    Output::new(path, overwrite, [])
}

#[test]
fn a_staged_file_is_not_there_until_it_is_committed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let names = || fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    drop(stage(&path, |out| out.write_all(b"dropped")).unwrap());
    assert!(names().is_empty());
    let staged = stage(&path, |out| out.write_all(b"new")).unwrap();
    assert!(!path.exists() && names()[0].to_string_lossy().starts_with(TEMPORARY));
    staged.commit().unwrap();
    assert_eq!((fs::read(&path).unwrap().as_slice(), names().len()), (&b"new"[..], 1));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::thread;

    use super::*;

    fn make_pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("below")).unwrap();
        fs::write(at("below/target"), "old").unwrap();
        symlink("below/target", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        symlink("below/new", at("dangling")).unwrap();
        symlink("../one", at("below/up")).unwrap();
        for link in ["one", "two", "below/up"] {
            write(&at(link), link);
            assert_eq!(text(&at("below/target")), link);
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
        write(&at("dangling"), "made");
        assert_eq!(text(&at("below/new")), "made");
        symlink("circle", at("circle")).unwrap();
        assert!(stage(&at("circle"), |_| Ok(())).is_err());
        assert_eq!(fs::read_dir(at("below")).unwrap().count(), 3, "no temporary file");
        // A link is as much there as what it leads to.
        assert!(matches!(new(&at("two"), false), Err(OutputError::Exists { .. })));
        symlink("nowhere", at("free")).unwrap();
        assert!(new(&at("free"), false).is_ok());
    }

    #[test]
    fn permissions_and_owner_are_those_of_the_file_that_is_replaced() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        for mode in [0o640, 0o600, 0o444, 0o755] {
            let _ = fs::remove_file(&path);
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            // Only an administrator can give a file away; for others it stays their own.
            let _ = std::os::unix::fs::chown(&path, Some(65534), Some(65534));
            let before = fs::metadata(&path).unwrap();
            write(&path, "new");
            let after = fs::metadata(&path).unwrap();
            assert_eq!(text(&path), "new");
            assert_eq!(after.mode(), before.mode(), "{mode:o}");
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        }
    }

    #[test]
    fn what_is_no_regular_file_is_written_through() {
        let dir = TempDir::new().unwrap();
        let pipe = dir.path().join("pipe");
        make_pipe(&pipe);
        let link = dir.path().join("link");
        symlink("pipe", &link).unwrap();
        let reader = {
            let pipe = pipe.clone();
            thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
                text
            })
        };
        // Nothing of it is replaced, so nobody has to allow it.
        new(&link, false).unwrap().write(|out| out.write_all(b"through")).unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let null = Path::new("/dev/null");
        new(null, false).unwrap().write(|out| out.write_all(b"gone")).unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
        let full = new(Path::new("/dev/full"), false).unwrap();
        let error = full.write(|out| out.write_all(b"much")).unwrap_err();
        assert!(error.to_string().contains("/dev/full") && error.to_string().contains("make space"), "{error}");
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(matches!(new(&socket, true), Err(OutputError::Unwritable { .. })));
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_not_for_ever() {
        let dir = TempDir::new().unwrap();
        let pipe = dir.path().join("pipe");
        make_pipe(&pipe);
        let error = new(&pipe, false).unwrap().write(|out| out.write_all(b"x")).unwrap_err();
        assert!(
            error.to_string().contains("nobody reads") && error.to_string().contains("start what reads"),
            "{error}"
        );
    }

    #[test]
    fn an_input_by_whatever_name_is_never_replaced() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("input"), "precious").unwrap();
        symlink("input", at("link")).unwrap();
        fs::hard_link(at("input"), at("hard")).unwrap();
        for name in ["input", "./input", "link", "hard"] {
            let error = Output::new(&at(name), true, [&*at("input")]).unwrap_err();
            assert!(matches!(error, OutputError::Input { .. }), "{name}: {error}");
        }
        let [one, two] = ["out", "out2"].map(|name| new(&at(name), false).unwrap());
        symlink("out", at("alias")).unwrap();
        assert!(one.differs_from(&two).is_ok());
        assert!(matches!(new(&at("alias"), false).unwrap().differs_from(&one), Err(OutputError::Twice { .. })));
    }
}

#[test]
fn nothing_is_replaced_unasked() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let out = new(&path, false).unwrap();
    // Somebody else was faster.
    fs::write(&path, "theirs").unwrap();
    let error = out.write(|file| file.write_all(b"ours")).unwrap_err();
    assert!(error.to_string().contains("in the meantime"), "{error}");
    assert!(matches!(new(&path, false), Err(OutputError::Exists { .. })));
    drop(out);
    assert_eq!((text(&path).as_str(), fs::read_dir(dir.path()).unwrap().count()), ("theirs", 1));
    new(&path, true).unwrap().write(|file| file.write_all(b"ours")).unwrap();
    assert_eq!(text(&path), "ours");
}

#[test]
fn one_process_at_a_time_writes_a_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    // Another's, as far as can be seen.
    let lock = Lock::of_file(&path).unwrap();
    let place = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    fs::write(place, "process 1 on elsewhere (memorize solve)").unwrap();
    let error = new(&path, true).unwrap_err();
    assert!(matches!(error, OutputError::Busy { .. }) && error.to_string().contains("memorize solve"), "{error}");
    // Where the folder is not there yet, it is found out with the first byte.
    let late = new(&dir.path().join("new/file"), false).unwrap();
    fs::create_dir(dir.path().join("new")).unwrap();
    let other = Lock::of_file(&dir.path().join("new/file")).unwrap();
    fs::write(fs::read_dir(dir.path().join("new")).unwrap().next().unwrap().unwrap().path(), "process 1").unwrap();
    assert!(late.write(|file| file.write_all(b"x")).is_err() && !dir.path().join("new/file").exists());
    drop((lock, other));
    new(&path, true).unwrap().write(|file| file.write_all(b"ours")).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn folders_are_made_when_there_is_something_to_write_and_not_before() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a/b/file");
    let out = new(&path, false).unwrap();
    assert!(!dir.path().join("a").exists());
    out.write(|file| file.write_all(b"x")).unwrap();
    assert_eq!(text(&path), "x");
    let grown = new(&dir.path().join("c/d/file"), false).unwrap();
    grown.write(|file| file.write_all(b"row")).unwrap();
    assert_eq!(text(grown.path()), "row");
}

#[test]
fn a_place_that_cannot_be_had_is_known_beforehand_by_the_name_that_was_given() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "x").unwrap();
    for name in ["file/out", "file/below/out"] {
        let error = new(&at(name), true).unwrap_err();
        assert!(error.to_string().contains(name) && error.to_string().contains("a file where a folder"), "{error}");
    }
    for folder in [dir.path().to_owned(), at("none/"), at(".."), ".".into(), "/".into()] {
        assert!(matches!(new(&folder, true), Err(OutputError::Folder { .. })), "{folder:?}");
    }
    assert!(new(Path::new(""), true).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn an_error_is_the_systems_and_names_no_temporary_file() {
    let dir = TempDir::new().unwrap();
    let error = stage(&dir.path().join("gone/file"), |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!error.to_string().contains(TEMPORARY) && !error.to_string().contains("path"), "{error}");
    let failed: io::Result<Staged> = stage(&dir.path().join("file"), |_| Err(io::Error::other("mine")));
    assert_eq!(failed.unwrap_err().to_string(), "mine");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
