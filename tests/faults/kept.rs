//! What a user had is there afterwards: inputs, files of others, results that nothing whole replaces.

use std::fs;
use std::os::unix::fs::symlink;

use super::common::{left, memorize, scratch, summary};

const RUN: &str = "train --quiet --data synthetic --samples 40 --dim 8 --normalize";

#[test]
fn inputs_are_never_outputs() {
    let root = scratch();
    let at = |name: &str| root.path().join(name);
    memorize(&format!("{RUN} --optimizer solve")).with("--out", at("run")).succeeds();
    let job = at("folder/config.toml");
    fs::create_dir(at("folder")).unwrap();
    fs::copy(at("run/config.toml"), &job).unwrap();
    let text = fs::read(&job).unwrap();
    memorize("train --quiet --overwrite")
        .with("--config", &job)
        .with("--out", at("folder"))
        .refuses(&["one of the inputs"]);
    assert_eq!(fs::read(&job).unwrap(), text);
    // By another name.
    symlink("config.toml", at("folder/alias.toml")).unwrap();
    let again = memorize("train --quiet --overwrite").with("--config", at("folder/alias.toml"));
    again.with("--out", at("folder")).refuses(&["one of the inputs"]);
    // A file of a run as data of another in the same folder.
    memorize("data sample synthetic --dim 8 --rows 40")
        .with("--out", at("x.npy"))
        .with("--targets-out", at("y.npy"))
        .succeeds();
    fs::copy(at("x.npy"), at("folder/metrics.csv")).unwrap();
    let call = memorize("train --quiet --overwrite -r 18 --epochs 2").with("--inputs", at("folder/metrics.csv"));
    call.with("--targets", at("y.npy")).with("--out", at("folder")).refuses(&["metrics.csv", "one of the inputs"]);
    assert_eq!(fs::read(at("folder/metrics.csv")).unwrap(), fs::read(at("x.npy")).unwrap());
    // And of `eval`.
    let weights = at("run/checkpoint.safetensors");
    for input in [&weights, &at("x.npy"), &at("y.npy")] {
        let before = fs::read(input).unwrap();
        let call = memorize("eval --overwrite").with("--weights", &weights).with("--inputs", at("x.npy"));
        call.with("--targets", at("y.npy")).with("--gradient-out", input).refuses(&["one of the inputs"]);
        assert_eq!(fs::read(input).unwrap(), before);
    }
}

#[test]
fn another_programs_configuration_is_not_ours_to_replace() {
    let root = scratch();
    fs::write(root.path().join("config.toml"), "[build]\njobs = 2\n").unwrap();
    let call = memorize(&format!("{RUN} --optimizer solve --overwrite")).with("--out", root.path());
    call.refuses(&["config.toml", "was not written by memorize"]);
    assert_eq!(left(root.path(), "config.toml"), b"[build]\njobs = 2\n");
}

#[test]
fn a_race_that_is_refused_leaves_the_curves() {
    let root = scratch();
    let curves = root.path().join("curves.csv");
    fs::write(&curves, "mine").unwrap();
    for bad in ["--samples 40 --dim 8 --optimizer negative-curvature -r 4", "--samples 0 --dim 8"] {
        let call = memorize(&format!("race --quiet --overwrite --data synthetic {bad}")).with("--curves", &curves);
        assert_ne!(call.run().code, Some(0));
        assert_eq!(fs::read_to_string(&curves).unwrap(), "mine", "{bad}");
    }
    memorize("race --quiet --overwrite --data synthetic --samples 20 --dim 6 --passes 5")
        .with("--curves", &curves)
        .succeeds();
    assert!(fs::read_to_string(&curves).unwrap().starts_with("optimizer,iteration"));
}

#[test]
fn a_sweep_replaces_no_file_but_its_own() {
    let root = scratch();
    let at = |name: &str| root.path().join(name);
    let settings = "[data]\nsource = \"synthetic\"\nsamples = 20\ndim = 6\nnormalize = true\n[optimizer]\nkind = \"gd\"\n\
                    [run]\niterations = 30\n";
    fs::write(
        at("sweep.toml"),
        format!("{settings}[sweep.grid]\nnetwork.neurons = [8]\noptimizer.learning_rate = [0.1, 1e9]\n"),
    )
    .unwrap();
    let [good, bad] = ["out/neurons=8,learning_rate=0.1.log", "out/neurons=8,learning_rate=1000000000.0.log"].map(at);
    fs::create_dir(at("out")).unwrap();
    fs::write(&good, "mine").unwrap();
    fs::write(at("thesis"), "mine").unwrap();
    symlink("../thesis", &bad).unwrap();
    let sweep = || memorize("sweep --quiet").with("--out", at("out")).with("--", at("sweep.toml")).run();
    assert_eq!(sweep().code, Some(1));
    assert_eq!([&good, &at("thesis")].map(|path| fs::read_to_string(path).unwrap()), ["mine", "mine"]);
    // Its own it does: a log of a run that failed, which goes when the run has ended well.
    fs::remove_file(&bad).unwrap();
    assert_eq!(sweep().code, Some(1));
    assert!(fs::read_to_string(&bad).unwrap().contains("diverged"));
    // A table of states is no table of runs.
    for mine in ["name,state,population\n", "name,state,seed\n"] {
        fs::write(at("out/sweep.csv"), mine).unwrap();
        assert_eq!(sweep().code, Some(2));
        assert_eq!(left(&at("out"), "sweep.csv"), mine.as_bytes());
    }
    fs::remove_file(at("out/sweep.csv")).unwrap();
    // Nor is a picture among ours that the page does not link to.
    fs::remove_dir_all(at("out/report/curves")).unwrap();
    fs::create_dir(at("out/report/curves")).unwrap();
    fs::write(at("sweep.toml"), format!("{settings}[sweep.grid]\nnetwork.neurons = [8, 10]\n")).unwrap();
    fs::write(at("out/report/curves/neurons-10.svg"), "mine").unwrap();
    assert_eq!(sweep().code, Some(2));
    assert_eq!(left(&at("out/report/curves"), "neurons-10.svg"), b"mine");
    // Its runs are made all the same.
    assert_eq!(summary(&at("out/neurons=10"))["r"], 10);
}

#[test]
fn weights_that_no_summary_speaks_for_are_kept() {
    let root = scratch();
    let run = root.path().join("run");
    memorize(&format!("{RUN} -r 18 --optimizer gd --iterations 30")).with("--out", &run).succeeds();
    let weights = left(&run, "checkpoint.safetensors");
    let text = left(&run, "summary.json");
    for spoiled in [&b""[..], b"{", &text[..text.len() / 2]] {
        fs::write(run.join("summary.json"), spoiled).unwrap();
        memorize("resume --quiet").with_bare(&run).refuses(&["summary.json does not say how", "memorize eval"]);
        assert!(left(&run, "checkpoint.safetensors") == weights && left(&run, "summary.json") == spoiled);
    }
    fs::remove_file(run.join("summary.json")).unwrap();
    memorize("resume --quiet").with_bare(&run).refuses(&["summary.json does not say how"]);
    // Weights that are not the ones that the summary names.
    fs::write(run.join("summary.json"), &text).unwrap();
    memorize(&format!("{RUN} -r 18 --optimizer gd --iterations 31"))
        .with("--out", root.path().join("other"))
        .succeeds();
    fs::copy(root.path().join("other/checkpoint.safetensors"), run.join("checkpoint.safetensors")).unwrap();
    memorize("resume --quiet").with_bare(&run).refuses(&["checkpoint.safetensors", "other contents"]);
    fs::write(run.join("checkpoint.safetensors"), weights).unwrap();
    assert!(memorize("resume --quiet").with_bare(&run).succeeds().stdout.contains("is finished"));
}

#[test]
fn records_that_are_gone_are_told_of() {
    let root = scratch();
    let run = root.path().join("run");
    memorize(&format!("{RUN} -r 18 --optimizer gd --iterations 30")).with("--out", &run).succeeds();
    for (spoil, word) in [(None, "metrics.csv: it is gone"), (Some("iteration\n"), "metrics.csv: it has 10 bytes")] {
        match spoil {
            None => fs::remove_file(run.join("metrics.csv")).unwrap(),
            Some(text) => fs::write(run.join("metrics.csv"), text).unwrap(),
        }
        let page = memorize("report --overwrite").with_bare(&run).with("--out", root.path().join("page")).succeeds();
        assert!(page.stderr.contains(word), "{}", page.stderr);
    }
}

#[test]
fn a_group_is_not_done_again_where_it_is_complete() {
    let root = scratch();
    let at = |name: &str| root.path().join(name);
    let settings = "[data]\nsource = \"files\"\ninputs = \"x.npy\"\ntargets = \"y.npy\"\nnormalize = true\n\
                    [network]\nneurons = 18\n[optimizer]\nkind = \"gd\"\n[run]\niterations = 30\n[sweep.grid]\nrun.seed = [0, 1]\n";
    fs::write(at("sweep.toml"), settings).unwrap();
    let draw = |seed: u32| {
        let sample = memorize(&format!("data sample synthetic --dim 8 --rows 40 --seed {seed} --overwrite"));
        sample.with("--out", at("x.npy")).with("--targets-out", at("y.npy")).succeeds();
    };
    draw(0);
    let sweep = |flag: &str| memorize(&format!("sweep {flag}")).with("--out", at("out")).with("--", at("sweep.toml"));
    sweep("").succeeds();
    let modified = |run: &str| fs::metadata(at(run).join("checkpoint.safetensors")).unwrap().modified().unwrap();
    let before = ["out/seed=0", "out/seed=1"].map(modified);
    // One that is damaged is done again, with `--overwrite` or without, and the other one is left alone.
    for flag in ["", "--overwrite"] {
        fs::remove_file(at("out/seed=1/checkpoint.safetensors")).unwrap();
        let outcome = sweep(flag).succeeds();
        assert!(outcome.stderr.contains("1 of 2 runs are complete already"), "{}", outcome.stderr);
        assert_eq!(modified("out/seed=0"), before[0], "{flag}");
        assert!(at("out/seed=1/checkpoint.safetensors").exists());
    }
    // On other data none of them is what is asked for.
    draw(1);
    sweep("").refuses(&["a run on other data", "the training set was SHA-256", "--overwrite"]);
    sweep("--overwrite").succeeds();
    assert!(modified("out/seed=0") > before[0]);
    draw(0);
    sweep("").refuses(&["a run on other data"]);
}
