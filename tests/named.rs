//! What is named is what is used: folders, files, settings. A name that cannot be meant is refused, and nothing is put
//! in its place.

use std::fs;
use std::path::Path;

use memorize_data::ElementType;
use memorize_data::source::{write_idx, write_npy};

use crate::common::ground::{Ground, listing};
#[cfg(unix)]
use crate::common::running::Running;
use crate::common::{Call, memorize, mnist_folder};

/// A data set in four files, `rows` images of 2 x 3 to train on, under what `name` makes of the official names.
fn write_set(folder: &Path, rows: usize, name: impl Fn(&str) -> String) {
    fs::create_dir_all(folder).unwrap();
    for (split, rows) in [("train", rows), ("t10k", 4)] {
        let pixels: Vec<f64> = (0..rows * 6).map(|i| ((7 * i + 3) % 251 + 1) as f64).collect();
        let labels: Vec<f64> = (0..rows).map(|i| (i % 10) as f64).collect();
        let file = |rest: &str| folder.join(name(&format!("{split}-{rest}")));
        write_idx(&file("images-idx3-ubyte"), ElementType::U8, &[rows, 2, 3], &pixels).unwrap();
        write_idx(&file("labels-idx1-ubyte"), ElementType::U8, &[rows], &labels).unwrap();
    }
}

const TRAIN: &str = "train --data mnist --normalize -r 4 --iterations 3";

fn trains(folder: &Path, ground: &Ground) -> Call {
    memorize(TRAIN).with("--data-dir", folder).with("--out", ground.path("out"))
}

#[test]
fn a_folder_without_the_files_is_refused_with_where_they_are_and_left_alone() {
    let ground = Ground::new();
    let folder = ground.path("Fashion");
    write_set(&folder.join("raw"), 12, str::to_owned);
    let raw = format!("{}, which has all four", folder.join("raw").display());
    trains(&folder, &ground).refuses(&["has none of the four files train-images-idx3-ubyte", &raw]);
    for command in
        ["solve --data mnist", "condition --data mnist", "race --data mnist", "reproduce mnist-2layer --quick"]
    {
        memorize(command).with("--data-dir", &folder).refuses(&[&raw]);
    }
    // From a file, too.
    ground.write(
        "run.toml",
        b"[data]\nsource = \"mnist\"\ndir = \"Fashion\"\n[network]\nneurons = 4\n[run]\niterations = 3\n",
    );
    memorize("train").with("--config", ground.path("run.toml")).with("--out", ground.path("out")).refuses(&[&raw]);
    assert_eq!(listing(&folder).len(), 1);

    let mistyped = ground.path("Fashoin").join("raw");
    let meant = format!("did you mean {}?", folder.join("raw").display());
    trains(&mistyped, &ground).refuses(&["there is no folder", &meant]);
    assert!(!ground.path("Fashoin").exists() && !ground.path("out").exists());
    trains(&folder.join("raw/train-images-idx3-ubyte"), &ground).refuses(&["is not a folder"]);
}

/// The line that says which files are read.
fn data_line(call: Call) -> String {
    let said = call.succeeds().stderr;
    said.lines()
        .find(|line| line.starts_with("data: "))
        .unwrap_or_else(|| panic!("no such line in:\n{said}"))
        .to_owned()
}

#[test]
fn the_first_line_says_which_files_are_read() {
    let ground = Ground::new();
    let folder = ground.path("set");
    write_set(&folder, 12, |name| name.replace("-idx", ".idx"));
    let place = folder.display();
    let images = "train-images.idx3-ubyte";
    let training = format!("{images}, train-labels.idx1-ubyte");
    let all = format!("data: {training}, t10k-images.idx3-ubyte, t10k-labels.idx1-ubyte in {place}");
    let run = trains(&folder, &ground).succeeds();
    assert_eq!(run.stderr.lines().next(), Some(&*all), "{}", run.stderr);
    let flags = |command: &str| memorize(command).with("--data-dir", &folder);
    assert_eq!(data_line(flags("solve --data mnist --normalize")), all);
    assert_eq!(data_line(flags("race --data mnist --normalize --passes 2 --optimizer gd")), all);
    assert_eq!(data_line(flags("condition --data mnist --normalize")), format!("data: {training} in {place}"));
    for command in ["eval", "certify"] {
        let call = memorize(command).with("--run", ground.path("out"));
        assert_eq!(data_line(call), format!("data: {training} in {place}"));
    }
    let random = trains(&folder, &ground).and("--overwrite --random-labels --limit 5");
    let rest = "the first 5 rows of the training set; targets are drawn at random, and the test set is left out";
    assert_eq!(data_line(random), format!("data: {images} in {place}, {rest}"));

    let (x, y) = (ground.path("x.npy"), ground.path("y.npy"));
    let files = memorize("train --limit 99 -r 4 --iterations 3").with("--out", ground.path("files"));
    let line = data_line(files.with("--inputs", &x).with("--targets", &y));
    let folder = x.parent().unwrap().display();
    assert_eq!(line, format!("data: x.npy, y.npy in {folder}, all 12 rows (99 were asked for)"));
    let made = memorize("train --data synthetic --samples 20 --dim 5 --seed 7 -r 4 --iterations 3");
    assert_eq!(data_line(made.with("--out", ground.path("made"))), "data: synthetic, 20 x 5, seed 7");
}

#[cfg(unix)]
#[test]
fn a_run_that_goes_on_says_which_files_it_reads() {
    let ground = Ground::new();
    let folder = ground.path("set");
    write_set(&folder, 40, str::to_owned);
    let out = ground.path("stopped");
    let arguments = format!("{TRAIN} --optimizer gd --quiet --checkpoint-every 1 --data-dir").replace("3", "20000");
    let mut run = Running::start(&format!("{arguments} {}", folder.display()), &out);
    run.wait_for_file(&out.join("checkpoint.safetensors"));
    run.signal("TERM");
    let call = memorize("resume --checkpoint-every 10000").and(out.to_str().unwrap());
    assert!(data_line(call).ends_with(&format!("t10k-labels-idx1-ubyte in {}", folder.display())));
}

#[test]
fn the_variable_names_the_cache_which_is_filled_where_nothing_else_is() {
    let ground = Ground::new();
    let call = |cache: &Path| {
        let call = memorize(&format!("{TRAIN} --limit 20")).with("--out", ground.path("out")).and("--overwrite");
        call.env("MEMORIZE_DATA_DIR", cache.to_str().unwrap())
    };
    // Something else: refused. Four files of its own: used, and the run remembers where.
    let folder = ground.path("cache");
    write_set(&folder.join("raw"), 12, str::to_owned);
    call(&folder).refuses(&["is not filled with the MNIST files", "(raw)", "MEMORIZE_DATA_DIR"]);
    assert_eq!(listing(&folder).len(), 1);
    assert!(
        data_line(call(&folder.join("raw"))).contains(&format!("in {}, all 12 rows", folder.join("raw").display()))
    );
    let config = fs::read_to_string(ground.path("out/config.toml")).unwrap();
    assert!(config.contains(&format!("dir = \"{}\"", folder.join("raw").display())), "{config}");
    // A name that is nearly that of a folder with another set is not made.
    call(&folder.join("row")).refuses(&["there is no folder", "did you mean", "raw?"]);
    assert!(!folder.join("row").exists());
    // MNIST's own is the same in any cache: which one it was is not part of the run. An empty variable is none.
    let found = call(&mnist_folder()).succeeds();
    assert!(found.stderr.contains(&format!("in {}", mnist_folder().display())), "{}", found.stderr);
    assert!(!fs::read_to_string(ground.path("out/config.toml")).unwrap().contains("dir ="));
}

#[test]
fn other_data_sets_in_four_files_are_read() {
    let ground = Ground::new();
    let folder = ground.path("emnist");
    write_set(&folder, 12, |name| format!("emnist-letters-{}", name.replace("t10k", "test")));
    assert!(data_line(trains(&folder, &ground)).contains("emnist-letters-test-labels-idx1-ubyte in"));
    write_set(&folder, 16, |name| format!("emnist-digits-{}", name.replace("t10k", "test")));
    let refused = trains(&folder, &ground)
        .and("--overwrite")
        .refuses(&["the files of 2 data sets: emnist-digits, emnist-letters"]);
    // What it advises works.
    let hint = refused.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
    let flags: String = hint.split("--inputs").skip(1).map(|rest| format!("--inputs{rest}")).collect();
    let call =
        memorize("train --normalize -r 4 --iterations 3 --overwrite").with("--out", ground.path("out")).and(&flags);
    assert!(data_line(call).contains("emnist-digits-train-images-idx3-ubyte"));
    // Files in folders of their names, as some archives have them.
    let folder = ground.path("kaggle");
    for name in
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    write_set(&folder, 12, |name| format!("{name}/{name}"));
    assert!(
        data_line(trains(&folder, &ground).and("--overwrite"))
            .contains("train-images-idx3-ubyte/train-images-idx3-ubyte")
    );
}

/// A setting that is not read is refused, or the run would not be what was asked for.
#[test]
fn what_would_be_ignored_is_refused() {
    let ground = Ground::new();
    for (flags, words) in [
        ("--optimizer gd --adam-beta1 0.5", "optimizer.beta1 = 0.5: read by --optimizer adam only, not by gd"),
        ("--optimizer sgd --adam-beta2 0.5", "read by --optimizer adam only, not by sgd"),
        ("--optimizer gd --adam-epsilon 0.5", "read by --optimizer adam only"),
        ("--lr-decay-factor 0.5", "give --lr-decay-every too"),
        ("--optimizer gd --solve-rank 5", "read by --optimizer solve only"),
        ("--test-inputs X.npy", "give both --test-inputs and --test-targets"),
        ("--data-dir .", "data.dir"),
        ("--samples 7", "not read when data.source is files"),
    ] {
        ground.train("x.npy", "y.npy").and(flags).refuses(&[words]);
    }
    let solve =
        |flags: &str| memorize("train --data synthetic --optimizer solve").and(flags).with("--out", ground.path("out"));
    solve("--lr 0.5").refuses(&["the solver takes no steps; leave out --lr"]);
    memorize("reproduce synthetic --quick --data-dir .")
        .refuses(&["data.dir", "not read when data.source is synthetic; leave out --data-dir"]);
    memorize("race --inputs x.npy --targets y.npy --test-inputs x.npy --test-targets y.npy")
        .refuses(&["a test set is not looked at"]);
    memorize("train --data mnist --inputs x.npy -r 4 --epochs 1")
        .refuses(&["data.inputs", "not read when data.source is mnist"]);
    let picture = memorize("data sample mnist --type f32").with("--out", ground.path("p.png"));
    picture.refuses(&["a picture has no --format and no --type"]);
    assert!(!ground.path("out").exists() && !ground.path("p.png").exists());
    // What a run has written is no request: its defaults are accepted for whatever optimiser.
    ground.train("x.npy", "y.npy").and("--optimizer gd").succeeds();
    let again = memorize("train --quiet").with("--config", ground.path("out/config.toml"));
    again.with("--out", ground.path("again")).succeeds();
}

#[test]
fn advice_names_what_is_there() {
    let ground = Ground::new();
    ground.write("f", b"");
    let file = ground.path("f");
    let file = file.to_str().unwrap();
    for command in ["runs", "resume", "report", "compare", "sweep", "data info", "bench --compare", "train --config"] {
        let said = memorize(command).and(file).run();
        assert_eq!(said.code, Some(2), "{command}: {}", said.stderr);
        assert!(!said.stderr.contains("did you mean"), "{command}: {}", said.stderr);
    }
    let said = memorize("data info mnist").env("MEMORIZE_DATA_DIR", "/dev/null/x").fails(2, &["MEMORIZE_DATA_DIR"]);
    assert!(!said.stderr.contains("--data-dir"), "{}", said.stderr);
    // A flag of another command is said to be one, with its key.
    ground.write(
        "sweep.toml",
        b"[data]\nsource = \"synthetic\"\n[run]\niterations = 2\n[sweep.grid]\nnetwork.neurons = [3]\n",
    );
    let note = "`memorize sweep` has no --neurons, which is a flag of `memorize train`; in a configuration file it is `network.neurons`";
    memorize("sweep").and(ground.path("sweep.toml").to_str().unwrap()).refuses(&["must be even", note]);
    // What another command of the program leaves is not warned of.
    let capacity = memorize("capacity --dim 4 --seeds 1 --iterations 10 --ratios 0.5 --quiet");
    capacity.with("--out", ground.path("caps/c")).succeeds();
    assert_eq!(memorize("runs").and(ground.path("caps").to_str().unwrap()).succeeds().stderr, "no runs\n");
    memorize("report").and(ground.path("caps/c").to_str().unwrap()).refuses(&["is the folder of `memorize capacity`"]);
}

#[test]
fn configurations_in_other_encodings_are_named() {
    let ground = Ground::new();
    let text = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 4\n[run]\niterations = 2\n";
    let call = |name: &str, bytes: &[u8]| {
        ground.write(name, bytes);
        memorize("train --quiet").with("--config", ground.path(name)).with("--out", ground.path("out"))
    };
    let wide = |mark: &[u8], big: bool| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        mark.iter().copied().chain(units).collect()
    };
    for (name, bytes) in [
        ("le.toml", wide(b"\xff\xfe", false)),
        ("be.toml", wide(b"\xfe\xff", true)),
        ("bare.toml", wide(b"", false)),
        ("bare-be.toml", wide(b"", true)),
    ] {
        call(name, &bytes).refuses(&[name, "is in UTF-16; save it as text in UTF-8"]);
        memorize("sweep").and(ground.path(name).to_str().unwrap()).refuses(&["is in UTF-16"]);
    }
    let latin = [b"# first\n# gr", &b"\xfc\xdf"[..], b"e\n", text.as_bytes()].concat();
    call("latin.toml", &latin).refuses(&["not in UTF-8: there is a byte 0xFC in line 2"]);
    call("seed.toml", format!("{text}seed = 9223372036854775808\n").as_bytes())
        .refuses(&["run.seed = 9223372036854775808 is above 9223372036854775807"]);
    memorize("train --data synthetic -r 4 --iterations 18446744073709551615").refuses(&[
        "18446744073709551615",
        "--iterations",
        "must be at most 9223372036854775807",
    ]);
    memorize("train").with("--config", ground.path("x.npy")).refuses(&["is not text", "is it the right file?"]);
    // A mark in front of UTF-8 is none of the text.
    call("marked.toml", &[b"\xef\xbb\xbf", text.as_bytes()].concat()).succeeds();
}

/// NumPy's types and orders beside those that were always read: the same numbers, the same loss, bit for bit.
#[test]
fn arrays_of_other_types_and_orders_train_to_the_same_bits() {
    let ground = Ground::new();
    let values: Vec<f64> = (0..12 * 5).map(|i| f64::from((i * 13) % 7)).collect();
    let header = |descr: &str, fortran: &str| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': (12, 5), }}\n");
        [&b"\x93NUMPY\x01\x00"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    };
    let loss = |name: &str| {
        let _ = fs::remove_dir_all(ground.path("out"));
        ground.train(name, "y.npy").succeeds();
        crate::common::summary(&ground.path("out"))["train_loss"].clone()
    };
    write_npy(&ground.path("f64.npy"), ElementType::F64, &[12, 5], &values).unwrap();
    let expected = loss("f64.npy");
    for element in ElementType::ALL.into_iter().filter(|&element| element != ElementType::Bool) {
        write_npy(&ground.path("t.npy"), element, &[12, 5], &values).unwrap();
        assert_eq!(loss("t.npy"), expected, "{element}");
    }
    let columns = (0..5).flat_map(|j| (0..12).map(move |i| 5 * i + j));
    let fortran: Vec<u8> = columns.flat_map(|at| values[at].to_be_bytes()).collect();
    ground.write("fortran.npy", &[header(">f8", "True"), fortran].concat());
    assert_eq!(loss("fortran.npy"), expected);
    let said = memorize("data info").and(ground.path("fortran.npy").to_str().unwrap()).succeeds();
    assert!(said.stderr.contains("in Fortran order, its rows copied, 480 bytes of memory"), "{}", said.stderr);
    let big: Vec<u8> = values.iter().flat_map(|&value| (value as u16).to_be_bytes()).collect();
    ground.write("big.npy", &[header(">u2", "False"), big].concat());
    assert_eq!(loss("big.npy"), expected);
    fs::remove_dir_all(ground.path("out")).unwrap();
    ground.refuses_inputs(
        "complex.npy",
        &header("<c16", "False"),
        &["(complex numbers)", "numpy.stack([a.real, a.imag], axis=-1)"],
    );
}
