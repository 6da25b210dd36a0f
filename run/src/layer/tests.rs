//! Tests of [`super`].

use std::path::Path;

use super::template::in_order;
use super::*;
use crate::config::{Batch, ConfigError, Source};
use crate::settings::Form;

fn layer(text: &str) -> Layer {
    Layer::from_toml(text).unwrap()
}

#[test]
fn the_upper_layer_wins_key_by_key() {
    let base = layer("[data]\nsource = \"mnist\"\nnoise = 0.5\npca = 7\n[network.features]\nk = 3\nsigma = 0.2\n");
    let upper = layer("[data]\nnoise = 0.25\nnormalize = false\n[network.features]\nk = 4\n");
    let merged = upper.over(base).unwrap();
    assert_eq!((merged.data.noise, merged.data.pca, merged.data.normalize), (Some(0.25), Some(7), Some(false)));
    assert_eq!((merged.network.features.k, merged.network.features.sigma), (Some(4), Some(0.2)));
}

#[test]
fn an_empty_layer_changes_nothing() {
    let base = layer("[data]\nsource = \"mnist\"\n[optimizer]\nkind = \"pgd\"\npgd.radius = 1.0\n[run]\nepochs = 3\n");
    assert_eq!(Layer::default().over(base.clone()).unwrap(), base);
    assert_eq!(base.over(Layer::default()).unwrap(), base);
}

#[test]
fn another_source_drops_the_files_but_not_the_treatment() {
    let base = layer("[data]\ninputs = \"x\"\ntargets = \"y\"\nnoise = 0.5\n");
    let merged = layer("[data]\nsource = \"mnist\"\n").over(base).unwrap();
    assert_eq!((merged.data.inputs, merged.data.targets, merged.data.noise), (None, None, Some(0.5)));
    let base = layer("[data]\nsource = \"mnist\"\ndir = \"m\"\n");
    let merged = layer("[data]\ninputs = \"x\"\n").over(base).unwrap();
    assert_eq!((merged.data.source, merged.data.dir), (None, None));
    let base = layer("[data]\nsource = \"files\"\ninputs = \"x\"\ntargets = \"y\"\n");
    let merged = layer("[data]\ninputs = \"z\"\n").over(base).unwrap();
    assert_eq!((merged.data.inputs, merged.data.targets), (Some("z".into()), Some("y".into())));
}

#[test]
fn another_optimiser_starts_from_its_own_defaults_but_keeps_the_objective() {
    let base = layer("[optimizer]\nkind = \"adam\"\nlearning_rate = 0.5\nbatch = 64\ngamma = 0.1\n");
    let merged = layer("[optimizer]\nkind = \"gd\"\n").over(base.clone()).unwrap();
    let OptimizerLayer { learning_rate, batch, gamma, .. } = merged.optimizer;
    assert_eq!((learning_rate, batch, gamma), (None, None, Some(0.1)));
    let merged = layer("[optimizer]\nkind = \"adam\"\n").over(base).unwrap();
    assert_eq!(merged.optimizer.learning_rate, Some(0.5), "the same optimiser keeps its settings");
    // Adam is what a file without a kind means.
    let merged = layer("[optimizer]\nkind = \"adam\"\n").over(layer("[optimizer]\nbatch = 5\n")).unwrap();
    assert_eq!(merged.optimizer.batch, Some(Batch::Rows(5)));
}

#[test]
fn theorem_4_takes_the_place_of_what_it_decides() {
    let thresholds = "pgd.radius = 1.0\npgd.g_threshold = 1.0\npgd.f_threshold = 1.0\npgd.t_threshold = 1\n";
    let base = format!(
        "[data]\nsource = \"synthetic\"\n[network]\ninit_scale = 0.5\n[run]\nepochs = 3\nrecord_every = 1\n\
         [optimizer]\nkind = \"pgd\"\nlearning_rate = 0.5\ngamma = 0.1\n{thresholds}"
    );
    let merged = layer("[optimizer.theory]\nenabled = true\nepsilon = 0.5\n").over(layer(&base)).unwrap();
    let config = merged.clone().resolve().unwrap();
    config.validate().unwrap();
    assert!(config.optimizer.theory.is_some() && config.optimizer.pgd.is_none());
    // And the way back.
    let back = layer("[optimizer.theory]\nenabled = false\n").over(merged).unwrap();
    assert!(!back.optimizer.theory.is_asked_for());
    let missing = layer("[optimizer.theory]\nenabled = true\n").over(layer(&base)).unwrap().resolve();
    assert!(matches!(missing, Err(ConfigError::Missing { field: "optimizer.theory.epsilon", .. })), "{missing:?}");
}

#[test]
fn a_length_replaces_a_length_in_another_unit() {
    let merged = layer("[run]\niterations = 100\n").over(layer("[run]\nepochs = 1\nseed = 4\n")).unwrap();
    assert_eq!((merged.run.epochs, merged.run.iterations, merged.run.seed), (None, Some(100), Some(4)));
}

#[test]
fn what_has_no_default_is_asked_for() {
    let missing = |text: &str| match layer(text).resolve() {
        Err(ConfigError::Missing { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(""), "data.source");
    assert_eq!(missing("[data]\nsource = \"mnist\"\n"), "network.neurons");
    let network = "[data]\nsource = \"mnist\"\n[network]\nneurons = 2\n";
    assert_eq!(missing(&format!("{network}features.p = 2\n")), "network.features.k");
    assert_eq!(missing(&format!("{network}[optimizer.pgd]\nradius = 1.0\n")), "optimizer.pgd.g_threshold");
}

#[test]
fn defaults_follow_the_choices() {
    let resolve = |text: &str| layer(&format!("[network]\nneurons = 2\n{text}")).resolve().unwrap();
    let config = resolve("[data]\nsource = \"synthetic\"\n[optimizer]\nkind = \"gd\"\n");
    assert_eq!((config.data.samples, config.data.dim), (Some(DEFAULT_SAMPLES), Some(DEFAULT_DIM)));
    assert_eq!((config.optimizer.batch, config.optimizer.learning_rate), (Batch::Full, DEFAULT_LEARNING_RATE));
    let config = resolve("[data]\ninputs = \"x\"\n[optimizer]\nkind = \"sgd\"\n");
    assert_eq!((config.data.source, config.data.samples), (Source::Files, None));
    assert_eq!(config.optimizer.batch, Batch::Rows(DEFAULT_BATCH));
}

#[test]
fn paths_in_a_file_start_at_the_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("my.toml");
    std::fs::write(&path, "[data]\ninputs = \"x.npy\"\ntargets = \"/abs/y.npy\"\n").unwrap();
    let layer = Layer::from_file(&path).unwrap();
    assert_eq!(layer.data.inputs, Some(root.path().join("x.npy")));
    assert_eq!(layer.data.targets.as_deref(), Some(Path::new("/abs/y.npy")));
}

#[test]
fn errors_name_the_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("my.toml");
    assert!(Layer::from_file(&path).unwrap_err().to_string().contains("my.toml"));
    std::fs::write(&path, "[run]\nepoch = 3\n").unwrap();
    let error = Layer::from_file(&path).unwrap_err();
    assert!(error.to_string().contains("my.toml"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("line 2") && cause.contains("did you mean `epochs`?"), "{cause}");
}

/// 64 KiB of dots would take 70 MB, and somebody will give a data file for a configuration.
#[test]
fn what_is_longer_than_any_configuration_is_not_parsed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data.csv");
    let cause = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let read = Layer::from_file(&path).map_err(|error| std::error::Error::source(&error).unwrap().to_string());
        assert_eq!(read.is_ok(), Layer::from_toml(text).is_ok());
        read
    };
    let longest = format!("#{}\n[run]\nepochs = 3\n", "-".repeat((1 << 16) - 19));
    assert_eq!((longest.len(), cause(&longest).unwrap().run.epochs), (1 << 16, Some(3)));
    assert!(cause(&format!("{longest}\n")).unwrap_err().contains("longer than 65536 bytes"));
}

#[cfg(unix)]
#[test]
fn a_path_that_toml_cannot_hold_is_refused_and_not_changed() {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::OsStr::from_bytes(b"x\xff.npy").into();
    let layer = Layer { data: DataLayer { inputs: Some(path), ..DataLayer::default() }, ..Layer::default() };
    assert!(matches!(layer.over(Layer::default()), Err(ConfigError::NotWritable { .. })));
}

#[test]
fn a_changed_experiment_is_no_longer_the_papers() {
    let base =
        || Layer::from_toml("run.experiment = \"synthetic\"\nrun.seed = 1\ndata.source = \"synthetic\"").unwrap();
    let experiment = |flags: &str| Layer::from_toml(flags).unwrap().over(base()).unwrap().run.experiment;
    assert_eq!(experiment("run.seed = 7\nrun.epochs = 3").as_deref(), Some("synthetic"));
    for change in ["data.samples = 3000", "network.neurons = 4", "optimizer.learning_rate = 0.5"] {
        assert_eq!(experiment(change), None, "{change}");
    }
}

#[test]
fn a_name_says_which_seed_if_it_is_not_the_default() {
    let name = |text: &str, flags: &str| {
        let [file, flags] = [text, flags].map(|text| Layer::from_toml(text).unwrap());
        flags.over(file).unwrap().resolve().unwrap().run.name
    };
    let base = "data.source = \"synthetic\"\nnetwork.neurons = 4\nrun.epochs = 1\n";
    let with = |text: &str| format!("{base}{text}");
    assert_eq!(name(base, ""), "synthetic-r4-adam");
    assert_eq!(name(base, "run.seed = 0"), "synthetic-r4-adam");
    assert_eq!(name(base, "run.seed = 7"), "synthetic-r4-adam-seed7");
    // A name that was given is kept, unless the seed is another one than the file's.
    assert_eq!(name(&with("run.name = \"job\"\nrun.seed = 7\n"), "run.seed = 7"), "job");
    assert_eq!(name(&with("run.name = \"job\"\n"), "run.seed = 7"), "job-seed7");
    assert_eq!(name(&with("run.name = \"job-seed7\"\nrun.seed = 7\n"), "run.seed = 8"), "job-seed8");
    assert_eq!(name(&with("run.name = \"job-seed7\"\nrun.seed = 7\n"), "run.seed = 0"), "job");
    assert_eq!(name(&with("run.name = \"job\"\n"), "run.seed = 7\nrun.name = \"mine\""), "mine");
    assert_eq!([seeded("a-seeds", 3), seeded("a-seed", 3)], ["a-seeds-seed3", "a-seed-seed3"]);
}

/// The table of docs/formats.md, a row a setting.
fn table() -> String {
    let mut rows = vec![
        "| Key | Flag | Value | Default | What it is | Another value is |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for setting in in_order() {
        let flag = setting.flag.map_or_else(|| "none".to_owned(), |flag| format!("`--{}`", flag.long));
        let value = match (setting.form)() {
            Form::Switch => "`true`, `false`".to_owned(),
            Form::Choice(words) => words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Form::Path => "path".to_owned(),
            Form::Integer => "integer".to_owned(),
            Form::Float => "float".to_owned(),
            Form::Word => setting.flag.map_or("NAME", |flag| flag.value).to_owned(),
        };
        let default = (setting.default)().unwrap_or_default();
        let effect = match setting.effect {
            Effect::Results => "another run",
            Effect::Place => "another place or name",
            Effect::Speed => "the same bits",
        };
        let cells =
            [format!("`{}`", setting.path), flag, value, default, setting.help.trim().to_owned(), effect.to_owned()];
        rows.push(format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    rows.join("\n") + "\n"
}

/// With `UPDATE_DOCS=1` the page is written anew.
#[test]
fn the_page_on_formats_has_a_row_for_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once("<!-- settings -->\n").unwrap();
    let (found, tail) = rest.split_once("<!-- end of settings -->\n").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}<!-- settings -->\n{}<!-- end of settings -->\n{tail}", table())).unwrap();
    } else {
        assert_eq!(found, table(), "run this test with UPDATE_DOCS=1 after a change of a setting");
    }
}

#[test]
fn every_setting_stands_once() {
    let all = Layer::settings();
    for (at, setting) in all.iter().enumerate() {
        let flag = |setting: &Setting| setting.flag.map(|flag| flag.long);
        for other in &all[..at] {
            assert!(
                setting.path != other.path && (flag(setting).is_none() || flag(setting) != flag(other)),
                "{setting:?}"
            );
        }
        assert_eq!(effect_of(setting.path), Some(setting.effect));
        // Whoever asks what may differ at any time looks there.
        assert!(setting.effect != Effect::Speed || setting.section == "run", "{setting:?}");
        assert!(!setting.help.trim().is_empty() && !setting.help.contains("[default"), "{setting:?}");
    }
}

#[test]
fn what_is_given_arrives_where_the_key_is() {
    for setting in Layer::settings() {
        let word = match (setting.form)() {
            Form::Switch => "true".to_owned(),
            Form::Choice(words) => words[0].0.to_owned(),
            Form::Path | Form::Integer | Form::Float | Form::Word => "7".to_owned(),
        };
        let mut layer = Layer::default();
        layer.give(setting, &(setting.parse)(&word).unwrap());
        let written = crate::differences::by_key(&toml::to_string(&layer).unwrap());
        let keys: Vec<&String> = written.keys().collect();
        assert_eq!(keys, [setting.path]);
        assert_eq!(Layer::from_toml(&toml::to_string(&layer).unwrap()).unwrap(), layer);
    }
}
