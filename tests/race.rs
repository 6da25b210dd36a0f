//! `memorize race` from end to end.

use std::fs;

use serde_json::Value;

use crate::common::{memorize, scratch};

const SMALL: &str = "race --quiet --data synthetic --samples 20 --dim 8 --normalize --dtype f64 --passes 400";

fn passes(entry: &Value, at: usize) -> Option<f64> {
    entry["reached"][at]["passes"].as_f64()
}

#[test]
fn everybody_is_counted() {
    let folder = scratch();
    let curves = folder.path().join("race.csv");
    let outcome = memorize(SMALL).and("--json --losses 1e-8,1e-3").with("--curves", &curves).succeeds();
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((found["n"].as_u64(), found["d"].as_u64(), found["r"].as_u64()), (Some(20), Some(8), Some(18)));
    let entries = found["entries"].as_array().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry["optimizer"].as_str().unwrap()).collect();
    assert_eq!(names, ["gd", "pgd", "accelerated", "negative-curvature", "adam", "solve"]);
    for entry in entries {
        // The larger loss first, however they were typed.
        assert_eq!(entry["reached"][0]["loss"].as_f64(), Some(1e-3), "{entry}");
        let (first, second) = (passes(entry, 0), passes(entry, 1));
        assert!(second.is_none() || first <= second, "{entry}");
        // What was reached is what the weights have, to a margin for what the last step was that nobody recorded.
        let loss = entry["loss"].as_f64().unwrap();
        assert_eq!(second.is_some(), loss <= 1e-8, "{entry}");
        assert!(entry["passes"].as_f64().unwrap() <= 402.0, "{entry}");
    }
    // Twenty samples are all landmarks: the solver needs one product, and the preconditioner is 3 n^3 + 2 n^2 d
    // operations.
    let solver = &entries[5];
    let setup = (3.0 * 8000.0 + 2.0 * 400.0 * 8.0) / (2.0 * 20.0 * 64.0);
    assert!((passes(solver, 1).unwrap() - setup).round() <= 3.0, "{solver}");
    assert!(passes(&entries[3], 1).unwrap() < 400.0, "conjugate gradients memorise twenty samples: {}", entries[3]);

    let rows = fs::read_to_string(&curves).unwrap();
    assert_eq!(rows.lines().next(), Some("optimizer,iteration,passes,seconds,loss"));
    for name in names {
        assert!(rows.lines().any(|row| row.starts_with(&format!("{name},"))), "{name}");
    }
    memorize(SMALL).with("--curves", &curves).refuses(&["already exists", "--overwrite"]);
}

#[test]
fn the_table_has_a_column_for_each_loss() {
    let said = memorize(SMALL).and("--optimizer gd,solve --losses 1e-2,1e-30 --lr 0.5 -r 20").succeeds().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("r = 20") && lines[0].contains("at most 400"), "{said}");
    assert!(lines[2].contains("1e-2") && lines[2].contains("1e-30"), "{said}");
    assert!(lines[3].contains("gd") && lines[3].contains("step 0.500") && lines[3].contains(" - "), "{said}");
    assert!(lines[4].contains("solve"), "{said}");
}

#[test]
fn one_that_diverges_does_not_end_the_race() {
    let said = memorize(SMALL).and("--optimizer gd,solve --lr 1e6 --losses 1e-3").succeeds().stdout;
    assert!(said.lines().any(|line| line.contains("gd") && line.contains("diverged")), "{said}");
    assert!(said.lines().any(|line| line.contains("solve") && !line.contains("diverged")), "{said}");
}

#[test]
fn descents_race_in_the_metric_of_the_samples() {
    let entries = |flags: &str| {
        let names = "--optimizer gd,pgd,accelerated,negative-curvature,adam,solve";
        let said = memorize(SMALL).and("--json --losses 1e-3").and(names).and(flags).succeeds().stdout;
        let found: Value = serde_json::from_str(&said).unwrap();
        found["entries"].as_array().unwrap().clone()
    };
    let [usual, data, frobenius] = ["", "--metric data", "--metric frobenius"].map(entries);
    for (at, name) in ["gd", "pgd", "accelerated", "negative-curvature", "adam", "solve"].into_iter().enumerate() {
        let loss = |entries: &[Value]| entries[at]["loss"].as_f64().unwrap();
        // Adam knows no metric, the solver has that of the samples where nobody says which.
        assert_eq!(loss(&data) == loss(&usual), matches!(name, "adam" | "solve"), "{name}");
        assert_eq!(loss(&frobenius) == loss(&usual), name != "solve", "{name}");
        assert!(data[at]["reached"][0]["passes"].is_f64() || name == "pgd", "{}", data[at]);
    }
}

#[test]
fn what_cannot_be_raced_is_refused() {
    memorize(SMALL).and("--optimizer gd,gd").refuses(&["takes part once"]);
    memorize(SMALL).and("--losses 0").refuses(&["--losses"]);
    memorize(SMALL).and("--optimizer negative-curvature -r 4").refuses(&["2d+2 = 18"]);
    memorize("race").refuses(&["--inputs"]);
}
