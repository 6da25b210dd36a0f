//! Tests of [`super`].

use memorize_run::config::RunConfig;
use memorize_run::experiments::{Experiment, Scale};
use memorize_run::run_folder::{Record, Smoother, Summary};

use super::*;
use crate::trace::Trace;

const HOSTILE: &str = "</script><script>alert('\"&\u{2028}')</script>";

/// A run of an experiment that fell from 8 to about 1e-6 in equal parts.
fn run(name: &str, config: RunConfig) -> FoundRun {
    let mut smoother = Smoother::default();
    let records: Vec<Record> = (0..3000u32)
        .map(|i| {
            let loss = 8.0 * 10_f64.powf(-7.0 * f64::from(i) / 3000.0) * (1.0 + 0.3 * f64::from(i % 3));
            let smoothed_loss = smoother.push(loss);
            Record { iteration: 5 * u64::from(i), epoch: 0.0, loss, smoothed_loss, learning_rate: 0.003, seconds: 0.0 }
        })
        .collect();
    FoundRun {
        folder: PathBuf::from("runs").join("x"),
        name: name.to_owned(),
        config: Some(config),
        summary: Some(Summary { name: name.to_owned(), ..Summary::example() }),
        failure: None,
        trace: Some(Trace::of(&records)),
        problems: Vec::new(),
    }
}

fn full(name: &str) -> FoundRun {
    run(name, Experiment::Mnist2LayerNoise.config(Scale::Full))
}

/// The page's text.
fn page(runs: &[FoundRun], problems: &[String], focus: Focus) -> String {
    let folder = tempfile::tempdir().unwrap();
    let index = write(folder.path(), false, runs, problems, focus).unwrap();
    fs::read_to_string(index).unwrap()
}

#[test]
fn a_page_has_the_paper_the_verdict_the_numbers_and_the_curves() {
    let text = page(&[full("one"), full("two")], &[], Focus::Results);
    for part in [
        "loss falls geometrically below 1e-5",
        "figures 3a, 7",
        "f(W) = 1.23e-6",
        "2 agree with the paper",
        "f(W) ends at most at 1e-5",
        "2 min 31 s",
        "learning_rate = 0.003",
        "How W starts",
        "href=\"curves/one.svg\"",
        "</span> does not hold</span>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<g class=\"line ").count(), 4, "each run alone, and both together");
    assert_eq!(text.matches("<g class=\"records ").count(), 4);
    assert_eq!(text.matches(" hidden>").count(), 2, "beside others the mean alone is shown");
    assert_eq!(text.matches("<span class=\"end\">f(W) = 1.23e-6</span>").count(), 2, "what the table has");
    assert_eq!(text.matches("<span class=\"end\">at the end f(W) = 1.23e-6</span>").count(), 2);
    for fetched in ["src=", "href=\"http", "url(http", "@import", "fetch(", "<link"] {
        assert!(!text.contains(fetched), "{fetched}: the page needs nothing but itself");
    }
}

#[test]
fn other_settings_than_the_papers_are_named_and_not_judged() {
    let text = page(&[run("small", Experiment::Mnist2LayerNoise.config(Scale::Quick))], &[], Focus::Results);
    assert!(text.contains("other settings") && text.contains("data.limit = 2000 instead of none"));
    assert!(!text.contains("1 agrees"));
}

#[test]
fn an_experiment_is_compared_with_a_whole_run_of_the_other_only() {
    let of = |experiment: Experiment, scale| {
        let mut run = run(experiment.name(), experiment.config(scale));
        if let Some(summary) = &mut run.summary {
            summary.experiment = Some(experiment.name().to_owned());
        }
        run
    };
    let random = of(Experiment::Mnist3LayerRandom, Scale::Full);
    let quick = page(&[random.clone(), of(Experiment::Mnist3Layer, Scale::Quick)], &[], Focus::Results);
    assert!(quick.contains("1 is open") && quick.contains("no whole run of mnist-3layer to compare with"));
    let full = page(&[random, of(Experiment::Mnist3Layer, Scale::Full)], &[], Focus::Results);
    assert!(full.contains("2 agree with the paper"));
}

#[test]
fn what_comes_from_files_cannot_become_markup_or_script() {
    let mut hostile = full(HOSTILE);
    hostile.problems.push(HOSTILE.to_owned());
    if let (Some(summary), Some(config)) = (&mut hostile.summary, &mut hostile.config) {
        (summary.init, summary.isa, summary.version) = (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
        config.run.name = HOSTILE.to_owned();
        config.data.dir = Some(PathBuf::from(HOSTILE));
    }
    for focus in [Focus::Results, Focus::Differences] {
        let text = page(&[hostile.clone(), full("tame")], &[HOSTILE.to_owned()], focus);
        assert_eq!(text.matches("<script").count(), 2, "the data and the page's own");
        assert_eq!(text.matches("</script>").count(), 2);
        assert!(text.contains("&#60;script&#62;alert") || text.contains("&lt;script&gt;alert"), "shown as text");
        // As JSON the name is still the name.
        let (_, data) = text.split_once("id=\"data\">").unwrap();
        let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
        assert_eq!(data[0]["name"], HOSTILE);
    }
}

#[test]
fn runs_without_a_curve_or_a_summary_are_on_the_page_too() {
    let blind = FoundRun { trace: None, ..full("blind") };
    let unfinished =
        FoundRun { summary: None, problems: vec!["summary.json: not there".to_owned()], ..full("unfinished") };
    let text = page(&[blind, unfinished], &["gone is not a folder".to_owned()], Focus::Results);
    for part in ["no curve", "the run is not finished", "gone is not a folder", "unfinished: summary.json: not there"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("curves/blind.svg"), "no link to a picture that is not there");
}

#[test]
fn a_comparison_begins_with_the_settings_that_differ() {
    let mut other = Experiment::Mnist2LayerNoise.config(Scale::Full);
    other.run.seed = 77;
    let text = page(&[full("one"), run("two", other)], &[], Focus::Differences);
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(place("run.seed") < place("<h3>Results</h3>") && place("<h3>Results</h3>") < place("id=\"overview\""));
    assert!(!text.contains("The paper reports"));
}

#[test]
fn a_run_too_short_to_be_seen_is_off_from_the_start() {
    let mut short = full("short");
    short.trace = short.trace.map(|trace| Trace { last_iteration: 100, ..trace });
    let text = page(&[full("long"), short], &[], Focus::Results);
    assert!(text.contains("aria-pressed=\"false\" data-run=\"1\"") && text.contains("Off from the start"));
}

#[test]
fn pictures_have_names_of_their_own_whatever_the_runs_are_called() {
    let names = ["a b", "a/b", "../..", "", "all", "A-B", HOSTILE];
    let runs: Vec<FoundRun> = names.iter().map(|name| full(name)).collect();
    let stems = stems(&runs);
    assert_eq!(stems, ["a-b", "a-b-2", "run", "run-2", "all-2", "a-b-3", "script--script-alert---------script"]);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false, &runs, &[], Focus::Results).unwrap();
    assert_eq!(fs::read_dir(folder.path().join(CURVES)).unwrap().count(), 2 * (names.len() + 1));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing beside the page and its pictures");
}

#[test]
fn a_page_replaces_an_earlier_one_but_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["first", "second"] {
        write(folder.path(), false, &[full(name)], &[], Focus::Results).unwrap();
    }
    let index = folder.path().join(INDEX);
    assert!(fs::read_to_string(&index).unwrap().contains("second"));
    fs::write(&index, "<h1>My home page</h1>").unwrap();
    let error = write(folder.path(), false, &[full("third")], &[], Focus::Results).unwrap_err();
    assert_eq!(error.code(), 2);
    assert!(error.to_string().contains("not made by memorize"), "{error}");
    assert_eq!(fs::read_to_string(&index).unwrap(), "<h1>My home page</h1>");
    // Pictures that no page of ours stands beside are another's.
    let pictures = tempfile::tempdir().unwrap();
    let drawing = pictures.path().join(CURVES).join("third.svg");
    fs::create_dir(pictures.path().join(CURVES)).unwrap();
    fs::write(&drawing, "my drawing").unwrap();
    let error = write(pictures.path(), false, &[full("third")], &[], Focus::Results).unwrap_err();
    assert!(error.code() == 2 && error.to_string().contains(CURVES), "{error}");
    assert_eq!(fs::read_to_string(&drawing).unwrap(), "my drawing");
    // Unless it is said that they may go.
    for folder in [&folder, &pictures] {
        write(folder.path(), true, &[full("third")], &[], Focus::Results).unwrap();
    }
    assert!(fs::read_to_string(&drawing).unwrap().starts_with("<svg"));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_bad_input() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "mine").unwrap();
    for place in [file.clone(), file.join("below")] {
        assert_eq!(check(&place, false).unwrap_err().code(), 2);
        assert_eq!(write(&place, false, &[full("x")], &[], Focus::Results).unwrap_err().code(), 2);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn the_page_of_seven_long_runs_is_small() {
    let runs: Vec<FoundRun> = (0..7).map(|i| full(&format!("run {i}"))).collect();
    let length = page(&runs, &[], Focus::Results).len();
    assert!(length < 400_000, "{length}");
}

#[test]
fn as_many_runs_as_there_may_be_have_lines_of_their_own_on_the_page_and_in_the_picture() {
    let runs: Vec<FoundRun> = (0..13).map(|i| full(&format!("run {i}"))).collect();
    let text = page(&runs, &[], Focus::Results);
    let (_, legend) = text.split_once("id=\"chart-all\"").unwrap();
    let (_, legend) = legend.split_once("figcaption").unwrap();
    let style = |place: usize| {
        let (before, _) = legend.split_once(&format!("run {place} <span")).unwrap();
        let (_, button) = before.rsplit_once("<button").unwrap();
        let value = |key: &str| button.split_once(key).unwrap().1.split('"').next().unwrap().to_owned();
        (value("class=\""), value("data-dashes=\""))
    };
    let styles: Vec<_> = (0..13).map(style).collect();
    assert_eq!(styles[8], ("s0".to_owned(), "2 4".to_owned()));
    assert!((0..13).all(|i| !styles[..i].contains(&styles[i])), "{styles:?}");
}

#[test]
fn a_run_without_results_says_that_its_number_is_the_end_of_its_line() {
    let unfinished = FoundRun { summary: None, ..full("unfinished") };
    let last = memorize_run::units::number(unfinished.trace.as_ref().unwrap().smooth.last().unwrap().loss);
    let text = page(&[unfinished, full("whole")], &[], Focus::Results);
    assert!(text.contains(&format!("<span class=\"end\">last {last}</span>")));
}

#[test]
fn every_title_of_a_page_is_in_the_font_of_the_pictures() {
    let other = run("small", Experiment::Mnist2LayerNoise.config(Scale::Full));
    let plain = FoundRun { summary: None, ..full("plain") };
    for (runs, focus) in [
        (vec![full("one"), full("two")], Focus::Results),
        (vec![full("one"), plain], Focus::Results),
        (vec![full("one"), other], Focus::Differences),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), false, &runs, &[], focus).unwrap();
        let picture = fs::read_to_string(folder.path().join(CURVES).join("all.svg")).unwrap();
        assert_eq!(plot::not_in_the_font(&picture), "");
    }
}
