//! `memorize bench`: what it prints, never how fast it is.

use std::fs;

use serde_json::Value;

use crate::common::{backends, memorize, scratch};

const SMALL: &str = "bench --quick --filter small-gradient";

#[test]
fn the_json_is_one_object_with_the_machine_its_limits_and_the_results() {
    let outcome = memorize(SMALL).and("--json").succeeds();
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    for field in ["cpu", "isa", "compiler", "commit"] {
        assert!(report["machine"][field].is_string(), "{field}");
    }
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0 && report["machine"]["caches"].is_array());
    for dtype in ["f32", "f64"] {
        assert!(report["peak_gflops"][dtype].as_f64().unwrap() > 0.0, "{dtype}");
    }
    assert!(report["bandwidth_gbs"].as_f64().unwrap() > 0.0 && report["read_bandwidth_gbs"].as_f64().unwrap() > 0.0);
    let results = report["results"].as_array().unwrap();
    let measured: Vec<&str> = results.iter().map(|result| result["backend"].as_str().unwrap()).collect();
    assert_eq!(measured, backends());
    for result in results {
        assert_eq!(
            (&result["pass"], &result["shape"], &result["dtype"], &result["threads"]),
            (&"small-gradient".into(), &"300x100x300".into(), &"f32".into(), &1.into())
        );
        for field in ["seconds", "gflops", "fraction_of_peak", "fraction_of_roofline", "error"] {
            assert!(result[field].as_f64().unwrap() > 0.0, "{field}");
        }
    }
}

#[test]
fn scaling_is_measured_on_what_there_is_and_computed_for_more() {
    let call = "bench --scaling --quick --filter adam-step --shape 16x30x200 --threads 3";
    let report: Value = serde_json::from_str(&memorize(call).and("--json").succeeds().stdout).unwrap();
    let entries = report["scaling"].as_array().unwrap();
    let found: Vec<(u64, &str)> =
        entries.iter().map(|entry| (entry["threads"].as_u64().unwrap(), entry["kind"].as_str().unwrap())).collect();
    let measured = [1, 2, 3].map(|threads| (threads, "measured"));
    let computed = [2, 8, 16, 32, 64, 128].map(|threads| (threads, "from trace"));
    assert_eq!(found, [&measured[..], &computed[..]].concat());
    for entry in entries {
        let number = |key: &str| entry[key].as_f64().unwrap();
        assert_eq!((&entry["pass"], &entry["shape"]), (&"adam-step".into(), &"16x30x200".into()));
        assert!((number("efficiency") * number("threads") - number("speedup")).abs() < 1e-9 * number("speedup"));
        assert!(number("seconds") > 0.0 && number("gbs") > 0.0 && number("speedup_of_bandwidth") > 0.0);
    }
    assert_eq!(entries[0]["speedup"], 1.0);
    let text = memorize(call).succeeds().stdout;
    assert_eq!(text.lines().filter(|line| line.contains("from trace ")).count(), computed.len(), "{text}");
    memorize("bench --scaling --backend matrixmultiply").refuses(&["--scaling is about the native backend"]);
    memorize("bench --scaling --filter small-gradient").refuses(&["the passes are adam-step, "]);
}

#[test]
fn the_table_and_the_csv_have_a_line_a_measurement() {
    let text = memorize(SMALL).and("--dtype f64").succeeds().stdout;
    assert!(text.contains("peak f32") && text.contains("of roofline"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("small-gradient")).count(), backends().len());
    let csv = memorize("bench --quick --filter adam-step --shape 8x30x20 --csv").succeeds().stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let shape = reader.headers().unwrap().iter().position(|name| name == "shape").unwrap();
    let shapes: Vec<String> = reader.records().map(|record| record.unwrap()[shape].to_owned()).collect();
    assert_eq!(shapes, vec!["8x30x20"; backends().len()]);
}

#[test]
fn a_benchmark_is_compared_with_an_earlier_one() {
    let folder = scratch();
    let (before, absurd) = (folder.path().join("before.json"), folder.path().join("absurd.json"));
    let json = memorize(SMALL).and("--json --backend native").succeeds().stdout;
    fs::write(&before, &json).unwrap();
    let text = memorize(SMALL).and("--backend native").with("--compare", &before).succeeds().stdout;
    assert!(text.contains("1 compared"), "{text}");
    // An earlier time that nothing can reach, on a machine that was another one.
    let mut report: Value = serde_json::from_str(&json).unwrap();
    for (field, value) in [("seconds", 1e-12), ("fastest_seconds", 1e-12), ("spread_seconds", 0.0)] {
        report["results"][0][field] = value.into();
    }
    report["machine"]["cpu"] = "Another".into();
    fs::write(&absurd, report.to_string()).unwrap();
    let text = memorize(SMALL).and("--backend native").with("--compare", &absurd).succeeds().stdout;
    assert!(text.contains("SLOWER") && text.contains("1 compared, 1 slower beyond the noise"), "{text}");
    assert!(text.contains("note: measured on Another before"), "{text}");
    // The changes do not spoil what a program reads.
    let outcome = memorize(SMALL).and("--backend native --json").with("--compare", &absurd).succeeds();
    assert!(serde_json::from_str::<Value>(&outcome.stdout).is_ok());
    assert!(outcome.stderr.contains("1 slower beyond the noise"), "{}", outcome.stderr);
}

#[test]
fn a_benchmark_that_cannot_be_compared_with_is_refused_before_anything_is_measured() {
    let folder = scratch();
    let file = folder.path().join("old.json");
    memorize("bench").with("--compare", &file).refuses(&["cannot read", "old.json"]);
    let json = memorize(SMALL).and("--json --backend native").succeeds().stdout;
    let other = json.replace("\"seconds\":", "\"seconds\":-");
    for wrong in ["", "{}", "[]", "epoch,loss\n", &json[..json.len() / 2], &other] {
        fs::write(&file, wrong).unwrap();
        memorize("bench").with("--compare", &file).refuses(&["is not the output of `memorize bench --json`", "hint: "]);
    }
    fs::write(&file, &json).unwrap();
    let nothing = ["nothing of what is to be measured", "small-gradient 300x100x300", "hint: "];
    memorize("bench --filter adam-step").with("--compare", &file).refuses(&nothing);
    memorize("bench --shape 10x20x30").with("--compare", &file).refuses(&nothing);
}

#[test]
fn a_roofline_is_drawn_as_the_extension_says() {
    let folder = scratch();
    let (svg, png) = (folder.path().join("roof line.svg"), folder.path().join("roofline.PNG"));
    // What is printed stays what it is.
    let outcome = memorize(SMALL).and("--json").with("--plot", &svg).succeeds();
    assert!(serde_json::from_str::<Value>(&outcome.stdout).is_ok());
    let drawn = fs::read_to_string(&svg).unwrap();
    for text in ["<svg", "small-gradient", "native", "matrixmultiply", "f32 peak", "flops per byte"] {
        assert!(drawn.contains(text), "{text}");
    }
    assert!(!drawn.contains("f64 peak"), "a roof of what was not measured");
    fs::write(&png, "an older picture").unwrap();
    memorize(SMALL).and("--backend native").with("--plot", &png).refuses(&["already exists", "--overwrite"]);
    memorize(SMALL).and("--backend native --overwrite").with("--plot", &png).succeeds();
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left behind");
}

#[test]
fn a_plot_that_cannot_be_had_is_refused_before_anything_is_measured() {
    let folder = scratch();
    for name in ["roofline.pdf", "roofline", "svg"] {
        memorize("bench").with("--plot", folder.path().join(name)).refuses(&["--plot", "ends in .svg or .png"]);
    }
    fs::write(folder.path().join("file"), "").unwrap();
    memorize("bench")
        .with("--plot", folder.path().join("file/roofline.svg"))
        .refuses(&["cannot write", "file/roofline.svg"]);
    fs::create_dir(folder.path().join("folder.svg")).unwrap();
    memorize("bench").with("--plot", folder.path().join("folder.svg")).refuses(&["folder.svg is a folder"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    memorize("bench --filter nonsense").refuses(&["nothing to measure", "adam-step"]);
    memorize("bench --shape 10x20").refuses(&["three sizes"]);
    memorize("bench --shape 10x20x3").refuses(&["even"]);
}

#[test]
fn a_flag_without_a_meaning_here_is_refused() {
    memorize(SMALL).and("--route gram").refuses(&["no route to choose", "leave --route out"]);
    let help = memorize("bench --help").succeeds().stdout;
    assert!(!help.contains("--route") && !help.contains("do not depend"), "{help}");
}

#[test]
fn the_table_says_what_its_columns_are() {
    let text = memorize(SMALL).and("--threads 1").succeeds().stdout;
    assert!(text.contains(", 1 thread,"), "{text}");
    for part in ["+-: half of the runs", "of peak: of the multiply-adds", "of roofline: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
