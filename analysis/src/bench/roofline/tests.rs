//! Tests of [`super`].

use memorize_benches::machine::MachineInfo;
use memorize_benches::{Shape as Sizes, Workload};
use memorize_kernels::Engine;

use super::*;
use crate::plot::{png, svg};

/// Backend, instruction set, and how much of the peak it reaches.
const MEANS: [(&str, &str, f64); 4] = [
    ("native", "avx512", 0.9),
    ("native", "avx2", 0.4),
    ("native", "scalar", 0.03),
    ("matrixmultiply", "avx512", 0.35),
];

fn measurement(workload: Workload, dtype: &str, (backend, isa, fraction): (&str, &str, f64)) -> Measurement {
    let full = workload.shape();
    let shape = if isa == "scalar" && full.n > 1000 { Sizes { n: full.n / 16, ..full } } else { full };
    let (size, peak) = if dtype == "f32" { (4, 520.0) } else { (8, 260.0) };
    let gflops = peak * fraction * if workload == Workload::SmallGradient { 0.25 } else { 1.0 };
    let seconds = workload.flops(shape) / gflops / 1e9;
    Measurement {
        pass: workload.name().to_owned(),
        shape: shape.to_string(),
        backend: backend.to_owned(),
        dtype: dtype.to_owned(),
        isa: isa.to_owned(),
        threads: if workload == Workload::SmallGradient { 1 } else { 2 },
        seconds,
        spread_seconds: 0.0,
        fastest_seconds: seconds,
        slowest_seconds: seconds,
        runs: 9,
        gflops,
        gbs: workload.traffic(shape, size).total() / seconds / 1e9,
        fraction_of_peak: fraction,
        fraction_of_roofline: fraction,
        error: 1e-7,
    }
}

/// A report of these types and means, all passes.
fn report(dtypes: &[&str], means: &[(&str, &str, f64)]) -> BenchReport {
    let machine = MachineInfo { cpu: "Test <CPU>".to_owned(), threads: 2, ..MachineInfo::of(&Engine::best()) };
    let cases = Workload::ALL.into_iter().flat_map(|workload| dtypes.iter().map(move |dtype| (workload, dtype)));
    let results =
        cases.flat_map(|(workload, dtype)| means.iter().map(move |&means| measurement(workload, dtype, means)));
    let peak_gflops = [("f32".to_owned(), 520.0), ("f64".to_owned(), 260.0)].into();
    BenchReport { machine, peak_gflops, bandwidth_gbs: 42.0, read_bandwidth_gbs: 23.0, results: results.collect() }
}

#[test]
fn every_pass_and_every_means_is_named_below_the_roof() {
    let svg = svg(&Roofline::of(&report(&["f32", "f64"], &MEANS))).unwrap();
    for workload in Workload::ALL {
        for dtype in ["f32", "f64"] {
            // At the beginning of a text, for one name ends another.
            let label = format!("\n{} {dtype}", workload.name());
            assert_eq!(svg.matches(&label).count(), 1, "{label}");
        }
    }
    for text in [
        "Roofline of Test &lt;CPU&gt;, 2 threads",
        "flops per byte",
        "GFLOP/s",
        "f32 peak 520 GFLOP/s",
        "f64 peak 260 GFLOP/s",
        "memory 42.0 GB/s",
        "reads alone 23.0 GB/s",
        "small-gradient f32 (1 thread)",
        "native avx512",
        "native avx2",
        "native scalar",
        "matrixmultiply",
    ] {
        assert_eq!(svg.matches(text).count(), if text == "GFLOP/s" { 3 } else { 1 }, "{text}");
    }
}

#[test]
fn one_type_has_one_roof_and_needs_no_name() {
    let svg = svg(&Roofline::of(&report(&["f64"], &MEANS[..1]))).unwrap();
    assert!(svg.contains("f64 peak") && !svg.contains("f32") && !svg.contains("adam-step f64"));
}

#[test]
fn the_roof_turns_where_memory_feeds_the_peak() {
    let report = report(&["f32"], &MEANS[..1]);
    let roofline = Roofline::of(&report);
    let roof = roofline.roof(520.0_f64.log10());
    let ridge = roofline.pixel(((520.0_f64 / 42.0).log10(), 520.0_f64.log10()));
    assert!((roof[1].0 - ridge.0).abs() < 1e-9 && (roof[1].1 - ridge.1).abs() < 1e-9, "{roof:?}");
    let slope = (roof[0].1 - roof[1].1) / (roof[1].0 - roof[0].0);
    let decade = |frame: f64, axis: &LogAxis| frame / (axis.high - axis.low);
    let one_to_one = decade(FRAME.bottom - FRAME.top, &roofline.y) / decade(FRAME.right - FRAME.left, &roofline.x);
    assert!((slope - one_to_one).abs() < 1e-9, "a decade up for a decade across");
}

#[test]
fn what_has_no_place_on_a_log_scale_is_left_out() {
    let mut report = report(&["f32"], &MEANS[..1]);
    report.results[0].gflops = 0.0;
    report.results[1].gbs = f64::NAN;
    report.bandwidth_gbs = 0.0;
    report.read_bandwidth_gbs = 0.0;
    let svg_of = |report: &BenchReport| svg(&Roofline::of(report)).unwrap();
    let text = svg_of(&report);
    assert!(!text.contains("adam-step") && !text.contains("loss-and-gradient") && text.contains("features"));
    assert!(text.contains("f32 peak") && !text.contains("GB/s"), "a flat roof is left");
    report.results.clear();
    assert!(svg_of(&report).contains("nothing to draw"));
    assert!(!png(&Roofline::of(&report)).unwrap().is_empty());
}

#[test]
fn a_pass_is_as_far_below_the_roof_as_the_table_says_whatever_the_machine_did_meanwhile() {
    let mut report = report(&["f32", "f64"], &MEANS);
    // The machine was faster for one pass and slower for another than while its peak was measured.
    for (i, result) in report.results.iter_mut().enumerate() {
        let speed = [1.4, 0.6, 1.0][i % 3];
        result.gflops *= speed;
        result.gbs *= speed;
        result.seconds /= speed;
    }
    report.machine.isa = "avx512".to_owned();
    let roofline = Roofline::of(&report);
    assert_eq!(roofline.points.len(), report.results.len());
    for (result, point) in report.results.iter().zip(&roofline.points) {
        let peak = report.peak_gflops[&result.dtype];
        assert!(point.at.1 <= peak.log10(), "{} is above the peak", result.pass);
        if result.isa == "avx512" && result.threads == report.machine.threads {
            let share = 10_f64.powf(point.at.1 - peak.log10());
            assert!((share - result.fraction_of_peak).abs() < 1e-12, "{}: {share}", result.pass);
        }
    }
}

#[test]
fn all_that_is_written_is_in_the_font() {
    let svg = svg(&Roofline::of(&report(&["f32", "f64"], &MEANS))).unwrap();
    assert_eq!(crate::plot::not_in_the_font(&svg), "");
}
